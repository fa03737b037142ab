// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package storetest is what every implementation of store.Store must pass: every
// verb and every error, who wins a race, the exact end of every record, and what a
// restart may and may not forget. A check returns an error instead of failing a
// test, so that the checks themselves can be tested on stores that are broken.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
)

// Backend opens the stores under test.
type Backend struct {
	// Open returns an empty store that reads the time from clock alone.
	Open func(t testing.TB, clock *Clock) store.Store
	// Reopen returns the store as a new process finds it, after the one that had
	// opened old has died without a word. Others that are open on the same data go on.
	Reopen func(t testing.TB, clock *Clock, old store.Store) store.Store
	// Another returns a second store on the same data, as another replica has one. All
	// checks are then run with any step on any of several. It is nil where every store
	// has its own data.
	Another func(t testing.TB, clock *Clock, first store.Store) store.Store
	// DeleteByHand deletes the record of a grant, or nothing if there is none, as an
	// administrator does that goes around the store. It is nil where nobody can.
	DeleteByHand func(t testing.TB, s store.Store, issuer, id string) error
	// Count returns how many records of sessions, grants and what was spent are kept,
	// tombstones and what is over included. It is nil where nobody can tell.
	Count func(t testing.TB, s store.Store) int
	// Durable says that Reopen brings everything back. Other stores may have
	// forgotten everything, but honour no code that was issued before.
	Durable bool
	// Steps is how many random operations are tried against the model; 0 means 5000. A
	// slow store may choose fewer.
	Steps int
	// Seed begins the random operations; 0 means a new one for each run.
	Seed uint64
}

// Run runs all checks as subtests.
func Run(t *testing.T, b Backend) {
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			if err := c.run(t.Context(), newFixture(t, b)); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("Model", func(t *testing.T) {
		if err := runModel(t, b); err != nil {
			t.Error(err)
		}
	})
}

// check is one thing that must hold of a store.
type check struct {
	name string
	run  func(ctx context.Context, f *fixture) error
}

func checks() []check {
	return slices.Concat(redeemChecks, advanceChecks, revokeChecks, sessionChecks, renewChecks, sessionGrantsChecks,
		spendChecks, consentChecks, restartChecks, sweepChecks, byHandChecks, crowdChecks, valueChecks)
}

// Names are those of all checks, and the model's.
func Names() []string {
	names := []string{"Model"}
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// Failures runs the checks of these names, or all without any, and returns the errors of
// those that fail, by name.
func Failures(t testing.TB, b Backend, only ...string) map[string]error {
	if len(only) == 0 {
		only = Names()
	}
	failed := map[string]error{}
	for _, c := range checks() {
		if !slices.Contains(only, c.name) {
			continue
		}
		if err := c.run(t.Context(), newFixture(t, b)); err != nil {
			failed[c.name] = err
		}
	}
	if !slices.Contains(only, "Model") {
		return failed
	}
	if err := runModel(t, b); err != nil {
		failed["Model"] = err
	}
	return failed
}

// Clock stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a Clock at a moment with microseconds, which every store keeps.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 3, 1, 12, 0, 0, int(123456*time.Microsecond), time.UTC)}
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set moves the clock.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// Advance moves the clock on by d.
func (c *Clock) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }

const (
	issuer  = "default"
	other   = "other"
	crowd   = 100 // goroutines in a race
	justNot = time.Microsecond
	// patience is how often something is tried that a good store does at once.
	patience = 1000

	codeLife    = time.Minute
	grantLife   = time.Hour
	sessionLife = 8 * time.Hour
)

// fixture is an empty store, and what checks say about stores. Its verbs go to one
// replica after the other.
type fixture struct {
	*replicas

	t       testing.TB // only for the backend
	backend Backend
	clock   *Clock
}

func newFixture(t testing.TB, b Backend) *fixture {
	clock := NewClock()
	first := b.Open(t, clock)
	f := &fixture{replicas: &replicas{all: []store.Store{first}}, t: t, backend: b, clock: clock}
	for b.Another != nil && len(f.all) < 3 {
		f.all = append(f.all, b.Another(t, clock, first))
	}
	return f
}

// restart lets a second pass and replaces every replica by what a new process sees.
func (f *fixture) restart() {
	f.clock.Advance(time.Second)
	for i := range f.all {
		f.restartOne(i)
	}
}

func (f *fixture) restartOne(i int) {
	i %= len(f.all)
	f.all[i] = f.backend.Reopen(f.t, f.clock, f.all[i])
}

// deleteByHand goes around the store.
func (f *fixture) deleteByHand(issuer, id string) error {
	if err := f.backend.DeleteByHand(f.t, f.any(), issuer, id); err != nil {
		return fail("DeleteByHand(%q, %q) = %v, want success", issuer, id, err)
	}
	return nil
}

