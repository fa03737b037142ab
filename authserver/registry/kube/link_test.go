// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// link is one client's connection, with what can happen to one.
type link struct {
	api *api

	mu    sync.Mutex
	down  bool
	limit int64 // watches show nothing newer, unless 0
	wake  chan struct{}
	fault func(call) error
	delay func(call) time.Duration
	calls []call
}

// call is a request as a fault sees it. After says that the request has had its
// effect, and a fault now only hides the answer.
type call struct {
	verb, resource, name string
	after                bool
}

func (a *api) link() *link { return &link{api: a, wake: make(chan struct{})} }

func (l *link) set(change func(l *link)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
	close(l.wake)
	l.wake = make(chan struct{})
}

// cut makes every request fail and ends every watch, until it is called with false.
func (l *link) cut(down bool) { l.set(func(l *link) { l.down = down }) }

// freeze makes watches, old and new, show nothing newer than now.
func (l *link) freeze() {
	l.api.mu.Lock()
	version := l.api.version
	l.api.mu.Unlock()
	l.set(func(l *link) { l.limit = version })
}

func (l *link) thaw() { l.set(func(l *link) { l.limit = 0 }) }

func (l *link) inject(fault func(call) error) { l.set(func(l *link) { l.fault = fault }) }

// refuse makes every request of a verb and resource fail.
func (l *link) refuse(verb, resource string) {
	l.inject(func(c call) error {
		if c.verb == verb && c.resource == resource {
			return errUnreachable
		}
		return nil
	})
}

func (l *link) look() (down bool, limit int64, wake chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down, l.limit, l.wake
}

// count is how many requests there have been of a verb and resource.
func (l *link) count(verb, resource string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, c := range l.calls {
		if c.verb == verb && c.resource == resource {
			n++
		}
	}
	return n
}

// check lets a request, or its answer, take its time and its chances.
func (l *link) check(ctx context.Context, c call) error {
	l.mu.Lock()
	fault, delay := l.fault, l.delay
	if !c.after {
		l.calls = append(l.calls, c)
	}
	l.mu.Unlock()
	if delay != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(delay(c)):
		}
	}
	if down, _, _ := l.look(); down {
		return errUnreachable
	}
	if fault != nil {
		return fault(c)
	}
	return nil
}

func (l *link) client(t testing.TB) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: "http://api.test", Transport: l, QPS: -1, ContentConfig: rest.ContentConfig{ContentType: "application/json"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// RoundTrip answers a request.
func (l *link) RoundTrip(r *http.Request) (*http.Response, error) {
	c := call{verb: strings.ToLower(r.Method)}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	i := slices.Index(parts, "namespaces")
	c.resource = parts[i+2]
	if len(parts) > i+3 {
		c.name = parts[i+3]
	} else if c.verb == "get" {
		c.verb = "list"
		if r.URL.Query().Get("watch") != "" {
			c.verb = "watch"
		}
	}
	err := l.check(r.Context(), c)
	if err == nil {
		if c.verb == "watch" {
			return l.watch(r, c)
		}
		var body []byte
		body, err = l.api.serve(r, c)
		c.after = true
		if late := l.check(r.Context(), c); late != nil {
			err = late
		}
		if err == nil {
			return response(http.StatusOK, io.NopCloser(bytes.NewReader(body))), nil
		}
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return nil, err
	}
	s := status.Status()
	s.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	body, _ := json.Marshal(s)
	return response(int(s.Code), io.NopCloser(bytes.NewReader(body))), nil
}

func response(code int, body io.ReadCloser) *http.Response {
	return &http.Response{StatusCode: code, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
}

func (l *link) watch(r *http.Request, c call) (*http.Response, error) {
	l.api.mu.Lock()
	defer l.api.mu.Unlock()
	_, limit, _ := l.look()
	s := &stream{link: l, resource: c.resource, ctx: r.Context(), closed: make(chan struct{})}
	s.at, _ = strconv.ParseInt(r.URL.Query().Get("resourceVersion"), 10, 64)
	switch {
	case r.URL.Query().Get("sendInitialEvents") == "true":
		s.at = l.api.version
		if limit != 0 {
			s.at = limit
		}
		for _, c := range l.api.state(c.resource, s.at) { // in any order
			s.send("ADDED", c.object)
		}
		end := &corev1.Secret{TypeMeta: secretType}
		end.ResourceVersion = strconv.FormatInt(s.at, 10)
		end.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		data, _ := json.Marshal(end)
		s.send("BOOKMARK", data)
	case s.at < l.api.compacted:
		status := apierrors.NewResourceExpired("too old").Status()
		status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
		data, _ := json.Marshal(status)
		s.send("ERROR", data)
		s.ended = true
	}
	return response(http.StatusOK, s), nil
}

// stream is the body of a watch.
type stream struct {
	link     *link
	resource string
	ctx      context.Context
	at       int64
	pending  bytes.Buffer
	ended    bool
	closing  sync.Once
	closed   chan struct{}
}

func (s *stream) send(eventType string, object []byte) {
	fmt.Fprintf(&s.pending, `{"type":%q,"object":%s}`+"\n", eventType, object)
}

func (s *stream) Close() error {
	s.closing.Do(func() { close(s.closed) })
	return nil
}

func (s *stream) Read(p []byte) (int, error) {
	for {
		if s.pending.Len() > 0 {
			return s.pending.Read(p)
		}
		down, limit, changed := s.link.look()
		wake := s.fetch(limit)
		switch {
		case s.ended:
			return 0, io.EOF
		case down:
			return 0, errUnreachable
		case s.pending.Len() > 0:
			continue
		}
		select {
		case <-s.closed:
			return 0, io.EOF
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		case <-changed:
		case <-wake:
		}
	}
}

func (s *stream) fetch(limit int64) chan struct{} {
	a := s.link.api
	a.mu.Lock()
	defer a.mu.Unlock()
	i, _ := slices.BinarySearchFunc(a.history, s.at+1, func(c change, v int64) int { return int(c.version - v) })
	for _, c := range a.history[i:] {
		if limit != 0 && c.version > limit {
			break
		}
		if s.at = c.version; c.resource == s.resource || c.resource == "bookmark" {
			s.send(c.eventType, c.object)
		}
	}
	return a.wake
}
