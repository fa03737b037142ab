// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"sync"
	"time"
)

// tenure is the time in which the manager provably counts this replica as live, and
// so waits for it. It decides whether the registry is current.
//
// The manager publishes a new secret's digest, then reads the Leases, and writes
// the secret where the app mounts it once every replica that has a Lease has
// acknowledged the digest. A Lease that it has not seen change for the Lease's
// duration and a margin of its own it deletes, and goes on without that replica,
// which may then meet a mounted secret whose digest it has never seen: it must not
// refuse it for good. Hence current, and why it is right:
//
//   - A renewal sent at s was applied after s, so the manager saw it after s and
//     counts us at least until s + duration. We claim to be current until margin
//     before that, by our own clock from s. No two clocks are compared, only how
//     fast they run, and both margins are there for that.
//   - If a renewal is confirmed only after that time, we have told clients that we
//     cannot tell, and the manager may be about to go on without us. Tenure is over,
//     and the replica joins anew, whatever became of the Lease.
//   - To join is to catch up, write the Lease, and then catch up once more, with a
//     consistent read made after the write was confirmed. Whatever the manager
//     published while it did not count us it published before it read the Leases,
//     that is before ours was written, so the second time includes it. (The first
//     only keeps a Lease from appearing that would make the manager wait.)
//   - Whether the watch is alive does not matter for this. A watch that is stuck
//     does not advance the acknowledged version, and the manager waits. So that it
//     does not wait for ever, member gives up a tenure that has such a watch.
//
// A process that was stopped comes back as not current, as its clock went on. A
// machine that was suspended is another matter: Linux's monotonic clock, which Go
// reads, stands still meanwhile. The wall clock does not, so the longer of both
// counts; a wall clock set forward costs one needless join. What no clock inside
// can tell is a virtual machine that was paused with both of its clocks: it claims
// to be current until its next renewal, a few seconds of its own time later, finds
// its Lease deleted.
type tenure struct {
	now   func() time.Time
	limit time.Duration // duration - margin

	mu      sync.Mutex
	sent    time.Time // when the last confirmed renewal was sent
	granted bool
	ever    bool
}

// begin starts a tenure with a Lease write that was sent at sent. It is not current
// before grant.
func (t *tenure) begin(sent time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent, t.granted = sent, false
}

// renewed prolongs the tenure by a renewal that was sent at sent and is confirmed
// now. It reports false, and the tenure is over, if that is too late.
func (t *tenure) renewed(sent time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lapsed() {
		return false // and stays so: sent is what it was
	}
	t.sent = sent
	return true
}

// grant makes the replica current: it has caught up since begin. It reports false
// if the tenure has lapsed meanwhile.
func (t *tenure) grant() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lapsed() {
		return false
	}
	t.granted, t.ever = true, true
	return true
}

// lose says that the Lease is gone: nobody waits for this replica any more.
func (t *tenure) lose() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = time.Time{}
}

// end ends the tenure at once, and reports whether it was ever granted.
func (t *tenure) end() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	granted := t.granted
	t.granted = false
	return granted
}

func (t *tenure) current() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.granted && !t.lapsed()
}

// over reports whether the last confirmed renewal is too long ago.
func (t *tenure) over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lapsed()
}

// served reports whether the replica has ever been current.
func (t *tenure) served() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ever
}

func (t *tenure) lapsed() bool { return elapsed(t.sent, t.now()) >= t.limit }

// elapsed is how long before now then was, by the clock that says longer.
func elapsed(then, now time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}
