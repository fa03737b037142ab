// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package userfile reads the list of local users that a platform team keeps in a
// Secret. It checks the list's form and verifies nobody; no password and no hash
// ever stands in one of its errors.
package userfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"

	"github.com/clientele-dev/clientele/internal/argon2id"
)

// User is one person who may sign in.
type User struct {
	// ID never changes and is never given to another person: the sub is made of
	// it. It is the username where the file gives none.
	ID       string `yaml:"id"`
	Username string `yaml:"username"`
	// PasswordHash is bcrypt ($2a$, $2b$, $2y$) or argon2id in PHC form.
	PasswordHash  string   `yaml:"passwordHash"`
	Name          string   `yaml:"name"`
	Email         string   `yaml:"email"`
	EmailVerified bool     `yaml:"emailVerified"`
	Groups        []string `yaml:"groups"`

	About `yaml:",inline"`
	// UpdatedAt is when the person's entry was last changed, as RFC 3339 has it.
	UpdatedAt           string  `yaml:"updatedAt"`
	PhoneNumber         string  `yaml:"phoneNumber"`
	PhoneNumberVerified bool    `yaml:"phoneNumberVerified"`
	Address             Address `yaml:"address"`
}

// MaxBcryptCost bounds what one login may cost: at 14 about a second of CPU.
const MaxBcryptCost = 14

// bcryptForm is stricter than the bcrypt package, which takes hashes that are cut
// short or have something behind them, and then lets nobody in.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)

// Parse reads a YAML list of users, each with at least username and passwordHash.
// An error names every user that is not valid, by position and username.
func Parse(data []byte) ([]User, error) {
	var users []User
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&users); err != nil && !errors.Is(err, io.EOF) {
		return nil, parseError(err)
	}
	var errs []error
	seen := map[string]bool{}
	ids := map[string]bool{}
	for i := range users {
		u := &users[i]
		if u.ID == "" {
			u.ID = u.Username
		}
		if err := u.check(); err != nil {
			errs = append(errs, fmt.Errorf("user %d (%q): %w", i+1, u.Username, err))
		}
		if seen[Fold(u.Username)] || ids[u.ID] {
			errs = append(errs, fmt.Errorf("user %d (%q): username or id is taken by a user above", i+1, u.Username))
		}
		seen[Fold(u.Username)], ids[u.ID] = true, true
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return users, nil
}

// Fold is the form in which usernames are compared: without regard to case.
func Fold(username string) string { return strings.ToLower(username) }

func (u User) check() error {
	switch {
	case u.Username == "" || len(u.Username) > 128 || !printable(u.Username):
		return errors.New("username is empty, longer than 128 bytes, or has control characters")
	case len(u.ID) > 128 || !printable(u.ID):
		return errors.New("id is longer than 128 bytes, or has control characters")
	case !printable(u.Name) || !printable(u.Email):
		return errors.New("name or email has control characters")
	case u.Email != "" && !strings.Contains(u.Email, "@"):
		return errors.New("email has no @")
	case slices.ContainsFunc(u.Groups, func(g string) bool { return g == "" || !printable(g) }):
		return errors.New("groups has one that is empty or has control characters")
	}
	return cmp.Or(checkHash(u.PasswordHash), u.checkDetails())
}

func checkHash(hash string) error {
	if strings.HasPrefix(hash, "$argon2id$") {
		if _, err := argon2id.Parse(hash); err != nil {
			return fmt.Errorf("passwordHash %w", err)
		}
		return nil
	}
	cost, err := bcrypt.Cost([]byte(hash))
	switch {
	case err != nil || !bcryptForm.MatchString(hash):
		return errors.New("passwordHash is neither bcrypt nor argon2id; make one with: htpasswd -nbBC 10 USER PASSWORD")
	case cost > MaxBcryptCost:
		return fmt.Errorf("passwordHash has bcrypt cost %d; at most %d is accepted", cost, MaxBcryptCost)
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// parseError says where the file is wrong without repeating what stands there,
// since that may be a hash.
func parseError(err error) error {
	line := regexp.MustCompile(`line [0-9]+`).FindString(err.Error())
	if line == "" {
		line = "an unknown line"
	}
	return fmt.Errorf("not a YAML list of users, or a field is unknown, there twice or of another kind: see %s", line)
}
