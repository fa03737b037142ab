// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package codeflow

import (
	"fmt"
	"log/slog"
	"time"

	"k8s.io/client-go/rest"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/kube"
	"github.com/clientele-dev/clientele/authserver/store/memory"
	"github.com/clientele-dev/clientele/authserver/store/postgres"
)

// The stores, as authserver's --store names them.
const (
	Memory     = "memory"
	Kubernetes = "kubernetes"
	Postgres   = "postgres"
)

// patience is how long a store may take: on a machine that is busy with something else
// it takes long, and that should be measured.
const patience = 20 * time.Second

// StoreSpec says where grants are kept, in a form that goes to another process.
type StoreSpec struct {
	// Kind is one of the stores.
	Kind string
	// Of Kubernetes: an administrator's way to the API server, and the namespace.
	Host, Namespace string
	CA, Cert, Key   []byte
	// Of PostgreSQL: the database.
	URI string
}

// OnKubernetes is the store in a namespace.
func OnKubernetes(config *rest.Config, namespace string) StoreSpec {
	return StoreSpec{
		Kind: Kubernetes, Namespace: namespace,
		Host: config.Host, CA: config.CAData, Cert: config.CertData, Key: config.KeyData,
	}
}

// REST is the way to the API server.
func (s StoreSpec) REST() *rest.Config {
	return &rest.Config{
		Host: s.Host, TLSClientConfig: rest.TLSClientConfig{CAData: s.CA, CertData: s.Cert, KeyData: s.Key}, QPS: -1,
	}
}

// Open opens the store as it is, and Close ends it.
func (s StoreSpec) Open() (opened store.Store, end func(), err error) {
	end = func() {}
	switch s.Kind {
	case Memory:
		opened = memory.New(nil)
	case Kubernetes:
		opened, err = kube.New(kube.Config{REST: s.REST(), Namespace: s.Namespace, Timeout: patience})
	case Postgres:
		p, perr := postgres.Open(postgres.Config{
			URI: func() (string, error) { return s.URI, nil }, Log: slog.New(slog.DiscardHandler),
		})
		if perr != nil {
			return nil, nil, perr
		}
		opened, end = p, p.Close
	default:
		err = fmt.Errorf("there is no store %q", s.Kind)
	}
	return opened, end, err
}
