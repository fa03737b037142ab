// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/storetest"
	"github.com/clientele-dev/clientele/test/postgres"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := postgres.StopShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// openOn opens a Store that ends with the test.
func openOn(tb testing.TB, uri func() string, now func() time.Time) *Store {
	tb.Helper()
	s, err := Open(Config{URI: func() (string, error) { return uri(), nil }, Now: now})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// ready opens a Store and waits until it can be used.
func ready(tb testing.TB, uri func() string, now func() time.Time) *Store {
	tb.Helper()
	s := openOn(tb, uri, now)
	if err := s.schema.wait(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return s
}

// databases are where stores under test keep what they do. A database is emptied and
// used again: to make one takes longer than most checks.
type databases struct {
	server *postgres.Server
	of     sync.Map // by store.Store

	mu   sync.Mutex
	idle []*postgres.Database
}

func (d *databases) get(s store.Store) *postgres.Database {
	db, _ := d.of.Load(s)
	return db.(*postgres.Database)
}

// take returns an empty database until the test has ended.
func (d *databases) take(t testing.TB) *postgres.Database {
	d.mu.Lock()
	defer d.mu.Unlock()
	var db *postgres.Database
	if last := len(d.idle) - 1; last < 0 {
		db = d.server.NewDatabase(t)
	} else {
		db, d.idle = d.idle[last], d.idle[:last]
		if err := db.Exec(t.Context(), "TRUNCATE clientele_sessions, clientele_grants, clientele_consents, clientele_assertions"); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.idle = append(d.idle, db)
	})
	return db
}

func (d *databases) open(t testing.TB, db *postgres.Database, clock *storetest.Clock) store.Store {
	s := ready(t, db.URI, clock.Now)
	d.of.Store(s, db)
	return s
}

func (d *databases) backend() storetest.Backend {
	return storetest.Backend{
		Open: func(t testing.TB, clock *storetest.Clock) store.Store {
			return d.open(t, d.take(t), clock)
		},
		Reopen: func(t testing.TB, clock *storetest.Clock, old store.Store) store.Store {
			return d.open(t, d.get(old), clock)
		},
		DeleteByHand: func(t testing.TB, s store.Store, issuer, id string) error {
			sql := fmt.Sprintf("UPDATE clientele_grants SET revoked = true WHERE issuer = '%s' AND id = '%s'", issuer, id)
			for {
				if err := d.get(s).Exec(t.Context(), sql); !conflict(err) {
					return err
				}
			}
		},
		Count: func(t testing.TB, s store.Store) (n int) {
			err := s.(*Store).pool.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM clientele_grants) + (SELECT count(*) FROM clientele_sessions) + (SELECT count(*) FROM clientele_assertions)").Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		Durable: true,
		Steps:   2000,
	}
}

// startFast starts a server that does not wait for its disk. Only the machine's end
// could make it forget a commit, and no test ends that.
func startFast(t *testing.T, settings map[string]string) *postgres.Server {
	all := map[string]string{"fsync": "off"}
	maps.Copy(all, settings)
	return postgres.Start(t, postgres.Options{Settings: all})
}

// TestStore loses the database with every process of ours: it is killed between.
func TestStore(t *testing.T) {
	t.Parallel()
	d := &databases{server: startFast(t, nil)}
	b := d.backend()
	reopen := b.Reopen
	b.Reopen = func(t testing.TB, clock *storetest.Clock, old store.Store) store.Store {
		if err := errors.Join(d.server.Kill(), d.server.Restart()); err != nil {
			t.Fatal(err)
		}
		return reopen(t, clock, old)
	}
	b.Steps = 500
	storetest.Run(t, b)
}

// TestStore_Replicas is for two replicas, on a database that undoes statements which
// others have come between, as distributed ones do.
func TestStore_Replicas(t *testing.T) {
	t.Parallel()
	d := &databases{server: startFast(t, map[string]string{"default_transaction_isolation": "serializable"})}
	b := d.backend()
	b.Another = b.Reopen
	storetest.Run(t, b)
}
