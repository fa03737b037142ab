// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package token turns an approved grant into signed JWTs and publishes the
// matching JWK set. It never sees an HTTP request, is given the time by its
// callers, and is the only package that imports golang-jwt.
package token

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/clientele-dev/clientele/authserver/keys"
)

// ErrInvalid means that a text is not an access token of this issuer that is valid
// now. It does not say why.
var ErrInvalid = errors.New("token is not valid")

// JOSE typ values (RFC 9068 section 2.1, RFC 7519 section 5.1).
const (
	typAccess = "at+jwt"
	typID     = "JWT"
	// typLogout is OpenID Connect Back-Channel Logout 1.0 section 2.4's.
	typLogout = "logout+jwt"
)

// leeway is how far the clocks of two replicas may be apart.
const leeway = 5 * time.Second

// maxSignature has room for any of our signatures in base64url, and the dots.
const maxSignature = 400

// KeySet signs and verifies for one issuer, and is its JWK set. It is immutable.
type KeySet struct {
	issuer string
	set    keys.Set
	// byAlg are the signing keys of set, in the order of keys.Set.Of.
	byAlg   map[string][]keys.Key
	signers map[string]crypto.Signer
	jwks    []byte
}

// required are the algorithms that every set has a key of. An older version has minted
// none of the others; they follow.
var required = []string{keys.RS256, keys.ES256}

// NewKeySet parses the signing keys of set.
func NewKeySet(issuer string, set keys.Set) (*KeySet, error) {
	k := &KeySet{issuer: issuer, set: set, byAlg: map[string][]keys.Key{}, signers: map[string]crypto.Signer{}}
	var jwks []jwk
	for _, alg := range keys.Algs() {
		all := set.Of(alg)
		if len(all) == 0 && slices.Contains(required, alg) {
			return nil, fmt.Errorf("no %s key", alg)
		}
		k.byAlg[alg] = all
		for _, key := range all {
			signer, err := key.Signer()
			if err != nil {
				return nil, err
			}
			k.signers[key.ID] = signer
			jwks = append(jwks, publicJWK(key, signer.Public()))
		}
	}
	var err error
	k.jwks, err = marshalJWKS(jwks)
	return k, err
}

// String keeps the keys out of every message.
func (k *KeySet) String() string { return "keys of " + k.issuer }

// GoString keeps the keys out of %#v.
func (k *KeySet) GoString() string { return k.String() }

// JWKS is the JWK set (RFC 7517 section 5) as JSON. The caller must not change it.
func (k *KeySet) JWKS() []byte { return k.jwks }

// Usable returns the first of algs that has a key in use at now, or RS256. A kind of key
// that was added by an upgrade does not sign before it has been published for as long
// as any other; until then, what was wished for before it signs.
func (k *KeySet) Usable(now time.Time, algs ...string) string {
	for _, alg := range algs {
		if key, ok := keys.InUse(k.byAlg[alg], now); ok && (!key.Starts.After(now) || k.early(now)) {
			return alg
		}
	}
	return keys.RS256
}

// early reports whether now is before everything: the clock was set back, and no key
// is better than another.
func (k *KeySet) early(now time.Time) bool {
	key, ok := keys.InUse(k.byAlg[keys.RS256], now)
	return ok && key.Starts.After(now)
}

// head is a JOSE header (RFC 7515 section 4).
type head struct {
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Typ string `json:"typ"`
}

// sign returns claims as a JWT in JWS compact serialization (RFC 7515 section 7.1).
func (k *KeySet) sign(alg, typ string, claims any, now time.Time) (string, error) {
	key, ok := keys.InUse(k.byAlg[alg], now)
	if !ok {
		return "", fmt.Errorf("no %s key", alg)
	}
	signer, method := k.signers[key.ID], jwt.GetSigningMethod(alg)
	if signer == nil || method == nil {
		return "", fmt.Errorf("%s does not sign", alg)
	}
	header, err1 := json.Marshal(head{Alg: alg, Kid: key.ID, Typ: typ})
	payload, err2 := json.Marshal(claims)
	if err := errors.Join(err1, err2); err != nil {
		return "", fmt.Errorf("encode %s: %w", typ, err)
	}
	encoding := base64.RawURLEncoding
	text := make([]byte, 0, encoding.EncodedLen(len(header))+encoding.EncodedLen(len(payload))+maxSignature)
	text = encoding.AppendEncode(text, header)
	text = append(text, '.')
	text = encoding.AppendEncode(text, payload)
	signature, err := method.Sign(string(text), signer)
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", typ, err)
	}
	text = append(text, '.')
	return string(encoding.AppendEncode(text, signature)), nil
}

// key finds the public key that a token names, and refuses one of another
// algorithm.
func (k *KeySet) key(t *jwt.Token) (any, error) {
	kid, _ := t.Header["kid"].(string)
	signer, ok := k.signers[kid]
	if !ok {
		return nil, ErrInvalid
	}
	for _, key := range k.byAlg[t.Method.Alg()] {
		if key.ID == kid {
			return signer.Public(), nil
		}
	}
	return nil, ErrInvalid
}
