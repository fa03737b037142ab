// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"container/heap"
	"time"
)

// sweepSize is how many expired records an add forgets at the most: more than the
// one that it adds, so that a backlog shrinks, and few enough that nobody waits
// for a hundred thousand records that end at the same moment.
const sweepSize = 8

type key struct{ issuer, id string }

// table is a map of records that end. Its caller locks.
type table[V any] struct {
	records map[key]*record[V]
	queue   queue[V]
}

type record[V any] struct {
	key   key
	value V
	// until is when the record may be forgotten: it is there before, and not at it.
	until time.Time
	place int // in the queue
}

func (table[V]) init() table[V] { return table[V]{records: map[key]*record[V]{}} }

// get returns the record itself, so that a caller with the lock can change its
// value.
func (t *table[V]) get(k key, now time.Time) (*record[V], bool) {
	r, ok := t.records[k]
	if !ok || !now.Before(r.until) {
		return nil, false
	}
	return r, true
}

// add reports false, and does nothing, if there is a record of that key.
func (t *table[V]) add(k key, v V, until, now time.Time) bool {
	for range sweepSize {
		if len(t.queue) == 0 || now.Before(t.queue[0].until) {
			break
		}
		t.remove(t.queue[0].key)
	}
	if _, ok := t.get(k, now); ok {
		return false
	}
	t.remove(k)
	r := &record[V]{key: k, value: v, until: until}
	t.records[k] = r
	heap.Push(&t.queue, r)
	return true
}

func (t *table[V]) remove(k key) {
	if r, ok := t.records[k]; ok {
		delete(t.records, k)
		heap.Remove(&t.queue, r.place)
	}
}

// queue is a heap.Interface: the record that ends first comes first.
type queue[V any] []*record[V]

func (q queue[V]) Len() int           { return len(q) }
func (q queue[V]) Less(i, j int) bool { return q[i].until.Before(q[j].until) }

func (q queue[V]) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *queue[V]) Push(x any) {
	r := x.(*record[V])
	r.place = len(*q)
	*q = append(*q, r)
}

func (q *queue[V]) Pop() any {
	last := len(*q) - 1
	r := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return r
}
