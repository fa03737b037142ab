// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/keys"
)

// signAs signs as RFC 7518 sections 3.3 to 3.5 and RFC 8037 section 3.1 say, with
// whatever key can be made to.
func signAs(t testing.TB, alg string, signer crypto.Signer) func(digest []byte, input string) []byte {
	return func(digest []byte, input string) []byte {
		switch key := signer.(type) {
		case *rsa.PrivateKey:
			if alg != keys.PS256 {
				return byKey(t, signer)(digest, input)
			}
			signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
			if err != nil {
				t.Fatal(err)
			}
			return signature
		case ed25519.PrivateKey:
			return ed25519.Sign(key, []byte(input))
		}
		return byKey(t, signer)(digest, input)
	}
}

// TestVerify_AlgConfusion heads a token of each algorithm as one of each other: with the
// kid of its own key and with the other algorithm's, its signature left as it was and
// made anew as the header says, and an RSA key used for the other RSA algorithm. Only
// the algorithm that the key is of counts.
func TestVerify_AlgConfusion(t *testing.T) {
	k := keySet(t, 0)
	for _, alg := range keys.Algs() {
		own := k.set.Of(alg)[0].ID
		for kind, raw := range map[string]string{"access token": signed(t, k, alg, access), "ID token": signedID(t, k, alg, id)} {
			header, claims := parts(t, raw)
			for _, headed := range append(keys.Algs(), "none", "HS256", "Ed25519", "RS512", "PS384", "") {
				other := own
				if all := k.set.Of(headed); len(all) > 0 {
					other = all[0].ID
				}
				for _, kid := range []string{own, other} {
					header["alg"], header["kid"] = headed, kid
					anew := sign(t, header, claims, signAs(t, headed, k.signers[own]))
					signature := raw[strings.LastIndexByte(raw, '.'):]
					left := anew[:strings.LastIndexByte(anew, '.')] + signature
					if headed == alg {
						check(t, k, kind, anew, nil)
						continue
					}
					check(t, k, kind+" of "+alg+" headed "+headed+", signed anew", anew, ErrInvalid)
					check(t, k, kind+" of "+alg+" headed "+headed, left, ErrInvalid)
				}
			}
		}
	}
}

// check verifies raw as what it is.
func check(t *testing.T, k *KeySet, name, raw string, want error) {
	t.Helper()
	var err error
	if strings.HasPrefix(name, "access") {
		_, err = k.VerifyAccess(raw, now)
	} else {
		_, err = k.VerifyHint(raw)
	}
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
}

// TestSign_Salt: RFC 7518 section 3.5 wants a salt as long as the hash.
func TestSign_Salt(t *testing.T) {
	k := keySet(t, 0)
	raw := signed(t, k, keys.PS256, access)
	end := strings.LastIndexByte(raw, '.')
	signature, err := base64.RawURLEncoding.DecodeString(raw[end+1:])
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(raw[:end]))
	public := k.signers[k.set.Of(keys.PS256)[0].ID].Public().(*rsa.PublicKey)
	if err := rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: sha256.Size}); err != nil {
		t.Error(err)
	}
	if public.N.BitLen() != 2048 {
		t.Errorf("the key has %d bits", public.N.BitLen())
	}
}

// TestKeySet_NoKeyIsShared: the two RSA algorithms have keys of their own.
func TestKeySet_NoKeyIsShared(t *testing.T) {
	k := keySet(t, 1)
	for _, a := range k.set.Of(keys.RS256) {
		for _, b := range k.set.Of(keys.PS256) {
			if k.signers[a.ID].(*rsa.PrivateKey).Equal(k.signers[b.ID]) {
				t.Errorf("%v and %v are one", a, b)
			}
		}
	}
}

// TestUsable_AfterAnUpgrade: the keys of an older version serve as they did. The kinds
// that it did not know are published, and sign when the lead is over.
func TestUsable_AfterAnUpgrade(t *testing.T) {
	sets, err := twoSets()
	if err != nil {
		t.Fatal(err)
	}
	older := keys.Set{Version: keys.Version}
	for _, kind := range []string{keys.RS256, keys.ES256, keys.Seal} {
		older.Keys = append(older.Keys, sets[1].Of(kind)...)
	}
	upgraded, changed, err := older.Rotate(now, schedule, nil)
	if err != nil || !changed {
		t.Fatalf("Rotate = %v, %v, want a change", changed, err)
	}
	for _, kind := range []string{keys.RS256, keys.ES256, keys.Seal} {
		if !reflect.DeepEqual(upgraded.Of(kind), older.Of(kind)) {
			t.Errorf("%s keys were %v and are %v", kind, older.Of(kind), upgraded.Of(kind))
		}
	}
	lead := now.Add(schedule.Lead)
	for _, tt := range []struct {
		name string
		set  keys.Set
		now  time.Time
		algs []string
		want string
	}{
		{"the older keys", older, now, []string{keys.PS256, keys.ES256}, keys.ES256},
		{"just published", upgraded, now, []string{keys.PS256, keys.ES256}, keys.ES256},
		{"just before the lead is over", upgraded, lead.Add(-time.Second), []string{keys.EdDSA, keys.ES256}, keys.ES256},
		{"the lead is over", upgraded, lead.Add(time.Second), []string{keys.EdDSA, keys.ES256}, keys.EdDSA},
		{"and for PS256", upgraded, lead.Add(time.Second), []string{keys.PS256, keys.ES256}, keys.PS256},
		{"nothing of one's own", upgraded, now, []string{"", keys.ES256}, keys.ES256},
		{"the server's own is new", upgraded, now, []string{"", keys.PS256}, keys.RS256},
		{"the clock was set back before all", sets[0], now.Add(-10000 * time.Hour), []string{keys.EdDSA, keys.ES256}, keys.EdDSA},
	} {
		k, err := NewKeySet(issuer, tt.set)
		if err != nil {
			t.Fatal(err)
		}
		if got := k.Usable(tt.now, tt.algs...); got != tt.want {
			t.Errorf("%s: Usable = %s, want %s", tt.name, got, tt.want)
		}
	}
	k, err := NewKeySet(issuer, upgraded)
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range []string{keys.PS256, keys.EdDSA} {
		if !strings.Contains(string(k.JWKS()), upgraded.Of(alg)[0].ID) {
			t.Errorf("the %s key is not published", alg)
		}
	}
}
