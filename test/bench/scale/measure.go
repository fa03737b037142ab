// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/test/bench/procs"
)

const (
	// applyWorkers is how many apply OAuthClients at once.
	applyWorkers = 16
	// goalMemory is what the manager may need at the most.
	goalMemory = 300 << 20
	// goalShare is how much of the API server's limit is to be reached at the least.
	goalShare = 0.5
	// page is how many objects are listed at once.
	page = 500
)

// applyAll applies OAuthClients at once and waits until all are Ready.
func (st *stage) applyAll(ctx context.Context, clients int, limit float64) error {
	before, err := st.written(ctx)
	if err != nil {
		return err
	}
	busy, err := procs.Children()
	if err != nil {
		return err
	}
	began := time.Now()
	err = each(clients, applyWorkers, func(i int) error {
		return st.Create(ctx, oauthClient(appNamespace, fmt.Sprintf("client-%05d", i)))
	})
	if err != nil {
		return err
	}
	applied := time.Since(began)
	if err := st.awaitReady(ctx, clients); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := st.written(ctx)
	if err != nil {
		return err
	}
	done := after.since(before)
	rate := float64(done.total()) / took.Seconds()
	st.say("\n%d OAuthClients were applied within %s, and all were Ready %s after the first: %.0f/s.",
		clients, applied.Round(time.Millisecond), took.Round(time.Millisecond), float64(clients)/took.Seconds())
	st.say("Meanwhile the API server was asked for %.0f writes/s: %.2f of its limit (goal: at least %.2f). They were:",
		rate, rate/limit, goalShare)
	done.say(st, clients)
	if err := st.sayCPU(busy); err != nil {
		return err
	}
	return st.sayMemory()
}

// awaitReady waits until the manager has seen so many become Ready, and then checks
// that they are: asking the API server all the while would slow it down.
func (st *stage) awaitReady(ctx context.Context, clients int) error {
	patience := 5*time.Minute + time.Duration(clients)*200*time.Millisecond
	err := poll(ctx, patience, func() (bool, error) {
		if err := pause(ctx, time.Second/2); err != nil { // to be asked costs the manager something
			return false, err
		}
		m, err := st.managerMetrics(ctx)
		return m.sum("clientele_oauthclient_ready_seconds_count", "", "") >= float64(clients), err
	})
	if err != nil {
		return err
	}
	ready, list := 0, &v1alpha1.OAuthClientList{}
	for {
		if err := st.List(ctx, list, client.InNamespace(appNamespace), client.Limit(page), client.Continue(list.Continue)); err != nil {
			return err
		}
		for i := range list.Items {
			if apimeta.IsStatusConditionTrue(list.Items[i].Status.Conditions, v1alpha1.ConditionReady) {
				ready++
			}
		}
		if list.Continue == "" {
			break
		}
	}
	if ready != clients {
		return fmt.Errorf("%d of %d are Ready", ready, clients)
	}
	return nil
}

// sayCPU tells who used how much CPU since before.
func (st *stage) sayCPU(before map[string]procs.Usage) error {
	after, err := procs.Children()
	if err != nil {
		return err
	}
	var used []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		used = append(used, fmt.Sprintf("%s %.1f", name, (after[name].CPU-before[name].CPU).Seconds()))
	}
	st.say("CPU seconds used: %s.", strings.Join(used, ", "))
	return nil
}

func (st *stage) sayMemory() error {
	u, err := st.manager.usage()
	st.say("The manager's memory: %d MiB, at its peak %d MiB (goal: under %d MiB).", u.RSS>>20, u.Peak>>20, goalMemory>>20)
	return err
}

// watchIdle counts the manager's writes while nothing happens.
func (st *stage) watchIdle(ctx context.Context, d time.Duration) error {
	if err := st.settled(ctx); err != nil {
		return err
	}
	before, err1 := st.managerWrites(ctx)
	all, err2 := st.written(ctx)
	busy, err3 := st.manager.usage()
	if err := errors.Join(err1, err2, err3, pause(ctx, d)); err != nil {
		return err
	}
	after, err1 := st.managerWrites(ctx)
	total, err2 := st.written(ctx)
	used, err3 := st.manager.usage()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	st.say("\nWhile nothing happened for %s, the manager sent %d writes (goal: 0) and used %.2f s of CPU. It runs without an election here; the Lease of one is written every 2 seconds. All writes of everybody, of which the Leases' are the authserver's heartbeat:",
		d, after-before, (used.CPU - busy.CPU).Seconds())
	total.since(all).say(st, 1)
	return st.sayMemory()
}

// settled waits until the manager has told the last event.
func (st *stage) settled(ctx context.Context) error {
	if err := st.quiet(ctx, time.Minute); err != nil {
		return err
	}
	for last := -1; ; {
		n, err := st.managerWrites(ctx)
		if err != nil || n == last {
			return err
		}
		last = n
		if err := pause(ctx, 3*time.Second); err != nil {
			return err
		}
	}
}

// changeServer changes the AuthorizationServer again and again, and waits each time
// until the manager has looked at every OAuthClient.
func (st *stage) changeServer(ctx context.Context, s size) error {
	before, err1 := st.written(ctx)
	began, err2 := st.managerMetrics(ctx)
	busy, err3 := st.manager.usage()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	took := make([]time.Duration, 0, s.changes)
	for i := range s.changes {
		at := time.Now()
		if err := st.changeOnce(ctx, i); err != nil {
			return err
		}
		took = append(took, time.Since(at))
	}
	used, err1 := st.manager.usage()
	after, err2 := st.managerMetrics(ctx)
	total, err3 := st.written(ctx)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	slices.Sort(took)
	const looks = "controller_runtime_reconcile_total"
	looked := after.sum(looks, "controller", "oauthclient") - began.sum(looks, "controller", "oauthclient")
	st.say("\n%d changes of policy and name on the AuthorizationServer of %d OAuthClients: until the manager was quiet again, half took up to %s and the longest %s. For each change it looked at %.0f OAuthClients and used %.2f s of CPU. Writes, of which this program's are the patches of authorizationservers:",
		s.changes, s.clients, took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond),
		looked/float64(s.changes), (used.CPU-busy.CPU).Seconds()/float64(s.changes))
	total.since(before).say(st, s.clients)
	return st.sayMemory()
}

// changeOnce makes one change, of the policy and of what is published.
func (st *stage) changeOnce(ctx context.Context, i int) error {
	server := &v1alpha1.AuthorizationServer{}
	if err := st.Get(ctx, client.ObjectKey{Name: serverName}, server); err != nil {
		return err
	}
	old := server.DeepCopy()
	server.Spec.DisplayName = fmt.Sprintf("Sign in, revision %d", i)
	server.Spec.Policy = &v1alpha1.Policy{Rules: []v1alpha1.PolicyRule{{
		Name: fmt.Sprintf("everybody-%d", i), RedirectHosts: []v1alpha1.HostPattern{"*.example.com", v1alpha1.HostPattern(fmt.Sprintf("host-%d.example.org", i))},
	}}}
	if err := st.Patch(ctx, server, client.MergeFrom(old)); err != nil {
		return err
	}
	if err := poll(ctx, time.Minute, func() (bool, error) { return st.serverReady(ctx) }); err != nil {
		return err
	}
	return st.quiet(ctx, 2*time.Minute)
}
