// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	testIssuer   = "https://login.example.com"
	testAudience = "api://team.app"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// pssKey is an RSA key that is for PS256.
type pssKey struct{ *rsa.PrivateKey }

// mint signs claims as a JWT of that typ.
func mint(t *testing.T, key crypto.Signer, typ string, claims map[string]any) string {
	t.Helper()
	alg := jose.RS256
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		alg = jose.ES256
	case ed25519.PrivateKey:
		alg = jose.EdDSA
	case pssKey:
		alg, key = jose.PS256, k.PrivateKey
	}
	options := (&jose.SignerOptions{}).WithHeader("kid", "k1")
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	return sign(t, jose.SigningKey{Algorithm: alg, Key: key}, options, claims)
}

func sign(t *testing.T, key jose.SigningKey, options *jose.SignerOptions, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// accessClaims are those of a valid access token (RFC 9068 section 2.2).
func accessClaims() map[string]any {
	return map[string]any{
		"iss": testIssuer, "sub": "248289761001", "aud": testAudience, "client_id": "team.app",
		"scope": "openid profile", "iat": testNow.Add(-time.Minute).Unix(), "exp": testNow.Add(time.Minute).Unix(),
		"jti": "1", "name": "Ada Lovelace", "groups": []string{"engineering"},
	}
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestResourceServer_Check(t *testing.T) {
	key := newECKey(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	published := &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{key.Public(), rsaKey.Public(), edPublic}}
	guard := newResourceServer(testIssuer, testAudience, published, func() time.Time { return testNow })

	// Each case changes one thing in a request that is granted.
	type token struct {
		key    crypto.Signer
		typ    string
		claims map[string]any
	}
	for name, tc := range map[string]struct {
		change func(*token)
		scope  string
		want   string
	}{
		"valid":                    {change: func(*token) {}},
		"valid, RS256":             {change: func(k *token) { k.key = rsaKey }},
		"valid, PS256":             {change: func(k *token) { k.key = pssKey{rsaKey} }},
		"valid, EdDSA":             {change: func(k *token) { k.key = edKey }},
		"valid, full media type":   {change: func(k *token) { k.typ = "application/at+jwt" }},
		"valid, other letter case": {change: func(k *token) { k.typ = "AT+JWT" }},
		"valid, several audiences": {change: func(k *token) { k.claims["aud"] = []string{"api://other", testAudience} }},
		"valid, scope asked for":   {change: func(*token) {}, scope: "profile"},
		"scope not granted":        {change: func(*token) {}, scope: "email", want: "insufficient_scope"},
		"part of a scope's name":   {change: func(*token) {}, scope: "prof", want: "insufficient_scope"},
		"expired":                  {change: func(k *token) { k.claims["exp"] = testNow.Add(-time.Second).Unix() }, want: "invalid_token"},
		"without exp":              {change: func(k *token) { delete(k.claims, "exp") }, want: "invalid_token"},
		"other issuer":             {change: func(k *token) { k.claims["iss"] = "https://evil.example.com" }, want: "invalid_token"},
		"issuer with a slash":      {change: func(k *token) { k.claims["iss"] = testIssuer + "/" }, want: "invalid_token"},
		"without iss":              {change: func(k *token) { delete(k.claims, "iss") }, want: "invalid_token"},
		"other audience":           {change: func(k *token) { k.claims["aud"] = "api://team.other" }, want: "invalid_token"},
		"the client as audience":   {change: func(k *token) { k.claims["aud"] = "team.app" }, want: "invalid_token"},
		"without aud":              {change: func(k *token) { delete(k.claims, "aud") }, want: "invalid_token"},
		"typ JWT":                  {change: func(k *token) { k.typ = "JWT" }, want: "invalid_token"},
		"no typ":                   {change: func(k *token) { k.typ = "" }, want: "invalid_token"},
		"ID token":                 {change: func(k *token) { k.typ, k.claims["aud"], k.claims["nonce"] = "JWT", "team.app", "n" }, want: "invalid_token"},
		"key of somebody else":     {change: func(k *token) { k.key = newECKey(t) }, want: "invalid_token"},
	} {
		t.Run(name, func(t *testing.T) {
			k := token{key: key, typ: "at+jwt", claims: accessClaims()}
			tc.change(&k)
			c, refused := guard.check(t.Context(), "Bearer "+mint(t, k.key, k.typ, k.claims), tc.scope)
			if got := code(refused); got != tc.want {
				t.Fatalf("got %q, want %q (%v)", got, tc.want, refused)
			}
			if refused == nil && (c.Subject != "248289761001" || c.Name != "Ada Lovelace") {
				t.Errorf("got caller %+v", c)
			}
		})
	}
}

func code(c *challenge) string {
	if c == nil {
		return ""
	}
	return c.code
}

// What no library would mint.
func TestResourceServer_CheckForged(t *testing.T) {
	key := newECKey(t)
	published := &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{key.Public()}}
	guard := newResourceServer(testIssuer, testAudience, published, func() time.Time { return testNow })
	valid := mint(t, key, "at+jwt", accessClaims())
	parts := strings.Split(valid, ".")
	encode := base64.RawURLEncoding.EncodeToString

	// A verifier that lets the token choose the algorithm takes the public key for
	// an HMAC key (RFC 8725 section 2.1).
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	hmac := sign(t, jose.SigningKey{Algorithm: jose.HS256, Key: point}, (&jose.SignerOptions{}).WithType("at+jwt"), accessClaims())

	more := accessClaims()
	maps.Copy(more, map[string]any{"scope": "admin"})
	payload, err := json.Marshal(more)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"alg none":          encode([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + parts[1] + ".",
		"HS256":             hmac,
		"other claims":      parts[0] + "." + encode(payload) + "." + parts[2],
		"other header":      encode([]byte(`{"alg":"ES256","typ":"at+jwt"}`)) + "." + parts[1] + "." + parts[2],
		"no signature":      parts[0] + "." + parts[1] + ".",
		"JSON serialized":   `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"two tokens":        valid + " " + valid,
		"garbage":           "garbage",
		"nothing":           "",
		"not base64url":     "!." + parts[1] + "." + parts[2],
		"a space before it": " " + valid,
	} {
		t.Run(name, func(t *testing.T) {
			if _, refused := guard.check(t.Context(), "Bearer "+token, ""); code(refused) != "invalid_token" {
				t.Errorf("got %+v, want invalid_token", refused)
			}
		})
	}
}

func TestChallenge_Write(t *testing.T) {
	for name, tc := range map[string]struct {
		authorization string
		status        int
		want          string
	}{
		"no header":    {"", http.StatusUnauthorized, `Bearer realm="webapp"`},
		"other scheme": {"Basic dGVhbS5hcHA6eA==", http.StatusUnauthorized, `Bearer realm="webapp"`},
		"bad token":    {"bearer x", http.StatusUnauthorized, `Bearer realm="webapp", error="invalid_token", error_description="the token is not valid"`},
	} {
		t.Run(name, func(t *testing.T) {
			guard := newResourceServer(testIssuer, testAudience, &oidc.StaticKeySet{}, nil)
			_, refused := guard.check(t.Context(), tc.authorization, "profile")
			w := httptest.NewRecorder()
			refused.write(w)
			if got := w.Header().Get("WWW-Authenticate"); w.Code != tc.status || got != tc.want {
				t.Errorf("got %d %s, want %d %s", w.Code, got, tc.status, tc.want)
			}
		})
	}
}
