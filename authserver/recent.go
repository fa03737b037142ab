// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"sync"
	"time"
)

// recent remembers for a short while what the store has said is there, so that a
// person who clicks through pages costs one question. It never remembers that
// something is not there. What it says may be over elsewhere for as long as it
// remembers; what is over here it is told to forget.
//
// It is two maps, of which the older one is dropped when the newer one is full, or
// as old as anything may become: no more than room records are kept, and nobody has
// to look for those that are over. The zero value remembers nothing.
type recent[K comparable, V any] struct {
	keep time.Duration
	room int

	mu         sync.Mutex
	young, old map[K]remembered[V]
	// began is when young was empty.
	began time.Time
	// forgot counts what was forgotten.
	forgot int
}

type remembered[V any] struct {
	value V
	asked time.Time
}

func newRecent[K comparable, V any](keep time.Duration, room int) *recent[K, V] {
	return &recent[K, V]{keep: keep, room: room}
}

// get returns what is known of k. Whoever asks the store as well passes the question
// to put with the answer.
func (c *recent[K, V]) get(k K, now time.Time) (V, question, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := question{asked: now, forgot: c.forgot}
	for _, known := range []map[K]remembered[V]{c.young, c.old} {
		if r, ok := known[k]; ok {
			return r.value, q, c.fresh(r.asked, now)
		}
	}
	var none V
	return none, q, false
}

// question is when the store was asked.
type question struct {
	asked  time.Time
	forgot int
}

// put remembers the store's answer to a question of get's. An answer that was given
// before something was forgotten may be about that: it is not remembered.
func (c *recent[K, V]) put(k K, v V, q question) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keep <= 0 || c.forgot != q.forgot {
		return
	}
	if len(c.young) >= c.room/2 || !c.fresh(c.began, q.asked) {
		c.young, c.old, c.began = map[K]remembered[V]{}, c.young, q.asked
	}
	c.young[k] = remembered[V]{v, q.asked}
}

// forget is for what has ended, or may have.
func (c *recent[K, V]) forget(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, k)
	delete(c.old, k)
	c.forgot++
}

// fresh reports whether an answer of a time still counts. A clock that was set back
// lets none count for longer.
func (c *recent[K, V]) fresh(asked, now time.Time) bool {
	age := now.Sub(asked)
	return age >= 0 && age < c.keep
}
