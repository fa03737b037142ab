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
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/storetest"
)

var errConflict = errors.New("conflict")

// shelfSabotage is a mistake that somebody might make in a durable store with several
// replicas, and the checks that must see it.
type shelfSabotage struct {
	name     string
	seenBy   []string
	modelToo bool
	do       func(b *brokenShelf, clock *storetest.Clock)
}

func allShelfSabotages() []shelfSabotage {
	return slices.Concat(shelfSabotages, renewSabotages, ofSessionSabotages, spendSabotages)
}

var shelfSabotages = []shelfSabotage{
	{"replicas remember grants", []string{"Advance/Counts", "Sweep/AfterCodeEnd"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		var seen sync.Map
		b.grant = func(ctx context.Context, issuer, id string) (store.Grant, error) {
			if g, ok := seen.Load(name{issuer, id}); ok {
				return g.(store.Grant), nil
			}
			g, err := b.Store.Grant(ctx, issuer, id)
			if err == nil {
				seen.Store(name{issuer, id}, g)
			}
			return g, err
		}
	}},
	{"replicas remember sessions", []string{"Session/IssuersAreSeparate"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		var seen sync.Map
		b.session = func(ctx context.Context, issuer, id string) (store.Session, error) {
			if s, ok := seen.Load(name{issuer, id}); ok {
				return s.(store.Session), nil
			}
			s, err := b.Store.Session(ctx, issuer, id)
			if err == nil {
				seen.Store(name{issuer, id}, s)
			}
			return s, err
		}
	}},
	{"advance reads before it writes", []string{"Advance/OneOfACrowd", "Advance/ChainOfACrowd"}, false, blindAdvance},
	{"advance brings back what has ended", []string{"Revoke/AgainstAdvance", "ByHand/AgainstAdvance"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		meet := meeting()
		b.advance = func(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error) {
			g, err := b.Store.Advance(ctx, issuer, id, from, now)
			if err == nil {
				meet()
				b.put(&kept{Grant: g})
			}
			return g, err
		}
	}},
	{"revoking deletes, then buries", []string{"Revoke/AgainstRedeem"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		meet := meeting()
		b.revoke = func(_ context.Context, issuer, id string) error {
			if g := b.take(issuer, id); g != nil {
				meet()
				b.put(&kept{Grant: g.Grant, revoked: true})
			}
			return nil
		}
	}},
	{"revoking does nothing", []string{"Redeem/ReplayRevokes", "Revoke/AfterCodeEnd"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.revoke = func(context.Context, string, string) error { return nil }
	}},
	{"what it does not know it calls revoked", []string{"Redeem/UnknownGrant"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.grant = func(ctx context.Context, issuer, id string) (store.Grant, error) {
			g, err := b.Store.Grant(ctx, issuer, id)
			if errors.Is(err, store.ErrNotFound) && b.get(issuer, id) == nil {
				err = store.ErrRevoked
			}
			return g, err
		}
	}},
	{"a grant that has ended makes room", []string{"Redeem/SpentOutlivesGrant"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error {
			if old := b.get(g.Issuer, g.ID); old != nil && !clock.Now().Before(old.ExpiresAt) {
				b.take(g.Issuer, g.ID)
			}
			return b.Store.Redeem(ctx, g)
		}
	}},
	{"a write forgets what ends soon", []string{"Redeem/ManyEndLivingStay"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error {
			b.mu.Lock()
			b.shelf.sweep(1000, clock.Now().Add(time.Hour))
			b.mu.Unlock()
			return b.Store.Redeem(ctx, g)
		}
	}},
	{"only one can revoke", []string{"Revoke/OfACrowd", "Revoke/Twice", "ByHand/OfACrowd"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.revoke = func(ctx context.Context, issuer, id string) error {
			if _, err := b.Store.Grant(ctx, issuer, id); errors.Is(err, store.ErrRevoked) {
				return errConflict
			}
			return b.Store.Revoke(ctx, issuer, id)
		}
	}},
	{"only one can end a session", []string{"Session/EndOfACrowd"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.end = func(ctx context.Context, issuer, id string) error {
			if _, err := b.Store.Session(ctx, issuer, id); err != nil {
				return errConflict
			}
			return b.Store.EndSession(ctx, issuer, id)
		}
	}},
	{"the last of a crowd gets the session", []string{"Session/OneOfACrowd"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		b.create = func(ctx context.Context, s store.Session) error {
			err := b.Store.CreateSession(ctx, s)
			if err != nil {
				return errors.Join(err, b.Store.EndSession(ctx, s.Issuer, s.ID), b.Store.CreateSession(ctx, s))
			}
			return nil
		}
	}},
	{"a session that has ended comes back", []string{"Session/ManyEndLivingStay"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		var last sync.Map
		b.end = func(ctx context.Context, issuer, id string) error {
			if s, err := b.Store.Session(ctx, issuer, id); err == nil {
				last.Store(issuer, s)
			}
			return b.Store.EndSession(ctx, issuer, id)
		}
		b.create = func(ctx context.Context, s store.Session) error {
			if old, ok := last.LoadAndDelete(s.Issuer); ok {
				_ = b.Store.CreateSession(ctx, old.(store.Session))
			}
			return b.Store.CreateSession(ctx, s)
		}
	}},
	{"only one can take a consent back", []string{"Consent/ForgetOfACrowd", "Consent/Forget"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.forget = func(ctx context.Context, issuer, subject, clientID string) error {
			if _, err := b.Store.Consent(ctx, issuer, subject, clientID); err != nil {
				return errConflict
			}
			return b.Store.Forget(ctx, issuer, subject, clientID)
		}
	}},
	{"allowing and forgetting are in each other's way", []string{"Consent/ForgetAgainstAllow"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		var busy sync.Mutex
		meet := meeting()
		b.allow = func(ctx context.Context, c store.Consent) error {
			if busy.TryLock() {
				defer busy.Unlock()
				meet()
			}
			return b.Store.Allow(ctx, c)
		}
		b.forget = func(ctx context.Context, issuer, subject, clientID string) error {
			if !busy.TryLock() {
				return errConflict
			}
			defer busy.Unlock()
			return b.Store.Forget(ctx, issuer, subject, clientID)
		}
	}},
	{"scopes are added to whatever is there", []string{"Consent/UIDsOfACrowdAreNotMixed"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		var calls atomic.Int64
		b.allow = func(ctx context.Context, c store.Consent) error {
			if now, err := b.Store.Consent(ctx, c.Issuer, c.Subject, c.ClientID); err == nil && calls.Add(1) > 5 {
				c.Scopes = slices.Concat(now.Scopes, c.Scopes)
			}
			return b.Store.Allow(ctx, c)
		}
	}},
	{"consents share their scopes", []string{"Consent/CopiesScopes"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		var shared sync.Map
		b.allow = func(ctx context.Context, c store.Consent) error {
			shared.Store(c.Subject, c.Scopes)
			return b.Store.Allow(ctx, c)
		}
		b.consent = func(ctx context.Context, issuer, subject, clientID string) (store.Consent, error) {
			c, err := b.Store.Consent(ctx, issuer, subject, clientID)
			if scopes, ok := shared.Load(subject); ok {
				c.Scopes = scopes.([]string)
			}
			return c, err
		}
	}},
	{"consents forget the person", []string{"Consent/Merges"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.allow = func(ctx context.Context, c store.Consent) error {
			c.PersonID = ""
			return b.Store.Allow(ctx, c)
		}
	}},
	{"sessions forget the person", []string{"Session/KeepsEveryField"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.create = func(ctx context.Context, s store.Session) error {
			s.PersonID = ""
			return b.Store.CreateSession(ctx, s)
		}
	}},
	{"a crash loses sessions", []string{"Restart/WhatIsDurableStays"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.afterCrash(func() { clear(b.sessions) })
	}},
	{"a crash loses grants", []string{"Restart/SpentStaysSpent"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.afterCrash(func() { clear(b.grants) })
	}},
	{"a crash loses tombstones", []string{"Restart/RevokedStaysRevoked", "ByHand/AfterRestart"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.afterCrash(func() { maps.DeleteFunc(b.grants, func(_ name, g *kept) bool { return g.revoked }) })
	}},
	{"a durable store refuses codes from before", []string{"Restart/FreshCode"}, false, func(b *brokenShelf, clock *storetest.Clock) {
		started := clock.Now()
		b.redeem = func(ctx context.Context, g store.Grant) error {
			if g.IssuedAt.Before(started) {
				return store.ErrSpent
			}
			return b.Store.Redeem(ctx, g)
		}
	}},
	{"what an administrator deletes is gone", []string{"ByHand/CodeStaysSpent", "Sweep/TombstoneStays"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.deleteByHand = func(issuer, id string) error { b.take(issuer, id); return nil }
	}},
	{"an administrator deletes in vain later", []string{"ByHand/AfterCodeEnd"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.deleteByHand = func(issuer, id string) error {
			if g := b.get(issuer, id); g != nil && clock.Now().Before(g.CodeExpiresAt) {
				b.shelf.deleteByHand(issuer, id)
			}
			return nil
		}
	}},
	{"deleting nothing leaves a tombstone", []string{"ByHand/Nothing"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.deleteByHand = func(issuer, id string) error {
			b.shelf.deleteByHand(issuer, id)
			if b.get(issuer, id) == nil {
				end := clock.Now().Add(time.Hour)
				b.put(&kept{Grant: store.Grant{Issuer: issuer, ID: id, CodeExpiresAt: end, ExpiresAt: end}, revoked: true})
			}
			return nil
		}
	}},
	{"it does not sweep", []string{"Sweep/NothingRemains", "Sweep/Nothing"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		b.sweep = func(context.Context, int) (store.Swept, error) { return store.Swept{}, nil }
	}},
	{"a sweep fails", []string{"Sweep/Pages"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.sweep = func(context.Context, int) (store.Swept, error) { return store.Swept{}, errConflict }
	}},
	{"a sweep takes no pages", []string{"Sweep/Pages"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		sweep := b.sweep
		b.sweep = func(ctx context.Context, page int) (store.Swept, error) { return sweep(ctx, 10*page) }
	}},
	{"a sweep is never done", []string{"Sweep/Nothing"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		sweep := b.sweep
		b.sweep = func(ctx context.Context, page int) (store.Swept, error) {
			swept, err := sweep(ctx, page)
			swept.More = true
			return swept, err
		}
	}},
	{"a sweep is done too early", []string{"Sweep/Pages", "Sweep/NothingRemains"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		sweep := b.sweep
		b.sweep = func(ctx context.Context, page int) (store.Swept, error) {
			swept, err := sweep(ctx, page)
			swept.More = false
			return swept, err
		}
	}},
	{"a sweep takes consents", []string{"Sweep/Nothing"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.sweeping(func() { clear(b.consents) })
	}},
	{"a sweep takes whatever ends within the hour", []string{"Sweep/LivingStay"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.sweeping(func() { b.shelf.sweep(1000, clock.Now().Add(time.Hour)) })
	}},
	{"a sweep trusts its clock with records", []string{"Sweep/NotBeforeSkew"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.sweeping(func() {
			maps.DeleteFunc(b.grants, func(_ name, g *kept) bool {
				return !clock.Now().Before(g.ExpiresAt) && !clock.Now().Before(g.CodeExpiresAt.Add(store.Skew))
			})
		})
	}},
	{"a sweep trusts its clock with tombstones", []string{"Sweep/TombstoneStays"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.sweeping(func() {
			maps.DeleteFunc(b.grants, func(_ name, g *kept) bool { return g.revoked && !clock.Now().Before(g.CodeExpiresAt) })
		})
	}},
	{"a sweep forgets those who are late", []string{"Sweep/TombstoneStays"}, false, func(b *brokenShelf, clock *storetest.Clock) {
		b.sweeping(func() {
			maps.DeleteFunc(b.grants, func(_ name, g *kept) bool { return g.revoked && !clock.Now().Before(g.CodeExpiresAt.Add(store.Skew)) })
		})
	}},
	{"a sweep takes what is spent and short", []string{"Sweep/TombstoneStays"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.sweeping(func() {
			maps.DeleteFunc(b.grants, func(_ name, g *kept) bool { return !clock.Now().Before(g.ExpiresAt.Add(store.Skew)) })
		})
	}},
	{"a sweep takes codes at their last moment", []string{"Sweep/AgainstRedeem"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.sweeping(func() {
			maps.DeleteFunc(b.grants, func(_ name, g *kept) bool { return clock.Now().After(g.CodeExpiresAt.Add(-time.Second)) })
		})
	}},
	{"a sweep writes back what it has read", []string{"Sweep/OfACrowd"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		meet, sweep := meeting(), b.sweep
		b.sweep = func(ctx context.Context, page int) (store.Swept, error) {
			b.mu.Lock()
			before := maps.Clone(b.grants)
			b.mu.Unlock()
			meet()
			b.mu.Lock()
			b.grants = before
			b.mu.Unlock()
			return sweep(ctx, page)
		}
	}},
	{"old codes are taken", []string{"Sweep/SweptCodeIsSpent"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error {
			if !clock.Now().Before(g.CodeExpiresAt) {
				g.CodeExpiresAt = clock.Now().Add(time.Minute)
			}
			return b.Store.Redeem(ctx, g)
		}
	}},
	{"verbs outlive their callers", []string{"Crowd/EndedContext", "Crowd/EndedContextOfPeople"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error { return b.Store.Redeem(context.WithoutCancel(ctx), g) }
		b.create = func(ctx context.Context, s store.Session) error {
			return b.Store.CreateSession(context.WithoutCancel(ctx), s)
		}
	}},
	{"answers of a crowd are mixed up", []string{"Crowd/EveryoneHasTheirOwnAnswer"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		swap := swapping()
		b.redeem = func(ctx context.Context, g store.Grant) error { return swap(b.Store.Redeem(ctx, g)) }
	}},
	{"who gives up takes others along", []string{"Crowd/SomeGiveUp"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		swap := swapping()
		b.redeem = func(ctx context.Context, g store.Grant) error {
			err := b.Store.Redeem(ctx, g)
			if other := swap(err); errors.Is(other, context.Canceled) {
				return other
			}
			return err
		}
	}},
	{"names are put together and lowered", []string{"Values/CloseNames"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error {
			if _, err := b.Store.Grant(ctx, strings.ToLower(g.Issuer+"-"+g.ID), ""); err == nil {
				return store.ErrSpent
			}
			mark := g
			mark.Issuer, mark.ID = strings.ToLower(g.Issuer+"-"+g.ID), ""
			return errors.Join(b.Store.Redeem(ctx, g), b.Store.Redeem(ctx, mark))
		}
	}},
	{"text is trimmed", []string{"Values/AnyText"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error {
			g.PersonID = strings.TrimSpace(g.PersonID)
			return b.Store.Redeem(ctx, g)
		}
	}},
	{"there must be scopes", []string{"Values/NoScopes"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error {
			if len(g.Scopes) == 0 {
				return errors.New("scopes: Required value")
			}
			return b.Store.Redeem(ctx, g)
		}
	}},
	{"times are rounded", []string{"Values/FinerTimesAreCutOff"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error {
			g.ExpiresAt = g.ExpiresAt.Round(time.Microsecond)
			return b.Store.Redeem(ctx, g)
		}
	}},
	{"times have no fractions", []string{"Redeem/KeepsEveryField", "Session/Expires"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.redeem = func(ctx context.Context, g store.Grant) error {
			g.ExpiresAt = g.ExpiresAt.Truncate(time.Second)
			return b.Store.Redeem(ctx, g)
		}
		b.create = func(ctx context.Context, s store.Session) error {
			s.ExpiresAt = s.ExpiresAt.Truncate(time.Second)
			return b.Store.CreateSession(ctx, s)
		}
	}},
}

