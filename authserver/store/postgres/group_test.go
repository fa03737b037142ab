// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/storetest"
	"github.com/clientele-dev/clientele/test/postgres"
)

func grantOf(id string, now time.Time) store.Grant {
	return store.Grant{
		ID: id, Issuer: "default", ClientID: "docs.wiki", ClientUID: "uid", Subject: "subject", Provider: "staff", PersonID: "ann",
		Scopes: []string{"openid", "profile"}, AuthTime: now, AdvancedAt: now, IssuedAt: now,
		CodeExpiresAt: now.Add(time.Minute), ExpiresAt: now.Add(time.Hour),
	}
}

// callsOf are calls as they come in one batch.
func callsOf[Q, A any](t *testing.T, requests ...Q) []*call[Q, A] {
	var out []*call[Q, A]
	for _, q := range requests {
		out = append(out, &call[Q, A]{ctx: t.Context(), request: q, done: make(chan struct{})})
	}
	return out
}

func redeemed(t *testing.T, s *Store, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := s.Redeem(t.Context(), grantOf(id, s.now())); err != nil {
			t.Fatal(err)
		}
	}
}

// One code a hundred times in one statement, between others.
func TestRedeem_OneBatch(t *testing.T) {
	clock := storetest.NewClock()
	s := ready(t, postgres.Shared(t).NewDatabase(t).URI, clock.Now)
	redeemed(t, s, "spent")
	late := grantOf("late", clock.Now())
	late.CodeExpiresAt = clock.Now()
	requests := []store.Grant{grantOf("spent", clock.Now()), late, grantOf("other", clock.Now())}
	for i := range 100 {
		g := grantOf("code", clock.Now())
		g.Subject = fmt.Sprint("subject ", i)
		requests = append(requests, g)
	}
	calls := callsOf[store.Grant, struct{}](t, requests...)
	s.sendRedeems(append([]*redeemCall(nil), calls...))
	winners := 0
	for i, c := range calls {
		<-c.done
		switch {
		case i == 2 && c.err != nil:
			t.Errorf("another code = %v, want success", c.err)
		case i < 2 && !errors.Is(c.err, store.ErrSpent):
			t.Errorf("code %s = %v, want ErrSpent", c.request.ID, c.err)
		case i > 2 && c.err == nil:
			winners++
			g, err := s.Grant(t.Context(), "default", "code")
			if err != nil || g.Subject != c.request.Subject {
				t.Errorf("Grant = %+v, %v, want the winner's", g, err)
			}
		case i > 2 && !errors.Is(c.err, store.ErrSpent):
			t.Errorf("a loser = %v, want ErrSpent", c.err)
		}
	}
	if winners != 1 {
		t.Errorf("%d winners, want 1", winners)
	}
}

// A record that the database refuses fails alone.
func TestRedeem_PoisonInABatch(t *testing.T) {
	s := ready(t, postgres.Shared(t).NewDatabase(t).URI, nil)
	bad := grantOf("bad", time.Now())
	bad.PersonID = "\x00"
	if err := s.Redeem(t.Context(), bad); err == nil {
		t.Error("a field with a NUL is kept")
	}
	calls := callsOf[store.Grant, struct{}](t, grantOf("first", time.Now()), bad, grantOf("last", time.Now()))
	s.sendRedeems(append([]*redeemCall(nil), calls...)) // past the check that stops it
	for i, c := range calls {
		<-c.done
		if failed := c.err != nil; failed != (i == 1) || errors.Is(c.err, store.ErrSpent) {
			t.Errorf("%s = %v", c.request.ID, c.err)
		}
	}
	for _, scopes := range [][]string{{""}, {"a b"}, {"a\n"}, {"a", "\x00"}} {
		g := grantOf("scopes", time.Now())
		g.Scopes = scopes
		if err := s.Redeem(t.Context(), g); err == nil || errors.Is(err, store.ErrSpent) {
			t.Errorf("scopes %q = %v, want an error", scopes, err)
		}
	}
}

