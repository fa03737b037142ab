// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package flood

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-dev/clientele/authserver/store/postgres"
	database "github.com/clientele-dev/clientele/test/postgres"
)

func TestFlood_Postgres(t *testing.T) {
	empty := database.Start(t, database.Options{}).NewDatabase(t)
	kept, err := postgres.Open(postgres.Config{URI: func() (string, error) { return empty.URI(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kept.Close)
	run(t, counted{store: kept, count: func(ctx context.Context) (map[string]int, error) { return rows(ctx, empty.URI()) }})
}

// rows counts all there are in the database, in whatever table.
func rows(ctx context.Context, uri string) (map[string]int, error) {
	conn, err := pgx.Connect(ctx, uri)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	found, err := conn.Query(ctx, `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
		WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, table := range tables {
		var n int
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			return nil, err
		}
		counts[table] = n
	}
	return counts, nil
}
