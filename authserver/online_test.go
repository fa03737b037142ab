// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"encoding/base64"
	"net/url"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/internal/registration"
)

// onlineRequest is an authorization request that does not ask for offline_access.
func onlineRequest(changes ...string) url.Values {
	return with(with(validRequest(), "scope", "openid profile"), changes...)
}

// online signs alice in, and returns what the app gets for as long as she is.
func (b *browser) online(w *world) answer {
	b.t.Helper()
	return w.token(redemption(b.codeFor(onlineRequest()))).ok()
}

// worthNothing fails the test if anything can be done with an answer's tokens.
func (w *world) worthNothing(a answer) {
	w.t.Helper()
	w.token(refreshing(a.str("refresh_token"))).refused(400, "invalid_grant")
	w.userinfo(a.str("access_token")).refused(401, "invalid_token")
	w.introspect(a.str("access_token")).inactive()
	w.introspect(a.str("refresh_token")).inactive()
}

func (w *world) worthAll(a answer) {
	w.t.Helper()
	w.userinfo(a.str("access_token")).ok()
	w.introspect(a.str("access_token")).active()
	w.introspect(a.str("refresh_token")).active()
}

func TestSID(t *testing.T) {
	one := sid("session", "client")
	if raw, err := base64.RawURLEncoding.DecodeString(one); err != nil || len(raw) != 16 {
		t.Errorf("%q is not 16 bytes: %v", one, err)
	}
	for name, other := range map[string]string{
		"another session": sid("session2", "client"), "another client": sid("session", "client2"),
		"shifted": sid("sessio", "nclient"),
	} {
		if other == one {
			t.Errorf("%s has the same", name)
		}
	}
	if got := sid("session", "client"); got != one {
		t.Errorf("the same gives %q and %q", one, got)
	}
	if got := sid("", "client"); got != "" {
		t.Errorf("no session is %q", got)
	}
}

// TestSID_OfTheSession: the same in all ID tokens of a session and a client, and in no
// others.
func TestSID_OfTheSession(t *testing.T) {
	w := newWorld(t)
	w.addClient("shop", nil)
	b := w.newBrowser()
	first := b.online(w)
	of := first.claims("id_token")["sid"]
	if of == nil || of == "" {
		t.Fatal("no sid")
	}
	refreshed := w.token(refreshing(first.str("refresh_token"))).ok()
	silent := b.online(w)
	w.clock.pass(time.Minute)
	again := w.token(redemption(b.again("alice", alicePass).is("code").param("code"))).ok()
	for name, a := range map[string]answer{"refreshed": refreshed, "silent": silent, "signed in again": again} {
		if got := a.claims("id_token")["sid"]; got != of {
			t.Errorf("%s: sid is %v, and was %v", name, got, of)
		}
	}
	if again.claims("id_token")["auth_time"] == first.claims("id_token")["auth_time"] {
		t.Error("auth_time is that of the former sign-in")
	}
	if first.claims("access_token")["sid"] != nil {
		t.Error("an access token tells of the session")
	}

	elsewhere := w.newBrowser().online(w)
	shop := w.tokenAs("docs.shop", shopSecret, with(redemption(b.codeFor(onlineRequest(
		"client_id", "docs.shop", "redirect_uri", "https://shop.example.com/callback",
	))), "redirect_uri", "https://shop.example.com/callback")).ok()
	for name, a := range map[string]answer{"another session": elsewhere, "another client": shop} {
		if got := a.claims("id_token")["sid"]; got == of || got == nil {
			t.Errorf("%s: sid is %v", name, got)
		}
	}
}

