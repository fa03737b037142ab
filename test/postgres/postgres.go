// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package postgres starts a real PostgreSQL for tests and benches, of their own, in a
// directory of its own, and lets it suffer what happens to one: it is killed, stands
// still, or loses its connections. It commits durably, as one in production does.
//
// It listens on a Unix socket that only the same user can reach, and on the loopback
// interface only where TLS is what is tested.
package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// ErrMissing means that PostgreSQL's server is not installed.
var ErrMissing = errors.New("PostgreSQL is not installed: install the package postgresql, or set POSTGRES_BIN to the directory with postgres and initdb")

// Options are what a test wants otherwise than usual.
type Options struct {
	// Settings are postgresql.conf's, by name. They win over those of this package.
	Settings map[string]string
	// TLS makes the server listen on 127.0.0.1 as well, for connections with TLS alone.
	TLS bool
}

// Server is a PostgreSQL that can go away and come back. Its methods are for one
// goroutine at a time.
type Server struct {
	bin  string // directory with postgres
	dir  string // with the data, the socket and the certificates
	port int
	ca   string // file with the root that the certificate is of; empty without TLS

	mu      sync.Mutex
	process *process // nil while the server does not run
}

// superuser may do everything and exists on every Server.
const superuser = "root"

// superPassword opens nothing but a socket that only its owner reaches.
const superPassword = "of-a-test"

// Start starts a server that ends with the test. Where PostgreSQL is not installed
// the test is skipped, or fails where CI=true says that nothing may be.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	s, err := New(o)
	need(tb, err)
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("the end of PostgreSQL's log:\n%s", s.Log())
		}
		if err := s.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// shared is the server of all tests of a program that do it no harm.
var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared returns one server for all tests of a program, for those that take a database
// of their own and do not harm it. TestMain ends it with StopShared.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	shared.once.Do(func() { shared.server, shared.err = New(Options{}) })
	need(tb, shared.err)
	return shared.server
}

// StopShared ends the server of Shared, if there is one.
func StopShared() error {
	if shared.server == nil {
		return nil
	}
	return shared.server.Stop()
}

// need skips a test for which there is no PostgreSQL, where that may be.
func need(tb testing.TB, err error) {
	tb.Helper()
	if errors.Is(err, ErrMissing) && os.Getenv("CI") != "true" {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// New starts a server. Its caller stops it.
func New(o Options) (*Server, error) {
	bin, err := findBin()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, port: 5432}
	if err := s.create(o); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	if err := s.Restart(); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// URI is the superuser's way to the server.
func (s *Server) URI() string { return s.uri(superuser, superPassword, "postgres", "") }

func (s *Server) uri(user, password, database, more string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s&port=%d%s", url.UserPassword(user, password), database, url.QueryEscape(s.dir), s.port, more)
}

// Log is the end of what the server has logged since it was started last.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return ""
	}
	return s.process.log.String()
}

// Kill ends the server as a crash of its machine would, but for what the kernel has
// been told to write: the postmaster and every process of it, without a word.
func (s *Server) Kill() error {
	p := s.take()
	if p == nil {
		return nil
	}
	if err := p.kill(); err != nil {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	return nil
}

// Restart starts the server again, where it was, and returns when it can be
// connected to. One that runs is shut down before.
func (s *Server) Restart() error {
	if p := s.take(); p != nil {
		if err := p.shutDown(); err != nil {
			return err
		}
	}
	p, err := startProcess(s.command(filepath.Join(s.bin, "postgres"), "-D", s.data()))
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = p
	return nil
}

// Pause makes the server stand still: connections stay, and nothing answers.
func (s *Server) Pause() error { return s.process.pause() }

// Resume ends a Pause.
func (s *Server) Resume() error { return s.process.resume() }

// Stop ends the server for good and removes all that it has kept.
func (s *Server) Stop() error {
	var err error
	if p := s.take(); p != nil {
		err = p.kill() // to write all that is dirty may take long, and is for nothing
	}
	return errors.Join(err, s.remove())
}

// take returns the server's process, which is nobody else's from now on.
func (s *Server) take() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.process
	s.process = nil
	return p
}

func (s *Server) remove() error {
	if s.dir == "" {
		return nil
	}
	forgetSharedMemory(filepath.Join(s.data(), "postmaster.pid"))
	return os.RemoveAll(s.dir)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// findBin returns the newest server's directory. Debian keeps it outside PATH.
func findBin() (string, error) {
	dirs := []string{os.Getenv("POSTGRES_BIN")}
	if dirs[0] == "" {
		dirs = versions("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
		dirs = append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
	}
	for _, dir := range dirs {
		_, noServer := os.Stat(filepath.Join(dir, "postgres"))
		_, noInit := os.Stat(filepath.Join(dir, "initdb"))
		if cmp.Or(noServer, noInit) == nil {
			return dir, nil
		}
	}
	return "", ErrMissing
}
