// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// leaseAPI is an API server that has Leases only.
type leaseAPI struct {
	client.Reader
	client.Writer

	version string // of a list
	leases  map[string]*coordinationv1.Lease
	fail    error
	lists   int
	// during happens while a list is under way, after it was read.
	during func()
}

func (a *leaseAPI) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	if a.fail != nil {
		return a.fail
	}
	list, is := into.(*coordinationv1.LeaseList)
	if !is {
		into.(*metav1.PartialObjectMetadataList).ResourceVersion = a.version
		return nil
	}
	a.lists++
	list.ResourceVersion = a.version
	for _, l := range a.leases {
		list.Items = append(list.Items, *l.DeepCopy())
	}
	if a.during != nil {
		a.during()
	}
	return nil
}

func (a *leaseAPI) Delete(_ context.Context, o client.Object, opts ...client.DeleteOption) error {
	if a.fail != nil {
		return a.fail
	}
	p := (&client.DeleteOptions{}).ApplyOptions(opts).Preconditions
	there := a.leases[o.GetName()]
	resource := schema.GroupResource{Resource: "leases"}
	switch {
	case p == nil || p.UID == nil || p.ResourceVersion == nil:
		return errors.New("a deletion without preconditions")
	case there == nil:
		return apierrors.NewNotFound(resource, o.GetName())
	case there.UID != *p.UID || there.ResourceVersion != *p.ResourceVersion:
		return apierrors.NewConflict(resource, o.GetName(), errors.New("changed"))
	}
	delete(a.leases, o.GetName())
	return nil
}

// trackerBench is a tracker whose steps a test makes.
type trackerBench struct {
	*replicaTracker
	t      *testing.T
	api    *leaseAPI
	clock  *clocktesting.FakeClock
	sub    *subscription
	queue  workqueue.TypedRateLimitingInterface[reconcile.Request]
	handle cache.ResourceEventHandler
}

func newTrackerBench(t *testing.T) *trackerBench {
	t.Helper()
	api := &leaseAPI{version: "1000", leases: map[string]*coordinationv1.Lease{}}
	b := &trackerBench{t: t, api: api, clock: clocktesting.NewFakeClock(time.Now())}
	b.replicaTracker = newReplicaTracker(Options{Namespace: "system", Clock: b.clock}, clusterClients{live: api, writer: writerOnly{api: api}})
	b.sub = b.subscribe(func(context.Context) ([]reconcile.Request, error) {
		return []reconcile.Request{request("everyone")}, nil
	}, func(record string) (reconcile.Request, bool) { return request(record), record != "others" })
	b.queue = workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(b.queue.ShutDown)
	if err := b.sub.Start(t.Context(), b.queue); err != nil {
		t.Fatal(err)
	}
	b.handle = b.handlers()
	return b
}

// writerOnly makes a client of what can only delete.
type writerOnly struct {
	client.Client
	api *leaseAPI
}

func (w writerOnly) Delete(ctx context.Context, o client.Object, opts ...client.DeleteOption) error {
	return w.api.Delete(ctx, o, opts...)
}

func request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKey{Name: name}}
}

// write puts a Lease into the API; see delivers it to the tracker, too.
func (b *trackerBench) write(name, version, loaded string) {
	b.api.leases[name] = leaseOf(name, version, loaded)
}

func (b *trackerBench) see(name, version, loaded string) {
	b.write(name, version, loaded)
	b.handle.OnAdd(b.api.leases[name], false)
}

func (b *trackerBench) unsee(name string) {
	l := b.api.leases[name]
	delete(b.api.leases, name)
	b.handle.OnDelete(cache.DeletedFinalStateUnknown{Key: "system/" + name, Obj: l})
}

func (b *trackerBench) run() time.Duration {
	b.t.Helper()
	return b.step(b.t.Context())
}

func (b *trackerBench) ask(name, version string, want standing, behind ...string) {
	b.t.Helper()
	got := b.sub.await(request(name), version, name)
	if got.standing != want || !slices.Equal(got.behind, behind) {
		b.t.Errorf("await(%s) = %v, want %v %v", version, got, want, behind)
	}
}

// woken checks who was woken since it was last asked.
func (b *trackerBench) woken(want ...string) {
	b.t.Helper()
	var got []string
	for b.queue.Len() > 0 {
		r, _ := b.queue.Get()
		b.queue.Done(r)
		got = append(got, r.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		b.t.Errorf("woken: %s; want %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

func TestTracker_WakesExactlyThoseWhoseVersionIsLoaded(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "10")
	b.see("b", "2", "10")
	b.ask("x", "11", standingBehind, "a", "b")
	b.ask("y", "12", standingBehind, "a", "b")
	b.run() // confirms both
	b.woken()
	b.see("a", "3", "20")
	b.woken()
	b.see("b", "4", "11")
	b.woken("x")
	b.ask("x", "11", standingLoaded)
	b.see("b", "5", "12")
	b.woken("y")
	b.see("b", "6", "30")
	b.woken()
	if len(b.sub.waiting) > 0 {
		t.Errorf("still waiting: %v", b.sub.waiting)
	}
}

func TestTracker_AReplicaThatJoinedUnseenIsFoundFirst(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "20")
	b.write("b", "2", "19") // the watch has not shown it
	b.ask("x", "20", standingUnconfirmed)
	b.run()
	b.woken("x")
	b.ask("x", "20", standingBehind, "b")
	b.see("b", "3", "20")
	b.woken("x")
	b.ask("x", "20", standingLoaded)
}

func TestTracker_AListThatWasBegunBeforeDoesNotCount(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "20")
	b.ask("x", "10", standingUnconfirmed)
	b.api.during = func() {
		b.api.during = nil
		b.ask("y", "20", standingUnconfirmed) // published while the list is under way
	}
	b.run()
	b.woken("x")
	b.ask("x", "10", standingLoaded)
	b.ask("y", "20", standingUnconfirmed)
	b.run()
	b.woken("y")
	b.ask("y", "20", standingLoaded)
}

func TestTracker_OneListServesAll(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "5000")
	for i := range 1000 {
		b.ask(string(rune('a'+i%26))+string(rune('a'+i/26)), "100", standingUnconfirmed)
	}
	b.run()
	b.run()
	if b.api.lists != 1 {
		t.Errorf("%d lists", b.api.lists)
	}
	b.ask("late", "99", standingLoaded)
}

