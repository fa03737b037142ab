// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

// hinted is a browser that somebody is signed in at, and an ID token of theirs.
func (w *world) hinted() (*browser, string) {
	w.t.Helper()
	b := w.newBrowser()
	return b, w.token(redemption(b.codeFor(validRequest()))).ok().str("id_token")
}

func expecting(hint string, changes ...string) url.Values {
	return with(with(validRequest(), "id_token_hint", hint), changes...)
}

// TestHint_SamePerson: whoever is signed in is whom the client expects.
func TestHint_SamePerson(t *testing.T) {
	w := newWorld(t)
	b, hint := w.hinted()
	w.clock.pass(time.Hour) // it has expired
	for _, prompt := range []string{"", "none"} {
		q := expecting(hint, "prompt", prompt)
		b.begin(q).is("code")
		b.post(mainIssuer+"/authorize", q, "cross-site").is("code")
	}
	w.newBrowser().begin(expecting(hint)).is("login").has("Sign in with your account").loginAs("alice", alicePass).is("code")
	b.begin(expecting(hint, "prompt", "login")).is("login").loginAs("alice", alicePass).is("code")
}

// TestHint_AnotherPerson: nobody else's code goes to a client that expects alice.
func TestHint_AnotherPerson(t *testing.T) {
	w := newWorld(t)
	_, hint := w.hinted()
	b := w.newBrowser()
	b.begin(validRequest()).loginAs("bob", bobPass).is("consent").decide("allow").is("code")

	b.begin(expecting(hint, "prompt", "none")).is("redirect login_required")
	b.post(mainIssuer+"/authorize", expecting(hint, "prompt", "none"), "cross-site").is("redirect login_required")
	w.newBrowser().begin(expecting(hint, "prompt", "none")).is("redirect login_required") // nobody

	p := b.begin(expecting(hint)).is("login").has("signed in as bob").has("expects another account")
	if strings.Contains(p.body, "Continue as") {
		t.Error("the page has a way on as bob")
	}
	b.get(mainIssuer + "/consent?" + p.url.RawQuery).is("login") // nor is there another
	p.loginAs("bob", bobPass).is("redirect login_required")
	b.begin(expecting(hint)).is("login").loginAs("alice", alicePass).is("code")

	// Alice is asked, and somebody else is signed in by the time that she answers.
	q := expecting(hint, "prompt", "consent")
	p = b.begin(q).is("consent")
	b.begin(with(validRequest(), "prompt", "login")).is("login").loginAs("bob", bobPass).is("code")
	p.decide("allow").is("login")
}

// TestHint_Invalid: what is not an ID token that this client was issued is no hint.
func TestHint_Invalid(t *testing.T) {
	w := newWorld(t)
	w.addClient("shop", nil)
	w.addIssuer("team", pathIssuer, nil)
	w.registry.SetClient(clientOf(t, clientRecord("other", func(r *registration.Client) {
		r.AuthorizationServer, r.ClientID, r.RedirectURIs = "team", "docs.wiki", []string{wikiURI}
	})))
	b, hint := w.hinted()
	b.begin(expecting(hint)).is("code")
	a := w.token(redemption(b.codeFor(validRequest()))).ok()
	parts := strings.Split(hint, ".")
	p := b.get(authorizeURL(pathIssuer, validRequest())).loginAs("alice", alicePass).decide("allow").is("code")
	foreign := w.call(w.tokenRequest(pathIssuer, "docs.wiki", "other"+wikiSecret[4:], redemption(p.param("code")))).ok().str("id_token")
	for name, raw := range map[string]string{
		"words":                  "alice",
		"another signature":      parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		"no signature":           "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"an access token":        a.str("access_token"),
		"a refresh token":        a.str("refresh_token"),
		"of another issuer":      foreign,
		"a line end":             hint + "\n",
		"a space before it":      " " + hint,
		"another client's token": "shop",
	} {
		q := expecting(raw)
		if raw == "shop" {
			q = expecting(hint, "client_id", "docs.shop", "redirect_uri", "https://shop.example.com/callback")
		}
		b.begin(q).is("redirect invalid_request")
		b.post(mainIssuer+"/authorize", q, "cross-site").is("redirect invalid_request")
		if p := b.begin(with(q, "prompt", "none")).is("redirect login_required"); p.param("state") == "" {
			t.Errorf("%s: redirected to %s", name, p.location)
		}
	}
}

// TestHint_StaleReplica: a key that this replica has not seen yet is no reason to refuse.
func TestHint_StaleReplica(t *testing.T) {
	w := newWorld(t)
	_, hint := w.hinted()
	i, err := registry.NewIssuer(serverRecord("main", mainIssuer, nil), w.users, keysOf(t, "another set"))
	if err != nil {
		t.Fatal(err)
	}
	w.registry.SetIssuer(i)
	w.newBrowser().begin(expecting(hint)).is("redirect invalid_request")
	w.current.Store(false)
	w.newBrowser().begin(expecting(hint)).is("page Service Unavailable")
	w.newBrowser().begin(expecting(hint, "prompt", "none")).is("redirect temporarily_unavailable")
}

// TestHint_InNoURL: a request by POST goes on without its ID token, however long.
func TestHint_InNoURL(t *testing.T) {
	w := newWorld(t)
	b, hint := w.hinted()
	r := w.request(http.MethodPost, mainIssuer+"/authorize", expecting(hint).Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	p := b.send(r)
	if to := p.header.Get("Location"); !strings.HasPrefix(to, mainIssuer+"/continue?flow=") || strings.Contains(to, hint[:40]) {
		t.Errorf("goes on at %s", to)
	}
}

// TestContinue_Flows: what was posted goes on anywhere, as the request itself would;
// what a page has seen goes on in its browser alone.
func TestContinue_Flows(t *testing.T) {
	w := newWorld(t)
	r := w.request(http.MethodPost, mainIssuer+"/authorize", validRequest().Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	posted := w.newBrowser().send(r).location.String()
	mine := w.newBrowser()
	p := mine.get(posted).is("login")
	w.newBrowser().get(posted).is("login")
	flow := p.url.RawQuery
	mine.get(mainIssuer + "/continue?" + flow).is("login")
	w.newBrowser().get(mainIssuer + "/continue?" + flow).is("page Forbidden")
	mine.get(strings.Replace(posted, "/continue", "/login", 1)).is("page Forbidden") // bound to no browser
	mine.get(mainIssuer + "/continue?flow=x").is("page Bad Request")
	mine.get(mainIssuer + "/continue?" + flow + "&" + flow).is("page Bad Request")
	w.clock.pass(flowLifetime)
	mine.get(posted).is("page Bad Request")
}
