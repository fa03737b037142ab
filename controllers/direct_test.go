// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clientele-dev/clientele/internal/registration"
)

// Here reconcilers are called directly, one step at a time, so that a test decides
// what a cache knows, which write fails and who is the leader. The API server is
// real.

// lab is a world without a manager.
type lab struct {
	*world
	// servers are the authserver's replicas, as far as they matter here.
	servers []*server
	// trusted says that nobody has tampered with what the protocol relies on, so
	// that a mounted secret must be accepted at every instant.
	trusted bool
	// meanwhile happens once, while a manager asks what the replicas have loaded.
	meanwhile func()
}

// server is a model of a replica: it accepts what it has loaded.
type server struct {
	version string
	digests map[string][]registration.Digest // by the record's name
}

func newLab(ctx context.Context) *lab {
	GinkgoHelper()
	l := &lab{world: newWorld(ctx), trusted: true}
	l.prepared(ctx)
	as := fetch(ctx, l.server("main"))
	record, err := desiredServerRecord(nil, client.ObjectKeyFromObject(l.issuerOf("main")), as)
	Expect(err).NotTo(HaveOccurred())
	create(ctx, record)
	return l
}

// load makes a replica catch up with all that is there.
func (l *lab) load(ctx context.Context, s *server) {
	GinkgoHelper()
	list := &corev1.SecretList{}
	Expect(k8s.List(ctx, list, client.InNamespace(l.system))).To(Succeed())
	s.load(list)
}

func (s *server) load(list *corev1.SecretList) {
	s.version, s.digests = list.ResourceVersion, map[string][]registration.Digest{}
	for i := range list.Items {
		if c, err := registration.DecodeClient(list.Items[i].Data[registration.KeyClient]); err == nil {
			s.digests[list.Items[i].Name] = c.Digests
		}
	}
}

func (l *lab) join(ctx context.Context) {
	s := &server{}
	l.load(ctx, s)
	l.servers = append(l.servers, s)
}

func (l *lab) loadAll(ctx context.Context) {
	for _, s := range l.servers {
		l.load(ctx, s)
	}
}

// loadSnapshot makes every replica load what a manager's cache has.
func (l *lab) loadSnapshot(c *snapshot) {
	for _, s := range l.servers {
		s.load(c.records)
	}
}

// await is what the tracker would say; see replicaGate.
func (l *lab) await(_ reconcile.Request, version, _ string) acknowledgement {
	if meanwhile := l.meanwhile; meanwhile != nil {
		l.meanwhile = nil
		meanwhile()
	}
	a := acknowledgement{standing: standingLoaded}
	for i, s := range l.servers {
		if !atLeast(s.version, version) {
			a.standing, a.behind = standingBehind, append(a.behind, fmt.Sprint("replica-", i))
		}
	}
	if len(l.servers) == 0 {
		a.standing = standingDeserted
	}
	return a
}

func (*lab) leave(reconcile.Request) {}

// checkMounted fails if an app could mount a secret that a replica refuses.
func (l *lab) checkMounted(ctx context.Context, after string) {
	GinkgoHelper()
	if !l.trusted {
		return
	}
	mounted := &corev1.SecretList{}
	Expect(k8s.List(ctx, mounted, client.InNamespace(l.app))).To(Succeed())
	for i := range mounted.Items {
		m := &mounted.Items[i]
		owner := owningClient(m)
		if owner == nil || secretValue(m).IsZero() {
			continue
		}
		name := registration.ClientRecordName(l.app, owner.Name)
		Expect(digestFor(published(ctx, l.recordOf(owner.Name)).Digests, m)).NotTo(BeNil(),
			"after %s: Secret %s holds what its record does not have", after, m.Name)
		for n, s := range l.servers {
			Expect(digestFor(s.digests[name], m)).NotTo(BeNil(), "after %s: replica %d refuses what Secret %s holds", after, n, m.Name)
		}
	}
}

// leader is one manager process: its memory, its cache, and its writes.
type leader struct {
	*clientReconciler
	lab    *lab
	cache  *snapshot
	faults *faults
	told   *events.FakeRecorder
}

