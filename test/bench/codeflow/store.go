// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package codeflow

import (
	"fmt"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/memory"
)

// The stores, as authserver's --store names them.
const (
	Memory     = "memory"
	Kubernetes = "kubernetes"
	Postgres   = "postgres"
)

// StoreSpec says where grants are kept, in a form that goes to another process.
type StoreSpec struct {
	// Kind is one of the stores.
	Kind string
}

// Open opens the store.
func (s StoreSpec) Open() (store.Store, error) {
	switch s.Kind {
	case Memory:
		return memory.New(nil), nil
	default:
		return nil, fmt.Errorf("there is no store %q", s.Kind)
	}
}
