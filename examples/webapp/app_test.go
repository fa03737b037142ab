// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

var discard = slog.New(slog.DiscardHandler)

func TestApp_SignsIn(t *testing.T) {
	i := newIssuer(t)
	b, _ := start(t, i)
	i.asked = b.begin()

	for name, want := range map[string]string{
		"response_type": "code", "client_id": "team.app", "redirect_uri": b.app + "/callback",
		"scope": "openid profile", "code_challenge_method": "S256",
	} {
		if got := i.asked.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	status, body := b.page(http.MethodGet, "/callback?code=c1&iss="+url.QueryEscape(i.URL)+"&state="+i.asked.Get("state"))
	if status != http.StatusOK {
		t.Fatalf("got %d: %s", status, body)
	}
	for _, want := range []string{"Hello, Ada Lovelace", "engineering", "200 OK", "at&#43;jwt", i.URL} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if status, body := b.page(http.MethodPost, "/signout"); status != http.StatusOK || strings.Contains(body, "Ada") {
		t.Errorf("after signing out: got %d: %s", status, body)
	}
}

// Signing out ends the session at the issuer as well, which is told whose it is and
// where to send the person.
func TestApp_SignsOutAtTheIssuer(t *testing.T) {
	i := newIssuer(t)
	i.endSession = i.URL + "/bye"
	b, _ := start(t, i)
	i.asked = b.begin()
	b.page(http.MethodGet, "/callback?code=c1&iss="+url.QueryEscape(i.URL)+"&state="+i.asked.Get("state"))
	_, body := b.page(http.MethodPost, "/signout")
	asked, err := url.ParseQuery(body)
	if err != nil {
		t.Fatal(err)
	}
	if asked.Get("client_id") != "team.app" || asked.Get("post_logout_redirect_uri") != b.app+"/" ||
		claims(asked.Get("id_token_hint"))["sub"] != "ada" {
		t.Errorf("the issuer was asked: %s", body)
	}
	if _, body := b.page(http.MethodGet, "/"); strings.Contains(body, "Ada") {
		t.Error("still signed in here")
	}
}

// A sign-in that is not exactly the one that was begun ends in words, and signs
// nobody in.
func TestApp_RefusesCallback(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*issuer, url.Values)
		want   string
	}{
		"no state":        {func(_ *issuer, q url.Values) { q.Del("state") }, "not begun here"},
		"other state":     {func(_ *issuer, q url.Values) { q.Set("state", "x") }, "not begun here"},
		"other issuer":    {func(_ *issuer, q url.Values) { q.Set("iss", "https://evil.example.com") }, "Something went wrong"},
		"other code":      {func(_ *issuer, q url.Values) { q.Set("code", "c2") }, "invalid_grant"},
		"denied":          {func(_ *issuer, q url.Values) { q.Set("error", "access_denied") }, "did not give access"},
		"refused":         {func(_ *issuer, q url.Values) { q.Set("error", "invalid_scope") }, "invalid_scope"},
		"refused tokens":  {func(i *issuer, _ url.Values) { i.refuse = "server_error" }, "&lt;b&gt;because"},
		"other nonce":     {func(i *issuer, _ url.Values) { i.id = set("nonce", "x") }, "Something went wrong"},
		"other audience":  {func(i *issuer, _ url.Values) { i.id = set("aud", "x") }, "Something went wrong"},
		"expired already": {func(i *issuer, _ url.Values) { i.id = set("exp", 1) }, "Something went wrong"},
		"other secret":    {func(i *issuer, _ url.Values) { i.secret = "s2" }, "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			b, _ := start(t, i)
			i.asked = b.begin()
			q := url.Values{"code": {"c1"}, "state": {i.asked.Get("state")}, "iss": {i.URL}}
			tc.change(i, q)
			status, body := b.page(http.MethodGet, "/callback?"+q.Encode())
			if status < 400 || !strings.Contains(body, tc.want) {
				t.Errorf("got %d: %s", status, body)
			}
			if _, body := b.page(http.MethodGet, "/"); strings.Contains(body, "Ada") {
				t.Error("somebody is signed in")
			}
		})
	}
}

func set(name string, value any) func(map[string]any) {
	return func(claims map[string]any) { claims[name] = value }
}

