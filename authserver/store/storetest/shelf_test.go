// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/storetest"
)

// shelf is what a durable store keeps: it outlives the stores that are open on it.
type shelf struct {
	mu       sync.Mutex
	grants   map[name]*kept
	sessions map[name]store.Session
	consents map[[3]string]store.Consent
	spent    map[name]time.Time
	// reopened says that a process has died.
	reopened bool
}

type name struct{ issuer, id string }

// kept is a grant, or its tombstone.
type kept struct {
	store.Grant
	revoked bool
}

func newShelf() *shelf {
	return &shelf{
		grants: map[name]*kept{}, sessions: map[name]store.Session{}, consents: map[[3]string]store.Consent{},
		spent: map[name]time.Time{},
	}
}

// shelved is the plainest durable store with all that a Backend can have.
type shelved struct {
	*shelf

	now func() time.Time
}

var _ store.Sweeper = (*shelved)(nil)

func (s *shelved) lock(ctx context.Context) (func(), error) {
	s.mu.Lock()
	return s.mu.Unlock, ctx.Err()
}

func (s *shelved) CreateSession(ctx context.Context, n store.Session) error {
	unlock, err := s.lock(ctx)
	defer unlock()
	if err != nil {
		return err
	}
	k := name{n.Issuer, n.ID}
	if _, ok := s.sessions[k]; ok {
		return errors.New("taken")
	}
	s.sessions[k] = n
	return nil
}

func (s *shelved) RenewSession(ctx context.Context, n store.Session) error {
	unlock, err := s.lock(ctx)
	defer unlock()
	if err != nil {
		return err
	}
	k := name{n.Issuer, n.ID}
	renewed, ok := s.sessions[k]
	if !ok || renewed.Subject != n.Subject || !s.now().Before(renewed.ExpiresAt) {
		return store.ErrNotFound
	}
	renewed.SignIn, renewed.AuthTime, renewed.ExpiresAt = n.SignIn, n.AuthTime, n.ExpiresAt
	s.sessions[k] = renewed
	return nil
}

func (s *shelved) Session(ctx context.Context, issuer, id string) (store.Session, error) {
	unlock, err := s.lock(ctx)
	defer unlock()
	if err != nil {
		return store.Session{}, err
	}
	n, ok := s.sessions[name{issuer, id}]
	if !ok || !s.now().Before(n.ExpiresAt) {
		return store.Session{}, store.ErrNotFound
	}
	return n, nil
}

func (s *shelved) EndSession(ctx context.Context, issuer, id string) error {
	unlock, err := s.lock(ctx)
	defer unlock()
	if err == nil {
		delete(s.sessions, name{issuer, id})
	}
	return err
}

func (s *shelved) Redeem(ctx context.Context, g store.Grant) error {
	unlock, err := s.lock(ctx)
	defer unlock()
	k := name{g.Issuer, g.ID}
	switch {
	case err != nil:
		return err
	case s.grants[k] != nil, !s.now().Before(g.CodeExpiresAt):
		return store.ErrSpent
	}
	g.Scopes = slices.Clone(g.Scopes)
	s.grants[k] = &kept{Grant: g}
	return nil
}

// living is for a caller that holds the lock.
func (s *shelved) living(issuer, id string) (*kept, error) {
	g := s.grants[name{issuer, id}]
	switch {
	case g == nil:
		return nil, store.ErrNotFound
	case g.revoked:
		return nil, store.ErrRevoked
	case !s.now().Before(g.ExpiresAt):
		return nil, store.ErrNotFound
	}
	return g, nil
}

func (g *kept) copy() store.Grant {
	out := g.Grant
	out.Scopes = slices.Clone(g.Scopes)
	return out
}

func (s *shelved) Grant(ctx context.Context, issuer, id string) (store.Grant, error) {
	unlock, err := s.lock(ctx)
	defer unlock()
	if err != nil {
		return store.Grant{}, err
	}
	g, err := s.living(issuer, id)
	if err != nil {
		return store.Grant{}, err
	}
	return g.copy(), nil
}

func (s *shelved) Advance(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error) {
	unlock, err := s.lock(ctx)
	defer unlock()
	if err != nil {
		return store.Grant{}, err
	}
	g, err := s.living(issuer, id)
	if err != nil {
		return store.Grant{}, err
	}
	if g.Counter != from {
		return g.copy(), store.ErrReused
	}
	g.Counter, g.AdvancedAt = from+1, now
	return g.copy(), nil
}

func (s *shelved) Revoke(ctx context.Context, issuer, id string) error {
	unlock, err := s.lock(ctx)
	defer unlock()
	if g := s.grants[name{issuer, id}]; err == nil && g != nil {
		g.revoked = true
	}
	return err
}

func (s *shelved) SessionGrants(ctx context.Context, issuer, sessionID string) ([]store.Grant, error) {
	unlock, err := s.lock(ctx)
	defer unlock()
	if err != nil {
		return nil, err
	}
	var out store.OfSession
	for k, g := range s.grants {
		if sessionID != "" && k.issuer == issuer && g.SessionID == sessionID && !g.revoked && s.now().Before(g.ExpiresAt) {
			out.Add(g.copy())
		}
	}
	return out.Grants(), nil
}

