// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// notAccepted is what a client says that never was accepted.
func notAccepted(reason, message string) says {
	return says{"False/" + reason, "False/NotAccepted", "False/NotAccepted", "False/" + reason, message}
}

// keptAsItWas is what a client says whose change is not accepted.
func keptAsItWas(reason, message string) says {
	return says{"False/" + reason, "True/SecretWritten", "False/NotAccepted", "False/" + reason, message}
}

func on(server string) func(*v1alpha1.OAuthClientSpec) {
	return func(s *v1alpha1.OAuthClientSpec) {
		s.AuthorizationServerRef = &v1alpha1.AuthorizationServerReference{Name: server}
	}
}

func gone(ctx context.Context, o client.Object) func() bool {
	return func() bool { return apierrors.IsNotFound(k8s.Get(ctx, client.ObjectKeyFromObject(o), o)) }
}

var _ = Describe("A change of an OAuthClient's spec", func() {
	It("is registered, and the Secret stays", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		secret := fetch(ctx, w.secret("wiki"))
		change(ctx, oc, func() {
			oc.Spec.RedirectURIs = append(oc.Spec.RedirectURIs, "https://wiki.example.com/2")
			oc.Spec.PKCE = v1alpha1.PKCEOptional
			oc.Spec.TokenEndpointAuthMethod = v1alpha1.AuthMethodClientSecretPost
		})
		expectClient(ctx, oc, isReady)
		record := published(ctx, w.recordOf("wiki"))
		Expect(record.RedirectURIs).To(HaveLen(2))
		Expect(record.PKCERequired).To(BeFalse())
		Expect(record.TokenEndpointAuthMethod).To(Equal("client_secret_post"))
		Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(secret.ResourceVersion))
	})

	It("is Ready only when every replica has loaded it, while the Secret goes on", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		r := w.replica(ctx, "replica-a")
		w.start()
		oc := w.wiki()
		create(ctx, oc)
		expectClient(ctx, oc, says{"True/Accepted", "False/AwaitingReplicas", "False/AwaitingReplicas", "False/AwaitingReplicas", "replica-a"})
		r.load(ctx)
		expectClient(ctx, oc, isReady)
		change(ctx, oc, func() { oc.Spec.DisplayName = "Team Wiki" })
		expectClient(ctx, oc, says{"True/Accepted", "True/SecretWritten", "False/AwaitingReplicas", "False/AwaitingReplicas", "Replica replica-a"})
		r.load(ctx)
		expectClient(ctx, oc, isReady)
	})

	It("to Public takes the secret away, and back brings another", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		old := digestOf(fetch(ctx, w.secret("wiki")))
		change(ctx, oc, func() { oc.Spec.Type = v1alpha1.ClientTypePublic })
		expectClient(ctx, oc, isReady)
		Expect(fetch(ctx, w.secret("wiki")).Data).NotTo(HaveKey("client_secret"))
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(BeEmpty())

		change(ctx, oc, func() { oc.Spec.Type = v1alpha1.ClientTypeConfidential })
		expectClient(ctx, oc, isReady)
		now := digestOf(fetch(ctx, w.secret("wiki")))
		Expect(now).NotTo(Equal(old))
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(ConsistOf(HaveField("SHA256", now)))
	})

	It("to private_key_jwt takes the secret away, and back brings another", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		old := digestOf(fetch(ctx, w.secret("wiki")))
		change(ctx, oc, func() { hasKey(&oc.Spec) })
		expectClient(ctx, oc, isReady)
		secret, record := fetch(ctx, w.secret("wiki")), published(ctx, w.recordOf("wiki"))
		Expect(secret.Data).NotTo(HaveKey("client_secret"))
		Expect(secret.Data).To(HaveKeyWithValue("client_id", []byte(record.ClientID)))
		Expect(secret.Annotations).NotTo(HaveKey(v1alpha1.AnnotationCredentialID))
		Expect(record.Digests).To(BeEmpty())
		Expect(string(record.JWKS)).To(ContainSubstring(`"crv":"Ed25519"`))
		Expect(oc.Status.Credentials).To(BeEmpty())

		By("minting nothing when a secret is asked for")
		version := secret.ResourceVersion
		change(ctx, oc, func() { oc.Annotations = map[string]string{v1alpha1.AnnotationRotate: "now"} })
		change(ctx, oc, func() { oc.Spec.DisplayName = "Team Wiki" })
		Eventually(func() string { return published(ctx, w.recordOf("wiki")).DisplayName }).Should(Equal("Team Wiki"))
		expectClient(ctx, oc, isReady)
		Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(version))
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(BeEmpty())

		By("keeping the keys elsewhere")
		change(ctx, oc, func() { oc.Spec.JWKS, oc.Spec.JWKSURI = nil, "https://wiki.example.com/jwks" })
		expectClient(ctx, oc, isReady)
		Expect(published(ctx, w.recordOf("wiki")).JWKSURI).To(Equal("https://wiki.example.com/jwks"))

		change(ctx, oc, func() { oc.Spec.TokenEndpointAuthMethod, oc.Spec.JWKSURI = "", "" })
		expectClient(ctx, oc, isReady)
		now := digestOf(fetch(ctx, w.secret("wiki")))
		Expect(now).NotTo(Equal(old))
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(ConsistOf(HaveField("SHA256", now)))
	})

	It("to a key that is none changes nothing but the conditions", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		secret := fetch(ctx, w.secret("wiki"))
		change(ctx, oc, func() { hasKey(&oc.Spec); oc.Spec.JWKS.Keys[0].X = "AQ" })
		expectClient(ctx, oc, keptAsItWas("InvalidSpec", "jwks: keys[0]: x is not 32 bytes long"))
		Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(secret.ResourceVersion))
	})

	It("that is not accepted changes nothing but the conditions", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		secret, record := fetch(ctx, w.secret("wiki")), fetch(ctx, w.recordOf("wiki"))
		change(ctx, oc, func() {
			oc.Spec.Scopes = []v1alpha1.Scope{"openid", "api:write"}
			oc.Spec.Secret = &v1alpha1.SecretSpec{Name: "elsewhere"}
		})
		expectClient(ctx, oc, keptAsItWas("UnsupportedScope",
			"AuthorizationServer main does not offer the scope api:write; it offers openid, profile, email, address, phone, groups, offline_access. Remove it from spec.scopes"))
		expectEvent(ctx, oc, "UnsupportedScope", "api:write")
		Expect(oc.Status.SecretName).To(Equal("wiki"))
		Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(secret.ResourceVersion))
		Expect(fetch(ctx, w.recordOf("wiki")).ResourceVersion).To(Equal(record.ResourceVersion))

		By("still healing the Secret")
		Expect(k8s.Delete(ctx, secret)).To(Succeed())
		Eventually(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(secret), secret) }).Should(Succeed())
		expectClient(ctx, oc, keptAsItWas("UnsupportedScope", "api:write"))

		By("being accepted once the server offers the scope")
		server := w.server("main")
		change(ctx, server, func() { server.Spec.Scopes = []v1alpha1.ScopeSpec{{Name: "api:write", Description: "write"}} })
		expectClient(ctx, oc, isReady)
		Expect(oc.Status.SecretName).To(Equal("elsewhere"))
		Expect(published(ctx, w.recordOf("wiki")).Scopes).To(Equal([]string{"openid", "api:write"}))
	})
})

