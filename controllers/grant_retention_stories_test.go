// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

func retainsGrants(s *v1alpha1.OAuthClientSpec) { s.GrantDeletionPolicy = v1alpha1.GrantsRetain }

// month is a server's refreshToken, by default.
const month = 720 * time.Hour

// expectRetained waits until a record holds nothing but grants.
func (w *world) expectRetained(ctx context.Context, name string) {
	GinkgoHelper()
	Eventually(func() bool { return published(ctx, w.recordOf(name)).Withdrawn }).Should(BeTrue())
	record := published(ctx, w.recordOf(name))
	Expect(record.Digests).To(BeEmpty())
	Expect(record.RetainedUntil).To(Equal(stamp(w.clock.Now()).Add(month)))
}

var _ = Describe("The grants of an OAuthClient that is deleted", func() {
	It("end with it", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		Eventually(gone(ctx, w.recordOf("wiki"))).Should(BeTrue())
		again := w.wiki()
		create(ctx, again)
		expectClient(ctx, again, isReady)
		Expect(published(ctx, w.recordOf("wiki")).GrantUID).To(BeEmpty())
	})

	It("can be retained for the next one, and the one after that", func(ctx context.Context) {
		w, oc := readyWorld(ctx, retainsGrants)
		first := string(oc.UID)
		old := digestOf(fetch(ctx, w.secret("wiki")))
		for range 2 {
			Expect(k8s.Delete(ctx, oc)).To(Succeed())
			w.expectRetained(ctx, "wiki")
			Eventually(gone(ctx, w.secret("wiki"))).Should(BeTrue())
			expectEvent(ctx, oc, "Withdrawn", w.app+".wiki is no longer registered. Its grants are kept until ")

			oc = w.wiki(retainsGrants)
			create(ctx, oc)
			expectClient(ctx, oc, isReady)
			record := published(ctx, w.recordOf("wiki"))
			Expect(record.UID).To(Equal(string(oc.UID)))
			Expect(record.GrantUID).To(Equal(first))
			Expect(record.Withdrawn).To(BeFalse())
			Expect(record.RetainedUntil).To(BeZero())
			Expect(record.Digests).To(HaveLen(1))
			Expect(record.Digests[0].SHA256).NotTo(Equal(old))
		}
		change(ctx, oc, func() { oc.Spec.DisplayName = "Changed" })
		expectClient(ctx, oc, isReady)
		Expect(published(ctx, w.recordOf("wiki")).GrantUID).To(Equal(first))
	})

	It("can be retained across a time without a manager", func(ctx context.Context) {
		w, oc := readyWorld(ctx, retainsGrants)
		w.halt()
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		again := w.wiki()
		create(ctx, again)
		w.start()
		expectClient(ctx, again, isReady)
		Expect(published(ctx, w.recordOf("wiki")).GrantUID).To(Equal(string(oc.UID)))
	})

	It("end when none of them could be refreshed any more", func(ctx context.Context) {
		w, oc := readyWorld(ctx, retainsGrants)
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		w.expectRetained(ctx, "wiki")
		for _, pass := range []time.Duration{month - time.Second, time.Second} {
			Expect(gone(ctx, w.recordOf("wiki"))()).To(BeFalse())
			w.halt()
			w.clock.Step(pass)
			w.start()
			expectServer(ctx, w.server("main"), saysServer{"True/Accepted", "True/UsersLoaded", "True/Loaded", "True/Ready", ""})
		}
		Eventually(gone(ctx, w.recordOf("wiki"))).Should(BeTrue())
	})

	It("are not for a client of another client_id", func(ctx context.Context) {
		w, oc := readyWorld(ctx, retainsGrants)
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		w.expectRetained(ctx, "wiki")
		other := w.wiki(withID("another"))
		create(ctx, other)
		expectClient(ctx, other, isReady)
		Expect(published(ctx, w.recordOf("wiki")).GrantUID).To(BeEmpty())
	})

	It("keep neither the client_id nor the AuthorizationServer, and go with that", func(ctx context.Context) {
		w, oc := readyWorld(ctx, retainsGrants, withID("shop-app"))
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		w.expectRetained(ctx, "wiki")
		other := w.oauthClient("other", withID("shop-app"), retainsGrants)
		create(ctx, other)
		expectClient(ctx, other, isReady)
		Expect(published(ctx, w.recordOf("other")).GrantUID).To(BeEmpty())
		Expect(k8s.Delete(ctx, other)).To(Succeed())
		w.expectRetained(ctx, "other")

		server := w.server("main")
		Expect(k8s.Delete(ctx, server)).To(Succeed())
		Eventually(gone(ctx, server)).Should(BeTrue())
	})
})

var _ = Describe("A namespace that is deleted while no manager runs", func() {
	It("is deleted at once, and its clients are withdrawn when the manager is back", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		public := w.oauthClient("public", isPublic)
		create(ctx, public)
		expectClient(ctx, public, isReady)
		w.halt()
		// What the namespace's controller does: delete whatever is in it.
		for _, o := range []client.Object{oc, public, w.secret("wiki"), w.secret("public")} {
			Expect(fetch(ctx, o).GetFinalizers()).To(BeEmpty())
			Expect(k8s.Delete(ctx, o)).To(Succeed())
			Expect(gone(ctx, o)()).To(BeTrue())
		}
		ns := &corev1.Namespace{}
		ns.Name = w.app
		Expect(k8s.Delete(ctx, ns)).To(Succeed())

		w.start()
		Eventually(gone(ctx, w.recordOf("wiki"))).Should(BeTrue())
		Eventually(gone(ctx, w.recordOf("public"))).Should(BeTrue())
		server := w.server("main")
		Expect(k8s.Delete(ctx, server)).To(Succeed())
		Eventually(gone(ctx, server)).Should(BeTrue())
	})
})
