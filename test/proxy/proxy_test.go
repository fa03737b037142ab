// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// says is what a new connection to an address hears: what the server sends first.
func says(t *testing.T, at net.Addr) (net.Conn, string) {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), at.Network(), at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	heard := make([]byte, 2)
	n, _ := io.ReadFull(c, heard) // an end is what a cut looks like
	return c, string(heard[:n])
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestProxy_CutAndMend(t *testing.T) {
	server := listen(t)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				_, _ = io.WriteString(c, "hi") // who is cut off does not hear it
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			})
		}
	})
	p := New(listen(t), server.Addr(), func(client, server net.Conn) { _, _ = io.Copy(client, server) })
	open, heard := says(t, p.Addr())
	if heard != "hi" {
		t.Errorf("heard %q", heard)
	}
	p.Cut()
	if n, err := open.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("a connection goes on after a cut: %d, %v", n, err)
	}
	if _, heard := says(t, p.Addr()); heard != "" {
		t.Errorf("heard %q over a line that is cut", heard)
	}
	p.Mend()
	if _, heard := says(t, p.Addr()); heard != "hi" {
		t.Errorf("heard %q after it was mended", heard)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	_ = server.Close()
	all.Wait()
}
