// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/clientele-dev/clientele/authserver/store"
)

// Spend implements store.Store. The row of what is over and was not swept yet makes way.
// Where the answer is lost, the assertion may be used: nobody finds out, since whoever
// signed it can sign another one.
func (s *Store) Spend(ctx context.Context, issuer, id string, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.now().Before(until) {
		return store.ErrUsed
	}
	spent, err := detached(ctx, s, ifUndone, func(ctx context.Context, conn *pgxpool.Conn) (bool, error) {
		tag, err := conn.Exec(ctx, `INSERT INTO clientele_assertions AS a (id, expires_at) VALUES ($1, $2)
			ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at WHERE a.expires_at <= $3`,
			assertionID(issuer, id), until, s.now())
		return tag.RowsAffected() == 1, err
	})
	switch {
	case err != nil:
		return fmt.Errorf("spend assertion: %w", err)
	case !spent:
		return store.ErrUsed
	}
	return nil
}

// assertionID is one-way, and of any text, however long, something that an index takes.
func assertionID(issuer, id string) []byte {
	all := binary.BigEndian.AppendUint64(nil, uint64(len(issuer))) // keeps "a", "bc" apart from "ab", "c"
	all = append(append(all, issuer...), id...)
	sum := sha256.Sum256(all)
	return sum[:]
}
