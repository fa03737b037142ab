// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// scrapeTimeout bounds the wait for a cache that has not been filled yet.
const scrapeTimeout = 2 * time.Second

// The states that are no reason of a condition.
const (
	// statePending is an object that the manager has not come to yet.
	statePending = "Pending"
	// stateOther is a reason that is not on the list, which should not be.
	stateOther = "Other"
)

// clientStates are what an OAuthClient may be: Ready, or why not.
var clientStates = []string{
	v1alpha1.ReasonReady, statePending, stateOther,
	v1alpha1.ReasonAuthorizationServerNotFound, v1alpha1.ReasonNoDefaultAuthorizationServer,
	v1alpha1.ReasonAuthorizationServerNotAccepted, v1alpha1.ReasonAuthorizationServerDeleting,
	v1alpha1.ReasonUnsupportedScope, v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonPolicyViolation,
	v1alpha1.ReasonClientIDTaken, v1alpha1.ReasonPaused, v1alpha1.ReasonInvalidTemplate, v1alpha1.ReasonInvalidSecret,
	v1alpha1.ReasonSecretNotOwned, v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonTooManyCredentials,
	v1alpha1.ReasonAwaitingReplicas, v1alpha1.ReasonNoReplicas, v1alpha1.ReasonNotAccepted, v1alpha1.ReasonFailed,
}

// serverStates are what an AuthorizationServer may be: Ready, or why not.
var serverStates = []string{
	v1alpha1.ReasonReady, statePending, stateOther,
	v1alpha1.ReasonIssuerConflict, v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonClientsRemain, v1alpha1.ReasonPaused,
	v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonInvalidUsers, v1alpha1.ReasonAwaitingReplicas,
	v1alpha1.ReasonNoReplicas, v1alpha1.ReasonNotAccepted, v1alpha1.ReasonFailed,
}

// ages are the buckets of clientele_credentials. Each secret is in one.
var ages = []struct {
	name  string
	below time.Duration
}{
	{"lt_1d", 24 * time.Hour},
	{"lt_7d", 7 * 24 * time.Hour},
	{"lt_30d", 30 * 24 * time.Hour},
	{"lt_90d", 90 * 24 * time.Hour},
	{"lt_365d", 365 * 24 * time.Hour},
	{"older", 1<<63 - 1},
}

// The states of a client secret that clientele_credentials tells apart.
const (
	credentialActive   = "active"
	credentialRetiring = "retiring"
)

// collector counts what the caches hold at the time of a scrape. No label names an
// object, and every state is there when nothing is in it.
type collector struct {
	cached    client.Reader
	namespace string
	clock     clock.Clock

	clients, servers, credentials, replicas *prometheus.Desc

	mu sync.Mutex
	// records are the credentials of each record, as of the last scrape: they are
	// decoded once in each version.
	records map[string]countedRecord
}

type countedRecord struct {
	version     string
	credentials []countedCredential
}

type countedCredential struct {
	since    time.Time
	retiring bool
}

var _ prometheus.Collector = (*collector)(nil)

func newCollector(cached client.Reader, o Options) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("clientele_"+name, help, labels, nil)
	}
	return &collector{
		cached: cached, namespace: o.Namespace, clock: o.Clock, records: map[string]countedRecord{},
		clients:     desc("oauthclients", "OAuthClients by state: Ready, or the reason of the condition Ready.", "state"),
		servers:     desc("authorizationservers", "AuthorizationServers by state: Ready, or the reason of the condition Ready.", "state"),
		credentials: desc("credentials", "Client secrets that are accepted, by state (active; retiring: replaced and about to end) and time since they were published.", "state", "age"),
		replicas:    desc("replicas", "Replicas of the authserver that have a Lease."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.clients, c.servers, c.credentials, c.replicas} {
		to <- d
	}
}

