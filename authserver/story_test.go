// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/store/memory"
	"github.com/clientele-dev/clientele/internal/registration"
)

// TestStory_Replay: a code that comes twice takes everything back that it gave.
func TestStory_Replay(t *testing.T) {
	w := newWorld(t)
	code := w.codeFor(validRequest())
	first := w.token(redemption(code)).ok()
	second := w.token(refreshing(first.str("refresh_token"))).ok()
	w.userinfo(second.str("access_token")).ok()

	w.token(redemption(code)).refused(400, "invalid_grant")
	for _, a := range []answer{first, second} {
		w.userinfo(a.str("access_token")).refused(401, "invalid_token")
		w.token(refreshing(a.str("refresh_token"))).refused(400, "invalid_grant")
	}
	w.token(redemption(code)).refused(400, "invalid_grant") // and does not begin anew
	w.wantMetric("clientele_grants_revoked_total", "code_replay", 2)
}

// TestStory_ReplayAndRun: hanging up does not keep a thief's code from being noticed.
func TestStory_ReplayAndRun(t *testing.T) {
	w := newWorld(t)
	code := w.codeFor(validRequest())
	first := w.token(redemption(code)).ok()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	w.call(w.tokenRequest(mainIssuer, "docs.wiki", wikiSecret, redemption(code)).WithContext(gone)).refused(400, "invalid_grant")
	w.userinfo(first.str("access_token")).refused(401, "invalid_token")
}

// TestStory_ReuseAndRun is the same for a refresh token.
func TestStory_ReuseAndRun(t *testing.T) {
	w := newWorld(t)
	first := w.firstAnswer()
	second := w.token(refreshing(first.str("refresh_token"))).ok()
	w.clock.pass(10 * time.Second)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	reuse := w.tokenRequest(mainIssuer, "docs.wiki", wikiSecret, refreshing(first.str("refresh_token")))
	w.call(reuse.WithContext(gone)).refused(400, "invalid_grant")
	w.userinfo(second.str("access_token")).refused(401, "invalid_token")
}

// TestStory_ReplayByStranger: who cannot redeem a code cannot revoke with it.
func TestStory_ReplayByStranger(t *testing.T) {
	w := newWorld(t)
	w.addClient("shop", nil)
	code := w.codeFor(validRequest())
	first := w.token(redemption(code)).ok()
	w.tokenAs("docs.wiki", "a-wrong-secret-of-a-stranger", redemption(code)).refused(401, "invalid_client")
	w.tokenAs("docs.shop", shopSecret, redemption(code)).refused(400, "invalid_grant")
	w.token(with(redemption(code), "code_verifier", strings.Repeat("b", 43))).refused(400, "invalid_grant")
	w.userinfo(first.str("access_token")).ok()
}

// TestStory_SingleSignOn: signed in once, for all clients of an issuer.
func TestStory_SingleSignOn(t *testing.T) {
	w := newWorld(t)
	w.addClient("shop", nil)
	b := w.newBrowser()
	b.codeFor(validRequest())
	w.clock.pass(time.Hour)
	shop := with(validRequest(), "client_id", "docs.shop", "redirect_uri", "https://shop.example.com/callback")
	code := b.begin(shop).is("consent").has("Team Shop").has("Alice Example").decide("allow").is("code").param("code")
	form := with(redemption(code), "redirect_uri", "https://shop.example.com/callback")
	id := w.tokenAs("docs.shop", shopSecret, form).ok().claims("id_token")
	if id["auth_time"] != float64(w.clock.Now().Add(-time.Hour).Unix()) {
		t.Errorf("auth_time is %v", id["auth_time"])
	}
}

// TestStory_Prompts is what the OpenID Foundation's plan has people do.
func TestStory_Prompts(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	idToken := func(p page) map[string]any {
		return w.token(redemption(p.is("code").param("code"))).ok().claims("id_token")
	}
	b.begin(with(validRequest(), "prompt", "none")).is("redirect login_required")
	first := idToken(b.begin(validRequest()).loginAs("alice", alicePass).decide("allow"))

	// oidcc-prompt-none-logged-in: the same sub and auth_time.
	w.clock.pass(time.Minute)
	silent := idToken(b.begin(with(validRequest(), "prompt", "none")))
	if silent["sub"] != first["sub"] || silent["auth_time"] != first["auth_time"] {
		t.Errorf("got %v, want %v", silent, first)
	}
	// oidcc-max-age-10000: no login. oidcc-max-age-1: a login.
	if id := idToken(b.begin(with(validRequest(), "max_age", "10000"))); id["auth_time"] != first["auth_time"] {
		t.Errorf("auth_time is %v", id["auth_time"])
	}
	b.begin(with(validRequest(), "prompt", "none", "max_age", "1")).is("redirect login_required")
	again := idToken(b.begin(with(validRequest(), "max_age", "1")).is("login").loginAs("alice", alicePass))
	if again["auth_time"] == first["auth_time"] {
		t.Error("auth_time is not newer")
	}
	// oidcc-prompt-login: in the very second of the login before, too.
	b.begin(with(validRequest(), "prompt", "login")).is("login").loginAs("alice", alicePass).is("code")
	b.begin(with(validRequest(), "prompt", "login consent")).is("login").loginAs("alice", alicePass).is("consent").decide("allow").is("code")
	b.begin(with(validRequest(), "max_age", "0")).is("login").loginAs("alice", alicePass).is("code")
}

