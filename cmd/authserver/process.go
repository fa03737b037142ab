// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// patience bounds how long requests that are being served may take at the end, with
	// what goes on in the background.
	patience = 20 * time.Second
	// reserved is what of it is left to the background by requests that never end: enough
	// for one more attempt at everything, however many somebody keeps open.
	reserved = 6 * time.Second

	// Slow clients cost a connection, so they get little time.
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	// maxHeader is for the longest authorization request and the cookies.
	maxHeader = 32 << 10
)

// watcher fills the registry.
type watcher interface {
	// Run ends with the context, or with an error.
	Run(ctx context.Context) error
	// Ready says what is lacking before requests can be served.
	Ready() error
}

// process is one replica: its watcher and its listeners.
type process struct {
	options

	log     *slog.Logger
	watcher watcher
	// sweep runs until its context ends; nil means that nothing is to be swept.
	sweep   func(context.Context) error
	handler http.Handler
	// drain finishes what goes on in the background, as long as its context lasts; nil
	// means that nothing does.
	drain    func(context.Context)
	metrics  *prometheus.Registry
	stopping atomic.Bool

	// bound is called with a listener's name and address once it is open; nil means
	// that nobody wants to know.
	bound func(name string, at net.Addr)
}

// listener is a server and how it takes connections.
type listener struct {
	name    string
	address string
	handler http.Handler
	tls     *tls.Config
}

// run serves until ctx ends, and then stops in the order in which nobody notices:
// first unready, then, when load balancers have seen that, no new connections, and
// the watcher last, since requests need what it knows, and whatever sweeps.
func (p *process) run(ctx context.Context) error {
	// The watcher and the servers outlive the signal that ends ctx.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	failed := make(chan error, 5)
	servers, err := p.listen(running, failed)
	if err != nil {
		return err
	}
	var background sync.WaitGroup
	for what, run := range map[string]func(context.Context) error{
		"watch the system namespace": p.watcher.Run, "sweep the store": p.sweep,
	} {
		if run == nil {
			continue
		}
		background.Go(func() {
			err := run(running)
			if err == nil && running.Err() == nil {
				err = errors.New("it stopped of itself")
			}
			if err != nil {
				failed <- fmt.Errorf("%s: %w", what, err)
			}
		})
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
		p.log.Info("Stopping", "shutdownDelay", p.shutdownDelay)
	}
	p.stopping.Store(true)
	if err == nil {
		err = p.wait(failed)
	}
	err = errors.Join(err, p.shutDown(running, servers))
	cancel()
	background.Wait()
	select {
	case late := <-failed:
		err = errors.Join(err, late)
	default:
	}
	return err
}

// wait goes on serving while load balancers take notice.
func (p *process) wait(failed <-chan error) error {
	select {
	case err := <-failed:
		return err
	case <-time.After(p.shutdownDelay):
		return nil
	}
}

// listen opens every listener before any of them serves: an address that is taken
// is found out at once.
func (p *process) listen(ctx context.Context, failed chan<- error) ([]*http.Server, error) {
	all := []listener{{name: "ops", address: p.opsAddress, handler: p.ops()}}
	if p.httpAddress != "" {
		all = append(all, listener{name: "http", address: p.httpAddress, handler: p.handler})
	}
	if p.serveTLS() {
		c := newCertificate(p.certFile, p.keyFile, p.log)
		c.announce()
		all = append(all, listener{name: "https", address: p.httpsAddress, handler: p.handler, tls: &tls.Config{
			MinVersion: tls.VersionTLS12, GetCertificate: c.get,
		}})
	}
	var servers []*http.Server
	var open []net.Listener
	for _, l := range all {
		n, err := new(net.ListenConfig).Listen(ctx, "tcp", l.address)
		if err != nil {
			for _, other := range open {
				err = errors.Join(err, other.Close())
			}
			return nil, fmt.Errorf("--%s-address: %w", l.name, err)
		}
		open = append(open, n)
		servers = append(servers, p.newServer(l))
	}
	for i, n := range open {
		p.log.Info("Listening", "listener", all[i].name, "address", n.Addr().String())
		if p.bound != nil {
			p.bound(all[i].name, n.Addr())
		}
		go func() {
			if err := serve(servers[i], n); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve on %s: %w", n.Addr(), err)
			}
		}()
	}
	return servers, nil
}

func (p *process) newServer(l listener) *http.Server {
	return &http.Server{
		Handler: l.handler, TLSConfig: l.tls,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		// Scanners and broken connections: of interest to whoever looks for them.
		ErrorLog: slog.NewLogLogger(p.log.With("listener", l.name).Handler(), slog.LevelDebug),
	}
}

func serve(s *http.Server, n net.Listener) error {
	if s.TLSConfig == nil {
		return s.Serve(n)
	}
	return s.ServeTLS(n, "", "")
}

// shutDown lets all servers finish what they are serving, the ops listener too, and then
// what is going on in the background.
func (p *process) shutDown(ctx context.Context, servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	serving, enough := context.WithTimeout(ctx, patience-reserved)
	defer enough()
	errs := make([]error, len(servers))
	var all sync.WaitGroup
	for i, s := range servers {
		all.Go(func() {
			if errs[i] = s.Shutdown(serving); errs[i] != nil {
				errs[i] = fmt.Errorf("shut down: %w", errors.Join(errs[i], s.Close()))
			}
		})
	}
	all.Wait()
	if p.drain != nil {
		p.drain(ctx)
	}
	return errors.Join(errs...)
}
