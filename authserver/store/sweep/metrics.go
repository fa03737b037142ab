// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clientele-dev/clientele/authserver/store"
)

type metrics struct {
	swept    *prometheus.CounterVec
	duration prometheus.Histogram
	last     prometheus.Gauge
}

func newMetrics(to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		swept: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clientele_store_swept_total",
			Help: "Records that were over and that this replica has had the store forget, by kind: sessions, grants or assertions.",
		}, []string{"kind"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "clientele_store_sweep_duration_seconds",
			Help:    "How long sweeps took, with the pauses between pages.",
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 10, 60, 300, 1800},
		}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "clientele_store_last_sweep_timestamp_seconds",
			Help: "When this replica last swept to the end, in Unix time; 0 while it has not been elected to.",
		}),
	}
	for _, kind := range []string{"sessions", "grants", "assertions"} {
		m.swept.WithLabelValues(kind)
	}
	if to == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.swept, m.duration, m.last} {
		if err := to.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) add(s store.Swept) {
	m.swept.WithLabelValues("sessions").Add(float64(s.Sessions))
	m.swept.WithLabelValues("grants").Add(float64(s.Grants))
	m.swept.WithLabelValues("assertions").Add(float64(s.Spent))
}

func (m *metrics) done(took time.Duration, now time.Time) {
	m.duration.Observe(took.Seconds())
	m.last.Set(float64(now.UnixMilli()) / 1000)
}
