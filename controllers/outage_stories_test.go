// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/apiserver"
	"github.com/clientele-dev/clientele/test/link"
)

// Here the API server itself goes away, and managers are elected, in real time: the
// pauses are those of client-go, which grow with the outage.
const (
	recovery = 30 * time.Second

	leaseDuration = 3 * time.Second
	renewDeadline = 2 * time.Second
	retryPeriod   = 300 * time.Millisecond
)

// process is a manager with a way to the API server of its own.
type process struct {
	link *link.Link
	kill context.CancelFunc
	// ended is what the manager ends with.
	ended chan error
}

// run starts a manager beside others.
func (w *world) run(change ...func(*ctrl.Options)) *process {
	GinkgoHelper()
	scheme, err := Scheme()
	Expect(err).NotTo(HaveOccurred())
	cache, err := CacheOptions(w.system)
	Expect(err).NotTo(HaveOccurred())
	p := &process{link: link.New(), ended: make(chan error, 1)}
	o := ctrl.Options{
		Scheme: scheme, Cache: cache, Logger: GinkgoLogr, Metrics: metricsserver.Options{BindAddress: "0"},
		LeaderElectionConfig: p.link.Through(config), // whose roles are another matter
	}
	for _, c := range change {
		c(&o)
	}
	mgr, err := ctrl.NewManager(p.link.Through(asManager()), o)
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	p.kill = cancel
	Expect(Setup(ctx, mgr, Options{
		Namespace: w.system, MaxConcurrentReconciles: 4, Clock: w.clock, Random: rand.Reader,
		Registerer: prometheus.NewRegistry(), SkipNameValidation: true,
	})).To(Succeed())
	go func() { p.ended <- mgr.Start(ctx); close(p.ended) }()
	DeferCleanup(func() {
		p.link.Cut()
		cancel()
		for range p.ended { // until it is closed
		}
	})
	return p
}

// elected makes a manager work only as the leader, as cmd/manager does, and give up
// sooner.
func (w *world) elected(o *ctrl.Options) {
	o.LeaderElection, o.LeaderElectionID, o.LeaderElectionNamespace = true, "manager", w.system
	o.LeaderElectionReleaseOnCancel = true
	o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = new(leaseDuration), new(renewDeadline), new(retryPeriod)
}

// creates fits a request that creates a Secret in a namespace.
func creates(namespace string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/namespaces/"+namespace+"/secrets")
	}
}

// interrupted is a rotation whose record is published, and whose Secret is not
// written: the replica has not loaded the record.
type interrupted struct {
	*world

	oc      *v1alpha1.OAuthClient
	replica *fakeReplica
}

// interrupt lets a manager begin a rotation that it cannot finish yet.
func interrupt(ctx context.Context, w *world) *interrupted {
	GinkgoHelper()
	i := &interrupted{world: w, oc: w.wiki(), replica: w.replica(ctx, "replica-a")}
	create(ctx, i.oc)
	i.becomesReady(ctx)
	Expect(k8s.Delete(ctx, w.secret(i.oc.Name))).To(Succeed())
	Eventually(i.digests).WithContext(ctx).WithTimeout(recovery).Should(HaveLen(2))
	return i
}

// digests are those in the record, as far as it can be read.
func (i *interrupted) digests(ctx context.Context) []registration.Digest {
	record := i.recordOf(i.oc.Name)
	if k8s.Get(ctx, client.ObjectKeyFromObject(record), record) != nil {
		return nil
	}
	c, _ := registration.DecodeClient(record.Data[registration.KeyClient])
	return c.Digests
}

// becomesReady lets the replica load what is there until the client is Ready.
func (i *interrupted) becomesReady(ctx context.Context) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		i.replica.load(ctx)
		g.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(i.oc), i.oc)).To(Succeed())
		g.Expect(reasons(i.oc.Status.Conditions, i.oc.Generation)).To(HaveKeyWithValue("Ready", "True/Ready"))
		g.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(i.secret(i.oc.Name)), &corev1.Secret{})).To(Succeed())
	}).WithTimeout(recovery).WithPolling(100 * time.Millisecond).Should(Succeed())
	mounted := digestOf(fetch(ctx, i.secret(i.oc.Name)))
	Expect(i.digests(ctx)).To(ContainElement(And(HaveField("SHA256", mounted), HaveField("Until", BeZero()))))
}