// Collect implements prometheus.Collector. Where the cache has not been filled yet,
// there is nothing to tell, and nothing is told.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	clients, servers := &v1alpha1.OAuthClientList{}, &v1alpha1.AuthorizationServerList{}
	records, leases := &corev1.SecretList{}, &coordinationv1.LeaseList{}
	if c.list(ctx, clients) == nil {
		c.states(to, c.clients, countStates(clientStates, clients.Items, func(o *v1alpha1.OAuthClient) []metav1.Condition { return o.Status.Conditions }))
	}
	if c.list(ctx, servers) == nil {
		c.states(to, c.servers, countStates(serverStates, servers.Items, func(o *v1alpha1.AuthorizationServer) []metav1.Condition { return o.Status.Conditions }))
	}
	inSystem := client.InNamespace(c.namespace)
	if c.list(ctx, records, inSystem, client.MatchingLabels{registration.LabelRecord: registration.RecordClient}) == nil {
		c.collectCredentials(to, records.Items)
	}
	if c.list(ctx, leases, inSystem) == nil {
		to <- gauge(c.replicas, len(leases.Items))
	}
}

// list reads from the cache without a copy: nothing of it may be changed.
func (c *collector) list(ctx context.Context, into client.ObjectList, o ...client.ListOption) error {
	return c.cached.List(ctx, into, append(o, client.UnsafeDisableDeepCopy)...)
}

func gauge(d *prometheus.Desc, n int, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

func (*collector) states(to chan<- prometheus.Metric, d *prometheus.Desc, counts map[string]int) {
	for state, n := range counts {
		to <- gauge(d, n, state)
	}
}

// countStates is how many objects are in each of the states.
func countStates[T any](states []string, objects []T, conditions func(*T) []metav1.Condition) map[string]int {
	counts := make(map[string]int, len(states))
	for _, s := range states {
		counts[s] = 0
	}
	for i := range objects {
		state := readiness(conditions(&objects[i]))
		if _, listed := counts[state]; !listed {
			state = stateOther
		}
		counts[state]++
	}
	return counts
}

// readiness is Ready, or why an object is not.
func readiness(conditions []metav1.Condition) string {
	ready := apimeta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return statePending
	case ready.Status == metav1.ConditionTrue:
		return v1alpha1.ReasonReady
	}
	return ready.Reason
}

// collectCredentials counts the client secrets of all records. c.mu is held.
func (c *collector) collectCredentials(to chan<- prometheus.Metric, records []corev1.Secret) {
	now := c.clock.Now()
	counts := map[string][]int{credentialActive: make([]int, len(ages)), credentialRetiring: make([]int, len(ages))}
	for i := range records {
		r, ok := c.records[records[i].Name]
		if !ok || r.version != records[i].ResourceVersion {
			r = countRecord(&records[i])
			c.records[records[i].Name] = r
		}
		for _, d := range r.credentials {
			state := credentialActive
			if d.retiring {
				state = credentialRetiring
			}
			counts[state][ageOf(now.Sub(d.since))]++
		}
	}
	c.forget(records)
	for state, byAge := range counts {
		for i, n := range byAge {
			to <- gauge(c.credentials, n, state, ages[i].name)
		}
	}
}

// forget drops what is remembered of records that are gone. c.mu is held.
func (c *collector) forget(records []corev1.Secret) {
	if len(c.records) == len(records) {
		return // all of them were just looked at
	}
	there := make(map[string]bool, len(records))
	for i := range records {
		there[records[i].Name] = true
	}
	maps.DeleteFunc(c.records, func(name string, _ countedRecord) bool { return !there[name] })
}

func countRecord(o *corev1.Secret) countedRecord {
	r := countedRecord{version: o.ResourceVersion}
	for _, d := range digestsIn(o) {
		r.credentials = append(r.credentials, countedCredential{since: d.Since, retiring: !d.Until.IsZero()})
	}
	return r
}

// ageOf is the bucket of an age.
func ageOf(age time.Duration) int {
	for i, bucket := range ages {
		if age < bucket.below {
			return i
		}
	}
	return len(ages) - 1
}
