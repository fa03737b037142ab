// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/memory"
	"github.com/clientele-dev/clientele/authserver/store/storetest"
)

// broken is a good store with one verb replaced.
type broken struct {
	store.Store

	redeem  func(ctx context.Context, g store.Grant) error
	grant   func(ctx context.Context, issuer, id string) (store.Grant, error)
	advance func(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error)
	revoke  func(ctx context.Context, issuer, id string) error
	create  func(ctx context.Context, s store.Session) error
	session func(ctx context.Context, issuer, id string) (store.Session, error)
	end     func(ctx context.Context, issuer, id string) error
	renew   func(ctx context.Context, s store.Session) error
	ofOne   func(ctx context.Context, issuer, sessionID string) ([]store.Grant, error)
	spend   func(ctx context.Context, issuer, id string, until time.Time) error
	allow   func(ctx context.Context, c store.Consent) error
	consent func(ctx context.Context, issuer, subject, clientID string) (store.Consent, error)
	forget  func(ctx context.Context, issuer, subject, clientID string) error
}

func (b *broken) Redeem(ctx context.Context, g store.Grant) error { return b.redeem(ctx, g) }

func (b *broken) Grant(ctx context.Context, issuer, id string) (store.Grant, error) {
	return b.grant(ctx, issuer, id)
}

func (b *broken) Advance(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error) {
	return b.advance(ctx, issuer, id, from, now)
}

func (b *broken) Revoke(ctx context.Context, issuer, id string) error {
	return b.revoke(ctx, issuer, id)
}

func (b *broken) CreateSession(ctx context.Context, s store.Session) error { return b.create(ctx, s) }

func (b *broken) Session(ctx context.Context, issuer, id string) (store.Session, error) {
	return b.session(ctx, issuer, id)
}

func (b *broken) EndSession(ctx context.Context, issuer, id string) error {
	return b.end(ctx, issuer, id)
}

func (b *broken) RenewSession(ctx context.Context, s store.Session) error { return b.renew(ctx, s) }

func (b *broken) SessionGrants(ctx context.Context, issuer, sessionID string) ([]store.Grant, error) {
	return b.ofOne(ctx, issuer, sessionID)
}

func (b *broken) Spend(ctx context.Context, issuer, id string, until time.Time) error {
	return b.spend(ctx, issuer, id, until)
}

func (b *broken) Allow(ctx context.Context, c store.Consent) error { return b.allow(ctx, c) }

func (b *broken) Consent(ctx context.Context, issuer, subject, clientID string) (store.Consent, error) {
	return b.consent(ctx, issuer, subject, clientID)
}

func (b *broken) Forget(ctx context.Context, issuer, subject, clientID string) error {
	return b.forget(ctx, issuer, subject, clientID)
}

func whole(s store.Store) *broken {
	return &broken{
		Store: s, redeem: s.Redeem, grant: s.Grant, advance: s.Advance, revoke: s.Revoke,
		create: s.CreateSession, session: s.Session, end: s.EndSession, renew: s.RenewSession,
		ofOne: s.SessionGrants, spend: s.Spend,
		allow: s.Allow, consent: s.Consent, forget: s.Forget,
	}
}

// backend opens memory stores that sabotage has changed.
func backend(sabotage func(b *broken, clock *storetest.Clock)) storetest.Backend {
	open := func(clock *storetest.Clock) store.Store {
		b := whole(memory.New(clock.Now))
		sabotage(b, clock)
		return b
	}
	return storetest.Backend{
		Open: func(_ testing.TB, clock *storetest.Clock) store.Store { return open(clock) },
		Reopen: func(_ testing.TB, clock *storetest.Clock, _ store.Store) store.Store {
			return open(clock)
		},
		Steps: 6000, Seed: 1,
	}
}

