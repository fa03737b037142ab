// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/clientele-dev/clientele/test/postgres"
)

// A new password needs no restart: connections that there are stay, and new ones are
// made with what the URI is by then.
func TestStore_PasswordRotates(t *testing.T) {
	server := postgres.Start(t, postgres.Options{})
	db := server.NewDatabase(t)
	var mu sync.Mutex
	uri := db.URI()
	s := ready(t, func() string {
		mu.Lock()
		defer mu.Unlock()
		return uri
	}, nil)
	redeemed(t, s, "before")
	if err := errors.Join(db.ChangePassword(t.Context()), server.CutConnections(t.Context())); err != nil {
		t.Fatal(err)
	}
	err := s.Redeem(t.Context(), grantOf("between", s.now()))
	if err == nil || isVerdict(err) {
		t.Errorf("Redeem with the old password = %v, want an error that says nothing of a record", err)
	}
	mu.Lock()
	uri = db.URI()
	mu.Unlock()
	redeemed(t, s, "after")
}

// TLS is as the URI says, with the server's name and certificate checked.
func TestStore_TLS(t *testing.T) {
	server := postgres.Start(t, postgres.Options{TLS: true})
	db := server.NewDatabase(t)
	s := ready(t, db.TLSURI, nil)
	redeemed(t, s, "code")
	var encrypted bool
	err := s.pool.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&encrypted)
	if err != nil || !encrypted {
		t.Errorf("the connection is encrypted: %t, %v", encrypted, err)
	}
	otherName := openOn(t, func() string { return strings.Replace(db.TLSURI(), "@localhost:", "@127.0.0.1:", 1) }, nil)
	if err := otherName.schema.wait(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server whose certificate has another name = %v, want a refusal", err)
	}
}

// Neither an error nor the log tells a password, whatever is wrong.
func TestStore_NoPasswordIsTold(t *testing.T) {
	const secret = "correct-horse"
	server := postgres.Shared(t)
	db := server.NewDatabase(t)
	wrong := *db
	wrong.Password = secret
	nobody := *db
	nobody.User, nobody.Password = "nobody", secret
	elsewhere := *db
	elsewhere.Name, elsewhere.Password = "elsewhere", secret
	told := func(t *testing.T, text string) {
		t.Helper()
		if text == "" || strings.Contains(text, secret) || strings.Contains(text, "postgres://") && !strings.Contains(text, "postgres://user:password@host") {
			t.Errorf("told: %q", text)
		}
	}
	for name, uri := range map[string]string{
		"wrong password": wrong.URI(), "no such user": nobody.URI(), "no such database": elsewhere.URI(),
		"nobody listens": "postgres://user:" + secret + "@127.0.0.1:1/db", "no such host": "postgres://user:" + secret + "@host.invalid/db",
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s, err := Open(Config{
				URI: func() (string, error) { return uri, nil },
				Log: slog.New(slog.NewJSONHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			<-s.schema.told
			for verb, err := range verbs(t.Context(), s, "code") {
				told(t, verb+": "+err.Error())
			}
			s.Close()
			told(t, log.String())
		})
	}
	for name, uri := range map[string]string{
		"not a URI": secret, "bad escape": "postgres://user:" + secret + "%zz@host/db", "bad port": "postgres://user:" + secret + "@host:port/db",
		"bad mode": "postgres://user:" + secret + "@host/db?sslmode=perhaps", "bad number": "postgres://user@host/db?pool_max_conns=" + secret,
		"no such file": "postgres://user:" + secret + "@host/db?sslmode=verify-full&sslrootcert=/nonexistent",
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(Config{URI: func() (string, error) { return uri, nil }})
			if err == nil {
				s.Close()
				t.Fatal("Open = nil, want an error")
			}
			told(t, err.Error())
		})
	}
}

func TestOpen_NeedsURI(t *testing.T) {
	if _, err := Open(Config{}); err == nil {
		t.Error("Open without a URI = nil, want an error")
	}
	missing := errors.New("no such file")
	if _, err := Open(Config{URI: func() (string, error) { return "", missing }}); !errors.Is(err, missing) {
		t.Errorf("Open = %v, want %v", err, missing)
	}
}

func TestStore_Metrics(t *testing.T) {
	db := postgres.Shared(t).NewDatabase(t)
	registry := prometheus.NewPedanticRegistry()
	s, err := Open(Config{URI: func() (string, error) { return db.URI(), nil }, Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	redeemed(t, s, "code")
	for name, want := range map[string]int{
		"clientele_postgres_connections": 3, "clientele_postgres_connections_max": 1, "clientele_postgres_connects_total": 1,
		"clientele_postgres_connection_wait_seconds_total": 1, "clientele_postgres_batch_size": 1, "clientele_postgres_unanswered_writes_total": 1,
	} {
		if got, err := testutil.GatherAndCount(registry, name); err != nil || got != want {
			t.Errorf("%s has %d series, %v, want %d", name, got, err, want)
		}
	}
	if _, err := Open(Config{URI: func() (string, error) { return db.URI(), nil }, Registerer: registry}); err == nil {
		t.Error("a second Store with the same metrics = nil, want an error")
	}
}
