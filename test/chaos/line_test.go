// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/test/proxy"
)

// line is a replica's way to a server that it needs. It carries bytes, and knows what
// can happen to a network: connections break, and bytes take their time.
type line struct {
	*proxy.Proxy

	mu   sync.Mutex
	most time.Duration // how late bytes arrive at the server, at most
}

// newLine listens at an address and connects to a target, until the test ends.
func newLine(t *testing.T, at, target net.Addr) *line {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), at.Network(), at.String())
	if err != nil {
		t.Fatal(err)
	}
	l := &line{}
	l.Proxy = proxy.New(listener, target, l.carry)
	t.Cleanup(func() { _ = l.Close() }) // nothing is lost with it
	return l
}

// delay makes what the replica sends arrive later, by at least half of most.
func (l *line) delay(most time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most = most
}

func (l *line) lateness() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.most == 0 {
		return 0
	}
	return l.most/2 + rand.N(l.most/2)
}

func (l *line) carry(replica, server net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { l.flow(server, replica, func() time.Duration { return 0 }) })
	both.Go(func() { l.flow(replica, server, l.lateness) })
	both.Wait()
}

// parcel is bytes on their way.
type parcel struct {
	bytes []byte
	due   time.Time
}

// flow carries bytes from one end to the other, each so late, and closes both when
// there are no more. What is on its way then still arrives, if it can.
func (l *line) flow(from, to net.Conn, late func() time.Duration) {
	const many = 1024 // what is on its way at a time is bounded by what is not answered
	way := make(chan parcel, many)
	var arriving sync.WaitGroup
	arriving.Go(func() {
		defer to.Close()
		for p := range way {
			if wait := time.Until(p.due); wait > 0 {
				<-time.After(wait)
			}
			if _, err := to.Write(p.bytes); err != nil && !errors.Is(err, net.ErrClosed) {
				_ = from.Close()
			}
		}
	})
	var last time.Time
	for {
		buf := make([]byte, 32<<10)
		n, err := from.Read(buf)
		if n > 0 {
			if due := time.Now().Add(late()); due.After(last) {
				last = due // bytes do not overtake each other
			}
			way <- parcel{buf[:n], last}
		}
		if err != nil {
			break
		}
	}
	close(way)
	arriving.Wait()
}