// blindAdvance reads, compares and writes in steps of their own.
func blindAdvance(b *brokenShelf, _ *storetest.Clock) {
	meet := meeting()
	b.advance = func(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error) {
		g, err := b.Store.Grant(ctx, issuer, id)
		if err != nil {
			return g, err
		}
		if g.Counter != from {
			return g, store.ErrReused
		}
		meet()
		g.Counter, g.AdvancedAt = from+1, now
		b.put(&kept{Grant: g})
		return g, nil
	}
}

// afterCrash does damage when a store is opened by a new process.
func (s *shelf) afterCrash(damage func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reopened {
		damage()
	}
}

// sweeping does damage at every sweep.
func (b *brokenShelf) sweeping(damage func()) {
	sweep := b.sweep
	b.sweep = func(ctx context.Context, page int) (store.Swept, error) {
		b.mu.Lock()
		damage()
		b.mu.Unlock()
		return sweep(ctx, page)
	}
}

// swapping lets two goroutines that are in a verb at the same time have each other's
// error.
func swapping() func(error) error {
	waiting := make(chan error)
	return func(mine error) error {
		select {
		case waiting <- mine:
			return mine
		case others := <-waiting:
			return others
		case <-time.After(time.Millisecond):
			return mine
		}
	}
}

// TestFailures_BrokenShelves: each mistake must be seen.
func TestFailures_BrokenShelves(t *testing.T) {
	for _, s := range allShelfSabotages() {
		t.Run(s.name, func(t *testing.T) {
			b := durable(s.do)
			if !s.modelToo {
				b.Steps = 1
			}
			failed := storetest.Failures(t, b)
			seenBy := s.seenBy
			if s.modelToo {
				seenBy = append(slices.Clone(seenBy), "Model")
			}
			for _, name := range seenBy {
				if failed[name] == nil && !failsSometimes(t, b, name) {
					t.Errorf("%s passes, want a failure; these fail: %v", name, slices.Sorted(maps.Keys(failed)))
				}
			}
		})
	}
}

