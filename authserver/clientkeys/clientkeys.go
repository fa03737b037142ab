// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package clientkeys fetches the public keys of clients from their jwks_uri, and keeps
// them. It decides how often a host is asked: whoever knows a client_id can make it want
// keys, and must not be able to make it ask a host again and again, or many at a time.
//
// It asks for registered URIs alone, which is its caller's to see to, and by the client
// that it was given, which decides where requests may go.
package clientkeys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clientele-dev/clientele/authserver/outbound"
	"github.com/clientele-dev/clientele/internal/registration"
)

const (
	// minAge and maxAge bound for how long fetched keys are fresh, whatever the response
	// says.
	minAge = 5 * time.Minute
	maxAge = 24 * time.Hour
	// staleFor is for how long keys that are no longer fresh serve while no others can be
	// fetched.
	staleFor = 24 * time.Hour
	// pause is how long a host is left alone after it was asked while there are keys of
	// it, and pauseWithout while there are none since it has failed.
	pause        = time.Minute
	pauseWithout = 10 * time.Second

	// maxURIs is how many sets are kept, and maxFetches how many hosts are asked at a
	// time.
	maxURIs    = 10_000
	maxFetches = 32
)

// ErrUnavailable means that there are no keys to go by now, and may be later.
var ErrUnavailable = errors.New("the client's keys cannot be fetched")

// Config is what a Cache works with. Every field but Registerer is needed.
type Config struct {
	Client *http.Client
	Now    func() time.Time
	Log    *slog.Logger
	// Registerer takes the metrics; nil means that nobody reads them.
	Registerer prometheus.Registerer
}

// Cache keeps the keys of clients, by URI. Make one with New.
type Cache struct {
	client  *http.Client
	now     func() time.Time
	log     *slog.Logger
	fetches *prometheus.CounterVec
	turns   chan struct{}

	mu  sync.Mutex
	all map[string]*entry
}

// entry is what is known of one URI.
type entry struct {
	keys []registration.PublicKey
	// fetched is whether there are keys, which may be none at all, and freshUntil for how
	// long they are fresh.
	fetched    bool
	freshUntil time.Time
	// restUntil is when the host may be asked again.
	restUntil time.Time
	// flight is closed once the host that is being asked has answered; nil while none is.
	flight chan struct{}
}

// New returns an empty Cache.
func New(c Config) (*Cache, error) {
	o := &Cache{
		client: c.Client, now: c.Now, log: c.Log, turns: make(chan struct{}, maxFetches), all: map[string]*entry{},
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clientele_client_key_fetches_total",
			Help: "Requests for the keys of clients at their jwksURI, by result.",
		}, []string{"result"}),
	}
	for _, result := range results {
		o.fetches.WithLabelValues(result)
	}
	if c.Registerer != nil {
		if err := c.Registerer.Register(o.fetches); err != nil {
			return nil, fmt.Errorf("register the metrics of clients' keys: %w", err)
		}
	}
	return o, nil
}

// Keys returns the keys at uri, if they are enough: where those that are kept are not,
// since the client may have another key by now, they are fetched anew, unless the host
// was asked only just now. So what is returned may be not enough. The error is
// ErrUnavailable, or that of a context that ended.
func (c *Cache) Keys(ctx context.Context, uri string, enough func([]registration.PublicKey) bool) ([]registration.PublicKey, error) {
	for {
		keys, flight, err := c.look(ctx, uri, enough)
		if flight == nil {
			return keys, err
		}
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the client's keys: %w", ctx.Err())
		}
	}
}

