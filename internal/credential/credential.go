// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package credential mints, digests and matches client secrets. It never stores
// or prints one. A minted secret has 256 random bits, so a plain SHA-256 of it
// tells nothing and costs nothing. A value that a person has brought may be one that
// can be guessed: it is hashed slowly, with a salt, and a Memory keeps that from
// being done more than once.
package credential

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
)

const size = 32

// Secret is credential text. It refuses to print itself; Reveal gives the text.
type Secret struct {
	// text is a pointer because fmt prints what stands in another struct's unexported
	// fields without asking its methods.
	text *string
}

// New wraps text that came from elsewhere.
func New(text string) Secret { return Secret{&text} }

// Mint makes a secret of 256 bits read from random.
func Mint(random io.Reader) (Secret, error) {
	b := make([]byte, size)
	if _, err := io.ReadFull(random, b); err != nil {
		return Secret{}, fmt.Errorf("mint secret: %w", err)
	}
	return New(base64.RawURLEncoding.EncodeToString(b)), nil
}

// Reveal returns the text, for the app's Secret and nothing else.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Minted reports whether the text could have come from Mint.
func (s Secret) Minted() bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s.Reveal())
	// Both lengths: the decoder skips a line break that an editor left behind.
	return err == nil && len(b) == size && len(s.Reveal()) == base64.RawURLEncoding.EncodedLen(size)
}

// Digest is the unpadded base64url of the text's SHA-256.
func (s Secret) Digest() string {
	sum := sha256.Sum256([]byte(s.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Find is which of digests is the secret's, or -1. It takes the same time whichever
// one it is, and whether or not one is.
func (s Secret) Find(digests []string) int {
	own, found := []byte(s.Digest()), -1
	for i, d := range digests {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(own, []byte(d)), i, found)
	}
	return found
}

// Matches reports whether one of digests is the secret's, in the same time as Find.
func (s Secret) Matches(digests []string) bool { return s.Find(digests) >= 0 }

const redacted = "[redacted]"

// String keeps the text out of every message.
func (Secret) String() string { return redacted }

// Format keeps the text out of every verb, those that do not fit included.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue keeps the text out of logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the text out of JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
