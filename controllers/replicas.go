// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/clientele-dev/clientele/internal/registration"
)

const (
	// defaultLeaseDuration is for a Lease that gives none.
	defaultLeaseDuration = 15 * time.Second
	// lapseMargin is what a Lease is given beyond its duration. A replica stops
	// refusing unknown secrets before its Lease's duration is over by its own clock;
	// the margin is for clocks that do not run equally fast.
	lapseMargin = 5 * time.Second
)

// replica is a Lease of a running authserver, as it was last seen.
type replica struct {
	uid types.UID
	// version is the Lease's own resourceVersion; each heartbeat changes it.
	version string
	// loaded is the version of the records up to which the replica has loaded all.
	loaded string
	// unloaded are the records of that version that it could not load.
	unloaded registration.Unloaded
	// joined is when the process began to hold the Lease, by its own clock, as is
	// reported: until then it has reported all use of client secrets. report is the
	// version of the report that this is true of.
	joined, reported time.Time
	report           string
	// changed is when version was first seen, by this process's clock: what the
	// Lease says of time comes from another machine's.
	changed  time.Time
	patience time.Duration
}

func (r replica) lapses() time.Time { return r.changed.Add(r.patience) }

// replicas are those that count as live, by the name of their Lease.
type replicas map[string]replica

// observe takes in a Lease that was read or watched at now, and reports whether
// that was news.
func (rs replicas) observe(l *coordinationv1.Lease, now time.Time) bool {
	old, known := rs[l.Name]
	if known && !newer(l.ResourceVersion, old.version) {
		return false
	}
	d := defaultLeaseDuration
	if s := l.Spec.LeaseDurationSeconds; s != nil && *s > 0 {
		d = time.Duration(*s) * time.Second
	}
	rs[l.Name] = replica{
		uid: l.UID, version: l.ResourceVersion, loaded: l.Annotations[registration.AnnotationLoaded],
		unloaded: registration.Unloaded(l.Annotations[registration.AnnotationUnloaded]),
		joined:   joinedAt(l), reported: reportedUntil(l), report: l.Annotations[registration.AnnotationReport],
		changed: now, patience: d + lapseMargin,
	}
	return true
}

func joinedAt(l *coordinationv1.Lease) time.Time {
	if t := l.Spec.AcquireTime; t != nil {
		return t.Time
	}
	return l.CreationTimestamp.Time
}

// reportedUntil is zero for a replica that does not say.
func reportedUntil(l *coordinationv1.Lease) time.Time {
	t, err := time.Parse(time.RFC3339, l.Annotations[registration.AnnotationReported])
	if err != nil {
		return time.Time{}
	}
	return t
}

// retain removes the replicas that a complete list of Leases, read at version, does
// not have. A replica that is newer than the list stays.
func (rs replicas) retain(listed []coordinationv1.Lease, version string) {
	names := map[string]bool{}
	for i := range listed {
		names[listed[i].Name] = true
	}
	maps.DeleteFunc(rs, func(name string, r replica) bool {
		return !names[name] && !newer(r.version, version)
	})
}

// forget removes the replica whose Lease is gone, unless it has a new one.
func (rs replicas) forget(name string, uid types.UID) {
	if rs[name].uid == uid {
		delete(rs, name)
	}
}

// behind names the replicas that have not loaded version, in order.
func (rs replicas) behind(version string) []string {
	var names []string
	for name, r := range rs {
		if !atLeast(r.loaded, version) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

// unable names the replicas that have come to version and could not load record, in
// order.
func (rs replicas) unable(version, record string) []string {
	var names []string
	for name, r := range rs {
		if atLeast(r.loaded, version) && r.unloaded.Has(record) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

// lapsed names the replicas whose Leases have not changed for their duration.
func (rs replicas) lapsed(now time.Time) []string {
	var names []string
	for name, r := range rs {
		if !now.Before(r.lapses()) {
			names = append(names, name)
		}
	}
	return names
}

// nextLapse is when the first of the replicas lapses if it is not heard of.
func (rs replicas) nextLapse() (next time.Time, some bool) {
	for _, r := range rs {
		if at := r.lapses(); !some || at.Before(next) {
			next, some = at, true
		}
	}
	return next, some
}

// newer reports whether resourceVersion a is later than b. What is no version is
// earlier than every version.
func newer(a, b string) bool { return !atLeast(b, a) }

// atLeast reports whether resourceVersion a is b or later.
func atLeast(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	if err == nil {
		return order >= 0
	}
	return !validVersion(b)
}

func validVersion(v string) bool {
	_, err := resourceversion.CompareResourceVersion(v, v)
	return err == nil
}

// later is the later one of two resourceVersions.
func later(a, b string) string {
	if newer(b, a) {
		return b
	}
	return a
}
