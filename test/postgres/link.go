// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/clientele-dev/clientele/test/proxy"
)

// Link is a way to a Server over which messages get lost: a network between the two.
type Link struct {
	*proxy.Proxy

	dir   string
	ended chan struct{}

	mu    sync.Mutex
	fate  fate
	match []byte
	done  chan struct{} // closed when the fate has come to pass
	letGo chan struct{} // closed to let go of what is held
}

// fate is what happens to the next request that has a text in it.
type fate int

const (
	arrives    fate = iota
	isLost          // the connection breaks before the request arrives
	isNotHeard      // the request arrives, and the connection breaks before the answer does
	isHeld          // the request arrives when it is let go, even if nobody waits any more
)

// NewLink returns a link that is well, and ends with the test.
func (s *Server) NewLink(tb testing.TB) *Link {
	tb.Helper()
	// A test's own directory may have too long a name for a socket.
	dir, err := os.MkdirTemp(filepath.Dir(s.dir), "link-*") //nolint:usetesting // that is why
	if err != nil {
		tb.Fatal(err)
	}
	socket := fmt.Sprintf(".s.PGSQL.%d", s.port)
	l := &Link{dir: dir, ended: make(chan struct{})}
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "unix", filepath.Join(dir, socket))
	if err != nil {
		tb.Fatal(err)
	}
	target := &net.UnixAddr{Net: "unix", Name: filepath.Join(s.dir, socket)}
	l.Proxy = proxy.New(listener, target, l.carry)
	tb.Cleanup(func() {
		close(l.ended)
		if err := errors.Join(l.Close(), os.RemoveAll(dir)); err != nil {
			tb.Error(err)
		}
	})
	return l
}

// LoseRequest breaks the connection on which a message with this text is sent next,
// before it arrives. The channel is closed then.
func (l *Link) LoseRequest(text string) <-chan struct{} { return l.next(isLost, text) }

// LoseAnswer breaks the connection on which a message with this text is sent next,
// once the server has done what it says and answered. The channel is closed then.
func (l *Link) LoseAnswer(text string) <-chan struct{} { return l.next(isNotHeard, text) }

// Hold keeps the next message with this text, and what follows it, until it is let
// go. The channel is closed when it is held.
func (l *Link) Hold(text string) (held <-chan struct{}, letGo func()) {
	held = l.next(isHeld, text)
	l.mu.Lock()
	defer l.mu.Unlock()
	release := make(chan struct{})
	l.letGo = release
	return held, sync.OnceFunc(func() { close(release) })
}

func (l *Link) next(f fate, text string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fate, l.match, l.done = f, []byte(text), make(chan struct{})
	return l.done
}

// fateOf says what happens to a message. A fate comes to pass once.
func (l *Link) fateOf(message []byte) (f fate, release <-chan struct{}, done chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fate == arrives || !bytes.Contains(message, l.match) {
		return arrives, nil, nil
	}
	f, l.fate = l.fate, arrives
	return f, l.letGo, l.done
}

func (l *Link) carry(client, server net.Conn) {
	w := &wire{link: l, client: client, server: server}
	var both sync.WaitGroup
	both.Go(w.answers)
	w.requests()
	both.Wait()
}

// wire is one connection.
type wire struct {
	link           *Link
	client, server net.Conn

	mu      sync.Mutex
	unheard chan struct{} // to be closed when the answer has been swallowed
}

// requests carries what the client sends, message by message.
func (w *wire) requests() {
	in := bufio.NewReader(w.client)
	for first := true; ; first = false {
		message, err := readMessage(in, first)
		if err != nil {
			// The server hears that there is nothing more once it has done the rest.
			_ = w.server.(*net.UnixConn).CloseWrite()
			return
		}
		switch f, release, done := w.link.fateOf(message); f {
		case isLost:
			_ = w.client.Close() // the loop ends with it
			_ = w.server.Close()
			close(done)
			return
		case isNotHeard:
			w.mu.Lock()
			w.unheard = done
			w.mu.Unlock()
		case isHeld:
			close(done)
			select {
			case <-release:
			case <-w.link.ended:
			}
		case arrives:
		}
		if _, err := w.server.Write(message); err != nil {
			_ = w.client.Close() // the server is gone
		}
	}
}

// answers carries what the server sends.
func (w *wire) answers() {
	defer w.client.Close()
	in := bufio.NewReader(w.server)
	for {
		message, err := readMessage(in, false)
		if err != nil {
			return
		}
		w.mu.Lock()
		unheard := w.unheard
		w.mu.Unlock()
		const readyForQuery = 'Z' // it follows the commit
		switch {
		case unheard != nil && message[0] == readyForQuery:
			close(unheard)
			return
		case unheard != nil:
			continue
		}
		if _, err := w.client.Write(message); err != nil {
			// What was sent may still be on its way to the server, which may still do it.
			_, _ = io.Copy(io.Discard, in)
			return
		}
	}
}

// readMessage reads one message of PostgreSQL's protocol, version 3: a type, unless
// it is the first one of a client, and a length that counts itself.
func readMessage(in *bufio.Reader, first bool) ([]byte, error) {
	head := make([]byte, 5)
	if first {
		head = head[:4]
	}
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[len(head)-4:])
	if size < 4 || size > 1<<30 {
		return nil, errors.New("that is no message of PostgreSQL's")
	}
	message := append(head, make([]byte, size-4)...)
	_, err := io.ReadFull(in, message[len(head):])
	return message, err
}
