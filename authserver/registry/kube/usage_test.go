// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/internal/registration"
)

// secretID is the ID of the n-th secret.
func secretID(n int) string { return fmt.Sprintf("%012x", n) }

func usageAt(clock *atomic.Int64) *usage {
	return &usage{now: func() time.Time { return time.Unix(clock.Load(), 0) }}
}

func TestUsage_NotesTheLatestMinute(t *testing.T) {
	var clock atomic.Int64
	u := usageAt(&clock)
	for _, c := range []struct {
		second int64
		fresh  bool
		want   int64
	}{
		{600, true, 10},
		{659, false, 10},
		{660, true, 11},
		{600, false, 11}, // a clock that was set back
		{7200, true, 120},
	} {
		u.fresh.Store(false)
		clock.Store(c.second)
		u.Used(secretID(1))
		if got := u.collect(10).Used[secretID(1)]; got != c.want || u.fresh.Load() != c.fresh {
			t.Errorf("used at %d: minute %d, fresh %t; want %d, %t", c.second, got, u.fresh.Load(), c.want, c.fresh)
		}
	}
	u.fresh.Store(false)
	u.Used("nonsense")
	if got := u.collect(10).Used; len(got) != 1 || u.fresh.Load() {
		t.Errorf("what is no ID was noted: %v", got)
	}
}

func TestUsage_ForgetsWhatThereIsNoRoomFor(t *testing.T) {
	var clock atomic.Int64
	u := usageAt(&clock)
	for i := range 10 {
		clock.Store(60 * int64(100+i))
		u.Used(secretID(i))
	}
	got := u.collect(4)
	want := map[string]int64{secretID(6): 106, secretID(7): 107, secretID(8): 108, secretID(9): 109}
	if !maps.Equal(got.Used, want) || got.Dropped != 105 {
		t.Errorf("got %v, dropped until %d", got.Used, got.Dropped)
	}
	if again := u.collect(100); !maps.Equal(again.Used, want) {
		t.Errorf("what was dropped is still there: %v", again.Used)
	}
	clock.Store(60 * 200)
	u.Used(secretID(0))
	if again := u.collect(100); again.Used[secretID(0)] != 200 {
		t.Error("what was dropped is not noted any more")
	}
}

// TestUsage_LosesNothing uses secrets while there is room for too few of them: every
// use is in the collection that follows it, or was dropped and is told so.
func TestUsage_LosesNothing(t *testing.T) {
	var clock atomic.Int64
	u := usageAt(&clock)
	for round := range int64(200) {
		clock.Store(60 * (1000 + round))
		used := rand.Perm(8)[:4]
		var all sync.WaitGroup
		for _, i := range used {
			all.Go(func() { u.Used(secretID(i)) })
		}
		all.Go(func() { u.collect(5) })
		all.Wait()
		got := u.collect(5)
		for _, i := range used {
			if got.Used[secretID(i)] != 1000+round {
				t.Fatalf("round %d: secret %d is reported in minute %d", round, i, got.Used[secretID(i)])
			}
		}
	}
}

// BenchmarkUsed is what a request pays, with ten thousand clients that all
// authenticate at once.
func BenchmarkUsed(b *testing.B) {
	u := &usage{now: time.Now}
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = secretID(i)
		u.Used(ids[i])
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := rand.IntN(len(ids)); pb.Next(); i++ {
			u.Used(ids[i%len(ids)])
		}
	})
}

// BenchmarkUsage_Collect is what a report costs beside its write.
func BenchmarkUsage_Collect(b *testing.B) {
	u := &usage{now: time.Now}
	for i := range 20_000 {
		u.Used(secretID(i))
	}
	for b.Loop() {
		if _, err := u.collect(registration.MaxUsed).Encode(); err != nil {
			b.Fatal(err)
		}
	}
}
