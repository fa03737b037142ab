// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/postgres"
	pgtest "github.com/clientele-dev/clientele/test/postgres"
)

// database is a database of a test's own.
type database struct {
	*pgtest.Database

	t *testing.T
}

func newDatabase(t *testing.T) database {
	t.Helper()
	return database{pgtest.Shared(t).NewDatabase(t), t}
}

func (d database) store() store.Store {
	d.t.Helper()
	s, err := postgres.Open(postgres.Config{URI: func() (string, error) { return d.URI(), nil }})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(s.Close)
	return s
}

// run runs SQL as whoever looks after the database.
func (d database) run(sql string) {
	d.t.Helper()
	for statement := range strings.SplitSeq(sql, ";") {
		if statement = strings.TrimSpace(statement); statement == "" {
			continue
		}
		if err := d.Exec(d.t.Context(), statement); err != nil {
			d.t.Fatal(err)
		}
	}
}

const (
	backupSQL = `
		CREATE TABLE backup_sessions AS TABLE clientele_sessions;
		CREATE TABLE backup_grants AS TABLE clientele_grants;
		CREATE TABLE backup_consents AS TABLE clientele_consents`
	restoreSQL = `
		TRUNCATE clientele_sessions, clientele_grants, clientele_consents;
		INSERT INTO clientele_sessions TABLE backup_sessions;
		INSERT INTO clientele_grants TABLE backup_grants;
		INSERT INTO clientele_consents TABLE backup_consents`
	// forgetSQL is what docs/state.md says to run after a restore.
	forgetSQL = `TRUNCATE clientele_sessions, clientele_grants`
)

// TestPostgres_OlderBackup is TestKube_OlderEtcd for a database.
func TestPostgres_OlderBackup(t *testing.T) {
	d := newDatabase(t)
	i := install(t, d.store())
	busy := i.wantPages("login consent")
	stolen, idle := i.wantPages(""), i.wantPages("")
	d.run(backupSQL)
	used := busy
	busy = i.refresh(i.refresh(busy))
	d.run(`UPDATE clientele_grants SET revoked = true WHERE person_id = 'ada'`)
	i.wantRefused(stolen)
	i.wantRefused(busy)

	d.run(restoreSQL)
	i.wantRefused(busy)
	i.wantRefused(used)
	i.refresh(stolen)

	d.run(restoreSQL + ";" + forgetSQL)
	for _, old := range []*oauth2.Token{busy, used, stolen, idle} {
		i.wantRefused(old)
	}
	i.refresh(i.wantPages("login"))
}

// TestPostgres_ByHand tries the SQL that docs/state.md has for looking and revoking.
func TestPostgres_ByHand(t *testing.T) {
	d := newDatabase(t)
	i := install(t, d.store())
	tokens := i.wantPages("login consent")
	d.run(`SELECT person_id, client_id, scopes, issued_at, advanced_at, expires_at FROM clientele_grants WHERE NOT revoked AND expires_at > now() ORDER BY issued_at`)
	d.run(`UPDATE clientele_grants SET revoked = true, subject = '', provider = '', person_id = '', scopes = '', auth_time = NULL
		WHERE person_id = 'ada' AND client_id = 'team.wiki'`)
	i.wantRefused(tokens)
	tokens = i.wantPages("")
	d.run(`DELETE FROM clientele_sessions WHERE person_id = 'ada'`)
	i.refresh(tokens)
	i.wantPages("login")
	d.run(`DELETE FROM clientele_consents WHERE person_id = 'ada' AND client_id = 'team.wiki'`)
	i.wantPages("consent")
}
