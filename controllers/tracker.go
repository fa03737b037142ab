// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clientele-dev/clientele/internal/registration"
)

const (
	// emptyGrace is how long there may be no replica before those who are registered
	// are told. A single server that restarts should not change every status twice.
	emptyGrace = 30 * time.Second
	// retryDelay is how long to wait after a read or a deletion that failed.
	retryDelay = time.Second
)

// standing says how far the replicas are with one version.
type standing int

const (
	// standingUnconfirmed: a replica that nobody has seen yet may have joined.
	standingUnconfirmed standing = iota
	// standingBehind: a live replica has not loaded the version.
	standingBehind
	// standingUnable: a live replica has come to the version and could not load the
	// record.
	standingUnable
	// standingLoaded: there are live replicas, and all have loaded it.
	standingLoaded
	// standingEmpty: there is no live replica, since a moment ago.
	standingEmpty
	// standingDeserted: there has been no live replica for emptyGrace.
	standingDeserted
)

// acknowledgement is what replicas have said of one version.
type acknowledgement struct {
	standing standing
	behind   []string // the replicas that have not loaded it
	unable   []string // the replicas that tried in vain
}

// safe reports whether a secret whose digest the version holds may be mounted. No
// replica at all refuses nothing, and one that starts catches up before it serves.
func (a acknowledgement) safe() bool {
	return a.standing == standingLoaded || a.standing == standingEmpty || a.standing == standingDeserted
}

// replicaTracker knows which replicas of the authserver are live and what each has
// loaded. It answers whether a version of a record is loaded everywhere, and wakes
// who was told no as soon as the answer changes. Two things it never takes for
// granted:
//
//   - That a replica which is not heard of is gone. Its Lease is deleted, as it was
//     last seen; the live replicas are those that have a Lease. If the replica was
//     alive after all, the deletion conflicts, or it finds its Lease gone and joins
//     anew. Either way it cannot think that it is being waited for when it is not.
//   - That the watch shows every replica. One that joined unseen may have caught up
//     just before a record was published. So a version counts as loaded only after
//     a consistent list of the Leases that was begun after it was published: a
//     replica that is not on that list catches up later, and so includes it. One
//     list serves all who wait, so its cost is not per client.
type replicaTracker struct {
	namespace string
	live      client.Reader // reads from the API server, not from a cache
	writer    client.Writer
	informers ctrlcache.Informers
	clock     clock.Clock

	kick   chan struct{}
	synced chan struct{}

	mu       sync.Mutex
	replicas replicas
	// awaited is the latest version that was asked for, confirmed the latest for
	// which a list was begun after it had been asked for.
	awaited, confirmed string
	emptySince         time.Time
	deserted           bool
	subscriptions      []*subscription
	// settled is called, with mu held, when something may have changed.
	settled []func()
}

var _ manager.Runnable = (*replicaTracker)(nil)

func newReplicaTracker(o Options, c clusterClients) *replicaTracker {
	return &replicaTracker{
		namespace: o.Namespace, live: c.live, writer: c.writer, informers: c.informers, clock: o.Clock,
		kick: make(chan struct{}, 1), synced: make(chan struct{}),
		replicas: replicas{}, emptySince: o.Clock.Now(),
	}
}

