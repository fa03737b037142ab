// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/store"
)

// again signs somebody in once more in a browser where somebody is.
func (b *browser) again(username, password string) page {
	b.t.Helper()
	return b.begin(onlineRequest("prompt", "login")).is("login").loginAs(username, password)
}

// TestSignIn_Again: the same person, and the session goes on, newer, with a cookie that
// the one before is no longer worth anything beside.
func TestSignIn_Again(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	first, stolen := w.sessionOf(b), w.copied(b)
	w.clock.pass(time.Hour)
	b.again("alice", alicePass).is("code")
	second := w.sessionOf(b)
	if second.ID != first.ID || second.SignIn == first.SignIn || second.SignIn == "" {
		t.Errorf("the session %s of %s became %s of %s", first.ID, first.SignIn, second.ID, second.SignIn)
	}
	if got := second.AuthTime.Sub(first.AuthTime); got != time.Hour {
		t.Errorf("auth_time is %s later", got)
	}
	if got := second.ExpiresAt.Sub(first.ExpiresAt); got != time.Hour {
		t.Errorf("it ends %s later", got)
	}
	b.begin(validRequest()).is("code")
	stolen.begin(with(validRequest(), "prompt", "none")).is("redirect login_required")
	stolen.leave(nil).has("You are signed out") // of nothing
	if !b.signedIn() {
		t.Error("an old cookie signs out")
	}
}

// TestSignIn_SomebodyElse: the session before ends, and its ID is nobody's.
func TestSignIn_SomebodyElse(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	first := w.sessionOf(b)
	b.again("bob", bobPass).is("consent")
	if second := w.sessionOf(b); second.ID == first.ID || second.Subject == first.Subject {
		t.Errorf("after %v there is %v", first, second)
	}
	if _, err := w.store.Store.Session(t.Context(), "main", first.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the session before: %v, want not found", err)
	}
}

// TestSignIn_AfterItsEnd: a session that has ended is not taken up again.
func TestSignIn_AfterItsEnd(t *testing.T) {
	for name, end := range map[string]func(*world, store.Session){
		"expired": func(w *world, _ store.Session) { w.clock.pass(time.Minute) },
		"ended elsewhere": func(w *world, s store.Session) {
			if err := w.store.Store.EndSession(w.t.Context(), "main", s.ID); err != nil {
				w.t.Fatal(err)
			}
		},
		"ended meanwhile": func(w *world, s store.Session) {
			w.store.onAnswer("Session", func() {
				if err := w.store.Store.EndSession(w.t.Context(), "main", s.ID); err != nil {
					w.t.Fatal(err)
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.newBrowser()
			b.codeFor(validRequest())
			w.clock.pass(12*time.Hour - time.Minute)
			first, p := w.sessionOf(b), b.begin(with(validRequest(), "prompt", "login")).is("login")
			end(w, first)
			p.loginAs("alice", alicePass).is("code")
			if second := w.sessionOf(b); second.ID == first.ID {
				t.Error("it has come back")
			}
		})
	}
}

// TestSignIn_Fixation: whatever cookies an attacker has planted in a person's browser,
// or seen there, they are not the person's session once the person has signed in.
func TestSignIn_Fixation(t *testing.T) {
	for name, plant := range map[string]func(w *world) *browser{
		"the attacker's own session": func(w *world) *browser {
			b := w.newBrowser()
			b.begin(validRequest()).loginAs("bob", bobPass).is("consent")
			return b
		},
		"a session of the person's": func(w *world) *browser {
			b := w.newBrowser()
			b.codeFor(validRequest())
			return b
		},
		"an old cookie of the person's": func(w *world) *browser {
			b := w.newBrowser()
			b.codeFor(validRequest())
			old := w.copied(b)
			b.again("alice", alicePass).is("code")
			return old
		},
		"an old cookie of the attacker's": func(w *world) *browser {
			b := w.newBrowser()
			b.begin(validRequest()).loginAs("bob", bobPass).is("consent")
			old := w.copied(b)
			b.again("bob", bobPass).is("consent")
			return old
		},
	} {
		for _, cache := range []time.Duration{0, remember} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				w.serve(func(c *Config) { c.SessionCache = cache })
				attacker := plant(w)
				attacker.begin(validRequest())
				victim := w.copied(attacker)
				p := victim.again("alice", alicePass)
				if p.location == nil {
					p = p.decide("allow")
				}
				p.is("code")
				attacker.begin(with(validRequest(), "prompt", "none")).is("redirect login_required")
				if !victim.signedIn() {
					t.Error("the person is not signed in")
				}
			})
		}
	}
}

