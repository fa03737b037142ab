// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"
	"testing"
)

const baseKeyed = `
apiVersion: clientele.dev/v1alpha1
kind: OAuthClient
metadata: {name: wiki, namespace: default}
spec:
  redirectURIs: [https://wiki.example.com/callback]
  tokenEndpointAuthMethod: private_key_jwt
  jwks:
    keys:
    - {kty: EC, crv: P-256, x: MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4, "y": 4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM}
`

func TestOAuthClient_PrivateKeyJWT(t *testing.T) {
	const (
		needsKeys = "private_key_jwt needs the client's public keys, and they need private_key_jwt: set tokenEndpointAuthMethod to private_key_jwt and one of jwks and jwksURI, or none of them"
		noSecret  = "a client with private_key_jwt has no client secret: remove clientSecretRef and rotation"
		rsaKey    = "an RSA key has n and e (RFC 7518 section 6.3.1)"
		ecKey     = "an EC key has crv P-256, x and y (RFC 7518 section 6.2.1); YAML takes y for true, so write it as 'y', in quotes"
		okpKey    = "an OKP key has crv Ed25519 and x (RFC 8037 section 2)"
	)
	keys := func(all ...any) func(object) { return set("jwks", object{"keys": list(all...)}) }
	key := func(change func(object)) func(object) {
		return func(spec object) { change(spec["jwks"].(object)["keys"].([]any)[0].(object)) }
	}
	at := func(uri string) func(object) { return both(remove("jwks"), set("jwksURI", uri)) }
	run(t, baseKeyed, []mutation{
		{"as it is", func(object) {}, nil},
		{"fetched", at("https://wiki.example.com/jwks"), nil},
		{"with all that a key may say", key(both(set("kid", "a"), set("use", "sig"), set("alg", "ES256"))), nil},
		{"RSA", keys(object{"kty": "RSA", "n": "AQAB", "e": "AQAB"}), nil}, // the manager looks closer
		{"Ed25519", keys(object{"kty": "OKP", "crv": "Ed25519", "x": "AQ"}), nil},
		{"16 keys", set("jwks", object{"keys": many(16, func(int) any { return object{"kty": "OKP", "crv": "Ed25519", "x": "AQ"} })}), nil},

		{"without keys", remove("jwks"), []string{"spec.tokenEndpointAuthMethod", needsKeys}},
		{"with an empty jwksURI", at(""), []string{"spec.tokenEndpointAuthMethod", needsKeys}},
		{"keys with a secret", set("tokenEndpointAuthMethod", "client_secret_basic"), []string{"spec.tokenEndpointAuthMethod", needsKeys}},
		{"keys without a method", remove("tokenEndpointAuthMethod"), []string{"spec.tokenEndpointAuthMethod", needsKeys}},
		{"keys in both places", set("jwksURI", "https://wiki.example.com/jwks"),
			[]string{"spec.jwksURI", "the keys stand in jwks or are fetched from jwksURI, not both (RFC 7591 section 2): remove one of the two"}},
		{"Public", set("type", "Public"), []string{"spec.tokenEndpointAuthMethod", "a Public client has no secret to authenticate with"}},
		{"with a secret of one's own", set("clientSecretRef", object{"name": "mine", "key": "secret"}), []string{"spec.tokenEndpointAuthMethod", noSecret}},
		{"with rotation", set("rotation", object{"interval": "720h"}), []string{"spec.tokenEndpointAuthMethod", noSecret}},
		{"fetched by http", at("http://wiki.example.com/jwks"), []string{"spec.jwksURI", "use an https URI with a host"}},
		{"fetched from a user's", at("https://me@wiki.example.com/jwks"), []string{"spec.jwksURI", "use an https URI with a host"}},

		{"no keys", keys(), []string{"spec.jwks.keys", "should have at least 1 items"}},
		{"17 keys", set("jwks", object{"keys": many(17, func(int) any { return object{"kty": "OKP", "crv": "Ed25519", "x": "AQ"} })}),
			[]string{"spec.jwks.keys", "must have at most 16 items"}},
		{"another kind", key(set("kty", "oct")), []string{"spec.jwks.keys[0].kty", `supported values: "RSA", "EC", "OKP"`}},
		{"no kind", key(remove("kty")), []string{"spec.jwks.keys[0].kty: Required value"}},
		{"for encryption", key(set("use", "enc")), []string{"spec.jwks.keys[0]", "use is sig: the key verifies signatures"}},
		{"an alg that is not supported", key(set("alg", "HS256")), []string{"spec.jwks.keys[0].alg", "supported values"}},
		{"RSA without n", keys(object{"kty": "RSA", "e": "AQAB"}), []string{"spec.jwks.keys[0]", rsaKey}},
		{"EC on another curve", key(set("crv", "P-384")), []string{"spec.jwks.keys[0]", ecKey}},
		{"EC without y", key(remove("y")), []string{"spec.jwks.keys[0]", ecKey}},
		{"X25519", keys(object{"kty": "OKP", "crv": "X25519", "x": "AQ"}), []string{"spec.jwks.keys[0]", okpKey}},
		{"a long kid", key(set("kid", strings.Repeat("k", 257))), []string{"spec.jwks.keys[0].kid", "may not be more than 256"}},
		{"a long modulus", keys(object{"kty": "RSA", "n": strings.Repeat("A", 1401), "e": "AQAB"}), []string{"spec.jwks.keys[0].n", "may not be more than 1400"}},
	})
}
