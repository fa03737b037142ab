// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// errNobody is what a client's connection ends with while no replica is ready.
var errNobody = errors.New("no replica is ready")

// balancer stands before the replicas and sends each request to any of them that says
// that it is ready. It ends TLS, as an ingress does, keeps no connection, knows no
// stickiness, and tries nothing twice.
type balancer struct {
	transport http.Transport

	mu    sync.Mutex
	ready []*replica
}

func newBalancer() *balancer {
	return &balancer{transport: http.Transport{DisableKeepAlives: true}}
}

// lookEvery is how often a replica is asked whether it is ready.
const lookEvery = 50 * time.Millisecond

// watch asks a replica until it has ended.
func (b *balancer) watch(r *replica) {
	for {
		b.set(r, r.ready())
		select {
		case <-r.ended:
			b.set(r, false)
			return
		case <-time.After(lookEvery):
		}
	}
}

func (b *balancer) set(r *replica, ready bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in := slices.Contains(b.ready, r)
	switch {
	case ready && !in:
		b.ready = append(b.ready, r)
	case !ready && in:
		b.ready = slices.DeleteFunc(slices.Clone(b.ready), func(other *replica) bool { return other == r })
	}
}

func (b *balancer) has(r *replica) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.ready, r)
}

func (b *balancer) pick() (*replica, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ready) == 0 {
		return nil, errNobody
	}
	return b.ready[rand.IntN(len(b.ready))], nil
}

// RoundTrip forwards requests for the issuer. Any other host is an app's, whose pages
// say nothing: what matters is that the browser got there.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != issuerHost {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	to, err := b.pick()
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.Host, out.URL.Scheme, out.URL.Host = issuerHost, "http", to.http
	resp, err := b.transport.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	resp.Request = r
	return resp, nil
}

// asks is a client of replicas' own addresses.
var asks = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}

// ready reports whether the replica says so.
func (r *replica) ready() bool {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+r.ops+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := asks.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // the status says it all
	return resp.StatusCode == http.StatusOK
}
