// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A migration makes a schema of the one before. It only adds: each of its statements
// can be run again, or at the same time as somebody else runs it, and those who know
// only the schema before go on with the one after.
//
// So a migration needs no lock, which not every database has, and no transaction,
// which not every database has around such statements. One that ends halfway is begun
// anew; the version is written when all is done.
type migration struct {
	// compatible is the oldest version that can go on with this one. It is raised by a
	// release that takes away what the releases up to it used.
	compatible int
	statements []string
}

// migrations are all, in order: the first one makes version 1.
type migrations []migration

// currentSchema is what this program brings a database to. fillfactor leaves room for
// a refresh to stay on its page, which spares the indexes; CockroachDB and YugabyteDB
// take it and do nothing.
var currentSchema = migrations{
	{compatible: 1, statements: []string{
		`CREATE TABLE IF NOT EXISTS clientele_sessions (
			issuer text NOT NULL, id text NOT NULL,
			subject text NOT NULL, provider text NOT NULL, person_id text NOT NULL,
			auth_time timestamptz, expires_at timestamptz NOT NULL,
			PRIMARY KEY (issuer, id))`,
		`CREATE INDEX IF NOT EXISTS clientele_sessions_expires_at ON clientele_sessions (expires_at)`,
		`CREATE TABLE IF NOT EXISTS clientele_grants (
			issuer text NOT NULL, id text NOT NULL, client_id text NOT NULL, client_uid text NOT NULL,
			subject text NOT NULL, provider text NOT NULL, person_id text NOT NULL,
			scopes text NOT NULL, auth_time timestamptz,
			counter bigint NOT NULL, advanced_at timestamptz, issued_at timestamptz NOT NULL,
			code_expires_at timestamptz NOT NULL, expires_at timestamptz NOT NULL, ends_at timestamptz NOT NULL,
			revoked boolean NOT NULL DEFAULT false, attempt text NOT NULL,
			PRIMARY KEY (issuer, id)) WITH (fillfactor = 80)`,
		`CREATE INDEX IF NOT EXISTS clientele_grants_ends_at ON clientele_grants (ends_at)`,
		`CREATE TABLE IF NOT EXISTS clientele_consents (
			issuer text NOT NULL, subject text NOT NULL, client_id text NOT NULL, client_uid text NOT NULL,
			provider text NOT NULL, person_id text NOT NULL, scopes jsonb NOT NULL, given_at timestamptz,
			PRIMARY KEY (issuer, subject, client_id))`,
	}},
	// The index has nothing in it for the rows of before, and so is made in the time that
	// it takes to look at them.
	{compatible: 1, statements: []string{
		`ALTER TABLE clientele_sessions ADD COLUMN IF NOT EXISTS sign_in text NOT NULL DEFAULT ''`,
		`ALTER TABLE clientele_grants ADD COLUMN IF NOT EXISTS session_id text NOT NULL DEFAULT ''`,
		`CREATE INDEX IF NOT EXISTS clientele_grants_session_id ON clientele_grants (session_id) WHERE session_id <> ''`,
		`CREATE TABLE IF NOT EXISTS clientele_assertions (id bytea PRIMARY KEY, expires_at timestamptz NOT NULL)`,
		`CREATE INDEX IF NOT EXISTS clientele_assertions_expires_at ON clientele_assertions (expires_at)`,
	}},
}

const (
	// migrationTimeout is for one statement of a migration, which may have to go
	// through a large table.
	migrationTimeout = 10 * time.Minute
	firstWait        = 50 * time.Millisecond
	longestWait      = 5 * time.Second
)

// schema brings the database's schema to the version that the program knows, and
// knows whether it is there.
type schema struct {
	want migrations
	pool *pgxpool.Pool
	log  *slog.Logger
	once sync.Once
	told chan struct{} // closed when the first attempt is over

	mu  sync.Mutex
	err error // why the schema is not ready; nil once it is
}

