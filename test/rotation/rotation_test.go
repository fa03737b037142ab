// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rotation lets apps sign people in without pause, through a hundred
// rotations of their client secrets, while managers are killed, Secrets deleted, and
// replicas of the authserver come, go and lose their way to the API server. Nothing
// is played: the API server, the managers, the replicas and the clients are the real
// ones, in one process. A mounted secret is always accepted, so no login is refused.
package rotation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/internal/credential"
)

const (
	// rotations is how many there are in all.
	rotations = 100
	// phases is into how many parts they come, with a day after each: no more than
	// registration.MaxDigests secrets of one client are accepted at once.
	phases = 4
)

func TestNoLoginIsRefused(t *testing.T) {
	w := newWorld(t)
	w.startManager()
	for range 2 {
		w.startReplica()
	}
	var signingIn sync.WaitGroup
	ctx, stop := context.WithCancelCause(t.Context())
	for i := range mountKinds {
		a := w.newApp(i)
		w.apps = append(w.apps, a)
		w.awaitReady(a)
		signingIn.Go(func() {
			if err := a.signInWithoutPause(ctx); err != nil {
				stop(fmt.Errorf("%s: %w", a.key.Name, err))
			}
		})
	}
	for phase := range phases {
		w.rotateAll(ctx, rotations/phases)
		w.letADayPass(ctx)
		if err := context.Cause(ctx); err != nil {
			t.Fatalf("in phase %d of %d, after %s: %v", phase+1, phases, w.tally(), err)
		}
	}
	for _, a := range w.apps {
		w.awaitReady(a)
	}
	stop(errDone)
	signingIn.Wait()
	t.Log(w.tally())
	w.tally().check(t)
}

// errDone ends the logins.
var errDone = errors.New("done")

// tally is what happened.
type tally struct {
	logins, unavailable                    int64
	rotated, deleted, kills, replaced, cut int64
}

func (w *world) tally() tally {
	n := tally{rotated: w.rotated.Load(), deleted: w.deleted.Load(), kills: w.kills, replaced: w.replaced, cut: w.cut}
	for _, a := range w.apps {
		n.logins += a.logins.Load()
		n.unavailable += a.unavailable.Load()
	}
	return n
}

func (n tally) String() string {
	return fmt.Sprintf("%d logins, %d answers 503; %d rotations, of which %d by deletion of the Secret; the manager was killed %d times, %d replicas were replaced, and %d cut off",
		n.logins, n.unavailable, n.rotated, n.deleted, n.kills, n.replaced, n.cut)
}

// check fails if too little happened to prove anything, or if clients were told to
// come back more often than misfortunes explain.
func (n tally) check(t *testing.T) {
	t.Helper()
	if n.rotated < rotations || n.logins < 3*n.rotated || n.kills < rotations/10 || n.replaced < 2 || n.cut < 1 {
		t.Errorf("too little happened: %s", n)
	}
	// A replica answers 503 only while it cannot prove to be current, some seconds
	// after it was cut off; a client comes back after five.
	if misfortunes := n.cut + n.replaced + 2*phases; n.unavailable > 10*misfortunes {
		t.Errorf("%d answers 503 are too many", n.unavailable)
	}
}

// rotateAll rotates so many secrets, each app's the next as soon as the last one is
// mounted, among misfortunes.
func (w *world) rotateAll(ctx context.Context, n int) {
	w.t.Helper()
	var begun atomic.Int64
	failed := make([]error, len(w.apps))
	var rotators sync.WaitGroup
	for i, a := range w.apps {
		rotators.Go(func() {
			for failed[i] == nil && begun.Add(1) <= int64(n) {
				failed[i] = w.rotate(ctx, a)
			}
		})
	}
	misfortunes, enough := context.WithCancel(ctx)
	go func() {
		rotators.Wait()
		enough()
	}()
	w.misfortunes(misfortunes)
	rotators.Wait()
	err := context.Cause(ctx)
	if err == nil {
		err = errors.Join(failed...)
	}
	if err != nil {
		w.t.Fatalf("after %s: %v", w.tally(), err)
	}
}

// letADayPass ends the overlap of all that was replaced, and checks that this is so.
func (w *world) letADayPass(ctx context.Context) {
	w.t.Helper()
	for _, a := range w.apps {
		w.awaitReady(a)
	}
	w.pass(6 * time.Minute)
	w.awaitDigests(func(live, _ int) bool { return live == 1 })
	// An app lets go of a secret within the overlap.
	for _, a := range w.apps {
		w.await(func() error { return a.turnedOver(ctx) })
	}
	w.pass(25 * time.Hour)
	w.awaitDigests(func(live, ending int) bool { return live == 1 && ending == 0 })
	for _, a := range w.apps {
		now := a.live(ctx)
		replaced := a.replacedSecrets(now)
		for _, r := range w.replicas {
			for _, old := range replaced {
				w.await(func() error { return r.answers(ctx, a, old, "invalid_client") })
			}
			w.await(func() error { return r.answers(ctx, a, now, "invalid_grant") }) // it knows the client, but no such code
		}
	}
}

// pass lets so much time go by for managers and replicas, as if they had been
// suspended, with a manager that starts after it.
func (w *world) pass(d time.Duration) {
	w.clock.pass(d)
	w.killManager()
	w.startManager()
}

// replacedSecrets are those that the app has used since it was last asked, but for
// the one of now.
func (a *app) replacedSecrets(now credential.Secret) []credential.Secret {
	a.mu.Lock()
	defer a.mu.Unlock()
	var old []credential.Secret
	for _, s := range a.seen {
		if s.Digest() != now.Digest() {
			old = append(old, s)
		}
	}
	a.seen = nil
	return old
}
