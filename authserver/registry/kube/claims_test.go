// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

func TestStore_OldestClaimWins(t *testing.T) {
	named := func(secret, name string) *corev1.Secret {
		o := clientSecret(clientRecord("wiki", secret))
		o.Name = name
		return o
	}
	for name, feedIn := range map[string]func(f *fed){
		"older first": func(f *fed) {
			f.event(f.Add, at(11, born(1, named("old", "b"))))
			f.event(f.Add, at(12, born(2, named("new", "a"))))
		},
		"older last": func(f *fed) {
			f.event(f.Add, at(12, born(2, named("new", "a"))))
			f.event(f.Add, at(11, born(1, named("old", "b"))))
		},
		"in one list": func(f *fed) { f.list(12, at(12, born(2, named("new", "a"))), at(11, born(1, named("old", "b")))) },
		"of one second": func(f *fed) {
			f.list(12, at(12, born(1, named("new", "c"))), at(11, born(1, named("old", "b"))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFed(t)
			f.list(10)
			feedIn(f)
			if !f.accepts("shop.wiki", "old") || f.accepts("shop.wiki", "new") {
				t.Error("the older record does not keep the client_id")
			}
			if !strings.Contains(f.log.String(), "claim one client_id") {
				t.Error("nothing is logged")
			}
			f.event(f.Delete, at(13, named("old", "b")))
			if !f.accepts("shop.wiki", "new") {
				t.Error("the younger record does not inherit")
			}
		})
	}
}

func TestStore_OneOfTwoClaimsGoes(t *testing.T) {
	named := func(secret, name string) *corev1.Secret {
		o := clientSecret(clientRecord("wiki", secret))
		o.Name = name
		return o
	}
	for name, c := range map[string]struct{ gone, left string }{
		"the older one":   {"old", "new"},
		"the younger one": {"new", "old"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFed(t)
			f.list(12, at(11, born(1, named("old", "old"))), at(12, born(2, named("new", "new"))))
			f.event(f.Delete, at(13, named(c.gone, c.gone)))
			if !f.accepts("shop.wiki", c.left) || f.accepts("shop.wiki", c.gone) {
				t.Errorf("the record %s is not the one that is served", c.left)
			}
		})
	}
}

func TestStore_WithdrawnClaimsNothing(t *testing.T) {
	withdrawn := clientRecord("wiki", "old")
	withdrawn.Withdrawn = true
	other := clientSecret(clientRecord("wiki", "other"))
	other.Name = "z"

	f := newFed(t)
	f.list(12, at(11, born(1, clientSecret(withdrawn))))
	if f.accepts("shop.wiki", "old") {
		t.Error("a withdrawn record is served")
	}
	f.event(f.Add, at(12, born(2, other)))
	if !f.accepts("shop.wiki", "other") {
		t.Error("a withdrawn record keeps its client_id from others")
	}

	withdrawn.Withdrawn = false
	f.event(f.Update, at(13, born(1, clientSecret(withdrawn))))
	if !f.accepts("shop.wiki", "old") {
		t.Error("a record that is registered again is not served")
	}
	withdrawn.Withdrawn = true
	f.event(f.Update, at(14, born(1, clientSecret(withdrawn))))
	if !f.accepts("shop.wiki", "other") {
		t.Error("a record that is withdrawn does not make way")
	}
	f.want("14", 4)
	f.event(f.Delete, at(15, clientSecret(withdrawn)))
	if !f.accepts("shop.wiki", "other") {
		t.Error("deleting a withdrawn record takes another one away")
	}
	if strings.Contains(f.log.String(), "malformed") {
		t.Error("a withdrawn record is taken for malformed")
	}
}

func TestStore_ClaimMoves(t *testing.T) {
	f := newFed(t)
	f.list(10, at(8, serverSecret(serverRecord("default"))), at(9, clientSecret(clientRecord("wiki", "first"))))
	moved := clientRecord("wiki", "first")
	moved.AuthorizationServer = "other"
	f.event(f.Update, at(11, clientSecret(moved)))
	if f.accepts("shop.wiki", "first") {
		t.Error("a client that moved is served where it was")
	}
	if _, ok := f.registry.Client(&registry.Issuer{Server: registration.Server{Name: "other"}}, "shop.wiki"); !ok {
		t.Error("a client that moved is not served where it is")
	}
}

func TestStore_NeverMissingWhileItMoves(t *testing.T) {
	// The same client under another Secret name, as one relist shows it.
	f := newFed(t)
	f.list(10, at(9, born(1, clientSecret(clientRecord("wiki", "first")))))
	stop, missing := make(chan struct{}), make(chan bool, 1)
	go func() {
		gone := false
		for {
			select {
			case <-stop:
				missing <- gone
				return
			default:
				gone = gone || !f.accepts("shop.wiki", "first")
			}
		}
	}()
	for i := 11; i < 400; i++ {
		o := clientSecret(clientRecord("wiki", "first"))
		o.Name += strconv.Itoa(i % 2)
		f.list(i, at(i, born(int64(i), o)))
	}
	close(stop)
	if <-missing {
		t.Error("the client was missing for a moment")
	}
}
