// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const baseServer = `
apiVersion: clientele.dev/v1alpha1
kind: AuthorizationServer
metadata: {name: default}
spec:
  issuer: https://login.example.com
  identityProviders:
  - name: local
    localUsers: {secretRef: {name: users}}
`

func TestAuthorizationServer_Defaults(t *testing.T) {
	u := parse(t, baseServer)
	if err := create(t, u); err != nil {
		t.Fatal(err)
	}
	spec := specOf(t, u)
	for key, want := range map[string]any{
		"displayName": "Sign in",
		"lifetimes": object{
			"authorizationCode": "60s", "accessToken": "15m", "idToken": "15m", "refreshToken": "720h",
			"refreshTokenIdle": "168h", "refreshTokenRetryGrace": "10s", "session": "12h",
		},
		"signing": object{"idTokenAlg": "RS256", "accessTokenAlg": "ES256", "keyRotationInterval": "720h"},
	} {
		if !reflect.DeepEqual(spec[key], want) {
			t.Errorf("%s: got %v, want %v", key, spec[key], want)
		}
	}
}

func TestAuthorizationServer_Spec(t *testing.T) {
	provider := func(change func(object)) func(object) {
		return func(spec object) {
			p := object{"name": "local", "localUsers": object{"secretRef": object{"name": "users"}}}
			change(p)
			spec["identityProviders"] = list(p)
		}
	}
	scope := func(name, description any) any { return object{"name": name, "description": description} }
	run(t, baseServer, []mutation{
		{"as it is", func(object) {}, nil},
		{"no issuer", remove("issuer"), []string{"spec.issuer: Required value"}},
		{"issuer empty", set("issuer", ""), []string{"spec.issuer", "should be at least 1 chars long"}},
		{"issuer too long", set("issuer", "https://login.example.com/"+strings.Repeat("x", 228)), []string{"spec.issuer", "may not be more than 253"}},

		{"displayName empty", set("displayName", ""), []string{"spec.displayName", "should be at least 1 chars long"}},
		{"displayName too long", set("displayName", strings.Repeat("x", 65)), []string{"spec.displayName", "may not be more than 64"}},
		{"displayName with markup", set("displayName", "<i>"), []string{"spec.displayName", "a display name is plain text"}},

		{"another scope", set("scopes", list(scope("api:read", "read your data"))), nil},
		{"a standard scope in other words", set("scopes", list(scope("openid", "know who you are"))), nil},
		{"a scope twice", set("scopes", list(scope("a", "x"), scope("a", "y"))), []string{"spec.scopes[1]: Duplicate value"}},
		{"65 scopes", set("scopes", many(65, func(i int) any { return scope(fmt.Sprintf("s%d", i), "x") })), []string{"spec.scopes", "must have at most 64 items"}},
		{"a scope without description", set("scopes", list(object{"name": "a"})), []string{"spec.scopes[0].description: Required value"}},
		{"a scope with an empty description", set("scopes", list(scope("a", ""))), []string{"spec.scopes[0].description", "should be at least 1 chars long"}},
		{"a scope with a long description", set("scopes", list(scope("a", strings.Repeat("x", 201)))), []string{"spec.scopes[0].description", "may not be more than 200"}},
		{"a scope with a control character", set("scopes", list(scope("a", "x\ny"))), []string{"spec.scopes[0].description", "a description is one line of text"}},
		{"a scope with a quote", set("scopes", list(scope(`a"b`, "x"))), []string{"spec.scopes[0].name", "a scope has no spaces, quotes"}},
		{"a scope without name", set("scopes", list(object{"description": "x"})), []string{"spec.scopes[0].name: Required value"}},

		{"no identityProviders", remove("identityProviders"), []string{"spec.identityProviders: Required value"}},
		{"empty identityProviders", set("identityProviders", list()), []string{"spec.identityProviders", "should have at least 1 items"}},
		{"two identityProviders", set("identityProviders", many(2, func(i int) any {
			return object{"name": fmt.Sprint("p", i), "localUsers": object{"secretRef": object{"name": "users"}}}
		})), []string{"spec.identityProviders", "must have at most 1 item"}},
		{"a provider that verifies nothing", provider(remove("localUsers")), []string{"spec.identityProviders[0]", "say where logins are verified: set localUsers"}},
		{"a provider without name", provider(remove("name")), []string{"spec.identityProviders[0].name: Required value"}},
		{"a provider's name in capitals", provider(set("name", "Local")), []string{"spec.identityProviders[0].name", "an identity provider's name consists of"}},
		{"a provider's name too long", provider(set("name", strings.Repeat("x", 64))), []string{"spec.identityProviders[0].name", "may not be more than 63"}},
		{"no secretRef", provider(set("localUsers", object{})), []string{"spec.identityProviders[0].localUsers.secretRef: Required value"}},
		{"secretRef without name", provider(set("localUsers", object{"secretRef": object{}})), []string{"secretRef.name: Required value"}},
		{"secretRef with a slash", provider(set("localUsers", object{"secretRef": object{"name": "a/b"}})), []string{"secretRef.name", "a Secret's name consists of"}},
		{"secretRef too long", provider(set("localUsers", object{"secretRef": object{"name": strings.Repeat("x", 254)}})), []string{"secretRef.name", "may not be more than 253"}},

		{"unknown algorithm", set("signing", object{"idTokenAlg": "none"}), []string{"spec.signing.idTokenAlg", `supported values: "RS256", "ES256", "PS256", "EdDSA"`}},
		{"unknown algorithm for access tokens", set("signing", object{"accessTokenAlg": "HS256"}), []string{"spec.signing.accessTokenAlg", `supported values: "RS256", "ES256", "PS256", "EdDSA"`}},
		{"keys that change hourly", set("signing", object{"keyRotationInterval": "1h"}), []string{"spec.signing.keyRotationInterval", "keyRotationInterval must be from 24h to 8760h"}},
		{"keys that never change", set("signing", object{"keyRotationInterval": "8761h"}), []string{"keyRotationInterval must be from 24h to 8760h"}},
	})
}

