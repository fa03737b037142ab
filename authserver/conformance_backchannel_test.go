// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"testing"

	"github.com/clientele-dev/clientele/internal/registration"
)

// TestConformance_BackChannelLogout has the modules of the OpenID Foundation's plan for
// the Back-Channel Logout OP, by name.
func TestConformance_BackChannelLogout(t *testing.T) {
	for name, run := range backchannelModules {
		t.Run(name, func(t *testing.T) {
			w, back := tellingWorld(t)
			w.addClient("one", func(r *registration.Client) {
				r.PKCERequired = false // as the suite's clients are
				r.PostLogoutRedirectURIs = []string{"https://one.example.com/post_logout_redirect"}
				r.BackchannelLogoutURI = "https://one.example.com/backchannel_logout"
			})
			p := &leavingParty{relyingParty: &relyingParty{world: w, name: "one", mode: modeQuery, b: w.newBrowser()}}
			p.first = p.happy()
			p.wantSameLogin(p.first, p.redeem(p.code(p.visit("prompt", "none"))))
			run(p, back)
		})
	}
}

var backchannelModules = map[string]func(*leavingParty, *hearer){
	"oidcc-backchannel-logout-discovery-endpoint-verification": func(p *leavingParty, _ *hearer) {
		m := p.call(p.request(http.MethodGet, mainIssuer+"/.well-known/openid-configuration", "")).ok()
		if m.JSON["backchannel_logout_supported"] != true || m.JSON["backchannel_logout_session_supported"] != true || m.JSON["end_session_endpoint"] == nil {
			p.t.Errorf("the metadata is %s", m.body)
		}
	},
	// The browser returns, nobody is signed in any more, and the logout token comes.
	"oidcc-backchannel-rp-initiated-logout": func(p *leavingParty, back *hearer) {
		p.returned(p.leave(), p.uri()+"?state=state-of-the-logout")
		heard, id := back.hears(p.world), p.first.claims("id_token")
		if heard["sub"] != id["sub"] || heard["sid"] != id["sid"] || id["sid"] == nil {
			p.t.Errorf("the ID token says %v, the logout token %v", id, heard)
		}
	},
}
