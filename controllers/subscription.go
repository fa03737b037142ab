// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/clientele-dev/clientele/internal/registration"
)

// subscription is one controller's side of the replicaTracker: who of its objects
// wait for which version, and the queue in which they are woken. As a source it
// keeps the controller from starting before the tracker knows the replicas.
type subscription struct {
	tracker *replicaTracker
	// everyone lists all objects of the controller.
	everyone func(context.Context) ([]reconcile.Request, error)
	// ofRecord is whose record has that name.
	ofRecord func(name string) (reconcile.Request, bool)

	// The tracker's mu guards these.
	waiting map[reconcile.Request]waiter
	queue   workqueue.TypedRateLimitingInterface[reconcile.Request]
	context context.Context
}

// waiter is who was told that a version is not loaded.
type waiter struct {
	version, record string
	told            standing
}

var _ source.SyncingSource = (*subscription)(nil)

func (t *replicaTracker) subscribe(everyone func(context.Context) ([]reconcile.Request, error), ofRecord func(string) (reconcile.Request, bool)) *subscription {
	s := &subscription{tracker: t, everyone: everyone, ofRecord: ofRecord, waiting: map[reconcile.Request]waiter{}}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subscriptions = append(t.subscriptions, s)
	return s
}

// String names the source in the controller's messages, which would otherwise print
// what it holds while it changes.
func (*subscription) String() string { return "replicas" }

// Start takes the queue of the controller.
func (s *subscription) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	s.tracker.mu.Lock()
	defer s.tracker.mu.Unlock()
	s.queue, s.context = queue, ctx
	return nil
}

// WaitForSync returns when the tracker knows which replicas there are.
func (s *subscription) WaitForSync(ctx context.Context) error {
	select {
	case <-s.tracker.synced:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("learn which replicas run: %w", ctx.Err())
	}
}

// await is replicaTracker.await.
func (s *subscription) await(request reconcile.Request, version, record string) acknowledgement {
	return s.tracker.await(s, request, version, record)
}

// leave forgets request: it has nothing to wait for.
func (s *subscription) leave(request reconcile.Request) {
	s.tracker.mu.Lock()
	defer s.tracker.mu.Unlock()
	delete(s.waiting, request)
}

// wake enqueues those for whom now differs from what they were told.
func (s *subscription) wake(now func(version, record string) standing) {
	if s.queue == nil {
		return
	}
	for request, w := range s.waiting {
		if now(w.version, w.record) != w.told {
			delete(s.waiting, request)
			s.queue.Add(request)
		}
	}
}

// wakeUnloaded enqueues those whose records are in after and not in before. They may
// have been told that theirs is loaded, and then wait for nothing.
func (s *subscription) wakeUnloaded(before, after registration.Unloaded) {
	if before == after || s.queue == nil {
		return
	}
	if after.All() {
		s.wakeEveryone()
	}
	for _, record := range after.Names() {
		if request, is := s.ofRecord(record); is && !before.Has(record) {
			s.queue.Add(request)
		}
	}
}

// wakeEveryone enqueues all objects of the controller, after what changed by itself.
func (s *subscription) wakeEveryone() {
	if s.queue == nil {
		return
	}
	ctx, queue := s.context, s.queue
	go func() { // the caller holds the tracker's lock, and listing takes a while
		requests, err := s.everyone(ctx)
		if err != nil {
			log.FromContext(ctx).Error(err, "Listing the objects to look at again failed")
			return
		}
		if q, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
			q.AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, requests...)
			return
		}
		for _, r := range requests {
			queue.Add(r)
		}
	}()
}

// requestsOf are the keys of all objects in a list.
func requestsOf[T any, P interface {
	*T
	client.Object
}](items []T) []reconcile.Request {
	requests := make([]reconcile.Request, len(items))
	for i := range items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(P(&items[i]))
	}
	return requests
}

// clientNamed is the OAuthClient whose record has that name.
func clientNamed(record string) (reconcile.Request, bool) {
	clientID, is := strings.CutPrefix(record, registration.RecordClient+"-")
	namespace, name, _ := strings.Cut(clientID, ".") // a namespace has no dot
	return reconcile.Request{NamespacedName: client.ObjectKey{Namespace: namespace, Name: name}}, is && namespace != "" && name != ""
}

// serverNamed is the AuthorizationServer whose record has that name.
func serverNamed(record string) (reconcile.Request, bool) {
	name, is := strings.CutPrefix(record, registration.RecordServer+"-")
	return reconcile.Request{NamespacedName: client.ObjectKey{Name: name}}, is && name != ""
}
