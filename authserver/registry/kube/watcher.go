// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/kubernetes"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

// Config is what a Watcher needs. The fields from Schedule on may be left out.
type Config struct {
	// Client should have no rate limit of its own: a Lease that waits in a queue
	// lapses. It should also notice that a connection is dead before a Lease lapses,
	// for which client-go reads HTTP2_READ_IDLE_TIMEOUT_SECONDS and
	// HTTP2_PING_TIMEOUT_SECONDS from the environment: 5 and 3 instead of 30 and 15.
	Client kubernetes.Interface
	// Namespace is the system namespace.
	Namespace string
	// Replica is this process's name among all replicas: the Pod's.
	Replica string
	// Registry is filled; its current function should be Watcher.Current.
	Registry *registry.Registry
	// NewProvider makes an identity provider of a users.yaml. Its errors are
	// logged, so they hold no hash.
	NewProvider func(users []byte) (identity.Provider, error)

	// Schedule says when an issuer's keys change; nil means DefaultSchedule.
	Schedule func(registration.Server) keys.Schedule
	// Now tells the time; nil means time.Now. Timers run on the real clock.
	Now func() time.Time
	// Random is what keys are made of; nil means crypto/rand.
	Random io.Reader
	// Log is nil for slog.Default().
	Log *slog.Logger
	// Registerer is nil where nobody collects metrics.
	Registerer prometheus.Registerer
}

func (c Config) withDefaults() Config {
	if c.Schedule == nil {
		c.Schedule = DefaultSchedule
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Client == nil:
		return errors.New("kube: Client is missing")
	case c.Namespace == "":
		return errors.New("kube: Namespace is empty")
	case c.Replica == "":
		return errors.New("kube: Replica is empty")
	case c.Registry == nil:
		return errors.New("kube: Registry is missing")
	case c.NewProvider == nil:
		return errors.New("kube: NewProvider is missing")
	}
	return nil
}

// Watcher is one replica's view of the system namespace.
type Watcher struct {
	store   *store
	member  *member
	rotator *rotator
	ready   atomic.Bool
}

// New returns a Watcher that has not read anything yet.
func New(c Config) (*Watcher, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	m := newMetrics()
	s := newStore(c, m)
	w := &Watcher{store: s, member: newMember(c, s, m), rotator: newRotator(c, s, m)}
	m.observe(w, c.Now)
	if c.Registerer != nil {
		if err := c.Registerer.Register(m); err != nil {
			return nil, fmt.Errorf("kube: Registerer: %w", err)
		}
	}
	return w, nil
}

// Run follows the system namespace until ctx ends. Before it returns it deletes
// this replica's Lease, so that the manager does not wait for it to lapse; an
// error says that it could not.
func (w *Watcher) Run(ctx context.Context) error {
	var rotation, reporting sync.WaitGroup
	rotation.Go(func() { w.rotator.run(ctx) })
	reporting.Go(func() { w.member.reporter.run(ctx) })
	w.member.run(ctx)
	// The last report comes before the Lease goes: then nobody waits for one.
	reporting.Wait()
	err := w.member.leave(context.WithoutCancel(ctx))
	rotation.Wait()
	return err
}

// Used notes that a client has just authenticated with the secret whose
// registration.Digest has that ID, to be reported to the manager. It does no I/O.
func (w *Watcher) Used(id string) { w.member.reporter.usage.Used(id) }

// Ready says what this replica still lacks before it can serve: everything must
// have been loaded, and caught up with what was true when it joined the others,
// and every issuer must have keys. Once that was so, Ready stays nil: whatever is
// loaded can be served, API server or not, and one issuer that lacks keys must not
// take the others down with it.
func (w *Watcher) Ready() error {
	if w.ready.Load() {
		return nil
	}
	loaded, keyless := w.store.complete()
	switch {
	case !loaded:
		return errors.New("the registrations have not been loaded yet")
	case len(keyless) > 0:
		return fmt.Errorf("no keys yet for the issuer of AuthorizationServer %s", strings.Join(keyless, ", "))
	case !w.member.tenure.served():
		return errors.New("this replica's Lease has not been written yet, or not been caught up with")
	}
	w.ready.Store(true)
	return nil
}

// Current reports whether a client or secret that the registry does not know can
// be refused for good. See tenure for why.
func (w *Watcher) Current() bool { return w.member.tenure.current() }
