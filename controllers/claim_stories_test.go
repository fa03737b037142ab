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
	"github.com/clientele-dev/clientele/internal/registration"
)

func withID(id string) func(*v1alpha1.OAuthClientSpec) {
	return func(s *v1alpha1.OAuthClientSpec) { s.ClientID = id }
}

// oauthClient makes an OAuthClient of another name.
func (w *world) oauthClient(name string, change ...func(*v1alpha1.OAuthClientSpec)) *v1alpha1.OAuthClient {
	oc := w.wiki(change...)
	oc.Name = name
	return oc
}

// isTaken is what a client says whose client_id another one has.
func (w *world) isTaken(by string) says {
	return notAccepted("ClientIDTaken", "OAuthClient "+w.app+"/"+by+" has the client_id")
}

var _ = Describe("A client_id of one's own", func() {
	It("is the first one's, and the next one's when that goes", func(ctx context.Context) {
		w, first := readyWorld(ctx, withID("shop-app"))
		Expect(string(fetch(ctx, w.secret("wiki")).Data["client_id"])).To(Equal("shop-app"))
		Expect(published(ctx, w.recordOf("wiki")).ClientID).To(Equal("shop-app"))
		Expect(first.Status.ClientID).To(Equal("shop-app"))

		second := w.oauthClient("a-second", withID("shop-app"))
		create(ctx, second)
		expectClient(ctx, second, w.isTaken("wiki"))
		Expect(readyOf(second.Status.Conditions).Message).To(ContainSubstring("with another spec.clientID or without one"))
		expectEvent(ctx, second, "ClientIDTaken", w.app+"/wiki")
		Expect(gone(ctx, w.recordOf("a-second"))()).To(BeTrue())
		Expect(gone(ctx, w.secret("a-second"))()).To(BeTrue())
		expectClient(ctx, first, isReady)

		By("deleting the first")
		Expect(k8s.Delete(ctx, first)).To(Succeed())
		expectClient(ctx, second, isReady)
		Expect(string(fetch(ctx, w.secret("a-second")).Data["client_id"])).To(Equal("shop-app"))
	})

	It("can be had once with each AuthorizationServer", func(ctx context.Context) {
		w, first := readyWorld(ctx, withID("shop-app"))
		create(ctx, w.server("other"))
		second := w.oauthClient("second", withID("shop-app"), on("other"))
		create(ctx, second)
		expectClient(ctx, second, isReady)

		By("not moving to where it is taken")
		change(ctx, second, func() { second.Spec.AuthorizationServerRef = nil })
		expectClient(ctx, second, keptAsItWas("ClientIDTaken", w.app+"/wiki"))
		Expect(published(ctx, w.recordOf("second")).AuthorizationServer).To(Equal("other"))

		By("moving there once the first has moved away")
		change(ctx, first, func() {
			first.Spec.AuthorizationServerRef = &v1alpha1.AuthorizationServerReference{Name: "third"}
		})
		create(ctx, w.server("third"))
		expectClient(ctx, first, isReady)
		expectClient(ctx, second, isReady)
		Expect(published(ctx, w.recordOf("second")).AuthorizationServer).To(Equal("main"))
	})

	It("may be what another client is called by default, if that comes later", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.replica(ctx, "replica-a").follow(ctx)
		w.start()
		first := w.oauthClient("first", withID(w.app+".wiki"))
		create(ctx, first)
		expectClient(ctx, first, isReady)
		second := w.wiki()
		create(ctx, second)
		expectClient(ctx, second, w.isTaken("first"))
	})

	It("cannot begin like that of another namespace", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.start()
		oc := w.wiki(withID("billing.api"))
		create(ctx, oc)
		expectClient(ctx, oc, notAccepted("InvalidSpec", "spec.clientID billing.api begins like a client_id of namespace billing"))
		Expect(gone(ctx, w.recordOf("wiki"))()).To(BeTrue())
	})

	It("is the oldest one's, of those that came while no manager ran", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.replica(ctx, "replica-a").follow(ctx)
		var all []*v1alpha1.OAuthClient
		for _, name := range []string{"a", "b", "c", "d"} { // the name decides within a second
			oc := w.oauthClient(name, withID("shop-app"))
			create(ctx, oc)
			all = append(all, oc)
		}
		w.start()
		for i, oc := range all {
			expectClient(ctx, oc, isReady)
			for _, later := range all[i+1:] {
				expectClient(ctx, later, w.isTaken(oc.Name))
			}
			Expect(k8s.Delete(ctx, oc)).To(Succeed())
		}
	})

	It("is not kept by one who is refused for something else", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.replica(ctx, "replica-a").follow(ctx)
		w.start()
		older := w.oauthClient("a-older", withID("shop-app"))
		older.Spec.Scopes = []v1alpha1.Scope{"api:write"}
		create(ctx, older)
		expectClient(ctx, older, notAccepted("UnsupportedScope", "api:write"))
		younger := w.oauthClient("b-younger", withID("shop-app"))
		create(ctx, younger)
		expectClient(ctx, younger, isReady)
		change(ctx, older, func() { older.Spec.Scopes = []v1alpha1.Scope{"openid"} })
		expectClient(ctx, older, w.isTaken("b-younger"))
		expectClient(ctx, younger, isReady)
	})

	It("is the next one's when the first goes, or is refused, before it was registered", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.replica(ctx, "replica-a").follow(ctx)
		create(ctx, w.secret("a"))
		create(ctx, w.secret("b"))
		w.start()
		var all []*v1alpha1.OAuthClient
		for _, name := range []string{"a", "b", "c"} {
			all = append(all, w.oauthClient(name, withID("shop-app")))
			create(ctx, all[len(all)-1])
		}
		waiting := says{"True/Accepted", "False/SecretNotOwned", "False/SecretNotOwned", "False/SecretNotOwned", "left alone"}
		expectClient(ctx, all[0], waiting)
		expectClient(ctx, all[2], w.isTaken("a"))
		Expect(k8s.Delete(ctx, all[0])).To(Succeed())
		expectClient(ctx, all[1], waiting)
		expectClient(ctx, all[2], w.isTaken("b"))
		change(ctx, all[1], func() { all[1].Spec.Scopes = []v1alpha1.Scope{"api:write"} })
		expectClient(ctx, all[1], notAccepted("UnsupportedScope", "api:write"))
		expectClient(ctx, all[2], isReady)
	})

	It("is not taken back by one that policy had withdrawn", func(ctx context.Context) {
		w, first := readyWorld(ctx, withID("shop-app"))
		elsewhere := first.Spec.RedirectURIs
		w.allow(ctx, v1alpha1.PolicyRule{Name: "shop", RedirectHosts: []v1alpha1.HostPattern{"shop.example.com"}})
		expectClient(ctx, first, isWithdrawn("shop.example.com"))
		second := w.oauthClient("z-second", withID("shop-app"))
		second.Spec.RedirectURIs = []v1alpha1.RedirectURI{"https://shop.example.com/callback"}
		create(ctx, second)
		expectClient(ctx, second, isReady)
		holds := fetch(ctx, w.recordOf("z-second")).UID

		By("allowing the first again")
		w.allow(ctx)
		expectClient(ctx, first, says{"False/ClientIDTaken", "True/SecretWritten", "False/NotAccepted", "False/ClientIDTaken", w.app + "/z-second"})
		Expect(published(ctx, w.recordOf("wiki")).Withdrawn).To(BeTrue())
		change(ctx, first, func() { first.Spec.Scopes = []v1alpha1.Scope{"api:write"} })
		expectClient(ctx, first, says{"False/UnsupportedScope", "True/SecretWritten", "False/NotAccepted", "False/UnsupportedScope", "api:write"})
		expectClient(ctx, second, isReady)
		Expect(fetch(ctx, w.recordOf("z-second")).UID).To(Equal(holds))

		By("deleting the second")
		Expect(k8s.Delete(ctx, second)).To(Succeed())
		change(ctx, first, func() { first.Spec.Scopes, first.Spec.RedirectURIs = nil, elsewhere })
		expectClient(ctx, first, isReady)
	})

	It("is given back by the younger of two records, as a late write of an earlier leader may leave them", func(ctx context.Context) {
		w, first := readyWorld(ctx, withID("shop-app"))
		second := w.oauthClient("z-second", withID("shop-app"))
		create(ctx, second)
		expectClient(ctx, second, w.isTaken("wiki"))
		w.halt()
		late := published(ctx, w.recordOf("wiki"))
		late.Name, late.UID = second.Name, string(second.UID)
		record, err := desiredRecord(nil, client.ObjectKeyFromObject(w.recordOf("z-second")), late)
		Expect(err).NotTo(HaveOccurred())
		create(ctx, record)
		w.start()
		Eventually(gone(ctx, w.recordOf("z-second"))).Should(BeTrue())
		expectClient(ctx, second, w.isTaken("wiki"))
		expectClient(ctx, first, isReady)
		Expect(k8s.Delete(ctx, first)).To(Succeed())
		expectClient(ctx, second, isReady)
	})
})

