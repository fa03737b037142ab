// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

// recordUsers is the kind of a Secret that lists users. Unlike the other kinds it
// is no label: a person wrote the Secret.
const recordUsers = "users"

// store applies the Secrets of the system namespace to the registry and remembers
// of each only what it takes to undo that. A feed fills it.
type store struct {
	registry    *registry.Registry
	newProvider func([]byte) (identity.Provider, error)
	now         func() time.Time
	log         *slog.Logger
	metrics     *metrics

	// changed and keysChanged have room for one signal each: that a record of the
	// manager's was applied, and that an issuer or its keys were.
	changed, keysChanged chan struct{}

	mu      sync.Mutex
	epoch   uint64 // of the feed that may write
	synced  bool   // that feed has delivered everything once
	heard   time.Time
	loaded  string // everything up to this resourceVersion has been applied
	changes uint64 // how often that included a record of the manager's
	touched bool   // one has been applied since loaded advanced
	advance chan struct{}

	secrets map[string]*secret
	// unloaded are the manager's records that could not be applied as they are.
	unloaded  map[string]bool
	claimants map[claim][]*secret
	servers   map[string]*server
	users     map[string]*users
}

// secret is what is kept of a Secret of ours.
type secret struct {
	name, kind string
	version    string // its resourceVersion
	created    int64  // Unix time
	// claim and client are a registration's. client is nil until it was valid once.
	claim  claim
	client *registry.Client
}

func newStore(c Config, m *metrics) *store {
	return &store{
		registry: c.Registry, newProvider: c.NewProvider, now: c.Now, log: c.Log, metrics: m,
		changed: make(chan struct{}, 1), keysChanged: make(chan struct{}, 1), advance: make(chan struct{}),
		secrets: map[string]*secret{}, unloaded: map[string]bool{}, claimants: map[claim][]*secret{},
		servers: map[string]*server{}, users: map[string]*users{},
	}
}

// kindOf tells what a Secret is to us; "" is nothing.
func kindOf(o *corev1.Secret) string {
	label, labelled := o.Labels[registration.LabelRecord]
	for _, kind := range []string{registration.RecordClient, registration.RecordServer, registration.RecordKeys} {
		if label == kind {
			return kind // the constant: the label would keep memory of its own
		}
	}
	if _, lists := o.Data[registration.KeyUsers]; lists && !labelled {
		return recordUsers
	}
	return ""
}

// put applies a Secret as it is now.
func (s *store) put(o *corev1.Secret) {
	e := s.secrets[o.Name]
	if e != nil && e.version == o.ResourceVersion && e.version != "" {
		return // listed again, as it was
	}
	kind := kindOf(o)
	if e != nil && e.kind != kind {
		s.drop(e)
		e = nil
	}
	if kind == "" {
		return
	}
	if e == nil {
		e = &secret{name: o.Name, kind: kind, created: o.CreationTimestamp.Unix()}
		s.secrets[e.name] = e
	}
	e.version = o.ResourceVersion
	s.touch(e)
	if err := s.apply(e, o); err != nil {
		s.refuse(e.kind, e.name, err)
		if e.awaited() {
			s.unloaded[e.name] = true
		}
		return
	}
	delete(s.unloaded, e.name)
}

func (s *store) apply(e *secret, o *corev1.Secret) error {
	switch e.kind {
	case registration.RecordClient:
		return s.putClient(e, o)
	case registration.RecordServer:
		return s.putServer(e, o.Data[registration.KeyServer])
	case registration.RecordKeys:
		return s.putKeys(e, o)
	}
	return s.putUsers(e.name, bytes.Clone(o.Data[registration.KeyUsers]))
}

// touch notes that the manager's own records changed.
func (s *store) touch(e *secret) { s.touched = s.touched || e.awaited() }

// awaited reports whether e is a record of the manager's: it waits for those to be
// acknowledged. Nobody waits for keys and users.
func (e *secret) awaited() bool {
	return e.kind == registration.RecordClient || e.kind == registration.RecordServer
}

// drop undoes what put did.
func (s *store) drop(e *secret) {
	delete(s.secrets, e.name)
	delete(s.unloaded, e.name)
	s.touch(e)
	switch e.kind {
	case registration.RecordClient:
		s.dropClient(e)
	case registration.RecordServer:
		s.dropServer(e)
	case registration.RecordKeys:
		s.dropKeys(e)
	default:
		s.dropUsers(e.name)
	}
}

// refuse leaves a malformed record's last good state in place. The manager
// validates what it writes, so this is a version it is ahead by, or a person.
func (s *store) refuse(kind, name string, err error) {
	s.metrics.malformed.WithLabelValues(kind).Inc()
	s.log.Warn("Refusing a malformed record and keeping its last good state, if any",
		"secret", name, "kind", kind, "err", err)
}

// replace applies a complete list, in whatever order it comes. What is new is
// applied before what is absent is removed: a client that is in both under
// different Secrets is never missing in between.
func (s *store) replace(items []any, version string) {
	listed := make(map[string]bool, len(items))
	for _, item := range items {
		if o, ok := item.(*corev1.Secret); ok {
			listed[o.Name] = true
			s.put(o)
		}
	}
	for name, e := range s.secrets {
		if !listed[name] {
			s.drop(e)
		}
	}
	s.synced = true
	s.advanceTo(version)
}

// advanceTo says that everything up to version has been applied. A version below
// the last one is believed, too: it is what a restored etcd has.
func (s *store) advanceTo(version string) {
	s.loaded = version
	if s.touched {
		s.touched = false
		s.changes++
		nudge(s.changed)
	}
	close(s.advance)
	s.advance = make(chan struct{})
}

// applied returns the resourceVersion up to which everything has been applied, with
// the records that could not be, and how often there was a record of the manager's.
func (s *store) applied() (a announcement, changes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return announcement{loaded: s.loaded, unloaded: registration.NewUnloaded(s.unloaded)}, s.changes
}

// reach waits until everything up to version has been applied.
func (s *store) reach(ctx context.Context, version string) error {
	for {
		s.mu.Lock()
		reached, loaded, advance := s.synced && atLeast(s.loaded, version), s.loaded, s.advance
		s.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the watch is at resourceVersion %q and has not reached %q: %w", loaded, version, context.Cause(ctx))
		case <-advance:
		}
	}
}

// complete reports whether everything has been loaded once, and which servers have
// no keys.
func (s *store) complete() (loaded bool, keyless []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, v := range s.servers {
		if v.record != nil && (v.issuer == nil || !v.issuer.Ready()) {
			keyless = append(keyless, name)
		}
	}
	slices.Sort(keyless)
	return s.loaded != "", keyless
}

// atLeast compares resourceVersions; one that is not a number is behind all others.
func atLeast(version, target string) bool {
	order, err := resourceversion.CompareResourceVersion(version, target)
	return err == nil && order >= 0
}

// nudge signals without waiting; a signal that is still there is enough.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
