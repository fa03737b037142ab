// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/rest"

	"github.com/clientele-dev/clientele/authserver/store"
)

const (
	// defaultTimeout is for one request: the API server answers in a few milliseconds,
	// and one that needs seconds is better left alone.
	defaultTimeout = 3 * time.Second
	// maxTimeout keeps requests well within store.Late.
	maxTimeout = 20 * time.Second
)

// Config is what a Store needs.
type Config struct {
	// REST is the way to the API server. Its rate limit is not used: what is shed is
	// decided in front of a store, and the API server's own fairness behind it.
	REST *rest.Config
	// Namespace is where the objects are: the system namespace.
	Namespace string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Timeout is how long one request may take, here and in the API server; 0 means three
	// seconds. A verb needs two of them at the most, but for Allow, which is allowed
	// three times as long in all.
	Timeout time.Duration
}

// Store implements store.Store and store.Sweeper. Make one with New.
type Store struct {
	api      *client
	now      func() time.Time
	allowing *queues
}

var _ store.Sweeper = (*Store)(nil)

// New returns a Store. The API server need not be there.
func New(c Config) (*Store, error) {
	if c.REST == nil || c.Namespace == "" {
		return nil, errors.New("kube store: REST and Namespace are needed")
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Timeout < 0 || c.Timeout > maxTimeout {
		return nil, fmt.Errorf("kube store: Timeout is %v, and may be no more than %v", c.Timeout, maxTimeout)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	api, err := newClient(c)
	if err != nil {
		return nil, fmt.Errorf("kube store: %w", err)
	}
	return &Store{api: api, now: c.Now, allowing: newQueues()}, nil
}
