// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clientele-dev/clientele/internal/registration"
)

// report writes what a replica has seen used, and then a Lease that claims it all, as
// a real one does.
func (w *world) report(ctx context.Context, replica string, used map[string]time.Time) *corev1.Secret {
	GinkgoHelper()
	minutes := map[string]int64{}
	for id, at := range used {
		minutes[id] = minuteOf(at)
	}
	data, err := registration.Usage{Used: minutes}.Encode()
	Expect(err).NotTo(HaveOccurred())
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.system, Name: registration.UsageName(replica)}}
	fill := func() {
		s.Labels = map[string]string{registration.LabelRecord: registration.RecordUsage}
		s.Data = map[string][]byte{registration.KeyUsage: data}
	}
	if err := k8s.Get(ctx, client.ObjectKeyFromObject(s), s); err == nil {
		change(ctx, s, fill)
	} else {
		fill()
		create(ctx, s)
	}
	l := (&fakeReplica{w, registration.LeaseName(replica)}).lease()
	change(ctx, l, func() {
		metav1.SetMetaDataAnnotation(&l.ObjectMeta, registration.AnnotationReported, w.clock.Now().UTC().Format(time.RFC3339))
		metav1.SetMetaDataAnnotation(&l.ObjectMeta, registration.AnnotationReport, s.ResourceVersion)
	})
	return s
}

// wakes collects whom usageReports wakes.
type wakes struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	mu   sync.Mutex
	seen map[string]int
}

func (q *wakes) AddAfter(r reconcile.Request, _ time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seen[r.Name]++
}

func (q *wakes) of(name string) func() int {
	return func() int {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.seen[name]
	}
}

// follow runs a tracker and usageReports over caches of their own, with the role and
// the cache of a manager.
func (w *world) follow(ctx context.Context) (*usageReports, *wakes) {
	GinkgoHelper()
	scheme, err := Scheme()
	Expect(err).NotTo(HaveOccurred())
	cache, err := CacheOptions(w.system)
	Expect(err).NotTo(HaveOccurred())
	mgr, err := ctrl.NewManager(asManager(), ctrl.Options{
		Scheme: scheme, Cache: cache, Logger: GinkgoLogr, Metrics: metricsserver.Options{BindAddress: "0"},
	})
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	Expect(addIndexes(ctx, mgr.GetFieldIndexer())).To(Succeed())
	o := Options{Namespace: w.system, Clock: w.clock}
	c := clusterClients{cached: mgr.GetClient(), live: mgr.GetAPIReader(), writer: mgr.GetClient(), informers: mgr.GetCache()}
	tracker := newReplicaTracker(o, c)
	Expect(mgr.Add(tracker)).To(Succeed())
	u := newUsageReports(shared{Options: o, clusterClients: c}, tracker)
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	DeferCleanup(func() {
		cancel()
		Expect(<-done).To(Succeed())
	})
	q := &wakes{seen: map[string]int{}}
	Expect(u.Start(ctx, q)).To(Succeed())
	Expect(u.WaitForSync(ctx)).To(Succeed())
	Eventually(tracker.synced).Should(BeClosed())
	return u, q
}

var _ = Describe("What replicas report of the use of client secrets", func() {
	// told waits until u knows when a secret was used last.
	told := func(u *usageReports, id string, at time.Time) {
		GinkgoHelper()
		Eventually(func() time.Time { return u.of(id) }).Should(BeTemporally("==", at.Truncate(time.Minute)))
	}

	It("wakes the clients that have something to tell, and says until when it is all", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		other := w.wiki()
		other.Name = "other"
		create(ctx, other)
		expectClient(ctx, other, isReady)
		(&fakeReplica{w, "replica-a"}).leave(ctx)
		w.caughtUp(ctx, registration.LeaseName("one"))
		w.caughtUp(ctx, registration.LeaseName("two"))
		id := published(ctx, w.recordOf(oc.Name)).Digests[0].ID()

		u, q := w.follow(ctx)
		Expect(u.through()).To(BeZero())
		hour := w.clock.Now().Truncate(time.Hour).Add(-3 * time.Hour)
		w.report(ctx, "one", map[string]time.Time{id: hour})
		told(u, id, hour)
		Eventually(q.of("wiki")).Should(Equal(1))
		Expect(u.through()).To(BeZero(), "the other replica has not reported")

		w.report(ctx, "two", map[string]time.Time{id: hour.Add(time.Minute)})
		told(u, id, hour.Add(time.Minute))
		Eventually(u.through).Should(BeTemporally("==", w.clock.Now().Truncate(time.Second)))
		Consistently(q.of("wiki")).Should(Equal(1), "the hour is the same")

		// It is replaced, and from then on every use counts.
		Expect(k8s.Delete(ctx, w.secret("wiki"))).To(Succeed())
		Eventually(func() int { return len(published(ctx, w.recordOf(oc.Name)).Digests) }).Should(Equal(2))
		record := w.recordOf(oc.Name)
		change(ctx, record, func() {
			c, err := registration.DecodeClient(record.Data[registration.KeyClient])
			Expect(err).NotTo(HaveOccurred())
			c.Digests[0].Until = w.clock.Now().Add(time.Hour).UTC().Truncate(time.Second)
			record.Data[registration.KeyClient], err = c.Encode()
			Expect(err).NotTo(HaveOccurred())
		})
		Eventually(func() []reconcile.Request { return u.clientsWith(ctx, endingPrefix+id) }).Should(HaveLen(1))
		w.report(ctx, "one", map[string]time.Time{id: hour.Add(2 * time.Minute)})
		told(u, id, hour.Add(2*time.Minute))
		Eventually(q.of("wiki")).Should(Equal(2))
		Expect(q.of("other")()).To(BeZero())
	})

	It("is known from the start, and survives the replica", func(ctx context.Context) {
		w := newWorld(ctx)
		const id = "0123456789ab"
		w.replica(ctx, registration.LeaseName("one"))
		used := w.clock.Now().Add(-48 * time.Hour)
		s := w.report(ctx, "one", map[string]time.Time{id: used})
		u, _ := w.follow(ctx)
		Expect(u.of(id)).To(BeTemporally("==", used.Truncate(time.Minute)))
		Expect(u.through()).NotTo(BeZero())

		(&fakeReplica{w, registration.LeaseName("one")}).leave(ctx)
		Eventually(u.through).Should(BeZero())
		w.clock.Step(reportKept - time.Second)
		Consistently(gone(ctx, s)).Should(BeFalse())
		Eventually(func() bool { // a day after the manager has seen it go
			w.clock.Step(time.Hour)
			return gone(ctx, s)()
		}).Should(BeTrue())
		Expect(u.of(id)).To(BeTemporally("==", used.Truncate(time.Minute)))
	})

	It("is deleted when it is old and nobody writes it any more", func(ctx context.Context) {
		w := newWorld(ctx)
		w.replica(ctx, registration.LeaseName("old"))
		old := w.report(ctx, "old", map[string]time.Time{"0123456789ab": w.clock.Now().Add(-48 * time.Hour)})
		(&fakeReplica{w, registration.LeaseName("old")}).leave(ctx)
		w.clock.Step(48 * time.Hour) // it was created just now
		w.start()
		Eventually(gone(ctx, old)).Should(BeTrue())
	})
})

