// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/test/apiserver"
	"github.com/clientele-dev/clientele/test/bench/codeflow"
)

const (
	grants          = "oauthgrants"
	sessions        = "oauthsessions"
	systemNamespace = "clientele-system"
	// bareNamespace is where the bare objects are, so that no sweep finds them.
	bareNamespace = "bare"
	// bareConnections is over how many connections the plain client goes: as many as
	// the store, because over one alone the API server does less.
	bareConnections = 4
)

// plain is a client that does nothing but send objects and read the answers.
type plain struct {
	rest []rest.Interface
	turn atomic.Uint32
	// like is an object as the store writes it.
	like v1alpha1.OAuthGrant
}

func newPlain(config *rest.Config) (*plain, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	p := &plain{}
	for range bareConnections {
		c := rest.CopyConfig(config)
		c.APIPath, c.GroupVersion, c.QPS = "/apis", &v1alpha1.GroupVersion, -1
		c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
		c.Dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext // else client-go shares one connection
		one, err := rest.RESTClientFor(c)
		if err != nil {
			return nil, err
		}
		p.rest = append(p.rest, one)
	}
	return p, nil
}

func (p *plain) to(verb, resource, namespace string) *rest.Request {
	return p.rest[p.turn.Add(1)%bareConnections].Verb(verb).Namespace(namespace).Resource(resource)
}

// learn takes the one grant of the store as what all others are to look like.
func (p *plain) learn(ctx context.Context) error {
	list := &v1alpha1.OAuthGrantList{}
	if err := p.to(http.MethodGet, grants, systemNamespace).Do(ctx).Into(list); err != nil {
		return err
	}
	if len(list.Items) != 1 {
		return fmt.Errorf("the store has written %d grants, not one", len(list.Items))
	}
	p.like = list.Items[0]
	p.like.ObjectMeta = metav1.ObjectMeta{Labels: p.like.Labels, Finalizers: p.like.Finalizers, Name: p.like.Name}
	return nil
}

// create creates a bare object and returns its name.
func (p *plain) create(ctx context.Context) (string, error) {
	o := p.like.DeepCopy()
	o.Namespace, o.Name = bareNamespace, randomName(len(p.like.Name))
	return o.Name, p.to(http.MethodPost, grants, bareNamespace).Body(o).Do(ctx).Into(&v1alpha1.OAuthGrant{})
}

func randomName(length int) string {
	b := make([]byte, length)
	_, _ = rand.Read(b) // it cannot fail
	return hex.EncodeToString(b)[:length]
}

// patch is the compare-and-swap of a counter, as JSON patch.
func (p *plain) patch(ctx context.Context, name string, from int) error {
	body, err := json.Marshal([]map[string]any{
		{"op": "test", "path": "/status/refreshes", "value": from},
		{"op": "replace", "path": "/status/refreshes", "value": from + 1},
		{"op": "replace", "path": "/status/lastUsed", "value": metav1.NowMicro()},
	})
	if err != nil {
		return err
	}
	return p.to(http.MethodPatch, grants, bareNamespace).Name(name).SetHeader("Content-Type", string(types.JSONPatchType)).
		Body(body).Do(ctx).Into(&v1alpha1.OAuthGrant{})
}

func openKube(ctx context.Context) (*backend, error) {
	server, err := apiserver.New(apiserver.Durable)
	if err != nil {
		return nil, err
	}
	b, err := kubeBackend(ctx, server)
	if err != nil {
		return nil, errors.Join(err, server.End())
	}
	return b, nil
}

func kubeBackend(ctx context.Context, server *apiserver.Server) (*backend, error) {
	spec := codeflow.OnKubernetes(server.Config, systemNamespace)
	kept, _, err := spec.Open()
	if err != nil {
		return nil, err
	}
	core, err := kubernetes.NewForConfig(server.Config)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{systemNamespace, bareNamespace} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := core.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
			return nil, err
		}
	}
	p, err := newPlain(server.Config)
	if err != nil {
		return nil, err
	}
	if err := kept.Redeem(ctx, grant()); err != nil {
		return nil, err
	}
	return &backend{
		spec: spec, store: kept, goal: 0.9, goalFrom: 1, fill: p.fill, end: server.End,
		createdSo: "creates of the same custom resource with a plain client", updatedSo: "JSON patches of it with a test operation",
		create: job{do: func(ctx context.Context, _ int) error { _, err := p.create(ctx); return err }},
		update: p.updates(),
	}, p.learn(ctx)
}

// updates patches objects, one for each worker.
func (p *plain) updates() job {
	var objects []store.Grant // of which the ID is the name
	return job{
		prepare: func(ctx context.Context, workers int) error {
			objects = make([]store.Grant, workers)
			return each(workers, func(w int) (err error) {
				objects[w].ID, err = p.create(ctx)
				return err
			})
		},
		do: func(ctx context.Context, w int) error {
			o := &objects[w]
			o.Counter++
			return p.patch(ctx, o.ID, o.Counter-1)
		},
	}
}

// fillers is how many objects are written at a time.
const fillers = 32

// fill writes n objects to the store's own namespace, of sessions and grants in turn.
// The grants are settled, as the store calls it: their codes are long over.
func (p *plain) fill(ctx context.Context, n int, until time.Time) error {
	var next atomic.Int64
	grant, session, err := p.settled(ctx, until)
	if err != nil {
		return err
	}
	return each(fillers, func(int) error {
		for {
			i := int(next.Add(1))
			if i > n {
				return nil
			}
			if err := p.put(ctx, grant, session, i%2 == 0); err != nil {
				return err
			}
		}
	})
}

func (p *plain) put(ctx context.Context, grant *v1alpha1.OAuthGrant, session *v1alpha1.OAuthSession, isGrant bool) error {
	if isGrant {
		o := grant.DeepCopy()
		o.Name = randomName(len(p.like.Name))
		return p.to(http.MethodPost, grants, systemNamespace).Body(o).Do(ctx).Error()
	}
	o := session.DeepCopy()
	o.Name = randomName(len(p.like.Name))
	return p.to(http.MethodPost, sessions, systemNamespace).Body(o).Do(ctx).Error()
}

// settled are a grant and a session, without names, that end then.
func (p *plain) settled(ctx context.Context, until time.Time) (*v1alpha1.OAuthGrant, *v1alpha1.OAuthSession, error) {
	list := &v1alpha1.OAuthSessionList{}
	if err := p.to(http.MethodGet, sessions, systemNamespace).Param("limit", "1").Do(ctx).Into(list); err != nil {
		return nil, nil, err
	}
	if len(list.Items) != 1 {
		return nil, nil, errors.New("the store has written no session")
	}
	labels := func(of map[string]string) map[string]string {
		out := maps.Clone(of)
		delete(out, v1alpha1.LabelCode)
		out[v1alpha1.LabelExpires] = until.UTC().Format("2006010215")
		return out
	}
	grant, session := p.like.DeepCopy(), &list.Items[0]
	grant.ObjectMeta = metav1.ObjectMeta{Namespace: systemNamespace, Labels: labels(grant.Labels)}
	grant.Spec.ExpiresAt = metav1.NewMicroTime(until)
	session.ObjectMeta = metav1.ObjectMeta{Namespace: systemNamespace, Labels: labels(session.Labels)}
	session.Spec.ExpiresAt = metav1.NewMicroTime(until)
	return grant, session, nil
}
