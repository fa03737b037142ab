// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/keys"
)

func TestVerifyAccess_RoundTrip(t *testing.T) {
	k := keySet(t, 1)
	for _, alg := range keys.Algs() {
		got, err := k.VerifyAccess(signed(t, k, alg, access), now)
		if err != nil {
			t.Fatal(err)
		}
		want := access
		for _, at := range []*time.Time{&got.IssuedAt, &got.Expires, &got.AuthTime} {
			*at = at.UTC()
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("VerifyAccess = %+v\nwant %+v", got, want)
		}
	}
}

// sign makes a token out of any header and claims, with a key and hash of choice.
func sign(t testing.TB, header, claims map[string]any, by func(digest []byte, input string) []byte) string {
	t.Helper()
	var segments []string
	for _, part := range []map[string]any{header, claims} {
		data, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		segments = append(segments, base64.RawURLEncoding.EncodeToString(data))
	}
	input := strings.Join(segments, ".")
	digest := sha256.Sum256([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(by(digest[:], input))
}

// byKey signs as RFC 7518 sections 3.3 and 3.4 say.
func byKey(t testing.TB, signer crypto.Signer) func(digest []byte, input string) []byte {
	return func(digest []byte, _ string) []byte {
		switch key := signer.(type) {
		case *rsa.PrivateKey:
			signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest)
			if err != nil {
				t.Fatal(err)
			}
			return signature
		case *ecdsa.PrivateKey:
			r, s, err := ecdsa.Sign(rand.Reader, key, digest)
			if err != nil {
				t.Fatal(err)
			}
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
		t.Fatalf("no key: %T", signer)
		return nil
	}
}

// byHMAC is key confusion: a public key, which everybody knows, as a shared secret.
func byHMAC(secret []byte) func(digest []byte, input string) []byte {
	return func(_ []byte, input string) []byte {
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(input))
		return m.Sum(nil)
	}
}

// TestVerifyAccess_Refuses changes one thing in a token that would be accepted, and
// signs it anew with the right key where that is what an attacker could do.
func TestVerifyAccess_Refuses(t *testing.T) {
	k := keySet(t, 1)
	rsaKey, ecKey := k.set.Of(keys.RS256)[0], k.set.Of(keys.ES256)[0]
	ec, rs := k.signers[ecKey.ID], k.signers[rsaKey.ID]
	der, err := x509.MarshalPKIXPublicKey(rs.Public())
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	goodHeader, goodClaims := parts(t, signed(t, k, keys.ES256, access))
	type object = map[string]any
	// change signs a changed good token with the right key.
	change := func(f func(header, claims object)) string {
		header, claims := maps.Clone(goodHeader), maps.Clone(goodClaims)
		f(header, claims)
		return sign(t, header, claims, byKey(t, ec))
	}
	good := change(func(object, object) {})
	nothing := func([]byte, string) []byte { return nil }
	seconds := func(d time.Duration) int64 { return now.Add(d).Unix() }
	tests := []struct{ name, raw string }{
		{"expired", change(func(_, c object) { c["exp"] = seconds(-leeway) })},
		{"no exp", change(func(_, c object) { delete(c, "exp") })},
		{"exp is zero", change(func(_, c object) { c["exp"] = 0 })},
		{"exp is text", change(func(_, c object) { c["exp"] = "2030" })},
		{"exp is a list", change(func(_, c object) { c["exp"] = []int64{seconds(time.Hour)} })},
		{"issued in the future", change(func(_, c object) { c["iat"] = seconds(leeway + time.Second) })},
		{"no iat", change(func(_, c object) { delete(c, "iat") })},
		{"not before the future", change(func(_, c object) { c["nbf"] = seconds(leeway + time.Second) })},
		{"another issuer", change(func(_, c object) { c["iss"] = "https://login.example.com" })},
		{"an issuer whose name goes on", change(func(_, c object) { c["iss"] = issuer + "/" })},
		{"issuer in upper case", change(func(_, c object) { c["iss"] = strings.ToUpper(issuer) })},
		{"no issuer", change(func(_, c object) { delete(c, "iss") })},
		{"issuer is a list", change(func(_, c object) { c["iss"] = []string{issuer} })},
		{"no auth_time", change(func(_, c object) { delete(c, "auth_time") })},
		{"typ of an ID token", change(func(h, _ object) { h["typ"] = "JWT" })},
		{"no typ", change(func(h, _ object) { delete(h, "typ") })},
		{"typ is a list", change(func(h, _ object) { h["typ"] = []string{"at+jwt"} })},
		{"typ in upper case", change(func(h, _ object) { h["typ"] = "AT+JWT" })},
		{"no kid", change(func(h, _ object) { delete(h, "kid") })},
		{"empty kid", change(func(h, _ object) { h["kid"] = "" })},
		{"kid is a number", change(func(h, _ object) { h["kid"] = 1 })},
		{"unknown kid", change(func(h, _ object) { h["kid"] = "AAAAAAAAAAAA" })},
		{"kid of another ES256 key", change(func(h, _ object) { h["kid"] = k.set.Of(keys.ES256)[1].ID })},
		{"kid of an RS256 key", change(func(h, _ object) { h["kid"] = rsaKey.ID })},
		{"kid of a sealing key", change(func(h, _ object) { h["kid"] = k.set.Of(keys.Seal)[0].ID })},
		{"alg RS256 with the ES256 key", change(func(h, _ object) { h["alg"] = "RS256" })},
		{"alg ES384", change(func(h, _ object) { h["alg"] = "ES384" })},
		{"no alg", change(func(h, _ object) { delete(h, "alg") })},
		{"alg is a list", change(func(h, _ object) { h["alg"] = []string{"ES256"} })},
		{"alg in lower case", change(func(h, _ object) { h["alg"] = "es256" })},
		{"own key in the header", sign(t, object{
			"typ": "at+jwt", "alg": "ES256", "jwk": publicJWK(keys.Key{Kind: keys.ES256}, stranger.Public()),
		}, goodClaims, byKey(t, stranger))},
		{"another key under our kid", sign(t, goodHeader, goodClaims, byKey(t, stranger))},
		{"an RSA signature under an ES256 kid", sign(t, object{"typ": "at+jwt", "alg": "RS256", "kid": ecKey.ID}, goodClaims, byKey(t, rs))},
		{"an ECDSA signature under an RS256 kid", sign(t, object{"typ": "at+jwt", "alg": "ES256", "kid": rsaKey.ID}, goodClaims, byKey(t, ec))},
		{"alg none", sign(t, object{"typ": "at+jwt", "alg": "none", "kid": ecKey.ID}, goodClaims, nothing)},
		{"alg none without kid", sign(t, object{"typ": "at+jwt", "alg": "none"}, goodClaims, nothing)},
		{"alg None", sign(t, object{"typ": "at+jwt", "alg": "None", "kid": ecKey.ID}, goodClaims, nothing)},
		{"alg none with a signature", change(func(h, _ object) { h["alg"] = "none" })},
		{"HS256 with the public key, PEM", sign(t, object{"typ": "at+jwt", "alg": "HS256", "kid": rsaKey.ID}, goodClaims, byHMAC(asPEM))},
		{"HS256 with the public key, DER", sign(t, object{"typ": "at+jwt", "alg": "HS256", "kid": rsaKey.ID}, goodClaims, byHMAC(der))},
		{"HS256 with nothing", sign(t, object{"typ": "at+jwt", "alg": "HS256", "kid": ecKey.ID}, goodClaims, byHMAC(nil))},
		{"PS256 with our RSA key", sign(t, object{"typ": "at+jwt", "alg": "PS256", "kid": rsaKey.ID}, goodClaims, func(digest []byte, _ string) []byte {
			signature, err := rsa.SignPSS(rand.Reader, rs.(*rsa.PrivateKey), crypto.SHA256, digest, nil)
			if err != nil {
				t.Fatal(err)
			}
			return signature
		})},
		{"RS512 with our RSA key", sign(t, object{"typ": "at+jwt", "alg": "RS512", "kid": rsaKey.ID}, goodClaims, func(_ []byte, input string) []byte {
			digest := sha512.Sum512([]byte(input))
			signature, err := rsa.SignPKCS1v15(nil, rs.(*rsa.PrivateKey), crypto.SHA512, digest[:])
			if err != nil {
				t.Fatal(err)
			}
			return signature
		})},
		{"ECDSA signature in ASN.1", sign(t, goodHeader, goodClaims, func(digest []byte, _ string) []byte {
			signature, err := ec.Sign(rand.Reader, digest, crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			return signature
		})},
		{"ECDSA signature of zeros", sign(t, goodHeader, goodClaims, func([]byte, string) []byte { return make([]byte, 64) })},
		{"no signature", good[:strings.LastIndexByte(good, '.')+1]},
		{"no third segment", good[:strings.LastIndexByte(good, '.')]},
		{"a fourth segment", good + ".e30"},
		{"claims of another token", swapClaims(t, k, good)},
		{"claims are null", sign(t, goodHeader, nil, byKey(t, ec))},
		{"padding", good + "="},
		{"line break behind", good + "\n"},
		{"line break inside", strings.Replace(good, ".", "\n.", 1)},
		{"space in front", " " + good},
		{"Bearer in front", "Bearer " + good},
		{"empty", ""},
		{"dots", ".."},
		{"an ID token, RS256", signedID(t, k, keys.RS256, id)},
		{"an ID token, ES256", signedID(t, k, keys.ES256, id)},
		{"a token of another issuer with the same keys", otherIssuer(t, k, access)},
	}
	if _, err := k.VerifyAccess(good, now); err != nil {
		t.Fatalf("the token that nothing was changed in: %v", err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := k.VerifyAccess(tt.raw, now)
			if !errors.Is(err, ErrInvalid) || !reflect.DeepEqual(got, Access{}) {
				t.Errorf("VerifyAccess = %+v, %v, want ErrInvalid and nothing", got, err)
			}
		})
	}
}

// swapClaims puts the claims of a token for somebody else under good's signature.
func swapClaims(t testing.TB, k *KeySet, good string) string {
	other := access
	other.Subject = "somebody else"
	segments := strings.Split(good, ".")
	segments[1] = strings.Split(signed(t, k, keys.ES256, other), ".")[1]
	return strings.Join(segments, ".")
}

func otherIssuer(t testing.TB, k *KeySet, a Access) string {
	t.Helper()
	other, err := NewKeySet("https://login.example.com/other", k.set)
	if err != nil {
		t.Fatal(err)
	}
	return signed(t, other, keys.ES256, a)
}

// TestVerifyAccess_Edges: the exact moments, and the ways to write what is allowed.
func TestVerifyAccess_Edges(t *testing.T) {
	k := keySet(t, 0)
	raw := signed(t, k, keys.ES256, access)
	tests := []struct {
		name string
		now  time.Time
		want error
	}{
		{"when issued", now, nil},
		{"by a clock a little behind", now.Add(-leeway), nil},
		{"by a clock further behind", now.Add(-leeway - time.Second), ErrInvalid},
		{"just before the end and leeway", access.Expires.Add(leeway - 1), nil},
		{"at the end and leeway", access.Expires.Add(leeway), ErrInvalid},
	}
	for _, tt := range tests {
		if _, err := k.VerifyAccess(raw, tt.now); !errors.Is(err, tt.want) {
			t.Errorf("%s: VerifyAccess = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestVerifyAccess_EveryBitFlip(t *testing.T) {
	k := keySet(t, 0)
	raw := []byte(signed(t, k, keys.ES256, access))
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			if got, err := k.VerifyAccess(string(raw), now); !errors.Is(err, ErrInvalid) {
				t.Errorf("bit %d of byte %d flipped: VerifyAccess = %+v, %v, want ErrInvalid", bit, i, got, err)
			}
			raw[i] ^= 1 << bit
		}
	}
}

// TestVerifyAccess_ErrorsAreFixed: what stands in a token stays out of the error,
// which is logged.
func TestVerifyAccess_ErrorsAreFixed(t *testing.T) {
	k := keySet(t, 0)
	segment := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	const canary = "canary-7391"
	for _, raw := range []string{
		canary, canary + "." + canary + "." + canary,
		segment(`{"alg":"`+canary+`","kid":"`+canary+`"}`) + "." + segment(`{}`) + ".AA",
		segment(`{"alg":"ES256","kid":`+canary) + "." + segment(`{}`) + ".AA",
		segment(`{"alg":"ES256"}`) + "." + segment(`{"exp":"`+canary+`"}`) + ".AA",
		segment(`{"alg":"ES256"}`) + "." + segment(`{"exp":7391e999}`) + ".AA",
		segment(`{"alg":"ES256"}`) + "." + segment(`{"aud":{"`+canary+`":1}}`) + ".AA",
	} {
		_, err := k.VerifyAccess(raw, now)
		if !errors.Is(err, ErrInvalid) || strings.Contains(err.Error(), "7391") {
			t.Errorf("VerifyAccess(%q) = %v, want ErrInvalid without the token's words", raw, err)
		}
	}
}

func TestKeySet_RefusesToPrint(t *testing.T) {
	k := keySet(t, 0)
	d := k.signers[k.set.Of(keys.RS256)[0].ID].(*rsa.PrivateKey).D
	for _, printed := range []string{fmt.Sprintf("%v %+v %#v %s", k, k, k, k), fmt.Sprint([]*KeySet{k})} {
		if strings.Contains(printed, d.String()[:20]) || len(printed) > 1000 {
			t.Errorf("printed %s", printed)
		}
	}
}

// fixedKey has an ES256 key that is always the same (RFC 7515 appendix A.3), so that
// what one fuzzing process has signed is good in all of them.
func fixedKey(f *testing.F) *KeySet {
	f.Helper()
	d, err := base64.RawURLEncoding.DecodeString("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X5fCE9-E3LI")
	if err != nil {
		f.Fatal(err)
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		f.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		f.Fatal(err)
	}
	sets, err := twoSets()
	if err != nil {
		f.Fatal(err)
	}
	k, err := NewKeySet(issuer, keys.Set{Keys: append(sets[0].Of(keys.RS256), keys.Key{ID: "fixed", Kind: keys.ES256, Secret: secret})})
	if err != nil {
		f.Fatal(err)
	}
	return k
}

func FuzzVerifyAccess(f *testing.F) {
	k := fixedKey(f)
	for _, alg := range required {
		raw := signed(f, k, alg, access)
		f.Add(raw)
		f.Add(raw + "=")
		f.Add(raw[:len(raw)-1])
		f.Add(signedID(f, k, alg, id))
		f.Add(swapClaims(f, k, raw))
	}
	header, claims := parts(f, signed(f, k, keys.ES256, access))
	header["alg"] = "none"
	f.Add(sign(f, header, claims, func([]byte, string) []byte { return nil }))
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := k.VerifyAccess(raw, now)
		got.IssuedAt, got.Expires, got.AuthTime = got.IssuedAt.UTC(), got.Expires.UTC(), got.AuthTime.UTC()
		switch {
		case err == nil && !reflect.DeepEqual(got, access):
			t.Errorf("VerifyAccess(%q) = %+v, want ErrInvalid for what was never signed", raw, got)
		case err != nil && (!errors.Is(err, ErrInvalid) || got.Subject != "" || got.Scope != ""):
			t.Errorf("VerifyAccess(%q) = %+v, %v, want ErrInvalid and nothing", raw, got, err)
		}
	})
}
