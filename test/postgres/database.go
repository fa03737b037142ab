// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// adminTimeout bounds what the superuser does for a test.
const adminTimeout = 30 * time.Second

// Database is an empty database and its owner, who may do nothing else.
type Database struct {
	Name, User, Password string

	server *Server
}

// NewDatabase makes a database. It stays until the server is stopped.
func (s *Server) NewDatabase(tb testing.TB) *Database {
	tb.Helper()
	d, err := s.CreateDatabase(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// CreateDatabase is NewDatabase without a test.
func (s *Server) CreateDatabase(ctx context.Context) (*Database, error) {
	// Identifiers that are not quoted become lower case.
	d := &Database{Name: "db_" + rand.Text()[:12], User: "user_" + rand.Text()[:12], Password: rand.Text(), server: s}
	for _, sql := range []string{
		fmt.Sprintf("CREATE ROLE %q LOGIN PASSWORD '%s'", d.User, d.Password),
		fmt.Sprintf("CREATE DATABASE %q OWNER %q", d.Name, d.User),
	} {
		if err := s.Exec(ctx, sql); err != nil {
			return nil, fmt.Errorf("create a database: %w", err)
		}
	}
	return d, nil
}

// Exec runs one statement as the superuser, in the database postgres.
func (s *Server) Exec(ctx context.Context, sql string) error { return exec1(ctx, s.URI(), sql) }

// CutConnections ends all connections to databases but the superuser's own: clients
// hear of it only when they use them next.
func (s *Server) CutConnections(ctx context.Context) error {
	return s.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
}

// URI is the owner's way to the database.
func (d *Database) URI() string { return d.server.uri(d.User, d.Password, d.Name, "") }

// URIThrough is the way that leads through a link.
func (d *Database) URIThrough(l *Link) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s&port=%d", url.UserPassword(d.User, d.Password), d.Name, url.QueryEscape(l.dir), d.server.port)
}

// TLSURI is the way over the loopback interface, which checks the server's name and
// certificate. The server must have been started with TLS.
func (d *Database) TLSURI() string {
	return fmt.Sprintf("postgres://%s@localhost:%d/%s?sslmode=verify-full&sslrootcert=%s",
		url.UserPassword(d.User, d.Password), d.server.port, d.Name, url.QueryEscape(d.server.ca))
}

// Exec runs one statement as the superuser in this database.
func (d *Database) Exec(ctx context.Context, sql string) error {
	return exec1(ctx, d.server.uri(superuser, superPassword, d.Name, ""), sql)
}

// ChangePassword gives the owner a new password: the old one opens no new connection.
func (d *Database) ChangePassword(ctx context.Context) error {
	password := rand.Text()
	if err := d.server.Exec(ctx, fmt.Sprintf("ALTER ROLE %q PASSWORD '%s'", d.User, password)); err != nil {
		return err
	}
	d.Password = password
	return nil
}

func exec1(ctx context.Context, uri, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, uri)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return cmpErr(err, conn.Close(ctx))
}