// TestOnline_EndsWithItsSession: however it ends.
func TestOnline_EndsWithItsSession(t *testing.T) {
	for name, end := range map[string]func(*world, *browser){
		"signed out": func(_ *world, b *browser) {
			b.leave(nil).submit(url.Values{"decision": {"leave"}}).has("You are signed out")
		},
		"somebody else signs in": func(_ *world, b *browser) { b.again("bob", bobPass).is("consent") },
		"ended by hand": func(w *world, b *browser) {
			if err := w.store.Store.EndSession(w.t.Context(), "main", w.sessionOf(b).ID); err != nil {
				w.t.Fatal(err)
			}
			w.clock.pass(remember)
		},
		"expired": func(w *world, _ *browser) { w.clock.pass(12*time.Hour - 10*time.Minute) },
	} {
		for _, scope := range []string{"openid profile", "profile"} {
			t.Run(name+", "+scope, func(t *testing.T) {
				w := newRememberingWorld(t)
				b := w.newBrowser()
				a := w.token(redemption(b.codeFor(with(validRequest(), "scope", scope)))).ok()
				w.clock.pass(10 * time.Minute)
				a = w.token(refreshing(a.str("refresh_token"))).ok()
				w.introspect(a.str("access_token")).active()
				end(w, b)
				w.token(refreshing(a.str("refresh_token"))).refused(400, "invalid_grant")
				w.introspect(a.str("access_token")).inactive()
				w.introspect(a.str("refresh_token")).inactive()
			})
		}
	}
}

// TestOnline_SignedInAgain: the session goes on, and so does what belongs to it.
func TestOnline_SignedInAgain(t *testing.T) {
	w := newRememberingWorld(t)
	b := w.newBrowser()
	a := b.online(w)
	b.again("alice", alicePass).is("code")
	w.worthAll(a)
	a = w.token(refreshing(a.str("refresh_token"))).ok()
	// It ends with the session, and the session has come to last longer than it was to
	// at first; the chain has not.
	w.clock.pass(11 * time.Hour)
	a = w.token(refreshing(a.str("refresh_token"))).ok()
	b.again("alice", alicePass).is("code")
	w.clock.pass(time.Hour)
	if !b.signedIn() {
		t.Error("the session has ended")
	}
	w.token(refreshing(a.str("refresh_token"))).refused(400, "invalid_grant")
}

// TestOnline_NotRegistered: without the grant type there is no refresh token, and the
// access token ends with the session all the same.
func TestOnline_NotRegistered(t *testing.T) {
	w := newWorld(t)
	w.addClient("wiki", func(r *registration.Client) { r.GrantTypes = []string{"authorization_code"} })
	b := w.newBrowser()
	a := b.online(w)
	if a.JSON["refresh_token"] != nil {
		t.Error("there is a refresh token")
	}
	w.userinfo(a.str("access_token")).ok()
	b.leave(nil).submit(url.Values{"decision": {"leave"}})
	w.userinfo(a.str("access_token")).refused(401, "invalid_token")
	w.introspect(a.str("access_token")).inactive()
}

// TestOnline_OfflineAccessTakenBack: what a client may no longer do while a person is
// away, it may while they are there.
func TestOnline_OfflineAccessTakenBack(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	a := w.token(redemption(b.codeFor(validRequest()))).ok()
	w.addClient("wiki", func(r *registration.Client) { r.Scopes = []string{"openid", "profile"} })
	a = w.token(refreshing(a.str("refresh_token"))).ok()
	b.leave(nil).submit(url.Values{"decision": {"leave"}})
	w.worthNothing(a)
	w.addClient("wiki", nil)
	w.worthAll(a)
	w.token(refreshing(a.str("refresh_token"))).ok()
}

// TestOnline_CodeAfterSignOut: a code that was issued before is worth nothing, and is
// not spent.
func TestOnline_CodeAfterSignOut(t *testing.T) {
	w := newRememberingWorld(t)
	b := w.newBrowser()
	code := b.codeFor(onlineRequest())
	b.leave(nil).submit(url.Values{"decision": {"leave"}})
	writes := w.store.writes.Load()
	w.token(redemption(code)).refused(400, "invalid_grant")
	if got := w.store.writes.Load(); got != writes {
		t.Error("the store was written to")
	}
}

