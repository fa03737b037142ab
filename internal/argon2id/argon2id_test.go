// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package argon2id

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

// phc is of the reference implementation's own tests.
const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

func TestParse(t *testing.T) {
	a, err := Parse(phc)
	if err != nil {
		t.Fatal(err)
	}
	if a.Memory != 65536 || a.Passes != 2 || a.Threads != 1 || string(a.Salt) != "somesalt" || len(a.Key) != 32 {
		t.Errorf("Parse = %+v, want the parameters in %s", a, phc)
	}
}

// TestParse_Bounds changes one part of a hash that is accepted. What is out
// of bounds would stop the server: argon2 panics without passes or lanes, and takes
// whatever memory the hash says for every login.
func TestParse_Bounds(t *testing.T) {
	tests := []struct {
		name, old, new string
		ok             bool
	}{
		{"as it is", "", "", true},
		{"most memory", "m=65536", "m=65536", true},
		{"too much memory", "m=65536", "m=65537", false},
		{"far too much memory", "m=65536", "m=9999999", false},
		{"more digits than there is memory", "m=65536", "m=99999999999999999999", false},
		{"no memory", "m=65536", "m=0", false},
		{"least memory", "m=65536", "m=8", true},
		{"less than the least memory", "m=65536", "m=7", false},
		{"less than the lanes want", "m=65536,t=2,p=1", "m=15,t=2,p=2", false},
		{"no passes", "t=2", "t=0", false},
		{"most passes", "t=2", "t=10", true},
		{"too many passes", "t=2", "t=11", false},
		{"no lanes", "p=1", "p=0", false},
		{"most lanes", "p=1", "p=16", true},
		{"too many lanes", "p=1", "p=17", false},
		{"another version", "v=19", "v=16", false},
		{"argon2i", "argon2id", "argon2i", false},
		{"another order", "m=65536,t=2", "t=2,m=65536", false},
		{"negative", "t=2", "t=-2", false},
		{"more parameters", "p=1", "p=1,keyid=x", false},
		{"short salt", "$c29tZXNhbHQ$", "$c29tZQ$", false},
		{"salt is no base64", "$c29tZXNhbHQ$", "$c29tZXNhbHRx!$", false},
		{"salt has a length that base64 has not", "$c29tZXNhbHQ$", "$c29tZXNhbHQaa$", false},
		{"bits behind the salt", "$c29tZXNhbHQ$", "$c29tZXNhbHR$", false},
		{"short hash", "$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "$CTFhFdXPJO1aFaMaO6Mm", false},
		{"padding", "RPPc", "RPPc=", false},
		{"something behind", "RPPc", "RPPc$", false},
		{"line break behind", "RPPc", "RPPc\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(phc, tt.old, tt.new, 1)
			_, err := Parse(text)
			if (err == nil) != tt.ok {
				t.Errorf("Parse(%q) = %v, want success: %v", text, err, tt.ok)
			}
			if err != nil && (strings.Contains(err.Error(), "CTFhF") || strings.Contains(err.Error(), "c29t")) {
				t.Errorf("error %q holds salt or hash", err)
			}
		})
	}
}

// TestNew: the parameters are written down with the hash, and its salt is its own.
func TestNew(t *testing.T) {
	h, err := New([]byte("correct horse"), bytes.NewReader([]byte("0123456789abcdef")))
	if err != nil {
		t.Fatal(err)
	}
	const want = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
	if !strings.HasPrefix(h.PHC(), want) {
		t.Errorf("New = %s, want %s", h.PHC(), want)
	}
	again, err := Parse(h.PHC())
	if err != nil {
		t.Fatal(err)
	}
	if !again.Matches([]byte("correct horse")) || again.Matches([]byte("correct horsf")) || again.Matches(nil) {
		t.Error("what was made matches another password, or not its own")
	}
	broken := errors.New("no entropy")
	if _, err := New(nil, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("New = %v, want %v", err, broken)
	}
}

// TestMatches_Reference verifies a hash of the reference implementation.
func TestMatches_Reference(t *testing.T) {
	h, err := Parse("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
	if err != nil || !h.Matches([]byte("password")) || h.Matches([]byte("Password")) {
		t.Errorf("Parse = %v, or the reference's hash does not match its password alone", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(phc)
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := Parse(text)
		if err != nil {
			return
		}
		if h.Memory > MaxMemory || h.Passes > MaxPasses || h.Passes < 1 || h.Threads > MaxThreads || h.Memory < 8*uint32(h.Threads) {
			t.Fatalf("%q is out of bounds", text)
		}
		again, err := Parse(h.PHC())
		if err != nil || again.PHC() != h.PHC() || !bytes.Equal(again.Key, h.Key) || !bytes.Equal(again.Salt, h.Salt) {
			t.Fatalf("%q is read again as %q: %v", text, again.PHC(), err)
		}
	})
}
