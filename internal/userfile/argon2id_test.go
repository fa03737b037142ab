// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package userfile

import (
	"strings"
	"testing"
)

// phc is of the reference implementation's own tests.
const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

func TestParseArgon2id(t *testing.T) {
	a, err := ParseArgon2id(phc)
	if err != nil {
		t.Fatal(err)
	}
	if a.Memory != 65536 || a.Passes != 2 || a.Threads != 1 || string(a.Salt) != "somesalt" || len(a.Key) != 32 {
		t.Errorf("ParseArgon2id = %+v, want the parameters in %s", a, phc)
	}
}

// TestParseArgon2id_Bounds changes one part of a hash that is accepted. What is out
// of bounds would stop the server: argon2 panics without passes or lanes, and takes
// whatever memory the hash says for every login.
func TestParseArgon2id_Bounds(t *testing.T) {
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
			_, err := ParseArgon2id(text)
			if (err == nil) != tt.ok {
				t.Errorf("ParseArgon2id(%q) = %v, want success: %v", text, err, tt.ok)
			}
			if err != nil && (strings.Contains(err.Error(), "CTFhF") || strings.Contains(err.Error(), "c29t")) {
				t.Errorf("error %q holds salt or hash", err)
			}
		})
	}
}

// TestCheckHash_BcryptForm: the bcrypt package takes more than can ever match.
func TestCheckHash_BcryptForm(t *testing.T) {
	const good = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
	tests := []struct {
		name, hash string
		ok         bool
	}{
		{"2a", good, true},
		{"2b", "$2b$" + good[4:], true},
		{"2y", "$2y$" + good[4:], true},
		{"2x, which was a mistake", "$2x$" + good[4:], false},
		{"2", "$2$" + good[4:], false},
		{"cut short", good[:59], false},
		{"something behind", good + "A", false},
		{"line break behind", good + "\n", false},
		{"another alphabet", strings.Replace(good, ".E5", "+E5", 1), false},
		{"highest cost", "$2a$14$" + good[7:], true},
		{"too high a cost", "$2a$15$" + good[7:], false},
		{"too low a cost", "$2a$03$" + good[7:], false},
	}
	for _, tt := range tests {
		if err := checkHash(tt.hash); (err == nil) != tt.ok {
			t.Errorf("%s: checkHash = %v, want success: %v", tt.name, err, tt.ok)
		}
	}
}
