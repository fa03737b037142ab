// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build stock

package stock

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/internal/registration"
)

const nodeDir = "testdata/node"

// nodeModules installs the packages that package-lock.json pins, and returns how to
// run Node.js.
func nodeModules(t *testing.T) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("there is no Node.js: install it from version 20 on (Debian: apt-get install nodejs npm)")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Fatal("there is no npm: install it (Debian: apt-get install npm)")
	}
	install := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	install.Dir = nodeDir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return node
}

// variants are ways to be registered: every way for a client to say who it is, and
// every algorithm.
func variants(t *testing.T) map[string]func(*settings, *registration.Client) {
	alg := func(set *settings, c *registration.Client, name string) { set.IDTokenAlg, c.IDTokenAlg = name, name }
	return map[string]func(*settings, *registration.Client){
		"client_secret_basic, resource": func(set *settings, c *registration.Client) {
			set.Resource = "https://api.example.com/"
			c.Audiences = []string{set.Resource}
		},
		"client_secret_post, ES256, form_post, pairwise": func(set *settings, c *registration.Client) {
			by(t, registration.AuthMethodPost)(set, c)
			alg(set, c, keys.ES256)
			set.ResponseMode, c.Pairwise = "form_post", true
		},
		"none, PS256": func(set *settings, c *registration.Client) {
			by(t, registration.AuthMethodNone)(set, c)
			alg(set, c, keys.PS256)
		},
		"private_key_jwt": by(t, registration.AuthMethodPrivateKeyJWT),
		"client_secret_basic, EdDSA, without PKCE": func(set *settings, c *registration.Client) {
			by(t, registration.AuthMethodBasic)(set, c)
			alg(set, c, keys.EdDSA)
			set.PKCE, c.PKCERequired = false, false
		},
	}
}

func TestOpenIDClient(t *testing.T) { testNode(t, "openid-client.mjs") }
func TestOAuth4WebAPI(t *testing.T) { testNode(t, "oauth4webapi.mjs") }

func testNode(t *testing.T, name string) {
	node := nodeModules(t)
	for variant, change := range variants(t) {
		t.Run(variant, func(t *testing.T) {
			s := newSite(t)
			a := newApp(t, s)
			set, client := a.register(s.issuer)
			change(&set, &client)
			client.BackchannelLogoutURI, set.LogoutTokens = a.url+"/logged-out", true
			s.register(t, client)
			got := run(t, s, a, set, node, filepath.Join(nodeDir, name))
			checkOutcome(t, set, got)
			for _, path := range []string{"/main/.well-known/openid-configuration", "/main" + registration.PathJWKS} {
				if n := s.asked(path); n != 1 {
					t.Errorf("%s was asked for %d times, want once", path, n)
				}
			}
			if strings.HasPrefix(name, "oauth4webapi") {
				checkAccessToken(t, set, got.AccessToken)
			}
		})
	}
}
