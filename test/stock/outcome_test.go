// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build stock

package stock

import (
	"reflect"
	"testing"

	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/inprocess"
)

const allScopes = "openid profile email groups offline_access"

// register returns a confidential client that uses all there is, and what its app is
// told of it.
func (a *app) register(issuer string) (settings, registration.Client) {
	secret := credential.New("a-secret-of-256-bits-would-look-like-this-1")
	c := inprocess.Client("wiki", a.url+"/callback", secret)
	c.PostLogoutRedirectURIs = []string{a.url + "/bye"}
	return settings{
		Issuer: issuer, ClientID: c.ClientID, ClientSecret: secret.Reveal(), AuthMethod: c.TokenEndpointAuthMethod,
		IDTokenAlg: "RS256", RedirectURI: c.RedirectURIs[0], PostLogoutURI: a.url + "/bye", Scope: allScopes, PKCE: true,
	}, c
}

// checkOutcome compares what a client has got with who signed in.
func checkOutcome(t *testing.T, set settings, got outcome) {
	t.Helper()
	for what, c := range map[string]claims{"the first ID token": got.IDToken, "that of a refresh": got.Refreshed, "that of a new key": got.Rotated} {
		want := ada(c.Sub)
		want.Iss, want.Nonce, want.Sid = set.Issuer, c.Nonce, c.Sid
		if !reflect.DeepEqual(c, want) {
			t.Errorf("%s says %+v, want %+v", what, c, want)
		}
	}
	if got.IDToken.Sub == "" || got.IDToken.Nonce == "" {
		t.Errorf("the first ID token says %+v", got.IDToken)
	}
	for what, sub := range map[string]string{"after a refresh": got.Refreshed.Sub, "after a rotation": got.Rotated.Sub} {
		if sub != got.IDToken.Sub {
			t.Errorf("sub is %q %s, and was %q", sub, what, got.IDToken.Sub)
		}
	}
	if want := ada(got.IDToken.Sub); !reflect.DeepEqual(got.Userinfo, want) {
		t.Errorf("userinfo is %+v, want %+v", got.Userinfo, want)
	}
	if set.AuthMethod != registration.AuthMethodNone {
		checkIntrospection(t, set, got)
	}
}

func checkIntrospection(t *testing.T, set settings, got outcome) {
	t.Helper()
	i := got.Introspection
	if i["active"] != true || i["client_id"] != set.ClientID || i["scope"] != set.Scope || i["username"] != inprocess.Username {
		t.Errorf("introspection is %v", i)
	}
	if want := map[string]any{"active": false}; !reflect.DeepEqual(got.Revoked, want) {
		t.Errorf("introspection after revocation is %v, want %v", got.Revoked, want)
	}
}

// checkAccessToken compares what an API has found in an access token.
func checkAccessToken(t *testing.T, set settings, got map[string]any) {
	t.Helper()
	for name, want := range map[string]any{
		"iss": set.Issuer, "aud": []any{"api://" + set.ClientID}, "client_id": set.ClientID, "scope": set.Scope,
	} {
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("the access token's %s is %v, want %v", name, got[name], want)
		}
	}
}

// ada is what there is to know of who signs in.
func ada(sub string) claims {
	return claims{Sub: sub, Name: inprocess.Name, Email: inprocess.Email, Groups: []string{"engineering", "admins"}}
}
