// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/internal/registration"
)

func TestDiscovery_Document(t *testing.T) {
	w := newWorld(t)
	a := w.call(w.request(http.MethodGet, mainIssuer+"/.well-known/openid-configuration", "")).ok()
	if a.header.Get("Cache-Control") != "public, max-age=300" || a.header.Get("Access-Control-Allow-Origin") != "*" ||
		a.header.Get("Pragma") != "" {
		t.Errorf("headers are %v", a.header)
	}
	want := `{
		"issuer": "https://login.example.com",
		"authorization_endpoint": "https://login.example.com/authorize",
		"token_endpoint": "https://login.example.com/token",
		"userinfo_endpoint": "https://login.example.com/userinfo",
		"jwks_uri": "https://login.example.com/jwks",
		"scopes_supported": ["openid", "profile", "email", "address", "phone", "groups", "offline_access"],
		"response_types_supported": ["code"],
		"response_modes_supported": ["query", "form_post"],
		"grant_types_supported": ["authorization_code", "refresh_token"],
		"subject_types_supported": ["public", "pairwise"],
		"end_session_endpoint": "https://login.example.com/end_session",
		"introspection_endpoint": "https://login.example.com/introspect",
		"introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
		"revocation_endpoint": "https://login.example.com/revoke",
		"revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
		"id_token_signing_alg_values_supported": ["RS256", "ES256", "PS256", "EdDSA"],
		"token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
		"token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256", "PS256", "EdDSA"],
		"introspection_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256", "PS256", "EdDSA"],
		"revocation_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256", "PS256", "EdDSA"],
		"claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash", "sid",
			"name", "preferred_username", "given_name", "family_name", "middle_name", "nickname", "profile", "picture",
			"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at", "email", "email_verified", "address",
			"phone_number", "phone_number_verified", "groups"],
		"acr_values_supported": ["urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"],
		"code_challenge_methods_supported": ["S256"],
		"prompt_values_supported": ["none", "login", "consent", "select_account"],
		"backchannel_logout_supported": true,
		"backchannel_logout_session_supported": true,
		"authorization_response_iss_parameter_supported": true,
		"claims_parameter_supported": true,
		"request_parameter_supported": false,
		"request_uri_parameter_supported": false
	}`
	var wanted map[string]any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	for _, both := range [][2]map[string]any{{a.JSON, wanted}, {wanted, a.JSON}} {
		for name, value := range both[0] {
			one, _ := json.Marshal(value)
			two, _ := json.Marshal(both[1][name])
			if string(one) != string(two) {
				t.Errorf("%s: %s and %s", name, one, two)
			}
		}
	}
}

// TestDiscovery_Endpoints: what the manager writes into Secrets is what is served.
func TestDiscovery_Endpoints(t *testing.T) {
	w := newWorld(t)
	w.addIssuer("team", pathIssuer, nil)
	for _, issuer := range []string{mainIssuer, pathIssuer} {
		a := w.call(w.request(http.MethodGet, issuer+"/.well-known/openid-configuration", "")).ok()
		for _, e := range registration.Endpoints(issuer) {
			if a.JSON[e.Name] != e.URL {
				t.Errorf("%s is %v, want %s", e.Name, a.JSON[e.Name], e.URL)
			}
		}
	}
}

// TestDiscovery_PathIssuer: RFC 8414 inserts, OpenID Connect appends.
func TestDiscovery_PathIssuer(t *testing.T) {
	w := newWorld(t)
	w.addIssuer("team", pathIssuer, nil)
	for raw, issuer := range map[string]string{
		mainIssuer + "/.well-known/openid-configuration":            mainIssuer,
		mainIssuer + "/.well-known/oauth-authorization-server":      mainIssuer,
		pathIssuer + "/.well-known/openid-configuration":            pathIssuer,
		mainIssuer + "/.well-known/oauth-authorization-server/team": pathIssuer,
	} {
		if a := w.call(w.request(http.MethodGet, raw, "")).ok(); a.JSON["issuer"] != issuer {
			t.Errorf("%s is of %v", raw, a.JSON["issuer"])
		}
	}
	a := w.call(w.request(http.MethodGet, mainIssuer+"/.well-known/oauth-authorization-server/other", ""))
	if a.status != http.StatusNotFound {
		t.Errorf("status %d: %s", a.status, a.body)
	}
}

// TestDiscovery_Changes: the document follows the AuthorizationServer.
func TestDiscovery_Changes(t *testing.T) {
	w := newWorld(t)
	get := func() answer {
		return w.call(w.request(http.MethodGet, mainIssuer+"/.well-known/openid-configuration", "")).ok()
	}
	before := get()
	if again := get(); again.body != before.body {
		t.Error("the document changes of itself")
	}
	w.addIssuer("main", mainIssuer, func(r *registration.Server) {
		r.Signing.IDTokenAlg = "ES256"
		r.Scopes = append(r.Scopes, registration.Scope{Name: "wiki:edit", Description: "edit your pages"})
	})
	after := get()
	// Not what the server chose: a client may have chosen the other one.
	if algs, _ := json.Marshal(after.JSON["id_token_signing_alg_values_supported"]); string(algs) != `["RS256","ES256","PS256","EdDSA"]` {
		t.Errorf("algorithms are %s", algs)
	}
	if scopes, _ := after.JSON["scopes_supported"].([]any); len(scopes) != 8 || scopes[7] != "wiki:edit" {
		t.Errorf("scopes are %v", after.JSON["scopes_supported"])
	}
}

func TestJWKS(t *testing.T) {
	w := newWorld(t)
	a := w.call(w.request(http.MethodGet, mainIssuer+"/jwks", "")).ok()
	if a.header.Get("Cache-Control") != "public, max-age=600" || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("headers are %v", a.header)
	}
	all, _ := a.JSON["keys"].([]any)
	if len(all) != len(keys.Algs()) {
		t.Fatalf("got %s", a.body)
	}
	for _, key := range all {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if k, _ := key.(map[string]any); k["kid"] == "" || k["use"] != "sig" || k[private] != nil {
				t.Errorf("key %v", k)
			}
		}
	}
}
