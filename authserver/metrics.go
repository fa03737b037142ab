// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clientele-dev/clientele/authserver/oauth"
)

// metrics count. Every label has few values, none of which a stranger can choose.
type metrics struct {
	requests *prometheus.HistogramVec
	logins   *prometheus.CounterVec
	issued   *prometheus.CounterVec
	errors   *prometheus.CounterVec
	revoked  *prometheus.CounterVec
	inFlight *prometheus.GaugeVec
	shed     *prometheus.CounterVec
}

func newMetrics(to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "clientele_http_request_duration_seconds",
			Help:    "How long requests took; the count is the number of requests.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"route", "status"}),
		logins: counter("clientele_logins_total",
			"Logins by result: success, refused, busy or unavailable.", "result"),
		issued: counter("clientele_tokens_issued_total",
			"Successful answers of the token endpoint by grant_type.", "grant_type"),
		errors: counter("clientele_token_errors_total",
			"Errors of the token endpoint by code.", "code"),
		revoked: counter("clientele_grants_revoked_total",
			"Revocations of grants by reason: code_replay, refresh_reuse or client_request.", "reason"),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "clientele_http_requests_in_flight",
			Help: "Requests that are being answered, without those that are answered from memory, by surface: pages or clients.",
		}, []string{"surface"}),
		shed: counter("clientele_http_requests_shed_total",
			"Requests that were told to come back since too many were being answered, by surface: pages or clients.", "surface"),
	}
	if to == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.logins, m.issued, m.errors, m.revoked, m.inFlight, m.shed} {
		if err := to.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func counter(name, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
}

// request counts by status class: "2xx".
func (m *metrics) request(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
}

func (m *metrics) login(result string) { m.logins.WithLabelValues(result).Inc() }

func (m *metrics) tokenIssued(grantType string) { m.issued.WithLabelValues(grantType).Inc() }

func (m *metrics) tokenError(code oauth.Code) { m.errors.WithLabelValues(string(code)).Inc() }

func (m *metrics) grantRevoked(reason string) { m.revoked.WithLabelValues(reason).Inc() }
