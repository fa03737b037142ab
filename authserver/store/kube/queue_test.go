// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// TestAllow_Crowd: one person who sends the same consent again and again, as fast as
// they can, must not take every turn that there is from everybody else: those beyond
// a bound are sent away at once, whatever queues they want to.
func TestAllow_Crowd(t *testing.T) {
	const most = allowWaiting
	synctest.Test(t, func(t *testing.T) {
		q := newQueues()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		leave, err := q.enter(ctx, "0")
		must(t, err)
		var waited int
		done := make(chan bool)
		for range 10 * most {
			go func() {
				began := time.Now()
				if leave, err := q.enter(ctx, "0"); err == nil {
					leave()
				}
				done <- time.Since(began) > 0
			}()
		}
		synctest.Wait()
		free := 0
		for i := range 10 {
			if leave, err := q.enter(ctx, strconv.Itoa(i)); err == nil {
				free++
				leave()
			}
		}
		if free < 5 {
			t.Errorf("%d of 10 others have a turn at once, want most", free)
		}
		<-ctx.Done()
		for range 10 * most {
			if <-done {
				waited++
			}
		}
		if waited > most {
			t.Errorf("%d wait, want no more than %d", waited, most)
		}
		leave()
		if q.waiting.Load() != 0 {
			t.Error("somebody who has gone still counts")
		}
	})
}
