// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/internal/registration"
)

func TestWatcher_CutOff(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		defer r.halt(t)
		settle(21 * time.Second)
		seen := by.lease().Spec.RenewTime.Time
		r.link.cut(true)
		for r.Current() {
			settle(100 * time.Millisecond)
		}
		if since := time.Since(seen); since > 15*time.Second-2900*time.Millisecond || since < 5*time.Second {
			t.Errorf("current for %v after the last renewal, want until 3 s before the Lease lapses", since)
		}
		by.update(clientSecret(clientRecord("wiki", "second"))) // nobody waits for this replica
		settle(time.Hour)
		if err := r.Ready(); err != nil || !r.accepts("shop.wiki", "first") {
			t.Errorf("Ready() = %v: a replica that is cut off serves what it knows", err)
		}
		r.link.cut(false)
		for !r.Current() {
			settle(100 * time.Millisecond)
			if r.Current() && !r.accepts("shop.wiki", "second") {
				t.Fatal("current before it has caught up")
			}
		}
		if log := r.log.String(); !strings.Contains(log, "Joining anew") {
			t.Errorf("nothing about it in the log:\n%s", log)
		}
	})
}

func TestWatcher_ShortOutageIsNoLapse(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, _ admin) {
		r := a.replica(t, "one").start(t)
		defer r.halt(t)
		settle(21 * time.Second)
		r.link.cut(true)
		settle(6 * time.Second)
		r.link.cut(false)
		for range 200 {
			settle(100 * time.Millisecond)
			if !r.Current() {
				t.Fatal("not current after an outage that was shorter than the Lease")
			}
		}
	})
}

func TestWatcher_StoppedProcess(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, _ admin) {
		var skew atomic.Int64 // of the wall clock
		r := a.replica(t, "one", func(c *Config) {
			c.Now = func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
		}).start(t)
		defer r.halt(t)
		settle(21 * time.Second)
		skew.Store(int64(time.Minute)) // as after SIGCONT: the clock has gone on, and nothing has run
		if r.Current() {
			t.Error("a process that was stopped for a minute is current before it has renewed its Lease")
		}
		settle(10 * time.Second)
		if !r.Current() || !strings.Contains(r.log.String(), errLapsed.Error()) {
			t.Errorf("the replica has not joined anew; log:\n%s", r.log)
		}
	})
}

func TestWatcher_StuckWatch(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		defer r.halt(t)
		settle(21 * time.Second)
		r.link.freeze()
		o := by.update(clientSecret(clientRecord("wiki", "second")))
		settle(time.Minute)
		if !r.Current() || by.lease() == nil || by.acknowledged(o) {
			t.Error("a replica with a stuck watch must hold its Lease for a while and not acknowledge what it has not seen")
		}
		// It does not make the manager wait for ever, either.
		for waited := 0; by.lease() != nil; waited++ {
			if settle(time.Second); waited > 240 {
				t.Fatalf("the manager waits for ever; log:\n%s", r.log)
			}
			if by.lease() == nil && r.Current() {
				t.Fatal("current without a Lease")
			}
		}
		if r.Current() {
			t.Error("current although it gave up its Lease")
		}
		r.link.thaw()
		settle(2 * time.Minute)
		if !r.Current() || !by.acknowledged(o) {
			t.Errorf("not current after the watch has come back; log:\n%s", r.log)
		}
	})
}

func TestWatcher_StuckWatchIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		defer r.halt(t)
		settle(21 * time.Second)
		// The stream alone is stuck: a new watch is well.
		r.link.freeze()
		r.link.inject(func(c call) error {
			if c.verb == "watch" {
				r.link.thaw()
			}
			return nil
		})
		o := by.update(clientSecret(clientRecord("wiki", "second")))
		for range 300 {
			if settle(time.Second); !r.Current() {
				t.Fatal("not current although a new watch would have done")
			}
		}
		if !by.acknowledged(o) {
			t.Errorf("the watch was not replaced; log:\n%s", r.log)
		}
	})
}

func TestWatcher_QuietWatchIsWell(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, _ admin) {
		r := a.replica(t, "one").start(t)
		defer r.halt(t)
		settle(21 * time.Second)
		before := r.link.count("watch", "secrets")
		for range 120 {
			a.tick() // what an API server does about every minute
			settle(time.Minute)
		}
		if n := r.link.count("watch", "secrets") - before; n != 0 || !r.Current() {
			t.Errorf("%d reloads in two quiet hours; log:\n%s", n, r.log)
		}
	})
}

func TestWatcher_ExpiredVersion(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		defer r.halt(t)
		settle(21 * time.Second)
		r.link.cut(true)
		by.delete(registration.ClientRecordName("shop", "wiki"))
		o := by.create(clientSecret(clientRecord("blog", "b")))
		a.compact()
		settle(3 * time.Second)
		r.link.cut(false)
		settle(10 * time.Second)
		if r.client("shop.wiki") != nil || !r.accepts("shop.blog", "b") || !by.acknowledged(o) {
			t.Errorf("a relist after an expired version does not catch up; log:\n%s", r.log)
		}
	})
}

func TestWatcher_LeavesNoLeaseBehind(t *testing.T) {
	isWrite := func(c call) bool { return c.resource == "leases" && (c.verb == "put" || c.verb == "post") && c.after }
	isRead := func(c call) bool { return c.resource == "leases" && c.verb == "get" && c.after }
	nth := func(n int, of func(call) bool) func(call) bool {
		return func(c call) bool {
			if of(c) {
				n--
				return n == 0
			}
			return false
		}
	}
	renewal, read := nth(3, isWrite), nth(1, isRead)
	for name, lost := range map[string]func(call) bool{
		"the answer to the first write is lost":        nth(1, isWrite),
		"the answer to a renewal is lost":              nth(3, isWrite),
		"the answers to a renewal and a read are lost": func(c call) bool { return renewal(c) || read(c) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, a *api, by admin) {
				r := a.replica(t, "one")
				happened := make(chan struct{})
				var once sync.Once
				r.link.inject(func(c call) error {
					if !lost(c) {
						return nil
					}
					once.Do(func() { close(happened) })
					return errUnreachable
				})
				r.start(t)
				<-happened
				r.halt(t) // before it has written again
				if by.lease() != nil {
					t.Error("a Lease is left that nobody holds")
				}
			})
		})
	}
}

func TestWatcher_LeavesAnothersLeaseAlone(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		older := a.replica(t, "one").start(t)
		settle(21 * time.Second)
		younger := a.replica(t, "one").start(t)
		settle(time.Second)
		older.halt(t) // before it has noticed
		if l := by.lease(); l == nil || *l.Spec.HolderIdentity != younger.member.lease.holder || !younger.Current() {
			t.Error("a process that stops has deleted the Lease of the one that replaces it")
		}
	})
}
