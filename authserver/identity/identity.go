// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package identity says who somebody is. A Provider verifies logins and looks
// people up again; it neither keeps sessions nor knows of clients.
package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/clientele-dev/clientele/internal/credential"
)

// Person is somebody whom a provider knows.
type Person struct {
	// ID is the provider's own unchanging name for the person.
	ID            string
	Username      string
	Name          string
	Email         string
	EmailVerified bool
	Groups        []string
}

var (
	// ErrRefused means that username and password do not belong together. It does
	// not say which of the two is wrong.
	ErrRefused = errors.New("username or password is wrong")
	// ErrUnknown means that the provider knows nobody of that ID (any more).
	ErrUnknown = errors.New("person is unknown")
	// ErrBusy means that too many logins are being verified right now.
	ErrBusy = errors.New("too many logins at once")
)

// Provider verifies logins.
type Provider interface {
	// Authenticate returns the person whose username and password these are, or
	// ErrRefused, after about the same work in both cases, or ErrBusy.
	Authenticate(ctx context.Context, username string, password credential.Secret) (Person, error)
	// Lookup returns the person as they are now, or ErrUnknown.
	Lookup(ctx context.Context, id string) (Person, error)
}

// Subject is the sub of a person: locally unique and never given to anybody else
// (OpenID Connect Core 1.0 section 8). It shows no name, though who guesses the ID
// can confirm it. Two providers with the same ID give two subjects.
func Subject(issuer, provider, id string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{issuer, provider, id}, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:20])
}
