// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

var (
	errLapsed = errors.New("the Lease could not be renewed in time")
	errStuck  = errors.New("the watch cannot be checked")
)

// timing is how long things take and may take.
type timing struct {
	lease   time.Duration // the Lease's duration
	margin  time.Duration // how long before its end this replica stops being current
	renew   time.Duration // between two writes of the Lease with nothing to say
	gap     time.Duration // between two writes that acknowledge something
	attempt time.Duration // for one write
	retry   time.Duration // between a failure and the next attempt
	load    time.Duration // to load everything
	check   time.Duration // between two checks of the watch
	behind  time.Duration // how far a watch that is well may be behind
	leave   time.Duration // to delete the Lease at the end
	report  time.Duration // between two reports of what was used
	last    time.Duration // for the last report
}

// The Lease is renewed early enough for two attempts to fail by timeout, and the
// third to succeed. behind exceeds the minute between two bookmarks.
func defaultTiming() timing {
	return timing{
		lease: 15 * time.Second, margin: 3 * time.Second,
		renew: 5 * time.Second, gap: time.Second, attempt: 2 * time.Second, retry: time.Second / 2,
		load: time.Minute, check: time.Minute, behind: 90 * time.Second, leave: 5 * time.Second,
		report: 5 * time.Minute, last: 3 * time.Second,
	}
}

// member is this replica among the others: it joins them by catching up and writing
// a Lease, and acknowledges what it has loaded as long as it can keep that promise.
type member struct {
	timing   timing
	now      func() time.Time
	log      *slog.Logger
	metrics  *metrics
	store    *store
	reporter *reporter
	follower *follower
	lease    *lease
	tenure   *tenure
}

func newMember(c Config, s *store, m *metrics) *member {
	member := &member{now: c.Now, log: c.Log, metrics: m, store: s, follower: newFollower(c, s)}
	member.setTiming(c, defaultTiming())
	return member
}

func (m *member) setTiming(c Config, t timing) {
	m.timing = t
	m.lease = newLease(c.Client, c.Namespace, c.Replica, t)
	m.lease.now = c.Now
	m.reporter = newReporter(c, t, m.metrics)
	m.tenure = &tenure{now: c.Now, limit: t.lease - t.margin}
}

// run joins again and again until ctx ends. The Lease is left for leave.
func (m *member) run(ctx context.Context) {
	again := m.backoff()
	for ctx.Err() == nil {
		err := m.serve(ctx)
		if m.tenure.end() { // before the Lease goes: from then on nobody waits for us
			again = m.backoff()
		}
		if ctx.Err() != nil {
			break
		}
		m.log.Warn("Joining anew; clients that are unknown are not refused for good until then", "err", err)
		// Without a Lease nobody waits for a replica that cannot acknowledge.
		if err := m.attempt(ctx, m.lease.release); err != nil {
			m.log.Warn("Deleting this replica's Lease failed", "err", err)
		}
		wait := again.Step()
		if errors.Is(err, errTaken) {
			// Taking it back at once would only make the other do the same.
			wait += m.timing.lease
		}
		pause(ctx, wait)
	}
	m.follower.stop()
}

// leave deletes the Lease, if it takes some attempts.
func (m *member) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.timing.leave)
	defer cancel()
	for {
		err := m.attempt(ctx, m.lease.release)
		if err == nil || ctx.Err() != nil {
			return err
		}
		pause(ctx, m.timing.retry)
	}
}

// attempt bounds one try.
func (m *member) attempt(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, m.timing.attempt)
	defer cancel()
	return try(ctx)
}

func (m *member) backoff() *wait.Backoff {
	return &wait.Backoff{Duration: m.timing.retry, Factor: 2, Jitter: 0.5, Cap: retryMost, Steps: math.MaxInt32}
}

// serve is one tenure, from joining to its end, and says why it ended.
func (m *member) serve(ctx context.Context) error {
	first, err := m.join(ctx)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	var following sync.WaitGroup
	following.Go(func() { end(m.follow(ctx)) })
	end(m.acknowledge(ctx, first))
	following.Wait()
	return context.Cause(ctx)
}

