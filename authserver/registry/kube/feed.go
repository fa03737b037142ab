// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
)

// feed is how one reflector fills the store. After the store has begun the next
// feed, whatever comes through this one is ignored: a reflector that is told to
// stop may deliver a little longer.
//
// No method fails. A reflector would log the object that it could not store, and
// go on as if it had.
type feed struct {
	store *store
	epoch uint64
}

var (
	_ cache.TransformingStore      = feed{}
	_ cache.ResourceVersionUpdater = feed{}
)

// begin returns the feed that may write from now on. Everything that was applied
// stays, and counts as applied.
func (s *store) begin() feed {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	s.synced = false
	return feed{store: s, epoch: s.epoch}
}

// write runs f if this feed may write.
func (f feed) write(apply func(s *store)) {
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	if f.store.epoch == f.epoch {
		f.store.heard = f.store.now()
		apply(f.store)
	}
}

// Add applies a Secret. What is acknowledged follows in UpdateResourceVersion: the
// first items of a watch may be older than what is still to come.
func (f feed) Add(obj any) error {
	if o, ok := obj.(*corev1.Secret); ok {
		f.write(func(s *store) { s.put(o) })
	}
	return nil
}

// Update applies a Secret.
func (f feed) Update(obj any) error { return f.Add(obj) }

// Delete removes a Secret.
func (f feed) Delete(obj any) error {
	if o, ok := obj.(*corev1.Secret); ok {
		f.write(func(s *store) {
			if e := s.secrets[o.Name]; e != nil {
				s.drop(e)
			}
		})
	}
	return nil
}

// Replace applies a complete list.
func (f feed) Replace(items []any, version string) error {
	f.write(func(s *store) { s.replace(items, version) })
	return nil
}

// Resync does nothing: the registry cannot have drifted from the store.
func (f feed) Resync() error { return nil }

// UpdateResourceVersion is called after each event and bookmark, once events come
// in the order of their resourceVersions.
func (f feed) UpdateResourceVersion(version string) {
	f.write(func(s *store) { s.advanceTo(version) })
}

// Transformer drops, from what a reflector collects before Replace, the contents
// of Secrets that are not ours.
func (f feed) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) {
		o, ok := obj.(*corev1.Secret)
		if !ok {
			return obj, nil
		}
		slim := *o
		slim.ManagedFields = nil
		if kindOf(o) == "" {
			slim.Data, slim.Annotations = nil, nil
		}
		return &slim, nil
	}
}
