// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package link is a client's connection to the API server, with what can happen to
// one: it breaks, and it delivers a request when nobody expects it any more.
package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"k8s.io/client-go/rest"
)

// errCut is what every request ends with while a link is cut.
var errCut = errors.New("the link is cut")

// Link carries the requests of all clients that are made of what Through returns.
type Link struct {
	mu   sync.Mutex
	up   context.Context // ends with the link
	down context.CancelFunc
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

// Hold stops the next request that fits on its way. It is sent on the channel; who
// made it hears nothing of it until it loses its patience or the link is cut.
func (l *Link) Hold(fits func(*http.Request) bool) <-chan *Held {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fits, l.held = fits, make(chan *Held, 1)
	return l.held
}

// state is the link as it is now, and where to send r if it is to be held.
func (l *Link) state(r *http.Request) (up context.Context, held chan<- *Held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fits != nil && l.up.Err() == nil && l.fits(r) {
		held, l.fits = l.held, nil
	}
	return l.up, held
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
	up, held := c.link.state(r)
	if held != nil {
		return nil, c.hold(r, up, held)
	}
	if up.Err() != nil {
		return nil, errors.Join(errCut, discard(r))
	}
	ctx, cancel := context.WithCancel(r.Context())
	forget := context.AfterFunc(up, cancel)
	end := func() {
		forget()
		cancel()
	}
	resp, err := c.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		end()
		return nil, err
	}
	resp.Body = &body{resp.Body, end}
	return resp, nil
}

func (c carrier) hold(r *http.Request, up context.Context, to chan<- *Held) error {
	h := &Held{request: r, next: c.next}
	if r.Body != nil {
		var err error
		if h.body, err = io.ReadAll(r.Body); err != nil {
			return err
		}
	}
	to <- h
	select {
	case <-r.Context().Done():
	case <-up.Done():
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

	end func()
}

// Close ends the request.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}