var _ = Describe("A record that a replica cannot load", func() {
	// cannot says in one write that the replica has loaded all but those records.
	cannot := func(ctx context.Context, r *fakeReplica, records string) {
		GinkgoHelper()
		l, version := r.lease(), r.w.latest(ctx)
		change(ctx, l, func() {
			l.Annotations[registration.AnnotationLoaded] = version
			l.Annotations[registration.AnnotationUnloaded] = records
		})
	}
	const unable = "Replica replica-b of the authserver could not load it: its version may be older than the manager's."

	It("keeps its client from being Ready, and no other", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		other := w.wiki()
		other.Name = "other"
		create(ctx, other)
		expectClient(ctx, other, isReady)
		r := w.join(ctx, "replica-b", w.latest(ctx)) // which is older
		cannot(ctx, r, w.recordOf(oc.Name).Name)
		expectClient(ctx, oc, says{"True/Accepted", "True/SecretWritten", "False/AwaitingReplicas", "False/AwaitingReplicas", unable})
		Consistently(func() string {
			return reasons(fetch(ctx, other).Status.Conditions, other.Generation)["Ready"]
		}).Should(Equal("True/Ready"))

		cannot(ctx, r, "*")
		expectClient(ctx, other, says{"True/Accepted", "True/SecretWritten", "False/AwaitingReplicas", "False/AwaitingReplicas", unable})
		cannot(ctx, r, "")
		expectClient(ctx, oc, isReady)
		expectClient(ctx, other, isReady)
	})

	It("keeps a new secret from being mounted", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		r := w.replica(ctx, "replica-b")
		w.start()
		oc := w.wiki()
		create(ctx, oc)
		expectClient(ctx, oc, says{"True/Accepted", "False/AwaitingReplicas", "False/AwaitingReplicas", "False/AwaitingReplicas", "has not loaded it yet"})
		cannot(ctx, r, w.recordOf(oc.Name).Name)
		expectClient(ctx, oc, says{"True/Accepted", "False/AwaitingReplicas", "False/AwaitingReplicas", "False/AwaitingReplicas", unable})
		Expect(gone(ctx, w.secret("wiki"))()).To(BeTrue())
		cannot(ctx, r, "")
		expectClient(ctx, oc, isReady)
	})

	It("keeps its server from being Ready", func(ctx context.Context) {
		w, _ := readyWorld(ctx)
		r := w.join(ctx, "replica-b", w.latest(ctx))
		cannot(ctx, r, registration.ServerRecordName("main"))
		expectServer(ctx, w.server("main"), saysServer{"True/Accepted", "True/UsersLoaded", "False/AwaitingReplicas", "False/AwaitingReplicas", unable})
		r.leave(ctx)
		expectServer(ctx, w.server("main"), serverIsReady)
	})
})

var _ = Describe("The metrics of the caches", func() {
	It("count clients, servers, secrets and replicas", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		bad := w.wiki(on("nowhere"))
		bad.Name = "bad"
		create(ctx, bad)
		expectClient(ctx, bad, notAccepted("AuthorizationServerNotFound", "nowhere"))
		Expect(k8s.Delete(ctx, w.secret(oc.Name))).To(Succeed())
		Eventually(w.gauges).Should(And(
			HaveKeyWithValue("clientele_oauthclients Ready", 1.0),
			HaveKeyWithValue("clientele_oauthclients AuthorizationServerNotFound", 1.0),
			HaveKeyWithValue("clientele_oauthclients NoReplicas", 0.0),
			HaveKeyWithValue("clientele_authorizationservers Ready", 1.0),
			HaveKeyWithValue("clientele_credentials lt_1d active", 2.0),
			HaveKeyWithValue("clientele_replicas", 1.0),
		))
	})
})

// gauges is every gauge, by name and labels.
func (w *world) gauges() map[string]float64 {
	GinkgoHelper()
	got := map[string]float64{}
	w.eachMetric(func(name string, m *dto.Metric) {
		if m.GetGauge() != nil {
			got[name] = m.GetGauge().GetValue()
		}
	})
	return got
}
