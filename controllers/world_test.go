// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

var worlds atomic.Int64

// world is a system namespace and an app's, with a manager at work. Only one is
// alive at a time, since AuthorizationServers belong to the whole cluster.
type world struct {
	system, app string
	clock       *clocktesting.FakeClock
	metrics     *prometheus.Registry
	stop        func()
}

// newWorld makes the namespaces; start makes the manager.
func newWorld(ctx context.Context) *world {
	GinkgoHelper()
	n := worlds.Add(1)
	w := &world{
		system: fmt.Sprintf("system-%d", n), app: fmt.Sprintf("app-%d", n),
		clock: clocktesting.NewFakeClock(time.Now()),
	}
	for _, ns := range []string{w.system, w.app} {
		create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	}
	grantRole(ctx, w.system)
	DeferCleanup(func(ctx context.Context) {
		w.halt()
		removeServers(ctx)
		Expect(k8s.DeleteAllOf(ctx, &v1alpha1.OAuthClient{}, client.InNamespace(w.app))).To(Succeed())
	})
	return w
}

// removeServers deletes all AuthorizationServers while no manager runs.
func removeServers(ctx context.Context) {
	GinkgoHelper()
	Expect(k8s.DeleteAllOf(ctx, &v1alpha1.AuthorizationServer{})).To(Succeed())
	left := &v1alpha1.AuthorizationServerList{}
	Expect(k8s.List(ctx, left)).To(Succeed())
	for i := range left.Items {
		giveUp(ctx, &left.Items[i])
	}
}

// giveUp is the way out of a deletion that docs/authorizationserver.md describes.
func giveUp(ctx context.Context, as *v1alpha1.AuthorizationServer) {
	GinkgoHelper()
	patch := client.RawPatch(types.JSONPatchType, []byte(`[{"op":"remove","path":"/metadata/finalizers"}]`))
	Expect(k8s.Patch(ctx, as, patch)).To(Succeed())
}

// start runs a manager until the end of the spec, or halt.
func (w *world) start() {
	GinkgoHelper()
	scheme, err := Scheme()
	Expect(err).NotTo(HaveOccurred())
	cache, err := CacheOptions(w.system)
	Expect(err).NotTo(HaveOccurred())
	mgr, err := ctrl.NewManager(asManager(), ctrl.Options{
		Scheme: scheme, Cache: cache, Logger: GinkgoLogr,
		Metrics: metricsserver.Options{BindAddress: "0"},
	})
	Expect(err).NotTo(HaveOccurred())
	w.metrics = prometheus.NewRegistry()
	ctx, cancel := context.WithCancel(context.Background())
	Expect(Setup(ctx, mgr, Options{
		Namespace: w.system, MaxConcurrentReconciles: 4, Clock: w.clock, Random: rand.Reader,
		Registerer: w.metrics, SkipNameValidation: true,
	})).To(Succeed())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	w.stop = func() {
		cancel()
		Expect(<-done).To(Succeed())
	}
}

// halt ends the manager, as a kill would for all that the cluster sees.
func (w *world) halt() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// step lets time pass, for whoever waits for it.
func (w *world) step(d time.Duration) {
	GinkgoHelper()
	Eventually(w.clock.HasWaiters).Should(BeTrue())
	w.clock.Step(d)
}

// desert lets time pass until oc says that no replica is left. How much that takes
// depends on when the manager has seen the last one go.
func (w *world) desert(ctx context.Context, oc *v1alpha1.OAuthClient) {
	GinkgoHelper()
	Eventually(func() string {
		w.clock.Step(emptyGrace)
		return readyOf(fetch(ctx, oc).Status.Conditions).Reason
	}).Should(Equal(v1alpha1.ReasonNoReplicas))
}

const usersYAML = `
- username: ada
  passwordHash: $2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy
`

// users makes the Secret users.
func (w *world) users(yaml string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.system, Name: "users"},
		Data:       map[string][]byte{registration.KeyUsers: []byte(yaml)},
	}
}

// server makes an AuthorizationServer of that name, whose users are in Secret users.
func (w *world) server(name string, change ...func(*v1alpha1.AuthorizationServerSpec)) *v1alpha1.AuthorizationServer {
	as := &v1alpha1.AuthorizationServer{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.AuthorizationServerSpec{
			Issuer: "https://" + name + ".example.com",
			IdentityProviders: []v1alpha1.IdentityProvider{{
				Name: "local", LocalUsers: &v1alpha1.LocalUsers{SecretRef: v1alpha1.SecretReference{Name: "users"}},
			}},
		},
	}
	for _, c := range change {
		c(&as.Spec)
	}
	return as
}

func isTheDefault(s *v1alpha1.AuthorizationServerSpec) { s.Default = true }