func TestTracker_AFailedListConfirmsNothing(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "20")
	b.ask("x", "20", standingUnconfirmed)
	b.api.fail = errors.New("no API server")
	if again := b.run(); again != retryDelay {
		t.Errorf("the next try is in %v", again)
	}
	b.woken()
	b.ask("x", "20", standingUnconfirmed)
	b.api.fail = nil
	b.run()
	b.woken("x")
}

func TestTracker_LapsedReplica(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "20")
	b.see("b", "2", "10")
	b.ask("x", "20", standingBehind, "b")
	if again := b.run(); again != 10*time.Second+lapseMargin {
		t.Errorf("the next lapse is in %v", again)
	}
	b.clock.Step(10 * time.Second)
	b.see("a", "3", "20")
	b.clock.Step(lapseMargin - 1)
	b.run()
	b.ask("x", "20", standingBehind, "b")
	b.clock.Step(1)
	b.run()
	b.woken("x")
	b.ask("x", "20", standingLoaded)
	if _, there := b.api.leases["b"]; there {
		t.Error("the Lease of a replica that is not waited for is still there, so it may think that it is")
	}
}

func TestTracker_LapsedReplicaThatLivesAfterAll(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "10")
	b.ask("x", "20", standingBehind, "a")
	b.clock.Step(10*time.Second + lapseMargin)
	b.write("a", "2", "10") // renewed, and the watch is stuck
	b.run()
	b.woken()
	b.ask("x", "20", standingBehind, "a")
	b.clock.Step(10 * time.Second)
	b.run()
	b.ask("x", "20", standingBehind, "a")
	if len(b.api.leases) != 1 {
		t.Error("the Lease of a live replica was deleted")
	}
}

func TestTracker_LapsedReplicaThatCannotBeDeletedIsWaitedFor(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "10")
	b.ask("x", "20", standingBehind, "a")
	b.run()
	b.clock.Step(time.Hour)
	b.api.fail = errors.New("no API server")
	if again := b.run(); again != retryDelay {
		t.Errorf("the next try is in %v", again)
	}
	b.ask("x", "20", standingBehind, "a")
}

func TestTracker_ReplicaThatLeaves(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "20")
	b.see("b", "2", "10")
	b.ask("x", "20", standingBehind, "b")
	b.run()
	b.unsee("b")
	b.woken("x")
	b.ask("x", "20", standingLoaded)
}

func TestTracker_ReplicaThatLeavesUnseen(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "20")
	b.see("b", "2", "10")
	delete(b.api.leases, "b") // the watch has not shown it
	b.ask("x", "20", standingBehind, "b")
	b.run()
	b.woken("x")
	b.ask("x", "20", standingLoaded)
}

func TestTracker_NoReplicas(t *testing.T) {
	b := newTrackerBench(t)
	b.ask("x", "10", standingUnconfirmed)
	if again := b.run(); again != emptyGrace {
		t.Errorf("the next step is in %v", again)
	}
	b.woken("x")
	b.ask("x", "10", standingEmpty)
	b.run()
	b.woken() // it was told
	b.clock.Step(emptyGrace)
	b.run()
	b.awaitEveryone("everyone", "x")
	b.ask("x", "10", standingDeserted)

	b.see("a", "1", "5")
	b.awaitEveryone("everyone", "x")
	b.ask("x", "10", standingBehind, "a")
	b.see("a", "2", "10")
	b.woken("x")
	b.ask("x", "10", standingLoaded)

	b.unsee("a")
	b.run()
	b.woken() // who is registered is not told for a while
	b.see("a2", "3", "10")
	b.run()
	b.woken()
	b.clock.Step(emptyGrace)
	b.run()
	b.woken()
}

// awaitEveryone waits for the goroutine that lists everyone.
func (b *trackerBench) awaitEveryone(want ...string) {
	b.t.Helper()
	for range 500 {
		if b.queue.Len() >= len(want) {
			break
		}
		select {
		case <-b.t.Context().Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	b.woken(want...)
}

func TestTracker_WhatIsNoVersionIsNeverLoaded(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "20")
	for _, version := range []string{"", "0", "x"} {
		b.ask("x", version, standingUnconfirmed)
	}
	b.run()
	b.ask("x", "", standingUnconfirmed)
}

func TestTracker_WhoLeavesIsNotWoken(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "10")
	b.ask("x", "20", standingBehind, "a")
	b.run()
	b.sub.leave(request("x"))
	b.see("a", "2", "20")
	b.woken()
}

func TestSubscription_WaitsForTheTracker(t *testing.T) {
	b := newTrackerBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.sub.WaitForSync(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v before the tracker has synced", err)
	}
	close(b.synced)
	if err := b.sub.WaitForSync(t.Context()); err != nil {
		t.Error(err)
	}
}
