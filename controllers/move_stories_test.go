// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// moveTo names another AuthorizationServer.
func moveTo(ctx context.Context, oc *v1alpha1.OAuthClient, server string) {
	GinkgoHelper()
	change(ctx, oc, func() { on(server)(&oc.Spec) })
}

// clientsRemain is what a server says that is being deleted and has clients.
func clientsRemain(message string) saysServer {
	return saysServer{"True/Accepted", "True/UsersLoaded", "True/Loaded", "False/ClientsRemain", message}
}

var _ = Describe("An OAuthClient that moves to another AuthorizationServer", func() {
	It("keeps its id and its secret, and is registered there before its Secret says so", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		create(ctx, w.server("other"))
		r := w.replica(ctx, "replica-a")
		w.start()
		oc := w.wiki()
		create(ctx, oc)
		Eventually(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(w.recordOf("wiki")), &corev1.Secret{}) }).Should(Succeed())
		r.load(ctx)
		expectClient(ctx, oc, isReady)
		before := fetch(ctx, w.secret("wiki"))

		moveTo(ctx, oc, "other")
		expectClient(ctx, oc, says{"True/Accepted", "False/AwaitingReplicas", "False/AwaitingReplicas", "False/AwaitingReplicas", "replica-a"})
		Expect(published(ctx, w.recordOf("wiki")).AuthorizationServer).To(Equal("other"))
		Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(before.ResourceVersion))
		r.load(ctx)
		expectClient(ctx, oc, isReady)
		after := fetch(ctx, w.secret("wiki"))
		Expect(after.Data["client_id"]).To(Equal(before.Data["client_id"]))
		Expect(after.Data["client_secret"]).To(Equal(before.Data["client_secret"]))
		Expect(string(after.Data["issuer"])).To(Equal("https://other.example.com"))
		Expect(string(after.Data["token_endpoint"])).To(HavePrefix("https://other.example.com/"))
		Expect(oc.Status.AuthorizationServer).To(Equal("other"))
		expectEvent(ctx, oc, "Registered", "AuthorizationServer other")
	})

	It("stays where it is while the other one does not offer its scopes", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		server := w.server("main")
		change(ctx, server, func() { server.Spec.Scopes = []v1alpha1.ScopeSpec{{Name: "api:write", Description: "write"}} })
		change(ctx, oc, func() { oc.Spec.Scopes = []v1alpha1.Scope{"openid", "api:write"} })
		expectClient(ctx, oc, isReady)
		secret := fetch(ctx, w.secret("wiki"))
		other := w.server("other")
		create(ctx, other)
		moveTo(ctx, oc, "other")
		expectClient(ctx, oc, keptAsItWas("UnsupportedScope", "AuthorizationServer other does not offer the scope api:write"))
		Expect(published(ctx, w.recordOf("wiki")).AuthorizationServer).To(Equal("main"))
		Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(secret.ResourceVersion))
		Expect(oc.Status.AuthorizationServer).To(Equal("main"))

		change(ctx, other, func() { other.Spec.Scopes = []v1alpha1.ScopeSpec{{Name: "api:write", Description: "write"}} })
		expectClient(ctx, oc, isReady)
		Expect(oc.Status.AuthorizationServer).To(Equal("other"))
	})

	It("stays where it is while the other one is not accepted", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		late := w.server("z-late", func(s *v1alpha1.AuthorizationServerSpec) { s.Issuer = "https://main.example.com" })
		create(ctx, late)
		moveTo(ctx, oc, "z-late")
		expectClient(ctx, oc, keptAsItWas("AuthorizationServerNotAccepted", "kubectl describe authorizationserver z-late"))
		Expect(published(ctx, w.recordOf("wiki")).AuthorizationServer).To(Equal("main"))
		change(ctx, late, func() { late.Spec.Issuer = "https://late.example.com" })
		expectClient(ctx, oc, isReady)
		Expect(string(fetch(ctx, w.secret("wiki")).Data["issuer"])).To(Equal("https://late.example.com"))
	})
})

