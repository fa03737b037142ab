// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package backchannel

import (
	"context"
	"sync"
	"time"
)

// line is whose jobs wait for one another: a client's, or, without one, those that find
// out who the clients are.
type line struct{ issuer, client string }

// job is something to do, until it is done or was tried often enough.
type job struct {
	line     line
	since    time.Time
	attempt  func(context.Context) outcome
	attempts int
	// last is set when no further attempt will be made.
	last bool
}

// queue gives jobs to workers, of which it starts as many as it needs. Lines take
// turns, and none has more than maxTurns jobs under way.
type queue struct {
	// work does a job once: it is done, or to be done again after a pause.
	work func(*job) (again time.Duration, done bool)

	mu    sync.Mutex
	lines map[line]*waiting
	// turns are the lines that have a job to begin, in the order of their turns.
	turns   []*waiting
	workers int
	held    int
	// pausing are the jobs that will be tried again.
	pausing  map[*job]*time.Timer
	draining bool
	closed   bool
	empty    chan struct{}
}

// waiting is a line's state. It exists while the line has jobs.
type waiting struct {
	line    line
	jobs    []*job
	held    int
	running int
	// turn is whether it is among the turns.
	turn bool
}

func newQueue(work func(*job) (time.Duration, bool)) *queue {
	return &queue{
		work: work, lines: map[line]*waiting{}, pausing: map[*job]*time.Timer{}, empty: make(chan struct{}),
	}
}

// size is how many jobs there are.
func (q *queue) size() float64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return float64(q.held)
}

// add reports whether there was room for a job.
func (q *queue) add(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[j.line]
	if q.closed || q.held >= maxHeld || l != nil && l.held >= maxLine {
		return false
	}
	if l == nil {
		l = &waiting{line: j.line}
		q.lines[j.line] = l
	}
	q.held++
	l.held++
	q.push(l, j)
	return true
}

// push has a job done when it is its turn.
func (q *queue) push(l *waiting, j *job) {
	j.last = q.draining
	l.jobs = append(l.jobs, j)
	q.offer(l)
}

// offer gives a line a turn if it can use one, and sees to it that somebody works.
func (q *queue) offer(l *waiting) {
	if l.turn || len(l.jobs) == 0 || l.running >= maxTurns || q.closed {
		return
	}
	l.turn = true
	q.turns = append(q.turns, l)
	if q.workers < maxWorkers {
		q.workers++
		go q.run()
	}
}

// run is a worker: it goes when there is nothing to do.
func (q *queue) run() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.turns) > 0 {
		l := q.turns[0]
		q.turns = q.turns[1:]
		j := l.jobs[0]
		l.jobs = l.jobs[1:]
		l.turn = false
		l.running++
		q.offer(l)

		q.mu.Unlock()
		again, done := q.work(j)
		q.mu.Lock()

		l.running--
		if done {
			q.drop(l)
		} else {
			q.pause(l, j, again)
		}
		q.offer(l)
	}
	q.workers--
}

// pause has a job done again later, or, while all is drained, at once for the last time.
func (q *queue) pause(l *waiting, j *job, d time.Duration) {
	if q.draining {
		q.push(l, j)
		return
	}
	q.pausing[j] = time.AfterFunc(d, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if _, ok := q.pausing[j]; ok {
			delete(q.pausing, j)
			q.push(l, j)
		}
	})
}

// drop is for a job that is done.
func (q *queue) drop(l *waiting) {
	q.held--
	l.held--
	if l.held == 0 {
		delete(q.lines, l.line)
	}
	if q.draining && q.held == 0 && !q.closed {
		q.closed = true
		close(q.empty)
	}
}

// drain ends all pauses, and returns what is closed once there is nothing left to do.
func (q *queue) drain() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.draining {
		return q.empty
	}
	q.draining = true
	for _, l := range q.lines {
		for _, j := range l.jobs {
			j.last = true
		}
	}
	for j, timer := range q.pausing {
		timer.Stop()
		delete(q.pausing, j)
		q.push(q.lines[j.line], j)
	}
	if q.held == 0 {
		q.closed = true
		close(q.empty)
	}
	return q.empty
}

// close takes nothing on any more, and returns what was not begun.
func (q *queue) close() []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.turns = nil
	var left []*job
	for _, l := range q.lines {
		left = append(left, l.jobs...)
		l.jobs = nil
	}
	return left
}
