// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

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

	"github.com/clientele-dev/clientele/authserver/store"
)

// errUnknown is what becomes of a write whose answer was lost, and that has left no
// trace so far: it may still be on its way.
var errUnknown = errors.New("it is not known whether it was written")

type redeemCall = call[store.Grant, struct{}]

// Redeem implements store.Store.
func (s *Store) Redeem(ctx context.Context, g store.Grant) error {
	if err := errors.Join(storable(g.ID, g.Issuer, g.ClientID, g.ClientUID, g.Subject, g.Provider, g.PersonID, g.SessionID), scopeTokens(g.Scopes)); err != nil {
		return fmt.Errorf("redeem code: %w", err)
	}
	g.Scopes = slices.Clone(g.Scopes)
	_, err := s.redeems.do(ctx, g)
	if err != nil && !errors.Is(err, store.ErrSpent) {
		return fmt.Errorf("redeem code: %w", err)
	}
	return err
}

// scopeTokens refuses scopes that a list with spaces between cannot hold.
func scopeTokens(scopes []string) error {
	for _, s := range scopes {
		if s == "" || len(strings.Fields(s)) != 1 || strings.TrimSpace(s) != s {
			return errors.New("a scope is no scope-token")
		}
	}
	return storable(scopes...)
}

// sendRedeems inserts a batch in one statement. Of several with the same code the
// first one wins. They are sorted by name: two statements that want the same codes, as
// of two replicas, must not wait for each other.
func (s *Store) sendRedeems(calls []*redeemCall) {
	calls = s.inTime(calls)
	if len(calls) == 0 {
		return
	}
	s.metrics.batches.WithLabelValues("redeem").Observe(float64(len(calls)))
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	slices.SortStableFunc(calls, func(a, b *redeemCall) int { return compareKeys(keyOf(a.request), keyOf(b.request)) })
	attempts := make([]string, len(calls))
	for i := range attempts {
		attempts[i] = rand.Text()
	}
	var won map[string]bool
	err := s.statement(ctx, ctx, ifUndone, func(ctx context.Context, conn *pgxpool.Conn) (err error) {
		won, err = insertGrants(ctx, conn, calls, attempts)
		return err
	})
	switch {
	case err == nil:
		for i, c := range calls {
			c.end(struct{}{}, spentUnless(won[attempts[i]]))
		}
	case uncertain(err):
		s.resolveRedeems(calls, attempts, err)
	case poisoned(err) && len(calls) > 1:
		for _, c := range calls {
			s.sendRedeems([]*redeemCall{c})
		}
	default:
		endAll(calls, err)
	}
}

// inTime leaves out the codes that have ended by now: the tombstone of one may have
// been swept.
func (s *Store) inTime(calls []*redeemCall) []*redeemCall {
	now := s.now()
	out := calls[:0]
	for _, c := range calls {
		if !now.Before(c.request.CodeExpiresAt) {
			c.end(struct{}{}, store.ErrSpent)
			continue
		}
		out = append(out, c)
	}
	return out
}

func spentUnless(won bool) error {
	if won {
		return nil
	}
	return store.ErrSpent
}

// insertGrants returns the attempts that have made a row. A list of arrays is the one
// form of a list of rows that makes one statement of any number of them, and that
// PostgreSQL, CockroachDB and YugabyteDB all know.
func insertGrants(ctx context.Context, conn *pgxpool.Conn, calls []*redeemCall, attempts []string) (map[string]bool, error) {
	c := newColumns(calls)
	rows, err := conn.Query(ctx, `INSERT INTO clientele_grants (issuer, id, client_id, client_uid, subject, provider, person_id, session_id,
			scopes, auth_time, counter, advanced_at, issued_at, code_expires_at, expires_at, ends_at, attempt)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
			$8::text[], $9::text[], $10::timestamptz[], $11::bigint[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[],
			$15::timestamptz[], $16::timestamptz[], $17::text[])
		ON CONFLICT (issuer, id) DO NOTHING RETURNING attempt`,
		c.issuer, c.id, c.clientID, c.clientUID, c.subject, c.provider, c.personID, c.sessionID,
		c.scopes, c.authTime, c.counter, c.advancedAt, c.issuedAt, c.codeExpiresAt, c.expiresAt, c.endsAt, attempts)
	if err != nil {
		return nil, err
	}
	made, err := pgx.CollectRows(rows, pgx.RowTo[string])
	won := make(map[string]bool, len(made))
	for _, attempt := range made {
		won[attempt] = true
	}
	return won, err
}

