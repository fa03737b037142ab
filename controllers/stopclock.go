// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
)

// stopclock measures how long OAuthClients take to become Ready. It holds those
// that are not, and measures nothing that began before a restart of the manager.
type stopclock struct {
	mu    sync.Mutex
	began map[types.NamespacedName]beginning
}

type beginning struct {
	generation int64
	at         time.Time
}

func newStopclock() *stopclock {
	return &stopclock{began: map[types.NamespacedName]beginning{}}
}

// start notes that a client is new, or that its spec is.
func (c *stopclock) start(s *clientScope) {
	if s.before.ObservedGeneration == s.client.Generation {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.began[s.key()].generation == s.client.Generation {
		return
	}
	at := s.now
	if s.before.ObservedGeneration == 0 {
		at = s.client.CreationTimestamp.Time
	}
	c.began[s.key()] = beginning{s.client.Generation, at}
}

// stop observes the time since start, if there was one.
func (c *stopclock) stop(s *clientScope, seconds prometheus.Observer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, running := c.began[s.key()]; running && b.generation == s.client.Generation {
		seconds.Observe(max(s.now.Sub(b.at), 0).Seconds())
	}
	delete(c.began, s.key())
}

// forget ends a measurement without a result.
func (c *stopclock) forget(key types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.began, key)
}