// TestStory_TwoTabs: flows of one browser do not disturb each other.
func TestStory_TwoTabs(t *testing.T) {
	w := newWorld(t)
	w.addClient("shop", nil)
	b := w.newBrowser()
	one := b.begin(validRequest()).is("login")
	two := b.begin(with(validRequest(), "client_id", "docs.shop", "redirect_uri", "https://shop.example.com/callback")).is("login")
	two.loginAs("alice", alicePass).is("consent").has("Team Shop").decide("allow").is("code")
	one.loginAs("alice", alicePass).is("consent").has("Team Wiki").decide("allow").is("code")
}

// TestStory_TwoIssuers: by host and by path, they share nothing.
func TestStory_TwoIssuers(t *testing.T) {
	w := newWorld(t)
	w.addIssuer("team", pathIssuer, nil)
	w.addIssuer("other", hostIssuer, nil)
	for _, server := range []string{"team", "other"} {
		w.registry.SetClient(clientOf(t, clientRecord("wiki", func(r *registration.Client) { r.AuthorizationServer = server })))
	}
	w.addClient("shop", nil)
	b := w.newBrowser()
	issuers := []string{mainIssuer, pathIssuer, hostIssuer}
	subs := map[any]bool{}
	answers := map[string]answer{}
	codes := map[string]string{}
	for _, issuer := range issuers {
		// Signed in at the others, and yet not here.
		p := b.get(authorizeURL(issuer, validRequest())).is("login")
		code := p.loginAs("alice", alicePass).is("consent").decide("allow").is("code").param("code")
		answers[issuer] = w.call(w.tokenRequest(issuer, "docs.wiki", wikiSecret, redemption(code))).ok()
		codes[issuer] = b.get(authorizeURL(issuer, with(validRequest(), "prompt", "none"))).is("code").param("code")
		subs[answers[issuer].claims("id_token")["sub"]] = true
	}
	if len(subs) != 3 {
		t.Errorf("%d different subs", len(subs))
	}
	for _, here := range issuers {
		for _, there := range issuers {
			if here == there {
				continue
			}
			w.call(w.tokenRequest(there, "docs.wiki", wikiSecret, redemption(codes[here]))).refused(400, "invalid_grant")
			refresh := refreshing(answers[here].str("refresh_token"))
			w.call(w.tokenRequest(there, "docs.wiki", wikiSecret, refresh)).refused(400, "invalid_grant")
			flow := b.get(authorizeURL(here, with(validRequest(), "prompt", "login"))).is("login").url.Query().Get("flow")
			b.get(there + "/login?flow=" + flow).is("page Bad Request")
		}
		w.call(w.tokenRequest(here, "docs.wiki", wikiSecret, redemption(codes[here]))).ok()
	}
	// A client of one is nobody at another.
	b.get(authorizeURL(pathIssuer, with(validRequest(), "client_id", "docs.shop", "redirect_uri", "https://shop.example.com/callback"))).
		is("page Bad Request")
	w.call(w.tokenRequest(pathIssuer, "docs.shop", shopSecret, redemption("x"))).refused(401, "invalid_client")
	for _, name := range []string{"__Host-clientele-main-session", "__Host-clientele-team-session"} {
		if b.cookie(pathIssuer, name) == "" || b.cookie(hostIssuer, name) != "" {
			t.Errorf("the cookie %s is where it should not be", name)
		}
	}
}

