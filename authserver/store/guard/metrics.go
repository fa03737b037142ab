// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clientele-dev/clientele/authserver/store"
)

// metrics count by verb and result, which are few and fixed.
type metrics struct {
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	shed     prometheus.Counter
}

func newMetrics(to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "clientele_store_request_duration_seconds",
			Help: "How long requests of the store took, the wait for a turn included, by verb and result: " +
				"ok, conflict, absent, error, timeout, canceled or shed.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"verb", "result"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "clientele_store_requests_in_flight",
			Help: "Requests that the store is working on.",
		}),
		shed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "clientele_store_shed_total",
			Help: "Requests that were kept from the store since it had too many.",
		}),
	}
	if to == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.duration, m.inFlight, m.shed} {
		if err := to.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// done counts a verb.
func (m *metrics) done(verb, result string, took time.Duration) {
	if result == "shed" {
		m.shed.Inc()
	}
	m.duration.WithLabelValues(verb, result).Observe(took.Seconds())
}

// resultOf is how a verb ended that ran with ctx.
func resultOf(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, store.ErrSpent), errors.Is(err, store.ErrReused), errors.Is(err, store.ErrUsed):
		return "conflict"
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrRevoked):
		return "absent"
	case errors.Is(err, ErrShed):
		return "shed"
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "timeout"
	case ctx.Err() != nil: // whoever asked has gone
		return "canceled"
	}
	return "error"
}
