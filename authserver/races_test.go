// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/internal/registration"
)

// crowdSize is how many send the same thing at once.
const crowdSize = 100

// parallel does something n times at once, and returns the answers that are 200.
func (w *world) parallel(n int, do func() answer) []answer {
	w.t.Helper()
	answers := make([]answer, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			answers[i] = do()
		})
	}
	close(start)
	all.Wait()
	var wins []answer
	for _, a := range answers {
		if a.status == http.StatusOK {
			wins = append(wins, a)
		} else {
			a.refused(400, "invalid_grant")
		}
	}
	return wins
}

// atOnce sends a form to the token endpoints of all replicas in turn, a hundred times
// at once, and returns the answers that are 200. All others are invalid_grant.
func (f *fleet) atOnce(form url.Values) []answer {
	f.t.Helper()
	var turn atomic.Int64
	return f.parallel(crowdSize, func() answer {
		return f.replicas[int(turn.Add(1))%len(f.replicas)].token(form)
	})
}

// racing runs a test at one replica, and at three.
func racing(t *testing.T, test func(t *testing.T, f *fleet)) {
	for name, replicas := range map[string]int{"one replica": 1, "three replicas": 3} {
		t.Run(name, func(t *testing.T) { test(t, newFleet(t, replicas)) })
	}
}

// TestStory_ParallelRedemptions: of a hundred with one code, one wins, and what it won
// is revoked.
func TestStory_ParallelRedemptions(t *testing.T) {
	racing(t, func(t *testing.T, f *fleet) {
		wins := f.atOnce(redemption(newBrowser(t, f).codeFor(validRequest())))
		if len(wins) != 1 {
			t.Fatalf("%d won, want 1", len(wins))
		}
		f.allOver(wins)
		if late := f.atOnce(refreshing(wins[0].str("refresh_token"))); len(late) != 0 {
			t.Errorf("%d refreshes of what was revoked succeed", len(late))
		}
	})
}

// TestStory_ParallelRefreshes: of a hundred with one refresh token, each is a retry of
// the same use within the grace: they leave one chain, of which all have the present
// token. One of those moves it on, the others are retries of that, and when the grace is
// over, reuse that ends everything.
func TestStory_ParallelRefreshes(t *testing.T) {
	racing(t, func(t *testing.T, f *fleet) {
		first := f.next().token(redemption(newBrowser(t, f).codeFor(validRequest()))).ok()
		wins := f.atOnce(refreshing(first.str("refresh_token")))
		if len(wins) != crowdSize {
			t.Fatalf("%d won, want %d", len(wins), crowdSize)
		}
		for _, a := range wins {
			f.next().lives(a)
		}
		next := f.atOnce(refreshing(wins[0].str("refresh_token")))
		for _, a := range wins {
			f.next().introspect(a.str("refresh_token")).inactive()
			next = append(next, f.next().token(refreshing(a.str("refresh_token"))).ok())
		}
		for _, a := range next {
			f.next().lives(a)
		}
		f.clock.pass(time.Minute)
		f.next().token(refreshing(wins[crowdSize/2].str("refresh_token"))).refused(400, "invalid_grant")
		f.allOver(append(wins, next...))
	})
}

// TestStory_ParallelRefreshesWithoutGrace: of a hundred with one refresh token one
// wins, all others are reuse, and what there was of the grant is revoked.
func TestStory_ParallelRefreshesWithoutGrace(t *testing.T) {
	racing(t, func(t *testing.T, f *fleet) {
		f.setKeys(*keysOf(t, "main"), func(r *registration.Server) { r.Lifetimes.RefreshTokenRetryGrace = 0 })
		first := f.next().token(redemption(newBrowser(t, f).codeFor(validRequest()))).ok()
		wins := f.atOnce(refreshing(first.str("refresh_token")))
		if len(wins) != 1 {
			t.Fatalf("%d won, want 1", len(wins))
		}
		f.allOver([]answer{first, wins[0]})
	})
}