var (
	errNotReached = errors.New("the database was not reached yet")
	// errNotReady is why a statement was not sent.
	errNotReady = errors.New("the database's schema is not ready")
)

func newSchema(want migrations, pool *pgxpool.Pool, log *slog.Logger) *schema {
	return &schema{want: want, pool: pool, log: log, told: make(chan struct{}), err: errNotReached}
}

// state says why all verbs fail, or nil: that the database was reached once and has
// the schema that the Store needs.
func (s *schema) state() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// wait returns nil if the schema is ready. It waits for the first attempt alone.
func (s *schema) wait(ctx context.Context) error {
	if s.state() == nil {
		return nil
	}
	select {
	case <-s.told:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w: %w", errNotReady, errNotReached, ctx.Err())
	}
	if err := s.state(); err != nil {
		return fmt.Errorf("%w: %w", errNotReady, err)
	}
	return nil
}

// prepare tries until the schema is ready.
func (s *schema) prepare(ctx context.Context) {
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := s.try(ctx)
		s.tell(err)
		if err == nil {
			return
		}
		timer := time.NewTimer(wait/2 + rand.N(wait)) //nolint:gosec // only to take turns
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// tell lets everyone know how an attempt has ended, and the log if it is news.
func (s *schema) tell(err error) {
	s.mu.Lock()
	before := s.err
	s.err = err
	s.mu.Unlock()
	s.once.Do(func() { close(s.told) })
	switch {
	case err == nil:
		s.log.Info("Using the database", "schema", len(s.want))
	case before == nil || before.Error() != err.Error():
		s.log.Warn("Waiting for the database", "err", err)
	}
}

// try makes one attempt.
func (s *schema) try(ctx context.Context) error {
	for {
		version, err := s.read(ctx)
		if err != nil || version >= len(s.want) {
			return err
		}
		done, err := s.migrate(ctx, version)
		if err != nil || done {
			return err
		}
	}
}

// read returns the version that the database has, or 0 if it has none, and an error if
// this program cannot go on with it.
func (s *schema) read(ctx context.Context) (version int, err error) {
	ctx, cancel := context.WithTimeout(ctx, verbTimeout)
	defer cancel()
	var compatible int
	err = s.pool.QueryRow(ctx, `SELECT version, compatible FROM clientele_schema WHERE id = 1`).Scan(&version, &compatible)
	switch {
	case errors.Is(err, pgx.ErrNoRows), isState(err, undefinedTable):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read its version: %w", err)
	case compatible > len(s.want):
		return 0, fmt.Errorf("it has version %d, which needs a server that knows version %d; this one knows none after %d: run a newer release", version, compatible, len(s.want))
	}
	return version, nil
}

// migrate runs what comes after a version. It is done if nobody else has written
// another version meanwhile.
func (s *schema) migrate(ctx context.Context, from int) (done bool, err error) {
	s.log.Info("Bringing the database's schema to another version", "from", from, "to", len(s.want))
	statements := []string{
		`CREATE TABLE IF NOT EXISTS clientele_schema (id integer PRIMARY KEY, version integer NOT NULL, compatible integer NOT NULL)`,
		`INSERT INTO clientele_schema (id, version, compatible) VALUES (1, 0, 0) ON CONFLICT (id) DO NOTHING`,
	}
	if from > 0 {
		statements = nil
	}
	for _, m := range s.want[from:] {
		statements = append(statements, m.statements...)
	}
	for _, sql := range statements {
		if _, err := s.exec(ctx, sql); err != nil {
			return false, fmt.Errorf("bring it from version %d to %d: %w", from, len(s.want), err)
		}
	}
	rows, err := s.exec(ctx, `UPDATE clientele_schema SET version = $1, compatible = $2 WHERE id = 1 AND version = $3`,
		len(s.want), s.want[len(s.want)-1].compatible, from)
	if err != nil {
		return false, fmt.Errorf("write its version: %w", err)
	}
	return rows == 1, nil
}

func (s *schema) exec(ctx context.Context, sql string, args ...any) (rows int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	tag, err := s.pool.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}
