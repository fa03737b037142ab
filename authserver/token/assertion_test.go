// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/internal/registration"
)

// assertionKeys are a client's, by algorithm.
var assertionKeys = sync.OnceValue(func() map[string]crypto.Signer {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	_, d, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{keys.RS256: r, keys.PS256: r, keys.ES256: e, keys.EdDSA: d}
})

var assertionNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var serverNames = []string{"https://login.example.com", "https://login.example.com/token"}

func validClaims() map[string]any {
	return map[string]any{
		"iss": "docs.wiki", "sub": "docs.wiki", "aud": "https://login.example.com",
		"exp": assertionNow.Add(time.Minute).Unix(), "iat": assertionNow.Unix(), "jti": "one",
	}
}

// asserted signs claims by another library, so that ours cannot agree with itself.
func asserted(t testing.TB, alg string, header, claims map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	for name, value := range header {
		options = options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: assertionKeys()[alg]}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func publicKey(alg, kid string, algs ...string) registration.PublicKey {
	return registration.PublicKey{ID: kid, Algs: algs, Key: assertionKeys()[alg].Public()}
}

func TestAssertion_Verify(t *testing.T) {
	rs, es, ed := publicKey(keys.RS256, "r", "RS256", "PS256"), publicKey(keys.ES256, "e", "ES256"), publicKey(keys.EdDSA, "d", "EdDSA")
	all := []registration.PublicKey{rs, es, ed}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, alg, kid string
		keys           []registration.PublicKey
		want           error
	}{
		{"RS256", "RS256", "", all, nil},
		{"PS256", "PS256", "", all, nil},
		{"ES256", "ES256", "", all, nil},
		{"EdDSA", "EdDSA", "", all, nil},
		{"by its kid", "ES256", "e", all, nil},
		{"the second of a kind, without kid", "ES256", "", []registration.PublicKey{{Algs: []string{"ES256"}, Key: other.Public()}, es}, nil},
		{"the second of a kid", "ES256", "e", []registration.PublicKey{{ID: "e", Algs: []string{"ES256"}, Key: other.Public()}, es}, nil},
		{"the kid of another kind", "ES256", "r", all, ErrNoKey},
		{"an unknown kid", "ES256", "new", all, ErrNoKey},
		{"no key", "ES256", "", nil, ErrNoKey},
		{"a key for another alg", "PS256", "", []registration.PublicKey{publicKey(keys.RS256, "", "RS256")}, ErrNoKey},
		{"somebody else's key, without kid", "ES256", "", []registration.PublicKey{{Algs: []string{"ES256"}, Key: other.Public()}}, ErrNoKey},
		{"somebody else's key of that kid", "ES256", "e", []registration.PublicKey{{ID: "e", Algs: []string{"ES256"}, Key: other.Public()}}, ErrSignature},
	} {
		header := map[string]any{}
		if c.kid != "" {
			header["kid"] = c.kid
		}
		a, err := ParseAssertion(asserted(t, c.alg, header, validClaims()))
		if err != nil || a.Check(serverNames, assertionNow) != nil || a.ClientID() != "docs.wiki" || a.ID() != "one" {
			t.Errorf("%s: %+v, %v", c.name, a, err)
		}
		if got := a.Verify(c.keys); !errors.Is(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestAssertion_SignatureOfOtherClaims(t *testing.T) {
	raw := asserted(t, "ES256", map[string]any{"kid": "e"}, validClaims())
	claims := validClaims()
	claims["jti"] = "two"
	parts, others := strings.Split(raw, "."), strings.Split(asserted(t, "ES256", map[string]any{"kid": "e"}, claims), ".")
	for name, mixed := range map[string]string{
		"other claims":        parts[0] + "." + others[1] + "." + parts[2],
		"another signature":   parts[0] + "." + parts[1] + "." + others[2],
		"a signature cut off": parts[0] + "." + parts[1] + "." + parts[2][:40],
		"no signature":        parts[0] + "." + parts[1] + ".",
	} {
		a, err := ParseAssertion(mixed)
		if err == nil {
			err = a.Verify([]registration.PublicKey{publicKey(keys.ES256, "e", "ES256")})
		}
		if !errors.Is(err, ErrSignature) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestParseAssertion_Refused(t *testing.T) {
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	valid := asserted(t, "ES256", nil, validClaims())
	parts := strings.Split(valid, ".")
	with := func(header map[string]any) string { return part(header) + "." + parts[1] + "." + parts[2] }
	hs := part(map[string]any{"alg": "HS256"}) + "." + parts[1]
	mac := hmac.New(sha256.New, []byte("secret"))
	mac.Write([]byte(hs))
	for _, c := range []struct {
		name, raw string
		want      error
	}{
		{"empty", "", errAssertionForm},
		{"two parts", parts[0] + "." + parts[1], errAssertionForm},
		{"four parts", valid + ".x", errAssertionForm},
		{"a line break", valid[:10] + "\n" + valid[10:], errAssertionForm},
		{"padding", valid + "==", errAssertionForm},
		{"no JSON", "e30x." + parts[1] + "." + parts[2], errAssertionForm},
		{"claims of the wrong type", parts[0] + "." + part(map[string]any{"sub": 7}) + "." + parts[2], errAssertionForm},
		{"aud of the wrong type", parts[0] + "." + part(map[string]any{"aud": []any{7}}) + "." + parts[2], errAssertionForm},
		{"claims that are a list", parts[0] + "." + part([]any{}) + "." + parts[2], errAssertionForm},
		{"a kid that is a number", with(map[string]any{"alg": "ES256", "kid": 7}), errAssertionForm},
		{"too large", valid + strings.Repeat("x", maxAssertion), errAssertionSize},
		{"none", with(map[string]any{"alg": "none"}), errAssertionAlg},
		{"no alg", with(map[string]any{}), errAssertionAlg},
		{"HMAC", hs + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), errAssertionAlg},
		{"RS512", with(map[string]any{"alg": "RS512"}), errAssertionAlg},
		{"crit", with(map[string]any{"alg": "ES256", "crit": []string{"exp"}}), errAssertionCrit},
		{"an access token", with(map[string]any{"alg": "ES256", "typ": "at+jwt"}), errAssertionType},
		{"a request object", with(map[string]any{"alg": "ES256", "typ": "oauth-authz-req+jwt"}), errAssertionType},
		{"a typ that is a number", with(map[string]any{"alg": "ES256", "typ": 7}), errAssertionType},
	} {
		if _, err := ParseAssertion(c.raw); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	for _, typ := range []string{"JWT", "jwt", "application/jwt", "client-authentication+jwt"} {
		if _, err := ParseAssertion(with(map[string]any{"alg": "ES256", "typ": typ})); err != nil {
			t.Errorf("typ %s: %v", typ, err)
		}
	}
}

func TestAssertion_Check(t *testing.T) {
	at := func(d time.Duration) int64 { return assertionNow.Add(d).Unix() }
	for _, c := range []struct {
		name, claim string
		value       any // nil removes it
		want        error
	}{
		{"as it is", "x", 1, nil},
		{"the token endpoint", "aud", "https://login.example.com/token", nil},
		{"several audiences", "aud", []string{"https://other.example", "https://login.example.com"}, nil},
		{"no iat", "iat", nil, nil},
		{"a fraction of a second", "exp", float64(at(time.Minute)) + 0.5, nil},
		{"just expired", "exp", at(-29 * time.Second), nil},
		{"an hour ahead", "exp", at(time.Hour), nil},
		{"a clock that is ahead", "iat", at(30 * time.Second), nil},
		{"a jti of 256 bytes", "jti", strings.Repeat("j", 256), nil},

		{"no sub", "sub", nil, errAssertionSubject},
		{"no iss", "iss", nil, errAssertionSubject},
		{"another iss", "iss", "docs.other", errAssertionSubject},
		{"no aud", "aud", nil, errAssertionAudience},
		{"an empty aud", "aud", []string{}, errAssertionAudience},
		{"another aud", "aud", "https://other.example", errAssertionAudience},
		{"an aud with a slash", "aud", "https://login.example.com/", errAssertionAudience},
		{"an aud in capitals", "aud", "https://LOGIN.example.com", errAssertionAudience},
		{"no exp", "exp", nil, errAssertionExpired},
		{"expired", "exp", at(-30 * time.Second), errAssertionExpired},
		{"exp of another age", "exp", 0, errAssertionExpired},
		{"too far ahead", "exp", at(time.Hour + 31*time.Second), errAssertionFuture},
		{"for ever", "exp", 9e15, errAssertionFuture},
		{"issued in the future", "iat", at(31 * time.Second), errAssertionEarly},
		{"not before", "nbf", at(31 * time.Second), errAssertionEarly},
		{"no jti", "jti", nil, errAssertionID},
		{"an empty jti", "jti", "", errAssertionID},
		{"a long jti", "jti", strings.Repeat("j", 257), errAssertionID},
	} {
		claims := maps.Clone(validClaims())
		claims[c.claim] = c.value
		if c.value == nil {
			delete(claims, c.claim)
		}
		a, err := ParseAssertion(asserted(t, "ES256", nil, claims))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := a.Check(serverNames, assertionNow); !errors.Is(got, c.want) || c.want == nil && got != nil {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	for _, exp := range []float64{1e300, -1e300, 9.3e18, 1e12} {
		claims := validClaims()
		claims["exp"] = exp
		a, err := ParseAssertion(asserted(t, "ES256", nil, claims))
		if err == nil {
			err = a.Check(serverNames, assertionNow)
		}
		if err == nil {
			t.Errorf("exp %g is accepted", exp)
		}
	}
}

func FuzzParseAssertion(f *testing.F) {
	f.Add(asserted(f, "RS256", map[string]any{"kid": "r", "typ": "JWT"}, validClaims()))
	f.Add(asserted(f, "EdDSA", nil, validClaims()))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJFUzI1NiIsImNyaXQiOltdfQ.eyJhdWQiOltdfQ.AA")
	all := []registration.PublicKey{
		publicKey(keys.RS256, "r", "RS256", "PS256"), publicKey(keys.ES256, "e", "ES256"), publicKey(keys.EdDSA, "d", "EdDSA"),
	}
	known := map[string]bool{}
	f.Fuzz(func(t *testing.T, raw string) {
		a, err := ParseAssertion(raw)
		if err != nil {
			if _, ok := errors.AsType[*AssertionError](err); !ok {
				t.Fatalf("an error of another type: %v", err)
			}
			return
		}
		if len(raw) > maxAssertion || strings.Count(raw, ".") != 2 {
			t.Fatalf("took %d bytes apart", len(raw))
		}
		if err := a.Check(serverNames, assertionNow); err == nil {
			if a.ClientID() == "" || a.ID() == "" || len(a.ID()) > maxJTI || !a.Ends().After(assertionNow) ||
				a.Ends().After(assertionNow.Add(maxAssertionAge+2*clientLeeway)) {
				t.Fatalf("checked %q", raw)
			}
		}
		// Nobody but the holder of a key makes signatures; those of the corpus are known.
		if a.Verify(all) == nil && !known[raw] {
			if err := resigned(raw, all); err != nil {
				t.Fatalf("verified %q: %v", raw, err)
			}
			known[raw] = true
		}
	})
}

// resigned asks another library for its opinion of a signature.
func resigned(raw string, all []registration.PublicKey) error {
	s, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil {
		return err
	}
	for _, k := range all {
		if _, err = s.Verify(k.Key); err == nil {
			return nil
		}
	}
	return err
}
