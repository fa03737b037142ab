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
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/internal/registration"
)

func TestRecent(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	c := newRecent[string, int](10*time.Second, 4)
	know := func(k string, v, seconds int) {
		_, q, _ := c.get(k, at(seconds))
		c.put(k, v, q)
	}
	wants := func(k string, seconds int, want bool) {
		t.Helper()
		if _, _, ok := c.get(k, at(seconds)); ok != want {
			t.Errorf("after %d s, %s is known: %t", seconds, k, ok)
		}
	}
	know("a", 1, 0)
	wants("a", 0, true)
	wants("a", 9, true)
	wants("a", 10, false)
	wants("a", -1, false)
	wants("b", 0, false)

	know("a", 2, 10)
	if v, _, ok := c.get("a", at(19)); !ok || v != 2 {
		t.Errorf("got %d, %t, want the later answer", v, ok)
	}
	c.forget("a")
	wants("a", 11, false)

	// An answer to a question from before something was forgotten.
	_, q, _ := c.get("a", at(12))
	c.forget("a")
	c.put("a", 3, q)
	wants("a", 12, false)

	for i := range 100 {
		know(strings.Repeat("x", i), i, 20)
		if n := len(c.young) + len(c.old); n > 4 {
			t.Fatalf("%d are kept, want 4 at most", n)
		}
	}
	wants(strings.Repeat("x", 99), 20, true)
	wants("", 20, false)
	know("a", 1, 60)
	know("b", 1, 61)
	know("a", 1, 80)
	if n := len(c.young) + len(c.old); n != 3 {
		t.Errorf("%d are kept of a long time ago", n)
	}

	none := newRecent[string, int](0, 4)
	_, q, _ = none.get("a", at(0))
	none.put("a", 1, q)
	if _, _, ok := none.get("a", at(0)); ok {
		t.Error("it remembers, and was told not to")
	}
}

const remember = 5 * time.Second

// newRememberingWorld is one whose server does not ask about a session each time.
func newRememberingWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.serve(func(c *Config) { c.SessionCache = remember })
	return w
}

func (w *world) main() *registry.Issuer {
	w.t.Helper()
	i, _, ok := w.registry.Route("login.example.com", "/authorize")
	if !ok {
		w.t.Fatal("no issuer")
	}
	return i
}

// sessionOf is the session of a browser, as its cookie names it.
func (w *world) sessionOf(b *browser) store.Session {
	w.t.Helper()
	r := &request{Request: w.request(http.MethodGet, mainIssuer+"/", ""), issuer: w.main()}
	for _, c := range b.client.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	held, _ := r.sessionHeld()
	found, err := w.store.Store.Session(w.t.Context(), "main", held.ID)
	if err != nil {
		w.t.Fatalf("session of the browser: %v", err)
	}
	return found
}

// copied is a second browser with the cookies of the first, as a thief has them.
func (w *world) copied(b *browser) *browser {
	w.t.Helper()
	out := w.newBrowser()
	u, err := url.Parse(mainIssuer + "/")
	if err != nil {
		w.t.Fatal(err)
	}
	cookies := b.client.Jar.Cookies(u)
	for _, c := range cookies {
		c.Secure, c.Path = true, "/"
	}
	out.client.Jar.SetCookies(u, cookies)
	return out
}

func TestSessionCache_EndedElsewhere(t *testing.T) {
	w := newRememberingWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	w.clock.pass(remember)
	b.begin(validRequest()).is("code") // and so it is remembered
	asked := w.store.reads.Load()
	b.begin(validRequest()).is("code")
	if got := w.store.reads.Load(); got != asked {
		t.Errorf("the store was asked %d times for what was just known", got-asked)
	}
	if err := w.store.Store.EndSession(t.Context(), "main", w.sessionOf(b).ID); err != nil {
		t.Fatal(err)
	}
	w.clock.pass(remember - time.Millisecond)
	b.begin(validRequest()).is("code")
	w.clock.pass(time.Millisecond)
	b.begin(validRequest()).is("login")
}

func TestSessionCache_SignOutHere(t *testing.T) {
	for _, how := range []fault{none, losing} {
		t.Run(how.String(), func(t *testing.T) {
			w := newRememberingWorld(t)
			b := w.newBrowser()
			b.codeFor(validRequest())
			b.begin(validRequest()).is("code")
			thief := w.copied(b)
			thief.begin(validRequest()).is("code")
			p := b.get(mainIssuer + "/end_session")
			w.store.goes(how, "EndSession")
			p.decide("leave")
			w.store.heals()
			thief.begin(validRequest()).is("login")
		})
	}
}

func TestSessionCache_SignInHere(t *testing.T) {
	w := newRememberingWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	b.begin(validRequest()).is("code")
	thief := w.copied(b)
	b.begin(with(validRequest(), "prompt", "login")).is("login").loginAs("bob", bobPass).is("consent")
	thief.begin(validRequest()).is("login")
}

func TestSessionCache_NeverLongerThanTheSession(t *testing.T) {
	w := newRememberingWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	w.clock.pass(12*time.Hour - time.Second)
	b.begin(validRequest()).is("code")
	w.clock.pass(time.Second)
	b.begin(validRequest()).is("login")
}

// TestSessionCache_SignOutMeanwhile: a request that asked the store before somebody
// signed out must not bring the session back when it hears the answer.
func TestSessionCache_SignOutMeanwhile(t *testing.T) {
	w := newRememberingWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	w.clock.pass(remember)
	id := w.sessionOf(b).ID
	w.store.onAnswer("Session", func() {
		r := &request{Request: w.request(http.MethodPost, mainIssuer+"/signout", ""), issuer: w.main()}
		if err := w.server.forgetSession(r, id); err != nil {
			t.Error(err)
		}
	})
	b.begin(validRequest()).is("code") // it began before
	b.begin(validRequest()).is("login")
}

// TestConsentCache: it may say that nobody need be asked, and nothing else.
func TestConsentCache(t *testing.T) {
	w := newRememberingWorld(t)
	b := w.newBrowser()
	little := with(validRequest(), "scope", "openid")
	b.codeFor(little)
	b.begin(little).is("code")
	subject := w.sessionOf(b).Subject

	// More was allowed elsewhere: it counts at once.
	err := w.store.Store.Allow(t.Context(), store.Consent{
		Issuer: "main", Subject: subject, ClientID: "docs.wiki", ClientUID: "uid-wiki", Scopes: allScopes,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.begin(validRequest()).is("code")

	// It was taken back elsewhere.
	if err := w.store.Forget(t.Context(), "main", subject, "docs.wiki"); err != nil {
		t.Fatal(err)
	}
	b.begin(validRequest()).is("code")
	w.clock.pass(remember)
	b.begin(validRequest()).is("consent").decide("allow").is("code")

	// What was allowed to a client of the same name is nothing to another one.
	b.begin(validRequest()).is("code")
	w.addClient("wiki", func(r *registration.Client) { *r = recreated(*r) })
	b.begin(validRequest()).is("consent")
}
