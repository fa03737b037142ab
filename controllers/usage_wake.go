// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// wakeGrain is what the last use of a secret without an end is told in.
	wakeGrain = time.Hour
	// wakeSpread is within what time the clients are woken that are used in every
	// hour. All of their hours end at once.
	wakeSpread = 30 * time.Minute
)

// use is that a secret was used in a later minute than was known.
type use struct {
	id            string
	before, after int64
}

// sameHour reports whether a status that tells the hour says so already.
func (c use) sameHour() bool {
	return timeOf(c.before).Truncate(wakeGrain).Equal(timeOf(c.after).Truncate(wakeGrain))
}

// delay is how long the status may wait: not at all for the first use that is known,
// and else until the secret's turn comes, which its ID says: that is part of a hash.
func (c use) delay() time.Duration {
	turn, err := strconv.ParseUint(c.id[:8], 16, 32)
	if c.before == 0 || err != nil {
		return 0
	}
	return time.Duration(float64(turn) / (1 << 32) * float64(wakeSpread))
}

// wake enqueues the OAuthClients whose status has something to tell: for a secret
// that was replaced every use, since somebody may wait for the last one, and for
// others the hour.
func (u *usageReports) wake(ctx context.Context, changed []use) {
	for _, c := range changed {
		for _, request := range u.clientsWith(ctx, endingPrefix+c.id) {
			u.enqueue(request, 0)
		}
		if c.sameHour() {
			continue
		}
		for _, request := range u.clientsWith(ctx, c.id) {
			u.enqueue(request, c.delay())
		}
	}
}

// enqueue lets whatever else there is to do go first.
func (u *usageReports) enqueue(request reconcile.Request, delay time.Duration) {
	if q, ok := u.queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		q.AddWithOpts(priorityqueue.AddOpts{After: delay, Priority: new(handler.LowPriority)}, request)
		return
	}
	u.queue.AddAfter(request, delay)
}

// clientsWith are the OAuthClients in whose records indexCredential finds key.
func (u *usageReports) clientsWith(ctx context.Context, key string) []reconcile.Request {
	records := &corev1.SecretList{}
	err := u.cached.List(ctx, records, client.InNamespace(u.namespace),
		client.MatchingFields{indexCredential: key}, client.UnsafeDisableDeepCopy)
	if err != nil {
		log.FromContext(ctx).Error(err, "Finding the OAuthClient of a client secret failed", "credential", key)
		return nil
	}
	var requests []reconcile.Request
	for i := range records.Items {
		requests = append(requests, clientOfRecord(&records.Items[i])...)
	}
	return requests
}
