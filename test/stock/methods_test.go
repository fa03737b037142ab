// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build stock

package stock

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"testing"

	"github.com/clientele-dev/clientele/internal/registration"
)

// by has a client say who it is by a method, with all that goes with it.
func by(t *testing.T, method string) func(*settings, *registration.Client) {
	return func(set *settings, c *registration.Client) {
		set.AuthMethod, c.TokenEndpointAuthMethod = method, method
		switch method {
		case registration.AuthMethodNone:
			c.Public, c.Digests, set.ClientSecret = true, nil, ""
		case registration.AuthMethodPrivateKeyJWT:
			set.PrivateKey, c.JWKS = clientKey(t)
			c.Digests, set.ClientSecret = nil, ""
		}
	}
}

// clientKey makes a key for a client: in PEM for itself, and as a JWK set for the
// issuer.
func clientKey(t *testing.T) (private string, public json.RawMessage) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	public = fmt.Appendf(nil, `{"keys":[{"kty":"EC","crv":"P-256","use":"sig","x":%q,"y":%q}]}`, encode(point[1:33]), encode(point[33:]))
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), public
}
