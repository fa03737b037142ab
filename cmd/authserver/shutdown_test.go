// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// oneConn is a listener to whom somebody has connected.
type oneConn struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error   { close(l.closed); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestProcess_SlowRequest: a request that somebody keeps open takes nothing from what
// clients have yet to be told.
func TestProcess_SlowRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered := make(chan struct{})
		server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
		})}
		near, far := net.Pipe()
		l := &oneConn{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
		l.conn <- far
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		if _, err := near.Write([]byte("GET / HTTP/1.1\r\nHost: slow\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		<-entered
		var left time.Duration
		p := &process{drain: func(ctx context.Context) {
			until, _ := ctx.Deadline()
			left = time.Until(until)
		}}
		began := time.Now()
		if err := p.shutDown(t.Context(), []*http.Server{server}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a request that never ends: %v", err)
		}
		if left < 5*time.Second {
			t.Errorf("%s are left for the background, want a request's 5 seconds at least", left)
		}
		if took := time.Since(began); took > patience {
			t.Errorf("it took %s", took)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		_ = near.Close()
	})
}
