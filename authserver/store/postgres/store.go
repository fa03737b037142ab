// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package postgres keeps sessions, grants and consents in PostgreSQL, or in a
// distributed database that speaks its language.
//
// Every verb is one statement with a commit of its own, and is answered after the
// commit. Redemptions of concurrent requests share statements and so commits, and so
// do advances; nobody waits for others to come. What a lost answer leaves open is
// found out by reading, and no write is repeated that might have happened.
//
// It uses nothing that CockroachDB and YugabyteDB lack: no advisory or table locks, no
// sequences, no notifications, no explicit transactions, no session state. So any
// pooler may stand between, too. Where a statement was chosen for one of them, it says
// so.
package postgres

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clientele-dev/clientele/authserver/store"
)

const (
	// verbTimeout bounds every verb, and the statement that it sends: if a verb fails,
	// what it wanted does not happen much later.
	verbTimeout = 5 * time.Second
	// resolveTimeout is for finding out what became of a statement without an answer.
	resolveTimeout = 2 * time.Second
)

// Config is what a Store needs.
type Config struct {
	// URI returns the database's URI as libpq takes it. It is called for every new
	// connection, so that a changed password, or host, needs no restart.
	URI func() (string, error)
	// Now is for expiry; nil means time.Now.
	Now func() time.Time
	// Log says how the schema comes along; nil discards it.
	Log *slog.Logger
	// Registerer gets the metrics; nil means none.
	Registerer prometheus.Registerer
}

// Store implements store.Sweeper. Make one with Open.
type Store struct {
	now     func() time.Time
	pool    *pgxpool.Pool
	metrics *metrics

	schema   *schema
	redeems  *batcher[store.Grant, struct{}]
	advances *batcher[advance, store.Grant]

	stop    context.CancelFunc
	migrate sync.WaitGroup
}

var _ store.Sweeper = (*Store)(nil)

// Open returns a Store. The database need not be there yet: the Store prepares it in
// the background as soon as it is, and until then all verbs fail.
func Open(c Config) (*Store, error) { return open(c, currentSchema) }

func open(c Config, want migrations) (*Store, error) {
	if c.URI == nil {
		return nil, errors.New("URI is missing")
	}
	s := &Store{now: c.Now}
	if s.now == nil {
		s.now = time.Now
	}
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.pool, err = newPool(c.URI); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(s.pool, c.Registerer); err != nil {
		s.pool.Close()
		return nil, err
	}
	s.redeems = newBatcher(s.sendRedeems)
	s.advances = newBatcher(s.sendAdvances)
	s.schema = newSchema(want, s.pool, log)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.migrate.Go(func() { s.schema.prepare(ctx) })
	return s, nil
}

// Close ends all connections, once the verbs that have begun are done. Nobody calls
// one any more.
func (s *Store) Close() {
	s.stop()
	s.migrate.Wait()
	s.redeems.wait()
	s.advances.wait()
	s.pool.Close()
}
