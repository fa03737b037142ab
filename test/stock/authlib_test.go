// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build stock

package stock

import (
	"os/exec"
	"testing"

	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// python is one that has Authlib. Debian's modules are for Debian's own.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(t.Context(), name, "-c", "import authlib, requests").Run() == nil {
			return name
		}
	}
	t.Fatal("there is no Authlib: install it (Debian: apt-get install python3-authlib python3-requests)")
	return ""
}

func TestAuthlib(t *testing.T) {
	program := python(t)
	for variant, change := range map[string]func(*settings, *registration.Client){
		"client_secret_basic": by(t, registration.AuthMethodBasic),
		"client_secret_post":  by(t, registration.AuthMethodPost),
		"none":                by(t, registration.AuthMethodNone),
		"private_key_jwt":     by(t, registration.AuthMethodPrivateKeyJWT),
		"client_secret_basic, without PKCE": func(set *settings, c *registration.Client) {
			set.PKCE, c.PKCERequired = false, false
		},
		"client_secret_basic, without offline_access": func(set *settings, _ *registration.Client) {
			set.Scope = "openid profile email groups"
		},
		// Authlib sends credentials in Basic as they are, not form-urlencoded. These
		// would decode to others.
		"client_secret_basic, with characters to encode": func(set *settings, c *registration.Client) {
			set.ClientID, set.ClientSecret = "wiki+one%20two/~", "a+b & c%2Bd: 100%25 = ?"
			c.ClientID = set.ClientID
			c.Digests = []registration.Digest{{SHA256: credential.New(set.ClientSecret).Digest()}}
		},
	} {
		t.Run(variant, func(t *testing.T) {
			s := newSite(t)
			a := newApp(t, s)
			set, client := a.register(s.issuer)
			change(&set, &client)
			s.register(t, client)
			checkOutcome(t, set, run(t, s, a, set, program, "testdata/python/app.py"))
		})
	}
}
