// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/clientele-dev/clientele/internal/registration"
)

func TestSettings_ConsentAlways(t *testing.T) {
	w := newWorld(t)
	w.addClient("wiki", func(r *registration.Client) { r.Consent = registration.ConsentAlways })
	b := w.newBrowser()
	b.begin(validRequest()).loginAs("alice", alicePass).is("consent").decide("allow").is("code")
	b.begin(validRequest()).is("consent").decide("allow").is("code")
	b.begin(with(validRequest(), "prompt", "none")).is("redirect consent_required")
	// What was allowed meanwhile counts once the client is content with it.
	w.addClient("wiki", func(r *registration.Client) { r.Consent = registration.ConsentOnce })
	b.begin(validRequest()).is("code")
}

func TestSettings_ConsentNever(t *testing.T) {
	w := newWorld(t)
	never := func(r *registration.Client) { r.Consent = registration.ConsentNever }
	w.addClient("wiki", never)
	b := w.newBrowser()
	code := b.begin(validRequest()).loginAs("alice", alicePass).is("code").param("code")
	a := w.token(redemption(code)).ok()
	if a.JSON["scope"] != "openid profile email groups offline_access" || a.str("refresh_token") == "" {
		t.Errorf("got %s", a.body)
	}
	b.begin(with(validRequest(), "prompt", "none")).is("code")
	b.begin(with(validRequest(), "prompt", "consent")).is("consent").decide("deny").is("redirect access_denied")
	b.begin(with(validRequest(), "prompt", "select_account")).is("consent").has("Use another account")
	// Nobody has allowed anything, so once it counts they are asked.
	w.addClient("wiki", nil)
	b.begin(validRequest()).is("consent")

	// Another program can pose as a native app (RFC 8252 section 8.6).
	const uri = "http://127.0.0.1/cb"
	w.addClient("cli", func(r *registration.Client) {
		public(r)
		never(r)
		r.RedirectURIs = []string{uri}
	})
	q := with(validRequest(), "client_id", "docs.cli", "redirect_uri", uri)
	b.begin(q).is("consent").decide("allow").is("code")
	b.begin(q).is("consent")
	b.begin(with(q, "prompt", "none")).is("redirect consent_required")
}

func TestSettings_Lifetimes(t *testing.T) {
	w := newWorld(t)
	w.addClient("wiki", func(r *registration.Client) {
		r.Lifetimes = registration.ClientLifetimes{
			AccessToken: 2 * time.Minute, IDToken: 3 * time.Minute, RefreshToken: 2 * time.Hour, RefreshTokenIdle: time.Hour,
		}
	})
	w.addClient("shop", nil)
	lives := func(a answer, name string) float64 {
		c := a.claims(name)
		return c["exp"].(float64) - c["iat"].(float64)
	}
	check := func(a answer) {
		t.Helper()
		if a.JSON["expires_in"] != 120.0 || lives(a, "access_token") != 120 || lives(a, "id_token") != 180 {
			t.Errorf("tokens live for %v, %v and %v", a.JSON["expires_in"], lives(a, "access_token"), lives(a, "id_token"))
		}
	}
	first := w.firstAnswer()
	check(first)
	w.clock.pass(time.Hour - time.Second)
	w.userinfo(first.str("access_token")).refused(401, "invalid_token")
	second := w.token(refreshing(first.str("refresh_token"))).ok()
	check(second)
	// The chain ends with the client's own refreshToken, before its idle time does.
	w.clock.pass(time.Hour - time.Second)
	third := w.token(refreshing(second.str("refresh_token"))).ok()
	w.clock.pass(time.Minute)
	w.token(refreshing(third.str("refresh_token"))).refused(400, "invalid_grant")
	w.userinfo(third.str("access_token")).ok()

	idle := w.firstAnswer().str("refresh_token")
	w.clock.pass(time.Hour)
	w.token(refreshing(idle)).refused(400, "invalid_grant")

	// Another client has the server's.
	code := w.codeFor(with(validRequest(), "client_id", "docs.shop", "redirect_uri", "https://shop.example.com/callback"))
	a := w.tokenAs("docs.shop", shopSecret, with(redemption(code), "redirect_uri", "https://shop.example.com/callback")).ok()
	if a.JSON["expires_in"] != 900.0 || lives(a, "id_token") != 600 {
		t.Errorf("another client's tokens live for %v and %v", a.JSON["expires_in"], lives(a, "id_token"))
	}
}