// TestOnline_AsksNoMore: at the replica that has seen the person, the store is asked
// about the session neither for the code nor for what follows.
func TestOnline_AsksNoMore(t *testing.T) {
	w := newRememberingWorld(t)
	a := w.newBrowser().online(w)
	w.userinfo(a.str("access_token")).ok()
	w.token(refreshing(a.str("refresh_token"))).ok()
	if got := w.store.calls("Session"); got != 0 {
		t.Errorf("the store was asked %d times for the session", got)
	}
}

// TestOnline_CannotTell: nobody is told that it is over by a server that cannot know.
func TestOnline_CannotTell(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	code, a := b.codeFor(onlineRequest()), b.online(w)
	w.store.fails("Session")
	w.token(redemption(code)).refused(503, "temporarily_unavailable")
	w.token(refreshing(a.str("refresh_token"))).refused(503, "temporarily_unavailable")
	w.userinfo(a.str("access_token")).refused(503, "temporarily_unavailable")
	w.introspect(a.str("access_token")).refused(503, "temporarily_unavailable")
	w.store.heals()
	w.worthAll(a)
	w.token(redemption(code)).ok()
}

// TestOnline_OlderVersion: what was issued by a server that knew no session goes on
// for as long as it was to.
func TestOnline_OlderVersion(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	a := b.online(w)
	var old refreshToken
	if err := w.main().Box.Open(seal.RefreshToken, a.str("refresh_token"), &old); err != nil {
		t.Fatal(err)
	}
	now := w.clock.Now()
	g := store.Grant{
		ID: "old", Issuer: "main", ClientID: old.ClientID, ClientUID: old.ClientUID, Subject: old.Subject, Provider: old.Provider,
		PersonID: old.PersonID, AuthTime: now, Scopes: []string{"openid"}, AdvancedAt: now, IssuedAt: now,
		CodeExpiresAt: now.Add(time.Minute), ExpiresAt: now.Add(time.Hour),
	}
	if err := w.store.Store.Redeem(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	l := old.login
	l.SessionID = ""
	r := &request{Request: w.request("POST", mainIssuer+"/token", ""), issuer: w.main(), now: now}
	client, _ := w.registry.Client(w.main(), "docs.wiki")
	minted, err := w.server.mint(r, issuance{client: client, grant: "old", login: l, audience: []string{audiencePrefix + "docs.wiki"}, granted: g.Scopes, scopes: g.Scopes, refreshUntil: g.ExpiresAt})
	if err != nil {
		t.Fatal(err)
	}
	w.userinfo(minted.AccessToken).ok()
	w.introspect(minted.AccessToken).active()
	// An older version never gave one without offline_access.
	w.token(refreshing(minted.RefreshToken)).refused(400, "invalid_grant")
}

// TestOnline_LogoutAgainstRefresh: of a hundred refreshes while the person signs out,
// some may come in time, and afterwards nothing is refreshed.
func TestOnline_LogoutAgainstRefresh(t *testing.T) {
	for _, cache := range []time.Duration{0, remember} {
		w := newWorld(t)
		w.serve(func(c *Config) { c.SessionCache = cache })
		b := w.newBrowser()
		var apps []answer
		for range 10 {
			apps = append(apps, b.online(w))
		}
		p := b.leave(nil).has("Sign out?")
		out := make(chan page, 1)
		latest := w.refreshAll(apps, 100, func() { out <- p.submit(url.Values{"decision": {"leave"}}) })
		(<-out).has("You are signed out")
		for _, a := range latest {
			w.worthNothing(a)
		}
	}
}

// refreshAll refreshes apps at once, n times in all, does something meanwhile, and
// returns every answer that there was.
func (w *world) refreshAll(apps []answer, n int, meanwhile func()) []answer {
	w.t.Helper()
	answers := make(chan answer, n)
	for i := range n {
		if i == n/2 {
			go meanwhile()
		}
		go func() { answers <- w.token(refreshing(apps[i%len(apps)].str("refresh_token"))) }()
	}
	out := apps
	for range n {
		a := <-answers
		switch {
		case a.status == 200:
			out = append(out, a)
		case a.JSON["error"] != "invalid_grant":
			w.t.Errorf("a refresh came to %d %s", a.status, a.body)
		}
	}
	return out
}
