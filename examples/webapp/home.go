// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// view is what the home page shows.
type view struct {
	App       appView
	Person    *personView
	API       apiView
	Tokens    []tokenView
	Refreshes bool
}

// appView is what the mounted Secret says, but for the secret.
type appView struct {
	ClientID, Issuer, Changed string
}

type personView struct {
	Name, Initial, Username, Email string
	Groups                         []string
	Claims                         []claimView
}

type claimView struct{ Name, Value, Meaning string }

// apiView is a call of the app's API.
type apiView struct {
	Status, Challenge, Body string
}

// tokenView is a token taken apart.
type tokenView struct {
	Name, For, Header, Claims, Expires string
}

// home shows the person, or asks to sign in.
func (a *app) home(w http.ResponseWriter, r *http.Request) error {
	c, err := readCredentials(a.credentials)
	if err != nil {
		return err
	}
	v := view{App: appView{ClientID: c.clientID, Issuer: c.issuer, Changed: c.changed.Format(time.TimeOnly)}}
	if _, s, ok := a.current(r); ok {
		v.Person = person(s.idToken, a.now())
		v.Refreshes = s.token.RefreshToken != ""
		v.Tokens = []tokenView{
			decode("ID token", "for this app: who signed in", s.idToken, a.now()),
			decode("Access token", "for the API: what this app may do", s.token.AccessToken, a.now()),
		}
		if v.API, err = a.callAPI(r.Context(), s.token.AccessToken); err != nil {
			return err
		}
	}
	a.render(w, http.StatusOK, "home.html", v)
	return nil
}

// callAPI calls the app's API over HTTP, as one server calls another's.
func (a *app) callAPI(ctx context.Context, accessToken string) (apiView, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.api+"/api/me", nil)
	if err != nil {
		return apiView{}, err
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	resp, err := a.http.Do(req)
	if err != nil {
		return apiView{}, fmt.Errorf("call the API: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return apiView{}, fmt.Errorf("call the API: %w", err)
	}
	return apiView{Status: resp.Status, Challenge: resp.Header.Get("WWW-Authenticate"), Body: indent(body)}, nil
}

// meanings are what OpenID Connect Core 1.0 sections 2 and 5.1 say, in short.
var meanings = map[string]string{
	"sub":                "the person, by a name that never changes",
	"name":               "for display",
	"preferred_username": "for display: it may change",
	"email":              "may change, too: never a key",
	"email_verified":     "whether the address is known to be theirs",
	"groups":             "what permissions can be based on",
	"iss":                "who says all this",
	"aud":                "whom it is said to: this app",
	"iat":                "when it was said",
	"exp":                "until when it holds",
	"auth_time":          "when the person proved who they are",
	"nonce":              "ties it to this sign-in",
	"at_hash":            "ties the access token to it",
	"acr":                "how the person proved it, as a class",
	"amr":                "how the person proved it, by its means",
	"sid":                "the person's session, as this app knows it",
}

// order is that of the claims table. Claims that it does not have come last.
var order = []string{
	"sub", "name", "preferred_username", "email", "email_verified", "groups",
	"iss", "aud", "auth_time", "acr", "amr", "iat", "exp", "nonce", "at_hash", "sid",
}

// person takes an ID token apart. It was verified when it was received.
func person(idToken string, now time.Time) *personView {
	all := claims(idToken)
	text := func(name string) string { s, _ := all[name].(string); return s }
	p := &personView{
		Name: cmp.Or(text("name"), text("preferred_username"), text("sub")), Username: text("preferred_username"), Email: text("email"),
	}
	p.Initial = strings.ToUpper(string([]rune(p.Name + "?")[0]))
	groups, _ := all["groups"].([]any)
	for _, g := range groups {
		p.Groups = append(p.Groups, fmt.Sprint(g))
	}
	rank := func(name string) int {
		if i := slices.Index(order, name); i >= 0 {
			return i
		}
		return len(order)
	}
	for _, name := range slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	}) {
		p.Claims = append(p.Claims, claimView{Name: name, Value: claimText(name, all[name], now), Meaning: meanings[name]})
	}
	return p
}

// claimText is a claim as a person reads it.
func claimText(name string, value any, now time.Time) string {
	switch v := value.(type) {
	case string:
		return v
	case []any:
		words := make([]string, len(v))
		for i := range v {
			words[i] = fmt.Sprint(v[i])
		}
		return strings.Join(words, ", ")
	case float64:
		if name == "exp" || name == "iat" || name == "auth_time" {
			return moment(time.Unix(int64(v), 0), now)
		}
	}
	return fmt.Sprint(value)
}

// moment is a time and about how far away it is.
func moment(t, now time.Time) string {
	clock := t.Format(time.TimeOnly)
	switch d := t.Sub(now); {
	case d >= time.Second:
		return clock + ", in " + about(d)
	case d <= -time.Second:
		return clock + ", " + about(-d) + " ago"
	}
	return clock + ", now"
}

func about(d time.Duration) string {
	switch {
	case d < 100*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 100*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}

// decode takes a JWT apart without verifying it, to be looked at.
func decode(name, purpose, raw string, now time.Time) tokenView {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return tokenView{Name: name, For: purpose, Claims: "(not a JWT)"}
	}
	v := tokenView{Name: name, For: purpose, Header: segment(parts[0]), Claims: segment(parts[1])}
	if exp, ok := claims(raw)["exp"].(float64); ok {
		v.Expires = moment(time.Unix(int64(exp), 0), now)
	}
	return v
}

func segment(encoded string) string {
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "(not base64url)"
	}
	return indent(raw)
}

func indent(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, bytes.TrimSpace(raw), "", "  ") != nil {
		return "(not JSON)"
	}
	return b.String()
}

// claims are the claims of a JWT, unverified; none if it is not one.
func claims(raw string) map[string]any {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var out map[string]any
	if json.Unmarshal(payload, &out) != nil {
		return nil
	}
	return out
}