// TestSignIn_OldCookieOfSomebodyElse: it does not even end the session.
func TestSignIn_OldCookieOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	old := w.copied(b)
	b.again("alice", alicePass).is("code")
	old.again("bob", bobPass).is("consent")
	if !b.signedIn() {
		t.Error("signed out by somebody who had a cookie once")
	}
}

// TestSignIn_OlderVersion: a session that was begun by a server that knew no SignIn
// goes on, and is no proof of a login within a flow.
func TestSignIn_OlderVersion(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	s := w.sessionOf(b)
	s.SignIn = ""
	if err := w.store.Store.RenewSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	b.setSession(w, sealedSession{ID: s.ID})
	if !b.signedIn() {
		t.Error("not signed in")
	}
	for _, change := range [][]string{{"prompt", "login"}, {"max_age", "0"}} {
		b.begin(with(validRequest(), change...)).is("login")
	}
	b.again("alice", alicePass).is("code")
	if got := w.sessionOf(b); got.ID != s.ID || got.SignIn == "" {
		t.Errorf("it became %v", got)
	}
}

// TestSessionCache_SignedInAgainElsewhere: a replica that remembers the session from
// before asks once about the newer cookie, and once about an older one.
func TestSessionCache_SignedInAgainElsewhere(t *testing.T) {
	f := newFleet(t, 2)
	for _, r := range f.replicas {
		r.serve(func(c *Config) { c.SessionCache = remember })
	}
	at := func(n int) { f.pick = func(int) int { return n } }
	at(0)
	b := newBrowser(t, f)
	b.codeFor(validRequest())
	old := f.copied(b)
	old.client.Transport = f
	at(1)
	b.begin(validRequest()).is("code") // and so it is remembered here
	at(0)
	b.again("alice", alicePass).is("code")

	at(1)
	b.begin(validRequest()).is("code")
	asked := f.store.calls("Session")
	b.begin(validRequest()).is("code")
	if got := f.store.calls("Session"); got != asked {
		t.Errorf("the store was asked %d times for what was just known", got-asked)
	}
	for range 3 {
		old.begin(with(validRequest(), "prompt", "none")).is("redirect login_required")
	}
	if got := f.store.calls("Session") - asked; got != 1 {
		t.Errorf("the store was asked %d times about an old cookie, want once", got)
	}
	b.begin(validRequest()).is("code")

	// However often: once for as long as anything is remembered.
	f.clock.pass(remember)
	b.begin(validRequest()).is("code")
	asked = f.store.calls("Session")
	for range 3 {
		old.begin(with(validRequest(), "prompt", "none")).is("redirect login_required")
	}
	if got := f.store.calls("Session") - asked; got != 1 {
		t.Errorf("later, the store was asked %d times about an old cookie, want once", got)
	}
}

// TestSessionCache_SignInLost: where the answer of the store to a newer sign-in is
// lost, the cookie from before is worth nothing here either.
func TestSessionCache_SignInLost(t *testing.T) {
	w := newRememberingWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	b.begin(validRequest()).is("code")
	p := b.begin(with(validRequest(), "prompt", "login")).is("login")
	w.store.goes(losing, "RenewSession")
	p.loginAs("alice", alicePass).is("page Service Unavailable")
	w.store.heals()
	b.begin(validRequest()).is("login").loginAs("alice", alicePass).is("code")
}

// TestSignIn_TwoTabs: of two tabs in which a person signs in, either one's flow comes
// to its end, and the session is the same.
func TestSignIn_TwoTabs(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	id := w.sessionOf(b).ID
	one := b.begin(with(validRequest(), "prompt", "login")).is("login")
	w.addClient("shop", nil)
	two := b.begin(with(validRequest(), "prompt", "login", "client_id", "docs.shop", "redirect_uri", "https://shop.example.com/callback")).is("login")
	one.loginAs("alice", alicePass).is("code")
	two.loginAs("alice", alicePass).is("consent").decide("allow").is("code")
	if got := w.sessionOf(b).ID; got != id {
		t.Error("it is another session")
	}
}

// setSession gives the browser a session cookie.
func (b *browser) setSession(w *world, held sealedSession) {
	b.t.Helper()
	sealed, err := w.main().Box.Seal(seal.Session, held, w.clock.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	u, err := url.Parse(mainIssuer + "/")
	if err != nil {
		b.t.Fatal(err)
	}
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "__Host-clientele-main-session", Value: sealed, Secure: true, Path: "/"}})
}
