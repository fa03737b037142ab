// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/internal/registration"
)

func TestConsent_Page(t *testing.T) {
	w := newWorld(t)
	p := w.newBrowser().begin(validRequest()).loginAs("alice", alicePass).is("consent")
	for _, text := range []string{
		"Allow Team Wiki?", "from the namespace docs", "Team Wiki will be able to", "know that it is you",
		"see your profile, such as your name and username", "see your email address", "see which groups you belong to",
		"keep its access while you are away", "wiki.example.com", "Alice Example", "alice", "Use another account",
		"Acme main",
	} {
		p.has(text)
	}
	if strings.Contains(p.body, wikiURI) {
		t.Error("the page shows more of the redirect URI than its host")
	}
}

func TestConsent_Destination(t *testing.T) {
	w := newWorld(t)
	for uri, want := range map[string]string{
		"https://native.example.com:8443/cb": "You will be sent to native.example.com:8443 Allow",
		"http://127.0.0.1:1234/cb":           "You will be sent to 127.0.0.1:1234 a program on this device",
		"com.example.app:/cb":                "You will be sent to a program on this device com.example.app:",
	} {
		w.addClient("native", func(r *registration.Client) {
			public(r)
			r.RedirectURIs = []string{uri}
		})
		q := with(validRequest(), "client_id", "docs.native", "redirect_uri", uri)
		w.newBrowser().begin(q).loginAs("alice", alicePass).is("consent").has(want)
	}
}

func TestConsent_Decisions(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	p := b.begin(validRequest()).loginAs("alice", alicePass).is("consent")

	// Denied: the client hears it, and nothing is remembered.
	denied := p.decide("deny").is("redirect access_denied")
	if denied.param("state") != "state-of-the-client" || denied.param("iss") != mainIssuer {
		t.Errorf("came to %s", denied.location)
	}
	b.begin(with(validRequest(), "prompt", "none")).is("redirect consent_required")
	p.decide("perhaps").is("consent")
	p.decide("").is("consent")

	// Allowed, and remembered for the same scopes and for fewer.
	p.decide("allow").is("code")
	b.begin(validRequest()).is("code")
	b.begin(with(validRequest(), "prompt", "none")).is("code")
	b.begin(with(validRequest(), "scope", "openid email")).is("code")
	b.begin(with(validRequest(), "prompt", "consent")).is("consent").decide("deny").is("redirect access_denied")
	b.begin(with(validRequest(), "prompt", "select_account")).is("consent").has("Use another account").decide("allow").is("code")
}

// TestConsent_PerScopes: more than what was allowed is asked for, and added.
func TestConsent_PerScopes(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.begin(with(validRequest(), "scope", "openid email")).loginAs("alice", alicePass).is("consent").decide("allow").is("code")
	b.begin(with(validRequest(), "scope", "openid groups")).is("consent").decide("deny").is("redirect access_denied")
	b.begin(with(validRequest(), "scope", "openid groups")).is("consent").decide("allow").is("code")
	b.begin(with(validRequest(), "scope", "openid groups email")).is("code")
	b.begin(with(validRequest(), "scope", "openid groups profile")).is("consent")
}

func TestConsent_PerPersonAndClient(t *testing.T) {
	w := newWorld(t)
	w.addClient("shop", nil)
	b := w.newBrowser()
	b.codeFor(validRequest())
	b.begin(with(validRequest(), "client_id", "docs.shop", "redirect_uri", "https://shop.example.com/callback")).
		is("consent").has("Team Shop")
	b.begin(with(validRequest(), "prompt", "login")).loginAs("bob", bobPass).is("consent").has("Bob Example")

	// In any browser of the same person it holds.
	w.newBrowser().begin(validRequest()).loginAs("alice", alicePass).is("code")
	// A client of the same name that was created anew is another one.
	w.registry.SetClient(clientOf(t, recreated(clientRecord("wiki", nil))))
	w.newBrowser().begin(validRequest()).loginAs("alice", alicePass).is("consent")
}

