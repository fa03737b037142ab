// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package userfile

import (
	"strings"
	"testing"
)

// phc is of argon2's reference implementation's own tests.
const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

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
