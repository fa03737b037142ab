// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clientele-dev/clientele/authserver/keys"
)

// metrics is what there is to see of this package. Labels are an issuer's name, a
// kind of record or a kind of key, never a client's.
type metrics struct {
	malformed     *prometheus.CounterVec
	rotations     *prometheus.CounterVec
	revocations   *prometheus.CounterVec
	renewFailures prometheus.Counter
	reports       *prometheus.CounterVec

	clients, issuers, current, heard, age *prometheus.Desc

	watcher *Watcher
	now     func() time.Time
}

var _ prometheus.Collector = (*metrics)(nil)

func newMetrics() *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("clientele_"+name, help, labels, nil)
	}
	m := &metrics{
		malformed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clientele_registry_malformed_records_total",
			Help: "Records that were refused because they are malformed, each version once.",
		}, []string{"kind"}),
		rotations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clientele_key_rotations_total",
			Help: "Keys that this replica has minted and published.",
		}, []string{"issuer", "kind"}),
		revocations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clientele_key_revocations_total",
			Help: "Keys that this replica has revoked because a person asked for it.",
		}, []string{"issuer", "kind"}),
		renewFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "clientele_replica_lease_failures_total",
			Help: "Writes of this replica's Lease that failed.",
		}),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clientele_usage_reports_total",
			Help: "Reports of which client secrets are used, by result: written or failed.",
		}, []string{"result"}),
		clients: desc("registry_clients", "Registered clients."),
		issuers: desc("registry_issuers", "Issuers, ready or not."),
		current: desc("registry_current", "1 while a client that is unknown can be refused for good."),
		heard: desc("registry_last_event_timestamp_seconds",
			"When the watch last brought anything, in Unix time; a bookmark is due every minute."),
		age: desc("key_age_seconds", "How long ago the key in use came into use.", "issuer", "kind"),
	}
	for _, result := range []string{"written", "failed"} {
		m.reports.WithLabelValues(result)
	}
	return m
}

// observe sets what the gauges are read from.
func (m *metrics) observe(w *Watcher, now func() time.Time) { m.watcher, m.now = w, now }

// forget drops the counters of an issuer that is gone.
func (m *metrics) forget(issuer string) {
	m.rotations.DeletePartialMatch(prometheus.Labels{"issuer": issuer})
	m.revocations.DeletePartialMatch(prometheus.Labels{"issuer": issuer})
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(c chan<- *prometheus.Desc) {
	m.malformed.Describe(c)
	m.rotations.Describe(c)
	m.revocations.Describe(c)
	m.renewFailures.Describe(c)
	m.reports.Describe(c)
	for _, d := range []*prometheus.Desc{m.clients, m.issuers, m.current, m.heard, m.age} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(c chan<- prometheus.Metric) {
	m.malformed.Collect(c)
	m.rotations.Collect(c)
	m.revocations.Collect(c)
	m.renewFailures.Collect(c)
	m.reports.Collect(c)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := m.now()
	seen := m.watcher.store.observe(now)
	gauge(m.clients, float64(seen.clients))
	gauge(m.issuers, float64(seen.issuers))
	if !seen.heard.IsZero() {
		gauge(m.heard, float64(seen.heard.UnixMilli())/1000)
	}
	current := 0.0
	if m.watcher.Current() {
		current = 1
	}
	gauge(m.current, current)
	for _, k := range seen.keys {
		gauge(m.age, now.Sub(k.starts).Seconds(), k.issuer, k.kind)
	}
}

// observation is the store in numbers.
type observation struct {
	clients, issuers int
	heard            time.Time
	keys             []activeKey
}

type activeKey struct {
	issuer, kind string
	starts       time.Time
}

func (s *store) observe(now time.Time) observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := observation{clients: len(s.claimants), heard: s.heard}
	for name, v := range s.servers {
		if v.record == nil {
			continue
		}
		out.issuers++
		for _, kind := range keys.Kinds() {
			if v.keys.set == nil || !v.ownsKeys() {
				continue
			}
			if k, ok := v.keys.set.Active(kind, now); ok && !k.Starts.After(now) {
				out.keys = append(out.keys, activeKey{name, kind, k.Starts})
			}
		}
	}
	return out
}
