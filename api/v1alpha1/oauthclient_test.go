// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const baseClient = `
apiVersion: clientele.dev/v1alpha1
kind: OAuthClient
metadata: {name: wiki, namespace: default}
spec:
  redirectURIs: [https://wiki.example.com/callback]
`

func TestOAuthClient_Defaults(t *testing.T) {
	u := parse(t, baseClient)
	if err := create(t, u); err != nil {
		t.Fatal(err)
	}
	want := object{
		"redirectURIs": list("https://wiki.example.com/callback"),
		"type":         "Confidential",
		"scopes":       list("openid"),
		"grantTypes":   list("authorization_code", "refresh_token"),
		"pkce":         "Required", "consent": "Once", "grantDeletionPolicy": "Revoke", "subjectType": "public",
	}
	if got := specOf(t, u); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOAuthClient_Spec(t *testing.T) {
	const (
		needsSecret = "a Confidential client must authenticate: use client_secret_basic, client_secret_post or private_key_jwt, or set type to Public"
		noSecret    = "a Public client has no secret to authenticate with: remove tokenEndpointAuthMethod or set it to none"
	)
	run(t, baseClient, []mutation{
		{"as it is", func(object) {}, nil},
		{"everything", both(
			set("displayName", "Team Wiki"), set("type", "Confidential"), set("scopes", list("openid", "offline_access", "api:read")),
			set("grantTypes", list("authorization_code", "refresh_token")), set("tokenEndpointAuthMethod", "client_secret_post"),
			set("pkce", "Optional"), set("authorizationServerRef", object{"name": "default"}), set("secret", object{"name": "wiki-oauth"}),
		), nil},
		{"a field that does not exist", set("redirectURI", "https://wiki.example.com"), nil}, // pruned; kubectl refuses it

		{"displayName too long", set("displayName", strings.Repeat("x", 65)), []string{"spec.displayName", "may not be more than 64"}},
		{"displayName with markup", set("displayName", "<b>Wiki</b>"), []string{"spec.displayName", "a display name is plain text: use no line breaks or other control characters, and neither < nor >"}},
		{"displayName with a line break", set("displayName", "Wiki\nLog in"), []string{"spec.displayName", "a display name is plain text"}},
		{"displayName in Japanese", set("displayName", "ウィキ"), nil},

		{"unknown type", set("type", "Private"), []string{"spec.type", `supported values: "Confidential", "Public"`}},
		{"type empty", set("type", ""), []string{"spec.type", "supported values"}},
		{"Public", set("type", "Public"), nil},
		{"Public that authenticates", both(set("type", "Public"), set("tokenEndpointAuthMethod", "client_secret_basic")),
			[]string{"spec.tokenEndpointAuthMethod", noSecret}},
		{"Public with none", both(set("type", "Public"), set("tokenEndpointAuthMethod", "none")), nil},
		{"Public without PKCE", both(set("type", "Public"), set("pkce", "Optional")),
			[]string{"spec.pkce", "PKCE is the only protection of a Public client's code: set pkce to Required, or type to Confidential"}},
		{"Confidential with none", set("tokenEndpointAuthMethod", "none"), []string{"spec.tokenEndpointAuthMethod", needsSecret}},
		{"unknown authentication", set("tokenEndpointAuthMethod", "client_secret_jwt"),
			[]string{"spec.tokenEndpointAuthMethod", `supported values: "client_secret_basic", "client_secret_post", "private_key_jwt", "none"`}},
		{"unknown PKCE policy", set("pkce", "No"), []string{"spec.pkce", `supported values: "Required", "Optional"`}},

		{"no redirectURIs", remove("redirectURIs"), []string{"spec.redirectURIs: Required value"}},
		{"empty redirectURIs", set("redirectURIs", list()), []string{"spec.redirectURIs", "should have at least 1 items"}},
		{"a redirect URI twice", set("redirectURIs", list("https://a.example/cb", "https://a.example/cb")),
			[]string{"spec.redirectURIs[1]: Duplicate value"}},
		{"32 redirect URIs", set("redirectURIs", redirectURIs(32)), nil},
		{"33 redirect URIs", set("redirectURIs", redirectURIs(33)), []string{"spec.redirectURIs", "must have at most 32 items"}},
		{"a native app's scheme", set("redirectURIs", list("com.example.app:/cb")),
			[]string{"spec.redirectURIs", "a scheme other than https is for native apps, which are Public clients: use an https URI, or set type to Public"}},
		{"a native app's scheme, Public", both(set("type", "Public"), set("redirectURIs", list("com.example.app:/cb"))), nil},

		{"empty scopes", set("scopes", list()), []string{"spec.scopes", "should have at least 1 items"}},
		{"65 scopes", set("scopes", many(65, func(i int) any { return fmt.Sprintf("s%d", i) })), []string{"spec.scopes", "must have at most 64 items"}},
		{"a scope twice", set("scopes", list("openid", "openid")), []string{"spec.scopes[1]: Duplicate value"}},
		{"a scope with a space", set("scopes", list("openid profile")), []string{"spec.scopes[0]", "a scope has no spaces, quotes, backslashes or characters beyond ASCII (RFC 6749 section 3.3): list every scope as an item of its own"}},
		{"a scope with a quote", set("scopes", list(`a"b`)), []string{"spec.scopes[0]", "a scope has no spaces"}},
		{"a scope with a backslash", set("scopes", list(`a\b`)), []string{"spec.scopes[0]", "a scope has no spaces"}},
		{"a scope beyond ASCII", set("scopes", list("ä")), []string{"spec.scopes[0]", "a scope has no spaces"}},
		{"scopes of all kinds of characters", set("scopes", list("!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~")), nil},
		{"an empty scope", set("scopes", list("")), []string{"spec.scopes[0]", "should be at least 1 chars long"}},
		{"a scope of 129 characters", set("scopes", list(strings.Repeat("s", 129))), []string{"spec.scopes[0]", "may not be more than 128"}},
		{"offline_access without refresh_token", both(set("scopes", list("openid", "offline_access")), set("grantTypes", list("authorization_code"))),
			[]string{"spec.scopes", "the scope offline_access asks for refresh tokens: add refresh_token to grantTypes, or remove offline_access"}},

		{"empty grantTypes", set("grantTypes", list()), []string{"spec.grantTypes", "should have at least 1 items"}},
		{"three grant types", set("grantTypes", list("authorization_code", "refresh_token", "x")), []string{"spec.grantTypes", "must have at most 2 items"}},
		{"a grant type twice", set("grantTypes", list("authorization_code", "authorization_code")), []string{"spec.grantTypes[1]: Duplicate value"}},
		{"unknown grant type", set("grantTypes", list("authorization_code", "implicit")),
			[]string{"spec.grantTypes[1]", `supported values: "authorization_code", "refresh_token"`}},
		{"refresh_token alone", set("grantTypes", list("refresh_token")),
			[]string{"spec.grantTypes", "every client here starts with the authorization code flow: add authorization_code"}},
		{"authorization_code alone", set("grantTypes", list("authorization_code")), nil},

		{"authorizationServerRef without name", set("authorizationServerRef", object{}), []string{"spec.authorizationServerRef.name: Required value"}},
		{"authorizationServerRef empty", set("authorizationServerRef", object{"name": ""}), []string{"spec.authorizationServerRef.name", "should be at least 1 chars long"}},
		{"authorizationServerRef too long", set("authorizationServerRef", object{"name": strings.Repeat("x", 64)}),
			[]string{"spec.authorizationServerRef.name", "may not be more than 63"}},

		{"secret without name", set("secret", object{}), nil},
		{"secret with an empty name", set("secret", object{"name": ""}), nil},
		{"secret with dots", set("secret", object{"name": "wiki.oauth"}), nil},
		{"secret in capitals", set("secret", object{"name": "Wiki"}), []string{"spec.secret.name", "a Secret's name consists of lower-case letters, digits, hyphens and dots"}},
		{"secret with a slash", set("secret", object{"name": "other/wiki"}), []string{"spec.secret.name", "a Secret's name consists of lower-case letters, digits, hyphens and dots"}},
		{"secret with a dot at its end", set("secret", object{"name": "wiki."}), []string{"spec.secret.name", "a Secret's name consists of lower-case letters, digits, hyphens and dots"}},
		{"secret too long", set("secret", object{"name": strings.Repeat("x", 254)}), []string{"spec.secret.name", "may not be more than 253"}},
	})
}

