// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/clientele-dev/clientele/authserver/store"
)

// Allow implements store.Store. Scopes are the names in a JSON object, since to join
// two of those is one operator, and so the whole is one statement, which loses nothing
// whoever else is at it.
func (s *Store) Allow(ctx context.Context, c store.Consent) error {
	scopes := make(map[string]bool, len(c.Scopes))
	for _, name := range c.Scopes {
		scopes[name] = true
	}
	err := s.exec(ctx, ifUndone, `INSERT INTO clientele_consents AS c (issuer, subject, client_id, client_uid, provider, person_id, scopes, given_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (issuer, subject, client_id) DO UPDATE SET client_uid = excluded.client_uid,
			provider = excluded.provider, person_id = excluded.person_id, given_at = excluded.given_at,
			scopes = CASE WHEN c.client_uid = excluded.client_uid THEN c.scopes || excluded.scopes ELSE excluded.scopes END`,
		c.Issuer, c.Subject, c.ClientID, c.ClientUID, c.Provider, c.PersonID, scopes, timeOrNull(c.GivenAt))
	if err != nil {
		return fmt.Errorf("keep consent: %w", err)
	}
	return nil
}

// Consent implements store.Store.
func (s *Store) Consent(ctx context.Context, issuer, subject, clientID string) (store.Consent, error) {
	found, err := detached(ctx, s, ifUncertain, func(ctx context.Context, conn *pgxpool.Conn) (store.Consent, error) {
		c := store.Consent{Issuer: issuer, Subject: subject, ClientID: clientID}
		var scopes map[string]bool
		var givenAt *time.Time
		err := conn.QueryRow(ctx, `SELECT client_uid, provider, person_id, scopes, given_at
			FROM clientele_consents WHERE issuer = $1 AND subject = $2 AND client_id = $3`, issuer, subject, clientID).
			Scan(&c.ClientUID, &c.Provider, &c.PersonID, &scopes, &givenAt)
		c.Scopes, c.GivenAt = slices.Sorted(maps.Keys(scopes)), timeOf(givenAt)
		return c, err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return store.Consent{}, store.ErrNotFound
	case err != nil:
		return store.Consent{}, fmt.Errorf("read consent: %w", err)
	}
	return found, nil
}

// Forget implements store.Store.
func (s *Store) Forget(ctx context.Context, issuer, subject, clientID string) error {
	err := s.exec(ctx, ifUndone, `DELETE FROM clientele_consents WHERE issuer = $1 AND subject = $2 AND client_id = $3`, issuer, subject, clientID)
	if err != nil {
		return fmt.Errorf("forget consent: %w", err)
	}
	return nil
}