var _ = Describe("The AuthorizationServer of an OAuthClient", func() {
	It("is the one it names", func(ctx context.Context) {
		w := newWorld(ctx)
		w.replica(ctx, "replica-a").follow(ctx)
		w.start()
		oc := w.wiki(on("other"))
		create(ctx, oc)
		expectClient(ctx, oc, notAccepted("AuthorizationServerNotFound", "There is no AuthorizationServer other."))
		Expect(gone(ctx, w.secret("wiki"))()).To(BeTrue())
		expectEvent(ctx, oc, "AuthorizationServerNotFound", "Name one that exists")

		w.prepared(ctx)
		create(ctx, w.server("other"))
		expectClient(ctx, oc, isReady)
		Expect(oc.Status.AuthorizationServer).To(Equal("other"))
		Expect(string(fetch(ctx, w.secret("wiki")).Data["issuer"])).To(Equal("https://other.example.com"))
	})

	It("is the default one if it names none; the oldest, of several", func(ctx context.Context) {
		w := newWorld(ctx)
		create(ctx, w.users(usersYAML))
		create(ctx, w.server("other"))
		w.replica(ctx, "replica-a").follow(ctx)
		w.start()
		oc := w.wiki()
		create(ctx, oc)
		expectClient(ctx, oc, notAccepted("NoDefaultAuthorizationServer", "No AuthorizationServer is the default."))

		By("making one the default")
		first := w.server("b-first", isTheDefault)
		create(ctx, first)
		expectClient(ctx, oc, isReady)
		Expect(oc.Status.AuthorizationServer).To(Equal("b-first"))

		By("making a younger one the default too")
		Eventually(func() bool { // timestamps have seconds
			second := w.server("c-second", isTheDefault)
			create(ctx, second)
			if second.CreationTimestamp.After(first.CreationTimestamp.Time) {
				return true
			}
			Expect(k8s.Delete(ctx, second)).To(Succeed())
			return false
		}).Should(BeTrue())
		other := w.wiki()
		other.Name = "other"
		create(ctx, other)
		expectClient(ctx, other, isReady)
		Expect(other.Status.AuthorizationServer).To(Equal("b-first"))
		Expect(fetch(ctx, oc).Status.AuthorizationServer).To(Equal("b-first"))

		By("making the older one no longer the default")
		digest := digestOf(fetch(ctx, w.secret("wiki")))
		change(ctx, first, func() { first.Spec.Default = false })
		Eventually(func() string { return fetch(ctx, oc).Status.AuthorizationServer }).Should(Equal("c-second"))
		expectClient(ctx, oc, isReady)
		Expect(string(fetch(ctx, w.secret("wiki")).Data["issuer"])).To(Equal("https://c-second.example.com"))
		Expect(digestOf(fetch(ctx, w.secret("wiki")))).To(Equal(digest), "the credentials move along")
	})

	It("may change its issuer, and the Secret follows once every replica serves it", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		r := w.replica(ctx, "replica-a")
		w.start()
		oc := w.wiki()
		create(ctx, oc)
		Eventually(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(w.recordOf("wiki")), &corev1.Secret{}) }).Should(Succeed())
		r.load(ctx)
		expectClient(ctx, oc, isReady)
		server := w.server("main")
		change(ctx, server, func() { server.Spec.Issuer = "https://new.example.com" })
		expectClient(ctx, oc, says{"True/Accepted", "False/AwaitingReplicas", "False/AwaitingReplicas", "False/AwaitingReplicas", "replica-a"})
		Expect(string(fetch(ctx, w.secret("wiki")).Data["issuer"])).To(Equal("https://main.example.com"))
		r.load(ctx)
		expectClient(ctx, oc, isReady)
		Expect(string(fetch(ctx, w.secret("wiki")).Data["issuer"])).To(Equal("https://new.example.com"))
	})

	It("may be refused, and nothing is registered with it", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.replica(ctx, "replica-a").follow(ctx)
		w.start()
		expectServer(ctx, w.server("main"), serverIsReady)
		conflicting := w.server("z-late", func(s *v1alpha1.AuthorizationServerSpec) { s.Issuer = "https://main.example.com" })
		create(ctx, conflicting)
		oc := w.wiki(on("z-late"))
		create(ctx, oc)
		expectClient(ctx, oc, notAccepted("AuthorizationServerNotAccepted", "kubectl describe authorizationserver z-late"))
		Expect(gone(ctx, w.recordOf("wiki"))()).To(BeTrue())

		change(ctx, conflicting, func() { conflicting.Spec.Issuer = "https://late.example.com" })
		expectClient(ctx, oc, isReady)
	})

	It("may become refused, and its clients go on with what it last published", func(ctx context.Context) {
		w := newWorld(ctx)
		create(ctx, w.users(usersYAML))
		w.replica(ctx, "replica-a").follow(ctx)
		older, server := w.server("a-older"), w.server("main", isTheDefault)
		create(ctx, older) // the name decides if both are of the same second
		create(ctx, server)
		w.start()
		oc := w.wiki()
		create(ctx, oc)
		expectClient(ctx, oc, isReady)
		change(ctx, server, func() { server.Spec.Issuer = older.Spec.Issuer })
		expectServer(ctx, server, saysServer{"False/IssuerConflict", "True/UsersLoaded", "False/NotAccepted", "False/IssuerConflict", "a-older"})
		Expect(publishedServer(ctx, w.issuerOf("main")).Issuer).To(Equal("https://main.example.com"))
		change(ctx, oc, func() { oc.Spec.DisplayName = "Changed" })
		expectClient(ctx, oc, isReady)
	})

	It("may go, and the record and the Secret stay until it is clear what comes", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		Expect(k8s.Delete(ctx, w.server("main"))).To(Succeed())
		giveUp(ctx, w.server("main"))
		Eventually(gone(ctx, w.issuerOf("main"))).Should(BeTrue())
		expectClient(ctx, oc, keptAsItWas("NoDefaultAuthorizationServer", "No AuthorizationServer is the default."))
		digest := digestOf(fetch(ctx, w.secret("wiki")))
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveLen(1))

		By("having it back")
		create(ctx, w.server("main", isTheDefault))
		expectClient(ctx, oc, isReady)
		Expect(digestOf(fetch(ctx, w.secret("wiki")))).To(Equal(digest))
	})
})

var _ = Describe("An OAuthClient in Clientele's own namespace", func() {
	It("is refused, since the authserver reads the Secrets there", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.start()
		oc := w.wiki()
		oc.Namespace = w.system
		create(ctx, oc)
		DeferCleanup(func(ctx context.Context) { Expect(k8s.Delete(ctx, oc)).To(Succeed()) })
		expectClient(ctx, oc, notAccepted("InvalidSpec", "Create this OAuthClient in the namespace of its app."))
		Expect(gone(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.system, Name: "wiki"}})()).To(BeTrue())
	})
})
