// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/clientele-dev/clientele/test/postgres"
)

// nextSchema is what a later release may bring.
func nextSchema(compatible int) migrations {
	return append(slices.Clone(currentSchema), migration{compatible: compatible, statements: []string{
		`ALTER TABLE clientele_grants ADD COLUMN IF NOT EXISTS device text NOT NULL DEFAULT ''`,
		`CREATE TABLE IF NOT EXISTS clientele_devices (id text PRIMARY KEY)`,
		`CREATE INDEX IF NOT EXISTS clientele_grants_device ON clientele_grants (device)`,
	}})
}

var nextVersion = len(currentSchema) + 1

func openSchema(t *testing.T, db *postgres.Database, want migrations) *Store {
	t.Helper()
	s, err := open(Config{URI: func() (string, error) { return db.URI(), nil }}, want)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func versionOf(t *testing.T, db *postgres.Database) (version, compatible int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.URI())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), `SELECT version, compatible FROM clientele_schema`).Scan(&version, &compatible); err != nil {
		t.Fatal(err)
	}
	return version, compatible
}

// works runs through a grant's life.
func works(t *testing.T, s *Store, id string) {
	t.Helper()
	redeemed(t, s, id)
	g, err := s.Advance(t.Context(), "default", id, 0, time.Now())
	if err != nil || g.Counter != 1 {
		t.Errorf("Advance = %+v, %v, want counter 1", g, err)
	}
	if err := s.Revoke(t.Context(), "default", id); err != nil {
		t.Error(err)
	}
}

