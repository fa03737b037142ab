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

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/test/postgres"
)

// verdicts are errors that tell something of a record. A store that cannot reach its
// database must not say any of them.
var verdicts = []error{store.ErrNotFound, store.ErrSpent, store.ErrRevoked, store.ErrReused, store.ErrUsed}

func isVerdict(err error) bool {
	for _, v := range verdicts {
		if errors.Is(err, v) {
			return true
		}
	}
	return false
}

// verbs calls every verb and returns what each one said.
func verbs(ctx context.Context, s *Store, id string) map[string]error {
	errs := map[string]error{}
	errs["Redeem"] = s.Redeem(ctx, grantOf(id, time.Now()))
	_, errs["Grant"] = s.Grant(ctx, "default", id)
	_, errs["Advance"] = s.Advance(ctx, "default", id, 0, time.Now())
	errs["Revoke"] = s.Revoke(ctx, "default", id)
	errs["CreateSession"] = s.CreateSession(ctx, store.Session{ID: id, Issuer: "default", ExpiresAt: time.Now().Add(time.Hour)})
	_, errs["Session"] = s.Session(ctx, "default", id)
	errs["RenewSession"] = s.RenewSession(ctx, store.Session{ID: id, Issuer: "default", SignIn: "new", ExpiresAt: time.Now().Add(time.Hour)})
	_, errs["SessionGrants"] = s.SessionGrants(ctx, "default", id)
	errs["Spend"] = s.Spend(ctx, "default", id, time.Now().Add(time.Hour))
	errs["EndSession"] = s.EndSession(ctx, "default", id)
	errs["Allow"] = s.Allow(ctx, store.Consent{Issuer: "default", Subject: id, ClientID: "c", Scopes: []string{"openid"}})
	_, errs["Consent"] = s.Consent(ctx, "default", id, "c")
	errs["Forget"] = s.Forget(ctx, "default", id, "c")
	_, errs["Sweep"] = s.Sweep(ctx, 10)
	return errs
}

// eventually calls f until it succeeds or the test has no patience left.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// A Store opens before its database is there, says nothing that it cannot know while
// the database is away, and goes on when it is back.
func TestStore_DatabaseComesAndGoes(t *testing.T) {
	server := postgres.Start(t, postgres.Options{})
	db := server.NewDatabase(t)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	s := openOn(t, db.URI, nil)
	failsEverywhere(t, s, "before the database is there")
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, s.schema.state)
	redeemed(t, s, "kept", "advanced", "revoked")
	_, err := s.Advance(t.Context(), "default", "advanced", 0, time.Now())
	if err := errors.Join(err, s.Revoke(t.Context(), "default", "revoked"), server.Kill()); err != nil {
		t.Fatal(err)
	}
	failsEverywhere(t, s, "while the database is away")
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	// What was acknowledged before the kill is there after it.
	eventually(t, func() error {
		_, err := s.Grant(t.Context(), "default", "kept")
		return err
	})
	if g, err := s.Grant(t.Context(), "default", "advanced"); err != nil || g.Counter != 1 {
		t.Errorf("Grant = %+v, %v, want counter 1", g, err)
	}
	if _, err := s.Grant(t.Context(), "default", "revoked"); !errors.Is(err, store.ErrRevoked) {
		t.Errorf("Grant = %v, want ErrRevoked", err)
	}
	for _, id := range []string{"kept", "advanced", "revoked"} {
		if err := s.Redeem(t.Context(), grantOf(id, time.Now())); !errors.Is(err, store.ErrSpent) {
			t.Errorf("Redeem of %s = %v, want ErrSpent", id, err)
		}
	}
}

func failsEverywhere(t *testing.T, s *Store, when string) {
	t.Helper()
	began := time.Now()
	for verb, err := range verbs(t.Context(), s, "kept") {
		if err == nil || isVerdict(err) {
			t.Errorf("%s %s = %v, want an error that says nothing of a record", verb, when, err)
		}
	}
	if took := time.Since(began); took > 3*verbTimeout {
		t.Errorf("all verbs took %s %s", took, when)
	}
}

// A database that stands still costs callers no more than their patience, and the
// Store no more connections than it has.
func TestStore_DatabaseStandsStill(t *testing.T) {
	server := postgres.Start(t, postgres.Options{})
	s := ready(t, server.NewDatabase(t).URI, nil)
	redeemed(t, s, "grant")
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := s.Grant(ctx, "default", "grant")
			redeem := s.Redeem(ctx, grantOf(fmt.Sprint("code ", i), time.Now()))
			if err == nil || redeem == nil || isVerdict(err) || isVerdict(redeem) {
				t.Errorf("Grant = %v and Redeem = %v of a database that stands still", err, redeem)
			}
		})
	}
	began := time.Now()
	all.Wait()
	if took := time.Since(began); took > verbTimeout {
		t.Errorf("callers waited %s, want about 200 ms", took)
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		_, err := s.Grant(t.Context(), "default", "grant")
		return err
	})
	if got := s.pool.Stat().NewConnsCount(); got > 3*poolSize {
		t.Errorf("%d connections were made, want about %d", got, poolSize)
	}
}

