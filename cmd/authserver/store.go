// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/guard"
	"github.com/clientele-dev/clientele/authserver/store/memory"
)

// kept is where this replica keeps sessions, grants and consents.
type kept struct {
	// guarded is the store as requests see it.
	guarded store.Store
	// close is called once nothing uses the store any more.
	close func()
}

func openStore(o options, metrics prometheus.Registerer) (kept, error) {
	k := kept{close: func() {}}
	var inner store.Store
	switch o.store {
	case storeMemory:
		inner = memory.New(nil)
	default:
		return k, fmt.Errorf("--store=%s is not there yet", o.store)
	}
	var err error
	k.guarded, err = guard.New(inner, guard.Config{Registerer: metrics})
	return k, err
}
