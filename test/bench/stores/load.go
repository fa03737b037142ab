// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/clientele-dev/clientele/test/bench/procs"
)

// job is something to do again and again, by workers that are numbered from 0.
type job struct {
	// prepare comes before each turn, and does not count; nil means nothing.
	prepare func(ctx context.Context, workers int) error
	do      func(ctx context.Context, worker int) error
}

// turn is what came of a job in one round.
type turn struct {
	elapsed time.Duration
	// cpu is that of this program, and of all that it has started.
	cpu  time.Duration
	took []time.Duration
	// failed counts those that did, where that is no reason to stop.
	failed int
}

func (t turn) rate() float64 { return float64(len(t.took)) / t.elapsed.Seconds() }

// each is the CPU, in seconds, that each of the turn's took.
func (t turn) each() float64 { return t.cpu.Seconds() / float64(len(t.took)) }

// leastEach is how often each worker does a job at the least, however short the
// turn: else the end, when not all have something to do, would weigh too much.
const leastEach = 4

// take does a job for d with that many workers.
func (j job) take(ctx context.Context, workers int, d time.Duration) (turn, error) {
	if j.prepare != nil {
		if err := j.prepare(ctx, workers); err != nil {
			return turn{}, err
		}
	}
	runtime.GC() // nobody pays for what others have left
	before, err := procs.CPU(os.Getpid())
	if err != nil {
		return turn{}, err
	}
	took, failed := make([][]time.Duration, workers), make([]error, workers)
	began := time.Now()
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for failed[w] == nil && (time.Since(began) < d || len(took[w]) < leastEach) {
				at := time.Now()
				failed[w] = j.do(ctx, w)
				took[w] = append(took[w], time.Since(at))
			}
		})
	}
	all.Wait()
	elapsed := time.Since(began)
	after, err := procs.CPU(os.Getpid())
	return turn{elapsed: elapsed, cpu: after - before, took: slices.Concat(took...)}, errors.Join(append(failed, err)...)
}

// median of what f says of each round.
func median[T any](rounds []T, f func(T) float64) float64 {
	all := make([]float64, 0, len(rounds))
	for _, r := range rounds {
		all = append(all, f(r))
	}
	slices.Sort(all)
	if n := len(all); n%2 == 0 {
		return (all[n/2-1] + all[n/2]) / 2
	}
	return all[len(all)/2]
}

// within is the time within which that share of all turns' was done.
func within(turns []turn, share float64) time.Duration {
	var all []time.Duration
	for _, t := range turns {
		all = append(all, t.took...)
	}
	slices.Sort(all)
	return all[int(share*float64(len(all)-1))]
}
