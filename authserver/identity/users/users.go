// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package users verifies logins against a list of local users. A login costs the
// same work whether or not there is such a user, and only so many are verified at
// once. It is immutable: a changed list is a new Provider.
package users

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/userfile"
)

// maxUsername is the longest username that a list can have; a longer one that
// somebody types belongs to nobody.
const maxUsername = 128

// Options are for New. The zero value is good.
type Options struct {
	// Gate bounds the logins that are verified at once. Providers of one process
	// share one; nil means a gate of the provider's own.
	Gate *Gate
}

// Provider is an identity.Provider over a list of users. Make one with New.
type Provider struct {
	byName map[string]*user
	byID   map[string]*user
	// dummies are hashes of no password, one for each kind and cost in the list.
	dummies []hash
	gate    *Gate
	matches func(h hash, password []byte) bool
}

var _ identity.Provider = (*Provider)(nil)

type user struct {
	person identity.Person
	hash   hash
}

// New returns a Provider over a list that userfile.Parse has returned.
func New(list []userfile.User, opts Options) (*Provider, error) {
	p := &Provider{
		byName: map[string]*user{}, byID: map[string]*user{},
		gate: opts.Gate, matches: hash.matches,
	}
	if p.gate == nil {
		p.gate = NewGate(0, 0)
	}
	for i, u := range list {
		if err := p.add(u); err != nil {
			return nil, fmt.Errorf("user %d (%q): %w", i+1, u.Username, err)
		}
	}
	if len(p.dummies) == 0 {
		p.dummies = []hash{defaultWork.dummy()}
	}
	return p, nil
}

func (p *Provider) add(u userfile.User) error {
	name := userfile.Fold(u.Username)
	if name == "" || u.ID == "" || p.byName[name] != nil || p.byID[u.ID] != nil {
		return errors.New("username or id is empty, or taken by a user above")
	}
	h, err := parseHash(u.PasswordHash)
	if err != nil {
		return err
	}
	known := &user{hash: h, person: identity.Person{
		ID: u.ID, Username: u.Username, Name: u.Name, Email: u.Email,
		EmailVerified: u.EmailVerified, Groups: slices.Clone(u.Groups),
		About: identity.About(u.About), UpdatedAt: u.Updated(),
		PhoneNumber: u.PhoneNumber, PhoneNumberVerified: u.PhoneNumberVerified, Address: identity.Address(u.Address),
	}}
	p.byName[name], p.byID[u.ID] = known, known
	if !slices.ContainsFunc(p.dummies, func(d hash) bool { return d.work == h.work }) {
		p.dummies = append(p.dummies, h.dummy())
	}
	return nil
}

// Authenticate implements identity.Provider. Where it has to wait for other logins
// and ctx ends first, it returns the context's error.
func (p *Provider) Authenticate(ctx context.Context, username string, password credential.Secret) (identity.Person, error) {
	if err := p.gate.enter(ctx); err != nil {
		return identity.Person{}, err
	}
	defer p.gate.leave()
	var u *user
	if len(username) <= maxUsername {
		u = p.byName[userfile.Fold(username)]
	}
	if !p.verify(u, []byte(password.Reveal())) {
		return identity.Person{}, identity.ErrRefused
	}
	return u.copy(), nil
}

// verify does the same work for everybody, so that its duration does not tell who
// is in the list, nor whose hash is which: one verification for each kind and cost
// in the list. The user's own hash takes the place of the dummy of its kind; for
// nobody, all are dummies.
func (p *Provider) verify(u *user, password []byte) bool {
	found := false
	for _, h := range p.dummies {
		own := u != nil && u.hash.work == h.work
		if own {
			h = u.hash
		}
		if p.matches(h, password) && own {
			found = true
		}
	}
	return found
}

// Lookup implements identity.Provider.
func (p *Provider) Lookup(_ context.Context, id string) (identity.Person, error) {
	u, ok := p.byID[id]
	if !ok {
		return identity.Person{}, identity.ErrUnknown
	}
	return u.copy(), nil
}

// Means implements identity.Provider.
func (*Provider) Means() identity.Means { return identity.Password() }

func (u *user) copy() identity.Person {
	out := u.person
	out.Groups = slices.Clone(out.Groups)
	return out
}
