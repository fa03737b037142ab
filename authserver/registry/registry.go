// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registry is what the authserver knows of issuers and clients: immutable,
// already validated, in memory. A request never waits for the API server to learn
// who a client is. registry/kube fills it; nobody else writes to it.
package registry

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

// Registry answers which issuer a URL belongs to and which client a client_id
// names. The zero value is empty and ready. Readers never block.
type Registry struct {
	mu      sync.Mutex // of writers
	issuers atomic.Pointer[map[string]*Issuer]
	clients sync.Map // clientKey to *Client
	origins origins
	current func() bool
}

type clientKey struct{ issuer, clientID string }

// New returns an empty Registry. current says whether what the registry knows is
// provably up to date; nil means always.
func New(current func() bool) *Registry { return &Registry{current: current} }

// Current reports whether a client or secret that the registry does not know can
// be refused for good. Where it is false, a caller answers that it cannot tell.
func (r *Registry) Current() bool { return r.current == nil || r.current() }

// Client returns the client of a client_id at an issuer.
func (r *Registry) Client(issuer *Issuer, clientID string) (*Client, bool) {
	c, ok := r.clients.Load(clientKey{issuer.Name, clientID})
	if !ok {
		return nil, false
	}
	return c.(*Client), true
}

// TellsOfLogout reports whether any client of an issuer is told when people sign out.
func (r *Registry) TellsOfLogout(issuer string) bool {
	found := false
	r.clients.Range(func(k, c any) bool {
		found = k.(clientKey).issuer == issuer && c.(*Client).BackchannelLogoutURI() != ""
		return !found
	})
	return found
}

// SetClient adds c, or replaces the client of the same issuer and client_id.
func (r *Registry) SetClient(c *Client) {
	was, _ := r.clients.Swap(clientKey{c.record.AuthorizationServer, c.record.ClientID}, c)
	former, _ := was.(*Client)
	r.origins.move(former, c)
}

// DeleteClient forgets a client.
func (r *Registry) DeleteClient(issuer, clientID string) {
	was, _ := r.clients.LoadAndDelete(clientKey{issuer, clientID})
	former, _ := was.(*Client)
	r.origins.move(former, nil)
}

// Issuers returns all issuers by name. The caller must not change the map.
func (r *Registry) Issuers() map[string]*Issuer {
	if m := r.issuers.Load(); m != nil {
		return *m
	}
	return nil
}

// SetIssuer adds i, or replaces the issuer of the same name.
func (r *Registry) SetIssuer(i *Issuer) {
	r.change(func(m map[string]*Issuer) { m[i.Name] = i })
}

// DeleteIssuer forgets an issuer. Its clients stay, and nothing finds them.
func (r *Registry) DeleteIssuer(name string) {
	r.change(func(m map[string]*Issuer) { delete(m, name) })
}

func (r *Registry) change(f func(map[string]*Issuer)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := map[string]*Issuer{}
	maps.Copy(next, r.Issuers())
	f(next)
	r.issuers.Store(&next)
}

// wellKnown are the paths that RFC 8414 section 3.1 puts between the host and the
// issuer's path. OpenID Connect Discovery appends its own to the issuer; section 5
// of the RFC allows for both.
var wellKnown = []string{
	"/.well-known/oauth-authorization-server",
	"/.well-known/openid-configuration",
}

// Route returns the issuer that a request's Host header and path belong to, and the
// rest of the path below it. Where one issuer's path is the beginning of another's,
// the longer one is meant. A well-known path that stands before an issuer's whole
// path is returned as the rest, as if it stood behind it.
func (r *Registry) Route(host, path string) (*Issuer, string, bool) {
	for _, w := range wellKnown {
		if after, ok := strings.CutPrefix(path, w); ok && below("", after) {
			if i, rest, ok := r.longest(host, after); ok && rest == "" {
				return i, w, true
			}
			return nil, "", false
		}
	}
	return r.longest(host, path)
}

func (r *Registry) longest(host, path string) (*Issuer, string, bool) {
	var found *Issuer
	for _, i := range r.Issuers() {
		if i.Host == CanonicalHost(host, i.Secure) && below(i.Path, path) && (found == nil || i.before(found)) {
			found = i
		}
	}
	if found == nil {
		return nil, "", false
	}
	return found, path[len(found.Path):], true
}

// before reports whether i answers where other could, too. The manager does not
// accept two AuthorizationServers at one URL; should there be two all the same, the
// name decides, so that every replica gives the same answers.
func (i *Issuer) before(other *Issuer) bool {
	if len(i.Path) != len(other.Path) {
		return len(i.Path) > len(other.Path)
	}
	return i.Name < other.Name
}

func below(base, path string) bool {
	rest, ok := strings.CutPrefix(path, base)
	return ok && (rest == "" || rest[0] == '/')
}
