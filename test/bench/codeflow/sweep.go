// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package codeflow

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/sweep"
)

// Swept is how far a sweep has come.
type Swept struct {
	Sessions, Grants, Pages int
	// Took is since its beginning, Working what of that was not a pause.
	Took, Working time.Duration
	// Median and Longest are pages'.
	Median, Longest time.Duration
	// Done says that nothing is left.
	Done bool
}

// Sweep makes the server sweep its store, as the authserver does.
func (s *Server) Sweep() error {
	_, err := s.Fetch(s.Control + "/sweep")
	return err
}

// Swept is how far it has come.
func (s *Server) Swept() (Swept, error) {
	var out Swept
	body, err := s.Fetch(s.Control + "/swept")
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(body, &out)
}

// sweeping is the server's side of it, and a store.Sweeper that counts.
type sweeping struct {
	store.Sweeper

	store store.Store
	mu    sync.Mutex
	began time.Time
	pages []time.Duration
	swept Swept
}

func (s *sweeping) begin(w http.ResponseWriter, _ *http.Request) {
	var ok bool
	if s.Sweeper, ok = s.store.(store.Sweeper); !ok {
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	runner, err := sweep.New(sweep.Config{Store: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	s.began = time.Now()
	go runner.Run(context.Background()) // until the process ends
}

func (s *sweeping) tell(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(s.swept) // who asks sees that it is no answer
}

// Sweep counts what the store sweeps, until nothing is left for the first time.
func (s *sweeping) Sweep(ctx context.Context, page int) (store.Swept, error) {
	at := time.Now()
	gone, err := s.Sweeper.Sweep(ctx, page)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.swept.Done {
		return gone, err
	}
	took := time.Since(at)
	s.pages = append(s.pages, took)
	s.swept.Pages++
	s.swept.Sessions += gone.Sessions
	s.swept.Grants += gone.Grants
	s.swept.Working += took
	s.swept.Took = time.Since(s.began)
	s.swept.Median, s.swept.Longest = middle(s.pages), slices.Max(s.pages)
	s.swept.Done = err == nil && !gone.More
	return gone, err
}

func middle(of []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