func (s *shelved) Spend(ctx context.Context, issuer, id string, until time.Time) error {
	unlock, err := s.lock(ctx)
	defer unlock()
	k := name{issuer, id}
	switch {
	case err != nil:
		return err
	case s.now().Before(s.spent[k]), !s.now().Before(until):
		return store.ErrUsed
	}
	s.spent[k] = until
	return nil
}

func (s *shelved) Allow(ctx context.Context, c store.Consent) error {
	unlock, err := s.lock(ctx)
	defer unlock()
	if err != nil {
		return err
	}
	k := [3]string{c.Issuer, c.Subject, c.ClientID}
	c.Scopes = slices.Clone(c.Scopes)
	if old := s.consents[k]; old.ClientUID == c.ClientUID {
		c.Scopes = slices.Compact(slices.Sorted(slices.Values(slices.Concat(old.Scopes, c.Scopes))))
	}
	s.consents[k] = c
	return nil
}

func (s *shelved) Consent(ctx context.Context, issuer, subject, clientID string) (store.Consent, error) {
	unlock, err := s.lock(ctx)
	defer unlock()
	if err != nil {
		return store.Consent{}, err
	}
	c, ok := s.consents[[3]string{issuer, subject, clientID}]
	if !ok {
		return store.Consent{}, store.ErrNotFound
	}
	c.Scopes = slices.Clone(c.Scopes)
	return c, nil
}

func (s *shelved) Forget(ctx context.Context, issuer, subject, clientID string) error {
	unlock, err := s.lock(ctx)
	defer unlock()
	if err == nil {
		delete(s.consents, [3]string{issuer, subject, clientID})
	}
	return err
}

func (s *shelved) Sweep(ctx context.Context, page int) (store.Swept, error) {
	unlock, err := s.lock(ctx)
	defer unlock()
	if err != nil {
		return store.Swept{}, err
	}
	return s.sweep(page, s.now().Add(-store.Skew)), nil
}

// sweep forgets what was over at a moment. Its caller holds the lock.
func (s *shelf) sweep(page int, at time.Time) store.Swept {
	var swept store.Swept
	maps.DeleteFunc(s.sessions, func(_ name, n store.Session) bool {
		if at.Before(n.ExpiresAt) || swept.Sessions == page {
			return false
		}
		swept.Sessions++
		return true
	})
	maps.DeleteFunc(s.grants, func(_ name, g *kept) bool {
		if at.Before(g.ExpiresAt) && !g.revoked || at.Before(g.CodeExpiresAt.Add(store.Late)) || swept.Grants == page {
			return false
		}
		swept.Grants++
		return true
	})
	maps.DeleteFunc(s.spent, func(_ name, until time.Time) bool {
		if at.Before(until.Add(store.Late)) || swept.Spent == page {
			return false
		}
		swept.Spent++
		return true
	})
	swept.More = swept.Sessions == page || swept.Grants == page || swept.Spent == page
	return swept
}

// deleteByHand is as in a store in which a deleted grant stays for a while.
func (s *shelf) deleteByHand(issuer, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.grants[name{issuer, id}]; g != nil {
		g.revoked = true
	}
}

func (s *shelf) get(issuer, id string) *kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grants[name{issuer, id}]
}

func (s *shelf) put(g *kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants[name{g.Issuer, g.ID}] = g
}

func (s *shelf) take(issuer, id string) *kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.grants[name{issuer, id}]
	delete(s.grants, name{issuer, id})
	return g
}

// brokenShelf is a durable store that sabotage has changed.
type brokenShelf struct {
	*broken
	*shelf

	sweep        func(ctx context.Context, page int) (store.Swept, error)
	deleteByHand func(issuer, id string) error
}

func (b *brokenShelf) Sweep(ctx context.Context, page int) (store.Swept, error) {
	return b.sweep(ctx, page)
}

// durable opens stores on shelves.
func durable(sabotage func(b *brokenShelf, clock *storetest.Clock)) storetest.Backend {
	open := func(clock *storetest.Clock, data *shelf) store.Store {
		s := &shelved{shelf: data, now: clock.Now}
		b := &brokenShelf{broken: whole(s), shelf: data, sweep: s.Sweep}
		b.deleteByHand = func(issuer, id string) error { data.deleteByHand(issuer, id); return nil }
		sabotage(b, clock)
		return b
	}
	return storetest.Backend{
		Open: func(_ testing.TB, clock *storetest.Clock) store.Store { return open(clock, newShelf()) },
		Reopen: func(_ testing.TB, clock *storetest.Clock, old store.Store) store.Store {
			data := old.(*brokenShelf).shelf
			data.reopened = true
			return open(clock, data)
		},
		Another: func(_ testing.TB, clock *storetest.Clock, first store.Store) store.Store {
			return open(clock, first.(*brokenShelf).shelf)
		},
		DeleteByHand: func(_ testing.TB, s store.Store, issuer, id string) error {
			return s.(*brokenShelf).deleteByHand(issuer, id)
		},
		Count: func(_ testing.TB, s store.Store) int {
			b := s.(*brokenShelf)
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.grants) + len(b.sessions) + len(b.spent)
		},
		Durable: true, Steps: 20000, Seed: 1,
	}
}

// TestFailures_WholeShelf: a durable store can pass everything.
func TestFailures_WholeShelf(t *testing.T) {
	failed := storetest.Failures(t, durable(func(*brokenShelf, *storetest.Clock) {}))
	for name, err := range failed {
		t.Errorf("%s fails for a whole store: %v", name, err)
	}
}