func TestApp_CallbackWorksOnce(t *testing.T) {
	i := newIssuer(t)
	b, _ := start(t, i)
	i.asked = b.begin()
	back := "/callback?code=c1&state=" + i.asked.Get("state")
	if status, body := b.page(http.MethodGet, back); status != http.StatusOK {
		t.Fatalf("got %d: %s", status, body)
	}
	if status, _ := b.page(http.MethodGet, back); status != http.StatusBadRequest {
		t.Errorf("the second time: got %d, want 400", status)
	}
}

func TestApp_FollowsANewSecret(t *testing.T) {
	i := newIssuer(t)
	b, dir := start(t, i)
	i.secret = "s2"
	i.mount(dir, "..v2")
	i.asked = b.begin()
	if status, body := b.page(http.MethodGet, "/callback?code=c1&state="+i.asked.Get("state")); status != http.StatusOK {
		t.Errorf("got %d: %s", status, body)
	}
}

func TestApp_Refreshes(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*issuer)
		want   string
	}{
		"same person":  {func(i *issuer) { i.id = set("name", "Ada King") }, "Hello, Ada King"},
		"other person": {func(i *issuer) { i.id = set("sub", "grace") }, "Something went wrong"},
		"grant ended":  {func(i *issuer) { i.refuse = "invalid_grant" }, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			b, _ := start(t, i)
			i.asked = b.begin()
			b.page(http.MethodGet, "/callback?code=c1&state="+i.asked.Get("state"))
			tc.change(i)
			if _, body := b.page(http.MethodPost, "/refresh"); !strings.Contains(body, tc.want) {
				t.Errorf("got %s, want %q", body, tc.want)
			}
		})
	}
}

func TestApp_RefusesForeignForms(t *testing.T) {
	b, _ := start(t, newIssuer(t))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.app+"/signout", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := b.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("got %s, want 403", resp.Status)
	}
}

func TestApp_ServesMe(t *testing.T) {
	i := newIssuer(t)
	b, _ := start(t, i)
	claims := accessClaims()
	claims["iss"], claims["exp"] = i.URL, time.Now().Add(time.Minute).Unix()
	get := func(token string) (int, string, caller) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.app+"/api/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := b.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var c caller
		if err := json.NewDecoder(resp.Body).Decode(&c); err != nil {
			t.Error(err)
		}
		return resp.StatusCode, resp.Header.Get("WWW-Authenticate"), c
	}
	if status, _, c := get(mint(t, i.key, "at+jwt", claims)); status != http.StatusOK || c.Name != "Ada Lovelace" {
		t.Errorf("got %d %+v", status, c)
	}
	status, challenge, c := get(mint(t, i.key, "JWT", claims))
	if status != http.StatusUnauthorized || !strings.Contains(challenge, `error="invalid_token"`) || c.Subject != "" {
		t.Errorf("an ID token: got %d %s %+v", status, challenge, c)
	}
}

func TestSessions_MakeRoom(t *testing.T) {
	s, now := newSessions(), time.Now()
	first := s.start(now, session{})
	if _, ok := s.get(now.Add(sessionLifetime), first); ok {
		t.Error("a session outlives its lifetime")
	}
	for range maxSessions {
		s.start(now, session{})
	}
	if len(s.all) > maxSessions {
		t.Errorf("got %d sessions, want at most %d", len(s.all), maxSessions)
	}
	s.replace("gone", session{})
	if _, ok := s.get(now, "gone"); ok {
		t.Error("replacing a session that ended began it anew")
	}
}

func TestParse(t *testing.T) {
	var help strings.Builder
	if _, err := parse(nil, &help); err == nil || !strings.Contains(err.Error(), "--credentials-dir") {
		t.Errorf("got %v", err)
	}
	c, err := parse([]string{"--credentials-dir=/c", "--url=https://app.example.com/", "--scopes=openid  email"}, &help)
	if err != nil || c.url != "https://app.example.com" || len(c.scopes) != 2 {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0:                       "12:00:00, now",
		-30 * time.Second:       "11:59:30, 30 s ago",
		15*time.Minute - 1:      "12:14:59, in 15 min",
		12 * time.Hour:          "00:00:00, in 12 h",
		-500 * time.Millisecond: "11:59:59, now",
	} {
		if got := moment(now.Add(d), now); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