func TestAuthorizationServer_Lifetimes(t *testing.T) {
	bounds := []struct{ field, least, tooLittle, most, tooMuch, want string }{
		{"authorizationCode", "10s", "9s", "10m", "601s", "authorizationCode must be from 10s to 10m"},
		{"accessToken", "1m", "59s", "24h", "86401s", "accessToken must be from 1m to 24h"},
		{"idToken", "1m", "59s", "24h", "86401s", "idToken must be from 1m to 24h"},
		{"refreshToken", "168h", "4m", "8760h", "8761h", "refreshToken must be from 5m to 8760h"},
		{"refreshTokenIdle", "5m", "4m", "720h", "8761h", "refreshTokenIdle must be from 5m to 8760h"},
		{"refreshTokenRetryGrace", "0s", "-1s", "60s", "61s", "refreshTokenRetryGrace must be from 0s to 60s"},
		{"session", "5m", "299s", "720h", "721h", "session must be from 5m to 720h"},
	}
	var mutations []mutation
	for _, b := range bounds {
		of := func(d string) func(object) { return set("lifetimes", object{b.field: d}) }
		mutations = append(mutations,
			mutation{b.field + " least", of(b.least), nil},
			mutation{b.field + " too little", of(b.tooLittle), []string{"spec.lifetimes." + b.field, b.want}},
			mutation{b.field + " most", of(b.most), nil},
			mutation{b.field + " too much", of(b.tooMuch), []string{"spec.lifetimes." + b.field, b.want}},
			mutation{b.field + " no duration", of("soon"), []string{"spec.lifetimes." + b.field}},
		)
	}
	run(t, baseServer, append(mutations,
		mutation{"idle longer than all", set("lifetimes", object{"refreshToken": "24h", "refreshTokenIdle": "25h"}),
			[]string{"spec.lifetimes.refreshTokenIdle", "refreshTokenIdle cannot be longer than refreshToken: shorten it, or lengthen refreshToken"}},
		mutation{"idle as long as all", set("lifetimes", object{"refreshToken": "24h", "refreshTokenIdle": "24h"}), nil},
	))
}

func TestAuthorizationServer_Name(t *testing.T) {
	const want = "metadata.name is used in cookie and record names: use at most 63 lower-case letters, digits and hyphens"
	for name, wants := range map[string][]string{
		strings.Repeat("x", 63): nil,
		strings.Repeat("x", 64): {want},
		"with.dot":              {want},
	} {
		t.Run(fmt.Sprint(len(name)), func(t *testing.T) {
			u := parse(t, baseServer)
			u.SetName(name)
			expect(t, create(t, u), wants)
		})
	}
}