// grant is one for a code that is issued now, with every field set.
func (f *fixture) grant(id string) store.Grant {
	now := f.clock.Now()
	return store.Grant{
		ID: id, Issuer: issuer, ClientID: "docs.wiki", ClientUID: "uid-1",
		Subject: "subject of " + id, Provider: "staff", PersonID: "person of " + id,
		SessionID: "session of " + id, Scopes: []string{"openid", "profile"}, AuthTime: now.Add(-time.Minute), AdvancedAt: now, IssuedAt: now,
		CodeExpiresAt: now.Add(codeLife), ExpiresAt: now.Add(grantLife),
	}
}

// redeemed redeems g and returns it.
func (f *fixture) redeemed(ctx context.Context, g store.Grant) (store.Grant, error) {
	if err := f.Redeem(ctx, g); err != nil {
		return g, fail("Redeem(%q) = %v, want success", g.ID, err)
	}
	return g, nil
}

// wantGrant compares what Grant returns, on every replica.
func (f *fixture) wantGrant(ctx context.Context, want store.Grant) error {
	var errs []error
	for _, s := range f.all {
		got, err := s.Grant(ctx, want.Issuer, want.ID)
		if err != nil {
			errs = append(errs, fail("Grant(%q, %q) = %v, want the grant", want.Issuer, want.ID, err))
			continue
		}
		errs = append(errs, sameGrant("Grant", got, want))
	}
	return errors.Join(errs...)
}

// wantNoGrant is for a grant that everyone must be refused, for one of the given
// reasons, on every replica.
func (f *fixture) wantNoGrant(ctx context.Context, g store.Grant, reasons ...error) error {
	var errs []error
	for _, s := range f.all {
		_, err := s.Grant(ctx, g.Issuer, g.ID)
		_, advanced := s.Advance(ctx, g.Issuer, g.ID, g.Counter, f.clock.Now())
		errs = append(errs, wantError("Grant", err, reasons...), wantError("Advance", advanced, reasons...))
	}
	return errors.Join(errs...)
}

// failure is a difference between what a store does and what it should do.
type failure string

func (f failure) Error() string { return string(f) }

func fail(format string, args ...any) error { return failure(fmt.Sprintf(format, args...)) }

// wantError compares err with the errors that are allowed; nil is one, too.
func wantError(verb string, got error, want ...error) error {
	if slices.ContainsFunc(want, func(w error) bool { return errors.Is(got, w) }) {
		return nil
	}
	return fail("%s = %v, want %v", verb, got, want)
}

func sameGrant(verb string, got, want store.Grant) error {
	if describeGrant(got) != describeGrant(want) {
		return fail("%s = %s, want %s", verb, describeGrant(got), describeGrant(want))
	}
	return nil
}

// describeGrant is the same for two grants that mean the same: times in any zone,
// and no scopes or an empty list of them.
func describeGrant(g store.Grant) string {
	times := []time.Time{g.AuthTime, g.AdvancedAt, g.IssuedAt, g.CodeExpiresAt, g.ExpiresAt}
	g.AuthTime, g.AdvancedAt, g.IssuedAt, g.CodeExpiresAt, g.ExpiresAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return fmt.Sprintf("%+v %s", g, describeTimes(times...))
}

func describeTimes(times ...time.Time) string {
	var out []string
	for _, t := range times {
		if t.IsZero() {
			out = append(out, "-")
			continue
		}
		out = append(out, t.UTC().Format(time.RFC3339Nano))
	}
	return fmt.Sprint(out)
}

func describeSession(s store.Session) string {
	times := []time.Time{s.AuthTime, s.ExpiresAt}
	s.AuthTime, s.ExpiresAt = time.Time{}, time.Time{}
	return fmt.Sprintf("%+v %s", s, describeTimes(times...))
}

// describeConsent is the same for two consents with the scopes in any order.
func describeConsent(c store.Consent) string {
	given := c.GivenAt
	c.GivenAt, c.Scopes = time.Time{}, slices.Sorted(slices.Values(c.Scopes))
	return fmt.Sprintf("%+v %s", c, describeTimes(given))
}

// race runs f in a crowd of goroutines that start together, and returns what each
// one returned.
func race(f func(i int) error) []error {
	errs := make([]error, crowd)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	all.Wait()
	return errs
}

// oneWinner checks that exactly one of a crowd got no error, and all others lost.
func oneWinner(verb string, errs []error, lost error) error {
	winners := 0
	for _, err := range errs {
		if err == nil {
			winners++
		} else if lost != nil && !errors.Is(err, lost) {
			return fail("%s of a loser = %v, want %v", verb, err, lost)
		}
	}
	if winners != 1 {
		return fail("%s succeeded for %d of %d, want exactly 1", verb, winners, len(errs))
	}
	return nil
}
