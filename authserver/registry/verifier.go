// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/clientele-dev/clientele/internal/credential"
)

const (
	// pendingPerClient is how many different secrets of one client are compared slowly,
	// or wait for it, at once. An app sends one, or two while it changes; whoever
	// guesses sends many, and must not keep other clients waiting.
	pendingPerClient = 4
	// pendingPerTurn is how many wait for each that is being compared: about a second's
	// worth.
	pendingPerTurn = 32
)

// ErrBusy means that too many secrets are being compared slowly right now.
var ErrBusy = errors.New("too many client secrets to verify at once")

// Verifier compares client secrets with the slow hashes of those that people have
// brought: each secret once, and from then on by memory. Anybody can send wrong ones,
// so it compares only few at a time, for each client and in all, and sends away who
// would have to wait long. Make one for a process, with NewVerifier.
type Verifier struct {
	memory credential.Memory
	turns  chan struct{}

	mu      sync.Mutex
	flights map[flight]chan struct{}
	pending map[string]int // by client
	total   int
}

// flight is a comparison under way: all who send the same secret wait for one.
type flight struct {
	client string
	secret credential.Mark
}

// NewVerifier returns a Verifier that compares with slow; nil means argon2id. It takes
// half of the CPUs at the most: the rest is for everybody else.
func NewVerifier(slow func(secret credential.Secret, hash string) bool) *Verifier {
	turns := max(1, runtime.GOMAXPROCS(0)/2)
	return &Verifier{
		memory: credential.Memory{Slow: slow}, turns: make(chan struct{}, turns),
		flights: map[flight]chan struct{}{}, pending: map[string]int{},
	}
}

// find is which of hashes, oldest first, is the secret's, or -1. The error is ErrBusy,
// or that of a context that ended.
func (v *Verifier) find(ctx context.Context, client string, hashes []string, secret credential.Secret) (int, error) {
	if len(hashes) == 0 || secret.IsZero() || len(secret.Reveal()) > credential.MaxBrought {
		return -1, nil
	}
	own := flight{client, v.memory.Mark(secret)}
	for {
		if i, known := v.recall(hashes, secret); known {
			return i, nil
		}
		landed, leads, err := v.board(own)
		switch {
		case err != nil:
			return -1, err
		case leads:
			defer v.land(own, landed)
			return v.compare(ctx, hashes, secret)
		}
		select {
		case <-landed: // known now, unless whoever led it gave up
		case <-ctx.Done():
			return -1, gaveUp(ctx)
		}
	}
}

// recall is find by memory alone.
func (v *Verifier) recall(hashes []string, secret credential.Secret) (at int, known bool) {
	known = true
	for i, hash := range hashes {
		matches, compared := v.memory.Recall(secret, hash)
		if matches {
			return i, true
		}
		known = known && compared
	}
	return -1, known
}

// board joins the flight, or begins it if there is none and there is room.
func (v *Verifier) board(own flight) (landed chan struct{}, leads bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if landed, ok := v.flights[own]; ok {
		return landed, false, nil
	}
	if v.pending[own.client] >= pendingPerClient || v.total >= cap(v.turns)*pendingPerTurn {
		return nil, false, ErrBusy
	}
	v.pending[own.client]++
	v.total++
	landed = make(chan struct{})
	v.flights[own] = landed
	return landed, true, nil
}

func (v *Verifier) land(own flight, landed chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.flights, own)
	if v.pending[own.client]--; v.pending[own.client] == 0 {
		delete(v.pending, own.client)
	}
	v.total--
	close(landed)
}

// compare does the slow work, the newest first, with a turn for each.
func (v *Verifier) compare(ctx context.Context, hashes []string, secret credential.Secret) (int, error) {
	for i, hash := range slices.Backward(hashes) {
		select {
		case v.turns <- struct{}{}:
		case <-ctx.Done():
			return -1, gaveUp(ctx)
		}
		matches := v.memory.Matches(secret, hash)
		<-v.turns
		if matches {
			return i, nil
		}
	}
	return -1, nil
}

func gaveUp(ctx context.Context) error {
	return fmt.Errorf("wait for other client secrets to be verified: %w", ctx.Err())
}
