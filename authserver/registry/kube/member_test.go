// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/internal/registration"
)

func TestWatcher_LoadsAndFollows(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		defer r.halt(t)
		settle(time.Second)
		if err := r.Ready(); err != nil {
			t.Fatalf("Ready() = %v; log:\n%s", err, r.log)
		}
		if !r.Current() || !r.accepts("shop.wiki", "first") || r.registry.Issuers()["default"].Provider.(*listed).list != "ada" {
			t.Errorf("what was there is not served; log:\n%s", r.log)
		}
		by.create(clientSecret(clientRecord("blog", "b")))
		by.delete(registration.ClientRecordName("shop", "wiki"))
		settle(0)
		if !r.accepts("shop.blog", "b") || r.client("shop.wiki") != nil {
			t.Error("changes are not followed")
		}
	})
}

func TestWatcher_Lease(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		settle(time.Second)
		l := by.lease()
		if l == nil {
			t.Fatalf("there is no Lease; log:\n%s", r.log)
		}
		if l.Labels[registration.LabelRecord] != registration.RecordReplica || *l.Spec.LeaseDurationSeconds != 15 ||
			!strings.HasPrefix(*l.Spec.HolderIdentity, "one_") || !l.Spec.AcquireTime.Equal(l.Spec.RenewTime) {
			t.Errorf("Lease = %+v", l)
		}
		if !by.acknowledged(by.secret(registration.KeysName("default"))) {
			t.Error("the Lease does not include the keys")
		}
		settle(20 * time.Second)
		if renewed := by.lease(); renewed.Spec.RenewTime.Sub(l.Spec.RenewTime.Time) < 15*time.Second {
			t.Errorf("renewed at %v, first written at %v", renewed.Spec.RenewTime, l.Spec.RenewTime)
		}
		r.halt(t)
		if by.lease() != nil {
			t.Error("a stopped replica leaves its Lease behind")
		}
		if r.Current() {
			t.Error("a stopped replica is current")
		}
	})
}

func TestWatcher_LeaseWrites(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		defer r.halt(t)
		settle(21 * time.Second)
		writes := func(during func()) int {
			before := r.link.count("put", "leases")
			during()
			return r.link.count("put", "leases") - before
		}
		if n := writes(func() { settle(time.Minute) }); n != 12 {
			t.Errorf("%d writes in a quiet minute, want a heartbeat every 5 s", n)
		}
		if n := writes(func() {
			by.create(secretWith("unrelated", "", "x", nil))
			a.tick()
			settle(0)
		}); n != 0 {
			t.Errorf("%d writes at once for what is not ours", n)
		}
		// Whenever the heartbeat was, the first change is acknowledged at once.
		for range 20 {
			settle(1300 * time.Millisecond)
			var o = clientSecret(clientRecord("blog", "b"))
			if n := writes(func() { o = by.create(o); settle(0) }); n != 1 || !by.acknowledged(o) {
				t.Errorf("%d writes at once for the first change after a quiet second, want 1", n)
			}
			settle(1300 * time.Millisecond)
			by.delete(o.Name)
		}
		settle(2 * time.Second)
		// A hundred changes within five seconds share writes.
		last := by.create(clientSecret(clientRecord("busy", "0")))
		if n := writes(func() {
			for range 100 {
				last = by.update(last)
				settle(50 * time.Millisecond)
			}
		}); n < 4 || n > 6 {
			t.Errorf("%d writes for a hundred changes in 5 s, want about one a second", n)
		}
		if settle(time.Second); !by.acknowledged(last) {
			t.Error("the last change is not acknowledged within a second")
		}
	})
}

func TestWatcher_ReadyTellsWhatIsMissing(t *testing.T) {
	for _, c := range []struct{ verb, resource, want string }{
		{"list", "secrets", "not been loaded"},
		{"post", "leases", "Lease"},
		{"post", "secrets", "no keys yet for the issuer of AuthorizationServer default"},
	} {
		bubbleWithoutKeys(t, func(t *testing.T, a *api, _ admin) {
			r := a.replica(t, "one")
			r.link.refuse(c.verb, c.resource)
			r.start(t)
			defer r.halt(t)
			settle(10 * time.Second)
			if err := r.Ready(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Ready() = %v, want something about %q", err, c.want)
			}
			r.link.inject(nil)
			settle(10 * time.Second)
			if err := r.Ready(); err != nil || !r.Current() {
				t.Errorf("Ready() = %v; log:\n%s", err, r.log)
			}
		})
	}
}

func TestWatcher_StaysReady(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		defer r.halt(t)
		settle(time.Second)
		if err := r.Ready(); err != nil {
			t.Fatal(err)
		}
		// A further server without keys is its own trouble.
		r.link.refuse("post", "secrets")
		by.create(serverSecret(serverRecord("second")))
		settle(time.Second)
		if err := r.Ready(); err != nil {
			t.Errorf("Ready() = %v after it was nil", err)
		}
		if r.registry.Issuers()["second"].Ready() || !r.registry.Issuers()["default"].Ready() {
			t.Error("the second issuer, and only that, lacks keys")
		}
	})
}