func redirectURIs(n int) []any {
	return many(n, func(i int) any { return fmt.Sprintf("https://wiki.example.com/callback/%d", i) })
}

func TestOAuthClient_WithoutSpec(t *testing.T) {
	u := parse(t, baseClient)
	delete(u.Object, "spec")
	expect(t, create(t, u), []string{"spec: Required value"})
}

func TestOAuthClient_Name(t *testing.T) {
	for name, want := range map[string][]string{
		strings.Repeat("x", 100): nil,
		strings.Repeat("x", 101): {"metadata.name is part of the client_id and may have at most 100 characters; choose a shorter name"},
		"with.dots":              nil,
	} {
		t.Run(fmt.Sprint(len(name)), func(t *testing.T) {
			u := parse(t, baseClient)
			u.SetName(name)
			expect(t, create(t, u), want)
		})
	}
}

// The largest spec that the bounds allow must be within what the API server spends
// on its rules.
func TestOAuthClient_Largest(t *testing.T) {
	long := func(i int) string {
		prefix := fmt.Sprintf("https://%d.example.com/", i)
		return prefix + strings.Repeat("x", 512-len(prefix))
	}
	run(t, baseClient, []mutation{{"all", both(
		set("displayName", strings.Repeat("x", 64)),
		set("redirectURIs", many(32, func(i int) any { return long(i) })),
		set("scopes", many(64, func(i int) any { return fmt.Sprintf("%02d", i) + strings.Repeat("s", 126) })),
	), nil}})
}

func TestOAuthClient_Status(t *testing.T) {
	u := parse(t, baseClient)
	u.Object["status"] = object{"clientID": "mine"}
	if err := create(t, u); err != nil {
		t.Fatal(err)
	}
	if _, written := u.Object["status"]; written {
		t.Error("who may write the spec may write the status")
	}
}
