// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/authserver/store"
)

func wantSwept(t *testing.T, s *Store, page int, want store.Swept) {
	t.Helper()
	got, err := s.Sweep(t.Context(), page)
	if err != nil || got != want {
		t.Errorf("Sweep(%d) = %+v, %v, want %+v", page, got, err, want)
	}
}

// sweepAll sweeps until nothing is left to sweep.
func sweepAll(t *testing.T, s *Store, page int) (sum store.Swept) {
	t.Helper()
	for {
		swept, err := s.Sweep(t.Context(), page)
		must(t, err)
		if swept.Sessions > page || swept.Grants > 2*page || swept.Spent > page {
			t.Errorf("Sweep(%d) = %+v", page, swept)
		}
		sum.Sessions, sum.Grants, sum.Spent = sum.Sessions+swept.Sessions, sum.Grants+swept.Grants, sum.Spent+swept.Spent
		if !swept.More {
			return sum
		}
	}
}

// names are all objects of a kind.
func names(t *testing.T, namespace string, k kind) []string {
	t.Helper()
	list, err := byHand(namespace, k).List(t.Context(), metav1.ListOptions{})
	must(t, err)
	var out []string
	for _, o := range list.Items {
		out = append(out, o.GetName())
	}
	return out
}

// TestSweep_LeavesTheLiving, whatever the order of what ends is, and on which side of
// an hour.
func TestSweep_LeavesTheLiving(t *testing.T) {
	c, ns := newClock(), namespace(t)
	c.pass(17 * time.Minute)
	s := open(t, ns, c.now)
	ends := map[string]time.Time{}
	const n = 60
	for i := range n {
		id := fmt.Sprint(i)
		g, p := grant(c, id), session(c, id)
		g.ExpiresAt = g.IssuedAt.Add(time.Duration(1+i*37%n) * 4 * time.Minute)
		p.ExpiresAt = g.ExpiresAt
		for _, k := range []kind{grantKind, sessionKind, assertionKind} {
			ends[objectName(k, issuer, id)] = g.ExpiresAt
		}
		must(t, s.Redeem(t.Context(), g), s.CreateSession(t.Context(), p), s.Spend(t.Context(), issuer, id, g.ExpiresAt))
	}
	must(t, s.Allow(t.Context(), consent(c, "openid")))
	before := len(ends)
	for range 6 {
		c.pass(41 * time.Minute)
		sum := sweepAll(t, s, 7)
		kept := slices.Concat(names(t, ns, grantKind), names(t, ns, sessionKind), names(t, ns, assertionKind))
		for name, end := range ends {
			over := c.now().Sub(end)
			switch there := slices.Contains(kept, name); {
			case !there && over < store.Skew:
				t.Fatalf("%s is gone %v before its end", name, -over)
			case there && over > 2*time.Hour:
				t.Errorf("%s is still there %v after its end", name, over)
			}
		}
		maps.DeleteFunc(ends, func(name string, _ time.Time) bool { return !slices.Contains(kept, name) })
		if got, want := sum.Sessions+sum.Grants+sum.Spent, before-len(ends); got != want {
			t.Errorf("Sweep counts %d, want the %d that went", got, want)
		}
		before = len(ends)
	}
	c.pass(2 * time.Hour)
	sweepAll(t, s, 1000)
	if got := count(t, s); got != 0 {
		t.Errorf("%d are left, want none", got)
	}
	if got := names(t, ns, consentKind); len(got) != 1 {
		t.Errorf("%d consents are left, want the one that was given", len(got))
	}
}

// TestSweep_NothingCanBeWritten: an etcd that is full takes deletions and nothing else,
// and what has ended is what fills it.
func TestSweep_NothingCanBeWritten(t *testing.T) {
	full := say(http.StatusInternalServerError, "application/json", `{"kind":"Status","apiVersion":"v1","status":"Failure","code":500,
		"message":"etcdserver: mvcc: database space exceeded"}`)
	for name, patch := range map[string]func(*http.Request, http.RoundTripper) (*http.Response, error){
		"full": full.do, "slow": hang,
	} {
		t.Run(name, func(t *testing.T) { sweepWithout(t, patch) })
	}
}

