// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"net/url"
	"slices"
	"strings"
	"sync"
)

// RunsAt reports whether the client is public and runs in pages of origin, an
// Origin header's value (RFC 6454 section 6.1): whether one of its redirect URIs is
// there. Such pages may read what the client is answered.
func (c *Client) RunsAt(origin string) bool { return slices.Contains(c.origins(), origin) }

// origins are those at which the client runs in pages, each once.
func (c *Client) origins() []string {
	if !c.record.Public {
		return nil
	}
	var out []string
	for _, uri := range c.record.RedirectURIs {
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" {
			continue
		}
		origin := strings.ToLower(u.Scheme + "://" + CanonicalHost(u.Host, u.Scheme == "https"))
		if !slices.Contains(out, origin) {
			out = append(out, origin)
		}
	}
	return out
}

// AnyRunsAt reports whether some client of an issuer runs in pages of origin. Such
// pages may read that a request failed, whoever it was of.
func (r *Registry) AnyRunsAt(issuer *Issuer, origin string) bool {
	n, ok := r.origins.Load(originKey{issuer.Name, origin})
	return ok && n.(int) > 0
}

type originKey struct{ issuer, origin string }

// origins counts, for each issuer and origin, the clients that run there.
type origins struct{ sync.Map }

// move takes what one client adds to the counts for what another one does. Either may
// be nil. Whoever took a client out of the registry moves it, once, so that the counts
// are right as soon as everybody is done, in whatever order they came.
func (o *origins) move(from, to *Client) {
	if to != nil {
		o.add(to, 1)
	}
	if from != nil {
		o.add(from, -1)
	}
}

func (o *origins) add(c *Client, change int) {
	for _, origin := range c.origins() {
		key := originKey{c.record.AuthorizationServer, origin}
		for !o.addTo(key, change) {
			continue // somebody else has just changed it
		}
	}
}

func (o *origins) addTo(key originKey, change int) bool {
	was, ok := o.Load(key)
	switch {
	case !ok:
		_, lost := o.LoadOrStore(key, change)
		return !lost
	case was.(int)+change == 0:
		return o.CompareAndDelete(key, was)
	}
	return o.CompareAndSwap(key, was, was.(int)+change)
}
