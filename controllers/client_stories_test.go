// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"maps"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

var _ = Describe("An OAuthClient that is applied", func() {
	It("gets its Secret once every replica accepts it, and not before", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		a, b := w.replica(ctx, "replica-a"), w.replica(ctx, "replica-b")
		w.start()
		oc := w.wiki(func(s *v1alpha1.OAuthClientSpec) {
			s.DisplayName, s.Scopes = "Team Wiki", []v1alpha1.Scope{"openid", "offline_access"}
		})
		create(ctx, oc)

		expectClient(ctx, oc, says{
			"True/Accepted", "False/AwaitingReplicas", "False/AwaitingReplicas", "False/AwaitingReplicas",
			"Replicas replica-a, replica-b of the authserver have not loaded it yet.",
		})
		a.load(ctx)
		Consistently(func() bool {
			return apierrors.IsNotFound(k8s.Get(ctx, client.ObjectKeyFromObject(oc), &corev1.Secret{}))
		}).Should(BeTrue())
		record := published(ctx, w.recordOf("wiki"))
		Expect(record.Digests).To(HaveLen(1), "the digest is there before the secret")

		b.load(ctx)
		expectClient(ctx, oc, isReady)
		Expect(oc.Status.ClientID).To(Equal(w.app + ".wiki"))
		Expect(oc.Status.AuthorizationServer).To(Equal("main"))
		Expect(oc.Status.SecretName).To(Equal("wiki"))

		secret := fetch(ctx, w.secret("wiki"))
		Expect(slices.Sorted(maps.Keys(secret.Data))).To(Equal([]string{
			"authorization_endpoint", "client_id", "client_secret", "end_session_endpoint", "issuer", "jwks_uri", "openid_configuration", "scope",
			"token_endpoint", "userinfo_endpoint",
		}))
		Expect(string(secret.Data["client_id"])).To(Equal(w.app + ".wiki"))
		Expect(string(secret.Data["issuer"])).To(Equal("https://main.example.com"))
		Expect(string(secret.Data["token_endpoint"])).To(Equal("https://main.example.com/token"))
		Expect(secret.Type).To(Equal(corev1.SecretTypeOpaque))
		Expect(secret.Labels).To(Equal(map[string]string{"app.kubernetes.io/managed-by": "clientele", "clientele.dev/record": "credentials"}))
		Expect(secret.OwnerReferences).To(Equal([]metav1.OwnerReference{{
			APIVersion: "clientele.dev/v1alpha1", Kind: "OAuthClient", Name: "wiki", UID: oc.UID, Controller: new(true),
		}}), "garbage collection deletes it with the OAuthClient")
		value := credential.New(string(secret.Data["client_secret"]))
		Expect(value.Minted()).To(BeTrue())

		Expect(published(ctx, w.recordOf("wiki"))).To(Equal(registration.Client{
			Version: 1, UID: string(oc.UID), Namespace: w.app, Name: "wiki", AuthorizationServer: "main",
			ClientID: w.app + ".wiki", DisplayName: "Team Wiki",
			RedirectURIs:            []string{"https://wiki.example.com/callback"},
			Scopes:                  []string{"openid", "offline_access"},
			GrantTypes:              []string{"authorization_code", "refresh_token"},
			TokenEndpointAuthMethod: "client_secret_basic", PKCERequired: true, Consent: "Once",
			Digests: []registration.Digest{{SHA256: value.Digest(), Since: stamp(w.clock.Now())}},
		}))
		kept := fetch(ctx, w.recordOf("wiki"))
		Expect(kept.Labels).To(Equal(map[string]string{"app.kubernetes.io/managed-by": "clientele", "clientele.dev/record": "registration"}))
		Expect(kept.Annotations).To(HaveKeyWithValue("clientele.dev/oauthclient", w.app+"/wiki"))
		Expect(kept.OwnerReferences).To(BeEmpty())
		for _, v := range kept.Data {
			Expect(string(v)).NotTo(ContainSubstring(value.Reveal()))
		}
		expectEvent(ctx, oc, "CredentialsMinted", "Secret wiki")
		expectEvent(ctx, oc, "Registered", "AuthorizationServer main as "+w.app+".wiki")
	})

	It("is written at once while no replica runs, and says so", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.start()
		oc := w.wiki()
		create(ctx, oc)
		expectClient(ctx, oc, says{
			"True/Accepted", "True/SecretWritten", "False/NoReplicas", "False/NoReplicas",
			"Check its Deployment and Pods in namespace " + w.system,
		})
		expectEvent(ctx, oc, "NoReplicas", "No replica of the authserver is running")

		r := w.replica(ctx, "replica-a")
		expectClient(ctx, oc, says{"True/Accepted", "True/SecretWritten", "False/AwaitingReplicas", "False/AwaitingReplicas", "Replica replica-a"})
		r.load(ctx)
		expectClient(ctx, oc, isReady)
	})

	It("gets no secret if it is Public", func(ctx context.Context) {
		w, oc := readyWorld(ctx, isPublic)
		secret := fetch(ctx, w.secret("wiki"))
		Expect(secret.Data).NotTo(HaveKey("client_secret"))
		Expect(secret.Data).To(HaveKey("client_id"))
		record := published(ctx, w.recordOf("wiki"))
		Expect(record.Public).To(BeTrue())
		Expect(record.Digests).To(BeEmpty())
		Expect(record.TokenEndpointAuthMethod).To(Equal("none"))
		expectEvent(ctx, oc, "SecretWritten", "wiki")

		Expect(k8s.Delete(ctx, secret)).To(Succeed())
		Eventually(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(secret), secret) }).Should(Succeed())
		expectClient(ctx, oc, isReady)
	})

	It("writes nothing when nothing has changed", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		versions := func() []string {
			return []string{
				fetch(ctx, oc).ResourceVersion, fetch(ctx, w.secret("wiki")).ResourceVersion, fetch(ctx, w.recordOf("wiki")).ResourceVersion,
				fetch(ctx, w.server("main")).ResourceVersion, fetch(ctx, w.issuerOf("main")).ResourceVersion,
			}
		}
		before := versions()
		w.halt()
		w.start() // looks at everything again
		marker := w.wiki()
		marker.Name = "marker"
		create(ctx, marker)
		expectClient(ctx, marker, isReady)
		Expect(versions()).To(Equal(before))
	})
})