// Start follows the Leases until ctx ends.
func (t *replicaTracker) Start(ctx context.Context) error {
	if err := t.follow(ctx); err != nil {
		return err
	}
	close(t.synced)
	for {
		wait := t.step(ctx)
		timer := t.clock.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-t.kick:
		case <-timer.C():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// follow starts the watch and confirms what has been published until now, so that
// a restart of the manager leaves no record unconfirmed.
func (t *replicaTracker) follow(ctx context.Context) error {
	informer, err := t.informers.GetInformer(ctx, &coordinationv1.Lease{})
	if err != nil {
		return fmt.Errorf("watch the replicas' Leases: %w", err)
	}
	if _, err := informer.AddEventHandler(t.handlers()); err != nil {
		return fmt.Errorf("watch the replicas' Leases: %w", err)
	}
	records := &metav1.PartialObjectMetadataList{}
	records.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := t.live.List(ctx, records, client.InNamespace(t.namespace), client.Limit(1)); err != nil {
		return fmt.Errorf("read the records' version: %w", err)
	}
	t.mu.Lock()
	t.awaited = later(t.awaited, records.ResourceVersion)
	t.mu.Unlock()
	return t.confirm(ctx)
}

func (t *replicaTracker) handlers() cache.ResourceEventHandler {
	seen := func(o any) {
		if l, ok := o.(*coordinationv1.Lease); ok {
			t.change(func() bool { return t.observe(l) })
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    seen,
		UpdateFunc: func(_, o any) { seen(o) },
		DeleteFunc: func(o any) {
			if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = last.Obj
			}
			if l, ok := o.(*coordinationv1.Lease); ok {
				t.change(func() bool { t.replicas.forget(l.Name, l.UID); return true })
			}
		},
	}
}

// change alters the set of replicas and wakes whom that concerns.
func (t *replicaTracker) change(alter func() bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if alter() {
		t.settle()
		t.poke()
	}
}

// observe takes in a Lease, and wakes those whose records its replica has ceased to
// load. That it has begun to is what they wait for. t.mu is held.
func (t *replicaTracker) observe(l *coordinationv1.Lease) bool {
	before := t.replicas[l.Name].unloaded
	news := t.replicas.observe(l, t.clock.Now())
	for _, s := range t.subscriptions {
		s.wakeUnloaded(before, t.replicas[l.Name].unloaded)
	}
	return news
}

// members are the replicas that count as live.
func (t *replicaTracker) members() replicas {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.replicas)
}

// settle brings everything up to date with the set of replicas. t.mu is held.
func (t *replicaTracker) settle() {
	now := t.clock.Now()
	switch {
	case len(t.replicas) > 0:
		t.emptySince = time.Time{}
	case t.emptySince.IsZero():
		t.emptySince = now
	}
	deserted := !t.emptySince.IsZero() && now.Sub(t.emptySince) >= emptyGrace
	if deserted != t.deserted {
		t.deserted = deserted
		for _, s := range t.subscriptions {
			s.wakeEveryone()
		}
	}
	for _, s := range t.subscriptions {
		s.wake(func(version, record string) standing { return t.assess(version, record).standing })
	}
	for _, tell := range t.settled {
		tell()
	}
}

// assess says how far the replicas are with version, and whether they can load record.
// t.mu is held.
func (t *replicaTracker) assess(version, record string) acknowledgement {
	if !validVersion(version) {
		return acknowledgement{standing: standingUnconfirmed}
	}
	behind, unable := t.replicas.behind(version), t.replicas.unable(version, record)
	switch {
	case len(behind) > 0:
		return acknowledgement{standing: standingBehind, behind: behind, unable: unable}
	case len(unable) > 0:
		return acknowledgement{standing: standingUnable, unable: unable}
	case !atLeast(t.confirmed, version):
		return acknowledgement{standing: standingUnconfirmed}
	case len(t.replicas) > 0:
		return acknowledgement{standing: standingLoaded}
	case t.deserted:
		return acknowledgement{standing: standingDeserted}
	}
	return acknowledgement{standing: standingEmpty}
}

// await says how far the replicas are with version, which the caller has published
// or read. Unless it is loaded, request is woken when the answer changes.
func (t *replicaTracker) await(s *subscription, request reconcile.Request, version, record string) acknowledgement {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.awaited = later(t.awaited, version)
	a := t.assess(version, record)
	delete(s.waiting, request)
	if a.standing != standingLoaded {
		s.waiting[request] = waiter{version: version, record: record, told: a.standing}
	}
	if !atLeast(t.confirmed, t.awaited) {
		t.poke()
	}
	return a
}

func (t *replicaTracker) poke() {
	select {
	case t.kick <- struct{}{}:
	default: // a step is due already
	}
}

// step does what is due, and says when the next step is if nobody pokes.
func (t *replicaTracker) step(ctx context.Context) time.Duration {
	retry := false
	for _, l := range t.dueLeases() {
		if err := t.bury(ctx, l); err != nil {
			log.FromContext(ctx).Error(err, "Deleting the Lease of a replica that is gone failed", "lease", l.Name)
			retry = true
		}
	}
	if t.unconfirmed() {
		if err := t.confirm(ctx); err != nil {
			log.FromContext(ctx).Error(err, "Listing the replicas' Leases failed")
			retry = true
		}
	}
	t.change(func() bool { t.settle(); return false })
	if retry {
		return retryDelay
	}
	return t.untilNext()
}

func (t *replicaTracker) unconfirmed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !atLeast(t.confirmed, t.awaited)
}

// dueLeases are those that have not changed for their duration, as last seen.
func (t *replicaTracker) dueLeases() []*coordinationv1.Lease {
	t.mu.Lock()
	defer t.mu.Unlock()
	var due []*coordinationv1.Lease
	for _, name := range t.replicas.lapsed(t.clock.Now()) {
		r := t.replicas[name]
		due = append(due, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
			Namespace: t.namespace, Name: name, UID: r.uid, ResourceVersion: r.version,
		}})
	}
	return due
}

// bury deletes a lapsed Lease, if it is still as it was last seen. If it is not,
// the replica lives, and a fresh look at it says since when.
func (t *replicaTracker) bury(ctx context.Context, l *coordinationv1.Lease) error {
	err := t.writer.Delete(ctx, l, asRead(l))
	if isStale(err) {
		return t.look(ctx)
	}
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	log.FromContext(ctx).Info("Going on without a replica that is not heard of", "lease", l.Name)
	t.change(func() bool { t.replicas.forget(l.Name, l.UID); return true })
	return nil
}

// confirm makes sure that every replica which may lack an awaited version is known.
func (t *replicaTracker) confirm(ctx context.Context) error {
	t.mu.Lock()
	awaited := t.awaited // what was published before the list is begun
	t.mu.Unlock()
	if err := t.look(ctx); err != nil {
		return err
	}
	t.change(func() bool { t.confirmed = later(t.confirmed, awaited); return true })
	return nil
}

// look reads all Leases from the API server, consistently.
func (t *replicaTracker) look(ctx context.Context) error {
	list := &coordinationv1.LeaseList{}
	err := t.live.List(ctx, list, client.InNamespace(t.namespace),
		client.MatchingLabels{registration.LabelRecord: registration.RecordReplica})
	if err != nil {
		return err
	}
	t.change(func() bool {
		for i := range list.Items {
			t.observe(&list.Items[i])
		}
		t.replicas.retain(list.Items, list.ResourceVersion)
		return true
	})
	return nil
}

// untilNext is how long nothing is due unless something happens.
func (t *replicaTracker) untilNext() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	if at, some := t.replicas.nextLapse(); some {
		return max(at.Sub(now), 0)
	}
	if !t.deserted {
		return max(t.emptySince.Add(emptyGrace).Sub(now), 0)
	}
	return time.Hour
}
