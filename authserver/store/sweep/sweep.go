// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sweep has a store forget what is over, a page at a time and never in a
// hurry: nothing depends on it but the room that it makes. It does not know whether
// somebody else sweeps as well, which would be wasteful and harmless; who runs it
// sees to that.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clientele-dev/clientele/authserver/store"
)

// Config is what a Runner works with. Zero values mean the defaults.
type Config struct {
	// Store is swept.
	Store store.Sweeper
	// Log gets a line for each sweep that found something, or failed.
	Log *slog.Logger
	// Registerer takes the metrics; nil means that nobody reads them.
	Registerer prometheus.Registerer

	// Every is from the end of one sweep to the next; 45 seconds by default. It
	// varies by a fifth, so that replicas and installations do not fall into step.
	Every time.Duration
	// Page is how many records one step forgets; 500 by default.
	Page int
	// Pause is the least that lies between two pages; 200 ms by default. It is never
	// shorter than the page took: a store that is slow has at least half its time for
	// requests.
	Pause time.Duration
	// Timeout bounds a page; 30 seconds by default.
	Timeout time.Duration
	// Backoff is the pause after a first failure, which doubles with each further
	// one, up to MostBackoff; 5 seconds and 5 minutes by default.
	Backoff, MostBackoff time.Duration
}

// Runner sweeps. Make one with New.
type Runner struct {
	Config
	metrics *metrics
}

// New returns a Runner.
func New(c Config) (*Runner, error) {
	switch {
	case c.Store == nil:
		return nil, errors.New("sweep: Config.Store is nil")
	case c.Log == nil:
		return nil, errors.New("sweep: Config.Log is nil")
	}
	for _, d := range []struct {
		of        *time.Duration
		otherwise time.Duration
	}{
		{&c.Every, 45 * time.Second},
		{&c.Pause, 200 * time.Millisecond},
		{&c.Timeout, 30 * time.Second},
		{&c.Backoff, 5 * time.Second},
		{&c.MostBackoff, 5 * time.Minute},
	} {
		if *d.of <= 0 {
			*d.of = d.otherwise
		}
	}
	if c.Page <= 0 {
		c.Page = 500
	}
	m, err := newMetrics(c.Registerer)
	return &Runner{Config: c, metrics: m}, err
}

// Run sweeps at once and then again and again, until ctx ends. It returns as soon as
// the store lets go of the page that it is at.
func (r *Runner) Run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		wait := r.Every*4/5 + rand.N(r.Every*2/5) //nolint:gosec // jitter
		progress, err := r.sweep(ctx)
		// A store that is full may take deletions alone: what helps it should go on.
		if err == nil || progress {
			failures = 0
		}
		if err != nil {
			wait = min(r.Backoff<<min(failures, 16), r.MostBackoff)
			failures++
		}
		r.rest(ctx, wait)
	}
}

// sweep goes on page after page until the store has nothing more.
func (r *Runner) sweep(ctx context.Context) (progress bool, err error) {
	began := time.Now()
	var all store.Swept
	pages := 0
	err = r.pages(ctx, func(page store.Swept) {
		pages++
		all.Sessions += page.Sessions
		all.Grants += page.Grants
		all.Spent += page.Spent
		r.metrics.add(page)
	})
	took := time.Since(began)
	progress = all.Sessions > 0 || all.Grants > 0 || all.Spent > 0
	attrs := []any{"sessions", all.Sessions, "grants", all.Grants, "assertions", all.Spent, "pages", pages, "took", took}
	switch {
	case ctx.Err() != nil:
		return progress, nil // told to stop: what is left is somebody else's
	case err != nil:
		r.Log.Warn("Sweeping what is over failed", append(attrs, "err", err)...)
		return progress, err
	}
	r.metrics.done(took, time.Now())
	if progress {
		r.Log.Info("Swept what is over", attrs...)
	}
	return progress, nil
}

func (r *Runner) pages(ctx context.Context, swept func(store.Swept)) error {
	for {
		began := time.Now()
		page, err := r.page(ctx)
		swept(page)
		if err != nil {
			return fmt.Errorf("sweep the store: %w", err)
		}
		if !page.More || !r.rest(ctx, max(r.Pause, time.Since(began))) {
			return nil
		}
	}
}

func (r *Runner) page(ctx context.Context) (store.Swept, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	return r.Store.Sweep(ctx, r.Page)
}

// rest reports whether to go on afterwards.
func (r *Runner) rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
