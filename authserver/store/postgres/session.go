// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/clientele-dev/clientele/authserver/store"
)

// CreateSession implements store.Store. The row of a session that is over makes way.
func (s *Store) CreateSession(ctx context.Context, n store.Session) error {
	created, err := detached(ctx, s, ifUndone, func(ctx context.Context, conn *pgxpool.Conn) (bool, error) {
		tag, err := conn.Exec(ctx, `INSERT INTO clientele_sessions AS s (issuer, id, sign_in, subject, provider, person_id, auth_time, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (issuer, id) DO UPDATE SET sign_in = excluded.sign_in, subject = excluded.subject, provider = excluded.provider,
				person_id = excluded.person_id, auth_time = excluded.auth_time, expires_at = excluded.expires_at
			WHERE s.expires_at <= $9`,
			n.Issuer, n.ID, n.SignIn, n.Subject, n.Provider, n.PersonID, timeOrNull(n.AuthTime), n.ExpiresAt, s.now())
		return tag.RowsAffected() == 1, err
	})
	switch {
	case err != nil:
		return fmt.Errorf("create session: %w", err)
	case !created:
		return errors.New("create session: its ID is taken")
	}
	return nil
}

// RenewSession implements store.Store. To write the same twice does no harm.
func (s *Store) RenewSession(ctx context.Context, n store.Session) error {
	renewed, err := detached(ctx, s, ifUncertain, func(ctx context.Context, conn *pgxpool.Conn) (bool, error) {
		tag, err := conn.Exec(ctx, `UPDATE clientele_sessions SET sign_in = $1, auth_time = $2, expires_at = $3
			WHERE issuer = $4 AND id = $5 AND subject = $6 AND expires_at > $7`,
			n.SignIn, timeOrNull(n.AuthTime), n.ExpiresAt, n.Issuer, n.ID, n.Subject, s.now())
		return tag.RowsAffected() == 1, err
	})
	switch {
	case err != nil:
		return fmt.Errorf("renew session: %w", err)
	case !renewed:
		return store.ErrNotFound
	}
	return nil
}

// Session implements store.Store.
func (s *Store) Session(ctx context.Context, issuer, id string) (store.Session, error) {
	found, err := detached(ctx, s, ifUncertain, func(ctx context.Context, conn *pgxpool.Conn) (store.Session, error) {
		n := store.Session{Issuer: issuer, ID: id}
		var authTime *time.Time
		err := conn.QueryRow(ctx, `SELECT sign_in, subject, provider, person_id, auth_time, expires_at
			FROM clientele_sessions WHERE issuer = $1 AND id = $2 AND expires_at > $3`, issuer, id, s.now()).
			Scan(&n.SignIn, &n.Subject, &n.Provider, &n.PersonID, &authTime, &n.ExpiresAt)
		n.AuthTime, n.ExpiresAt = timeOf(authTime), n.ExpiresAt.UTC()
		return n, err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return store.Session{}, store.ErrNotFound
	case err != nil:
		return store.Session{}, fmt.Errorf("read session: %w", err)
	}
	return found, nil
}

// EndSession implements store.Store.
func (s *Store) EndSession(ctx context.Context, issuer, id string) error {
	if err := s.exec(ctx, ifUncertain, `DELETE FROM clientele_sessions WHERE issuer = $1 AND id = $2`, issuer, id); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}
