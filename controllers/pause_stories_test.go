// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

func pause(ctx context.Context, oc *v1alpha1.OAuthClient) {
	GinkgoHelper()
	change(ctx, oc, func() { setAnnotation(oc, v1alpha1.AnnotationPaused, "true") })
}

func resume(ctx context.Context, oc *v1alpha1.OAuthClient) {
	GinkgoHelper()
	change(ctx, oc, func() { setAnnotation(oc, v1alpha1.AnnotationPaused, "") })
}

var _ = Describe("An OAuthClient that is paused", func() {
	// versions are those of all that a pause leaves alone.
	versions := func(ctx context.Context, w *world) []string {
		return []string{fetch(ctx, w.secret("wiki")).ResourceVersion, fetch(ctx, w.recordOf("wiki")).ResourceVersion}
	}

	It("stays Ready while there is nothing to do, and does nothing about a change of its spec", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		before := versions(ctx, w)
		pause(ctx, oc)
		w.halt()
		w.start() // looks at everything
		Consistently(func() string { return string(readyOf(fetch(ctx, oc).Status.Conditions).Status) }).Should(Equal("True"))

		change(ctx, oc, func() { oc.Spec.DisplayName = "Changed" })
		expectClient(ctx, oc, says{
			"True/Accepted", "True/SecretWritten", "False/Paused", "False/Paused",
			"A change of the registration is held, because the annotation clientele.dev/paused of this OAuthClient is true. Remove the annotation",
		})
		Expect(versions(ctx, w)).To(Equal(before))

		By("taking the change back")
		change(ctx, oc, func() { oc.Spec.DisplayName = "" })
		expectClient(ctx, oc, isReady)

		By("going on")
		change(ctx, oc, func() { oc.Spec.DisplayName = "Changed" })
		expectClient(ctx, oc, says{"True/Accepted", "True/SecretWritten", "False/Paused", "False/Paused", "registration"})
		resume(ctx, oc)
		expectClient(ctx, oc, isReady)
		Expect(published(ctx, w.recordOf("wiki")).DisplayName).To(Equal("Changed"))
	})

	It("does not get its Secret back until it goes on", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		pause(ctx, oc)
		Expect(k8s.Delete(ctx, w.secret("wiki"))).To(Succeed())
		expectClient(ctx, oc, says{"True/Accepted", "False/Paused", "False/Paused", "False/Paused", "A change of Secret wiki is held"})
		Expect(gone(ctx, w.secret("wiki"))()).To(BeTrue())
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveLen(1))
		resume(ctx, oc)
		expectClient(ctx, oc, isReady)
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveLen(2))
	})

	It("has an edited key of its Secret mended when it goes on", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		pause(ctx, oc)
		secret := w.secret("wiki")
		change(ctx, secret, func() { secret.Data["issuer"] = []byte("https://elsewhere.example.com") })
		expectClient(ctx, oc, says{"True/Accepted", "False/Paused", "True/Loaded", "False/Paused", "Secret wiki"})
		Expect(string(fetch(ctx, secret).Data["issuer"])).To(Equal("https://elsewhere.example.com"))
		resume(ctx, oc)
		expectClient(ctx, oc, isReady)
		Expect(string(fetch(ctx, secret).Data["issuer"])).To(Equal("https://main.example.com"))
	})

	It("is not registered if it is new", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.replica(ctx, "replica-a").follow(ctx)
		w.start()
		oc := w.wiki()
		setAnnotation(oc, v1alpha1.AnnotationPaused, "true")
		create(ctx, oc)
		expectClient(ctx, oc, says{"True/Accepted", "False/Paused", "False/Paused", "False/Paused", "clientele.dev/paused"})
		Expect(gone(ctx, w.recordOf("wiki"))()).To(BeTrue())
		Expect(gone(ctx, w.secret("wiki"))()).To(BeTrue())
		resume(ctx, oc)
		expectClient(ctx, oc, isReady)
	})

	It("does not move", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		create(ctx, w.server("other"))
		before := versions(ctx, w)
		pause(ctx, oc)
		moveTo(ctx, oc, "other")
		expectClient(ctx, oc, says{"True/Accepted", "False/Paused", "False/Paused", "False/Paused", "held"})
		Expect(versions(ctx, w)).To(Equal(before))
		resume(ctx, oc)
		expectClient(ctx, oc, isReady)
		Expect(string(fetch(ctx, w.secret("wiki")).Data["issuer"])).To(Equal("https://other.example.com"))
	})

	It("keeps its old secrets, which end when it goes on", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		Expect(k8s.Delete(ctx, w.secret("wiki"))).To(Succeed())
		w.expectReplaced(ctx, oc)
		pause(ctx, oc)
		w.halt()
		w.clock.Step(settleDelay)
		w.start()
		expectClient(ctx, oc, says{"True/Accepted", "True/SecretWritten", "False/Paused", "False/Paused", "registration"})
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveEach(HaveField("Until", BeZero())))
		resume(ctx, oc)
		expectClient(ctx, oc, isReady)
		Expect(published(ctx, w.recordOf("wiki")).Digests[0].Until).NotTo(BeZero())
	})

	It("is withdrawn when it is deleted", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		pause(ctx, oc)
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		Eventually(gone(ctx, w.recordOf("wiki"))).Should(BeTrue())
		Eventually(gone(ctx, w.secret("wiki"))).Should(BeTrue())
	})

	It("can be withdrawn by policy", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		w.halt()
		withdrawn := published(ctx, w.recordOf("wiki"))
		withdrawn.Withdrawn = true
		record, err := desiredRecord(fetch(ctx, w.recordOf("wiki")), client.ObjectKeyFromObject(w.recordOf("wiki")), withdrawn)
		Expect(err).NotTo(HaveOccurred())
		writer := heldWriter{k8s, w.system}
		Expect(secrets{writer}.update(ctx, record)).To(Succeed())
		Expect(published(ctx, w.recordOf("wiki")).Withdrawn).To(BeTrue())

		By("and not be registered again")
		withdrawn.Withdrawn = false
		record, err = desiredRecord(fetch(ctx, w.recordOf("wiki")), client.ObjectKeyFromObject(w.recordOf("wiki")), withdrawn)
		Expect(err).NotTo(HaveOccurred())
		for condition, err := range map[string]error{
			v1alpha1.ConditionRegistered:       secrets{writer}.update(ctx, record),
			v1alpha1.ConditionCredentialsReady: secrets{writer}.delete(ctx, fetch(ctx, w.secret("wiki"))),
		} {
			found, is := asProblem(err)
			Expect(is).To(BeTrue())
			Expect(found.condition).To(Equal(condition))
			Expect(found.reason).To(Equal(v1alpha1.ReasonPaused))
		}
		Expect(writer.Patch(ctx, oc, client.MergeFrom(oc))).To(MatchError(ContainSubstring("held")))
		Expect(secrets{writer}.create(ctx, &corev1.Secret{})).To(MatchError(ContainSubstring("held")))
	})
})
