// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what people want to be alerted of. Every label has a closed set of
// values, so that their number does not grow with the cluster.
type metrics struct {
	ready     prometheus.Histogram
	rotations *prometheus.CounterVec
	failures  *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		ready: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "clientele_oauthclient_ready_seconds",
			Help:    "Time from an OAuthClient's creation, or from when a change of it was seen, until it was Ready.",
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300},
		}),
		rotations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clientele_rotations_total",
			Help: "Client secrets that have taken the place of another in an app's Secret, by why: schedule, request, revocation, secret_missing or secret_changed.",
		}, []string{"reason"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clientele_reconcile_failures_total",
			Help: "How often an object became, or stayed for another reason, not Ready, by kind and reason of the condition.",
		}, []string{"kind", "reason"}),
	}
}

func (m *metrics) register(r prometheus.Registerer) error {
	return errors.Join(r.Register(m.ready), r.Register(m.rotations), r.Register(m.failures))
}

// rotated counts a client secret that was written to an app's Secret, if it is new
// and not the client's first one.
func (m *metrics) rotated(s *clientScope) {
	if because := replacementCause(s); because != "" {
		m.rotations.WithLabelValues(string(because)).Inc()
	}
}