var _ = Describe("An API server that goes away in a rotation", Ordered, func() {
	var server *apiserver.Server
	// It is another one than the other stories', of which nobody takes it away.
	BeforeAll(func() {
		theirs, theirK8s := config, k8s
		var err error
		server, err = apiserver.New()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() {
			config, k8s = theirs, theirK8s
			Expect(server.End()).To(Succeed())
		})
		scheme, err := Scheme()
		Expect(err).NotTo(HaveOccurred())
		config = server.Config
		k8s, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
		Expect(err).NotTo(HaveOccurred())
	})

	It("between the record and the Secret delays it, and no more", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.run()
		i := interrupt(ctx, w)
		Expect(server.Halt()).To(Succeed())
		Expect(server.Resume()).To(Succeed())
		Expect(i.digests(ctx)).To(HaveLen(2))
		i.becomesReady(ctx)
		Expect(i.digests(ctx)).To(HaveLen(2), "what was minted before the outage is what is mounted after it")
	}, SpecTimeout(time.Minute))

	It("when it has created the Secret and not said so leaves nothing undone", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		p := w.run()
		i := interrupt(ctx, w)
		held := p.link.Hold(creates(w.app))
		i.replica.load(ctx)
		var h *link.Held
		Eventually(held).Should(Receive(&h))
		Expect(h.Deliver(ctx)).To(Equal(http.StatusCreated))
		mounted := digestOf(fetch(ctx, w.secret("wiki")))

		Expect(server.Halt()).To(Succeed())
		p.link.Cut() // so that the manager hears at once that there is no answer
		p.link.Mend()
		Expect(server.Resume()).To(Succeed())
		i.becomesReady(ctx)
		Expect(digestOf(fetch(ctx, w.secret("wiki")))).To(Equal(mounted))
		Expect(i.digests(ctx)).To(HaveLen(2))
	}, SpecTimeout(time.Minute))

	It("for longer than the manager's Lease ends the manager, and the next one finishes", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		p := w.run(w.elected)
		i := interrupt(ctx, w)
		Expect(server.Halt()).To(Succeed())
		Eventually(p.ended).WithTimeout(recovery).Should(Receive(MatchError(ContainSubstring("leader election lost"))))
		Expect(server.Resume()).To(Succeed())
		w.run(w.elected)
		i.becomesReady(ctx)
		Expect(len(i.digests(ctx))).To(BeNumerically("<=", 3), "one was lost with the manager's memory, and one more minted")
	}, SpecTimeout(time.Minute))
})

var _ = Describe("A leader in a rotation", func() {
	for name, end := range map[string]func(*process){
		"that is cut off": func(p *process) { p.link.Cut() },
		"that is killed":  func(p *process) { p.link.Cut(); p.kill() },
	} {
		It(name+" is replaced, and the next one finishes", func(ctx context.Context) {
			w := newWorld(ctx)
			w.prepared(ctx)
			leader := w.run(w.elected)
			i := interrupt(ctx, w)
			w.run(w.elected)
			end(leader)
			Eventually(leader.ended).WithTimeout(recovery).Should(Receive())
			i.becomesReady(ctx)
			Expect(len(i.digests(ctx))).To(BeNumerically("<=", 3))
		}, SpecTimeout(time.Minute))
	}

	It("that is replaced while its write is under way cannot break what its successor has written", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		leader := w.run(w.elected)
		i := interrupt(ctx, w)
		held := leader.link.Hold(creates(w.app))
		i.replica.load(ctx)
		var h *link.Held
		Eventually(held).Should(Receive(&h))
		leader.link.Cut()
		w.run(w.elected)
		i.becomesReady(ctx)
		mounted := fetch(ctx, w.secret("wiki"))
		Expect(h.Deliver(ctx)).To(Equal(http.StatusConflict))
		Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(mounted.ResourceVersion))
		Expect(len(i.digests(ctx))).To(BeNumerically("<=", 3))
		Eventually(leader.ended).WithTimeout(recovery).Should(Receive(HaveOccurred()))
	}, SpecTimeout(time.Minute))
})

var _ = Describe("A clock that jumps in a rotation", func() {
	for name, jump := range map[string]time.Duration{"back by a year": -365 * 24 * time.Hour, "forward by a day": 24 * time.Hour} {
		for _, written := range []bool{false, true} {
			when := map[bool]string{false: " before the Secret is written", true: " after the Secret is written"}[written]
			It(name+when+" refuses nothing that is mounted, and keeps nothing for ever", func(ctx context.Context) {
				l := newLab(ctx)
				l.join(ctx)
				oc := l.wiki()
				create(ctx, oc)
				m := l.elect(ctx)
				m.settle(ctx, oc.Name)
				rotate := func() {
					GinkgoHelper()
					Expect(k8s.Delete(ctx, l.secret(oc.Name))).To(Succeed())
					m.cache.refresh(ctx)
					_, err := m.look(ctx, oc.Name) // publishes another digest, which no replica has loaded
					Expect(err).NotTo(HaveOccurred())
				}
				rotate()
				Expect(l.isPublished(ctx, oc.Name)).To(HaveLen(2))
				if written {
					m.settle(ctx, oc.Name)
				}
				l.clock.SetTime(l.clock.Now().Add(jump))
				m.settle(ctx, oc.Name)
				Expect(len(l.isReadyNow(ctx, oc.Name).Digests)).To(BeNumerically("<=", 2), "none is minted because of it")

				// What the year to come was noted on ends with the next rotation.
				rotate()
				m.settle(ctx, oc.Name)
				for _, d := range []time.Duration{settleDelay, overlap} {
					l.clock.Step(d)
					m.settle(ctx, oc.Name)
				}
				Expect(l.isReadyNow(ctx, oc.Name).Digests).To(HaveLen(1))
			}, SpecTimeout(time.Minute))
		}
	}
})

// isPublished are the digests in a client's record.
func (l *lab) isPublished(ctx context.Context, name string) []registration.Digest {
	GinkgoHelper()
	return published(ctx, l.recordOf(name)).Digests
}
