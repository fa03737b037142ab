// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/clientele-dev/clientele/authserver"
	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/identity/users"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/registry/kube"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/userfile"
	"github.com/clientele-dev/clientele/test/link"
)

// mostLag is how far a replica may be behind the API server.
const mostLag = 400 * time.Millisecond

// replica is one running authserver, with a watcher and a Lease of its own.
type replica struct {
	name   string
	link   *link.Link
	server *httptest.Server
	leave  func() error
}

// startReplica starts one and sends it requests once it is ready.
func (w *world) startReplica() {
	w.t.Helper()
	w.born++
	r := &replica{name: fmt.Sprintf("replica-%d", w.born), link: link.New()}
	// Where everything is in one process, watches are too fast to show a mistake.
	r.link.Lag(func() time.Duration { return rand.N(mostLag) })
	kubeClient, err := kubernetes.NewForConfig(r.link.Through(w.config))
	if err != nil {
		w.t.Fatal(err)
	}
	var watcher *kube.Watcher
	known := registry.New(func() bool { return watcher.Current() })
	quiet := slog.New(slog.DiscardHandler)
	watcher, err = kube.New(kube.Config{
		Client: kubeClient, Namespace: systemNamespace, Replica: r.name, Registry: known,
		NewProvider: newUsers, Now: w.clock.Now, Log: quiet,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	handler, err := authserver.New(authserver.Config{Registry: known, Store: w.store, Log: quiet})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- watcher.Run(ctx) }()
	r.server = httptest.NewServer(handler)
	r.leave = sync.OnceValue(func() error {
		r.server.Close() // once it has answered
		cancel()
		return <-ended
	})
	w.t.Cleanup(func() { _ = r.leave() }) // its Lease does not matter any more
	w.await(watcher.Ready)
	w.replicas = append(w.replicas, r)
	w.balancer.set(w.replicas)
}

// stopReplica stops one as a rolling update does: it gets no more requests, answers
// those that it has, and leaves.
func (w *world) stopReplica(r *replica) {
	w.t.Helper()
	w.replicas = slices.DeleteFunc(slices.Clone(w.replicas), func(other *replica) bool { return other == r })
	w.balancer.set(w.replicas)
	if err := r.leave(); err != nil {
		w.t.Errorf("%s leaves: %v", r.name, err)
	}
}

func newUsers(data []byte) (identity.Provider, error) {
	list, err := userfile.Parse(data)
	if err != nil {
		return nil, err
	}
	return users.New(list, users.Options{})
}

// answers checks how the replica answers a client that authenticates with secret and
// brings a code that does not exist.
func (r *replica) answers(ctx context.Context, a *app, secret credential.Secret, want string) error {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {"none"}, "redirect_uri": {a.redirectURI()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.server.URL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Host = issuerHost
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(a.clientID(), secret.Reveal())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var said struct {
		Error string `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		return err
	}
	if said.Error != want {
		return fmt.Errorf("%s answers %s with %s, want %s", r.name, resp.Status, said.Error, want)
	}
	return nil
}

// balancer stands before the replicas, and sends each request to any of them. It ends
// TLS, as an ingress does.
type balancer struct {
	transport http.Transport

	mu       sync.RWMutex
	backends []string
}

func newBalancer() *balancer {
	return &balancer{transport: http.Transport{MaxIdleConnsPerHost: 8}}
}

// set says which replicas there are, and returns when no request is on its way to
// another one.
func (b *balancer) set(to []*replica) {
	backends := make([]string, len(to))
	for i, r := range to {
		backends[i] = strings.TrimPrefix(r.server.URL, "http://")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backends = backends
}

// RoundTrip forwards requests for the issuer. Any other host is an app's, whose
// callback says nothing: what matters is that the browser got there.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != issuerHost {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := r.Clone(r.Context())
	out.Host, out.URL.Scheme, out.URL.Host = issuerHost, "http", b.backends[rand.IntN(len(b.backends))]
	resp, err := b.transport.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	resp.Request = r
	return resp, nil
}