// elect starts a manager with an empty memory and an up-to-date cache.
func (l *lab) elect(ctx context.Context) *leader {
	GinkgoHelper()
	f := &faults{}
	m := &leader{lab: l, cache: newSnapshot(ctx, l.system, l.app), faults: f, told: events.NewFakeRecorder(1000)}
	writer := interceptor.NewClient(k8s, f.funcs(func(ctx context.Context, what string) { l.checkMounted(ctx, what) }))
	m.clientReconciler = newClientReconciler(shared{
		Options: Options{
			Namespace: l.system, MaxConcurrentReconciles: 1, Clock: l.clock, Random: rand.Reader, Registerer: prometheus.NewRegistry(),
		},
		clusterClients: clusterClients{cached: m.cache, live: k8s, writer: writer},
		metrics:        newMetrics(), events: m.told,
	}, unreported{})
	m.gate = l
	m.cache.refresh(ctx)
	return m
}

// look reconciles one OAuthClient once.
func (m *leader) look(ctx context.Context, name string) (ctrl.Result, error) {
	request := ctrl.Request{NamespacedName: client.ObjectKey{Namespace: m.lab.app, Name: name}}
	return m.Reconcile(ctx, request)
}

// settle reconciles until nothing is written any more, with a cache and replicas
// that keep up. Faults may make it fail on the way, and not in the end.
func (m *leader) settle(ctx context.Context, name string) {
	GinkgoHelper()
	for range 20 {
		m.cache.refresh(ctx)
		m.lab.loadSnapshot(m.cache)
		before := m.faults.writes
		result, err := m.look(ctx, name)
		if err == nil && m.faults.writes == before && result.RequeueAfter != staleDelay {
			return
		}
		if m.faults.at == 0 {
			Expect(err).NotTo(HaveOccurred())
		}
	}
	Fail("it never settles")
}

// isReadyNow checks that an OAuthClient is Ready, with its credentials.
func (l *lab) isReadyNow(ctx context.Context, name string) registration.Client {
	GinkgoHelper()
	oc := l.wiki()
	oc.Name = name
	fetch(ctx, oc)
	Expect(reasons(oc.Status.Conditions, oc.Generation)).To(HaveKeyWithValue("Ready", "True/Ready"))
	secret := &corev1.Secret{}
	Expect(k8s.Get(ctx, client.ObjectKey{Namespace: l.app, Name: oc.Status.SecretName}, secret)).To(Succeed())
	record := published(ctx, l.recordOf(name))
	Expect(record.UID).To(Equal(string(oc.UID)))
	Expect(record.Withdrawn).To(BeFalse())
	if record.HasSecret() {
		Expect(digestFor(record.Digests, secret)).To(HaveField("Until", BeZero()))
	}
	return record
}

// faults makes writes fail.
type faults struct {
	// writes counts all that were tried.
	writes int
	// at is the write to fail, from 1; zero is none. what happens then is in mode.
	at   int
	mode faultMode
	// hold gets a write instead of the API server, if it wants it.
	hold func(late func() error) bool
}

// faultMode is what becomes of a write.
type faultMode string

const (
	// crash: the process dies before the answer reaches it.
	crash faultMode = "crash"
	// answerLost: the write is done, and the answer is an error.
	answerLost faultMode = "answer lost"
	// conflict: the API server finds that something has changed.
	conflict faultMode = "conflict"
	// forbidden: the API server, or a webhook, refuses it.
	forbidden faultMode = "forbidden"
)

var errCrashed = errors.New("crashed")

func (f *faults) do(ctx context.Context, what string, write func() error, check func(context.Context, string)) error {
	f.writes++
	if f.hold != nil && f.hold(write) {
		return errCrashed
	}
	now := f.writes == f.at
	switch {
	case f.at > 0 && f.writes > f.at && f.mode == crash:
		return errCrashed
	case now && f.mode == conflict:
		return apierrors.NewConflict(schema.GroupResource{Resource: "objects"}, what, errors.New("injected"))
	}
	if now && f.mode == forbidden {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, what, errors.New("injected"))
	}
	err := write()
	check(ctx, fmt.Sprintf("write %d, %s", f.writes, what))
	if now && err == nil {
		return errCrashed
	}
	return err
}

// funcs puts f between a reconciler and the API server, and check after each write.
func (f *faults) funcs(check func(context.Context, string)) interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return f.do(ctx, "create "+o.GetName(), func() error { return c.Create(ctx, o, opts...) }, check)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return f.do(ctx, "update "+o.GetName(), func() error { return c.Update(ctx, o, opts...) }, check)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return f.do(ctx, "delete "+o.GetName(), func() error { return c.Delete(ctx, o, opts...) }, check)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return f.do(ctx, "patch "+o.GetName(), func() error { return c.Patch(ctx, o, p, opts...) }, check)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return f.do(ctx, "patch status", func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) }, check)
		},
	}
}
