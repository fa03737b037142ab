// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package userfile

import (
	"reflect"
	"strings"
	"testing"
)

// hash is bcrypt of nobody's password.
const hash = "$2a$10$JDY4GsnJstV3GtaMbCCMGuRcXyTUD7oVe.3fnGl5Ga5tUPO.kRvR6"

func TestParse(t *testing.T) {
	got, err := Parse([]byte(`
- username: alice
  passwordHash: ` + hash + `
  name: Alice Liddell
  email: alice@example.com
  emailVerified: true
  groups: [docs, admins]
- id: 7d1c
  username: bob
  passwordHash: ` + phc + `
`))
	want := []User{
		{ID: "alice", Username: "alice", PasswordHash: hash, Name: "Alice Liddell", Email: "alice@example.com", EmailVerified: true, Groups: []string{"docs", "admins"}},
		{ID: "7d1c", Username: "bob", PasswordHash: phc},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Parse = %+v, %v, want %+v", got, err, want)
	}
	if got, err := Parse(nil); err != nil || len(got) != 0 {
		t.Errorf("Parse(nothing) = %v, %v, want no users", got, err)
	}
}

func TestParse_Refuses(t *testing.T) {
	const secret = "hunter2hunter2"
	user := func(lines ...string) string {
		return "- " + strings.Join(append(lines, "passwordHash: "+hash), "\n  ") + "\n"
	}
	for _, tt := range []struct{ name, file, want string }{
		{"not YAML", "{", "not a YAML list of users"},
		{"not a list", "username: alice", "not a YAML list of users"},
		{"an unknown field", user("username: alice", "password: "+secret), "see line"},
		{"no username", user("name: Alice"), `user 1 (""): username is empty`},
		{"a plaintext password", "- {username: alice, passwordHash: " + secret + "}", "neither bcrypt nor argon2id"},
		{"an expensive hash", "- {username: alice, passwordHash: " + strings.Replace(hash, "$10$", "$15$", 1) + "}", "bcrypt cost 15"},
		{"a bad argon2id", "- {username: alice, passwordHash: $argon2id$" + secret + "}", `user 1 ("alice")`},
		{"the same username", user("username: alice") + user("username: Alice"), `user 2 ("Alice"): username or id is taken`},
		{"the same id", user("username: alice") + user("username: bob", "id: alice"), `user 2 ("bob"): username or id is taken`},
		{"an email without @", user("username: alice", "email: alice"), "email has no @"},
		{"a control character", user(`username: "a\u0007"`), "control characters"},
		{"an empty group", user("username: alice", `groups: [""]`), "groups has one that is empty"},
	} {
		_, err := Parse([]byte(tt.file))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Parse = %v, want %q", tt.name, err, tt.want)
			continue
		}
		if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), hash) {
			t.Errorf("%s: the error repeats a password or a hash: %v", tt.name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("- {username: alice, passwordHash: " + hash + "}"))
	f.Add([]byte("- &a {username: b}\n- *a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		users, err := Parse(data)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, u := range users {
			if u.ID == "" || u.Username == "" || seen[u.ID] {
				t.Fatalf("Parse accepted %+v", users)
			}
			seen[u.ID] = true
		}
	})
}
