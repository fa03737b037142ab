// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"

	"github.com/clientele-dev/clientele/authserver/keys"
)

// jwk is a public key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).
type jwk struct {
	Kty string `json:"kty"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
}

func publicJWK(k keys.Key, public crypto.PublicKey) jwk {
	out := jwk{Use: "sig", Alg: k.Kind, Kid: k.ID}
	switch p := public.(type) {
	case *rsa.PublicKey:
		out.Kty = "RSA"
		out.N = base64url(p.N.Bytes())
		out.E = base64url(big.NewInt(int64(p.E)).Bytes())
	case *ecdsa.PublicKey:
		out.Kty, out.Crv = "EC", "P-256"
		// Uncompressed point: 0x04, then X and Y of 32 bytes each.
		if point, err := p.Bytes(); err == nil {
			out.X, out.Y = base64url(point[1:33]), base64url(point[33:])
		}
	case ed25519.PublicKey:
		out.Kty, out.Crv, out.X = "OKP", "Ed25519", base64url(p)
	}
	return out
}

func marshalJWKS(all []jwk) ([]byte, error) {
	return json.Marshal(struct {
		Keys []jwk `json:"keys"`
	}{all})
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
