// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/test/bench/codeflow"
)

const (
	// flowWorkers is the concurrency of whole flows.
	flowWorkers = 32
	// flowGoal is how much of what is possible they are to reach.
	flowGoal = 0.8
)

// flowRound has the turns of one round: flows on the memory store, the store's bare
// creates, and flows on the store.
type flowRound struct{ memory, bare, flows turn }

// possible is how many flows per second the slower of CPU and store allows.
//
// The store allows as many as it takes bare creates, since a flow is one create.
//
// The CPU allows what it has, divided by what a flow cannot do without. It has what
// the flows on the memory store were given in the same round: they leave none idle.
// Each needs what a flow on the memory store takes of it (clients and server), and
// what a bare create takes (its client, and the store's own processes), because the
// store runs on the same CPUs: on a machine of its own it would cost the flows nothing.
func (r flowRound) possible() (store, cpu float64) {
	has := r.memory.cpu.Seconds() / r.memory.elapsed.Seconds()
	return r.bare.rate(), has / (r.memory.each() + r.bare.each())
}

func (r flowRound) ratio() float64 {
	store, cpu := r.possible()
	return r.flows.rate() / min(store, cpu)
}

// measureFlows compares whole code flows with what is possible.
func (b *backend) measureFlows(ctx context.Context, o options, out io.Writer) error {
	for _, alg := range []string{keys.RS256, keys.ES256} {
		rounds, err := b.flowRounds(ctx, o, alg)
		if err != nil {
			return fmt.Errorf("code flows: %w", err)
		}
		tellFlows(out, alg, rounds)
	}
	return nil
}

func (b *backend) flowRounds(ctx context.Context, o options, alg string) (rounds []flowRound, err error) {
	inMemory, stop1, err := flows(codeflow.Spec{IDTokenAlg: alg, Store: codeflow.StoreSpec{Kind: codeflow.Memory}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop1()) }()
	inStore, stop2, err := flows(codeflow.Spec{IDTokenAlg: alg, Store: b.spec})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop2()) }()
	for i := range o.rounds {
		var r flowRound
		turns := []struct {
			job  job
			into *turn
		}{{inMemory, &r.memory}, {b.create, &r.bare}, {inStore, &r.flows}}
		if i%2 == 1 {
			slices.Reverse(turns)
		}
		for _, t := range turns {
			if i == 0 {
				if _, err := t.job.take(ctx, flowWorkers, o.turn/2); err != nil {
					return nil, err
				}
			}
			// Twice as long as a verb: /proc counts CPU in steps of 10 ms.
			if *t.into, err = t.job.take(ctx, flowWorkers, 2*o.turn); err != nil {
				return nil, err
			}
		}
		rounds = append(rounds, r)
	}
	return rounds, nil
}

// flows are those of a person who has signed in at a server of their own.
func flows(spec codeflow.Spec) (job, func() error, error) {
	server, err := codeflow.Start(spec)
	if err != nil {
		return job{}, nil, err
	}
	app, err := codeflow.NewApp(server, spec.IDTokenAlg, "openid", "profile", "email", "groups")
	if err != nil {
		return job{}, nil, errors.Join(err, server.Stop())
	}
	return job{do: func(context.Context, int) error { _, err := app.Flow(); return err }}, server.Stop, nil
}

func tellFlows(out io.Writer, alg string, rounds []flowRound) {
	var all []turn
	for _, r := range rounds {
		all = append(all, r.flows)
	}
	store := median(rounds, func(r flowRound) float64 { s, _ := r.possible(); return s })
	cpu := median(rounds, func(r flowRound) float64 { _, c := r.possible(); return c })
	ratio := median(rounds, flowRound.ratio)
	verdict := "met"
	if ratio < flowGoal {
		verdict = "MISSED"
	}
	say(out, "Code flows, ID tokens with %s, c=%d: %.0f/s, p50 %s ms, p99 %s ms. The store allows %.0f/s (bare creates), the CPU %.0f/s: "+
		"it does %.0f/s on the memory store, and each takes %.2f ms of it, and each bare create another %.2f ms. "+
		"Of the smaller that is %.2f (goal: at least %.2f, %s).",
		alg, flowWorkers, median(all, turn.rate), milliseconds(within(all, 0.5)), milliseconds(within(all, 0.99)), store, cpu,
		median(rounds, func(r flowRound) float64 { return r.memory.rate() }),
		1000*median(rounds, func(r flowRound) float64 { return r.memory.each() }),
		1000*median(rounds, func(r flowRound) float64 { return r.bare.each() }),
		ratio, flowGoal, verdict)
}
