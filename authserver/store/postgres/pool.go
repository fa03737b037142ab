// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// poolSize is how many connections a Store has at the most, unless the URI says
	// otherwise (pool_max_conns). PostgreSQL allows 100 of all clients by default.
	poolSize = 10
	// connectTimeout is for one host, unless the URI says otherwise (connect_timeout).
	connectTimeout = 3 * time.Second
)

// newPool returns a pool that has no connection yet.
func newPool(uri func() (string, error)) (*pgxpool.Pool, error) {
	config, err := parse(uri)
	if err != nil {
		return nil, err
	}
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		fresh, err := parse(uri)
		if err == nil {
			*c = *fresh.ConnConfig
		}
		return err
	}
	// It makes no connection unless the URI asks for some to be kept.
	return pgxpool.NewWithConfig(context.Background(), config)
}

// parse reads the URI. Its errors tell nothing of what is in it.
func parse(uri func() (string, error)) (*pgxpool.Config, error) {
	text, err := uri()
	if err != nil {
		return nil, fmt.Errorf("read the database's URI: %w", err)
	}
	text = strings.TrimSpace(text)
	config, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, parseError(err)
	}
	says := func(parameter string) bool { return strings.Contains(text, parameter+"=") }
	if !says("pool_max_conns") {
		config.MaxConns = poolSize
	}
	if !says("connect_timeout") {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if !says("target_session_attrs") {
		// A standby would tell of grants that are revoked by now.
		config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if !says("default_query_exec_mode") {
		// Named statements are a connection's, and a pooler that gives each transaction
		// another one (PgBouncer before 1.21, or with max_prepared_statements=0) loses
		// them. The describe that this mode begins with, once per connection and
		// statement, leaves nothing behind. Nor are they faster here: PostgreSQL comes to
		// keep one plan for lists of any length, by which advances took up to ten times as
		// long.
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return config, nil
}

// parseError keeps what helps and holds no secret: the name of a file.
func parseError(err error) error {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("the database's URI names a file that cannot be read: %w", file)
	}
	return errors.New("the database's URI is not one that PostgreSQL's libpq takes, as postgres://user:password@host:5432/database?sslmode=verify-full")
}
