// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// tries is how often a statement is sent that the database undoes because of others.
	tries = 12
	// longestPause is between two of them; the first pauses are shorter.
	longestPause = 64 * time.Millisecond
)

// errNoConnection is why a statement was not sent.
var errNoConnection = errors.New("no connection to the database")

// again says which errors let a statement be sent once more.
type again int

const (
	// ifUndone is for every statement: it was not sent, or the database has undone it.
	ifUndone again = iota
	// ifUncertain is for one that does no harm twice. A connection that has died
	// unnoticed costs it nothing then.
	ifUncertain
)

// statement sends something on a connection of the pool. wait bounds waiting for the
// connection, and work all of it.
func (s *Store) statement(wait, work context.Context, when again, send func(context.Context, *pgxpool.Conn) error) error {
	if err := s.schema.wait(wait); err != nil {
		return err
	}
	lost := 0 // connections
	for try := 0; ; try++ {
		err := s.once(wait, work, send)
		switch {
		case err == nil || try == tries-1:
			return err
		case conflict(err):
			s.metrics.resent.WithLabelValues("conflict").Inc()
			if err := pause(work, try, err); err != nil {
				return err
			}
		case errors.Is(err, errNoConnection):
			return err
		case unsent(err), uncertain(err) && when == ifUncertain:
			if lost++; lost > 1 || work.Err() != nil {
				return err
			}
			s.metrics.resent.WithLabelValues("connection").Inc()
		default:
			return err
		}
	}
}

func (s *Store) once(wait, work context.Context, send func(context.Context, *pgxpool.Conn) error) error {
	conn, err := s.pool.Acquire(wait)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoConnection, err)
	}
	defer conn.Release()
	err = send(work, conn)
	if isState(err, readOnlyTransaction) {
		// It leads to a server that has become a standby; another one may not.
		_ = conn.Conn().Close(work)
	}
	return err
}

// pause lets others go first, by a random time that grows.
func pause(ctx context.Context, try int, why error) error {
	longest := min(time.Millisecond<<try, longestPause)
	timer := time.NewTimer(rand.N(longest)) //nolint:gosec // only to take turns
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ctx.Err(), why)
	}
}

// detached runs one statement that goes on when the caller has lost its patience, since
// to break it off would cost the connection. A caller who still waits for a connection
// takes its request along.
func detached[A any](ctx context.Context, s *Store, when again, send func(context.Context, *pgxpool.Conn) (A, error)) (answer A, err error) {
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	wait, cancelWait := context.WithTimeout(ctx, verbTimeout)
	defer cancelWait()
	type result struct {
		answer A
		err    error
	}
	done := make(chan result, 1)
	go func() {
		work, cancel := context.WithTimeout(context.WithoutCancel(ctx), verbTimeout)
		defer cancel()
		var r result
		r.err = s.statement(wait, work, when, func(ctx context.Context, conn *pgxpool.Conn) (err error) {
			r.answer, err = send(ctx, conn)
			return err
		})
		done <- r
	}()
	select {
	case r := <-done:
		return r.answer, r.err
	case <-wait.Done():
		return answer, wait.Err()
	}
}