// columns are the grants of a batch, field by field.
type columns struct {
	issuer, id, clientID, clientUID, subject, provider, personID, sessionID, scopes []string

	counter                                    []int64
	authTime, advancedAt                       []*time.Time
	issuedAt, codeExpiresAt, expiresAt, endsAt []time.Time
}

func newColumns(calls []*redeemCall) columns {
	var c columns
	for _, call := range calls {
		g := call.request
		c.issuer, c.id = append(c.issuer, g.Issuer), append(c.id, g.ID)
		c.clientID, c.clientUID = append(c.clientID, g.ClientID), append(c.clientUID, g.ClientUID)
		c.subject, c.provider, c.personID = append(c.subject, g.Subject), append(c.provider, g.Provider), append(c.personID, g.PersonID)
		c.sessionID = append(c.sessionID, g.SessionID)
		c.scopes = append(c.scopes, strings.Join(g.Scopes, " "))
		c.counter = append(c.counter, int64(g.Counter))
		c.authTime, c.advancedAt = append(c.authTime, timeOrNull(g.AuthTime)), append(c.advancedAt, timeOrNull(g.AdvancedAt))
		c.issuedAt, c.codeExpiresAt = append(c.issuedAt, g.IssuedAt), append(c.codeExpiresAt, g.CodeExpiresAt)
		c.expiresAt = append(c.expiresAt, g.ExpiresAt)
		// A row is there for as long as its grant lives or its code may be redeemed, be it
		// by a statement that is late.
		ends := g.ExpiresAt
		if late := g.CodeExpiresAt.Add(store.Late); late.After(ends) {
			ends = late
		}
		c.endsAt = append(c.endsAt, ends)
	}
	return c
}

// resolveRedeems finds out what became of a batch whose answer was lost.
func (s *Store) resolveRedeems(calls []*redeemCall, attempts []string, why error) {
	s.metrics.unanswered.Add(float64(len(calls)))
	var keys []grantKey
	for _, c := range calls {
		keys = append(keys, keyOf(c.request))
	}
	found, err := s.readGrants(keys)
	if err != nil {
		endAll(calls, fmt.Errorf("%w: %w", errUnknown, why))
		return
	}
	for i, c := range calls {
		r, ok := found[keys[i]]
		switch {
		case !ok:
			c.end(struct{}{}, fmt.Errorf("%w: %w", errUnknown, why))
		case r.revoked || r.Counter > 0:
			// Somebody has used what a redemption gave, so it was answered: not this one.
			c.end(struct{}{}, spentUnless(false))
		default:
			c.end(struct{}{}, spentUnless(r.attempt == attempts[i]))
		}
	}
}

// readGrants reads grants by name, in a time of its own.
func (s *Store) readGrants(keys []grantKey) (map[grantKey]record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	var issuers, ids []string
	for _, k := range keys {
		issuers, ids = append(issuers, k.issuer), append(ids, k.id)
	}
	var found []record
	err := s.statement(ctx, ctx, ifUncertain, func(ctx context.Context, conn *pgxpool.Conn) (err error) {
		found, err = grants(ctx, conn, issuers, ids)
		return err
	})
	byKey := make(map[grantKey]record, len(found))
	for _, r := range found {
		byKey[r.key()] = r
	}
	return byKey, err
}
