// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

// hurried rotates as the real schedule does, a thousand times as fast.
var hurried = keys.Schedule{Interval: 40 * time.Second, Lead: 10 * time.Second, KeepSigning: time.Hour, KeepSealing: 721 * time.Hour}

// history is a Set and when it was written.
type history struct {
	at  time.Time
	set keys.Set
}

// rotations are the Sets of the next n rotations and renewals, the first of them from now.
func rotations(t *testing.T, now time.Time, n int) []history {
	t.Helper()
	var all []history
	var s keys.Set
	for len(all) < n {
		var err error
		if s, _, err = s.Rotate(now, hurried, nil); err != nil {
			t.Fatal(err)
		}
		all = append(all, history{now, s})
		now = s.Next(now, hurried)
	}
	return all
}

// TestRace_KeysRotateUnderLoad: people sign in and apps refresh while the issuer is
// replaced again and again by one with other keys, and nobody is refused anything.
func TestRace_KeysRotateUnderLoad(t *testing.T) {
	const apps, rounds = 6, 8
	w := newWorld(t)
	sets := rotations(t, w.clock.Now(), 6)
	use := func(s keys.Set) {
		i, err := registry.NewIssuer(serverRecord("main", mainIssuer, func(r *registration.Server) {
			r.Lifetimes.AuthorizationCode = 10 * time.Minute
		}), w.users, &s)
		if err != nil {
			t.Error(err)
			return
		}
		w.registry.SetIssuer(i)
	}
	use(sets[0].set)
	ended := make(chan struct{}, apps*rounds)
	var all sync.WaitGroup
	var refreshed atomic.Int64
	for range apps {
		all.Go(func() {
			b := w.newBrowser()
			a := w.token(redemption(b.codeFor(validRequest()))).ok()
			for range rounds {
				a = w.useAll(b, a)
				refreshed.Add(1)
				ended <- struct{}{}
			}
		})
	}
	go func() { all.Wait(); close(ended) }()
	swaps, n := 0, 0
	for open := true; open; swaps++ {
		select {
		case _, open = <-ended: // a round is over, and seven seconds with it
			w.clock.pass(7 * time.Second)
		default:
		}
		for n+1 < len(sets) && !w.clock.Now().Before(sets[n+1].at) {
			n++
		}
		use(sets[n].set)
	}
	if n+1 < len(sets) || refreshed.Load() != apps*rounds {
		t.Errorf("%d of %d rotations, %d of %d rounds", n+1, len(sets), refreshed.Load(), apps*rounds)
	}
	t.Logf("%d issuers took turns", swaps)
}

// useAll does all that an app and its person do with what they have, and returns what
// they have next.
func (w *world) useAll(b *browser, a answer) answer {
	w.userinfo(a.str("access_token")).ok()
	w.introspect(a.str("access_token")).active()
	next := w.token(refreshing(a.str("refresh_token"))).ok()
	w.userinfo(next.str("access_token")).ok()
	w.introspect(next.str("refresh_token")).active()
	// Signed in still, and a hint by whatever key is good.
	silent := with(validRequest(), "prompt", "none", "id_token_hint", a.str("id_token"))
	other := w.token(redemption(b.begin(silent).is("code").param("code"))).ok()
	w.userinfo(other.str("access_token")).ok()
	w.call(w.request(http.MethodGet, mainIssuer+"/jwks", "")).ok()
	// A new person at another browser.
	w.token(redemption(w.newBrowser().codeFor(validRequest()))).ok()
	return next
}
