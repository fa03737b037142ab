// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"context"
	"sync/atomic"
	"time"
)

// lane lets so many through at a time, and lets so many wait for so long.
type lane struct {
	turns   chan struct{}
	waiting atomic.Int64
	queue   int64
	wait    time.Duration
}

func newLane(turns, queue int, wait time.Duration) *lane {
	return &lane{turns: make(chan struct{}, turns), queue: int64(queue), wait: wait}
}

// enter waits for a turn, which leave gives back.
func (l *lane) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.turns <- struct{}{}:
		return nil
	default:
	}
	defer l.waiting.Add(-1)
	if l.waiting.Add(1) > l.queue {
		return ErrShed
	}
	patience := time.NewTimer(l.wait)
	defer patience.Stop()
	select {
	case l.turns <- struct{}{}:
		return nil
	case <-patience.C:
		return ErrShed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *lane) leave() { <-l.turns }