// look returns the keys that are there, if they will do, or the flight that brings others.
func (c *Cache) look(ctx context.Context, uri string, enough func([]registration.PublicKey) bool) ([]registration.PublicKey, chan struct{}, error) {
	keys, known, fresh := c.kept(uri)
	// It verifies signatures, for which nobody else should wait.
	if known && fresh && enough(keys) {
		return keys, nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, now := c.entry(uri), c.now()
	switch {
	case e.flight != nil:
		return nil, e.flight, nil
	case now.Before(e.restUntil) && e.usable(now):
		return e.keys, nil, nil
	case now.Before(e.restUntil):
		return nil, nil, ErrUnavailable
	}
	select {
	case c.turns <- struct{}{}:
	default:
		c.fetches.WithLabelValues(resultBusy).Inc()
		if e.usable(now) {
			return e.keys, nil, nil
		}
		return nil, nil, fmt.Errorf("%w: too many hosts are being asked at once", ErrUnavailable)
	}
	e.flight = make(chan struct{})
	// Whoever asked first may go away; the others want the keys all the same.
	go c.fetch(context.WithoutCancel(ctx), uri, e)
	return nil, e.flight, nil
}

// kept is what is there of uri: whether there is anything, and whether it is fresh.
func (c *Cache) kept(uri string) (keys []registration.PublicKey, known, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.all[uri]
	if !ok || !e.fetched {
		return nil, false, false
	}
	return e.keys, true, c.now().Before(e.freshUntil)
}

// usable reports whether the entry has keys that may serve, fresh or not.
func (e *entry) usable(now time.Time) bool {
	return e.fetched && now.Before(e.freshUntil.Add(staleFor))
}

// entry is the one of uri, which is made if there is none.
func (c *Cache) entry(uri string) *entry {
	e, ok := c.all[uri]
	if !ok {
		c.makeRoom()
		e = &entry{}
		c.all[uri] = e
	}
	return e
}

// makeRoom forgets what is of no more use, or else what was fresh the longest time ago.
func (c *Cache) makeRoom() {
	if len(c.all) < maxURIs {
		return
	}
	var oldest string
	for uri, e := range c.all {
		switch {
		case e.flight != nil:
		case !e.usable(c.now()) && !c.now().Before(e.restUntil):
			delete(c.all, uri)
		case oldest == "" || e.freshUntil.Before(c.all[oldest].freshUntil):
			oldest = uri
		}
	}
	if len(c.all) >= maxURIs {
		delete(c.all, oldest)
	}
}

// fetch asks the host, and ends the flight.
func (c *Cache) fetch(ctx context.Context, uri string, e *entry) {
	keys, fresh, result, err := c.ask(ctx, uri)
	c.fetches.WithLabelValues(result).Inc()
	if err != nil {
		c.log.Warn("Fetching a client's keys failed", "uri", shown(uri), "result", result, "err", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if err == nil {
		e.keys, e.fetched, e.freshUntil = keys, true, now.Add(fresh)
	}
	e.restUntil = now.Add(pauseWithout)
	if e.usable(now) {
		e.restUntil = now.Add(pause)
	}
	close(e.flight)
	e.flight = nil
	<-c.turns
}

// What became of a fetch.
const (
	resultOK          = "ok"
	resultBusy        = "busy"
	resultRefused     = "refused"
	resultUnreachable = "unreachable"
	resultStatus      = "status"
	resultInvalid     = "invalid"
)

var results = []string{resultOK, resultBusy, resultRefused, resultUnreachable, resultStatus, resultInvalid}

// ask returns the keys, for how long they are fresh, and what became of it.
func (c *Cache) ask(ctx context.Context, uri string) (keys []registration.PublicKey, fresh time.Duration, result string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, 0, resultInvalid, errors.New("the URI cannot be parsed")
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := c.client.Do(r)
	if err != nil {
		if _, ok := errors.AsType[*outbound.RefusedError](err); ok {
			return nil, 0, resultRefused, outbound.Cause(err)
		}
		return nil, 0, resultUnreachable, outbound.Cause(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, 0, resultStatus, fmt.Errorf("the status is %d, and must be 200: redirects are not followed", resp.StatusCode)
	}
	body, err := outbound.Read(resp, registration.MaxJWKS)
	switch {
	case errors.Is(err, outbound.ErrTooLarge):
		return nil, 0, resultInvalid, err
	case err != nil:
		return nil, 0, resultUnreachable, err
	}
	if keys, err = registration.ParseFetchedKeys(body); err != nil {
		return nil, 0, resultInvalid, fmt.Errorf("the response %w", err)
	}
	return keys, freshness(resp.Header.Values("Cache-Control")), resultOK, nil
}

// freshness is what a response says by max-age (RFC 9111 section 5.2.2.1), within our
// bounds.
func freshness(cacheControl []string) time.Duration {
	for directive := range strings.SplitSeq(strings.Join(cacheControl, ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
			return min(max(time.Duration(seconds)*time.Second, minAge), maxAge)
		}
	}
	return minAge
}

// shown is a URI for the log, without what may be secret in it.
func shown(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
