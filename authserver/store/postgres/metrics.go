// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what a Store does beside its verbs, which whoever calls them counts.
type metrics struct {
	batches    *prometheus.HistogramVec
	resent     *prometheus.CounterVec
	unanswered prometheus.Counter
}

func newMetrics(pool *pgxpool.Pool, to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		batches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "clientele_postgres_batch_size",
			Help:    "How many requests shared a statement and its commit, by verb.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9), // to batchSize
		}, []string{"verb"}),
		resent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clientele_postgres_resent_total",
			Help: "Statements that were sent again, by reason: conflict (the database had undone them because of others) or connection (it had died before they were sent, or they do no harm twice).",
		}, []string{"reason"}),
		unanswered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "clientele_postgres_unanswered_writes_total",
			Help: "Redemptions and advances whose answer was lost, so that their outcome had to be read.",
		}),
	}
	if to == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.batches, m.resent, m.unanswered, connections{pool}} {
		if err := to.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// connections tells of a pool whenever it is asked.
type connections struct{ pool *pgxpool.Pool }

var (
	connectionsNow = prometheus.NewDesc("clientele_postgres_connections",
		"Connections to the database by state: in_use, idle or connecting.", []string{"state"}, nil)
	connectionsMax = prometheus.NewDesc("clientele_postgres_connections_max",
		"How many connections there may be.", nil, nil)
	connectsTotal = prometheus.NewDesc("clientele_postgres_connects_total",
		"Connections made.", nil, nil)
	waitTotal = prometheus.NewDesc("clientele_postgres_connection_wait_seconds_total",
		"How long statements have waited for a connection.", nil, nil)
)

// Describe implements prometheus.Collector.
func (connections) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connectionsNow, connectionsMax, connectsTotal, waitTotal} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c connections) Collect(to chan<- prometheus.Metric) {
	stat := c.pool.Stat()
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	to <- prometheus.MustNewConstMetric(connectionsNow, gauge, float64(stat.AcquiredConns()), "in_use")
	to <- prometheus.MustNewConstMetric(connectionsNow, gauge, float64(stat.IdleConns()), "idle")
	to <- prometheus.MustNewConstMetric(connectionsNow, gauge, float64(stat.ConstructingConns()), "connecting")
	to <- prometheus.MustNewConstMetric(connectionsMax, gauge, float64(stat.MaxConns()))
	to <- prometheus.MustNewConstMetric(connectsTotal, counter, float64(stat.NewConnsCount()))
	to <- prometheus.MustNewConstMetric(waitTotal, counter, stat.EmptyAcquireWaitTime().Seconds())
}
