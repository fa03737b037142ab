// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

// room bounds how many requests of a kind are worked on at a time. Pages and clients
// have one each, so that a flood of people, which needs no credentials, leaves the
// apps alone. What is answered from memory needs none.
//
// A request takes its place once it has been read: whoever sends one slowly keeps a
// connection, and no place.
type room struct {
	places chan struct{}
	taken  prometheus.Gauge
	full   prometheus.Counter
}

var errFull = errors.New("too many requests are being answered")

func newRoom(places int, m *metrics, surface string) *room {
	return &room{
		places: make(chan struct{}, places),
		taken:  m.inFlight.WithLabelValues(surface), full: m.shed.WithLabelValues(surface),
	}
}

// in is h for as many requests at a time as there are places. All others are told to
// come back, at once: who waits here would only make those behind wait, too.
func (m *room) in(h handler) handler {
	return func(w http.ResponseWriter, r *request) error {
		select {
		case m.places <- struct{}{}:
		default:
			m.full.Inc()
			return unavailable(errFull)
		}
		m.taken.Inc()
		defer func() {
			m.taken.Dec()
			<-m.places
		}()
		return h(w, r)
	}
}
