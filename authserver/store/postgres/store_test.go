// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"fmt"
	"maps"
	"os"
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

// databases are where stores under test keep what they do.
type databases struct {
	server *postgres.Server
	of     map[store.Store]*postgres.Database
}

func (d *databases) open(t testing.TB, db *postgres.Database, clock *storetest.Clock) store.Store {
	s := openOn(t, db.URI, clock.Now)
	if err := s.schema.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.of[s] = db
	return s
}

func (d *databases) backend() storetest.Backend {
	return storetest.Backend{
		Open: func(t testing.TB, clock *storetest.Clock) store.Store {
			return d.open(t, d.server.NewDatabase(t), clock)
		},
		Reopen: func(t testing.TB, clock *storetest.Clock, old store.Store) store.Store {
			return d.open(t, d.of[old], clock)
		},
		DeleteByHand: func(t testing.TB, s store.Store, issuer, id string) error {
			return d.of[s].Exec(t.Context(), fmt.Sprintf("UPDATE clientele_grants SET revoked = true WHERE issuer = '%s' AND id = '%s'", issuer, id))
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

func TestStore(t *testing.T) {
	d := &databases{startFast(t, nil), map[store.Store]*postgres.Database{}}
	storetest.Run(t, d.backend())
}
