// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package codeflow

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync"
)

// Exchange is a request that the server has answered, and its answer: what a bare
// exchange of the same sizes is made of.
type Exchange struct {
	method, query string
	header        http.Header
	body          []byte

	Answer
}

// Answer is what a bare server says, byte for byte, without a thought.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Needs are what it does before.
	Needs Needs
}

// recorder keeps the exchanges that pass through it.
type recorder struct {
	through http.RoundTripper
	seen    []Exchange
}

// RoundTrip implements http.RoundTripper.
func (t *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	e := Exchange{method: r.Method, query: r.URL.RawQuery, header: r.Header.Clone()}
	var err error
	if r.Body != nil {
		if e.body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(e.body))
	}
	resp, err := t.through.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	e.Status, e.Header = resp.StatusCode, resp.Header.Clone()
	e.Body, err = io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(e.Body))
	for _, own := range []string{"Date", "Content-Length"} { // net/http's own
		e.Header.Del(own)
	}
	t.seen = append(t.seen, e)
	return resp, err
}

// Record does something once, and returns the exchanges that it took. Nothing else may
// be asked of the server meanwhile.
func (s *Server) Record(do func() error) ([]Exchange, error) {
	usual := s.http.Transport
	t := &recorder{through: usual}
	s.http.Transport = t
	defer func() { s.http.Transport = usual }()
	err := do()
	return t.seen, err
}

// Bare returns a function that has exchanges of the same sizes with a bare server in
// the server's process, one after the other. In the last of them that does what needs
// say, and nothing else.
func (s *Server) Bare(all []Exchange, needs Needs) (func() error, error) {
	targets := make([]string, len(all))
	for i, e := range all {
		if i == len(all)-1 {
			e.Needs = needs
		}
		body, err := json.Marshal(e.Answer)
		if err != nil {
			return nil, err
		}
		at, err := s.ask(http.MethodPost, s.Control+"/learn", nil, body)
		if err != nil {
			return nil, err
		}
		targets[i] = s.Control + "/bare/" + string(at) + "?" + e.query
	}
	return func() error {
		for i, e := range all {
			a, err := s.exchange(e.method, targets[i], e.header, e.body)
			if err == nil && a.Status != e.Status {
				err = fmt.Errorf("a bare exchange ends with %d", a.Status)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// exchange returns an answer of any status, and follows no redirect.
func (s *Server) exchange(method, to string, header http.Header, body []byte) (*Answer, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	resp, err := s.http.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: got}, err
}

// ask is exchange for what has to succeed.
func (s *Server) ask(method, to string, header http.Header, body []byte) ([]byte, error) {
	a, err := s.exchange(method, to, header, body)
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("%s %s: status %d: %s", method, to, a.Status, a.Body)
	}
	if err != nil {
		return nil, err
	}
	return a.Body, nil
}

// bare is the bare server: it reads the request and gives the answer that it learned.
type bare struct {
	mu      sync.RWMutex
	answers []Answer
	worker  *worker
}

func (b *bare) learn(w http.ResponseWriter, r *http.Request) {
	var a Answer
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers = append(b.answers, a)
	_, _ = fmt.Fprint(w, len(b.answers)-1)
}

func (b *bare) answer(w http.ResponseWriter, r *http.Request) {
	at, err := strconv.Atoi(r.PathValue("at"))
	b.mu.RLock()
	known := b.answers
	b.mu.RUnlock()
	if err != nil || at < 0 || at >= len(known) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	a := known[at]
	if err := b.worker.do(a.Needs); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}