var _ = Describe("The Secret of an OAuthClient", func() {
	It("comes back with another secret when it is deleted, and the old one is accepted for its overlap", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		old := fetch(ctx, w.secret("wiki"))
		Expect(k8s.Delete(ctx, w.secret("wiki"))).To(Succeed())

		secret := w.secret("wiki")
		Eventually(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(secret), secret) }).WithTimeout(time.Second).Should(Succeed())
		expectClient(ctx, oc, isReady)
		Expect(secret.Data["client_id"]).To(Equal(old.Data["client_id"]))
		Expect(digestOf(secret)).NotTo(Equal(digestOf(old)))
		now := stamp(w.clock.Now())
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(Equal([]registration.Digest{
			{SHA256: digestOf(old), Since: now}, {SHA256: digestOf(secret), Since: now},
		}))
		expectEvent(ctx, oc, "CredentialsRotated", "since that was missing. The one before is accepted until "+now.Add(settleDelay+overlap).Format("2006-01-02 15:04")+" UTC.")

		By("beginning the overlap when nobody can be about to write the old one")
		w.halt()
		w.clock.Step(settleDelay)
		w.start()
		Eventually(func() []registration.Digest { return published(ctx, w.recordOf("wiki")).Digests }).Should(Equal([]registration.Digest{
			{SHA256: digestOf(old), Since: now, Until: now.Add(settleDelay + overlap)}, {SHA256: digestOf(secret), Since: now},
		}))
	})

	It("is mended where somebody has edited it", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		secret := fetch(ctx, w.secret("wiki"))
		want := maps.Clone(secret.Data)
		digest := digestOf(secret)
		for key := range want {
			if key == "client_secret" {
				continue
			}
			By(key + " changed")
			change(ctx, secret, func() { secret.Data[key] = []byte("else") })
			Eventually(func() map[string][]byte { return fetch(ctx, secret).Data }).Should(Equal(want))
			By(key + " removed")
			change(ctx, secret, func() { delete(secret.Data, key) })
			Eventually(func() map[string][]byte { return fetch(ctx, secret).Data }).Should(Equal(want))
		}
		expectClient(ctx, oc, isReady)
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveLen(1))
		Expect(digestOf(fetch(ctx, secret))).To(Equal(digest), "the secret itself is the same")
		expectEvent(ctx, oc, "SecretRestored", "its client secret is the same")
	})

	It("gets another client_secret when somebody has edited that", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		secret := fetch(ctx, w.secret("wiki"))
		first := digestOf(secret)
		for _, edited := range []string{"mine", "", "0123456789012345678901234567890123456789012"} {
			change(ctx, secret, func() { secret.Data["client_secret"] = []byte(edited) })
			Eventually(func() bool {
				fetch(ctx, secret)
				return credential.New(string(secret.Data["client_secret"])).Minted() && string(secret.Data["client_secret"]) != edited
			}).Should(BeTrue())
		}
		expectClient(ctx, oc, isReady)
		digests := published(ctx, w.recordOf("wiki")).Digests
		Expect(digests).To(HaveLen(4))
		Expect(digests[0].SHA256).To(Equal(first))
		Expect(digests[3].SHA256).To(Equal(digestOf(secret)))
		Expect(digests[3].Until).To(BeZero())
	})

	It("keeps what others have added", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		secret := fetch(ctx, w.secret("wiki"))
		change(ctx, secret, func() {
			secret.Data["cookie_secret"] = []byte("theirs")
			secret.Labels["team"], secret.Annotations = "docs", map[string]string{"note": "theirs"}
			secret.Data["issuer"] = nil
		})
		Eventually(func() string { return string(fetch(ctx, secret).Data["issuer"]) }).ShouldNot(BeEmpty())
		Expect(secret.Data).To(HaveKeyWithValue("cookie_secret", []byte("theirs")))
		Expect(secret.Labels).To(HaveKeyWithValue("team", "docs"))
		Expect(secret.Annotations).To(HaveKeyWithValue("note", "theirs"))
		expectClient(ctx, oc, isReady)
	})

	It("gets its label back, with the same secret", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		secret := fetch(ctx, w.secret("wiki"))
		digest := digestOf(secret)
		change(ctx, secret, func() { secret.Labels = nil })
		Eventually(func() map[string]string { return fetch(ctx, secret).Labels }).Should(HaveLen(2))
		Expect(digestOf(secret)).To(Equal(digest))
		expectClient(ctx, oc, isReady)
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveLen(1))
	})

	It("is made anew, with the same secret, if somebody has made it immutable", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		secret := fetch(ctx, w.secret("wiki"))
		digest, uid := digestOf(secret), secret.UID
		change(ctx, secret, func() { secret.Immutable = new(true); delete(secret.Data, "issuer") })
		Eventually(func(g Gomega) {
			g.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Succeed())
			g.Expect(secret.UID).NotTo(Equal(uid))
		}).Should(Succeed())
		Expect(secret.Data).To(HaveKey("issuer"))
		Expect(digestOf(secret)).To(Equal(digest))
		expectClient(ctx, oc, isReady)
	})

	It("is left alone if it is somebody else's", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.replica(ctx, "replica-a").follow(ctx)
		foreign := w.secret("wiki")
		foreign.Data = map[string][]byte{"client_secret": []byte("theirs")}
		create(ctx, foreign)
		w.start()
		oc := w.wiki()
		create(ctx, oc)
		expectClient(ctx, oc, says{
			"True/Accepted", "False/SecretNotOwned", "False/SecretNotOwned", "False/SecretNotOwned",
			"Secret wiki exists and does not belong to this OAuthClient, so it is left alone. Set spec.secret.name to another name, or delete that Secret.",
		})
		Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(foreign.ResourceVersion))
		Expect(apierrors.IsNotFound(k8s.Get(ctx, client.ObjectKeyFromObject(w.recordOf("wiki")), &corev1.Secret{}))).To(BeTrue())
		expectEvent(ctx, oc, "SecretNotOwned", "Secret wiki exists")

		By("naming another one")
		change(ctx, oc, func() { oc.Spec.Secret = &v1alpha1.SecretSpec{Name: "wiki-oauth"} })
		expectClient(ctx, oc, isReady)
		Expect(oc.Status.SecretName).To(Equal("wiki-oauth"))
		Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(foreign.ResourceVersion))
	})

	It("is left alone if it carries our label but not our ownership", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		foreign := w.secret("copy")
		foreign.Labels = fetch(ctx, w.secret("wiki")).Labels
		create(ctx, foreign)
		change(ctx, oc, func() {
			oc.Spec.Secret = &v1alpha1.SecretSpec{Name: "copy"}
			oc.Spec.DisplayName = "Changed"
		})
		expectClient(ctx, oc, says{
			"True/Accepted", "False/SecretNotOwned", "True/Loaded", "False/SecretNotOwned", "Secret copy exists",
		})
		Expect(fetch(ctx, w.secret("copy")).ResourceVersion).To(Equal(foreign.ResourceVersion))
		Expect(published(ctx, w.recordOf("wiki")).DisplayName).To(Equal("Changed"), "the rest of the spec is followed")
		Expect(fetch(ctx, w.secret("wiki")).Data).To(HaveKey("client_secret"), "the app can go on")
	})

	It("moves to another name with the same secret", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		digest := digestOf(fetch(ctx, w.secret("wiki")))
		change(ctx, oc, func() { oc.Spec.Secret = &v1alpha1.SecretSpec{Name: "wiki-oauth"} })
		expectClient(ctx, oc, isReady)
		Expect(oc.Status.SecretName).To(Equal("wiki-oauth"))
		Expect(digestOf(fetch(ctx, w.secret("wiki-oauth")))).To(Equal(digest))
		Eventually(func() bool {
			return apierrors.IsNotFound(k8s.Get(ctx, client.ObjectKeyFromObject(w.secret("wiki")), &corev1.Secret{}))
		}).Should(BeTrue())
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveLen(1))
	})

	It("has at most so many secrets accepted, and says what to do", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		record := w.recordOf("wiki")
		secret := fetch(ctx, w.secret("wiki"))
		change(ctx, record, func() {
			c, err := registration.DecodeClient(record.Data[registration.KeyClient])
			Expect(err).NotTo(HaveOccurred())
			for i := len(c.Digests); i < registration.MaxDigests; i++ {
				c.Digests = append(c.Digests, registration.Digest{
					SHA256: credential.New(string(rune('a' + i))).Digest(), Since: c.Digests[0].Since, Until: stamp(w.clock.Now()).Add(time.Hour),
				})
			}
			record.Data[registration.KeyClient], err = c.Encode()
			Expect(err).NotTo(HaveOccurred())
		})
		Expect(k8s.Delete(ctx, secret)).To(Succeed())
		expectClient(ctx, oc, says{
			"True/Accepted", "False/TooManyCredentials", "True/Loaded", "False/TooManyCredentials", "Something keeps changing or deleting Secret wiki",
		})
		Expect(published(ctx, record).Digests).To(HaveLen(registration.MaxDigests))
		expectEvent(ctx, oc, "TooManyCredentials", "find out what")

		By("letting the overlaps pass")
		w.clock.Step(time.Hour) // and the replica's Lease
		w.replica(ctx, "replica-b").follow(ctx)
		change(ctx, oc, func() { oc.Spec.DisplayName = "look again" })
		expectClient(ctx, oc, isReady)
		Expect(published(ctx, record).Digests).To(HaveLen(2), "the first one has its overlap still")
	})
})