// sweepWithout sweeps where patches come to nothing.
func sweepWithout(t *testing.T, patch func(*http.Request, http.RoundTripper) (*http.Response, error)) {
	t.Helper()
	w, c, ns := &wire{}, newClock(), namespace(t)
	s := open(t, ns, c.now, w.over)
	must(t, s.Redeem(t.Context(), grant(c, "old")), s.CreateSession(t.Context(), session(c, "id")))
	c.pass(24 * time.Hour)
	wantSwept(t, s, 10, store.Swept{Sessions: 1})
	c.pass(3 * time.Hour)
	young := grant(c, "young")
	must(t, s.Redeem(t.Context(), young), s.CreateSession(t.Context(), session(c, "another")))
	c.pass(12 * time.Hour)
	w.set(&fault{func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.Method == http.MethodPatch {
			return patch(r, next)
		}
		return next.RoundTrip(r)
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // less than a request's own time
	defer cancel()
	swept, err := s.Sweep(ctx, 10)
	if want := (store.Swept{Sessions: 1, Grants: 1}); err == nil || swept != want {
		t.Errorf("Sweep = %+v, %v, want %+v and an error", swept, err, want)
	}
	w.set(nil)
	_, err = s.Grant(t.Context(), issuer, "young")
	must(t, err)
}

// TestSweep_TogetherWithLogins: several sweepers, whose clocks differ, and logins that
// go on meanwhile.
func TestSweep_TogetherWithLogins(t *testing.T) {
	c, ns := newClock(), namespace(t)
	ahead := func() time.Time { return c.now().Add(store.Skew) }
	behind := func() time.Time { return c.now().Add(-store.Skew) }
	s := open(t, ns, c.now)
	for i := range 40 {
		g := grant(c, fmt.Sprint("old ", i))
		g.ExpiresAt = g.CodeExpiresAt
		must(t, s.Redeem(t.Context(), g))
		if i%2 == 0 {
			must(t, s.Revoke(t.Context(), issuer, g.ID))
		}
	}
	c.pass(3 * time.Hour)
	var all sync.WaitGroup
	for _, now := range []func() time.Time{ahead, behind} {
		sweeper := open(t, ns, now)
		all.Go(func() { sweepAll(t, sweeper, 5) })
	}
	for i := range 4 {
		all.Go(func() {
			for j := range 10 {
				id := fmt.Sprint("new ", i, " ", j)
				if err := s.Redeem(t.Context(), grant(c, id)); err != nil {
					t.Error(err)
				}
				if _, err := s.Advance(t.Context(), issuer, id, 0, c.now()); err != nil {
					t.Error(err)
				}
				wantError(t, "second Redeem", s.Redeem(t.Context(), grant(c, id)), store.ErrSpent)
			}
		})
	}
	all.Wait()
	if got := len(names(t, ns, grantKind)); got != 40 {
		t.Errorf("%d grants are left, want the 40 that live", got)
	}
}

// TestSweep_CrowdOnTwoReplicas: exactly one of a hundred, wherever each is.
func TestSweep_CrowdOnTwoReplicas(t *testing.T) {
	c, ns := newClock(), namespace(t)
	stores := []*Store{open(t, ns, c.now), open(t, ns, c.now)}
	var redeemed, advanced int
	var mu sync.Mutex
	crowd := func(wins *int, lost error, do func(*Store) error) {
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				if err := do(stores[i%2]); err != nil {
					wantError(t, "a loser", err, lost)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				*wins++
			})
		}
		all.Wait()
	}
	crowd(&redeemed, store.ErrSpent, func(s *Store) error { return s.Redeem(t.Context(), grant(c, "code")) })
	crowd(&advanced, store.ErrReused, func(s *Store) error {
		_, err := s.Advance(t.Context(), issuer, "code", 0, c.now())
		return err
	})
	if redeemed != 1 || advanced != 1 {
		t.Errorf("%d redeemed and %d advanced, want 1 and 1", redeemed, advanced)
	}
	allowed := 0
	crowd(&allowed, nil, func(s *Store) error { return s.Allow(t.Context(), consent(c, fmt.Sprint("scope-", s == stores[0]))) })
	got, err := stores[0].Consent(t.Context(), issuer, "subject-of-ann", "docs.wiki")
	if err != nil || allowed != 100 || len(got.Scopes) != 2 {
		t.Errorf("%d of 100 Allow, Consent = %q, %v", allowed, got.Scopes, err)
	}
}
