// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-dev/clientele/authserver/store"
	pgstore "github.com/clientele-dev/clientele/authserver/store/postgres"
	"github.com/clientele-dev/clientele/test/postgres"
)

func TestPostgres(t *testing.T) {
	server := postgres.Start(t, postgres.Options{})
	run(t, &tables{server: server, database: server.NewDatabase(t)})
}

// tables are of a PostgreSQL that commits durably.
type tables struct {
	server   *postgres.Server
	database *postgres.Database
}

// args lead a replica to the database over a line of its own.
func (p *tables) args(w *world, replica string) ([]string, []*line) {
	w.t.Helper()
	uri, err := url.Parse(p.database.URI())
	if err != nil {
		w.t.Fatal(err)
	}
	q := uri.Query()
	// A test's own directory may have too long a name for a socket.
	dir, err := os.MkdirTemp("/tmp", "line-*")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := func(dir string) net.Addr {
		return &net.UnixAddr{Net: "unix", Name: filepath.Join(dir, ".s.PGSQL."+q.Get("port"))}
	}
	l := newLine(w.t, socket(dir), socket(q.Get("host")))
	q.Set("host", dir)
	uri.RawQuery = q.Encode()
	file := filepath.Join(dir, replica+".uri")
	if err := os.WriteFile(file, []byte(uri.String()+"\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return []string{"--store=postgres", "--postgres-uri-file=" + file}, []*line{l}
}

// revoke is what docs/state.md has an administrator do.
func (p *tables) revoke(ctx context.Context, _ *world, person, clientID string) error {
	return p.database.Exec(ctx, fmt.Sprintf(`UPDATE clientele_grants SET revoked = true, subject = '', provider = '', person_id = '', scopes = '', auth_time = NULL
		WHERE person_id = '%s' AND client_id = '%s'`, person, clientID))
}

func (p *tables) open(w *world) (store.Store, error) {
	s, err := pgstore.Open(pgstore.Config{URI: func() (string, error) { return p.database.URI(), nil }})
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(s.Close)
	return s, w.await(func() error {
		if _, err := s.Grant(w.t.Context(), issuerName, "none"); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return nil
	})
}

func (p *tables) live(ctx context.Context, _ *world) (int, error) {
	conn, err := pgx.Connect(ctx, p.database.URI())
	if err != nil {
		return 0, err
	}
	var n int
	err = conn.QueryRow(ctx, "SELECT count(*) FROM clientele_grants WHERE NOT revoked").Scan(&n)
	return n, errors.Join(err, conn.Close(ctx))
}

func (p *tables) misfortunes() []misfortune {
	// Registrations are served from memory: without the API server, nobody notices.
	return append(everywhere(false), misfortune{"PostgreSQL killed", true, p.kill}, misfortune{"PostgreSQL stands still", true, p.freeze})
}

// kill ends PostgreSQL in the middle of what it does. What it has committed is there
// when it is back.
func (p *tables) kill(w *world, random *rand.Rand) error {
	if err := p.server.Kill(); err != nil {
		return err
	}
	if err := w.last(between(random, 0, time.Second)); err != nil {
		return err
	}
	return p.server.Restart()
}

// freeze lets PostgreSQL answer nothing for a while.
func (p *tables) freeze(w *world, random *rand.Rand) error {
	if err := p.server.Pause(); err != nil {
		return err
	}
	return errors.Join(w.last(between(random, 500*time.Millisecond, 4*time.Second)), p.server.Resume())
}
