// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// intake is a batcher that hands its batches to the test.
func intake() (*batcher[int, int], chan []*call[int, int]) {
	batches := make(chan []*call[int, int])
	return newBatcher(func(calls []*call[int, int]) { batches <- calls }), batches
}

// answer answers each call with its own request.
func answer(calls []*call[int, int]) {
	for _, c := range calls {
		c.end(c.request, nil)
	}
}

// Whatever comes while the former batches are under way goes together, in bounded
// batches, and everyone gets their own answer after the batch.
func TestBatcher_Gathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, batches := intake()
		const callers = 3*batchSize + batchesUnderWay
		answers := make(chan int, callers)
		for i := range callers {
			go func() {
				got, err := b.do(t.Context(), i)
				if err != nil || got != i {
					t.Errorf("do(%d) = %d, %v", i, got, err)
				}
				answers <- got
			}()
		}
		synctest.Wait()
		sizes := 0
		for sizes < callers {
			batch := <-batches
			if len(batch) > batchSize {
				t.Errorf("a batch has %d calls, want at most %d", len(batch), batchSize)
			}
			if got := len(answers); got != sizes {
				t.Errorf("%d callers are answered, want the %d of the batches that have ended", got, sizes)
			}
			sizes += len(batch)
			answer(batch)
			synctest.Wait()
		}
		b.wait()
		if len(answers) != callers {
			t.Errorf("%d answers, want %d", len(answers), callers)
		}
	})
}

// Whoever leaves before a batch has the request takes it along; later it is done
// without them. Others notice nothing.
func TestBatcher_CallersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, batches := intake()
		do := func(ctx context.Context, i int) chan error {
			done := make(chan error, 1)
			go func() {
				_, err := b.do(ctx, i)
				done <- err
			}()
			synctest.Wait()
			return done
		}
		ctx, leave := context.WithCancel(t.Context())
		first, second := do(ctx, 1), do(t.Context(), 2) // under way
		waiting, staying := do(ctx, 3), do(t.Context(), 4)
		leave()
		for _, left := range []chan error{first, waiting} {
			if err := <-left; !errors.Is(err, context.Canceled) {
				t.Errorf("a caller who left = %v, want %v", err, context.Canceled)
			}
		}
		answer(<-batches)
		answer(<-batches)
		last := <-batches
		if len(last) != 1 || last[0].request != 4 {
			t.Errorf("the last batch has %d calls, want that of the one who stayed", len(last))
		}
		answer(last)
		if err := errors.Join(<-second, <-staying); err != nil {
			t.Error(err)
		}
		if err := <-do(ctx, 5); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who had left before = %v, want %v", err, context.Canceled)
		}
		b.wait()
	})
}

// Nobody waits forever, whatever becomes of a batch.
func TestBatcher_WaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, batches := intake()
		began := time.Now()
		_, err := b.do(t.Context(), 1)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != verbTimeout {
			t.Errorf("do = %v after %s, want %v after %s", err, took, context.DeadlineExceeded, verbTimeout)
		}
		answer(<-batches)
		b.wait()
	})
}
