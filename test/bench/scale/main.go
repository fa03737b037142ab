// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Command scale measures the manager with very many OAuthClients: the manager and
// one replica of the authserver as processes of their own, against a real API
// server. In the same run it measures how fast that API server takes the same
// writes from a program that does nothing else. It needs /proc, and so Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// size is how much is measured.
type size struct {
	clients int
	idle    time.Duration
	changes int
}

func main() {
	var s size
	flag.IntVar(&s.clients, "clients", 10_000, "how many OAuthClients are applied")
	flag.DurationVar(&s.idle, "idle", time.Minute, "how long the manager is watched while nothing happens")
	flag.IntVar(&s.changes, "changes", 10, "how often the AuthorizationServer is changed after that")
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s size, out io.Writer) error {
	began := time.Now()
	st, err := newStage(ctx, out)
	if err != nil {
		return err
	}
	err = st.measure(ctx, s)
	st.say("\nAll of it took %s.", time.Since(began).Round(time.Second))
	return errors.Join(err, st.end())
}

// measure is everything, in the order in which it is told.
func (st *stage) measure(ctx context.Context, s size) error {
	limit, err := st.limit(ctx, min(s.clients, limitClients))
	if err != nil {
		return fmt.Errorf("measure the API server: %w", err)
	}
	if err := st.startClientele(ctx); err != nil {
		return err
	}
	if err := st.applyAll(ctx, s.clients, limit); err != nil {
		return fmt.Errorf("apply %d OAuthClients: %w", s.clients, err)
	}
	if err := st.watchIdle(ctx, s.idle); err != nil {
		return fmt.Errorf("watch the manager idle: %w", err)
	}
	if err := st.changeServer(ctx, s); err != nil {
		return fmt.Errorf("change the AuthorizationServer: %w", err)
	}
	return nil
}
