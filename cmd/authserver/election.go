// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/clientele-dev/clientele/internal/registration"
)

// election has one replica at a time do what is wasteful for all to do.
type election struct {
	lock *resourcelock.LeaseLock
	terms
	// lead is what the one does; it must return soon after its context ends.
	lead func(context.Context)
}

// terms are an election's times, as of leaderelection.LeaderElectionConfig.
type terms struct{ lease, renew, retry time.Duration }

// unhurried lets a replica that has died be followed within about a minute, at the
// cost of a write each ten seconds.
var unhurried = terms{lease: time.Minute, renew: 40 * time.Second, retry: 10 * time.Second}

func newElection(o options, cluster *rest.Config, lead func(context.Context)) (*election, error) {
	config := rest.CopyConfig(cluster)
	// A process that is told to stop waits for its last write no longer than this.
	config.Timeout = 5 * time.Second
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	return &election{
		lock: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Name: registration.SweeperLease, Namespace: o.namespace},
			Client:    client.CoordinationV1(),
			// The text behind the name tells a process from the one that it replaces.
			LockConfig: resourcelock.ResourceLockConfig{Identity: o.replica + "_" + rand.Text()[:8]},
		},
		terms: unhurried, lead: lead,
	}, nil
}

// run stands for election again and again, until ctx ends. Whatever lead does has
// ended when it returns.
func (e *election) run(ctx context.Context) error {
	// The elector begins lead in a goroutine, and does not wait for it.
	var term sync.Mutex
	for ctx.Err() == nil {
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: e.lock, Name: registration.SweeperLease, ReleaseOnCancel: true,
			LeaseDuration: e.lease, RenewDeadline: e.renew, RetryPeriod: e.retry,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) {
					term.Lock()
					defer term.Unlock()
					if ctx.Err() == nil {
						e.lead(ctx)
					}
				},
				OnStoppedLeading: func() {},
			},
		})
		if err != nil {
			return fmt.Errorf("stand for election: %w", err)
		}
		elector.Run(ctx)
		term.Lock()
		term.Unlock() //nolint:staticcheck // waits for the term to end
	}
	return nil
}