func TestWatcher_StaleStart(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one")
		r.link.freeze() // every watch shows the state of now, for ever
		by.update(clientSecret(clientRecord("wiki", "second")))
		r.start(t)
		defer r.halt(t)
		settle(5 * time.Minute)
		if !r.accepts("shop.wiki", "first") {
			t.Fatal("the stale state was not even loaded: this test shows nothing")
		}
		if err := r.Ready(); err == nil {
			t.Error("ready with a state older than a consistent read made after the start")
		}
		if by.lease() != nil || r.Current() {
			t.Error("a replica that has not caught up has a Lease or is current")
		}
		r.link.thaw()
		settle(10 * time.Second)
		if err := r.Ready(); err != nil || !r.Current() || !r.accepts("shop.wiki", "second") {
			t.Errorf("Ready() = %v; log:\n%s", err, r.log)
		}
	})
}

func TestWatcher_CatchesUpAgainOnceItHasALease(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one")
		// What is published between the first catching up and the Lease is what the
		// manager did not wait for.
		r.link.inject(func(c call) error {
			if c.verb == "post" && c.resource == "leases" && !c.after {
				r.link.set(func(l *link) { l.fault = nil })
				r.link.freeze()
				by.update(clientSecret(clientRecord("wiki", "second")))
			}
			return nil
		})
		r.start(t)
		defer r.halt(t)
		settle(10 * time.Second)
		if by.lease() == nil || r.accepts("shop.wiki", "second") {
			t.Fatal("not the situation that this test is about")
		}
		if r.Current() || r.Ready() == nil {
			t.Error("current on the strength of a read made before there was a Lease")
		}
		r.link.thaw()
		settle(3 * time.Minute)
		if !r.Current() || !r.accepts("shop.wiki", "second") {
			t.Errorf("not current after catching up; log:\n%s", r.log)
		}
	})
}

func TestWatcher_LeaseDeletedByHand(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		defer r.halt(t)
		settle(21 * time.Second)
		if err := by.client.CoordinationV1().Leases(systemNamespace).Delete(t.Context(), registration.LeaseName("one"), metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		reloads := r.link.count("watch", "secrets")
		settle(10 * time.Second)
		if by.lease() == nil || !r.Current() {
			t.Fatalf("the Lease has not come back; log:\n%s", r.log)
		}
		if r.link.count("watch", "secrets") == reloads {
			t.Error("the replica has not caught up after it had no Lease")
		}
	})
}

func TestWatcher_TwoProcessesOfOneName(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		crashed := a.replica(t, "one").start(t)
		settle(21 * time.Second)
		next := a.replica(t, "one").start(t)
		settle(time.Second)
		if !next.Current() {
			t.Error("a container that starts anew waits for the Lease of the one that crashed")
		}
		if settle(5 * time.Second); crashed.Current() {
			t.Error("two processes are current by one Lease")
		}
		if !strings.Contains(crashed.log.String(), errTaken.Error()) {
			t.Errorf("nothing about it in the log:\n%s", crashed.log)
		}
		crashed.halt(t)
		if l := by.lease(); l == nil || *l.Spec.HolderIdentity != next.member.lease.holder || *l.Spec.LeaseTransitions != 1 {
			t.Errorf("the Lease is %+v, want the younger process's", l)
		}
		next.halt(t)
	})
}

func TestWatcher_LostAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		settle(21 * time.Second)
		n := 0
		r.link.inject(func(c call) error {
			if c.resource == "leases" && c.verb != "get" && c.after {
				if n++; n%3 == 1 {
					return errors.New("the answer was lost")
				}
			}
			return nil
		})
		for range 600 {
			if settle(100 * time.Millisecond); !r.Current() {
				t.Fatalf("not current although every write arrives; log:\n%s", r.log)
			}
		}
		r.halt(t)
		if by.lease() != nil {
			t.Error("the Lease was not deleted")
		}
	})
}

func TestWatcher_RunSaysThatTheLeaseIsLeft(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, _ admin) {
		r := a.replica(t, "one").start(t)
		settle(21 * time.Second)
		r.link.cut(true)
		r.stop()
		if err := <-r.done; err == nil {
			t.Error("Run() = nil although the Lease could not be deleted")
		}
		synctest.Wait()
	})
}

func TestNew_NamesTheField(t *testing.T) {
	whole := newReplica(t, "one", newAPI().link().client(t)).config
	for field, change := range map[string]func(*Config){
		"Client":      func(c *Config) { c.Client = nil },
		"Namespace":   func(c *Config) { c.Namespace = "" },
		"Replica":     func(c *Config) { c.Replica = "" },
		"Registry":    func(c *Config) { c.Registry = nil },
		"NewProvider": func(c *Config) { c.NewProvider = nil },
	} {
		c := whole
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("New() without %s = %v", field, err)
		}
	}
}
