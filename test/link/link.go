// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package link is a client's connection to the API server, with what can happen to
// one: it breaks, its watches lag, and it delivers a request when nobody expects it
// any more.
package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// errCut is what every request ends with while a link is cut.
var errCut = errors.New("the link is cut")

// Link carries the requests of all clients that are made of what Through returns.
type Link struct {
	mu   sync.Mutex
	up   context.Context // ends with the link
	down context.CancelFunc
	lag  func() time.Duration
	fits func(*http.Request) bool
	held chan *Held
}

// New returns a link that is well.
func New() *Link {
	l := &Link{}
	l.Mend()
	return l
}

// Through returns a copy of config whose requests go over l.
func (l *Link) Through(config *rest.Config) *rest.Config {
	c := rest.CopyConfig(config)
	c.Wrap(func(next http.RoundTripper) http.RoundTripper { return carrier{l, next} })
	return c
}

// Cut ends every request and watch, and makes all others fail until Mend. What was
// on its way may have arrived: only its answer is lost for certain.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down()
}

// Mend makes requests work again.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up == nil || l.up.Err() != nil {
		l.up, l.down = context.WithCancel(context.Background())
	}
}

// Lag makes watches that begin from now on bring whatever they bring so much later.
func (l *Link) Lag(by func() time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lag = by
}

// Hold stops the next request that fits on its way. It is sent on the channel; who
// made it hears nothing of it until it loses its patience or the link is cut.
func (l *Link) Hold(fits func(*http.Request) bool) <-chan *Held {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fits, l.held = fits, make(chan *Held, 1)
	return l.held
}

// state is what a link does to one request.
type state struct {
	up   context.Context
	held chan<- *Held         // where to send it, if it is to be held
	lag  func() time.Duration // nil for none
}

func (l *Link) state(r *http.Request) state {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := state{up: l.up}
	if l.fits != nil && l.up.Err() == nil && l.fits(r) {
		s.held, l.fits = l.held, nil
	}
	if r.URL.Query().Has("watch") {
		s.lag = l.lag
	}
	return s
}

// Held is a request that has not arrived yet.
type Held struct {
	request *http.Request
	body    []byte
	next    http.RoundTripper
}

// Deliver lets it arrive, and returns the status of the answer.
func (h *Held) Deliver(ctx context.Context) (int, error) {
	r := h.request.Clone(ctx)
	r.Body = io.NopCloser(bytes.NewReader(h.body))
	resp, err := h.next.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// carrier is one client's end of a link.
type carrier struct {
	link *Link
	next http.RoundTripper
}

// RoundTrip sends a request over the link.
func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	s := c.link.state(r)
	if s.held != nil {
		return nil, c.hold(r, s)
	}
	if s.up.Err() != nil {
		return nil, errors.Join(errCut, discard(r))
	}
	ctx, cancel := context.WithCancel(r.Context())
	forget := context.AfterFunc(s.up, cancel)
	end := func() {
		forget()
		cancel()
	}
	resp, err := c.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		end()
		return nil, err
	}
	resp.Body = &body{resp.Body, ctx, s.lag, end}
	return resp, nil
}

func (c carrier) hold(r *http.Request, s state) error {
	h := &Held{request: r, next: c.next}
	if r.Body != nil {
		var err error
		if h.body, err = io.ReadAll(r.Body); err != nil {
			return err
		}
	}
	s.held <- h
	select {
	case <-r.Context().Done():
	case <-s.up.Done():
	}
	return errors.Join(errCut, discard(r))
}

// discard closes a request's body, as a RoundTripper must.
func discard(r *http.Request) error {
	if r.Body == nil {
		return nil
	}
	return r.Body.Close()
}

// body is an answer's, which is cut with the link.
type body struct {
	io.ReadCloser

	open context.Context
	lag  func() time.Duration
	end  func()
}

// Read brings what the API server has sent, if need be later.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.lag != nil {
		timer := time.NewTimer(b.lag())
		defer timer.Stop()
		select {
		case <-b.open.Done():
		case <-timer.C:
		}
	}
	return n, err
}

// Close ends the request.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}
