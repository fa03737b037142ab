// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/clientele-dev/clientele/test/bench/codeflow"
)

// turn is what came of one thing in one round.
type turn struct {
	elapsed time.Duration
	// cpu is that of the server's process.
	cpu  time.Duration
	took []time.Duration
}

func (t turn) rate() float64 { return float64(len(t.took)) / t.elapsed.Seconds() }

// each is the CPU that each took.
func (t turn) each() time.Duration { return t.cpu / time.Duration(len(t.took)) }

// round has the turns of one round: the real thing, and what it needs.
type round struct{ real, bare turn }

func (r round) ratio() float64 { return float64(r.real.each()) / float64(r.bare.each()) }

// round measures the operation and what it needs. What comes first in one round comes
// last in the next.
func (op *operation) round(ctx context.Context, o options, number int) error {
	var r round
	parts := []func() error{
		func() (err error) { r.real, err = take(ctx, o, op.server, op.do); return err },
		func() (err error) {
			r.bare, err = take(ctx, o, op.server, func(int) error { return op.bare() })
			return err
		},
	}
	if number%2 == 1 {
		slices.Reverse(parts)
	}
	warm := o
	warm.turn /= 5
	if number == 0 { // connections are made, and code is warm
		if _, err := take(ctx, warm, op.server, op.do); err != nil {
			return err
		}
		if _, err := take(ctx, warm, op.server, func(int) error { return op.bare() }); err != nil {
			return err
		}
	}
	for _, measure := range parts {
		if err := measure(); err != nil {
			return err
		}
	}
	op.rounds = append(op.rounds, r)
	return nil
}

// take does something for a turn's length.
func take(ctx context.Context, o options, server *codeflow.Server, do func(worker int) error) (turn, error) {
	before, err := server.CPU(true)
	if err != nil {
		return turn{}, err
	}
	took, failed := make([][]time.Duration, o.workers), make([]error, o.workers)
	began := time.Now()
	var all sync.WaitGroup
	for w := range o.workers {
		all.Go(func() {
			for failed[w] == nil && (time.Since(began) < o.turn || len(took[w]) == 0) {
				at := time.Now()
				failed[w] = errors.Join(do(w), ctx.Err())
				took[w] = append(took[w], time.Since(at))
			}
		})
	}
	all.Wait()
	elapsed := time.Since(began)
	after, err := server.CPU(false)
	return turn{elapsed: elapsed, cpu: after - before, took: slices.Concat(took...)}, errors.Join(append(failed, err)...)
}

// table tells what came of operations.
func table(out io.Writer, all []*operation) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "\t/s\tp99 ms\tCPU µs\tneeds µs\tCPU / needs\t")
	for _, op := range all {
		ratio := median(op.rounds, round.ratio)
		_, _ = fmt.Fprintf(w, "%s\t%.0f\t%.1f\t%s\t%s\t%.2f\t  %s\n", op.name,
			median(op.rounds, func(r round) float64 { return r.real.rate() }),
			float64(within(op.rounds, 0.99))/float64(time.Millisecond),
			op.micros(func(r round) time.Duration { return r.real.each() }),
			op.micros(func(r round) time.Duration { return r.bare.each() }), ratio, op.judge(ratio))
	}
	_ = w.Flush()
}

func (op *operation) micros(of func(round) time.Duration) string {
	return fmt.Sprintf("%.0f", median(op.rounds, func(r round) float64 { return float64(of(r)) })/float64(time.Microsecond))
}

// judge says whether a ratio is as it should be.
func (op *operation) judge(ratio float64) string {
	switch {
	case op.goal == 0:
		return ""
	case ratio > op.goal:
		return fmt.Sprintf("above the goal of %.1f", op.goal)
	}
	return fmt.Sprintf("goal of %.1f met", op.goal)
}

// median of what f says of each round.
func median(rounds []round, f func(round) float64) float64 {
	all := make([]float64, 0, len(rounds))
	for _, r := range rounds {
		all = append(all, f(r))
	}
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

// within is the time within which that share of all was done.
func within(rounds []round, share float64) time.Duration {
	var all []time.Duration
	for _, r := range rounds {
		all = append(all, r.real.took...)
	}
	slices.Sort(all)
	return all[int(share*float64(len(all)-1))]
}
