// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/clientele-dev/clientele/internal/registration"
)

// TestConformance_RPInitiatedLogout has the modules of the OpenID Foundation's plan for
// the RP-Initiated Logout OP, by name. But for the one that reads the metadata, each
// signs a person in, as an app does, and sends their browser to end_session_endpoint.
func TestConformance_RPInitiatedLogout(t *testing.T) {
	for name, run := range logoutModules {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.addClient("one", func(r *registration.Client) {
				r.PKCERequired = false // as the suite's clients are
				r.PostLogoutRedirectURIs = []string{"https://one.example.com/post_logout_redirect"}
			})
			p := &leavingParty{relyingParty: &relyingParty{world: w, name: "one", mode: modeQuery, b: w.newBrowser()}}
			p.first = p.happy()
			p.wantSameLogin(p.first, p.redeem(p.code(p.visit("prompt", "none"))))
			run(p)
		})
	}
}

// leavingParty is the suite, and the browser of its person, who is signed in.
type leavingParty struct {
	*relyingParty

	first answer
}

var logoutModules = map[string]func(*leavingParty){
	"oidcc-rp-initiated-logout-discovery-endpoint-verification": func(p *leavingParty) {
		if at := p.endSession(); at != mainIssuer+"/end_session" {
			p.t.Errorf("end_session_endpoint is %s", at)
		}
	},
	"oidcc-rp-initiated-logout": func(p *leavingParty) { p.returned(p.leave(), p.uri()+"?state=state-of-the-logout") },
	"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri": func(p *leavingParty) {
		p.stays(p.leave("post_logout_redirect_uri", "https://one.example.com/another"))
	},
	"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri": func(p *leavingParty) {
		p.stays(p.leave("post_logout_redirect_uri", p.uri()+"?foo=bar"))
	},
	"oidcc-rp-initiated-logout-modified-id-token-hint": modifiedHint,
	"oidcc-rp-initiated-logout-bad-id-token-hint":      badHint,
	"oidcc-rp-initiated-logout-no-id-token-hint":       func(p *leavingParty) { p.stays(p.leave("id_token_hint", "")) },
	"oidcc-rp-initiated-logout-no-state":               func(p *leavingParty) { p.returned(p.leave("state", ""), p.uri()) },
	"oidcc-rp-initiated-logout-no-post-logout-redirect-uri": func(p *leavingParty) {
		p.left(p.leave("post_logout_redirect_uri", ""))
	},
	"oidcc-rp-initiated-logout-no-params": func(p *leavingParty) {
		p.left(p.agrees(p.leave("id_token_hint", "", "post_logout_redirect_uri", "", "state", "")))
	},
	"oidcc-rp-initiated-logout-only-state": func(p *leavingParty) {
		p.left(p.agrees(p.leave("id_token_hint", "", "post_logout_redirect_uri", "")))
	},
}

// modifiedHint: the ID token, with alg none and without a signature.
func modifiedHint(p *leavingParty) {
	parts := strings.Split(p.first.str("id_token"), ".")
	p.stays(p.leave("id_token_hint", "eyJhbGciOiJub25lIn0."+parts[1]+"."))
}

// badHint: what the ID token says, signed by the suite with what it has. That is the
// client's secret; keys of its own are tried as well.
func badHint(p *leavingParty) {
	claims := p.first.claims("id_token")
	bySecret, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(p.name + wikiSecret[4:]))
	if err != nil {
		p.t.Fatal(err)
	}
	key, err := keysOf(p.t, "somebody-else").Of("RS256")[0].Signer()
	if err != nil {
		p.t.Fatal(err)
	}
	byKey, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, forged := range []string{bySecret, byKey} {
		p.stays(p.leave("id_token_hint", forged))
	}
}

func (p *leavingParty) uri() string { return "https://one.example.com/post_logout_redirect" }

// endSession is the endpoint, as the metadata has it.
func (p *leavingParty) endSession() string {
	p.t.Helper()
	return p.call(p.request(http.MethodGet, mainIssuer+"/.well-known/openid-configuration", "")).ok().str("end_session_endpoint")
}

// leave sends the browser to the endpoint with a valid request after some changes; an
// empty value leaves a parameter out.
func (p *leavingParty) leave(changes ...string) page {
	p.t.Helper()
	v := with(url.Values{
		"id_token_hint": {p.first.str("id_token")}, "post_logout_redirect_uri": {p.uri()}, "state": {"state-of-the-logout"},
	}, changes...)
	for name := range v {
		if v.Get(name) == "" {
			v.Del(name)
		}
	}
	return p.b.get(p.endSession() + "?" + v.Encode())
}

// agrees clicks on what a page that asks has for it.
func (p *leavingParty) agrees(at page) page {
	p.t.Helper()
	return at.is("page OK").has("Sign out?").has("alice").decide("leave")
}

// returned: the browser has come back to the app, with nothing that the app has not
// asked for, and the person is signed out.
func (p *leavingParty) returned(at page, want string) {
	p.t.Helper()
	if at.location == nil || at.location.String() != want {
		p.t.Fatalf("came to %v with %d, want %s", at.location, at.status, want)
	}
	p.signedOut()
}

// left: a page says that the person is signed out, and it is so.
func (p *leavingParty) left(at page) {
	p.t.Helper()
	at.is("page OK").has("You are signed out")
	p.signedOut()
}

// stays: the browser is sent nowhere, is shown a page that says so, and the person is
// signed in as before.
func (p *leavingParty) stays(at page) {
	p.t.Helper()
	at.is("page Bad Request").has("You have not been signed out")
	if at.header.Get("Location") != "" || at.header.Get("Refresh") != "" || strings.Contains(at.body, "<form") {
		p.t.Error("the page leads somewhere by itself")
	}
	p.clock.pass(time.Second)
	p.wantSameLogin(p.first, p.redeem(p.code(p.visit("prompt", "none"))))
}

// signedOut tries another authentication with prompt=none, which must be an error, as
// must be one with the ID token of before; then the person signs in anew.
func (p *leavingParty) signedOut() {
	p.t.Helper()
	p.refused(p.visit("prompt", "none"), "login_required")
	p.refused(p.visit("prompt", "none", "id_token_hint", p.first.str("id_token")), "login_required")
	p.clock.pass(time.Second)
	p.wantNewer(p.first, p.redeem(p.code(p.signIn(p.visit().is("login")))))
}
