// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// connect fails the test unless uri leads to a database.
func connect(t *testing.T, uri string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func number(t *testing.T, conn *pgx.Conn, sql string) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// What was acknowledged is there after a kill, and commits are durable.
func TestServer_KillAndRestart(t *testing.T) {
	s := Start(t, Options{})
	db := s.NewDatabase(t)
	conn := connect(t, db.URI())
	for _, sql := range []string{"CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&value); err != nil || value != "on" {
			t.Errorf("%s = %q, %v, want on", setting, value, err)
		}
	}
	for range 2 {
		children := s.process.children()
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		if len(children) == 0 {
			t.Error("the server has no processes")
		}
		if _, err := pgx.Connect(t.Context(), db.URI()); err == nil {
			t.Error("a server that was killed answers")
		}
		began := time.Now()
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		t.Logf("back after %s", time.Since(began).Round(time.Millisecond))
		if got := number(t, connect(t, db.URI()), "SELECT count(*) FROM kept"); got != 1 {
			t.Errorf("%d rows are left, want 1", got)
		}
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what the server kept is still there: %v", err)
	}
}

// A server that stands still answers later, on the same connection.
func TestServer_PauseAndResume(t *testing.T) {
	s := Start(t, Options{})
	conn := connect(t, s.NewDatabase(t).URI())
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan int)
	go func() {
		var n int
		_ = conn.QueryRow(t.Context(), "SELECT 1").Scan(&n)
		answered <- n
	}()
	select {
	case <-answered:
		t.Error("a server that stands still answers")
	case <-time.After(100 * time.Millisecond):
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if n := <-answered; n != 1 {
		t.Errorf("got %d after Resume, want 1", n)
	}
}

func TestServer_CutConnections(t *testing.T) {
	s := Start(t, Options{})
	db := s.NewDatabase(t)
	conn := connect(t, db.URI())
	if err := s.CutConnections(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a connection that was cut works")
	}
	connect(t, db.URI())
}

func TestDatabase_PasswordAndTLS(t *testing.T) {
	s := Start(t, Options{TLS: true})
	db := s.NewDatabase(t)
	conn := connect(t, db.TLSURI())
	if got := number(t, conn, "SELECT count(*) FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl"); got != 1 {
		t.Error("the connection has no TLS")
	}
	plain := strings.Replace(db.TLSURI(), "sslmode=verify-full", "sslmode=disable", 1)
	if _, err := pgx.Connect(t.Context(), plain); err == nil {
		t.Error("a connection without TLS works")
	}
	before := db.URI()
	if err := db.ChangePassword(t.Context()); err != nil {
		t.Fatal(err)
	}
	var refused *pgconn.PgError
	if _, err := pgx.Connect(t.Context(), before); !errors.As(err, &refused) {
		t.Errorf("connecting with the old password = %v, want a refusal", err)
	}
	connect(t, db.URI())
}

// Each fate befalls one message, and what the server did is what it says.
func TestLink_Fates(t *testing.T) {
	s := Start(t, Options{})
	db := s.NewDatabase(t)
	direct := connect(t, db.URI())
	if _, err := direct.Exec(t.Context(), "CREATE TABLE kept (name text)"); err != nil {
		t.Fatal(err)
	}
	l := s.NewLink(t)
	insert := func(ctx context.Context, name string) error {
		_, err := connect(t, db.URIThrough(l)).Exec(ctx, "INSERT INTO kept VALUES ($1)", name)
		return err
	}
	rows := func(name string) int { return number(t, direct, "SELECT count(*) FROM kept WHERE name = '"+name+"'") }

	lost := l.LoseRequest("lost")
	if err := insert(t.Context(), "well"); err != nil || rows("well") != 1 {
		t.Errorf("a message with another text = %v and %d rows, want success", err, rows("well"))
	}
	if err := insert(t.Context(), "lost"); err == nil || rows("lost") != 0 {
		t.Errorf("a lost request = %v and %d rows, want an error and none", err, rows("lost"))
	}
	<-lost
	unheard := l.LoseAnswer("unheard")
	if err := insert(t.Context(), "unheard"); err == nil || rows("unheard") != 1 {
		t.Errorf("a lost answer = %v and %d rows, want an error and one", err, rows("unheard"))
	}
	<-unheard

	held, letGo := l.Hold("late")
	ctx, giveUp := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() { gaveUp <- insert(ctx, "late") }()
	<-held
	giveUp()
	if err := <-gaveUp; err == nil || rows("late") != 0 {
		t.Errorf("a request that is held = %v and %d rows, want an error and none", err, rows("late"))
	}
	letGo()
	for rows("late") == 0 && t.Context().Err() == nil {
		<-time.After(time.Millisecond)
	}

	l.Cut()
	if _, err := pgx.Connect(t.Context(), db.URIThrough(l)); err == nil {
		t.Error("a link that is cut leads to the server")
	}
	l.Mend()
	if err := insert(t.Context(), "well"); err != nil {
		t.Error(err)
	}
}

func TestVersions_NewestFirst(t *testing.T) {
	dir := t.TempDir()
	for _, v := range []string{"/9/bin", "/15/bin", "/10/bin"} {
		if err := os.MkdirAll(dir+v, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	if got, want := strings.Join(versions("*/bin"), " "), "15/bin 10/bin 9/bin"; got != want {
		t.Errorf("versions = %s, want %s", got, want)
	}
}

func TestNew_Missing(t *testing.T) {
	t.Setenv("POSTGRES_BIN", t.TempDir())
	if _, err := New(Options{}); !errors.Is(err, ErrMissing) {
		t.Errorf("New without a server = %v, want ErrMissing", err)
	}
}
