// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/internal/registration"
)

const spaOrigin = "https://spa.example.com"

// readableFrom is from which of some origins a page may read an answer.
func (w *world) readableFrom(ask func() *http.Request) []string {
	w.t.Helper()
	var out []string
	for _, origin := range []string{spaOrigin, "https://wiki.example.com", "https://evil.example", "null", ""} {
		r := ask()
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		h := w.call(r).header
		if allowed := h.Get("Access-Control-Allow-Origin"); allowed == origin && origin != "" {
			out = append(out, origin)
		} else if allowed != "" {
			w.t.Errorf("for %q, %q may read", origin, allowed)
		}
		if h.Get("Access-Control-Allow-Credentials") != "" {
			w.t.Errorf("for %q, credentials are allowed", origin)
		}
	}
	return out
}

// requests are one for each endpoint that browser apps call, as the app spa, and one
// for introspection, which is no business of pages.
func (w *world) requests(accessToken string) map[string]func() *http.Request {
	form := func(path string, v url.Values) func() *http.Request {
		return func() *http.Request {
			r := w.request(http.MethodPost, mainIssuer+path, v.Encode())
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return r
		}
	}
	return map[string]func() *http.Request{
		"/token":      form("/token", with(redemption("x"), "client_id", "docs.spa")),
		"/revoke":     form("/revoke", url.Values{"client_id": {"docs.spa"}, "token": {"x"}}),
		"/introspect": form("/introspect", url.Values{"client_id": {"docs.spa"}, "token": {"x"}}),
		"/userinfo": func() *http.Request {
			r := w.request(http.MethodGet, mainIssuer+"/userinfo", "")
			r.Header.Set("Authorization", "Bearer "+accessToken)
			return r
		},
	}
}

// TestCORS_Answers: pages of a public client's origin, and of no other, read what it is
// answered. No other origin is named, none may send cookies, and introspection is for
// no page.
func TestCORS_Answers(t *testing.T) {
	w := newWorld(t)
	w.addClient("spa", public)
	b := w.newBrowser()
	q := with(validRequest(), "client_id", "docs.spa", "redirect_uri", spaOrigin+"/callback")
	code := b.begin(q).loginAs("alice", alicePass).decide("allow").is("code").param("code")
	token := w.tokenAs("", "", with(redemption(code), "client_id", "docs.spa", "redirect_uri", spaOrigin+"/callback")).ok().str("access_token")
	for name, ask := range w.requests(token) {
		w.wantReadable(name, ask)
	}
}

// TestCORS_Shed: an app that is told to come back can read that.
func TestCORS_Shed(t *testing.T) {
	w := newWorld(t)
	w.serve(func(c *Config) { c.MaxRequests = 1 })
	w.addClient("spa", public)
	code := w.codeFor(validRequest())
	begun, goOn := make(chan struct{}), make(chan struct{})
	w.store.onAnswer("Redeem", func() { close(begun); <-goOn })
	first := make(chan answer)
	go func() { first <- w.token(redemption(code)) }()
	<-begun
	for name, ask := range w.requests("whatever") {
		w.wantReadable(name, ask)
		r := ask()
		r.Header.Set("Origin", spaOrigin)
		a := w.call(r)
		a.refused(http.StatusServiceUnavailable, "temporarily_unavailable")
		exposed, vary := a.header.Get("Access-Control-Expose-Headers"), a.header.Get("Vary")
		if name != "/introspect" && (!strings.Contains(exposed, "Retry-After") || vary != "Origin") {
			t.Errorf("%s: exposed are %q, and it varies by %q", name, exposed, vary)
		}
	}
	close(goOn)
	(<-first).ok()
}

// TestCORS_Errors: an app whose access token is not good any more can read so, though
// the token does not tell whose it is.
func TestCORS_Errors(t *testing.T) {
	w := newWorld(t)
	w.addClient("spa", public)
	expired := w.firstAnswer().str("access_token")
	w.clock.pass(time.Hour)
	for _, token := range []string{expired, "garbage", ""} {
		ask := w.requests(token)["/userinfo"]
		w.wantReadable("/userinfo", ask)
		r := ask()
		r.Header.Set("Origin", spaOrigin)
		a := w.call(r)
		if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") == "" ||
			!strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "WWW-Authenticate") {
			t.Errorf("status %d, %v", a.status, a.header)
		}
	}
	// Where no public client is, or is any more, nobody reads anything.
	w.addClient("spa", func(*registration.Client) {})
	if got := w.readableFrom(w.requests(expired)["/userinfo"]); len(got) > 0 {
		t.Errorf("readable from %v", got)
	}
}

func (w *world) wantReadable(name string, ask func() *http.Request) {
	w.t.Helper()
	want := spaOrigin
	if name == "/introspect" {
		want = ""
	}
	if got := strings.Join(w.readableFrom(ask), " "); got != want {
		w.t.Errorf("%s may be read from %q, want %q", name, got, want)
	}
}