// join catches up and writes the Lease. The replica is not current yet.
func (m *member) join(ctx context.Context) (beat, error) {
	if err := m.catchUp(ctx); err != nil {
		return beat{}, err
	}
	a, changes := m.announce()
	first := beat{sent: m.now(), acknowledged: changes}
	err := m.attempt(ctx, func(ctx context.Context) error { return m.lease.take(ctx, a) })
	if err != nil {
		m.metrics.renewFailures.Inc()
		return beat{}, err
	}
	m.tenure.begin(first.sent)
	return first, nil
}

// follow makes the replica current as soon as it has caught up once more, now that
// the manager waits for it, and then watches the watch.
func (m *member) follow(ctx context.Context) error {
	if err := m.catchUp(ctx); err != nil {
		return err
	}
	if !m.tenure.grant() {
		return errLapsed
	}
	m.log.Info("Following the registrations", "lease", m.lease.name)
	return m.guard(ctx)
}

// guard replaces a watch that is stuck, and ends with an error if a new one is no
// better: the manager waits for this replica all the while.
func (m *member) guard(ctx context.Context) error {
	for failures := 0; failures < 3; {
		pause(ctx, wait.Jitter(m.timing.check, 0.2))
		well, err := m.follower.verify(ctx, m.timing.behind)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			failures++
			m.log.Warn("Checking the watch failed", "err", err)
			continue
		case !well:
			m.log.Warn("Reloading the registrations, as the watch has brought nothing for too long")
			if err := m.catchUp(ctx); err != nil {
				return err
			}
		}
		failures = 0
	}
	return errStuck
}

// catchUp loads everything that was true when it was called.
func (m *member) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.timing.load)
	defer cancel()
	return m.follower.reload(ctx)
}

// beat is when the Lease was written, and what for.
type beat struct {
	sent         time.Time // the last write
	edge         time.Time // the last write that acknowledged something
	failed       time.Time // the last failure, zero after a success
	acknowledged uint64    // the changes that the Lease includes
}

// due is when the Lease is to be written next. The first acknowledgement after a
// quiet time is due at once, whenever the heartbeat was: `kubectl apply` waits for
// it. Those that follow share writes.
func (b beat) due(changes uint64, t timing) time.Time {
	due := b.sent.Add(t.renew)
	if changes != b.acknowledged {
		due = b.edge.Add(t.gap)
	}
	if retry := b.failed.Add(t.retry); !b.failed.IsZero() && due.Before(retry) {
		due = retry
	}
	return due
}

// acknowledge writes the Lease whenever that is due, until the tenure is over.
func (m *member) acknowledge(ctx context.Context, b beat) error {
	for ctx.Err() == nil {
		a, changes := m.announce()
		if wait := b.due(changes, m.timing).Sub(m.now()); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-ctx.Done():
			case <-m.store.changed:
			case <-timer.C:
			}
			timer.Stop()
			continue
		}
		sent := m.now()
		err := m.write(ctx, a)
		switch {
		case err == nil && !m.tenure.renewed(sent), err != nil && m.tenure.over():
			return errLapsed
		case errors.Is(err, errGone), errors.Is(err, errTaken):
			m.tenure.lose()
			return err
		case err != nil:
			b.failed = m.now()
			continue
		}
		if changes != b.acknowledged {
			b.edge = sent
		}
		b.sent, b.failed, b.acknowledged = sent, time.Time{}, changes
	}
	return context.Cause(ctx)
}

// announce is what there is to tell the manager now.
func (m *member) announce() (announcement, uint64) {
	a, changes := m.store.applied()
	a.reported, a.report = m.reporter.reported()
	return a, changes
}

func (m *member) write(ctx context.Context, a announcement) error {
	err := m.attempt(ctx, func(ctx context.Context) error { return m.lease.renew(ctx, a) })
	if err != nil && ctx.Err() == nil {
		m.metrics.renewFailures.Inc()
		m.log.Warn("Renewing this replica's Lease failed", "lease", m.lease.name, "err", err)
	}
	return err
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
