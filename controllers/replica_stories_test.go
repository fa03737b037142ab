// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("The replicas of the authserver", func() {
	It("that lapse are not waited for, and are told so", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		lagging := w.replica(ctx, "replica-b")
		w.start()
		oc := w.wiki()
		create(ctx, oc)
		expectClient(ctx, oc, says{"True/Accepted", "False/AwaitingReplicas", "False/AwaitingReplicas", "False/AwaitingReplicas", "Replica replica-b"})
		w.clock.Step(15*time.Second + lapseMargin - time.Millisecond)
		w.replica(ctx, "replica-a").load(ctx) // which is heard of just now
		Consistently(gone(ctx, w.secret("wiki"))).Should(BeTrue())
		w.step(time.Millisecond)
		expectClient(ctx, oc, isReady)
		Expect(gone(ctx, lagging.lease())()).To(BeTrue())
	})

	It("that say nothing of what they have loaded are waited for", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		r := w.replica(ctx, "replica-a")
		r.say(ctx, "")
		w.start()
		oc := w.wiki()
		create(ctx, oc)
		expectClient(ctx, oc, says{"True/Accepted", "False/AwaitingReplicas", "False/AwaitingReplicas", "False/AwaitingReplicas", "Replica replica-a"})
		r.load(ctx)
		expectClient(ctx, oc, isReady)
	})

	It("may all go for a moment, and no status changes", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		r := &fakeReplica{w, "replica-a"}
		before := oc.ResourceVersion
		r.leave(ctx)
		w.step(emptyGrace - time.Millisecond)
		next := w.caughtUp(ctx, "replica-a2")
		w.clock.Step(time.Second)
		other := w.wiki()
		other.Name = "other"
		create(ctx, other)
		expectClient(ctx, other, says{"True/Accepted", "False/AwaitingReplicas", "False/AwaitingReplicas", "False/AwaitingReplicas", "replica-a2"})
		Expect(fetch(ctx, oc).ResourceVersion).To(Equal(before))
		next.load(ctx)
		expectClient(ctx, other, isReady)
	})

	It("may all go for long, and every client says so", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		(&fakeReplica{w, "replica-a"}).leave(ctx)
		w.desert(ctx, oc)
		expectClient(ctx, oc, says{"True/Accepted", "True/SecretWritten", "False/NoReplicas", "False/NoReplicas", "Check its Deployment and Pods"})
		w.replica(ctx, "replica-b").load(ctx)
		expectClient(ctx, oc, isReady)
	})

	It("may all have gone while no manager ran", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		w.halt()
		w.start()
		expectClient(ctx, oc, isReady)
		w.desert(ctx, oc) // nobody renews the Lease
		expectClient(ctx, oc, says{"True/Accepted", "True/SecretWritten", "False/NoReplicas", "False/NoReplicas", "Check its Deployment and Pods"})
	})
})

var _ = Describe("What the manager tells", func() {
	It("counts what happens, and nothing twice", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		Expect(k8s.Delete(ctx, w.secret("wiki"))).To(Succeed())
		w.expectReplaced(ctx, oc)
		secret := w.secret("wiki")
		change(ctx, secret, func() { secret.Data[keyClientSecret] = []byte("mine") })
		Eventually(func() string { return string(fetch(ctx, secret).Data[keyClientSecret]) }).ShouldNot(Equal("mine"))
		bad := w.wiki(on("nowhere"))
		bad.Name = "bad"
		create(ctx, bad)
		expectClient(ctx, bad, notAccepted("AuthorizationServerNotFound", "nowhere"))

		Eventually(func(g Gomega) {
			got := w.gather()
			g.Expect(got).To(HaveKeyWithValue("clientele_rotations_total secret_missing", 1.0))
			g.Expect(got).To(HaveKeyWithValue("clientele_rotations_total secret_changed", 1.0))
			g.Expect(got).To(HaveKeyWithValue("clientele_reconcile_failures_total OAuthClient AuthorizationServerNotFound", 1.0))
			g.Expect(got).To(HaveKeyWithValue("clientele_oauthclient_ready_seconds", 1.0))
		}).Should(Succeed())
	})

	It("never has a client secret in it", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.replica(ctx, "replica-a").follow(ctx)
		w.start()
		var said strings.Builder
		oc := w.wiki()
		create(ctx, oc)
		expectClient(ctx, oc, isReady)
		var values []string
		for range 3 {
			secret := fetch(ctx, w.secret("wiki"))
			values = append(values, string(secret.Data[keyClientSecret]))
			Expect(k8s.Delete(ctx, secret)).To(Succeed())
			Eventually(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(oc), &corev1.Secret{}) }).Should(Succeed())
			expectClient(ctx, oc, isReady)
			fmt.Fprint(&said, oc.Status, fetch(ctx, w.recordOf("wiki")))
		}
		said.WriteString(CurrentSpecReport().CapturedGinkgoWriterOutput) // with the manager's log
		for _, v := range values {
			Expect(said.String()).NotTo(Or(ContainSubstring(v), ContainSubstring(base64Of(v))))
		}
	})
})

// gather is every counter, and the count of every histogram, by name and labels.
func (w *world) gather() map[string]float64 {
	GinkgoHelper()
	got := map[string]float64{}
	w.eachMetric(func(name string, m *dto.Metric) {
		got[name] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
	})
	return got
}

// eachMetric calls do with every metric, under its name and the values of its labels.
func (w *world) eachMetric(do func(name string, m *dto.Metric)) {
	GinkgoHelper()
	families, err := w.metrics.Gather()
	Expect(err).NotTo(HaveOccurred())
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			do(name, m)
		}
	}
}
