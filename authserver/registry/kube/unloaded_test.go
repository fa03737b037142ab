// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/clientele-dev/clientele/internal/registration"
)

// damaged is a record that cannot be loaded.
func damaged(o *corev1.Secret) *corev1.Secret {
	for key := range o.Data {
		o.Data[key] = []byte("{")
	}
	return o
}

func (f *fed) unloaded(want string) {
	f.t.Helper()
	if a, _ := f.applied(); string(a.unloaded) != want {
		f.t.Errorf("unloaded: %q, want %q", a.unloaded, want)
	}
}

func TestStore_NamesWhatItCannotLoad(t *testing.T) {
	wiki := func() *corev1.Secret { return clientSecret(clientRecord("wiki", "first")) }
	f := newFed(t)
	f.list(10, at(6, serverSecret(serverRecord("default"))), at(7, usersSecret("people", "ada")),
		at(8, keysSecret()), at(9, damaged(wiki())))
	f.unloaded("registration-shop.wiki")
	f.event(f.Update, at(11, damaged(serverSecret(serverRecord("default")))))
	f.unloaded("issuer-default,registration-shop.wiki")
	// What nobody waits for is not named, and mends nothing.
	f.event(f.Update, at(12, damaged(keysSecret())))
	f.event(f.Update, at(13, usersSecret("people", "malformed")))
	f.event(f.Update, at(14, usersSecret("people", "ada")))
	f.unloaded("issuer-default,registration-shop.wiki")
	f.event(f.Update, at(15, wiki()))
	f.unloaded("issuer-default")
	f.list(16, at(11, damaged(serverSecret(serverRecord("default")))), at(15, wiki())) // as it was
	f.unloaded("issuer-default")
	f.event(f.Delete, at(17, serverSecret(serverRecord("default"))))
	f.unloaded("")
	f.event(f.Update, at(18, damaged(wiki())))
	unlabelled := damaged(wiki())
	unlabelled.Labels = nil
	f.event(f.Update, at(19, unlabelled))
	f.unloaded("")
}

func TestStore_ManyThatItCannotLoad(t *testing.T) {
	f := newFed(t)
	for i := range 101 {
		f.unloadedCount(i)
		f.event(f.Add, at(100+i, damaged(clientSecret(clientRecord(fmt.Sprintf("c%03d", i), "x")))))
	}
	f.unloaded("*")
	f.event(f.Delete, at(300, damaged(clientSecret(clientRecord("c050", "x")))))
	f.unloadedCount(100)
}

func (f *fed) unloadedCount(want int) {
	f.t.Helper()
	if a, _ := f.applied(); len(a.unloaded.Names()) != want || a.unloaded.All() {
		f.t.Errorf("%d names, want %d", len(a.unloaded.Names()), want)
	}
}

// TestWatcher_AcknowledgesWithTheNames: the write that acknowledges a version names
// what of it was not loaded, at once.
func TestWatcher_AcknowledgesWithTheNames(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		defer r.halt(t)
		settle(21300 * time.Millisecond)
		unloaded := func() string { return by.lease().Annotations[registration.AnnotationUnloaded] }
		writes := r.link.count("put", "leases")
		wiki := by.secret(registration.ClientRecordName("shop", "wiki"))
		good := string(wiki.Data[registration.KeyClient])
		bad := by.update(damaged(wiki))
		settle(0)
		if n := r.link.count("put", "leases") - writes; n != 1 || !by.acknowledged(bad) || unloaded() != bad.Name {
			t.Errorf("%d writes; acknowledged %t, naming %q", n, by.acknowledged(bad), unloaded())
		}
		if !r.accepts("shop.wiki", "first") {
			t.Error("what the record said before is not served")
		}
		settle(2 * time.Second)
		bad.Data[registration.KeyClient] = []byte(good)
		mended := by.update(bad)
		if settle(0); !by.acknowledged(mended) || unloaded() != "" {
			t.Errorf("acknowledged %t, naming %q", by.acknowledged(mended), unloaded())
		}
		// A process that finds a record it cannot load says so with its first word.
		by.update(damaged(by.secret(mended.Name)))
		r.halt(t)
		next := a.replica(t, "one").start(t)
		defer next.halt(t)
		settle(time.Second)
		if unloaded() != mended.Name || next.client("shop.wiki") != nil {
			t.Errorf("a new process names %q", unloaded())
		}
	})
}
