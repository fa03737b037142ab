// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

var errCut = errors.New("connection reset (by the test)")

// wire is what is between a store and the API server. It notes what goes over it.
type wire struct {
	mu    sync.Mutex
	sent  []string
	fault *fault
}

// fault is what happens to a request, which next would carry on.
type fault struct {
	do func(r *http.Request, next http.RoundTripper) (*http.Response, error)
}

// over makes a store's requests go over w.
func (w *wire) over(c *rest.Config) {
	c.Wrap(func(next http.RoundTripper) http.RoundTripper { return carrier{w, next} })
}

type carrier struct {
	*wire

	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	what := r.Method + " " + strings.Split(r.URL.Path, "/")[6] // /apis/GROUP/VERSION/namespaces/NAME/RESOURCE
	if r.URL.Query().Get("timeout") == "" {
		what += " without a timeout"
	}
	c.mu.Lock()
	c.sent = append(c.sent, what)
	fault := c.fault
	c.mu.Unlock()
	if fault != nil {
		return fault.do(r, c.next)
	}
	return c.next.RoundTrip(r)
}

// set makes it happen to every request from now on; nil is for no fault.
func (w *wire) set(f *fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// wantSent compares what went over the wire since the last time.
func (w *wire) wantSent(t *testing.T, what string, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.sent, want) {
		t.Errorf("%s sends %q, want %q", what, w.sent, want)
	}
	w.sent = nil
}

// loseAnswers lets requests of a method arrive, and loses what comes back.
func loseAnswers(methods ...string) *fault {
	return &fault{func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err == nil && slices.Contains(methods, r.Method) {
			_ = answer.Body.Close()
			return nil, errCut
		}
		return answer, err
	}}
}

// loseRequests loses requests of a method.
func loseRequests(methods ...string) *fault {
	return &fault{func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if slices.Contains(methods, r.Method) {
			return nil, errCut
		}
		return next.RoundTrip(r)
	}}
}

// say answers every request, whatever it is.
func say(code int, contentType, body string) *fault {
	return &fault{func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		return &http.Response{
			StatusCode: code, Body: io.NopCloser(strings.NewReader(body)), Request: r,
			Header: http.Header{"Content-Type": {contentType}, "Retry-After": {"1"}},
		}, nil
	}}
}

// hang never answers.
func hang(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
