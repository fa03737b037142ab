// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
)

type members map[string]any

// owners are private keys to make JWKs of; RSA keys are slow to make.
var owners = sync.OnceValue(func() (k struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
	ed  ed25519.PrivateKey
}) {
	var err error
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	if k.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		panic(err)
	}
	if _, k.ed, err = ed25519.GenerateKey(rand.Reader); err != nil {
		panic(err)
	}
	return k
})

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func rsaKey() members {
	k := owners().rsa
	return members{"kty": "RSA", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
}

func ecKey() members {
	point, err := owners().ec.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return members{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
}

func edKey() members {
	return members{"kty": "OKP", "crv": "Ed25519", "x": b64(owners().ed.Public().(ed25519.PublicKey))}
}

func setOf(keys ...members) []byte {
	data, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return data
}

func with(k members, name string, value any) members {
	k[name] = value
	return k
}

func TestParseKeys(t *testing.T) {
	want := []crypto.PublicKey{owners().rsa.Public(), owners().ec.Public(), owners().ed.Public()}
	data := setOf(with(rsaKey(), "kid", "a"), with(with(ecKey(), "use", "sig"), "key_ops", []string{"verify"}), edKey())
	got, err := ParseKeys(data)
	if err != nil || len(got) != 3 || got[0].ID != "a" {
		t.Fatalf("got %+v, %v", got, err)
	}
	for i, k := range got {
		if !k.Key.(interface{ Equal(crypto.PublicKey) bool }).Equal(want[i]) {
			t.Errorf("key %d is another one", i)
		}
	}
	for i, algs := range [][]string{{"RS256", "PS256"}, {"ES256"}, {"EdDSA"}} {
		if !slices.Equal(got[i].Algs, algs) {
			t.Errorf("key %d is for %v, want %v", i, got[i].Algs, algs)
		}
	}
	got, err = ParseKeys(setOf(with(rsaKey(), "alg", "PS256")))
	if err != nil || !slices.Equal(got[0].Algs, []string{"PS256"}) {
		t.Errorf("with an alg: got %+v, %v", got, err)
	}
}

func TestParseKeys_Refused(t *testing.T) {
	modulus := func(bits int) string {
		n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
		return b64(n.SetBit(n, 0, 1).Bytes())
	}
	many := make([]members, MaxKeys+1)
	for i := range many {
		many[i] = edKey()
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
		// other says that a fetched set may have such a key.
		other bool
	}{
		{"no JSON", []byte(`x`), "is not a JWK set", false},
		{"no object", []byte(`[]`), "is not a JWK set", false},
		{"no keys", []byte(`{}`), "is not a JWK set", false},
		{"null", []byte(`{"keys":null}`), "is not a JWK set", false},
		{"no array", []byte(`{"keys":{}}`), "is not a JWK set", false},
		{"an empty array", []byte(`{"keys":[]}`), "has no keys", true},
		{"a text", []byte(`{"keys":["x"]}`), "keys[0]: is not an object", false},
		{"a null", []byte(`{"keys":[null]}`), "keys[0]: is not an object", false},
		{"too large", slices.Concat([]byte(`{"keys":[]}`), make([]byte, MaxJWKS)), "more than 65536 bytes", false},
		{"too many", setOf(many...), "has more than 16 keys", false},
		{"the second is bad", setOf(edKey(), with(edKey(), "x", "")), "keys[1]: x is missing", false},

		{"a private RSA key", setOf(with(rsaKey(), "d", "AQ")), "is a private key", false},
		{"a factor", setOf(with(rsaKey(), "p", "AQ")), "is a private key", false},
		{"a private member in capitals", setOf(with(rsaKey(), "D", "AQ")), "is a private key", false},
		{"a private EC key", setOf(with(ecKey(), "d", "AQ")), "is a private key", false},
		{"a private Ed25519 key", setOf(with(edKey(), "d", nil)), "is a private key", false},
		{"a shared secret", setOf(members{"kty": "oct", "k": "AQ"}), "is a private key", false},

		{"no kty", setOf(members{"x": "AQ"}), "is neither an RSA key nor", true},
		{"another curve", setOf(with(ecKey(), "crv", "P-384")), "is neither an RSA key nor", true},
		{"no curve", setOf(with(edKey(), "crv", "")), "is neither an RSA key nor", true},
		{"X25519", setOf(with(edKey(), "crv", "X25519")), "is neither an RSA key nor", true},
		{"for encryption", setOf(with(rsaKey(), "use", "enc")), "is not for signatures", true},
		{"for other operations", setOf(with(rsaKey(), "key_ops", []string{"encrypt"})), "is not for signatures", true},
		{"an alg of another kind", setOf(with(rsaKey(), "alg", "ES256")), "alg is none of RS256, PS256", true},
		{"an alg that is not supported", setOf(with(rsaKey(), "alg", "RS512")), "alg is none of", true},
		{"alg none", setOf(with(rsaKey(), "alg", "none")), "alg is none of", true},

		{"a member of the wrong type", setOf(with(rsaKey(), "n", 7)), "wrong type", false},
		{"a long kid", setOf(with(rsaKey(), "kid", strings.Repeat("k", 257))), "kid has more than 256", false},
		{"no modulus", setOf(with(rsaKey(), "n", "")), "n is missing", false},
		{"padding", setOf(with(edKey(), "x", edKey()["x"].(string)+"=")), "x is missing, or not base64url", false},
		{"a line break", setOf(with(edKey(), "x", edKey()["x"].(string)+"\n")), "x is missing, or not base64url", false},
		{"RSA of 2047 bits", setOf(with(rsaKey(), "n", modulus(2047))), "n has 2047 bits", false},
		{"RSA of 4097 bits", setOf(with(rsaKey(), "n", modulus(4097))), "n has 4097 bits", false},
		{"an even modulus", setOf(with(rsaKey(), "n", b64(append(owners().rsa.N.Bytes()[:255:255], 2)))), "n is even", false},
		{"exponent 1", setOf(with(rsaKey(), "e", "AQ")), "e is not an odd number", false},
		{"an even exponent", setOf(with(rsaKey(), "e", "BA")), "e is not an odd number", false},
		{"a large exponent", setOf(with(rsaKey(), "e", b64([]byte{1, 0, 0, 0, 1}))), "e is not an odd number", false},
		{"a coordinate cut short", setOf(with(ecKey(), "x", "AQ")), "x or y is not 32 bytes", false},
		{"off the curve", setOf(with(ecKey(), "x", b64(make([]byte, 32)))), "no point of P-256", false},
		{"Ed25519 of 31 bytes", setOf(with(edKey(), "x", b64(make([]byte, 31)))), "x is not 32 bytes", false},
	} {
		if _, err := ParseKeys(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		keys, err := ParseFetchedKeys(c.data)
		if c.other != (err == nil) || len(keys) != 0 {
			t.Errorf("%s, fetched: got %v, %v", c.name, keys, err)
		}
	}
}

func TestParseFetchedKeys_PassesOverOthers(t *testing.T) {
	got, err := ParseFetchedKeys(setOf(with(rsaKey(), "use", "enc"), with(ecKey(), "kid", "mine"), members{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AQ"}))
	if err != nil || len(got) != 1 || got[0].ID != "mine" {
		t.Errorf("got %+v, %v", got, err)
	}
	many := make([]members, maxEntries+1)
	for i := range many {
		many[i] = members{"kty": "AKP"}
	}
	if _, err := ParseFetchedKeys(setOf(many[1:]...)); err != nil {
		t.Errorf("%d keys of other kinds: %v", maxEntries, err)
	}
	if _, err := ParseFetchedKeys(setOf(many...)); err == nil {
		t.Errorf("%d keys are accepted", len(many))
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add(setOf(rsaKey(), ecKey(), edKey()))
	f.Add(setOf(with(rsaKey(), "alg", "PS256"), with(rsaKey(), "use", "enc")))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"","e":"AQAB","d":"x"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""},null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		strict, err := ParseKeys(data)
		lax, laxErr := ParseFetchedKeys(data)
		if err == nil && (laxErr != nil || len(strict) != len(lax) || len(strict) == 0) {
			t.Fatalf("%d keys as written and %d as fetched, %v", len(strict), len(lax), laxErr)
		}
		if len(lax) > MaxKeys {
			t.Fatalf("%d keys", len(lax))
		}
		for _, k := range lax {
			if len(k.Algs) == 0 || k.Key == nil {
				t.Fatalf("key %+v", k)
			}
			if r, ok := k.Key.(*rsa.PublicKey); ok && (r.N.BitLen() < minRSABits || r.N.BitLen() > maxRSABits || r.E < 3) {
				t.Fatalf("RSA of %d bits, e %d", r.N.BitLen(), r.E)
			}
		}
	})
}