// wiki makes an OAuthClient.
func (w *world) wiki(change ...func(*v1alpha1.OAuthClientSpec)) *v1alpha1.OAuthClient {
	oc := &v1alpha1.OAuthClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.app, Name: "wiki"},
		Spec:       v1alpha1.OAuthClientSpec{RedirectURIs: []v1alpha1.RedirectURI{"https://wiki.example.com/callback"}},
	}
	for _, c := range change {
		c(&oc.Spec)
	}
	return oc
}

func isPublic(s *v1alpha1.OAuthClientSpec) { s.Type = v1alpha1.ClientTypePublic }

// hasKey lets a client authenticate with private_key_jwt.
func hasKey(s *v1alpha1.OAuthClientSpec) {
	s.TokenEndpointAuthMethod = v1alpha1.AuthMethodPrivateKeyJWT
	s.JWKS = &v1alpha1.JWKS{Keys: []v1alpha1.JWK{{Kty: "OKP", Crv: "Ed25519", X: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}} // RFC 8037 appendix A.2
}

// prepared makes what an OAuthClient needs: a default server and its users.
func (w *world) prepared(ctx context.Context) {
	GinkgoHelper()
	create(ctx, w.users(usersYAML))
	create(ctx, w.server("main", isTheDefault))
}

// fakeReplica is a Lease, and says what a test tells it to.
type fakeReplica struct {
	w    *world
	name string
}

// replica makes a replica that has loaded nothing yet.
func (w *world) replica(ctx context.Context, name string) *fakeReplica {
	GinkgoHelper()
	return w.join(ctx, name, "1")
}

// caughtUp starts a replica as a real one does, which loads everything before it
// writes its Lease.
func (w *world) caughtUp(ctx context.Context, name string) *fakeReplica {
	GinkgoHelper()
	return w.join(ctx, name, w.latest(ctx))
}

// latest is the version of everything in the system namespace now.
func (w *world) latest(ctx context.Context) string {
	GinkgoHelper()
	list := &corev1.SecretList{}
	Expect(k8s.List(ctx, list, client.InNamespace(w.system), client.Limit(1))).To(Succeed())
	return list.ResourceVersion
}

func (w *world) join(ctx context.Context, name, loaded string) *fakeReplica {
	GinkgoHelper()
	create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.system, Name: name,
			Labels:      map[string]string{registration.LabelRecord: registration.RecordReplica},
			Annotations: map[string]string{registration.AnnotationLoaded: loaded},
		},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &name, LeaseDurationSeconds: new(int32(15))},
	})
	return &fakeReplica{w, name}
}

func (r *fakeReplica) lease() *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: r.w.system, Name: r.name}}
}

// load says that the replica has loaded what is there now.
func (r *fakeReplica) load(ctx context.Context) {
	GinkgoHelper()
	r.say(ctx, r.w.latest(ctx))
}

func (r *fakeReplica) say(ctx context.Context, version string) {
	GinkgoHelper()
	l := r.lease()
	change(ctx, l, func() { l.Annotations[registration.AnnotationLoaded] = version })
}

func (r *fakeReplica) leave(ctx context.Context) {
	GinkgoHelper()
	Expect(k8s.Delete(ctx, r.lease())).To(Succeed())
}

// follow makes the replica load each record as it is written, until the end of the
// spec.
func (r *fakeReplica) follow(ctx context.Context) {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	watch, err := k8s.Watch(ctx, &corev1.SecretList{}, client.InNamespace(r.w.system))
	Expect(err).NotTo(HaveOccurred())
	r.load(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range watch.ResultChan() {
			record, ok := e.Object.(*corev1.Secret)
			if !ok {
				continue
			}
			patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, registration.AnnotationLoaded, record.ResourceVersion)
			_ = k8s.Patch(ctx, r.lease(), client.RawPatch("application/merge-patch+json", patch)) // it may have left
		}
	}()
	DeferCleanup(func() {
		watch.Stop()
		cancel()
		<-done
	})
}

// create makes o and reads back what the API server has made of it.
func create(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Expect(k8s.Create(ctx, o)).To(Succeed())
}

// change reads o and writes it as alter leaves it, as often as it takes.
func change(ctx context.Context, o client.Object, alter func()) {
	GinkgoHelper()
	Eventually(func() error {
		if err := k8s.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		alter()
		return k8s.Update(ctx, o)
	}).Should(Succeed())
}

// fetch reads an object.
func fetch[T client.Object](ctx context.Context, o T) T {
	GinkgoHelper()
	Expect(k8s.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
	return o
}

func (w *world) secret(name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.app, Name: name}}
}

func (w *world) recordOf(name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.system, Name: registration.ClientRecordName(w.app, name)}}
}

func (w *world) issuerOf(name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.system, Name: registration.ServerRecordName(name)}}
}

// published is what the record says.
func published(ctx context.Context, record *corev1.Secret) registration.Client {
	GinkgoHelper()
	c, err := registration.DecodeClient(fetch(ctx, record).Data[registration.KeyClient])
	Expect(err).NotTo(HaveOccurred())
	return c
}

