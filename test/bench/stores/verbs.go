// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/test/bench/codeflow"
)

var concurrency = []int{1, 8, 32, 128}

// backend is a store, and what is written to where it writes without it.
type backend struct {
	spec  codeflow.StoreSpec
	store store.Store
	// create and update are its bare limit, and called so.
	create, update       job
	createdSo, updatedSo string
	// goal is what the ratios are to be at the least, at that concurrency and above;
	// goalFrom is 0 where there is no goal.
	goal     float64
	goalFrom int
	// fresh makes everything empty; nil where it need not be.
	fresh func()
	// fill writes sessions and grants that end then; nil where nothing is swept.
	fill func(ctx context.Context, n int, until time.Time) error
	end  func() error
}

// grant is one that was redeemed now: as large as they are.
func grant() store.Grant {
	now := time.Now()
	return store.Grant{
		ID: rand.Text(), Issuer: "default", ClientID: "team.bench", ClientUID: "7f3c9d52-6a8e-4b07-9a51-0f6f1f3f2a10",
		Subject: "KZ2WQ3XZJ5MBT7O4E6N1RYH8VC", Provider: "users", PersonID: "ada", SessionID: rand.Text(),
		Scopes: []string{"openid", "profile", "email", "groups", "offline_access"}, AuthTime: now.Add(-time.Hour),
		AdvancedAt: now, IssuedAt: now, CodeExpiresAt: now.Add(time.Minute), ExpiresAt: now.Add(720 * time.Hour),
	}
}

// redeem creates grants through the store.
func (b *backend) redeem() job {
	return job{do: func(ctx context.Context, _ int) error { return b.store.Redeem(ctx, grant()) }}
}

// advance refreshes grants through the store, one for each worker.
func (b *backend) advance() job {
	var grants []store.Grant
	return job{
		prepare: func(ctx context.Context, workers int) error {
			grants = make([]store.Grant, workers)
			return each(workers, func(w int) error {
				grants[w] = grant()
				return b.store.Redeem(ctx, grants[w])
			})
		},
		do: func(ctx context.Context, w int) (err error) {
			grants[w], err = b.store.Advance(ctx, grants[w].Issuer, grants[w].ID, grants[w].Counter, time.Now())
			return err
		},
	}
}

// each does f for every worker, at once.
func each(workers int, f func(w int) error) error {
	failed := make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() { failed[w] = f(w) })
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// round has a turn of each job of the verbs, in this order: neighbours are compared.
type round struct{ create, redeem, update, advance turn }

// measure is everything that is told of a store.
func (b *backend) measure(ctx context.Context, o options, out io.Writer) error {
	if o.rounds > 0 {
		if err := b.measureVerbs(ctx, o, out); err != nil {
			return err
		}
		if b.goalFrom > 0 { // what is compared with memory is not memory
			if err := b.measureFlows(ctx, o, out); err != nil {
				return err
			}
		}
	}
	if o.expired == 0 || b.fill == nil {
		return nil
	}
	return b.measureSweep(ctx, o, out)
}

func (b *backend) measureVerbs(ctx context.Context, o options, out io.Writer) error {
	say(out, "\nThe store %s, in %d rounds of %s for each. Bare are %s, and %s. The ratios are of store to bare: of how many a second of CPU "+
		"does, store and this program together, and of how many a second does.", b.spec.Kind, o.rounds, o.turn, b.createdSo, b.updatedSo)
	seen := map[int][]round{}
	for i := range o.rounds {
		for _, c := range concurrency {
			r, err := b.round(ctx, c, i, o.turn)
			if err != nil {
				return fmt.Errorf("at concurrency %d: %w", c, err)
			}
			seen[c] = append(seen[c], r)
		}
	}
	b.tellVerbs(out, seen)
	return nil
}

// round measures the verbs at a concurrency. What comes first in one round comes last
// in the next.
func (b *backend) round(ctx context.Context, workers, number int, d time.Duration) (round, error) {
	var r round
	turns := []struct {
		job  job
		into *turn
	}{{b.create, &r.create}, {b.redeem(), &r.redeem}, {b.advance(), &r.advance}, {b.update, &r.update}}
	if number%2 == 1 {
		slices.Reverse(turns)
	}
	for _, t := range turns {
		if b.fresh != nil {
			b.fresh()
		}
		if number == 0 { // connections are made, and code is warm
			if _, err := t.job.take(ctx, workers, d/5); err != nil {
				return r, err
			}
		}
		var err error
		if *t.into, err = t.job.take(ctx, workers, d); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (b *backend) tellVerbs(out io.Writer, seen map[int][]round) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...any) {
		for _, c := range cells {
			_, _ = fmt.Fprintf(w, "%v\t", c)
		}
		_, _ = fmt.Fprintln(w)
	}
	head := []any{"/s", "p50 ms", "p99 ms", "bare/s", "p50 ms", "p99 ms", "of CPU", "ratio"}
	row(append([]any{"redeem c="}, append(head, "")...)...)
	for _, c := range concurrency {
		all := seen[c]
		ratio := median(all, func(r round) float64 { return r.redeem.rate() / r.create.rate() })
		row(slices.Concat([]any{c}, cells(all, func(r round) turn { return r.redeem }), cells(all, func(r round) turn { return r.create }),
			[]any{fmt.Sprintf("%.2f", median(all, func(r round) float64 { return r.create.each() / r.redeem.each() })),
				fmt.Sprintf("%.2f", ratio), b.judge(c, ratio)})...)
	}
	row(append([]any{"advance c="}, append(head, "of bare creates")...)...)
	for _, c := range concurrency {
		all := seen[c]
		ratio := median(all, func(r round) float64 { return r.advance.rate() / r.update.rate() })
		ofCreates := median(all, func(r round) float64 { return r.advance.rate() / r.create.rate() })
		row(slices.Concat([]any{c}, cells(all, func(r round) turn { return r.advance }), cells(all, func(r round) turn { return r.update }),
			[]any{fmt.Sprintf("%.2f", median(all, func(r round) float64 { return r.update.each() / r.advance.each() })),
				fmt.Sprintf("%.2f", ratio), fmt.Sprintf("%.2f", ofCreates), b.judge(c, ratio)})...)
	}
	_ = w.Flush()
}

// cells are a job's rate and times, over all rounds.
func cells(all []round, of func(round) turn) []any {
	turns := make([]turn, 0, len(all))
	for _, r := range all {
		turns = append(turns, of(r))
	}
	return []any{
		fmt.Sprintf("%.0f", median(turns, turn.rate)), milliseconds(within(turns, 0.5)), milliseconds(within(turns, 0.99)),
	}
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.3g", float64(d)/float64(time.Millisecond))
}

// judge says whether a ratio is as it should be.
func (b *backend) judge(workers int, ratio float64) string {
	switch {
	case b.goalFrom == 0 || workers < b.goalFrom:
		return ""
	case ratio < b.goal:
		return fmt.Sprintf("below the goal of %.2f", b.goal)
	}
	return fmt.Sprintf("goal of %.2f met", b.goal)
}
