// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"crypto/rand"
	"strings"
	"testing"
)

// TestMinted: a value that an editor or a shell has touched is not what was minted,
// and an app that reads it may see another one.
func TestMinted(t *testing.T) {
	s, err := Mint(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := s.Reveal()
	tests := []struct {
		name, text string
		want       bool
	}{
		{"minted", text, true},
		{"empty", "", false},
		{"a character short", text[:42], false},
		{"a character more", text + "A", false},
		{"padded", text + "=", false},
		{"line break behind", text + "\n", false},
		{"line break inside", text[:20] + "\r\n" + text[20:], false},
		{"line breaks for characters", strings.Repeat("A", 40) + "\n\n\n", false},
		{"base64 instead of base64url", strings.Repeat("+", 43), false},
		{"a password", "correct horse battery staple", false},
	}
	for _, tt := range tests {
		if got := New(tt.text).Minted(); got != tt.want {
			t.Errorf("%s: Minted = %v, want %v", tt.name, got, tt.want)
		}
	}
}
