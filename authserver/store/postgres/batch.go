// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"sync"
)

const (
	// batchSize bounds a statement: how long its commit takes, and how much it can harm.
	batchSize = 256
	// batchesUnderWay is how many statements of a kind there are at a time: one is
	// committed while the other is prepared. More of them share less, and were measured
	// to cost more CPU for no more throughput.
	batchesUnderWay = 2
)

// batcher collects the requests of concurrent callers. A batch is whatever has come
// while the former ones were under way, so one caller alone waits for nobody.
type batcher[Q, A any] struct {
	send func([]*call[Q, A])

	mu       sync.Mutex
	waiting  []*call[Q, A]
	underWay int
	all      sync.WaitGroup
}

// call is one caller's request.
type call[Q, A any] struct {
	ctx     context.Context // only to know whether the caller still waits
	request Q
	answer  A
	err     error
	done    chan struct{}
}

// newBatcher returns a batcher. send must end, or put back, every call that it gets.
func newBatcher[Q, A any](send func([]*call[Q, A])) *batcher[Q, A] {
	return &batcher[Q, A]{send: send}
}

// do returns what became of a request. A caller that loses its patience leaves: its
// request is dropped if no batch has it yet.
func (b *batcher[Q, A]) do(ctx context.Context, request Q) (answer A, err error) {
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	ctx, cancel := context.WithTimeout(ctx, verbTimeout)
	defer cancel()
	c := &call[Q, A]{ctx: ctx, request: request, done: make(chan struct{})}
	b.put(c)
	select {
	case <-c.done:
		return c.answer, c.err
	case <-ctx.Done():
		return answer, ctx.Err()
	}
}

// put adds calls behind those that wait.
func (b *batcher[Q, A]) put(calls ...*call[Q, A]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, calls...)
	if b.underWay < batchesUnderWay && len(b.waiting) > 0 {
		b.underWay++
		b.all.Go(b.run)
	}
}

// run sends batches until nobody waits.
func (b *batcher[Q, A]) run() {
	for {
		batch := b.take()
		if batch == nil {
			return
		}
		if batch = stillWaiting(batch); len(batch) > 0 {
			b.send(batch)
		}
	}
}

// take returns the next batch, or nil, and then the run is over.
func (b *batcher[Q, A]) take() []*call[Q, A] {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting), batchSize)
	if n == 0 {
		b.waiting = nil // a slice of it would keep the memory of its longest time
		b.underWay--
		return nil
	}
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	return batch
}

// wait returns when nothing is under way.
func (b *batcher[Q, A]) wait() { b.all.Wait() }

// stillWaiting leaves out the calls of those who have gone.
func stillWaiting[Q, A any](calls []*call[Q, A]) []*call[Q, A] {
	out := calls[:0]
	for _, c := range calls {
		if err := c.ctx.Err(); err != nil {
			c.end(c.answer, err)
			continue
		}
		out = append(out, c)
	}
	return out
}

// end answers a call, once.
func (c *call[Q, A]) end(answer A, err error) {
	c.answer, c.err = answer, err
	close(c.done)
}

// endAll answers calls that failed alike.
func endAll[Q, A any](calls []*call[Q, A], err error) {
	for _, c := range calls {
		c.end(c.answer, err)
	}
}
