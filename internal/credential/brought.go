// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/clientele-dev/clientele/internal/argon2id"
)

const (
	// MinBrought keeps out values that can be guessed at the token endpoint, however
	// slowly they are hashed.
	MinBrought = 16
	// MaxBrought is more than any server hands out.
	MaxBrought = 512
)

// CheckBrought says why the text cannot be a client secret that somebody brings, in
// words that read on from the name of where it stands. It never repeats the text.
func (s Secret) CheckBrought() error {
	text := s.Reveal()
	switch {
	case text == "":
		return errors.New("is empty")
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("has a character that is not printable ASCII (RFC 6749 appendix A.2), often a line break at its end")
	case len(text) > MaxBrought:
		return fmt.Errorf("is longer than %d bytes", MaxBrought)
	case len(text) < MinBrought:
		return fmt.Errorf("is shorter than %d characters, and so could be guessed", MinBrought)
	}
	return nil
}

// Hash is the text's argon2id in PHC form, with a salt read from random. It is slow.
func (s Secret) Hash(random io.Reader) (string, error) {
	h, err := argon2id.New([]byte(s.Reveal()), random)
	if err != nil {
		return "", fmt.Errorf("hash secret: %w", err)
	}
	return h.PHC(), nil
}

// MatchesHash reports whether hash is one of the text's. It is slow; a hash that
// cannot be read matches nothing.
func (s Secret) MatchesHash(hash string) bool {
	h, err := argon2id.Parse(hash)
	return err == nil && h.Matches([]byte(s.Reveal()))
}