// One grant many times in one statement, from here and there, between others.
func TestAdvance_OneBatch(t *testing.T) {
	clock := storetest.NewClock()
	s := ready(t, postgres.Shared(t).NewDatabase(t).URI, clock.Now)
	redeemed(t, s, "hot", "cold", "revoked")
	short := grantOf("over", clock.Now())
	short.ExpiresAt = clock.Now().Add(time.Second)
	if err := errors.Join(s.Revoke(t.Context(), "default", "revoked"), s.Redeem(t.Context(), short)); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	type row struct {
		id      string
		from    int
		counter int // after it
		err     error
	}
	rows := []row{
		{"hot", 1, 0, store.ErrReused}, // the first of a grant is sent; it has not come so far
		{"hot", 0, 1, nil},             // so this one tries anew
		{"hot", 7, 0, store.ErrReused},
		{"cold", 0, 1, nil},
		{"cold", 0, 1, store.ErrReused},
		{"cold", 0, 1, store.ErrReused},
		{"cold", 3, 1, store.ErrReused},
		{"cold", 1, 2, nil}, // goes on from what the first one did
		{"revoked", 0, 0, store.ErrRevoked},
		{"revoked", 5, 0, store.ErrRevoked},
		{"over", 0, 0, store.ErrNotFound},
		{"missing", 0, 0, store.ErrNotFound},
		{"missing", 1, 0, store.ErrNotFound},
	}
	var requests []advance
	for _, r := range rows {
		requests = append(requests, advance{grantKey{"default", r.id}, r.from, clock.Now()})
	}
	calls := callsOf[advance, store.Grant](t, requests...)
	s.sendAdvances(calls)
	for i, c := range calls {
		<-c.done
		r := rows[i]
		if !errors.Is(c.err, r.err) || c.answer.Counter != r.counter {
			t.Errorf("%s from %d = counter %d, %v, want %d, %v", r.id, r.from, c.answer.Counter, c.err, r.counter, r.err)
		}
	}
}

// Whoever leaves while the statement is under way harms nobody, and no connection.
func TestAdvance_CallerLeaves(t *testing.T) {
	server := postgres.Shared(t)
	db, link := server.NewDatabase(t), server.NewLink(t)
	s := ready(t, func() string { return db.URIThrough(link) }, nil)
	redeemed(t, s, "grant")
	connects := s.pool.Stat().NewConnsCount()
	held, letGo := link.Hold("grant")
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := s.Advance(ctx, "default", "grant", 0, time.Now())
		left <- err
	}()
	<-held
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("Advance = %v, want %v", err, context.Canceled)
	}
	letGo()
	s.advances.wait()
	if g, err := s.Grant(t.Context(), "default", "grant"); err != nil || g.Counter != 1 {
		t.Errorf("Grant = %+v, %v, want counter 1", g, err)
	}
	if got := s.pool.Stat().NewConnsCount(); got != connects {
		t.Errorf("%d connections were made, want none after the first %d", got, connects)
	}
}

// Two statements, as of two replicas, with the same codes in contrary order: neither
// waits for the other while that one waits for it, which would cost everybody in both
// of them a second, as often as somebody likes.
func TestRedeem_BatchesDoNotDeadlock(t *testing.T) {
	db := postgres.Shared(t).NewDatabase(t)
	stores := []*Store{ready(t, db.URI, nil), ready(t, db.URI, nil)}
	for round := range 5 {
		var there, back []store.Grant
		for i := range batchSize {
			there = append(there, grantOf(fmt.Sprintf("%d %03d", round, i), time.Now()))
			back = append(back, grantOf(fmt.Sprintf("%d %03d", round, batchSize-1-i), time.Now()))
		}
		var all sync.WaitGroup
		for i, calls := range [][]*redeemCall{callsOf[store.Grant, struct{}](t, there...), callsOf[store.Grant, struct{}](t, back...)} {
			all.Go(func() { stores[i].sendRedeems(calls) })
		}
		all.Wait()
	}
	for i, s := range stores {
		if n := testutil.ToFloat64(s.metrics.resent.WithLabelValues("conflict")); n > 0 {
			t.Errorf("store %d has sent %v statements again, want none", i, n)
		}
	}
}