// sabotages are mistakes that somebody might make in a store, and a check that must
// see each. The model must see those that need no race.
var sabotages = []struct {
	name, seenBy string
	modelToo     bool
	do           func(b *broken, clock *storetest.Clock)
}{
	{"second redeem wins", "Redeem/Twice", true, func(b *broken, _ *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error {
			if err := b.Store.Redeem(ctx, g); !errors.Is(err, store.ErrSpent) {
				return err
			}
			return nil
		}
	}},
	{"redeem looks before it creates", "Redeem/OneOfACrowd", false, func(b *broken, _ *storetest.Clock) {
		meet := meeting()
		b.redeem = func(ctx context.Context, g store.Grant) error {
			_, err := b.Store.Grant(ctx, g.Issuer, g.ID)
			if err == nil || errors.Is(err, store.ErrRevoked) {
				return store.ErrSpent
			}
			meet()
			if err := b.Store.Redeem(ctx, g); !errors.Is(err, store.ErrSpent) || !b.young(g) {
				return err
			}
			return nil // overwritten
		}
	}},
	{"redeem after the code's end", "Redeem/CodeEnds", true, func(b *broken, _ *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error {
			g.CodeExpiresAt = g.ExpiresAt.Add(time.Hour)
			return b.Store.Redeem(ctx, g)
		}
	}},
	{"issuers share codes", "Redeem/IssuersAreSeparate", true, func(b *broken, _ *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error { g.Issuer = ""; return b.Store.Redeem(ctx, g) }
		b.grant = func(ctx context.Context, _, id string) (store.Grant, error) { return b.Store.Grant(ctx, "", id) }
		b.advance = func(ctx context.Context, _, id string, from int, now time.Time) (store.Grant, error) {
			return b.Store.Advance(ctx, "", id, from, now)
		}
		b.revoke = func(ctx context.Context, _, id string) error { return b.Store.Revoke(ctx, "", id) }
	}},
	{"a field is lost", "Redeem/KeepsEveryField", true, func(b *broken, _ *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error { g.Provider = ""; return b.Store.Redeem(ctx, g) }
	}},
	{"scopes are shared", "Redeem/CopiesScopes", false, func(b *broken, _ *storetest.Clock) {
		var kept sync.Map
		b.grant = func(ctx context.Context, issuer, id string) (store.Grant, error) {
			g, err := b.Store.Grant(ctx, issuer, id)
			first, _ := kept.LoadOrStore(issuer+"/"+id, g.Scopes)
			g.Scopes = first.([]string)
			return g, err
		}
	}},
	{"advance ignores the counter", "Advance/Reused", true, func(b *broken, _ *storetest.Clock) {
		b.advance = func(ctx context.Context, issuer, id string, _ int, now time.Time) (store.Grant, error) {
			g, err := b.Store.Grant(ctx, issuer, id)
			if err != nil {
				return g, err
			}
			return b.Store.Advance(ctx, issuer, id, g.Counter, now)
		}
	}},
	{"advance reads before it writes", "Advance/OneOfACrowd", false, func(b *broken, _ *storetest.Clock) {
		meet := meeting()
		b.advance = func(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error) {
			g, err := b.Store.Grant(ctx, issuer, id)
			if err == nil && g.Counter != from {
				return g, store.ErrReused
			}
			meet()
			g, err = b.Store.Advance(ctx, issuer, id, from, now)
			if errors.Is(err, store.ErrReused) {
				return g, nil // overwritten
			}
			return g, err
		}
	}},
	{"reuse comes without the grant", "Advance/Reused", true, func(b *broken, _ *storetest.Clock) {
		b.advance = func(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error) {
			g, err := b.Store.Advance(ctx, issuer, id, from, now)
			if errors.Is(err, store.ErrReused) {
				return store.Grant{}, err
			}
			return g, err
		}
	}},
	{"advance revives what has ended", "Advance/GrantEnds", true, func(b *broken, _ *storetest.Clock) {
		b.advance = func(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error) {
			g, err := b.Store.Advance(ctx, issuer, id, from, now)
			if errors.Is(err, store.ErrNotFound) && from > 0 {
				return store.Grant{ID: id, Issuer: issuer, Counter: from + 1}, nil
			}
			return g, err
		}
	}},
	{"revoke does nothing", "Revoke/ThenRedeem", true, func(b *broken, _ *storetest.Clock) {
		b.revoke = func(context.Context, string, string) error { return nil }
	}},
	{"revoke leaves no tombstone", "Revoke/ThenRedeem", true, func(b *broken, clock *storetest.Clock) {
		noTombstones(b, clock, 0)
	}},
	{"the tombstone is gone too early", "Revoke/StaysUntilCodeEnd", true, func(b *broken, clock *storetest.Clock) {
		noTombstones(b, clock, 2*time.Second)
	}},
	{"revoking nothing fails", "Revoke/NotRedeemed", true, func(b *broken, _ *storetest.Clock) {
		b.revoke = func(ctx context.Context, issuer, id string) error {
			if _, err := b.Store.Grant(ctx, issuer, id); errors.Is(err, store.ErrNotFound) {
				return err
			}
			return b.Store.Revoke(ctx, issuer, id)
		}
	}},
	{"a grant lives an instant too long", "Redeem/GrantEnds", true, func(b *broken, _ *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error {
			g.ExpiresAt = g.ExpiresAt.Add(1)
			return b.Store.Redeem(ctx, g)
		}
		b.grant = func(ctx context.Context, issuer, id string) (store.Grant, error) {
			g, err := b.Store.Grant(ctx, issuer, id)
			g.ExpiresAt = g.ExpiresAt.Add(-1)
			return g, err
		}
	}},
	{"a restart forgets what is spent", "Restart/SpentStaysSpent", true, func(b *broken, clock *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error {
			if clock.Now().Before(g.CodeExpiresAt) {
				g.IssuedAt = g.CodeExpiresAt // younger than any process
			}
			return b.Store.Redeem(ctx, g)
		}
	}},
	{"a session's ID is taken twice", "Session/IDIsTaken", true, func(b *broken, _ *storetest.Clock) {
		b.create = func(ctx context.Context, s store.Session) error {
			return errors.Join(b.Store.EndSession(ctx, s.Issuer, s.ID), b.Store.CreateSession(ctx, s))
		}
	}},
	{"sessions do not end", "Session/End", true, func(b *broken, _ *storetest.Clock) {
		b.end = func(context.Context, string, string) error { return nil }
	}},
	{"sessions do not expire", "Session/Expires", true, func(b *broken, _ *storetest.Clock) {
		var ends sync.Map
		b.create = func(ctx context.Context, s store.Session) error {
			ends.Store(s.Issuer+"/"+s.ID, s.ExpiresAt)
			s.ExpiresAt = s.ExpiresAt.Add(1000 * time.Hour)
			return b.Store.CreateSession(ctx, s)
		}
		b.session = func(ctx context.Context, issuer, id string) (store.Session, error) {
			s, err := b.Store.Session(ctx, issuer, id)
			if end, ok := ends.Load(issuer + "/" + id); ok {
				s.ExpiresAt = end.(time.Time)
			}
			return s, err
		}
	}},
	{"consent replaces", "Consent/Merges", true, func(b *broken, _ *storetest.Clock) {
		b.allow = func(ctx context.Context, c store.Consent) error {
			return errors.Join(b.Store.Forget(ctx, c.Issuer, c.Subject, c.ClientID), b.Store.Allow(ctx, c))
		}
	}},
	{"consent outlives the client", "Consent/OtherUIDForgets", true, func(b *broken, _ *storetest.Clock) {
		b.allow = func(ctx context.Context, c store.Consent) error {
			if old, err := b.Store.Consent(ctx, c.Issuer, c.Subject, c.ClientID); err == nil {
				c.Scopes = slices.Concat(old.Scopes, c.Scopes)
			}
			return b.Store.Allow(ctx, c)
		}
	}},
	{"consents of a crowd are lost", "Consent/NothingOfACrowdIsLost", false, func(b *broken, _ *storetest.Clock) {
		meet := meeting()
		b.allow = func(ctx context.Context, c store.Consent) error {
			old, err := b.Store.Consent(ctx, c.Issuer, c.Subject, c.ClientID)
			if err == nil && old.ClientUID == c.ClientUID {
				c.Scopes = slices.Concat(old.Scopes, c.Scopes)
			}
			meet()
			return errors.Join(b.Store.Forget(ctx, c.Issuer, c.Subject, c.ClientID), b.Store.Allow(ctx, c))
		}
	}},
	{"consent is not forgotten", "Consent/Forget", true, func(b *broken, _ *storetest.Clock) {
		b.forget = func(context.Context, string, string, string) error { return nil }
	}},
	{"people share consents", "Consent/KeysAreSeparate", true, func(b *broken, _ *storetest.Clock) {
		b.allow = func(ctx context.Context, c store.Consent) error {
			second := c
			second.Subject = map[string]string{"ann": "bob", "bob": "ann", "subject": "another subject"}[c.Subject]
			return errors.Join(b.Store.Allow(ctx, c), b.Store.Allow(ctx, second))
		}
	}},
}

