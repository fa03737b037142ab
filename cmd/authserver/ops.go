// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ops is what the cluster asks of a replica.
func (p *process) ops() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", p.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics, promhttp.HandlerOpts{Registry: p.metrics}))
	return mux
}

// readyz is about what this replica has loaded, and not about the store. All replicas
// share that: were they unready without it, nobody would answer at all, while now
// discovery and keys still are, and whoever must wait is told so.
func (p *process) readyz(w http.ResponseWriter, _ *http.Request) {
	if p.stopping.Load() {
		say(w, http.StatusServiceUnavailable, "stopping")
		return
	}
	if err := p.watcher.Ready(); err != nil {
		say(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	say(w, http.StatusOK, "ok")
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // the asker has gone, or it works
}
