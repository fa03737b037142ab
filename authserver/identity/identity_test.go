// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"encoding/base64"
	"testing"
)

// TestSubject_Fixed: a sub that changes locks people out of their accounts in every
// app, so this value is for ever.
func TestSubject_Fixed(t *testing.T) {
	got := Subject("https://login.example.com", "staff", "ann")
	if want := "LSmCsysw--Dv9R3bQH9gSS4Z8V0"; got != want {
		t.Errorf("Subject = %q, want %q", got, want)
	}
}

func TestSubject_Differs(t *testing.T) {
	base := Subject("https://login.example.com", "staff", "ann")
	tests := []struct{ name, issuer, provider, id string }{
		{"another issuer", "https://login.example.com/x", "staff", "ann"},
		{"another provider", "https://login.example.com", "partners", "ann"},
		{"another person", "https://login.example.com", "staff", "bob"},
		{"another case", "https://login.example.com", "staff", "Ann"},
		{"provider and id run together", "https://login.example.com", "staffann", ""},
		{"letters of one in the other", "https://login.example.com", "staf", "fann"},
		{"letters of the issuer in the provider", "https://login.example.co", "mstaff", "ann"},
	}
	seen := map[string]string{base: "base"}
	for _, tt := range tests {
		got := Subject(tt.issuer, tt.provider, tt.id)
		if other, ok := seen[got]; ok {
			t.Errorf("%s: Subject = that of %s", tt.name, other)
		}
		seen[got] = tt.name
	}
}

// TestSubject_Form: OpenID Connect Core 1.0 section 2 allows 255 ASCII characters.
func TestSubject_Form(t *testing.T) {
	for _, id := range []string{"", "ann", "ann@example.com", "Ünïcode", "\x00\xff", string(make([]byte, 10000))} {
		got := Subject("https://login.example.com", "staff", id)
		if b, err := base64.RawURLEncoding.Strict().DecodeString(got); err != nil || len(b) != 20 {
			t.Errorf("Subject of %.20q = %q, want 20 bytes in base64url", id, got)
		}
	}
}
