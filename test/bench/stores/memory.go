// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/memory"
	"github.com/clientele-dev/clientele/test/bench/codeflow"
)

// bareMap is what the memory store is compared with.
type bareMap struct {
	mu     sync.Mutex
	grants map[string]store.Grant
}

func (m *bareMap) put(g store.Grant) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.grants[g.ID] = g
}

func (m *bareMap) advance(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.grants[id]
	g.Counter++
	m.grants[id] = g
}

func openMemory(context.Context) (*backend, error) {
	bare := &bareMap{}
	var ids []string
	b := &backend{
		spec:      codeflow.StoreSpec{Kind: codeflow.Memory},
		createdSo: "writes to a map with a mutex", updatedSo: "changes of its values",
		create: job{do: func(context.Context, int) error { bare.put(grant()); return nil }},
		update: job{
			prepare: func(_ context.Context, workers int) error {
				ids = make([]string, workers)
				for w := range ids {
					g := grant()
					ids[w] = g.ID
					bare.put(g)
				}
				return nil
			},
			do: func(_ context.Context, w int) error { bare.advance(ids[w]); return nil },
		},
		end: func() error { return nil },
	}
	b.fresh = func() { b.store, bare.grants = memory.New(nil), map[string]store.Grant{} }
	return b, nil
}
