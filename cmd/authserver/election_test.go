// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/apiserver"
)

// candidate is a replica that stands for election.
type candidate struct {
	name     string
	stop     context.CancelFunc
	begins   chan struct{}
	ends     chan struct{}
	returned chan error
}

// leading counts candidates that lead at the same time.
type leading struct{ now, most atomic.Int32 }

func (l *leading) stand(t *testing.T, s *apiserver.Server, name string) *candidate {
	t.Helper()
	c := &candidate{name: name, begins: make(chan struct{}, 9), ends: make(chan struct{}, 9), returned: make(chan error, 1)}
	e, err := newElection(options{namespace: "default", replica: name}, s.Config, func(ctx context.Context) {
		l.most.Store(max(l.most.Load(), l.now.Add(1)))
		defer l.now.Add(-1)
		c.begins <- struct{}{}
		<-ctx.Done()
		c.ends <- struct{}{}
	})
	if err != nil {
		t.Fatal(err)
	}
	e.terms = terms{lease: 3 * time.Second, renew: 2 * time.Second, retry: 100 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	c.stop = cancel
	go func() { c.returned <- e.run(ctx) }()
	return c
}

func happens(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("waited a minute for this: %s", what)
	}
}

func (c *candidate) leaves(t *testing.T) {
	t.Helper()
	c.stop()
	if err := <-c.returned; err != nil {
		t.Errorf("%s: %v", c.name, err)
	}
}

// TestElection goes through the lives of two replicas, of which one at a time leads.
func TestElection(t *testing.T) {
	s, err := apiserver.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.End(); err != nil {
			t.Error(err)
		}
	})
	client, err := kubernetes.NewForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	var l leading
	first := l.stand(t, s, "first")
	happens(t, "the first leads", first.begins)
	second := l.stand(t, s, "second")

	// Another one has come to hold the Lease: the first stops, and neither leads while
	// that lasts.
	leases := client.CoordinationV1().Leases(corev1.NamespaceDefault)
	stranger := []byte(`{"spec": {"holderIdentity": "stranger"}}`)
	if _, err := leases.Patch(t.Context(), registration.SweeperLease, types.MergePatchType, stranger, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	happens(t, "the first notices", first.ends)
	leader, other := first, second
	select {
	case <-first.begins:
	case <-second.begins:
		leader, other = second, first
	case <-time.After(time.Minute):
		t.Fatal("nobody leads after a stranger that died")
	}

	// The API server goes away: whoever leads cannot know for how long.
	if err := s.Halt(); err != nil {
		t.Fatal(err)
	}
	happens(t, "the leader stops without the API server", leader.ends)
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-leader.begins:
	case <-other.begins:
		leader, other = other, leader
	case <-time.After(time.Minute):
		t.Fatal("nobody leads after the API server was away")
	}

	// One that is told to stop lets the other one lead at once.
	leader.leaves(t)
	happens(t, "it stops", leader.ends)
	happens(t, "the other one leads", other.begins)
	other.leaves(t)
	if l.most.Load() != 1 || l.now.Load() != 0 {
		t.Errorf("%d led at a time, and %d do now", l.most.Load(), l.now.Load())
	}
}
