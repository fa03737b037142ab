// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes in memory, so that time is a test's.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error { return nil }

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestServer_SlowPeers: whoever sends or takes in slowly, or does nothing, has a
// connection for a bounded time, and header fields are bounded before anything is made
// of them.
func TestServer_SlowPeers(t *testing.T) {
	const begun = "POST / HTTP/1.1\r\nHost: login.example.com\r\n"
	for name, c := range map[string]struct {
		send    string
		reads   bool
		want    string
		atMost  time.Duration
		handled string
	}{
		"nothing":       {"", true, "", readHeaderTimeout, ""},
		"half a header": {begun, true, "", readHeaderTimeout, ""},
		"half a body":   {begun + "Content-Length: 10\r\n\r\nhalf", true, "HTTP/1.1 400", readTimeout, "i/o timeout"},
		"long header":   {begun + "Cookie: " + strings.Repeat("x", maxHeader+8<<10), true, "HTTP/1.1 431", time.Second, ""},
		"idle":          {begun + "Content-Length: 0\r\n\r\n", true, "HTTP/1.1 200", idleTimeout, "read"},
		"never reads":   {begun + "Content-Length: 0\r\n\r\n", false, "", writeTimeout, "read"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handled := ""
				p := &process{log: slog.New(slog.DiscardHandler)}
				s := p.newServer(listener{handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					handled = "read"
					if _, err := io.ReadAll(r.Body); err != nil {
						handled = err.Error()
						w.WriteHeader(http.StatusBadRequest)
						return
					}
					_, _ = io.WriteString(w, strings.Repeat("x", 64<<10))
				})})
				in, served := make(pipes), make(chan error)
				go func() { served <- s.Serve(in) }()
				peer, conn := net.Pipe()
				in <- conn
				begin := time.Now()
				got := talk(peer, c.send, c.reads)
				if took := time.Since(begin); took > c.atMost || took < c.atMost-time.Second {
					t.Errorf("it took %s, want %s", took, c.atMost)
				}
				if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" || !strings.Contains(handled, c.handled) || c.handled == "" && handled != "" {
					t.Errorf("answered %.40q, handled %q", got, handled)
				}
				close(in)
				if err := <-served; !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			})
		})
	}
}

// talk sends a request and returns what comes back until the connection is closed. Who
// does not read waits for that alone.
func talk(peer net.Conn, send string, reads bool) string {
	go func() { _, _ = io.WriteString(peer, send) }()
	if reads {
		all, _ := io.ReadAll(bufio.NewReader(peer))
		return string(all)
	}
	<-time.After(writeTimeout)
	synctest.Wait()
	_, err := io.ReadAll(peer)
	if err != nil {
		return err.Error()
	}
	return ""
}
