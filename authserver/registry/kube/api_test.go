// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
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
