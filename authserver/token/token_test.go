// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/clientele-dev/clientele/authserver/keys"
)

const issuer = "https://login.example.com/tenant"

var (
	now      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	schedule = keys.Schedule{Interval: 720 * time.Hour, Lead: 48 * time.Hour, KeepSigning: 24 * time.Hour, KeepSealing: time.Hour}
	verified = true
	ann      = Person{
		Name: "Ann Arbor", PreferredUsername: "ann", Email: "ann@example.com", EmailVerified: &verified,
		Groups: []string{"staff", "admins"},
	}
	access = Access{
		Subject: "subject", Audience: []string{issuer + "/userinfo", "https://api.example.com"}, ClientID: "docs.wiki",
		Scope: "openid email", ID: "jti-1", IssuedAt: now, Expires: now.Add(time.Hour), AuthTime: now.Add(-time.Minute), Person: ann,
	}
	id = ID{
		Subject: "subject", ClientID: "docs.wiki", Nonce: "n-0S6_WzA2Mj", IssuedAt: now, Expires: now.Add(time.Hour),
		AuthTime: now.Add(-time.Minute), Class: "urn:class", Methods: []string{"pwd"}, Person: ann,
	}
)

// twoSets are made once: RSA keys are slow to make. The second is the first after a
// rotation has published further keys.
var twoSets = sync.OnceValues(func() ([2]keys.Set, error) {
	first, _, err := keys.Set{}.Rotate(now.Add(-700*time.Hour), schedule, nil)
	if err != nil {
		return [2]keys.Set{}, err
	}
	second, _, err := first.Rotate(now, schedule, nil)
	return [2]keys.Set{first, second}, err
})