var _ = Describe("The record of an OAuthClient", func() {
	It("comes back with the same credential when it is deleted", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		secret := fetch(ctx, w.secret("wiki"))
		uid := fetch(ctx, w.recordOf("wiki")).UID
		Expect(k8s.Delete(ctx, w.recordOf("wiki"))).To(Succeed())
		record := w.recordOf("wiki")
		Eventually(func(g Gomega) {
			g.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(record), record)).To(Succeed())
			g.Expect(record.UID).NotTo(Equal(uid))
		}).Should(Succeed())
		expectClient(ctx, oc, isReady)
		digests := published(ctx, record).Digests
		Expect(digests).To(HaveLen(1))
		Expect(digests[0].SHA256).To(Equal(digestOf(secret)))
		Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(secret.ResourceVersion), "the app's Secret was not touched")
	})

	DescribeTable("is mended where somebody has edited it, with the same credential",
		func(ctx context.Context, edit func(*corev1.Secret)) {
			w, oc := readyWorld(ctx)
			secret := fetch(ctx, w.secret("wiki"))
			record := w.recordOf("wiki")
			want := published(ctx, record)
			change(ctx, record, func() { edit(record) })
			Eventually(func(g Gomega) {
				g.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(record), record)).To(Succeed())
				got, err := registration.DecodeClient(record.Data[registration.KeyClient])
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(got).To(Equal(want))
				g.Expect(record.Labels).To(HaveKeyWithValue("clientele.dev/record", "registration"))
				g.Expect(record.Annotations).To(HaveKeyWithValue("clientele.dev/oauthclient", w.app+"/wiki"))
			}).Should(Succeed())
			expectClient(ctx, oc, isReady)
			Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(secret.ResourceVersion))
		},
		Entry("garbage", func(s *corev1.Secret) { s.Data[registration.KeyClient] = []byte("{") }),
		Entry("no data", func(s *corev1.Secret) { delete(s.Data, registration.KeyClient) }),
		Entry("another redirect URI", editClient(func(c *registration.Client) { c.RedirectURIs = []string{"https://evil.example.com"} })),
		Entry("no digests", editClient(func(c *registration.Client) { c.Digests = nil })),
		Entry("another uid", editClient(func(c *registration.Client) { c.UID = "other" })),
		Entry("no label", func(s *corev1.Secret) { s.Labels = nil }),
		Entry("another label", func(s *corev1.Secret) { s.Labels[registration.LabelRecord] = registration.RecordServer }),
		Entry("no annotation", func(s *corev1.Secret) { s.Annotations = nil }),
	)

	It("goes with the OAuthClient, and so does the Secret", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		for _, s := range []*corev1.Secret{w.recordOf("wiki"), w.secret("wiki")} {
			Eventually(func() bool { return apierrors.IsNotFound(k8s.Get(ctx, client.ObjectKeyFromObject(s), s)) }).Should(BeTrue())
		}
		expectEvent(ctx, oc, "Withdrawn", w.app+".wiki is no longer registered")
	})

	It("goes when the OAuthClient was deleted while no manager ran", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		w.halt()
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		w.start()
		Eventually(func() bool {
			return apierrors.IsNotFound(k8s.Get(ctx, client.ObjectKeyFromObject(w.recordOf("wiki")), &corev1.Secret{}))
		}).Should(BeTrue())
	})

	It("goes when the OAuthClient is being deleted, whatever holds it", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		change(ctx, oc, func() { oc.Finalizers = []string{"example.com/hold"} })
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		Eventually(func() bool {
			return apierrors.IsNotFound(k8s.Get(ctx, client.ObjectKeyFromObject(w.recordOf("wiki")), &corev1.Secret{}))
		}).Should(BeTrue())
		change(ctx, oc, func() { oc.Finalizers = nil })
	})

	It("is another one when the OAuthClient is deleted and created again, and so is the credential", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		old := digestOf(fetch(ctx, w.secret("wiki")))
		w.halt()
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		Expect(k8s.Delete(ctx, w.secret("wiki"))).To(Succeed(), "as garbage collection does")
		again := w.wiki()
		create(ctx, again)
		w.start()
		expectClient(ctx, again, isReady)
		record := published(ctx, w.recordOf("wiki"))
		Expect(record.UID).To(Equal(string(again.UID)))
		Expect(record.Digests).To(HaveLen(1))
		Expect(record.Digests[0].SHA256).NotTo(Equal(old))
		Expect(record.Digests[0].SHA256).To(Equal(digestOf(fetch(ctx, w.secret("wiki")))))
	})

	It("drops an old credential when its overlap has passed, and nobody has to wait for that", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		Expect(k8s.Delete(ctx, w.secret("wiki"))).To(Succeed())
		w.expectReplaced(ctx, oc)
		since := oc.Status.Conditions
		w.halt()
		w.clock.Step(settleDelay)
		w.start() // which gives the replica's Lease its full time
		Eventually(func() bool { return published(ctx, w.recordOf("wiki")).Digests[0].Until.IsZero() }).Should(BeFalse())
		w.halt()
		w.clock.Step(overlap)
		w.start()
		Eventually(func() int { return len(published(ctx, w.recordOf("wiki")).Digests) }).Should(Equal(1))
		Expect(published(ctx, w.recordOf("wiki")).Digests[0].SHA256).To(Equal(digestOf(fetch(ctx, w.secret("wiki")))))
		Expect(fetch(ctx, oc).Status.Conditions).To(Equal(since))
	})
})

func editClient(edit func(*registration.Client)) func(*corev1.Secret) {
	return func(s *corev1.Secret) {
		c, err := registration.DecodeClient(s.Data[registration.KeyClient])
		Expect(err).NotTo(HaveOccurred())
		edit(&c)
		s.Data[registration.KeyClient], err = c.Encode()
		Expect(err).NotTo(HaveOccurred())
	}
}
