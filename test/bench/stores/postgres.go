// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/clientele-dev/clientele/test/bench/codeflow"
	"github.com/clientele-dev/clientele/test/postgres"
)

// poolSize is how many connections the store has by default, and what is bare as well.
const poolSize = 10

// rows writes rows like the store's to a table like the store's, each with a statement
// and a commit of its own.
type rows struct {
	pool *pgxpool.Pool
	// insert takes a row's columns, of which id is one.
	insert string
	row    []any
	id     int
}

// learn makes the table, and takes the one grant of the store as what all rows are to
// look like.
func (r *rows) learn(ctx context.Context) error {
	if _, err := r.pool.Exec(ctx, `CREATE TABLE bare (LIKE clientele_grants INCLUDING ALL) WITH (fillfactor = 80)`); err != nil {
		return err
	}
	found, err := r.pool.Query(ctx, `SELECT * FROM clientele_grants`)
	if err != nil {
		return err
	}
	defer found.Close()
	if !found.Next() {
		return errors.Join(errors.New("the store has written no grant"), found.Err())
	}
	if r.row, err = found.Values(); err != nil {
		return err
	}
	var names, values []string
	for i, column := range found.FieldDescriptions() {
		names, values = append(names, column.Name), append(values, fmt.Sprintf("$%d", i+1))
		if column.Name == "id" {
			r.id = i
		}
	}
	r.insert = fmt.Sprintf("INSERT INTO bare (%s) VALUES (%s)", strings.Join(names, ", "), strings.Join(values, ", "))
	return nil
}

func (r *rows) create(ctx context.Context) (id string, err error) {
	id = rand.Text()
	row := slices.Clone(r.row)
	row[r.id] = id
	_, err = r.pool.Exec(ctx, r.insert, row...)
	return id, err
}

// updates counts rows up, one for each worker.
func (r *rows) updates() job {
	var ids []string
	var counters []int
	return job{
		prepare: func(ctx context.Context, workers int) error {
			ids, counters = make([]string, workers), make([]int, workers)
			return each(workers, func(w int) (err error) { ids[w], err = r.create(ctx); return err })
		},
		do: func(ctx context.Context, w int) error {
			tag, err := r.pool.Exec(ctx, `UPDATE bare SET counter = counter + 1, advanced_at = $1 WHERE issuer = 'default' AND id = $2 AND counter = $3`,
				time.Now(), ids[w], counters[w])
			counters[w]++
			if err == nil && tag.RowsAffected() != 1 {
				err = fmt.Errorf("%d rows were updated", tag.RowsAffected())
			}
			return err
		},
	}
}

func openPostgres(ctx context.Context) (*backend, error) {
	server, err := postgres.New(postgres.Options{})
	if errors.Is(err, postgres.ErrMissing) {
		return nil, fmt.Errorf("%w: %w", errMissing, err)
	}
	if err != nil {
		return nil, err
	}
	b, err := postgresBackend(ctx, server)
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return b, nil
}

func postgresBackend(ctx context.Context, server *postgres.Server) (*backend, error) {
	database, err := server.CreateDatabase(ctx)
	if err != nil {
		return nil, err
	}
	uri := database.URI() + fmt.Sprintf("&pool_max_conns=%d", poolSize)
	spec := codeflow.StoreSpec{Kind: codeflow.Postgres, URI: uri}
	kept, end, err := spec.Open()
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.New(ctx, uri)
	if err != nil {
		return nil, err
	}
	bare := &rows{pool: pool}
	// The first verb waits for the schema.
	if err := errors.Join(kept.Redeem(ctx, grant()), bare.learn(ctx)); err != nil {
		return nil, err
	}
	return &backend{
		spec: spec, store: kept, goal: 1, goalFrom: 32, fill: (&filler{pool}).fill,
		createdSo: fmt.Sprintf("durable INSERTs of the same row, a commit each, over %d connections", poolSize), updatedSo: "such UPDATEs of its counter",
		create: job{do: func(ctx context.Context, _ int) error { _, err := bare.create(ctx); return err }},
		update: bare.updates(),
		end: func() error {
			pool.Close()
			end()
			return server.Stop()
		},
	}, nil
}

// filler fills the store's own tables.
type filler struct{ pool *pgxpool.Pool }

func (f *filler) fill(ctx context.Context, n int, until time.Time) error {
	_, err := f.pool.Exec(ctx, `INSERT INTO clientele_grants SELECT r.*
		FROM generate_series(1, $1::int) i, LATERAL (SELECT t FROM clientele_grants t LIMIT 1) one,
		LATERAL jsonb_populate_record(one.t, jsonb_build_object('id', $2::text || md5(i::text), 'expires_at', $3::timestamptz, 'ends_at', $3::timestamptz)) r`,
		n/2, rand.Text(), until)
	if err != nil {
		return err
	}
	_, err = f.pool.Exec(ctx, `INSERT INTO clientele_sessions SELECT r.*
		FROM generate_series(1, $1::int) i, LATERAL (SELECT t FROM clientele_sessions t LIMIT 1) one,
		LATERAL jsonb_populate_record(one.t, jsonb_build_object('id', $2::text || md5(i::text), 'expires_at', $3::timestamptz)) r`,
		n-n/2, rand.Text(), until)
	if err != nil {
		return err
	}
	// What autovacuum does in time.
	_, err = f.pool.Exec(ctx, `VACUUM ANALYZE clientele_grants, clientele_sessions`, pgx.QueryExecModeSimpleProtocol)
	return err
}