// meeting lets two goroutines that are in a verb at the same time wait for each
// other, so that a race happens whenever it can. One that is alone goes on.
func meeting() func() {
	here := make(chan struct{})
	return func() {
		select {
		case here <- struct{}{}:
		case <-here:
		case <-time.After(time.Millisecond):
		}
	}
}

// young says that a code may still be presented, so that ErrSpent meant a race.
func (b *broken) young(g store.Grant) bool { return g.CodeExpiresAt.After(g.IssuedAt) }

// noTombstones is a store in which a revoked grant is gone after a time, so that
// its code works again.
func noTombstones(b *broken, clock *storetest.Clock, after time.Duration) {
	var mu sync.Mutex
	revoked, lives := map[string]time.Time{}, map[string]int{}
	// name is a new one in each life of the grant.
	name := func(issuer, id string) string {
		mu.Lock()
		defer mu.Unlock()
		k := issuer + "/" + id
		if at, ok := revoked[k]; ok && clock.Now().Sub(at) >= after {
			delete(revoked, k)
			lives[k]++
		}
		return id + strings.Repeat("'", lives[k])
	}
	b.redeem = func(ctx context.Context, g store.Grant) error {
		g.ID = name(g.Issuer, g.ID)
		return b.Store.Redeem(ctx, g)
	}
	b.grant = func(ctx context.Context, issuer, id string) (store.Grant, error) {
		g, err := b.Store.Grant(ctx, issuer, name(issuer, id))
		g.ID = strings.TrimRight(g.ID, "'")
		return g, err
	}
	b.advance = func(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error) {
		g, err := b.Store.Advance(ctx, issuer, name(issuer, id), from, now)
		g.ID = strings.TrimRight(g.ID, "'")
		return g, err
	}
	b.revoke = func(ctx context.Context, issuer, id string) error {
		err := b.Store.Revoke(ctx, issuer, name(issuer, id))
		mu.Lock()
		defer mu.Unlock()
		revoked[issuer+"/"+id] = clock.Now()
		return err
	}
}

