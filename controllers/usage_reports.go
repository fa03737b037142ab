// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/clientele-dev/clientele/internal/registration"
)

// reportKept is how long the report of a replica that is gone is kept.
const reportKept = 24 * time.Hour

// usageReports follows what the replicas of the authserver report of the use of
// client secrets, and wakes the OAuthClients whose status should say so. As a source
// it keeps the controller from starting before it has read every report: a secret
// must not seem quiet because nobody has looked yet.
type usageReports struct {
	namespace string
	cached    client.Reader
	writer    secrets
	informers ctrlcache.Informers
	clock     clock.Clock
	tracker   *replicaTracker

	handling cache.ResourceEventHandlerRegistration
	queue    workqueue.TypedRateLimitingInterface[reconcile.Request]
	kick     chan struct{}

	mu      sync.RWMutex
	reports map[string]*usageReport // by the name of their Secret
	past    registration.Usage      // of reports that are gone
}

// usageReport is what a replica's Secret says.
type usageReport struct {
	secret *corev1.Secret // without its data
	usage  registration.Usage
	// read is the version of the Secret that usage is from. What cannot be read leaves
	// both as they were.
	read string
	// last is when it was last written, at the least.
	last time.Time
	// gone is since when no live replica writes it; zero while one does.
	gone time.Time
	// found says that it was there when the manager began.
	found bool
}

var (
	_ lastUse              = (*usageReports)(nil)
	_ source.SyncingSource = (*usageReports)(nil)
)

func newUsageReports(s shared, tracker *replicaTracker) *usageReports {
	u := &usageReports{
		namespace: s.Namespace, cached: s.cached, writer: s.secrets(), informers: s.informers, clock: s.Clock,
		tracker: tracker, kick: make(chan struct{}, 1), reports: map[string]*usageReport{},
		past: registration.Usage{Used: map[string]int64{}},
	}
	tracker.mu.Lock()
	defer tracker.mu.Unlock()
	tracker.settled = append(tracker.settled, u.poke)
	return u
}

// String names the source in the controller's messages, which would otherwise print
// what it holds while it changes.
func (*usageReports) String() string { return "reports of use" }

// Start follows the reports until ctx ends.
func (u *usageReports) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	informer, err := u.informers.GetInformer(ctx, &corev1.Secret{}, ctrlcache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watch the reports of use: %w", err)
	}
	u.queue = queue
	if u.handling, err = informer.AddEventHandler(u.handlers(ctx)); err != nil {
		return fmt.Errorf("watch the reports of use: %w", err)
	}
	go u.sweep(ctx)
	return nil
}

// WaitForSync returns when every report has been read.
func (u *usageReports) WaitForSync(ctx context.Context) error {
	if !cache.WaitForCacheSync(ctx.Done(), u.handling.HasSynced) {
		return fmt.Errorf("read the reports of use: %w", context.Cause(ctx))
	}
	return nil
}

func (u *usageReports) handlers(ctx context.Context) cache.ResourceEventHandler {
	ours := func(o any) (*corev1.Secret, bool) {
		if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = last.Obj
		}
		s, ok := o.(*corev1.Secret)
		return s, ok && s.Namespace == u.namespace && s.Labels[registration.LabelRecord] == registration.RecordUsage
	}
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(o any, initially bool) {
			if s, ok := ours(o); ok {
				changed := u.take(ctx, s, initially)
				if !initially { // everybody is looked at anyhow
					u.wake(ctx, changed)
				}
			}
		},
		UpdateFunc: func(_, o any) {
			if s, ok := ours(o); ok {
				u.wake(ctx, u.take(ctx, s, false))
			}
		},
		DeleteFunc: func(o any) {
			if s, ok := ours(o); ok {
				u.drop(s.Name)
			}
		},
	}
}

// take reads a report, once in each version, and returns what it changes.
func (u *usageReports) take(ctx context.Context, s *corev1.Secret, initially bool) []use {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.poke()
	r := u.reports[s.Name]
	if r == nil {
		r = &usageReport{found: initially, last: s.CreationTimestamp.Time}
		u.reports[s.Name] = r
	}
	if r.secret != nil && r.secret.ResourceVersion == s.ResourceVersion {
		return nil
	}
	r.secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: s.Namespace, Name: s.Name, UID: s.UID, ResourceVersion: s.ResourceVersion,
	}}
	usage, err := registration.DecodeUsage(s.Data[registration.KeyUsage])
	if err != nil {
		log.FromContext(ctx).Error(err, "Reading a replica's report of use failed; its version may be newer than the manager's", "secret", s.Name)
		return nil
	}
	now := minuteOf(u.clock.Now())
	var changed []use
	for id, minute := range usage.Used {
		minute = min(minute, now) // whatever the replica's clock says
		usage.Used[id] = minute
		if before := u.latest(id); minute > before {
			changed = append(changed, use{id, before, minute})
		}
		if at := timeOf(minute); at.After(r.last) {
			r.last = at
		}
	}
	r.usage, r.read = usage, s.ResourceVersion
	return changed
}

