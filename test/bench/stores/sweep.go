// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/test/bench/codeflow"
	"github.com/clientele-dev/clientele/test/bench/procs"
)

const (
	// sweepRate is how many codes are redeemed per second before, during and after a
	// sweep: busy, and far from what any of the stores can do.
	sweepRate = 50
	// sweepWorkers is how many of them may be under way.
	sweepWorkers = 32
	// overSince is how long ago what is swept has ended.
	overSince = 48 * time.Hour
)

// measureSweep fills the store, half with sessions and half with grants, and has a
// server of its own sweep it, as the authserver does.
func (b *backend) measureSweep(ctx context.Context, o options, out io.Writer) error {
	now := time.Now()
	// What the others are made to look like.
	if err := b.store.CreateSession(ctx, session(now)); err != nil {
		return err
	}
	if err := b.fill(ctx, o.live, now.Add(720*time.Hour)); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	if err := b.fill(ctx, o.expired, now.Add(-overSince)); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	say(out, "\nSweeping the store %s: %d objects that are over among %d that live, half of them sessions and half grants; filling it took %s.",
		b.spec.Kind, o.expired, o.live, time.Since(now).Round(time.Second))
	server, err := codeflow.Start(codeflow.Spec{IDTokenAlg: keys.ES256, Store: b.spec})
	if err != nil {
		return err
	}
	return errors.Join(b.watchSweep(ctx, o, server, out), server.Stop())
}

func (b *backend) watchSweep(ctx context.Context, o options, server *codeflow.Server, out io.Writer) error {
	quiet := 10 * o.turn
	if _, err := b.redeemSteadily(ctx, o.turn); err != nil { // connections are made
		return err
	}
	before, err := b.redeemSteadily(ctx, quiet)
	if err != nil {
		return err
	}
	idle, err := procs.Of(server.PID)
	if err != nil {
		return err
	}
	if err := server.Sweep(); err != nil {
		return err
	}
	during, err := b.redeemUntil(ctx, func() (bool, error) {
		s, err := server.Swept()
		return s.Done, err
	})
	if err != nil {
		return err
	}
	swept, err1 := server.Swept()
	busy, err2 := procs.Of(server.PID)
	after, err3 := b.redeemSteadily(ctx, quiet)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	gone := swept.Sessions + swept.Grants
	say(out, "It took %s for %d sessions and %d grants: %.0f/s, in %d pages, of which half took up to %s and the longest %s. The rest of the time it pauses: the pages alone are %.0f/s.",
		swept.Took.Round(time.Millisecond), swept.Sessions, swept.Grants, float64(gone)/swept.Took.Seconds(), swept.Pages,
		swept.Median.Round(time.Millisecond), swept.Longest.Round(time.Millisecond), float64(gone)/swept.Working.Seconds())
	say(out, "Redeeming %d codes per second took, before, during and after it: p50 %s, %s and %s ms; p99 %s, %s and %s ms.", sweepRate,
		milliseconds(within(before, 0.5)), milliseconds(within(during, 0.5)), milliseconds(within(after, 0.5)),
		milliseconds(within(before, 0.99)), milliseconds(within(during, 0.99)), milliseconds(within(after, 0.99)))
	if n := failures(before) + failures(during) + failures(after); n > 0 {
		say(out, "%d of them failed before it, %d meanwhile and %d after it: this machine is too busy for what it measures.",
			failures(before), failures(during), failures(after))
	}
	say(out, "Memory of the server that swept: %d MiB before, at its peak %d MiB.", idle.RSS>>20, busy.Peak>>20)
	if gone < o.expired {
		return fmt.Errorf("%d of %d were swept", gone, o.expired)
	}
	return nil
}

func session(now time.Time) store.Session {
	return store.Session{
		ID: rand.Text(), Issuer: "default", Subject: "KZ2WQ3XZJ5MBT7O4E6N1RYH8VC", Provider: "users", PersonID: "ada",
		AuthTime: now, ExpiresAt: now.Add(12 * time.Hour),
	}
}

// redeemSteadily redeems codes for d at sweepRate.
func (b *backend) redeemSteadily(ctx context.Context, d time.Duration) ([]turn, error) {
	began := time.Now()
	return b.redeemUntil(ctx, func() (bool, error) { return time.Since(began) >= d, nil })
}

// redeemUntil redeems codes at sweepRate until it is over. One that comes late because
// others take long has waited since it was due, and one that fails took as long.
func (b *backend) redeemUntil(ctx context.Context, over func() (bool, error)) ([]turn, error) {
	due := make(chan time.Time, sweepWorkers)
	turns := make([]turn, sweepWorkers)
	var all sync.WaitGroup
	for w := range sweepWorkers {
		all.Go(func() {
			for at := range due {
				if b.store.Redeem(ctx, grant()) != nil {
					turns[w].failed++
				}
				turns[w].took = append(turns[w].took, time.Since(at))
			}
		})
	}
	err := metronome(ctx, due, over)
	close(due)
	all.Wait()
	return turns, err
}

func failures(turns []turn) int {
	n := 0
	for _, t := range turns {
		n += t.failed
	}
	return n
}

// metronome says when the next is due, sweepRate times per second, and asks once a
// second whether it is over.
func metronome(ctx context.Context, due chan<- time.Time, over func() (bool, error)) error {
	const every = time.Second / sweepRate
	timer := time.NewTimer(0)
	defer timer.Stop()
	at := time.Now()
	for i := 1; ; i++ {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case due <- at:
		case <-ctx.Done():
			return ctx.Err()
		}
		if i%sweepRate == 0 {
			if is, err := over(); is || err != nil {
				return err
			}
		}
		at = at.Add(every)
		timer.Reset(time.Until(at))
	}
}
