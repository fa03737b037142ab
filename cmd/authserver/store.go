// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/guard"
	"github.com/clientele-dev/clientele/authserver/store/kube"
	"github.com/clientele-dev/clientele/authserver/store/memory"
	"github.com/clientele-dev/clientele/authserver/store/postgres"
	"github.com/clientele-dev/clientele/authserver/store/sweep"
)

// kept is where this replica keeps sessions, grants and consents.
type kept struct {
	// guarded is the store as requests see it.
	guarded store.Store
	// sweep forgets what is over whenever this replica is the one to do so, until its
	// context ends. It is nil for a store that does so by itself.
	sweep func(context.Context) error
	// close is called once nothing uses the store any more.
	close func()
}

// surroundings are what a store is opened in.
type surroundings struct {
	options
	cluster *rest.Config
	log     *slog.Logger
	metrics prometheus.Registerer
}

func (s *surroundings) openStore() (kept, error) {
	inner, end, err := s.newStore()
	if err != nil {
		return kept{}, err
	}
	k := kept{close: end}
	// What sweeps is paced by itself, and must not take a request's turn.
	if sweeper, ok := inner.(store.Sweeper); ok {
		k.sweep, err = s.newSweep(sweeper)
	}
	if err == nil {
		k.guarded, err = guard.New(inner, guard.Config{Registerer: s.metrics})
	}
	if err != nil {
		end()
		return kept{}, err
	}
	s.log.Info("Keeping sessions, grants and consents", "store", s.store)
	return k, nil
}

// newStore returns the store and what ends it.
func (s *surroundings) newStore() (store.Store, func(), error) {
	nothing := func() {}
	switch s.store {
	case storeKubernetes:
		o, err := kube.New(kube.Config{REST: s.cluster, Namespace: s.namespace})
		return o, nothing, err
	case storePostgres:
		o, err := postgres.Open(postgres.Config{URI: s.postgresURI, Log: s.log, Registerer: s.metrics})
		if err != nil {
			return nil, nil, fmt.Errorf("--postgres-uri-file: %w", err)
		}
		return o, o.Close, nil
	}
	return memory.New(nil), nothing, nil
}

// postgresURI reads the file anew: a Secret that is mounted changes under way.
func (s *surroundings) postgresURI() (string, error) {
	text, err := os.ReadFile(s.postgresURIFile)
	return strings.TrimSpace(string(text)), err
}

func (s *surroundings) newSweep(of store.Sweeper) (func(context.Context) error, error) {
	runner, err := sweep.New(sweep.Config{Store: of, Log: s.log, Registerer: s.metrics})
	if err != nil {
		return nil, err
	}
	e, err := newElection(s.options, s.cluster, runner.Run)
	if err != nil {
		return nil, err
	}
	return e.run, nil
}
