// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package memory keeps sessions, grants and consents in this process, for tests
// and trials: what it holds ends with the process, and a second replica knows
// nothing of it.
//
// It needs no goroutine of its own: every write forgets a few expired records,
// more than it adds, so memory follows the number of living ones. Consents do not
// expire; there is at most one per person and client.
package memory

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/store"
)

// Store implements store.Store. Make one with New.
type Store struct {
	now     func() time.Time
	started time.Time

	mu       sync.RWMutex
	sessions table[store.Session]
	grants   table[grant]
	spent    table[struct{}]
	consents map[consentKey]store.Consent
}

var _ store.Store = (*Store)(nil)

// grant is a store.Grant, or the tombstone of one: then only its times are left.
type grant struct {
	store.Grant
	revoked bool
}

type consentKey struct{ issuer, subject, clientID string }

// New returns an empty Store. now is for expiry; nil means time.Now.
func New(now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{
		now: now, started: now(),
		sessions: table[store.Session]{}.init(), grants: table[grant]{}.init(), spent: table[struct{}]{}.init(),
		consents: map[consentKey]store.Consent{},
	}
}

// CreateSession implements store.Store.
func (s *Store) CreateSession(ctx context.Context, n store.Session) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sessions.add(key{n.Issuer, n.ID}, n, n.ExpiresAt, s.now()) {
		return errors.New("session ID is taken")
	}
	return nil
}

// RenewSession implements store.Store.
func (s *Store) RenewSession(ctx context.Context, n store.Session) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, now := key{n.Issuer, n.ID}, s.now()
	old, ok := s.sessions.get(k, now)
	if !ok || old.value.Subject != n.Subject {
		return store.ErrNotFound
	}
	renewed := old.value
	renewed.SignIn, renewed.AuthTime, renewed.ExpiresAt = n.SignIn, n.AuthTime, n.ExpiresAt
	s.sessions.remove(k)
	s.sessions.add(k, renewed, renewed.ExpiresAt, now)
	return nil
}

// Session implements store.Store.
func (s *Store) Session(ctx context.Context, issuer, id string) (store.Session, error) {
	if err := ctx.Err(); err != nil {
		return store.Session{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.sessions.get(key{issuer, id}, s.now())
	if !ok {
		return store.Session{}, store.ErrNotFound
	}
	return r.value, nil
}

// EndSession implements store.Store.
func (s *Store) EndSession(ctx context.Context, issuer, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions.remove(key{issuer, id})
	return nil
}

// Redeem implements store.Store. Of a code that is older than the Store nobody
// knows whether it was redeemed before the process was restarted: it is spent. So
// is one whose time is over, since its tombstone may be gone.
func (s *Store) Redeem(ctx context.Context, g store.Grant) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Inside the lock, so that no sweep with a later clock comes in between.
	now := s.now()
	if g.IssuedAt.Before(s.started) || !now.Before(g.CodeExpiresAt) {
		return store.ErrSpent
	}
	until := g.ExpiresAt
	if g.CodeExpiresAt.After(until) {
		until = g.CodeExpiresAt
	}
	g.Scopes = slices.Clone(g.Scopes)
	if !s.grants.add(key{g.Issuer, g.ID}, grant{Grant: g}, until, now) {
		return store.ErrSpent
	}
	return nil
}

// Grant implements store.Store.
func (s *Store) Grant(ctx context.Context, issuer, id string) (store.Grant, error) {
	if err := ctx.Err(); err != nil {
		return store.Grant{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	g, err := s.living(issuer, id)
	if err != nil {
		return store.Grant{}, err
	}
	return g.copy(), nil
}

// Advance implements store.Store.
func (s *Store) Advance(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error) {
	if err := ctx.Err(); err != nil {
		return store.Grant{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
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

// Revoke implements store.Store. The tombstone stays until the grant would have
// ended, so that until then everyone hears ErrRevoked, and never for less time
// than its code could be presented.
func (s *Store) Revoke(ctx context.Context, issuer, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.grants.get(key{issuer, id}, s.now()); ok {
		r.value = grant{revoked: true}
	}
	return nil
}

// SessionGrants implements store.Store. It looks at all grants.
func (s *Store) SessionGrants(ctx context.Context, issuer, sessionID string) ([]store.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := s.now()
	var out store.OfSession
	if sessionID == "" {
		return nil, nil
	}
	for k, r := range s.grants.records {
		g := &r.value
		if k.issuer == issuer && g.SessionID == sessionID && !g.revoked && now.Before(g.ExpiresAt) {
			out.Add(g.copy())
		}
	}
	return out.Grants(), nil
}

// Spend implements store.Store.
func (s *Store) Spend(ctx context.Context, issuer, id string, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); !now.Before(until) || !s.spent.add(key{issuer, id}, struct{}{}, until, now) {
		return store.ErrUsed
	}
	return nil
}

// Allow implements store.Store.
func (s *Store) Allow(ctx context.Context, c store.Consent) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	k := consentKey{c.Issuer, c.Subject, c.ClientID}
	s.mu.Lock()
	defer s.mu.Unlock()
	var before oauth.Scopes
	if old, ok := s.consents[k]; ok && old.ClientUID == c.ClientUID {
		before = old.Scopes
	}
	c.Scopes = before.Union(c.Scopes)
	s.consents[k] = c
	return nil
}

// Consent implements store.Store.
func (s *Store) Consent(ctx context.Context, issuer, subject, clientID string) (store.Consent, error) {
	if err := ctx.Err(); err != nil {
		return store.Consent{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, ok := s.consents[consentKey{issuer, subject, clientID}]
	if !ok {
		return store.Consent{}, store.ErrNotFound
	}
	c.Scopes = slices.Clone(c.Scopes)
	return c, nil
}

// Forget implements store.Store.
func (s *Store) Forget(ctx context.Context, issuer, subject, clientID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.consents, consentKey{issuer, subject, clientID})
	return nil
}

// living returns the Store's own grant, for a caller that holds the lock.
func (s *Store) living(issuer, id string) (*grant, error) {
	now := s.now()
	r, ok := s.grants.get(key{issuer, id}, now)
	switch {
	case !ok:
		return nil, store.ErrNotFound
	case r.value.revoked:
		return nil, store.ErrRevoked
	case !now.Before(r.value.ExpiresAt):
		return nil, store.ErrNotFound // kept only because its code is still alive
	}
	return &r.value, nil
}

func (g *grant) copy() store.Grant {
	out := g.Grant
	out.Scopes = slices.Clone(out.Scopes)
	return out
}
