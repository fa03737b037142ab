// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package userfile

import (
	"strings"
	"testing"
)

// TestParse_NeverRepeatsAHash: what stands in the file may be a hash, or a password
// by mistake.
func TestParse_NeverRepeatsAHash(t *testing.T) {
	const marker = "hunter2"
	for _, data := range []string{
		"- {username: ada, passwordHash: " + marker + "}",
		"- {username: ada, passwordHash: [" + marker + "]}",
		"- {username: ada, passwordHash: {a: " + marker + "}}",
		"- {username: ada, password: " + marker + "}",
		"- " + marker,
		marker,
		"- {username: ada, passwordHash: '" + marker,
		"- {username: ada, " + marker + ": a}",
		"- {username: ada, passwordHash: $argon2id$" + marker + "}",
		"- {username: ada, passwordHash: $2a$99$" + marker + "}",
		"- {username: ada, emailVerified: " + marker + "}",
		"a: &x " + marker + "\nb: *y",
	} {
		if _, err := Parse([]byte(data)); err == nil || strings.Contains(err.Error(), marker) {
			t.Errorf("%q: %v", data, err)
		}
	}
}
