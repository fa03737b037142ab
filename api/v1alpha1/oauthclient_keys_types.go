// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// JWKS is a set of public keys (RFC 7517 section 5).
type JWKS struct {
	// keys are the keys.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Keys []JWK `json:"keys"`
}

// JWK is a public key (RFC 7517 section 4). It has no place for a private one.
//
// +kubebuilder:validation:XValidation:rule="self.kty != 'RSA' || (has(self.n) && has(self.e))",message="an RSA key has n and e (RFC 7518 section 6.3.1)"
// +kubebuilder:validation:XValidation:rule="self.kty != 'EC' || (has(self.crv) && self.crv == 'P-256' && has(self.x) && has(self.y))",message="an EC key has crv P-256, x and y (RFC 7518 section 6.2.1); YAML takes y for true, so write it as 'y', in quotes"
// +kubebuilder:validation:XValidation:rule="self.kty != 'OKP' || (has(self.crv) && self.crv == 'Ed25519' && has(self.x))",message="an OKP key has crv Ed25519 and x (RFC 8037 section 2)"
// +kubebuilder:validation:XValidation:rule="!has(self.use) || self.use == 'sig'",message="use is sig: the key verifies signatures"
type JWK struct {
	// kty is the kind of key.
	// +required
	// +kubebuilder:validation:Enum=RSA;EC;OKP
	Kty string `json:"kty"`
	// kid is the key's name in the header of what it has signed.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Kid string `json:"kid,omitempty"`
	// alg is the only algorithm that the key is for.
	// +optional
	Alg SigningAlg `json:"alg,omitempty"`
	// use is sig.
	// +optional
	// +kubebuilder:validation:MaxLength=8
	Use string `json:"use,omitempty"`
	// crv is the curve of an EC or OKP key.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Crv string `json:"crv,omitempty"`
	// x is base64url, as are the others.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	X string `json:"x,omitempty"`
	// y is the other coordinate of an EC key. YAML takes a bare y for true: write it in
	// quotes.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Y string `json:"y,omitempty"`
	// n is the modulus of an RSA key.
	// +optional
	// +kubebuilder:validation:MaxLength=1400
	N string `json:"n,omitempty"`
	// e is its exponent.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	E string `json:"e,omitempty"`
}