// TestFailures_WholeStore: the wrapper alone breaks nothing.
func TestFailures_WholeStore(t *testing.T) {
	failed := storetest.Failures(t, backend(func(*broken, *storetest.Clock) {}))
	for name, err := range failed {
		t.Errorf("%s fails for a whole store: %v", name, err)
	}
}

// TestFailures_BrokenStores is the suite's own test: each mistake must be seen.
func TestFailures_BrokenStores(t *testing.T) {
	for _, s := range sabotages {
		t.Run(s.name, func(t *testing.T) {
			b := backend(s.do)
			if !s.modelToo {
				b.Steps = 1
			}
			failed := storetest.Failures(t, b)
			if failed[s.seenBy] == nil {
				t.Errorf("%s passes, want a failure; these fail: %v", s.seenBy, slices.Sorted(maps.Keys(failed)))
			}
			if s.modelToo && failed["Model"] == nil {
				t.Error("Model passes, want a failure")
			}
		})
	}
}

// TestFailures_ModelShrinks: a failing run must come out small, and repeatable.
func TestFailures_ModelShrinks(t *testing.T) {
	for _, s := range sabotages {
		if s.name != "revoke does nothing" {
			continue
		}
		err := storetest.Failures(t, backend(s.do))["Model"]
		if err == nil {
			t.Fatal("Model passes, want a failure")
		}
		if got, want := strings.Count(err.Error(), "\n\t"), 4; got != want { // issue, redeem, revoke, grant
			t.Errorf("the failing run has %d operations, want %d:\n%v", got, want, err)
		}
		if !strings.Contains(err.Error(), "seed 1,") {
			t.Errorf("the report has no seed: %v", err)
		}
	}
}
