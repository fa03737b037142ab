// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/clientele-dev/clientele/authserver/store"
)

// Sweep implements store.Sweeper. Each kind has an index by its end, from the front of
// which a page is taken: what lives is not looked at.
func (s *Store) Sweep(ctx context.Context, page int) (store.Swept, error) {
	if page < 1 {
		return store.Swept{}, errors.New("sweep: page must be 1 or more")
	}
	over := s.now().Add(-store.Skew)
	sessions, err := s.sweep(ctx, page, over, `DELETE FROM clientele_sessions WHERE expires_at <= $1 AND (issuer, id) IN
		(SELECT issuer, id FROM clientele_sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`)
	if err != nil {
		return store.Swept{}, fmt.Errorf("sweep sessions: %w", err)
	}
	grants, err := s.sweep(ctx, page, over, `DELETE FROM clientele_grants WHERE ends_at <= $1 AND (issuer, id) IN
		(SELECT issuer, id FROM clientele_grants WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2)`)
	if err != nil {
		return store.Swept{Sessions: sessions}, fmt.Errorf("sweep grants: %w", err)
	}
	spent, err := s.sweep(ctx, page, over.Add(-store.Late), `DELETE FROM clientele_assertions WHERE expires_at <= $1 AND id IN
		(SELECT id FROM clientele_assertions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`)
	if err != nil {
		return store.Swept{Sessions: sessions, Grants: grants}, fmt.Errorf("sweep assertions: %w", err)
	}
	return store.Swept{
		Sessions: sessions, Grants: grants, Spent: spent, More: sessions == page || grants == page || spent == page,
	}, nil
}

func (s *Store) sweep(ctx context.Context, page int, over time.Time, sql string) (int, error) {
	return detached(ctx, s, ifUndone, func(ctx context.Context, conn *pgxpool.Conn) (int, error) {
		tag, err := conn.Exec(ctx, sql, over, page)
		return int(tag.RowsAffected()), err
	})
}