// drop keeps of a report that was deleted what there is room for.
func (u *usageReports) drop(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.reports[name]
	if r == nil {
		return
	}
	delete(u.reports, name)
	for id, minute := range r.usage.Used {
		u.past.Used[id] = max(u.past.Used[id], minute)
	}
	u.past.Dropped = max(u.past.Dropped, r.usage.Dropped)
	u.past.Trim(registration.MaxUsed)
}

// latest is the minute in which a secret was last used, or zero. u.mu is held.
func (u *usageReports) latest(id string) int64 {
	minute := u.past.Used[id]
	for _, r := range u.reports {
		minute = max(minute, r.usage.Used[id])
	}
	return minute
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// timeOf is when a minute began; zero is never.
func timeOf(minute int64) time.Time {
	if minute == 0 {
		return time.Time{}
	}
	return time.Unix(60*minute, 0).UTC()
}

// of implements lastUse.
func (u *usageReports) of(id string) time.Time {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return timeOf(u.latest(id))
}

// through implements lastUse. A replica's Lease and its report come by two watches:
// what the one says counts once the other has come, and could be read.
func (u *usageReports) through() time.Time {
	live := u.tracker.members()
	u.mu.RLock()
	defer u.mu.RUnlock()
	var through time.Time
	for lease, r := range live {
		read := ""
		if report := u.reports[reportOf(lease)]; report != nil {
			read = report.read
		}
		if r.reported.IsZero() || !atLeast(read, r.report) {
			return time.Time{}
		}
		if through.IsZero() || r.reported.Before(through) {
			through = r.reported
		}
	}
	if now := u.clock.Now(); through.After(now) {
		return now // a replica's clock is ahead
	}
	return through
}

// since implements lastUse.
func (u *usageReports) since() time.Time {
	live := u.tracker.members()
	u.mu.RLock()
	defer u.mu.RUnlock()
	since := timeOf(u.past.Dropped)
	for _, r := range u.reports {
		if at := timeOf(r.usage.Dropped); at.After(since) {
			since = at
		}
	}
	for _, r := range live {
		if r.joined.After(since) {
			since = r.joined
		}
	}
	return since
}

// reportOf is the name of the Secret in which the replica with that Lease reports.
func reportOf(lease string) string {
	return registration.UsageName(strings.TrimPrefix(lease, registration.LeaseName("")))
}

func (u *usageReports) poke() {
	select {
	case u.kick <- struct{}{}:
	default:
	}
}

// sweep deletes the reports of replicas that are long gone.
func (u *usageReports) sweep(ctx context.Context) {
	select {
	case <-u.tracker.synced: // before, every replica seems to be gone
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		wait, some := u.step(ctx)
		timer := u.clock.NewTimer(wait)
		due := timer.C()
		if !some {
			timer.Stop()
			due = nil
		}
		select {
		case <-ctx.Done():
		case <-u.kick:
		case <-due:
		}
		timer.Stop()
	}
}

// step deletes what is due, and says when something is next.
func (u *usageReports) step(ctx context.Context) (next time.Duration, some bool) {
	due, next, some := u.dueReports()
	for _, s := range due {
		err := u.writer.delete(ctx, s)
		switch {
		case isStale(err): // it was written to: the watch is about to say so
		case err != nil:
			log.FromContext(ctx).Error(err, "Deleting the report of a replica that is gone failed", "secret", s.Name)
			next, some = retryDelay, true
		}
	}
	return next, some
}

// dueReports are those to be deleted now, and when the next one is.
func (u *usageReports) dueReports() (due []*corev1.Secret, next time.Duration, some bool) {
	alive := map[string]bool{}
	for lease := range u.tracker.members() {
		alive[reportOf(lease)] = true
	}
	now := u.clock.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	for name, r := range u.reports {
		switch {
		case alive[name]:
			r.gone, r.found = time.Time{}, false
			continue
		case r.gone.IsZero() && r.found:
			r.gone = r.last // it has gone before this manager came
		case r.gone.IsZero():
			r.gone = now
		}
		wait := r.gone.Add(reportKept).Sub(now)
		if wait <= 0 {
			due = append(due, r.secret)
		} else if !some || wait < next {
			next, some = wait, true
		}
	}
	return due, next, some
}