// Connections that are cut cost reads nothing, and writes at most an error.
func TestStore_ConnectionsAreCut(t *testing.T) {
	server := postgres.Start(t, postgres.Options{})
	s := ready(t, server.NewDatabase(t).URI, nil)
	redeemed(t, s, "grant")
	for range 5 {
		if err := server.CutConnections(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Grant(t.Context(), "default", "grant"); err != nil {
			t.Errorf("Grant after the connection was cut = %v", err)
		}
	}
}

// linked is a Store whose connections a test can break.
func linked(t *testing.T) (*Store, *postgres.Link) {
	server := postgres.Shared(t)
	db, link := server.NewDatabase(t), server.NewLink(t)
	return ready(t, func() string { return db.URIThrough(link) }, nil), link
}

// lostID occurs in no statement, only among its values.
const lostID = "id-that-is-lost"

// A write whose answer is lost has succeeded, and its caller hears so.
func TestStore_AnswerIsLost(t *testing.T) {
	s, link := linked(t)
	link.LoseAnswer(lostID)
	if err := s.Redeem(t.Context(), grantOf(lostID, time.Now())); err != nil {
		t.Errorf("Redeem whose answer was lost = %v, want success", err)
	}
	link.LoseAnswer(lostID)
	if err := s.Redeem(t.Context(), grantOf(lostID, time.Now())); !errors.Is(err, store.ErrSpent) {
		t.Errorf("second Redeem whose answer was lost = %v, want ErrSpent", err)
	}
	link.LoseAnswer(lostID)
	if g, err := s.Advance(t.Context(), "default", lostID, 0, time.Now()); err != nil || g.Counter != 1 {
		t.Errorf("Advance whose answer was lost = %+v, %v, want counter 1", g, err)
	}
	link.LoseAnswer(lostID)
	if g, err := s.Advance(t.Context(), "default", lostID, 0, time.Now()); !errors.Is(err, store.ErrReused) || g.Counter != 1 {
		t.Errorf("second Advance whose answer was lost = %+v, %v, want counter 1 and ErrReused", g, err)
	}
	link.LoseAnswer(lostID)
	if err := s.Revoke(t.Context(), "default", lostID); err != nil {
		t.Errorf("Revoke whose answer was lost = %v, want success", err)
	}
	link.LoseAnswer(lostID)
	if _, err := s.Advance(t.Context(), "default", lostID, 1, time.Now()); !errors.Is(err, store.ErrRevoked) {
		t.Errorf("Advance whose answer was lost = %v, want ErrRevoked", err)
	}
}

// A write that is lost on its way is not written a second time: its caller hears that
// nobody knows, and may ask again.
func TestStore_RequestIsLost(t *testing.T) {
	s, link := linked(t)
	link.LoseRequest(lostID)
	if err := s.Redeem(t.Context(), grantOf(lostID, time.Now())); !errors.Is(err, errUnknown) || isVerdict(err) {
		t.Errorf("Redeem that was lost = %v, want %v", err, errUnknown)
	}
	redeemed(t, s, lostID)
	link.LoseRequest(lostID)
	if _, err := s.Advance(t.Context(), "default", lostID, 0, time.Now()); !errors.Is(err, errUnknown) || isVerdict(err) {
		t.Errorf("Advance that was lost = %v, want %v", err, errUnknown)
	}
	if g, err := s.Advance(t.Context(), "default", lostID, 0, time.Now()); err != nil || g.Counter != 1 {
		t.Errorf("Advance = %+v, %v, want counter 1", g, err)
	}
	link.LoseRequest(lostID)
	if _, err := s.Grant(t.Context(), "default", lostID); err != nil {
		t.Errorf("Grant that was lost = %v, want another try", err)
	}
}

// While all connections are cut nothing is known, not even what became of a write.
func TestStore_LinkIsCut(t *testing.T) {
	s, link := linked(t)
	redeemed(t, s, "kept")
	link.Cut()
	failsEverywhere(t, s, "while the link is cut")
	link.Mend()
	eventually(t, func() error {
		_, err := s.Grant(t.Context(), "default", "kept")
		return err
	})
}

// An advance from which others have gone on by the time that its outcome is read may
// have been the one that they went on from: it is no reuse.
func TestAdvance_OthersHaveGoneOn(t *testing.T) {
	s, _ := linked(t)
	redeemed(t, s, "grant")
	for from := range 2 {
		if _, err := s.Advance(t.Context(), "default", "grant", from, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for from, want := range map[int]error{0: errUnknown, 1: store.ErrReused, 2: errUnknown, 3: store.ErrReused} {
		calls := callsOf[advance, store.Grant](t, advance{grantKey{"default", "grant"}, from, time.Now()})
		s.resolveAdvances(takeTurns(calls), errors.New("the connection was lost"))
		<-calls[0].done
		if !errors.Is(calls[0].err, want) {
			t.Errorf("an advance from %d of a grant at 2 = %v, want %v", from, calls[0].err, want)
		}
	}
}