// TestSettings_LongerLifetimes: a grant lives for as long as what it gives.
func TestSettings_LongerLifetimes(t *testing.T) {
	w := newWorld(t)
	w.addClient("wiki", func(r *registration.Client) {
		r.Lifetimes = registration.ClientLifetimes{AccessToken: 5 * time.Hour, RefreshToken: 1000 * time.Hour, RefreshTokenIdle: 1000 * time.Hour}
	})
	first := w.firstAnswer()
	w.clock.pass(1000*time.Hour - time.Second)
	last := w.token(refreshing(first.str("refresh_token"))).ok()
	w.clock.pass(5*time.Hour - time.Second)
	w.userinfo(last.str("access_token")).ok()
}

func TestSettings_Algorithms(t *testing.T) {
	for _, c := range []struct{ idToken, accessToken, wantID, wantAccess string }{
		{"", "", "RS256", "ES256"},
		{"ES256", "", "ES256", "ES256"},
		{"", "RS256", "RS256", "RS256"},
		{"ES256", "RS256", "ES256", "RS256"},
		{"PS256", "EdDSA", "PS256", "EdDSA"},
		{"EdDSA", "PS256", "EdDSA", "PS256"},
	} {
		w := newWorld(t)
		w.addClient("wiki", func(r *registration.Client) { r.IDTokenAlg, r.AccessTokenAlg = c.idToken, c.accessToken })
		a := w.firstAnswer()
		a = w.token(refreshing(a.str("refresh_token"))).ok()
		for name, want := range map[string]string{"id_token": c.wantID, "access_token": c.wantAccess} {
			parsed, _, err := jwt.NewParser().ParseUnverified(a.str(name), jwt.MapClaims{})
			if err != nil || parsed.Method.Alg() != want {
				t.Errorf("%+v: %s is signed with %v, %v", c, name, parsed.Method, err)
			}
		}
		w.userinfo(a.str("access_token")).ok()
	}
}

func TestSettings_ConsentPage(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	p := b.begin(validRequest()).loginAs("alice", alicePass).is("consent")
	if strings.Contains(p.body, "<img") || strings.Contains(p.text(), "in a new tab") {
		t.Error("the page has what the client does not")
	}
	w.addClient("wiki", func(r *registration.Client) {
		r.ClientURI, r.LogoURI = "https://wiki.example.com/", "https://cdn.example.com:8443/wiki.png?v=2"
		r.PolicyURI, r.TOSURI = "https://wiki.example.com/privacy", "https://wiki.example.com/terms"
	})
	p = b.begin(validRequest()).is("consent")
	for text, want := range map[string]string{
		"Home page": "https://wiki.example.com/", "Privacy policy": "https://wiki.example.com/privacy", "Terms of service": "https://wiki.example.com/terms",
	} {
		if got := p.link(text); got != want {
			t.Errorf("%s leads to %s", text, got)
		}
	}
	if !strings.Contains(p.body, `src="https://cdn.example.com:8443/wiki.png?v=2" alt="Logo of Team Wiki" width="48" height="48"`) {
		t.Errorf("no picture in %s", p.body)
	}
	if csp := p.header.Get("Content-Security-Policy"); csp != contentPolicy+"; img-src https://cdn.example.com:8443" {
		t.Errorf("the policy is %s", csp)
	}
	// No other page loads anything.
	b.begin(with(validRequest(), "prompt", "login")).is("login")
	w.addClient("wiki", func(r *registration.Client) { r.TOSURI = "https://wiki.example.com/terms" })
	p = b.begin(validRequest()).is("consent").has("Terms of service")
	if strings.Contains(p.text(), "Privacy policy") || p.status != http.StatusOK {
		t.Errorf("the page says %s", p.text())
	}
}
