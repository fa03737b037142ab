// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package backchannel

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count. No label names a client.
type metrics struct {
	results  *prometheus.CounterVec
	duration prometheus.Histogram
}

func newMetrics(to prometheus.Registerer, queued func() float64) (*metrics, error) {
	m := &metrics{
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clientele_backchannel_logouts_total",
			Help: "Clients that were to be told of a sign-out, by result: delivered, refused, failed, gone, dropped, abandoned; and unlisted for sign-outs of which nobody could find out whom to tell.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "clientele_backchannel_logout_duration_seconds",
			Help:    "How long it took until a client had been told of a sign-out.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}),
	}
	for _, result := range []string{
		resultDelivered, resultRefused, resultFailed, resultGone, resultDropped, resultAbandoned, resultUnlisted,
	} {
		m.results.WithLabelValues(result) // an alert needs the zero
	}
	if to == nil {
		return m, nil
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "clientele_backchannel_logouts_queued",
		Help: "What is to be told to clients and has not been, nor been given up.",
	}, queued)
	for _, c := range []prometheus.Collector{m.results, m.duration, waiting} {
		if err := to.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) ended(result string, took time.Duration) {
	m.results.WithLabelValues(result).Inc()
	if result == resultDelivered {
		m.duration.Observe(took.Seconds())
	}
}
