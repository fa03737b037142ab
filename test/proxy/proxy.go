// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package proxy stands between a test's clients and a server that they need, so that
// connections can break. What happens to the bytes in between is its user's to say.
package proxy

import (
	"context"
	"net"
	"sync"
	"time"
)

// patience is for a local server to take a connection.
const patience = 10 * time.Second

// Proxy carries connections to a server. Make one with New.
type Proxy struct {
	listener net.Listener
	target   net.Addr
	carry    func(client, server net.Conn)
	all      sync.WaitGroup

	mu   sync.Mutex
	cut  bool
	open map[net.Conn]struct{}
}

// New serves on listener: each client is connected to target, and carry brings what
// both say to the other, until it returns.
func New(listener net.Listener, target net.Addr, carry func(client, server net.Conn)) *Proxy {
	p := &Proxy{listener: listener, target: target, carry: carry, open: map[net.Conn]struct{}{}}
	p.all.Go(p.accept)
	return p
}

// Addr is where clients connect to.
func (p *Proxy) Addr() net.Addr { return p.listener.Addr() }

// Cut breaks all connections, and makes all others fail until Mend.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.open {
		_ = c.Close() // it may have ended
	}
}

// Mend makes connections work again.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
}

// Close ends everything, and returns once it has ended.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.Cut()
	p.all.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.all.Go(func() { p.connect(client) })
	}
}

func (p *Proxy) connect(client net.Conn) {
	if !p.add(client) {
		return
	}
	defer p.end(client)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	server, err := new(net.Dialer).DialContext(ctx, p.target.Network(), p.target.String())
	if err != nil || !p.add(server) {
		return
	}
	defer p.end(server)
	p.carry(client, server)
}

// add reports false, and closes c, while the proxy is cut.
func (p *Proxy) add(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		_ = c.Close() // nothing was sent on it
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *Proxy) end(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	_ = c.Close() // it may have ended
}