func publishedServer(ctx context.Context, record *corev1.Secret) registration.Server {
	GinkgoHelper()
	s, err := registration.DecodeServer(fetch(ctx, record).Data[registration.KeyServer])
	Expect(err).NotTo(HaveOccurred())
	return s
}

// digestOf is the digest of the client secret in a Secret.
func digestOf(s *corev1.Secret) string {
	return secretValue(s).Digest()
}

// expectReplaced waits until a client's Secret holds the last of two client secrets. That
// the client is Ready does not say so: it may be still, from before.
func (w *world) expectReplaced(ctx context.Context, oc *v1alpha1.OAuthClient) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		secret := w.secret(oc.Name)
		g.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Succeed())
		digests := published(ctx, w.recordOf(oc.Name)).Digests
		g.Expect(digests).To(HaveLen(2))
		g.Expect(digests[1].SHA256).To(Equal(digestOf(secret)))
	}).Should(Succeed())
	expectClient(ctx, oc, isReady)
}

// reasons are what each condition says, such as "Ready=True/Ready", in the order of
// their types.
func reasons(conditions []metav1.Condition, generation int64) map[string]string {
	got := map[string]string{}
	for _, c := range conditions {
		got[c.Type] = string(c.Status) + "/" + c.Reason
		if c.ObservedGeneration != generation {
			got[c.Type] += fmt.Sprintf(" of generation %d", c.ObservedGeneration)
		}
	}
	return got
}

// says is a client's conditions, all four, and what Ready's message must contain.
type says struct{ accepted, credentials, registered, ready, message string }

var isReady = says{"True/Accepted", "True/SecretWritten", "True/Loaded", "True/Ready", "accepts it"}

// expectClient waits until an OAuthClient says what it should.
func expectClient(ctx context.Context, oc *v1alpha1.OAuthClient, want says) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(oc), oc)).To(Succeed())
		g.Expect(reasons(oc.Status.Conditions, oc.Generation)).To(Equal(map[string]string{
			v1alpha1.ConditionAccepted:         want.accepted,
			v1alpha1.ConditionCredentialsReady: want.credentials,
			v1alpha1.ConditionRegistered:       want.registered,
			v1alpha1.ConditionReady:            want.ready,
		}))
		g.Expect(oc.Status.ObservedGeneration).To(Equal(oc.Generation))
		ready := apimeta.FindStatusCondition(oc.Status.Conditions, v1alpha1.ConditionReady)
		g.Expect(ready.Message).To(ContainSubstring(want.message))
		g.Expect(ready.Message).To(HaveSuffix("."))
	}).Should(Succeed())
}

// saysServer is a server's conditions.
type saysServer struct{ accepted, providers, published, ready, message string }

var serverIsReady = saysServer{"True/Accepted", "True/UsersLoaded", "True/Loaded", "True/Ready", "serves this issuer"}

func expectServer(ctx context.Context, as *v1alpha1.AuthorizationServer, want saysServer) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(as), as)).To(Succeed())
		g.Expect(reasons(as.Status.Conditions, as.Generation)).To(Equal(map[string]string{
			v1alpha1.ConditionAccepted:               want.accepted,
			v1alpha1.ConditionIdentityProvidersReady: want.providers,
			v1alpha1.ConditionPublished:              want.published,
			v1alpha1.ConditionReady:                  want.ready,
		}))
		g.Expect(as.Status.ObservedGeneration).To(Equal(as.Generation))
		ready := apimeta.FindStatusCondition(as.Status.Conditions, v1alpha1.ConditionReady)
		g.Expect(ready.Message).To(ContainSubstring(want.message))
	}).Should(Succeed())
}

// expectEvent waits for an event about o, and checks that it tells no secret.
func expectEvent(ctx context.Context, o client.Object, reason, note string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		list := &eventsv1.EventList{}
		g.Expect(k8s.List(ctx, list)).To(Succeed())
		var notes []string
		for _, e := range list.Items {
			if e.Regarding.Name == o.GetName() && e.Regarding.UID == o.GetUID() {
				notes = append(notes, e.Reason+": "+e.Note)
			}
		}
		g.Expect(notes).To(ContainElement(And(HavePrefix(reason+": "), ContainSubstring(note))), strings.Join(notes, "\n"))
	}).Should(Succeed())
}

// readyWorld makes a world with a replica that follows, and an OAuthClient that is Ready.
func readyWorld(ctx context.Context, change ...func(*v1alpha1.OAuthClientSpec)) (*world, *v1alpha1.OAuthClient) {
	GinkgoHelper()
	w := newWorld(ctx)
	w.prepared(ctx)
	w.replica(ctx, "replica-a").follow(ctx)
	w.start()
	expectServer(ctx, w.server("main"), serverIsReady)
	oc := w.wiki(change...)
	create(ctx, oc)
	expectClient(ctx, oc, isReady)
	return w, oc
}
