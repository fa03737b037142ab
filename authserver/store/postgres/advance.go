// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"cmp"
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

// advance is one request to count on.
type advance struct {
	key  grantKey
	from int
	now  time.Time // for AdvancedAt
}

type advanceCall = call[advance, store.Grant]

// Advance implements store.Store.
func (s *Store) Advance(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error) {
	if err := storable(issuer, id); err != nil {
		return store.Grant{}, store.ErrNotFound
	}
	g, err := s.advances.do(ctx, advance{grantKey{issuer, id}, from, now})
	switch {
	case err == nil:
	case errors.Is(err, store.ErrReused), errors.Is(err, store.ErrRevoked), errors.Is(err, store.ErrNotFound):
	default:
		return store.Grant{}, fmt.Errorf("advance grant: %w", err)
	}
	g.Scopes = slices.Clone(g.Scopes) // others may have got the same answer
	return g, err
}

// turn is what is sent for one grant: the first call for it. Who has asked for the
// same grant in the same batch is answered by what became of that.
type turn struct {
	*advanceCall

	attempt   string
	followers []*advanceCall
}

// sendAdvances updates a batch of grants in one statement.
func (s *Store) sendAdvances(calls []*advanceCall) {
	s.metrics.batches.WithLabelValues("advance").Observe(float64(len(calls)))
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	turns := takeTurns(calls)
	var advanced map[grantKey]record
	err := s.statement(ctx, ctx, ifUndone, func(ctx context.Context, conn *pgxpool.Conn) (err error) {
		advanced, err = s.updateGrants(ctx, conn, turns)
		return err
	})
	switch {
	case err == nil:
	case uncertain(err):
		s.resolveAdvances(turns, err)
		return
	case poisoned(err) && len(turns) > 1:
		for _, t := range turns {
			s.sendAdvances(append([]*advanceCall{t.advanceCall}, t.followers...))
		}
		return
	default:
		s.endTurns(turns, err)
		return
	}
	var losers []*turn
	for _, t := range turns {
		if r, ok := advanced[t.request.key]; ok {
			s.endTurn(t, r.Grant, nil)
		} else {
			losers = append(losers, t)
		}
	}
	s.tellLosers(losers)
}

// takeTurns sorts by name: two statements that lock the same rows should do so in the
// same order.
func takeTurns(calls []*advanceCall) []*turn {
	byKey := make(map[grantKey]*turn, len(calls))
	var turns []*turn
	for _, c := range calls {
		if t, ok := byKey[c.request.key]; ok {
			t.followers = append(t.followers, c)
			continue
		}
		t := &turn{advanceCall: c, attempt: rand.Text()}
		byKey[c.request.key] = t
		turns = append(turns, t)
	}
	slices.SortFunc(turns, func(a, b *turn) int { return compareKeys(a.request.key, b.request.key) })
	return turns
}

// updateGrants returns the grants that were advanced. The clock is read for each try:
// a statement that the database has undone may be sent again a little later.
func (s *Store) updateGrants(ctx context.Context, conn *pgxpool.Conn, turns []*turn) (map[grantKey]record, error) {
	n := len(turns)
	issuers, ids, attempts := make([]string, n), make([]string, n), make([]string, n)
	froms, times := make([]int64, n), make([]time.Time, n)
	for i, t := range turns {
		issuers[i], ids[i], attempts[i] = t.request.key.issuer, t.request.key.id, t.attempt
		froms[i], times[i] = int64(t.request.from), t.request.now
	}
	rows, err := conn.Query(ctx, `UPDATE clientele_grants AS g
		SET counter = g.counter + 1, advanced_at = a.advanced_at, attempt = a.attempt
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::text[]) AS a (issuer, id, counter, advanced_at, attempt)
		WHERE g.issuer = a.issuer AND g.id = a.id AND g.counter = a.counter AND NOT g.revoked AND g.expires_at > $6
		RETURNING `+grantColumns, issuers, ids, froms, times, attempts, s.now())
	if err != nil {
		return nil, err
	}
	made, err := pgx.CollectRows(rows, scanGrant)
	byKey := make(map[grantKey]record, len(made))
	for _, r := range made {
		byKey[r.key()] = r
	}
	return byKey, err
}

// tellLosers reads why grants were not advanced.
func (s *Store) tellLosers(losers []*turn) {
	if len(losers) == 0 {
		return
	}
	found, err := s.readGrants(keysOf(losers))
	if err != nil {
		s.endTurns(losers, err)
		return
	}
	for _, t := range losers {
		g, err := living(found, t.request.key, s.now())
		if err == nil && g.Counter == t.request.from {
			// It has come to this counter only after the update.
			s.advances.put(append([]*advanceCall{t.advanceCall}, t.followers...)...)
			continue
		}
		if err == nil {
			err = store.ErrReused
		}
		s.endTurn(t, g, err)
	}
}

// resolveAdvances finds out what became of a batch whose answer was lost.
func (s *Store) resolveAdvances(turns []*turn, why error) {
	s.metrics.unanswered.Add(float64(len(turns)))
	found, err := s.readGrants(keysOf(turns))
	if err != nil {
		s.endTurns(turns, fmt.Errorf("%w: %w", errUnknown, why))
		return
	}
	for _, t := range turns {
		from := t.request.from
		g, err := living(found, t.request.key, s.now())
		switch {
		case err != nil:
			s.endTurn(t, g, err)
		case g.Counter == from+1 && found[t.request.key].attempt == t.attempt:
			s.endTurn(t, g, nil)
		case g.Counter == from+1, g.Counter < from:
			s.endTurn(t, g, store.ErrReused)
		default:
			// Either it was not written, so far, or others have gone on since, be it from
			// what this call has written.
			s.endTurn(t, store.Grant{}, fmt.Errorf("%w: %w", errUnknown, why))
		}
	}
}

// endTurn answers a call, and those that asked for the same grant after it: who did
// not expect what the grant has become has lost. Who did tries anew.
func (s *Store) endTurn(t *turn, g store.Grant, err error) {
	t.end(g, err)
	for _, f := range t.followers {
		switch {
		case err != nil && !errors.Is(err, store.ErrReused):
			f.end(store.Grant{}, err)
		case f.request.from == g.Counter:
			s.advances.put(f)
		default:
			f.end(g, store.ErrReused)
		}
	}
}

func (s *Store) endTurns(turns []*turn, err error) {
	for _, t := range turns {
		s.endTurn(t, store.Grant{}, err)
	}
}

func living(found map[grantKey]record, k grantKey, now time.Time) (store.Grant, error) {
	r, ok := found[k]
	if !ok {
		return store.Grant{}, store.ErrNotFound
	}
	return r.living(now)
}

func compareKeys(a, b grantKey) int {
	return cmp.Or(strings.Compare(a.issuer, b.issuer), strings.Compare(a.id, b.id))
}

func keysOf(turns []*turn) []grantKey {
	keys := make([]grantKey, len(turns))
	for i, t := range turns {
		keys[i] = t.request.key
	}
	return keys
}