func keySet(t testing.TB, i int) *KeySet {
	t.Helper()
	sets, err := twoSets()
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKeySet(issuer, sets[i])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signed(t testing.TB, k *KeySet, alg string, a Access) string {
	t.Helper()
	raw, err := k.SignAccess(alg, a)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func signedID(t testing.TB, k *KeySet, alg string, i ID) string {
	t.Helper()
	raw, err := k.SignID(alg, i)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// parts are a token's header and claims as JSON objects.
func parts(t testing.TB, raw string) (header, claims map[string]any) {
	t.Helper()
	segments := strings.Split(raw, ".")
	if len(segments) != 3 {
		t.Fatalf("%d segments, want 3", len(segments))
	}
	for i, into := range []*map[string]any{&header, &claims} {
		data, err := base64.RawURLEncoding.DecodeString(segments[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// serveJWKS is what a client's library fetches.
func serveJWKS(t *testing.T, k *KeySet) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(k.JWKS())
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestTokens_ByAnIndependentLibrary verifies by go-oidc and the published JWK set
// alone.
func TestTokens_ByAnIndependentLibrary(t *testing.T) {
	k := keySet(t, 1)
	ctx := context.WithoutCancel(t.Context())
	set := oidc.NewRemoteKeySet(ctx, serveJWKS(t, k))
	for _, alg := range keys.Algs() {
		t.Run(alg, func(t *testing.T) {
			verifier := oidc.NewVerifier(issuer, set, &oidc.Config{
				ClientID: "docs.wiki", SupportedSigningAlgs: []string{alg}, Now: func() time.Time { return now },
			})
			i := id
			i.AccessToken = signed(t, k, alg, access)
			token, err := verifier.Verify(ctx, signedID(t, k, alg, i))
			if err != nil {
				t.Fatal(err)
			}
			if token.Subject != "subject" || token.Nonce != id.Nonce || !token.Expiry.Equal(id.Expires) || !token.IssuedAt.Equal(now) {
				t.Errorf("ID token = %+v, want what was signed", token)
			}
			if err := token.VerifyAccessToken(i.AccessToken); err != nil {
				t.Errorf("at_hash: %v", err)
			}
			if err := token.VerifyAccessToken(i.AccessToken + "x"); err == nil {
				t.Error("at_hash fits another access token")
			}
			var p Person
			if err := token.Claims(&p); err != nil || !reflect.DeepEqual(p, ann) {
				t.Errorf("claims = %+v, %v, want %+v", p, err, ann)
			}
			if _, err := set.VerifySignature(ctx, i.AccessToken); err != nil {
				t.Errorf("access token: %v", err)
			}
		})
	}
}

// TestTokens_AcrossARotation: what was signed before verifies after, and a key is
// published before it signs.
func TestTokens_AcrossARotation(t *testing.T) {
	before, after := keySet(t, 0), keySet(t, 1)
	takeOver := now.Add(schedule.Lead + time.Second)
	for _, alg := range keys.Algs() {
		old := signed(t, before, alg, access)
		if _, err := after.VerifyAccess(old, now); err != nil {
			t.Errorf("%s: a token of the old set: %v", alg, err)
		}
		early := signed(t, after, alg, access)
		if _, err := before.VerifyAccess(early, now); err != nil {
			t.Errorf("%s: before take-over, by a replica with the old set: %v", alg, err)
		}
		later := access
		later.IssuedAt, later.Expires = takeOver, takeOver.Add(time.Hour)
		late := signed(t, after, alg, later)
		headerEarly, _ := parts(t, early)
		headerLate, _ := parts(t, late)
		if headerEarly["kid"] == headerLate["kid"] {
			t.Errorf("%s: kid = %v after take-over, want another one", alg, headerLate["kid"])
		}
		if _, err := oidc.NewRemoteKeySet(context.WithoutCancel(t.Context()), serveJWKS(t, after)).VerifySignature(t.Context(), late); err != nil {
			t.Errorf("%s: after take-over: %v", alg, err)
		}
	}
}

func TestJWKS(t *testing.T) {
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	k := keySet(t, 1)
	if err := json.Unmarshal(k.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	if got, want := len(set.Keys), 8; got != want {
		t.Errorf("%d keys, want %d: two of each kind", got, want)
	}
	members := map[string]string{
		"RSA": "alg e kid kty n use",
		"EC":  "alg crv kid kty use x y",
		"OKP": "alg crv kid kty use x",
	}
	for _, key := range set.Keys {
		kty, _ := key["kty"].(string)
		// Neither d nor any other private member (RFC 7518 sections 6.2.2 and 6.3.2, RFC 8037 section 2).
		if got, want := strings.Join(slices.Sorted(maps.Keys(key)), " "), members[kty]; got != want {
			t.Errorf("members of a %s key = %q, want %q", kty, got, want)
		}
		if key["use"] != "sig" {
			t.Errorf("use = %v, want sig", key["use"])
		}
	}
	var parsed jose.JSONWebKeySet
	if err := json.Unmarshal(k.JWKS(), &parsed); err != nil {
		t.Fatal(err)
	}
	for _, key := range parsed.Keys {
		if !key.Valid() || !key.IsPublic() {
			t.Errorf("go-jose finds key %s invalid or private", key.KeyID)
		}
		own := k.signers[key.KeyID].Public().(interface{ Equal(x crypto.PublicKey) bool })
		if !own.Equal(key.Key) {
			t.Errorf("go-jose reads another key than %s is", key.KeyID)
		}
	}
}

// TestPublicJWK_LeadingZeros: RFC 7518 section 6.2.1.2 wants coordinates in full
// length, and one in 128 has a zero in front.
func TestPublicJWK_LeadingZeros(t *testing.T) {
	for zeros := 0; zeros < 3; {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := private.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if point[1] != 0 && point[33] != 0 {
			continue
		}
		zeros++
		j := publicJWK(keys.Key{ID: "kid", Kind: keys.ES256}, private.Public())
		if len(j.X) != 43 || len(j.Y) != 43 {
			t.Errorf("x and y are %q and %q, want 43 characters each", j.X, j.Y)
		}
		data, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		var parsed jose.JSONWebKey
		if err := json.Unmarshal(data, &parsed); err != nil || !private.PublicKey.Equal(parsed.Key) {
			t.Errorf("go-jose reads %s as another key (%v)", data, err)
		}
	}
}

// TestSignAccess_Claims: RFC 9068 sections 2.1 and 2.2.
func TestSignAccess_Claims(t *testing.T) {
	k := keySet(t, 0)
	for _, alg := range keys.Algs() {
		header, claims := parts(t, signed(t, k, alg, access))
		kid := k.set.Of(alg)[0].ID
		if want := map[string]any{"typ": "at+jwt", "alg": alg, "kid": kid}; !reflect.DeepEqual(header, want) {
			t.Errorf("header = %v, want %v", header, want)
		}
		want := map[string]any{
			"iss": issuer, "sub": "subject", "aud": []any{issuer + "/userinfo", "https://api.example.com"},
			"client_id": "docs.wiki", "scope": "openid email", "jti": "jti-1",
			"iat": float64(now.Unix()), "exp": float64(now.Add(time.Hour).Unix()), "auth_time": float64(now.Add(-time.Minute).Unix()),
			"name": "Ann Arbor", "preferred_username": "ann", "email": "ann@example.com", "email_verified": true,
			"groups": []any{"staff", "admins"},
		}
		if !reflect.DeepEqual(claims, want) {
			t.Errorf("claims = %v\nwant %v", claims, want)
		}
	}
}

func TestSignID_Claims(t *testing.T) {
	k := keySet(t, 0)
	full, bare := id, id
	full.AccessToken = "access token"
	bare.Nonce, bare.Person, bare.Class, bare.Methods = "", Person{}, "", nil
	sum := sha256.Sum256([]byte("access token"))
	always := map[string]any{
		"iss": issuer, "sub": "subject", "aud": []any{"docs.wiki"},
		"iat": float64(now.Unix()), "exp": float64(now.Add(time.Hour).Unix()), "auth_time": float64(now.Add(-time.Minute).Unix()),
	}
	more := maps.Clone(always)
	maps.Copy(more, map[string]any{
		"acr": "urn:class", "amr": []any{"pwd"}, "nonce": id.Nonce, "at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]),
		"name": "Ann Arbor", "preferred_username": "ann", "email": "ann@example.com", "email_verified": true,
		"groups": []any{"staff", "admins"},
	})
	for _, tt := range []struct {
		name string
		id   ID
		want map[string]any
	}{{"everything", full, more}, {"only what is always there", bare, always}} {
		header, claims := parts(t, signedID(t, k, keys.RS256, tt.id))
		if header["typ"] != "JWT" || header["alg"] != "RS256" || header["kid"] != k.set.Of(keys.RS256)[0].ID {
			t.Errorf("%s: header = %v, want typ JWT and the key's kid", tt.name, header)
		}
		if !reflect.DeepEqual(claims, tt.want) {
			t.Errorf("%s: claims = %v\nwant %v", tt.name, claims, tt.want)
		}
	}
}

// TestSignID_AtHash uses OpenID Connect Core 1.0 appendix A.3. EdDSA's is the left half
// of a SHA-512 hash, which go-oidc is of one mind with.
func TestSignID_AtHash(t *testing.T) {
	i := id
	i.AccessToken = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
	for _, alg := range keys.Algs() {
		_, claims := parts(t, signedID(t, keySet(t, 0), alg, i))
		want := "77QmUPtjPfzWtF2AnpK9RQ"
		if alg == keys.EdDSA {
			want = "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM"
		}
		if got := claims["at_hash"]; got != want {
			t.Errorf("%s: at_hash = %v, want %v", alg, got, want)
		}
	}
}

func TestSign_UnknownAlgorithm(t *testing.T) {
	for _, alg := range []string{"", "none", "HS256", "PS384", "Ed25519", keys.Seal} {
		if raw, err := keySet(t, 0).SignAccess(alg, access); err == nil {
			t.Errorf("SignAccess(%q) = %q, want an error", alg, raw)
		}
	}
}

func TestNewKeySet_Refuses(t *testing.T) {
	sets, err := twoSets()
	if err != nil {
		t.Fatal(err)
	}
	broken := keys.Set{Keys: slices.Clone(sets[0].Keys)}
	for i := range broken.Keys {
		broken.Keys[i].Secret = []byte("not a key")
	}
	for name, set := range map[string]keys.Set{
		"nothing": {}, "no ES256": {Keys: sets[0].Of(keys.RS256)}, "no RS256": {Keys: sets[0].Of(keys.ES256)}, "malformed": broken,
	} {
		if _, err := NewKeySet(issuer, set); err == nil || strings.Contains(err.Error(), "not a key") {
			t.Errorf("%s: NewKeySet = %v, want an error without key material", name, err)
		}
	}
}

func BenchmarkSignAccess(b *testing.B) {
	k := keySet(b, 1)
	for _, alg := range keys.Algs() {
		b.Run(alg, func(b *testing.B) {
			for b.Loop() {
				if _, err := k.SignAccess(alg, access); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBareSignature is what SignAccess cannot be faster than.
func BenchmarkBareSignature(b *testing.B) {
	k := keySet(b, 1)
	digest := sha256.Sum256([]byte("x"))
	for _, alg := range keys.Algs() {
		signer := k.signers[k.set.Of(alg)[0].ID]
		b.Run(alg, func(b *testing.B) {
			for b.Loop() {
				if _, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifyAccess(b *testing.B) {
	k := keySet(b, 1)
	for _, alg := range keys.Algs() {
		raw := signed(b, k, alg, access)
		b.Run(alg, func(b *testing.B) {
			for b.Loop() {
				if _, err := k.VerifyAccess(raw, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
