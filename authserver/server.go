// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package authserver is Clientele's authorization server over HTTP: the
// authorization code flow of OAuth 2.0 and OpenID Connect for every issuer in a
// registry. A handler gathers facts, asks pure code what follows, and acts.
//
// It stores nothing for a person who has not signed in: a request travels sealed.
// It redirects only to what registry.Client.Redirect has compared. It derives
// every URL and cookie from the issuer's own URL, never from the request's. It
// reads time, ids and keys only from what it was given.
package authserver

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clientele-dev/clientele/authserver/backchannel"
	"github.com/clientele-dev/clientele/authserver/clientkeys"
	"github.com/clientele-dev/clientele/authserver/outbound"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/store"
)

const (
	// maxBody and maxQuery bound, in bytes, what is read of a request.
	maxBody  = 64 << 10
	maxQuery = 16 << 10

	// retryAfter is what somebody is told to wait when only time can help.
	retryAfter = 5 * time.Second

	// rememberedMost is how many sessions, and how many consents, are remembered at most:
	// some megabytes.
	rememberedMost = 10_000
)

// Config is what a Server works with.
type Config struct {
	// Registry knows the issuers and the clients.
	Registry *registry.Registry
	// Store keeps sessions, grants and consents.
	Store store.Store
	// SessionCache is for how long the store is not asked again about a session, or
	// about a consent that covers what is asked for: so much later, at most, does it
	// show here that a session was ended elsewhere. 0 asks each time.
	SessionCache time.Duration
	// MaxRequests is how many requests for pages, and how many of clients, are worked
	// on at a time; 0 means 1000.
	MaxRequests int
	// Log gets one record per request.
	Log *slog.Logger
	// Registerer takes the metrics; nil means that nobody reads them.
	Registerer prometheus.Registerer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Used is told the ID of the registration.Digest of every client secret that
	// somebody has proved to know. It must be quick; nil means that nobody asks.
	Used func(id string)
	// Outbound asks hosts that app teams have named; nil means outbound.New, which
	// reaches the public internet alone.
	Outbound *http.Client
	// NewID makes names, of letters and digits, that nobody can guess; nil means
	// crypto/rand.Text.
	NewID func() string
}

// Server serves every issuer of its registry. Health and metrics are not among
// its endpoints: they belong on a listener that the public does not reach.
type Server struct {
	registry *registry.Registry
	store    store.Store
	sessions *recent[sessionKey, store.Session]
	// void are sign-ins of which the store has said that they are not the session's.
	void     *recent[signInKey, struct{}]
	consents *recent[consentKey, store.Consent]
	log      *slog.Logger
	metrics  *metrics
	notifier *backchannel.Notifier
	pages    *room
	clients  *room
	now      func() time.Time
	newID    func() string
	used     func(id string)
	slow     *registry.Verifier
	keys     *clientkeys.Cache
	routes   routes
	metadata metadataCache
	csrf     *http.CrossOriginProtection
}

// New returns a Server over c.
func New(c Config) (*Server, error) {
	switch {
	case c.Registry == nil:
		return nil, errors.New("authserver: Config.Registry is nil")
	case c.Store == nil:
		return nil, errors.New("authserver: Config.Store is nil")
	case c.Log == nil:
		return nil, errors.New("authserver: Config.Log is nil")
	case c.MaxRequests < 0:
		return nil, errors.New("authserver: Config.MaxRequests is negative")
	}
	if c.MaxRequests == 0 {
		c.MaxRequests = 1000
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = rand.Text
	}
	if c.Outbound == nil {
		c.Outbound = outbound.New(outbound.Config{})
	}
	m, err := newMetrics(c.Registerer)
	if err != nil {
		return nil, err
	}
	fetched, err := clientkeys.New(clientkeys.Config{Client: c.Outbound, Now: c.Now, Log: c.Log, Registerer: c.Registerer})
	if err != nil {
		return nil, err
	}
	notifier, err := backchannel.New(backchannel.Config{Client: c.Outbound, Log: c.Log, Registerer: c.Registerer})
	if err != nil {
		return nil, err
	}
	s := &Server{
		registry: c.Registry, notifier: notifier, store: c.Store,
		sessions: newRecent[sessionKey, store.Session](c.SessionCache, rememberedMost),
		void:     newRecent[signInKey, struct{}](c.SessionCache, rememberedMost),
		consents: newRecent[consentKey, store.Consent](c.SessionCache, rememberedMost),
		log:      c.Log, metrics: m, now: c.Now, newID: c.NewID,
		pages: newRoom(c.MaxRequests, m, "pages"), clients: newRoom(c.MaxRequests, m, "clients"),
		used: c.Used, slow: registry.NewVerifier(nil), keys: fetched, csrf: http.NewCrossOriginProtection(),
	}
	s.routes = s.table()
	return s, nil
}

// Drain finishes what goes on in the background, for as long as ctx lasts. It is for when
// no request will come any more.
func (s *Server) Drain(ctx context.Context) { s.notifier.Drain(ctx) }

// ServeHTTP finds the issuer and the endpoint that a request is for.
func (s *Server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	r := &request{Request: hr, id: s.newID(), now: s.now(), route: "other"}
	rw := &response{ResponseWriter: w}
	rw.Header().Set("X-Request-Id", r.id)
	// The bare ResponseWriter, so that net/http learns that it must not read on.
	hr.Body = http.MaxBytesReader(w, hr.Body, maxBody)
	s.dispatch(rw, r)
	s.finish(rw, r)
}

func (s *Server) dispatch(w *response, r *request) {
	issuer, rest, ok := s.registry.Route(r.Host, r.URL.Path)
	if !ok {
		s.browser(w, r, s.noIssuer)
		return
	}
	r.issuer = issuer
	at, ok := s.routes[rest]
	if !ok {
		s.browser(w, r, s.notFound)
		return
	}
	e, ok := at[r.method()]
	if !ok {
		e = at.other()
		e.handle = at.methodNotAllowed
	} else {
		r.route = r.method() + " " + rest
	}
	e.surface(w, r, e.handle)
}