var _ = Describe("An AuthorizationServer that is deleted", func() {
	It("goes at once if it has no clients, and takes its record along", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		other := w.server("other")
		create(ctx, other)
		expectServer(ctx, other, serverIsReady)
		Expect(other.Finalizers).To(Equal([]string{"clientele.dev/clients"}))
		Expect(k8s.Delete(ctx, other)).To(Succeed())
		Eventually(gone(ctx, other)).Should(BeTrue())
		Expect(gone(ctx, w.issuerOf("other"))()).To(BeTrue())
		expectClient(ctx, oc, isReady)
	})

	It("stays, served, until its last client has gone or moved", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		var more []*v1alpha1.OAuthClient
		for i := range 11 {
			m := w.oauthClient(fmt.Sprintf("more-%02d", i), on("main"))
			create(ctx, m)
			more = append(more, m)
		}
		for _, m := range more {
			expectClient(ctx, m, isReady)
		}
		server := w.server("main")
		Expect(k8s.Delete(ctx, server)).To(Succeed())
		expectServer(ctx, server, clientsRemain(w.app+"/more-00, "+w.app+"/more-01"))
		message := readyOf(server.Status.Conditions).Message
		Expect(strings.Count(message, w.app+"/")).To(Equal(10))
		Expect(message).To(And(ContainSubstring("and 2 more"), ContainSubstring("move them to another AuthorizationServer")))
		expectEvent(ctx, server, "ClientsRemain", "and 2 more")

		By("serving those it has, with their changes")
		expectClient(ctx, oc, isReady)
		change(ctx, oc, func() { oc.Spec.DisplayName = "Changed" })
		expectClient(ctx, oc, isReady)
		Expect(published(ctx, w.recordOf("wiki")).DisplayName).To(Equal("Changed"))
		Expect(k8s.Delete(ctx, w.secret("wiki"))).To(Succeed())
		Eventually(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(w.secret("wiki")), &corev1.Secret{}) }).Should(Succeed())
		Expect(k8s.Delete(ctx, w.issuerOf("main"))).To(Succeed())
		Eventually(gone(ctx, w.issuerOf("main"))).Should(BeFalse())
		Eventually(func() any { return fetch(ctx, w.issuerOf("main")).OwnerReferences }).Should(BeEmpty())

		By("taking no others")
		for name, refuse := range map[string]*v1alpha1.OAuthClient{
			"by name": w.oauthClient("late-a", on("main")), "by default": w.oauthClient("late-b"),
		} {
			By(name)
			create(ctx, refuse)
			expectClient(ctx, refuse, notAccepted("AuthorizationServerDeleting", "AuthorizationServer main is being deleted and takes no further clients."))
			Expect(k8s.Delete(ctx, refuse)).To(Succeed())
		}

		By("keeping its issuer from others")
		rival := w.server("rival", func(s *v1alpha1.AuthorizationServerSpec) { s.Issuer = server.Spec.Issuer })
		create(ctx, rival)
		expectServer(ctx, rival, saysServer{"False/IssuerConflict", "True/UsersLoaded", "False/NotAccepted", "False/IssuerConflict", "main"})

		By("deleting all but one")
		for _, m := range more {
			Expect(k8s.Delete(ctx, m)).To(Succeed())
		}
		expectServer(ctx, server, clientsRemain("until then: "+w.app+"/wiki. Delete them"))

		By("surviving a restart of the manager")
		w.halt()
		w.start()
		expectServer(ctx, server, clientsRemain("until then: "+w.app+"/wiki. Delete them"))

		By("moving the last one")
		create(ctx, w.server("other"))
		moveTo(ctx, oc, "other")
		Eventually(gone(ctx, server)).Should(BeTrue())
		Expect(gone(ctx, w.issuerOf("main"))()).To(BeTrue())
		expectClient(ctx, oc, isReady)
		expectServer(ctx, rival, serverIsReady)
	})

	It("lets its clients go to the one that becomes the default", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		server := w.server("main")
		Expect(k8s.Delete(ctx, server)).To(Succeed())
		expectServer(ctx, server, clientsRemain(w.app+"/wiki"))
		create(ctx, w.server("next", isTheDefault))
		Eventually(gone(ctx, server)).Should(BeTrue())
		expectClient(ctx, oc, isReady)
		Expect(oc.Status.AuthorizationServer).To(Equal("next"))
	})

	It("waits for one that names it and is not registered, and for one that is registered and names another", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		create(ctx, w.server("other"))
		waiting := w.oauthClient("waiting", on("other"))
		waiting.Spec.Scopes = []v1alpha1.Scope{"api:write"}
		create(ctx, waiting)
		expectClient(ctx, waiting, notAccepted("UnsupportedScope", "api:write"))
		other := w.server("other")
		Expect(k8s.Delete(ctx, other)).To(Succeed())
		expectServer(ctx, other, clientsRemain("until then: "+w.app+"/waiting."))

		By("having one registered there that names what does not exist")
		main := w.server("main")
		moveTo(ctx, oc, "nowhere")
		expectClient(ctx, oc, keptAsItWas("AuthorizationServerNotFound", "nowhere"))
		Expect(k8s.Delete(ctx, main)).To(Succeed())
		expectServer(ctx, main, clientsRemain("until then: "+w.app+"/wiki."))
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		Eventually(gone(ctx, main)).Should(BeTrue())

		change(ctx, waiting, func() { waiting.Spec.AuthorizationServerRef = nil })
		Eventually(gone(ctx, other)).Should(BeTrue())
	})

	It("can be given up, also while no manager runs", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		w.halt()
		server := w.server("main")
		Expect(k8s.Delete(ctx, server)).To(Succeed())
		Expect(gone(ctx, server)()).To(BeFalse())
		giveUp(ctx, server)
		Expect(gone(ctx, server)()).To(BeTrue())
		w.start()
		expectClient(ctx, oc, keptAsItWas("NoDefaultAuthorizationServer", "default"))
		Eventually(gone(ctx, w.issuerOf("main"))).Should(BeTrue())
	})
})
