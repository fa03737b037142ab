// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/clientele-dev/clientele/authserver/store"
)

// record is a row of clientele_grants.
type record struct {
	store.Grant

	revoked bool
	// attempt is a random name for the write that made the row what it is, so that a
	// caller whose answer was lost can tell whether it was its own.
	attempt string
}

type grantKey struct{ issuer, id string }

func (r *record) key() grantKey { return keyOf(r.Grant) }

func keyOf(g store.Grant) grantKey { return grantKey{g.Issuer, g.ID} }

const grantColumns = `g.issuer, g.id, g.client_id, g.client_uid, g.subject, g.provider, g.person_id, g.session_id, g.scopes, g.auth_time,
	g.counter, g.advanced_at, g.issued_at, g.code_expires_at, g.expires_at, g.revoked, g.attempt`

func scanGrant(row pgx.CollectableRow) (r record, err error) {
	var scopes string
	var authTime, advancedAt *time.Time
	err = row.Scan(&r.Issuer, &r.ID, &r.ClientID, &r.ClientUID, &r.Subject, &r.Provider, &r.PersonID, &r.SessionID, &scopes, &authTime,
		&r.Counter, &advancedAt, &r.IssuedAt, &r.CodeExpiresAt, &r.ExpiresAt, &r.revoked, &r.attempt)
	r.Scopes = strings.Fields(scopes)
	r.AuthTime, r.AdvancedAt = timeOf(authTime), timeOf(advancedAt)
	r.IssuedAt, r.CodeExpiresAt, r.ExpiresAt = r.IssuedAt.UTC(), r.CodeExpiresAt.UTC(), r.ExpiresAt.UTC()
	return r, err
}

// Grant implements store.Store.
func (s *Store) Grant(ctx context.Context, issuer, id string) (store.Grant, error) {
	found, err := detached(ctx, s, ifUncertain, func(ctx context.Context, conn *pgxpool.Conn) ([]record, error) {
		return grants(ctx, conn, []string{issuer}, []string{id})
	})
	switch {
	case err != nil:
		return store.Grant{}, fmt.Errorf("read grant: %w", err)
	case len(found) == 0:
		return store.Grant{}, store.ErrNotFound
	}
	return found[0].living(s.now())
}

// living returns the grant, or why it is none any more.
func (r *record) living(now time.Time) (store.Grant, error) {
	switch {
	case r.revoked:
		return store.Grant{}, store.ErrRevoked
	case !now.Before(r.ExpiresAt):
		return store.Grant{}, store.ErrNotFound
	}
	return r.Grant, nil
}

// grants reads those of the given names that there are.
func grants(ctx context.Context, conn *pgxpool.Conn, issuers, ids []string) ([]record, error) {
	rows, err := conn.Query(ctx, `SELECT `+grantColumns+`
		FROM unnest($1::text[], $2::text[]) AS k (issuer, id)
		JOIN clientele_grants AS g ON g.issuer = k.issuer AND g.id = k.id`, issuers, ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanGrant)
}

// SessionGrants implements store.Store. A partial index finds them, and says itself that
// no grant of no session is in it.
func (s *Store) SessionGrants(ctx context.Context, issuer, sessionID string) ([]store.Grant, error) {
	if storable(issuer, sessionID) != nil {
		return nil, ctx.Err()
	}
	found, err := detached(ctx, s, ifUncertain, func(ctx context.Context, conn *pgxpool.Conn) ([]record, error) {
		rows, err := conn.Query(ctx, `SELECT `+grantColumns+` FROM
			(SELECT *, row_number() OVER (PARTITION BY client_id, client_uid) AS nth FROM clientele_grants
				WHERE session_id = $1 AND session_id <> '' AND issuer = $2 AND NOT revoked AND expires_at > $3) AS g
			ORDER BY g.nth LIMIT $4`, sessionID, issuer, s.now(), store.MaxSessionGrants)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, scanGrant)
	})
	if err != nil {
		return nil, fmt.Errorf("read a session's grants: %w", err)
	}
	out := make([]store.Grant, len(found))
	for i := range found {
		out[i] = found[i].Grant
	}
	return out, nil
}

// Revoke implements store.Store. The row stays until the grant would have ended, with
// nothing of the person in it.
func (s *Store) Revoke(ctx context.Context, issuer, id string) error {
	err := s.exec(ctx, ifUncertain, `UPDATE clientele_grants
		SET revoked = true, subject = '', provider = '', person_id = '', session_id = '', scopes = '', auth_time = NULL
		WHERE issuer = $1 AND id = $2 AND NOT revoked`, issuer, id)
	if err != nil {
		return fmt.Errorf("revoke grant: %w", err)
	}
	return nil
}

// exec runs one statement that returns no rows.
func (s *Store) exec(ctx context.Context, when again, sql string, args ...any) error {
	_, err := detached(ctx, s, when, func(ctx context.Context, conn *pgxpool.Conn) (struct{}, error) {
		_, err := conn.Exec(ctx, sql, args...)
		return struct{}{}, err
	})
	return err
}

// storable refuses what PostgreSQL's text cannot hold before it meets the records of
// others in one statement.
func storable(texts ...string) error {
	for _, t := range texts {
		if !utf8.ValidString(t) || strings.ContainsRune(t, 0) {
			return errors.New("a field holds what is no text")
		}
	}
	return nil
}

// timeOrNull keeps the zero time as NULL.
func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
