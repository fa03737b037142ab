// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/memory"
	"github.com/clientele-dev/clientele/authserver/store/storetest"
)

func TestStore(t *testing.T) {
	inner := func(now func() time.Time) store.Store {
		s, err := New(memory.New(now), Config{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	storetest.Run(t, storetest.Backend{
		Open: func(_ testing.TB, clock *storetest.Clock) store.Store { return inner(clock.Now) },
		Reopen: func(_ testing.TB, clock *storetest.Clock, _ store.Store) store.Store {
			return inner(clock.Now)
		},
	})
}

func TestNew_Refuses(t *testing.T) {
	if _, err := New(nil, Config{}); err == nil {
		t.Error("no store is fine")
	}
	for _, c := range []Config{{Limit: -1}, {Queue: -1}, {Wait: -1}, {Timeout: -1}} {
		if _, err := New(memory.New(nil), c); err == nil {
			t.Errorf("%+v is fine", c)
		}
	}
	taken := prometheus.NewRegistry()
	for i, want := range []bool{true, false} {
		if _, err := New(memory.New(nil), Config{Registerer: taken}); (err == nil) != want {
			t.Errorf("registered %d times: %v", i+1, err)
		}
	}
}

// stuck is a store whose verbs hang for as long as they are let.
type stuck struct {
	store.Store
	running, most, revokes atomic.Int64
	// answer is what a verb returns once it is let go; nil lets it wait for its end.
	answer chan error
}

func (s *stuck) hang(ctx context.Context) error {
	if n := s.running.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	defer s.running.Add(-1)
	select {
	case err := <-s.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *stuck) Redeem(ctx context.Context, _ store.Grant) error { return s.hang(ctx) }
func (s *stuck) Revoke(ctx context.Context, _, _ string) error {
	s.revokes.Add(1)
	return s.hang(ctx)
}

func (s *stuck) EndSession(ctx context.Context, _, _ string) error { return s.hang(ctx) }

func (s *stuck) SessionGrants(ctx context.Context, _, _ string) ([]store.Grant, error) {
	return nil, s.hang(ctx)
}

func (s *stuck) Spend(ctx context.Context, _, _ string, _ time.Time) error { return s.hang(ctx) }

func (s *stuck) RenewSession(ctx context.Context, _ store.Session) error { return s.hang(ctx) }

func (s *stuck) Advance(ctx context.Context, _, _ string, from int, _ time.Time) (store.Grant, error) {
	return store.Grant{Counter: from + 7}, s.hang(ctx)
}

// around is a guard around a store that hangs, and its metrics.
func around(t *testing.T, c Config) (*Store, *stuck, *prometheus.Registry) {
	t.Helper()
	inner, metrics := &stuck{answer: make(chan error)}, prometheus.NewRegistry()
	c.Registerer = metrics
	s, err := New(inner, c)
	if err != nil {
		t.Fatal(err)
	}
	return s, inner, metrics
}

// TestStore_Bounds: so many run, so many wait for so long, and what runs does so
// for so long.
func TestStore_Bounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, inner, metrics := around(t, Config{Limit: 4, Queue: 3, Wait: time.Second, Timeout: 5 * time.Second})
		began := time.Now()
		var all sync.WaitGroup
		ended := map[time.Duration]int{}
		var mu sync.Mutex
		for range 10 {
			all.Go(func() {
				err := s.Redeem(t.Context(), store.Grant{})
				mu.Lock()
				defer mu.Unlock()
				took := time.Since(began)
				ended[took]++
				if want := context.DeadlineExceeded; took == 5*time.Second && !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
				if took < 5*time.Second && !errors.Is(err, ErrShed) {
					t.Errorf("after %s got %v, want %v", took, err, ErrShed)
				}
			})
		}
		synctest.Wait()
		if got := value(t, metrics, "clientele_store_requests_in_flight"); got != 4 {
			t.Errorf("%v are in flight, want 4", got)
		}
		all.Wait()
		for took, want := range map[time.Duration]int{0: 3, time.Second: 3, 5 * time.Second: 4} {
			if ended[took] != want {
				t.Errorf("%d ended after %s, want %d", ended[took], took, want)
			}
		}
		if inner.most.Load() != 4 {
			t.Errorf("%d ran at a time, want 4", inner.most.Load())
		}
		if got := value(t, metrics, "clientele_store_shed_total"); got != 6 {
			t.Errorf("%v were shed, want 6", got)
		}
		if got := value(t, metrics, "clientele_store_requests_in_flight"); got != 0 {
			t.Errorf("%v are in flight, want none", got)
		}
	})
}

// TestStore_NextInLine: whoever waits gets the turn of whoever is done.
func TestStore_NextInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, inner, _ := around(t, Config{Limit: 1, Queue: 1})
		var all sync.WaitGroup
		errs := make(chan error, 2)
		for range 2 {
			all.Go(func() { errs <- s.Redeem(t.Context(), store.Grant{}) })
		}
		synctest.Wait()
		inner.answer <- nil
		synctest.Wait()
		inner.answer <- store.ErrSpent
		all.Wait()
		if first, second := <-errs, <-errs; first != nil || !errors.Is(second, store.ErrSpent) {
			t.Errorf("got %v and %v", first, second)
		}
	})
}