// TestConsent_NativeClient: another program can pose as a native app, so nothing
// happens without the person (RFC 8252 section 8.6).
func TestConsent_NativeClient(t *testing.T) {
	w := newWorld(t)
	const uri = "http://127.0.0.1/cb"
	w.addClient("cli", func(r *registration.Client) {
		public(r)
		r.RedirectURIs = []string{uri}
	})
	w.addClient("spa", public)
	b := w.newBrowser()
	q := with(validRequest(), "client_id", "docs.cli", "redirect_uri", uri)
	b.begin(q).loginAs("alice", alicePass).is("consent").decide("allow").is("code")
	b.begin(q).is("consent")
	b.begin(with(q, "prompt", "none")).is("redirect consent_required")
	// An https redirect proves enough.
	q = with(validRequest(), "client_id", "docs.spa", "redirect_uri", "https://spa.example.com/callback")
	b.begin(q).is("consent").decide("allow").is("code")
	b.begin(q).is("code")
}

// TestConsent_OfWhomWasAsked: what alice was shown, bob cannot answer by accident.
func TestConsent_OfWhomWasAsked(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	asked := b.begin(validRequest()).loginAs("alice", alicePass).is("consent")
	b.begin(with(validRequest(), "prompt", "login")).loginAs("bob", bobPass).is("consent")
	instead := asked.decide("allow").is("consent").has("Bob Example")
	if got := w.store.writes.Load(); got != 3 { // two sessions begun, one ended
		t.Errorf("%d writes", got)
	}
	asked.decide("deny").is("redirect access_denied")

	// Nor is a URL that came of it an answer of alice's.
	b.get(instead.link("Use another account")).loginAs("alice", alicePass).is("consent")
	form := url.Values{"flow": {instead.url.Query().Get("flow")}, "decision": {"allow"}}
	b.post(mainIssuer+"/consent", form, "same-origin").is("consent").has("Alice Example")
}

// TestConsent_CSRF: the flow of a URL is not enough to consent, and nobody else's
// form is.
func TestConsent_CSRF(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	p := b.begin(validRequest()).loginAs("alice", alicePass).is("consent")
	b.post(mainIssuer+"/consent", url.Values{"flow": {p.url.Query().Get("flow")}, "decision": {"allow"}}, "same-origin").is("consent")
	action, fields := p.form()
	fields.Set("decision", "allow")
	b.post(action, fields, "cross-site").is("page Forbidden").has("another site")
	w.newBrowser().post(action, fields, "same-origin").is("page Forbidden").has("another browser")
	b.post(action, with(fields, "decision", "allow"), "same-origin").is("code")
}

// TestConsent_SessionGone: the page was open when the session ended.
func TestConsent_SessionGone(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	p := b.begin(validRequest()).loginAs("alice", alicePass).is("consent")
	w.users.set(userList(t, "bob"), nil)
	p.decide("allow").is("login")
	w.users.set(userList(t, "alice", "bob"), nil)
	// With max_age, time passes while the page is open.
	p = b.begin(with(validRequest(), "max_age", "600")).is("consent")
	w.clock.pass(11 * time.Minute)
	p.decide("allow").is("login").loginAs("alice", alicePass).is("consent").decide("allow").is("code")
}

func TestConsent_StoreBroken(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	p := b.begin(validRequest()).loginAs("alice", alicePass).is("consent")
	w.store.fails()
	p.decide("allow").is("page Service Unavailable")
	b.begin(validRequest()).is("page Service Unavailable")
	p.decide("deny").is("redirect access_denied") // nothing has to be kept for that
	w.store.heals()
	p.decide("allow").is("code")
}

// TestConsent_Back: whoever goes back after it gets a new code.
func TestConsent_Back(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	p := b.begin(validRequest()).loginAs("alice", alicePass).is("consent")
	first := p.decide("allow").is("code").param("code")
	if second := b.get(p.url.String()).is("code").param("code"); first == second {
		t.Error("the same code twice")
	}
}
