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
	"time"

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
	About         About
	// UpdatedAt is when any of this last changed; zero if unknown.
	UpdatedAt           time.Time
	PhoneNumber         string
	PhoneNumberVerified bool
	Address             Address
}

// About is the rest of what OpenID Connect Core 1.0 section 5.1 knows of somebody. What
// is empty is unknown.
type About struct {
	GivenName  string
	FamilyName string
	MiddleName string
	Nickname   string
	Profile    string
	Picture    string
	Website    string
	Gender     string
	Birthdate  string
	Zoneinfo   string
	Locale     string
}

// Address is a postal address (OpenID Connect Core 1.0 section 5.1.1).
type Address struct {
	Formatted     string
	StreetAddress string
	Locality      string
	Region        string
	PostalCode    string
	Country       string
}

// Means are how a provider verifies logins: it has one way, and so whoever it knows
// has signed in by it.
type Means struct {
	// Class is the acr of OpenID Connect Core 1.0 section 2: an absolute URI or a
	// registered name.
	Class string
	// Methods are the amr, in the names of RFC 8176 section 2.
	Methods []string
}

// Password are the means of who was asked for a password and nothing else. The class
// is SAML's, which says just that: of a page that is reached by TLS. It promises
// nothing of how a person was vouched for, as a level of ISO/IEC 29115 would.
func Password() Means {
	return Means{
		Class:   "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
		Methods: []string{"pwd"},
	}
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
	// Means returns how everybody was verified whom Lookup knows.
	Means() Means
}

// Subject is the sub of a person: locally unique and never given to anybody else
// (OpenID Connect Core 1.0 section 8). It shows no name, though who guesses the ID
// can confirm it. Two providers with the same ID give two subjects.
func Subject(issuer, provider, id string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{issuer, provider, id}, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:20])
}