var _ = Describe("Two workers of a manager", func() {
	It("do not both give away a client_id, though neither sees the other's record", func(ctx context.Context) {
		l := newLab(ctx)
		l.join(ctx)
		later := l.oauthClient("b", withID("shop-app"))
		create(ctx, later)
		m := l.elect(ctx)
		_, err := m.look(ctx, "b")
		Expect(err).NotTo(HaveOccurred())
		Expect(published(ctx, l.recordOf("b")).ClientID).To(Equal("shop-app"))

		// One that sorts before it comes in the same second, or is taken to.
		earlier := l.oauthClient("a", withID("shop-app"))
		create(ctx, earlier)
		blind := func(m *leader) {
			m.cache.refresh(ctx)
			key := client.ObjectKeyFromObject(l.recordOf("b"))
			m.cache.objects[key] = nil
			for _, o := range m.cache.objects[client.ObjectKeyFromObject(earlier)] {
				if oc, is := o.(*v1alpha1.OAuthClient); is {
					oc.CreationTimestamp = later.CreationTimestamp
				}
			}
		}
		blind(m)
		result, err := m.look(ctx, "a")
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(claimDelay))
		Expect(gone(ctx, l.recordOf("a"))()).To(BeTrue())
		expectClient(ctx, earlier, l.isTaken("b"))

		By("being replaced by one that knows of nothing")
		fresh := l.elect(ctx)
		blind(fresh)
		_, err = fresh.look(ctx, "a")
		Expect(err).NotTo(HaveOccurred())
		Expect(published(ctx, l.recordOf("a")).ClientID).To(Equal("shop-app"))
		l.settleBoth(ctx, fresh)
	})
})

// settleBoth lets a manager find out that a and b are registered with one client_id.
func (l *lab) settleBoth(ctx context.Context, m *leader) {
	GinkgoHelper()
	m.cache.refresh(ctx)
	records, err := m.recordsWith(ctx, claimed{"main", "shop-app"})
	Expect(err).NotTo(HaveOccurred())
	Expect(records).To(HaveLen(2))
	older, younger := "a", "b"
	if records[0].Name == registration.ClientRecordName(l.app, "b") {
		older, younger = "b", "a"
	}
	for range 3 {
		m.settle(ctx, younger)
		m.settle(ctx, older)
	}
	Expect(gone(ctx, l.recordOf(younger))()).To(BeTrue())
	Expect(gone(ctx, l.secret(younger))()).To(BeTrue())
	l.isReadyNow(ctx, older)
	Expect(fetch(ctx, &corev1.Secret{ObjectMeta: l.secret(older).ObjectMeta}).Data).To(HaveKey("client_secret"))
}
