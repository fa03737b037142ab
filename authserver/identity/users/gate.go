// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package users

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/clientele-dev/clientele/authserver/identity"
)

// queuePerTurn is how many logins wait for each that is being verified: about a
// second's worth at bcrypt's default cost. Whoever would wait longer is told so.
const queuePerTurn = 16

// Gate bounds how many passwords are verified at once. A hash is slow on purpose,
// and may want memory: without a bound a flood of logins, which anybody can send,
// would take both from everybody.
type Gate struct {
	turns   chan struct{}
	waiting atomic.Int64
	queue   int64
}

// NewGate lets turns logins through at a time, and lets queue wait. Zero means as
// many turns as there are CPUs, and a queue in proportion; a negative queue means
// that nobody waits.
func NewGate(turns, queue int) *Gate {
	if turns <= 0 {
		turns = runtime.GOMAXPROCS(0)
	}
	switch {
	case queue == 0:
		queue = turns * queuePerTurn
	case queue < 0:
		queue = 0
	}
	return &Gate{turns: make(chan struct{}, turns), queue: int64(queue)}
}

// enter waits for a turn, which leave gives back.
func (g *Gate) enter(ctx context.Context) error {
	select {
	case g.turns <- struct{}{}:
		return nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.queue {
		return identity.ErrBusy
	}
	select {
	case g.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for other logins: %w", ctx.Err())
	}
}

func (g *Gate) leave() { <-g.turns }