// failsSometimes tries a check again: where the mistake is in what happens at the same
// time, a busy machine may have let one thing happen after the other.
func failsSometimes(t *testing.T, b storetest.Backend, name string) bool {
	for range 20 {
		if storetest.Failures(t, b, name)[name] != nil {
			return true
		}
	}
	return false
}

// TestFailures_EveryCheckCanFail: there is a mistake for every check.
func TestFailures_EveryCheckCanFail(t *testing.T) {
	seen := map[string]bool{"Sweep/DurableStoresSweep": true} // TestFailures_DurableStoreSweeps
	for _, s := range sabotages {
		seen[s.seenBy] = true
	}
	for _, s := range allShelfSabotages() {
		for _, name := range s.seenBy {
			seen[name] = true
		}
	}
	for _, name := range storetest.Names() {
		if name != "Model" && !seen[name] {
			t.Errorf("no broken store shows that %s can fail", name)
		}
	}
}

// TestFailures_DurableStoreSweeps: a durable store that never forgets is seen.
func TestFailures_DurableStoreSweeps(t *testing.T) {
	b := backend(func(*broken, *storetest.Clock) {})
	b.Durable, b.Steps = true, 1
	if storetest.Failures(t, b)["Sweep/DurableStoresSweep"] == nil {
		t.Error("Sweep/DurableStoresSweep passes, want a failure")
	}
}
