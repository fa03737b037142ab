// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
)

func TestMint(t *testing.T) {
	s, err := Mint(bytes.NewReader(make([]byte, size)))
	if err != nil || s.Reveal() != strings.Repeat("A", 43) {
		t.Errorf("Mint(zeros) = %q, %v, want 43 times A", s.Reveal(), err)
	}
	if _, err := Mint(bytes.NewReader(make([]byte, size-1))); err == nil {
		t.Error("Mint with too little randomness succeeds")
	}
	broken := errors.New("no entropy")
	if _, err := Mint(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("Mint = %v, want %v", err, broken)
	}
}

func TestDigestAndMatches(t *testing.T) {
	// SHA-256 of "abc", from FIPS 180-4's examples.
	const abc = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"
	s := New("abc")
	if got := s.Digest(); got != abc {
		t.Errorf("Digest() = %s, want %s", got, abc)
	}
	other := New("abd").Digest()
	for _, tt := range []struct {
		name    string
		digests []string
		want    bool
	}{
		{"its own", []string{abc}, true},
		{"its own among others", []string{other, abc, other}, true},
		{"its own twice", []string{abc, abc}, true},
		{"another", []string{other}, false},
		{"none", nil, false},
		{"an empty one", []string{""}, false},
		{"the beginning of its own", []string{abc[:42]}, false},
		{"the plaintext", []string{"abc"}, false},
	} {
		if got := s.Matches(tt.digests); got != tt.want {
			t.Errorf("%s: Matches = %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestSecret_NeverPrints goes through every way in which text usually gets out.
func TestSecret_NeverPrints(t *testing.T) {
	const text = "do-not-print-me"
	s := New(text)
	nested := struct {
		Secret  Secret
		Pointer *Secret
		List    []Secret
		Map     map[string]Secret
		hidden  Secret
	}{s, &s, []Secret{s}, map[string]Secret{"a": s}, s}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", nested)
	}
	fmt.Fprintln(&out, fmt.Errorf("with %v", s))
	for _, v := range []any{s, nested} {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(data)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("Testing", "secret", s, "nested", nested)
	slog.New(slog.NewTextHandler(&out, nil)).Info("Testing", "secret", s, "nested", nested)
	for _, leak := range []string{text, fmt.Sprintf("%x", text)} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("printed as %q in:\n%s", leak, out.String())
		}
	}
}
