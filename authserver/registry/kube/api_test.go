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

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// api is an API server for Secrets and Leases, as far as this package can tell one:
// one counter of versions, conditional writes, watches that begin with a
// watch-list, bookmarks, and expired versions. It lives in a synctest bubble, where
// a day passes in no time.
type api struct {
	mu        sync.Mutex
	version   int64
	live      map[string]map[string]change // by resource and name
	history   []change                     // since the beginning: any past state can be served
	compacted int64                        // watches cannot start before it
	wake      chan struct{}
}

// change is a version of an object. Its bytes are the object after a write, or as
// it was when it was deleted.
type change struct {
	version                   int64
	resource, name, eventType string
	object                    []byte
	meta                      metav1.ObjectMeta
}

var errUnreachable = errors.New("connection refused (by the test)")

func newAPI() *api {
	return &api{version: 1000, wake: make(chan struct{}), live: map[string]map[string]change{
		"secrets": {}, "leases": {}, "bookmark": {},
	}}
}

// state is every object of a resource as it was at a version.
func (a *api) state(resource string, version int64) map[string]change {
	if version >= a.version {
		return a.live[resource]
	}
	out := map[string]change{}
	for _, c := range a.history {
		switch {
		case c.resource != resource || c.version > version:
		case c.eventType == "DELETED":
			delete(out, c.name)
		default:
			out[c.name] = c
		}
	}
	return out
}

func (a *api) record(resource, eventType string, o metav1.Object) []byte {
	a.version++
	o.SetResourceVersion(strconv.FormatInt(a.version, 10))
	data, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	c := change{
		version: a.version, resource: resource, name: o.GetName(), eventType: eventType, object: data,
		meta: metav1.ObjectMeta{UID: o.GetUID(), ResourceVersion: o.GetResourceVersion()},
	}
	a.history = append(a.history, c)
	if a.live[resource][c.name] = c; eventType == "DELETED" {
		delete(a.live[resource], c.name)
	}
	close(a.wake)
	a.wake = make(chan struct{})
	return data
}

// tick sends a bookmark to every watch, and compact makes older watches start anew.
func (a *api) tick() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.record("bookmark", "BOOKMARK", &corev1.Secret{TypeMeta: secretType})
}

func (a *api) compact() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.compacted = a.version
}

var (
	secretType = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
	leaseType  = metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"}
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

func (a *api) serve(r *http.Request, c call) ([]byte, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	group := schema.GroupResource{Resource: c.resource}
	if c.verb == "list" {
		return a.list(c.resource, r.URL.Query().Get("limit") == "1"), nil
	}
	found, exists := a.state(c.resource, a.version)[c.name]
	if c.verb != "post" && !exists {
		if c.verb == "put" {
			return nil, apierrors.NewConflict(group, c.name, errors.New("UID in precondition"))
		}
		return nil, apierrors.NewNotFound(group, c.name)
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	switch c.verb {
	case "get":
		return found.object, nil
	case "delete":
		return a.remove(c, found, body)
	}
	return a.write(c, found, body)
}

func (a *api) list(resource string, limited bool) []byte {
	items := []json.RawMessage{}
	for _, c := range a.state(resource, a.version) {
		if limited && len(items) > 0 {
			break
		}
		items = append(items, c.object)
	}
	body, _ := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "SecretList", "items": items,
		"metadata": map[string]string{"resourceVersion": strconv.FormatInt(a.version, 10)},
	})
	return body
}

func decode(resource string, data []byte) metav1.Object {
	var o metav1.Object = &corev1.Secret{}
	if resource == "leases" {
		o = &coordinationv1.Lease{}
	}
	if err := json.Unmarshal(data, o); err != nil {
		panic(err)
	}
	switch o := o.(type) {
	case *corev1.Secret:
		o.TypeMeta = secretType
	case *coordinationv1.Lease:
		o.TypeMeta = leaseType
	}
	return o
}

func (a *api) write(c call, found change, body []byte) ([]byte, error) {
	group := schema.GroupResource{Resource: c.resource}
	o := decode(c.resource, body)
	if c.verb == "put" {
		if rv := o.GetResourceVersion(); rv != "" && rv != found.meta.ResourceVersion || o.GetUID() != "" && o.GetUID() != found.meta.UID {
			return nil, apierrors.NewConflict(group, c.name, errors.New("the object has been modified"))
		}
		old := decode(c.resource, found.object)
		o.SetUID(old.GetUID())
		o.SetCreationTimestamp(old.GetCreationTimestamp())
		return a.record(c.resource, "MODIFIED", o), nil
	}
	if _, exists := a.state(c.resource, a.version)[o.GetName()]; exists {
		return nil, apierrors.NewAlreadyExists(group, o.GetName())
	}
	o.SetUID(types.UID(fmt.Sprintf("uid-%d", a.version)))
	o.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second)))
	return a.record(c.resource, "ADDED", o), nil
}

func (a *api) remove(c call, found change, body []byte) ([]byte, error) {
	var options metav1.DeleteOptions
	_ = json.Unmarshal(body, &options)
	if p := options.Preconditions; p != nil &&
		(p.UID != nil && *p.UID != found.meta.UID || p.ResourceVersion != nil && *p.ResourceVersion != found.meta.ResourceVersion) {
		return nil, apierrors.NewConflict(schema.GroupResource{Resource: c.resource}, c.name, errors.New("precondition failed"))
	}
	a.record(c.resource, "DELETED", decode(c.resource, found.object))
	return []byte(`{"apiVersion":"v1","kind":"Status","status":"Success"}`), nil
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