// Many processes of two releases begin at the same time, on an empty database.
func TestSchema_AllAtOnce(t *testing.T) {
	db := postgres.Shared(t).NewDatabase(t)
	var all sync.WaitGroup
	for i := range 8 {
		s := openSchema(t, db, [...]migrations{currentSchema, nextSchema(1)}[i%2])
		all.Go(func() {
			eventually(t, s.schema.state)
			if _, err := s.Sweep(t.Context(), 10); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if version, compatible := versionOf(t, db); version != nextVersion || compatible != 1 {
		t.Errorf("version %d, compatible %d, want %d and 1", version, compatible, nextVersion)
	}
}

// Every schema that there was can be brought to the one of now, while those who know only
// it go on.
func TestSchema_EveryRelease(t *testing.T) {
	for version := 1; version < len(currentSchema); version++ {
		db := postgres.Shared(t).NewDatabase(t)
		eventually(t, openSchema(t, db, currentSchema[:version]).schema.state)
		insert := func(id string) error {
			return db.Exec(t.Context(), `INSERT INTO clientele_grants (issuer, id, client_id, client_uid, subject, provider, person_id, scopes,
					counter, issued_at, code_expires_at, expires_at, ends_at, attempt)
				VALUES ('default', '`+id+`', 'c', 'u', 's', 'p', 'i', 'openid', 0, now(), now(), now() + interval '1 hour', now() + interval '1 hour', 'a')`)
		}
		session := func(id string) error {
			return db.Exec(t.Context(), `INSERT INTO clientele_sessions (issuer, id, subject, provider, person_id, expires_at)
				VALUES ('default', '`+id+`', 's', 'p', 'i', now() + interval '1 hour')`)
		}
		before := errors.Join(insert("before"), session("before"))
		s := openSchema(t, db, currentSchema)
		eventually(t, s.schema.state)
		if err := errors.Join(before, insert("after"), session("after")); err != nil {
			t.Fatalf("from version %d: %v", version, err)
		}
		for _, id := range []string{"before", "after"} {
			g, err := s.Advance(t.Context(), "default", id, 0, time.Now())
			if err != nil || g.Counter != 1 || g.SessionID != "" {
				t.Errorf("from version %d: Advance(%q) = %+v, %v, want it, of no session", version, id, g, err)
			}
			n, err := s.Session(t.Context(), "default", id)
			if err != nil || n.SignIn != "" {
				t.Errorf("from version %d: Session(%q) = %+v, %v, want it", version, id, n, err)
			}
			n.SignIn = "new"
			if err := s.RenewSession(t.Context(), n); err != nil {
				t.Errorf("from version %d: RenewSession(%q) = %v", version, id, err)
			}
		}
		works(t, s, "new")
	}
}

// An update, while the release before goes on, and its way back.
func TestSchema_TwoReleases(t *testing.T) {
	db := postgres.Shared(t).NewDatabase(t)
	before := openSchema(t, db, currentSchema)
	works(t, before, "before")
	after := openSchema(t, db, nextSchema(1))
	works(t, after, "after")
	works(t, before, "before, on the new schema")
	works(t, openSchema(t, db, currentSchema), "back")
	works(t, after, "after all")
	if version, _ := versionOf(t, db); version != nextVersion {
		t.Errorf("version %d, want %d", version, nextVersion)
	}
}

// A release that the schema says is too old refuses, and says why.
func TestSchema_TooOld(t *testing.T) {
	db := postgres.Shared(t).NewDatabase(t)
	works(t, openSchema(t, db, nextSchema(nextVersion)), "new")
	old := openSchema(t, db, currentSchema)
	err := old.Redeem(t.Context(), grantOf("old", time.Now()))
	if err == nil || isVerdict(err) || !strings.Contains(err.Error(), "run a newer release") {
		t.Errorf("Redeem = %v, want a refusal that says what to do", err)
	}
}

func (m migrations) statements() (all []string) {
	for _, one := range m {
		all = append(all, one.statements...)
	}
	return all
}

// A migration that ended halfway is begun anew, wherever it ended.
func TestSchema_Halfway(t *testing.T) {
	all := nextSchema(1)
	steps := append([]string{
		`CREATE TABLE clientele_schema (id integer PRIMARY KEY, version integer NOT NULL, compatible integer NOT NULL)`,
	}, all.statements()...)
	for done := range len(steps) + 1 {
		db := postgres.Shared(t).NewDatabase(t)
		conn, err := pgx.Connect(t.Context(), db.URI())
		if err != nil {
			t.Fatal(err)
		}
		for _, sql := range steps[:done] {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		works(t, openSchema(t, db, all), "code")
	}
}

// A role that may only use the tables is enough once somebody else has made them.
func TestSchema_Privileges(t *testing.T) {
	server := postgres.Shared(t)
	db, other := server.NewDatabase(t), server.NewDatabase(t)
	works(t, openSchema(t, db, currentSchema), "owner")
	user := *db
	user.User, user.Password = other.User, other.Password
	err := errors.Join(
		db.Exec(t.Context(), `GRANT SELECT, INSERT, UPDATE, DELETE ON clientele_sessions, clientele_grants, clientele_consents, clientele_assertions TO "`+user.User+`"`),
		db.Exec(t.Context(), `GRANT SELECT ON clientele_schema TO "`+user.User+`"`),
	)
	if err != nil {
		t.Fatal(err)
	}
	s := openSchema(t, &user, currentSchema)
	works(t, s, "user")
	for verb, err := range verbs(t.Context(), s, "all") {
		if err != nil && !isVerdict(err) {
			t.Errorf("%s = %v", verb, err)
		}
	}
}

// While the schema is not ready nothing is sent, so nothing is uncertain: a redemption
// says why it failed, and no write is counted whose answer was lost.
func TestSchema_NotReadyIsNotUncertain(t *testing.T) {
	db := postgres.Shared(t).NewDatabase(t)
	eventually(t, openSchema(t, db, nextSchema(nextVersion)).schema.state)
	s := openSchema(t, db, currentSchema)
	_, err := s.Advance(t.Context(), "default", "code", 0, time.Now())
	for verb, err := range map[string]error{"Redeem": s.Redeem(t.Context(), grantOf("code", time.Now())), "Advance": err} {
		if err == nil || errors.Is(err, errUnknown) || !strings.Contains(err.Error(), "run a newer release") {
			t.Errorf("%s = %v, want the reason, and nothing that is uncertain", verb, err)
		}
	}
	if n := testutil.ToFloat64(s.metrics.unanswered); n != 0 {
		t.Errorf("%v writes without an answer, want none", n)
	}
}
