// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Backend{
		Open: func(_ testing.TB, clock *storetest.Clock) store.Store { return New(clock.Now) },
		Reopen: func(_ testing.TB, clock *storetest.Clock, _ store.Store) store.Store {
			return New(clock.Now)
		},
		Steps: 20000,
	})
}

// TestStore_MemoryIsBounded lets sessions and grants come and go for days: what is
// kept must follow what lives.
func TestStore_MemoryIsBounded(t *testing.T) {
	clock := storetest.NewClock()
	s := New(clock.Now)
	const perHour, hours, life = 100, 72, 4
	for i := range perHour * hours {
		now := clock.Now()
		err := errors.Join(
			s.CreateSession(t.Context(), store.Session{ID: fmt.Sprint(i), ExpiresAt: now.Add(life * time.Hour)}),
			s.Redeem(t.Context(), store.Grant{
				ID: fmt.Sprint(i), IssuedAt: now, CodeExpiresAt: now.Add(time.Minute), ExpiresAt: now.Add(life * time.Hour),
			}),
		)
		if i%2 == 0 {
			err = errors.Join(err, s.Revoke(t.Context(), "", fmt.Sprint(i)))
		}
		if i%3 == 0 {
			err = errors.Join(err, s.EndSession(t.Context(), "", fmt.Sprint(i)))
		}
		if err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Hour / perHour)
	}
	if got, want := len(s.grants.records), perHour*life+1; got > want {
		t.Errorf("%d grants are kept, want at most %d", got, want)
	}
	if got, want := len(s.sessions.records), perHour*life+1; got > want {
		t.Errorf("%d sessions are kept, want at most %d", got, want)
	}
	if got, want := len(s.sessions.queue), len(s.sessions.records); got != want {
		t.Errorf("%d sessions are in the queue, want %d", got, want)
	}
}

// TestStore_SweepIsAmortised ends very many records at one moment: no single write
// may pay for all of them, and the backlog must be gone after as many writes.
func TestStore_SweepIsAmortised(t *testing.T) {
	clock := storetest.NewClock()
	s := New(clock.Now)
	const n = 8000
	create := func(id string) {
		err := s.CreateSession(t.Context(), store.Session{ID: id, ExpiresAt: clock.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		create(fmt.Sprint("early ", i))
	}
	clock.Advance(time.Hour)
	for i := range n / sweepSize {
		before := len(s.sessions.records)
		create(fmt.Sprint("late ", i))
		if got, want := before-len(s.sessions.records), sweepSize-1; got > want {
			t.Fatalf("a write forgot %d records on balance, want at most %d", got, want)
		}
	}
	if got, want := len(s.sessions.records), n/sweepSize; got != want {
		t.Errorf("%d sessions are kept, want the %d that live", got, want)
	}
}

// TestStore_TombstoneHoldsNoPerson: revoking takes the person out of memory, too.
func TestStore_TombstoneHoldsNoPerson(t *testing.T) {
	clock := storetest.NewClock()
	s := New(clock.Now)
	now := clock.Now()
	g := store.Grant{
		ID: "code", Issuer: "default", Subject: "subject", PersonID: "ann", Scopes: []string{"openid"},
		IssuedAt: now, CodeExpiresAt: now.Add(time.Minute), ExpiresAt: now.Add(time.Hour),
	}
	if err := errors.Join(s.Redeem(t.Context(), g), s.Revoke(t.Context(), "default", "code")); err != nil {
		t.Fatal(err)
	}
	r := s.grants.records[key{"default", "code"}]
	if r == nil || r.value.PersonID != "" || r.value.Subject != "" || r.value.Scopes != nil {
		t.Errorf("tombstone = %+v, want no person in it", r)
	}
}

// TestNew_RealClock: without a clock it is time.Now.
func TestNew_RealClock(t *testing.T) {
	s := New(nil)
	now := time.Now()
	g := store.Grant{ID: "code", IssuedAt: now, CodeExpiresAt: now.Add(time.Minute), ExpiresAt: now.Add(time.Hour)}
	if err := s.Redeem(t.Context(), g); err != nil {
		t.Errorf("Redeem = %v, want success", err)
	}
	g.ID, g.IssuedAt = "old", now.Add(-time.Second)
	if err := s.Redeem(t.Context(), g); !errors.Is(err, store.ErrSpent) {
		t.Errorf("Redeem of a code issued before the start = %v, want ErrSpent", err)
	}
}

func benchmarkGrant(now time.Time) store.Grant {
	return store.Grant{
		Issuer: "default", ClientID: "docs.wiki", ClientUID: "uid", Subject: "subject", PersonID: "ann",
		Scopes: []string{"openid", "profile", "email"}, IssuedAt: now,
		CodeExpiresAt: now.Add(time.Minute), ExpiresAt: now.Add(time.Hour),
	}
}

func BenchmarkRedeem(b *testing.B) {
	s := New(nil)
	g := benchmarkGrant(time.Now())
	i := 0
	for b.Loop() {
		i++
		g.ID = fmt.Sprint(i)
		if i%1000 == 0 { // codes live for a minute, and a benchmark for longer
			g = benchmarkGrant(time.Now())
			g.ID = fmt.Sprint(i)
		}
		if err := s.Redeem(b.Context(), g); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAdvance(b *testing.B) {
	s := New(nil)
	now := time.Now()
	g := benchmarkGrant(now)
	g.ID = "code"
	if err := s.Redeem(b.Context(), g); err != nil {
		b.Fatal(err)
	}
	from := 0
	for b.Loop() {
		if _, err := s.Advance(b.Context(), "default", "code", from, now); err != nil {
			b.Fatal(err)
		}
		from++
	}
}

func BenchmarkSession(b *testing.B) {
	s := New(nil)
	if err := s.CreateSession(b.Context(), store.Session{ID: "session", ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
		b.Fatal(err)
	}
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := s.Session(b.Context(), "", "session"); err != nil {
				b.Error(err)
			}
		}
	})
}