// TestStore_TakingAwayGoesAhead: while all else is shed, access can be taken away.
func TestStore_TakingAwayGoesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, inner, _ := around(t, Config{Limit: 4, Queue: 1, Wait: time.Second, Timeout: 5 * time.Second})
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { _ = s.Redeem(t.Context(), store.Grant{}) })
		}
		synctest.Wait()
		for name, err := range map[string]error{
			"redeem": s.Redeem(t.Context(), store.Grant{}), "spend": s.Spend(t.Context(), "", "", time.Time{}),
			"renew session": s.RenewSession(t.Context(), store.Session{}),
		} {
			if !errors.Is(err, ErrShed) {
				t.Fatalf("%s: got %v, want %v", name, err, ErrShed)
			}
		}
		for name, run := range map[string]func() error{
			"revoke":           func() error { return s.Revoke(t.Context(), "", "") },
			"end session":      func() error { return s.EndSession(t.Context(), "", "") },
			"session's grants": func() error { _, err := s.SessionGrants(t.Context(), "", ""); return err },
		} {
			done := make(chan error, 1)
			go func() { done <- run() }()
			synctest.Wait()
			if got := inner.running.Load(); got != 5 {
				t.Errorf("%s: %d verbs run, want 5", name, got)
			}
			for range 5 { // whichever of them hears it
				inner.answer <- nil
				synctest.Wait()
			}
			if err := <-done; err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for range 5 {
				all.Go(func() { _ = s.Redeem(t.Context(), store.Grant{}) })
			}
			synctest.Wait()
		}
		all.Wait()
	})
}

// TestStore_RevokeIsTriedAgain, with a bound, and no other verb is.
func TestStore_RevokeIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		s, inner, _ := around(t, Config{})
		done := make(chan error)
		go func() { done <- s.Revoke(t.Context(), "", "") }()
		inner.answer <- broken
		inner.answer <- nil
		if err := <-done; err != nil || inner.revokes.Load() != 2 {
			t.Errorf("got %v after %d attempts, want none after 2", err, inner.revokes.Load())
		}
		inner.revokes.Store(0)
		go func() { done <- s.Revoke(t.Context(), "", "") }()
		for range revocations {
			inner.answer <- broken
		}
		if err := <-done; !errors.Is(err, broken) || inner.revokes.Load() != revocations {
			t.Errorf("got %v after %d attempts, want %v after %d", err, inner.revokes.Load(), broken, revocations)
		}
		began := time.Now()
		gone, leave := context.WithCancel(t.Context())
		leave()
		go func() { done <- s.Revoke(context.WithoutCancel(gone), "", "") }()
		if err, took := <-done, time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > revocations*5*time.Second+time.Second {
			t.Errorf("got %v after %s", err, took)
		}
		go func() { _, err := s.Advance(t.Context(), "", "", 0, began); done <- err }()
		inner.answer <- broken
		if err := <-done; !errors.Is(err, broken) {
			t.Errorf("got %v, want %v", err, broken)
		}
	})
}

// TestStore_CallerLeaves: whoever has gone does not wait, and gets no turn. What has
// begun goes on.
func TestStore_CallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, inner, metrics := around(t, Config{Limit: 1})
		first := make(chan error)
		begun, hangUp := context.WithCancel(t.Context())
		go func() { first <- s.Redeem(begun, store.Grant{}) }()
		synctest.Wait()
		hangUp()
		ctx, leave := context.WithCancel(t.Context())
		second := make(chan error)
		go func() { second <- s.Redeem(ctx, store.Grant{}) }()
		synctest.Wait()
		leave()
		if err := <-second; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		inner.answer <- nil
		if err := <-first; err != nil {
			t.Error(err)
		}
		if err := s.Redeem(ctx, store.Grant{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		if got := results(t, metrics)["redeem canceled"]; got != 2 {
			t.Errorf("%d were canceled, want 2", got)
		}
	})
}

// TestStore_Results: what a verb returns is passed on, and counted.
func TestStore_Results(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, inner, metrics := around(t, Config{})
		broken := errors.New("broken")
		for want, answers := range map[string][]error{
			"ok": {nil}, "conflict": {store.ErrReused, store.ErrSpent, store.ErrUsed}, "absent": {store.ErrNotFound, store.ErrRevoked}, "error": {broken},
		} {
			for _, answer := range answers {
				go func() { inner.answer <- answer }()
				got, err := s.Advance(t.Context(), "", "", 3, time.Now())
				if got.Counter != 10 || !errors.Is(err, answer) {
					t.Errorf("got %+v, %v, want the store's own, %v", got, err, answer)
				}
			}
			if got := results(t, metrics)["advance "+want]; got != uint64(len(answers)) {
				t.Errorf("%s was counted %d times, want %d", want, got, len(answers))
			}
		}
		if _, err := s.Advance(t.Context(), "", "", 0, time.Now()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if got := results(t, metrics)["advance timeout"]; got != 1 {
			t.Errorf("timeout was counted %d times, want once", got)
		}
	})
}

// results are the counts by verb and result.
func results(t *testing.T, from *prometheus.Registry) map[string]uint64 {
	t.Helper()
	out := map[string]uint64{}
	for _, m := range family(t, from, "clientele_store_request_duration_seconds").GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		out[labels["verb"]+" "+labels["result"]] = m.GetHistogram().GetSampleCount()
	}
	return out
}

func value(t *testing.T, from *prometheus.Registry, name string) float64 {
	t.Helper()
	m := family(t, from, name).GetMetric()[0]
	return m.GetGauge().GetValue() + m.GetCounter().GetValue()
}

func family(t *testing.T, from *prometheus.Registry, name string) *dto.MetricFamily {
	t.Helper()
	all, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if !strings.HasPrefix(f.GetName(), "clientele_store_") {
			t.Errorf("metric %s", f.GetName())
		}
		if f.GetName() == name {
			return f
		}
	}
	t.Fatalf("no metric %s", name)
	return nil
}
