// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// ValidChallenge reports whether s can be an S256 code_challenge: the unpadded
// base64url of 32 bytes (RFC 7636 section 4.2).
func ValidChallenge(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	// Both lengths: the decoder skips line breaks.
	return err == nil && len(b) == sha256.Size && len(s) == base64.RawURLEncoding.EncodedLen(len(b))
}

// ValidVerifier reports whether s has the form of a code_verifier: 43 to 128
// unreserved characters (RFC 7636 section 4.1).
func ValidVerifier(s string) bool {
	if len(s) < 43 || len(s) > 128 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}

// VerifyPKCE reports whether verifier is the one that challenge was made from by
// S256 (RFC 7636 section 4.6).
func VerifyPKCE(challenge, verifier string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(challenge), []byte(base64.RawURLEncoding.EncodeToString(sum[:]))) == 1
}
