// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package guard keeps a store that is slow, or gone, from taking the server along.
// Its Store is a store.Store around another one that lets a bounded number of verbs
// run at a time, each for a bounded time, and turns away at once what would have to
// wait for long. What it turns away has not reached the other store.
//
// It changes nothing about what a verb returns otherwise. Only a revocation is tried
// more than once: it is the one verb that does the same however often it is done,
// and the one that nobody may come back for.
package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clientele-dev/clientele/authserver/store"
)

// ErrShed means that a verb was not begun, since too many are running.
var ErrShed = errors.New("too many requests want the store")

// Config is how much a Store lets through. Zero values mean the defaults.
type Config struct {
	// Limit is how many verbs may run at a time; 256 by default. Verbs that take
	// access away have a quarter as many turns of their own.
	Limit int
	// Queue is how many verbs may wait for a turn; four times Limit by default.
	Queue int
	// Wait is for how long they may; a second by default.
	Wait time.Duration
	// Timeout is for how long a verb may run; 5 seconds by default. The store must
	// obey its context.
	Timeout time.Duration
	// Registerer takes the metrics; nil means that nobody reads them.
	Registerer prometheus.Registerer
}

const (
	// revocations is how often a revocation is tried, and breather the pause before
	// the second time, which doubles.
	revocations = 3
	breather    = 100 * time.Millisecond
)

// Store implements store.Store. Make one with New.
type Store struct {
	inner   store.Store
	timeout time.Duration
	metrics *metrics
	// usual is the lane of all verbs but those that take access away, whose lane is
	// away: a flood of logins must not keep a thief's tokens alive.
	usual, away *lane
}

var _ store.Store = (*Store)(nil)

// New returns a Store around inner.
func New(inner store.Store, c Config) (*Store, error) {
	if inner == nil {
		return nil, errors.New("guard: the store is nil")
	}
	if c.Limit < 0 || c.Queue < 0 || c.Wait < 0 || c.Timeout < 0 {
		return nil, errors.New("guard: Config has a negative bound")
	}
	c.Limit = or(c.Limit, 256)
	c.Queue = or(c.Queue, 4*c.Limit)
	c.Wait = or(c.Wait, time.Second)
	c.Timeout = or(c.Timeout, 5*time.Second)
	m, err := newMetrics(c.Registerer)
	if err != nil {
		return nil, err
	}
	return &Store{
		inner: inner, timeout: c.Timeout, metrics: m,
		usual: newLane(c.Limit, c.Queue, c.Wait),
		// Whoever takes something away is let wait for as long as the verb may take.
		away: newLane(max(1, c.Limit/4), c.Queue, c.Timeout),
	}, nil
}

func or[T int | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// do runs a verb when it is its turn.
func (s *Store) do(ctx context.Context, in *lane, verb string, run func(context.Context) error) error {
	began := time.Now()
	if err := in.enter(ctx); err != nil {
		err = fmt.Errorf("wait for the store: %w", err)
		s.metrics.done(verb, resultOf(ctx, err), time.Since(began))
		return err
	}
	defer in.leave()
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	// What has begun is not ended by whoever hangs up: nobody would know what has
	// become of a write, and a database would lose the connection.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	err := run(bounded)
	s.metrics.done(verb, resultOf(bounded, err), time.Since(began))
	return err
}

// find is do for verbs that return a record.
func find[T any](ctx context.Context, s *Store, in *lane, verb string, run func(context.Context) (T, error)) (T, error) {
	var found T
	err := s.do(ctx, in, verb, func(ctx context.Context) (err error) {
		found, err = run(ctx)
		return err
	})
	return found, err
}

// CreateSession implements store.Store.
func (s *Store) CreateSession(ctx context.Context, n store.Session) error {
	return s.do(ctx, s.usual, "create_session", func(ctx context.Context) error { return s.inner.CreateSession(ctx, n) })
}

// RenewSession implements store.Store.
func (s *Store) RenewSession(ctx context.Context, n store.Session) error {
	return s.do(ctx, s.usual, "renew_session", func(ctx context.Context) error { return s.inner.RenewSession(ctx, n) })
}

// Session implements store.Store.
func (s *Store) Session(ctx context.Context, issuer, id string) (store.Session, error) {
	return find(ctx, s, s.usual, "session", func(ctx context.Context) (store.Session, error) { return s.inner.Session(ctx, issuer, id) })
}

// EndSession implements store.Store.
func (s *Store) EndSession(ctx context.Context, issuer, id string) error {
	return s.do(ctx, s.away, "end_session", func(ctx context.Context) error { return s.inner.EndSession(ctx, issuer, id) })
}

// Redeem implements store.Store.
func (s *Store) Redeem(ctx context.Context, g store.Grant) error {
	return s.do(ctx, s.usual, "redeem", func(ctx context.Context) error { return s.inner.Redeem(ctx, g) })
}

// Grant implements store.Store.
func (s *Store) Grant(ctx context.Context, issuer, id string) (store.Grant, error) {
	return find(ctx, s, s.usual, "grant", func(ctx context.Context) (store.Grant, error) { return s.inner.Grant(ctx, issuer, id) })
}

// Advance implements store.Store.
func (s *Store) Advance(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error) {
	return find(ctx, s, s.usual, "advance", func(ctx context.Context) (store.Grant, error) {
		return s.inner.Advance(ctx, issuer, id, from, now)
	})
}

// Revoke implements store.Store.
func (s *Store) Revoke(ctx context.Context, issuer, id string) error {
	// Its callers see to it that it does not end with the request, so it ends here.
	ctx, cancel := context.WithTimeout(ctx, revocations*s.timeout)
	defer cancel()
	var err error
	for i := range revocations {
		if i > 0 && !pause(ctx, breather<<(i-1)) {
			break
		}
		err = s.do(ctx, s.away, "revoke", func(ctx context.Context) error { return s.inner.Revoke(ctx, issuer, id) })
		if err == nil {
			break
		}
	}
	return err
}

// SessionGrants implements store.Store. It is for when a session ends, so it goes where
// that goes.
func (s *Store) SessionGrants(ctx context.Context, issuer, sessionID string) ([]store.Grant, error) {
	return find(ctx, s, s.away, "session_grants", func(ctx context.Context) ([]store.Grant, error) {
		return s.inner.SessionGrants(ctx, issuer, sessionID)
	})
}

// Spend implements store.Store.
func (s *Store) Spend(ctx context.Context, issuer, id string, until time.Time) error {
	return s.do(ctx, s.usual, "spend", func(ctx context.Context) error { return s.inner.Spend(ctx, issuer, id, until) })
}

// Allow implements store.Store.
func (s *Store) Allow(ctx context.Context, c store.Consent) error {
	return s.do(ctx, s.usual, "allow", func(ctx context.Context) error { return s.inner.Allow(ctx, c) })
}

// Consent implements store.Store.
func (s *Store) Consent(ctx context.Context, issuer, subject, clientID string) (store.Consent, error) {
	return find(ctx, s, s.usual, "consent", func(ctx context.Context) (store.Consent, error) {
		return s.inner.Consent(ctx, issuer, subject, clientID)
	})
}

// Forget implements store.Store.
func (s *Store) Forget(ctx context.Context, issuer, subject, clientID string) error {
	return s.do(ctx, s.away, "forget", func(ctx context.Context) error { return s.inner.Forget(ctx, issuer, subject, clientID) })
}

// pause reports whether ctx is still there after a while.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