// TestStory_HTTPIssuers: plain http, for loopback, has cookies without prefix.
func TestStory_HTTPIssuers(t *testing.T) {
	w := newWorld(t)
	const root, below = "http://127.0.0.1:9096", "http://127.0.0.1:9096/dev"
	w.addIssuer("main", root, nil)
	w.addIssuer("dev", below, nil)
	w.registry.SetClient(clientOf(t, clientRecord("wiki", func(r *registration.Client) { r.AuthorizationServer = "dev" })))
	b := w.newBrowser()
	b.hosts["127.0.0.1:9096"] = true
	for _, issuer := range []string{root, below} {
		p := b.get(authorizeURL(issuer, validRequest())).is("login")
		action, fields := p.form()
		r := w.request(http.MethodPost, action, with(fields, "username", "alice", "password", alicePass).Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		got := b.send(r).header.Get("Set-Cookie")
		path := "; Path=" + issuer[len(root):]
		if issuer == root {
			path = "; Path=/"
		}
		if !strings.HasPrefix(got, "clientele-") || !strings.HasSuffix(got, path+"; Max-Age=43200; HttpOnly; SameSite=Lax") {
			t.Errorf("Set-Cookie is %s", got)
		}
		b.get(authorizeURL(issuer, validRequest())).is("consent").decide("allow").is("code")
	}
}

// TestStory_ClientRecreated: deleting a client and creating it anew ends everything
// that was granted to the former one.
func TestStory_ClientRecreated(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	code := b.codeFor(validRequest())
	a := w.token(redemption(code)).ok()
	unused := b.codeFor(validRequest())
	w.registry.SetClient(clientOf(t, recreated(clientRecord("wiki", nil))))
	w.userinfo(a.str("access_token")).refused(401, "invalid_token")
	w.token(refreshing(a.str("refresh_token"))).refused(400, "invalid_grant")
	w.token(redemption(unused)).refused(400, "invalid_grant")
	b.begin(validRequest()).is("consent")
}

// TestStory_Restart: with the memory store a restart forgets who is signed in, and
// nothing that was issued before it is good again.
func TestStory_Restart(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	code := b.codeFor(validRequest())
	a := w.token(redemption(b.codeFor(validRequest()))).ok()
	w.clock.pass(time.Second)
	w.store.Store = memory.New(w.clock.Now)
	w.token(redemption(code)).refused(400, "invalid_grant")
	w.token(refreshing(a.str("refresh_token"))).refused(400, "invalid_grant")
	b.begin(validRequest()).is("login").loginAs("alice", alicePass).is("consent").decide("allow").is("code")
}

// TestStory_Flood: whatever people who are not signed in send, nothing is kept.
func TestStory_Flood(t *testing.T) {
	w := newWorld(t)
	w.addClient("spa", public)
	b := w.newBrowser()
	flow := b.begin(validRequest()).is("login").url.Query().Get("flow")
	for i := range 50 {
		n := fmt.Sprint(i)
		w.newBrowser().begin(with(validRequest(), "state", "state-"+n)).is("login")
		w.newBrowser().post(mainIssuer+"/authorize", validRequest(), "cross-site").is("login")
		b.post(mainIssuer+"/login", url.Values{"flow": {flow}, "username": {"user" + n}, "password": {"password-" + n}}, "same-origin")
		b.post(mainIssuer+"/consent", url.Values{"flow": {flow}, "decision": {"allow"}}, "same-origin").is("login")
		b.post(mainIssuer+"/consent", url.Values{"flow": {flow}, "decision": {"deny"}}, "same-origin").is("redirect access_denied")
		w.tokenAs("docs.wiki", "wrong-secret-number-"+n, redemption("x"))
		w.tokenAs("", "", with(redemption(flow), "client_id", "docs.spa")).refused(400, "invalid_grant")
		w.tokenAs("", "", with(refreshing(flow), "client_id", "docs.spa")).refused(400, "invalid_grant")
		w.userinfo("x")
	}
	if n := w.store.writes.Load(); n != 0 {
		t.Errorf("%d writes", n)
	}
}

// TestStory_KeyRotation: replicas may see a new set of keys at any time. What was
// issued under the old ones goes on.
func TestStory_KeyRotation(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	p := b.begin(validRequest()).is("login")
	a := w.firstAnswer()
	stop := make(chan struct{})
	var rotating sync.WaitGroup
	rotating.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				w.addIssuer("main", mainIssuer, nil)
			}
		}
	})
	var done atomic.Int64
	w.parallel(20, func() answer {
		done.Add(1)
		return w.userinfo(a.str("access_token"))
	})
	p.loginAs("alice", alicePass).is("code")
	close(stop)
	rotating.Wait()
	if done.Load() != 20 {
		t.Errorf("%d done", done.Load())
	}
}
