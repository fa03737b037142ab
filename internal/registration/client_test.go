// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// confidential is a client record that is valid.
func confidential() Client {
	return Client{
		Version: Version, UID: "5d1f", Namespace: "docs", Name: "wiki", AuthorizationServer: "default",
		ClientID: "docs.wiki", DisplayName: "Team Wiki", RedirectURIs: []string{"https://wiki.example.com/callback"},
		Scopes: []string{"openid", "profile"}, GrantTypes: []string{GrantAuthorizationCode, GrantRefreshToken},
		TokenEndpointAuthMethod: AuthMethodBasic, PKCERequired: true,
		Digests: []Digest{{SHA256: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}},
	}
}

func TestClient_EncodeAndDecode(t *testing.T) {
	want := confidential()
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeClient(data)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("DecodeClient(Encode()) = %+v, %v, want %+v", got, err, want)
	}
	again, err := got.Encode()
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("encoded twice = %s, %v, want %s", again, err, data)
	}
}

func TestClient_Validate(t *testing.T) {
	public := func(c *Client) {
		c.Public, c.TokenEndpointAuthMethod, c.Digests = true, AuthMethodNone, nil
	}
	private := func(c *Client) {
		c.TokenEndpointAuthMethod, c.Digests, c.JWKS = AuthMethodPrivateKeyJWT, nil, setOf(ecKey())
	}
	for _, tt := range []struct {
		name   string
		change func(*Client)
		want   string // in the error; empty means valid
	}{
		{"keys of its own", private, ""},
		{"keys that are fetched", func(c *Client) { private(c); c.JWKS, c.JWKSURI = nil, "https://w.example/jwks" }, ""},
		{"keys in both places", func(c *Client) { private(c); c.JWKSURI = "https://w.example/jwks" }, "jwksURI: the keys stand in jwks or"},
		{"private_key_jwt without keys", func(c *Client) { private(c); c.JWKS = nil }, "private_key_jwt goes with one of jwks and jwksURI"},
		{"keys without private_key_jwt", func(c *Client) { c.JWKS = setOf(ecKey()) }, "private_key_jwt goes with one of jwks and jwksURI"},
		{"keys of a public client", func(c *Client) { public(c); c.JWKSURI = "https://w.example/jwks" }, "private_key_jwt goes with one of jwks and jwksURI"},
		{"private_key_jwt of a public client", func(c *Client) { private(c); c.Public = true }, "tokenEndpointAuthMethod does not fit"},
		{"a bad key", func(c *Client) { private(c); c.JWKS = setOf(with(ecKey(), "d", "AQ")) }, "jwks: keys[0]: is a private key"},
		{"keys fetched by http", func(c *Client) { private(c); c.JWKS, c.JWKSURI = nil, "http://w.example/jwks" }, "jwksURI: is not an https URI"},
		{"keys and a digest", func(c *Client) { d := c.Digests; private(c); c.Digests = d }, "digests: a client that authenticates with private_key_jwt has none"},
		{"as it is", func(*Client) {}, ""},
		{"public", public, ""},
		{"public with a scheme of its own", func(c *Client) { public(c); c.RedirectURIs = []string{"com.example.wiki:/cb"} }, ""},
		{"without PKCE", func(c *Client) { c.PKCERequired = false }, ""},
		{"no digest yet", func(c *Client) { c.Digests = nil }, ""},
		{"another version", func(c *Client) { c.Version = 2 }, "version is 2, not 1"},
		{"no uid", func(c *Client) { c.UID = "" }, "uid is empty"},
		{"no client_id", func(c *Client) { c.ClientID = "" }, "clientID is empty"},
		{"no server", func(c *Client) { c.AuthorizationServer = "" }, "authorizationServer is empty"},
		{"no redirect URI", func(c *Client) { c.RedirectURIs = nil }, "redirectURIs is empty"},
		{"a bad redirect URI", func(c *Client) { c.RedirectURIs[0] = "http://wiki.example.com" }, "redirectURIs[0]"},
		{"a scheme of its own", func(c *Client) { c.RedirectURIs[0] = "com.example.wiki:/cb" }, "for public clients"},
		{"a bad scope", func(c *Client) { c.Scopes[1] = "a b" }, "scopes[1]"},
		{"pages of its own", func(c *Client) {
			c.ClientURI, c.LogoURI, c.PolicyURI, c.TOSURI = "https://w.example/", "https://w.example/l", "https://w.example/p", "https://w.example/t"
		}, ""},
		{"a bad home page", func(c *Client) { c.ClientURI = "http://w.example/" }, "clientURI"},
		{"a bad picture", func(c *Client) { c.LogoURI = "data:image/png," }, "logoURI"},
		{"a bad privacy policy", func(c *Client) { c.PolicyURI = "javascript:alert(1)" }, "policyURI"},
		{"bad terms", func(c *Client) { c.TOSURI = "/terms" }, "tosURI"},
		{"a bad grant type", func(c *Client) { c.GrantTypes[1] = "implicit" }, "grantTypes[1]"},
		{"none for a confidential client", func(c *Client) { c.TokenEndpointAuthMethod = AuthMethodNone }, "tokenEndpointAuthMethod"},
		{"basic for a public client", func(c *Client) { public(c); c.TokenEndpointAuthMethod = AuthMethodBasic }, "tokenEndpointAuthMethod"},
		{"a public client without PKCE", func(c *Client) { public(c); c.PKCERequired = false }, "pkceRequired"},
		{"a public client with a digest", func(c *Client) { d := c.Digests; public(c); c.Digests = d }, "a public client has none"},
		{"an empty digest", func(c *Client) { c.Digests[0].SHA256 = "" }, "one has not exactly one"},
		{"too many digests", func(c *Client) {
			for len(c.Digests) <= MaxDigests {
				c.Digests = append(c.Digests, c.Digests[0])
			}
		}, "more than 32"},
	} {
		c := confidential()
		tt.change(&c)
		switch err := c.Validate(); {
		case tt.want == "" && err != nil:
			t.Errorf("%s: Validate() = %v, want nil", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: Validate() = %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestClient_ValidateIsSteady: a message that changed without a cause would be
// written to a status again and again.
func TestClient_ValidateIsSteady(t *testing.T) {
	want := Client{}.Validate().Error()
	for range 50 {
		if got := (Client{}).Validate().Error(); got != want {
			t.Fatalf("Validate() = %q, want %q", got, want)
		}
	}
}

func TestDecodeClient_UnknownFieldsAndVersions(t *testing.T) {
	data, err := confidential().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeClient(bytes.Replace(data, []byte(`{`), []byte(`{"fromALaterVersion":true,`), 1)); err != nil {
		t.Errorf("an unknown field: %v, want it ignored", err)
	}
	if _, err := DecodeClient(bytes.Replace(data, []byte(`"version":1`), []byte(`"version":2`), 1)); err == nil {
		t.Error("another version is accepted")
	}
}

func FuzzDecodeClient(f *testing.F) {
	data, err := confidential().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeClient(data)
		if err != nil {
			return
		}
		again, err := c.Encode()
		if err != nil {
			t.Fatalf("a record that was decoded cannot be encoded: %v", err)
		}
		back, err := DecodeClient(again)
		if err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		a, _ := json.Marshal(c)
		b, _ := json.Marshal(back)
		if !bytes.Equal(a, b) {
			t.Fatalf("round trip = %s, want %s", b, a)
		}
	})
}
