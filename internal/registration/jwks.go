// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

const (
	// MaxJWKS is how many bytes a JWK set may have.
	MaxJWKS = 64 << 10
	// MaxKeys is how many keys of a client are looked at.
	MaxKeys = 16

	// maxEntries is how many keys a set may have that is fetched, with those of other
	// uses and kinds.
	maxEntries = 64
	maxKeyID   = 256
	// An RSA key of fewer bits can be broken, and one of more costs too much to check.
	minRSABits, maxRSABits = 2048, 4096
)

// PublicKey is a key by which a client's signatures are verified: an *rsa.PublicKey, an
// *ecdsa.PublicKey of P-256 or an ed25519.PublicKey.
type PublicKey struct {
	// ID is its kid; it may be empty.
	ID string
	// Algs are the algorithms that it may be used with.
	Algs []string
	Key  crypto.PublicKey
}

// errOtherKey is of a key that is none of a client's signatures, or of a kind that is
// not supported: such keys may stand beside others (RFC 7517 section 5).
var errOtherKey = errors.New("the key is of another use or kind")

// ParseKeys reads a JWK set that somebody wrote into an OAuthClient: every key must be
// one that verifies signatures.
func ParseKeys(data []byte) ([]PublicKey, error) {
	return parseKeys(data, false)
}

// ParseFetchedKeys reads a JWK set from a jwks_uri. Keys of other uses and kinds are
// passed over, and none at all is no error: the client may have no key for now.
func ParseFetchedKeys(data []byte) ([]PublicKey, error) {
	return parseKeys(data, true)
}

func parseKeys(data []byte, fetched bool) ([]PublicKey, error) {
	if len(data) > MaxJWKS {
		return nil, fmt.Errorf("has more than %d bytes", MaxJWKS)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	// What the errors of a parser repeat may be a private key.
	if err := json.Unmarshal(data, &set); err != nil || set.Keys == nil {
		return nil, errors.New("is not a JWK set: an object with the member keys, an array (RFC 7517 section 5)")
	}
	if len(set.Keys) > maxEntries {
		return nil, fmt.Errorf("has more than %d keys", maxEntries)
	}
	var all []PublicKey
	for i, raw := range set.Keys {
		key, err := parseKey(raw)
		switch {
		case err == nil:
			all = append(all, key)
		case fetched && errors.Is(err, errOtherKey):
		default:
			return nil, fmt.Errorf("keys[%d]: %w", i, err)
		}
	}
	switch {
	case len(all) > MaxKeys:
		return nil, fmt.Errorf("has more than %d keys that verify signatures", MaxKeys)
	case len(all) == 0 && !fetched:
		return nil, errors.New("has no keys")
	}
	return all, nil
}

// jwk is a key of RFC 7517 section 4, of RFC 7518 section 6 and RFC 8037 section 2.
type jwk struct {
	Kty string   `json:"kty"`
	Use string   `json:"use"`
	Ops []string `json:"key_ops"`
	Alg string   `json:"alg"`
	Kid string   `json:"kid"`
	Crv string   `json:"crv"`
	N   string   `json:"n"`
	E   string   `json:"e"`
	X   string   `json:"x"`
	Y   string   `json:"y"`
}

// privateMembers are those of a key that nobody but its owner should have.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

func parseKey(raw json.RawMessage) (PublicKey, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return PublicKey{}, errors.New("is not an object")
	}
	for name := range members {
		// Parsers of JSON differ in whether case matters.
		if slices.Contains(privateMembers, strings.ToLower(name)) {
			return PublicKey{}, errors.New("is a private key, which was thereby shown to others: replace it by a new one, and give the public part only")
		}
	}
	var j jwk
	if err := json.Unmarshal(raw, &j); err != nil {
		return PublicKey{}, errors.New("has a member of the wrong type")
	}
	if j.Use != "" && j.Use != "sig" || j.Ops != nil && !slices.Contains(j.Ops, "verify") {
		return PublicKey{}, fmt.Errorf("is not for signatures, by use or key_ops: %w", errOtherKey)
	}
	if len(j.Kid) > maxKeyID {
		return PublicKey{}, fmt.Errorf("kid has more than %d bytes", maxKeyID)
	}
	key, algs, err := j.public()
	if err != nil {
		return PublicKey{}, err
	}
	if j.Alg != "" {
		if !slices.Contains(algs, j.Alg) {
			return PublicKey{}, fmt.Errorf("alg is none of %s, which fit the key: %w", strings.Join(algs, ", "), errOtherKey)
		}
		algs = []string{j.Alg}
	}
	return PublicKey{ID: j.Kid, Algs: algs, Key: key}, nil
}

// public is the key, and the algorithms that fit it.
func (j *jwk) public() (crypto.PublicKey, []string, error) {
	switch {
	case j.Kty == "RSA":
		key, err := j.rsa()
		return key, []string{"RS256", "PS256"}, err
	case j.Kty == "EC" && j.Crv == "P-256":
		key, err := j.p256()
		return key, []string{"ES256"}, err
	case j.Kty == "OKP" && j.Crv == "Ed25519":
		x, err := member("x", j.X)
		if err == nil && len(x) != ed25519.PublicKeySize {
			err = errors.New("x is not 32 bytes long")
		}
		return ed25519.PublicKey(x), []string{"EdDSA"}, err
	}
	return nil, nil, fmt.Errorf("is neither an RSA key nor one of the curves P-256 and Ed25519: %w", errOtherKey)
}

func (j *jwk) rsa() (*rsa.PublicKey, error) {
	n, err := member("n", j.N)
	if err != nil {
		return nil, err
	}
	e, err := member("e", j.E)
	if err != nil {
		return nil, err
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	switch bits := modulus.BitLen(); {
	case bits < minRSABits || bits > maxRSABits:
		return nil, fmt.Errorf("n has %d bits, and must have %d to %d", bits, minRSABits, maxRSABits)
	case modulus.Bit(0) == 0:
		return nil, errors.New("n is even, and so no product of two primes")
	case exponent.BitLen() > 31 || exponent.Int64() < 3 || exponent.Bit(0) == 0:
		return nil, errors.New("e is not an odd number from 3 to 2147483647")
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, nil
}

func (j *jwk) p256() (*ecdsa.PublicKey, error) {
	x, err := member("x", j.X)
	if err != nil {
		return nil, err
	}
	y, err := member("y", j.Y)
	if err != nil {
		return nil, err
	}
	// RFC 7518 section 6.2.1.2: in full length, with leading zeros.
	if len(x) != 32 || len(y) != 32 {
		return nil, errors.New("x or y is not 32 bytes long")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, errors.New("x and y are no point of P-256")
	}
	return key, nil
}

// member decodes base64url without padding (RFC 7515 section 2).
func member(name, text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || text == "" || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("%s is missing, or not base64url without padding", name)
	}
	return b, nil
}
