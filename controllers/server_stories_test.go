// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

var _ = Describe("An AuthorizationServer", func() {
	It("is published to every replica", func(ctx context.Context) {
		w := newWorld(ctx)
		create(ctx, w.users(usersYAML))
		r := w.replica(ctx, "replica-a")
		w.start()
		as := w.server("main", func(s *v1alpha1.AuthorizationServerSpec) {
			s.Scopes = []v1alpha1.ScopeSpec{
				{Name: "email", Description: "write to you"}, {Name: "api:read", Description: "read your data"},
			}
		})
		create(ctx, as)
		expectServer(ctx, as, saysServer{"True/Accepted", "True/UsersLoaded", "False/AwaitingReplicas", "False/AwaitingReplicas", "Replica replica-a"})
		r.load(ctx)
		expectServer(ctx, as, serverIsReady)
		expectEvent(ctx, as, "Published", "https://main.example.com")

		record := fetch(ctx, w.issuerOf("main"))
		Expect(record.Labels).To(Equal(map[string]string{"app.kubernetes.io/managed-by": "clientele", "clientele.dev/record": "issuer"}))
		Expect(record.Annotations).To(Equal(map[string]string{"clientele.dev/authorizationserver": "main"}))
		Expect(record.OwnerReferences).To(Equal([]metav1.OwnerReference{{
			APIVersion: "clientele.dev/v1alpha1", Kind: "AuthorizationServer", Name: "main", UID: as.UID, Controller: new(true),
		}}))
		Expect(publishedServer(ctx, record)).To(Equal(registration.Server{
			Version: 1, UID: string(as.UID), Name: "main", Issuer: "https://main.example.com", DisplayName: "Sign in",
			Scopes: []registration.Scope{
				{Name: "openid", Description: "know that it is you"},
				{Name: "profile", Description: "see your profile, such as your name and username"},
				{Name: "email", Description: "write to you"},
				{Name: "address", Description: "see your postal address"},
				{Name: "phone", Description: "see your phone number"},
				{Name: "groups", Description: "see which groups you belong to"},
				{Name: "offline_access", Description: "keep its access while you are away"},
				{Name: "api:read", Description: "read your data"},
			},
			Lifetimes: registration.Lifetimes{
				AuthorizationCode: time.Minute, AccessToken: 15 * time.Minute, IDToken: 15 * time.Minute,
				RefreshToken: 720 * time.Hour, RefreshTokenIdle: 168 * time.Hour, RefreshTokenRetryGrace: 10 * time.Second, Session: 12 * time.Hour,
			},
			Signing:           registration.Signing{IDTokenAlg: "RS256", AccessTokenAlg: "ES256", KeyRotationInterval: 720 * time.Hour},
			IdentityProviders: []registration.IdentityProvider{{Name: "local", UsersSecret: "users"}},
		}))
	})

	It("says when no replica runs, at once for a new one and later for one that was served", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.start()
		as := w.server("main")
		deserted := saysServer{"True/Accepted", "True/UsersLoaded", "False/NoReplicas", "False/NoReplicas", "Check its Deployment"}
		expectServer(ctx, as, deserted)
		r := w.replica(ctx, "replica-a")
		r.load(ctx)
		expectServer(ctx, as, serverIsReady)
		r.leave(ctx)
		Consistently(func() string { return string(readyOf(fetch(ctx, as).Status.Conditions).Status) }).Should(Equal("True"))
		Eventually(func() string {
			w.clock.Step(emptyGrace)
			return readyOf(fetch(ctx, as).Status.Conditions).Reason
		}).Should(Equal(v1alpha1.ReasonNoReplicas))
		expectServer(ctx, as, deserted)
	})

	It("is told of a mistake in its users, and is served all the same", func(ctx context.Context) {
		w := newWorld(ctx)
		w.replica(ctx, "replica-a").follow(ctx)
		w.start()
		as := w.server("main")
		create(ctx, as)
		expectServer(ctx, as, saysServer{
			"True/Accepted", "False/SecretNotFound", "True/Loaded", "False/SecretNotFound",
			"There is no Secret users in namespace " + w.system + ". Create it, with the list of users under the key users.yaml.",
		})
		expectEvent(ctx, as, "SecretNotFound", "There is no Secret users")
		Expect(publishedServer(ctx, w.issuerOf("main")).Issuer).To(Equal("https://main.example.com"))

		By("creating them with a mistake")
		const hash = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhW"
		users := w.users("- {username: ada, passwordHash: hunter2}\n- {username: bob, passwordHash: " + hash + "}\n")
		create(ctx, users)
		expectServer(ctx, as, saysServer{
			"True/Accepted", "False/InvalidUsers", "True/Loaded", "False/InvalidUsers", `user 1 ("ada")`,
		})
		message := readyOf(as.Status.Conditions).Message
		Expect(message).To(ContainSubstring(`user 2 ("bob")`))
		Expect(message).NotTo(Or(ContainSubstring("hunter2"), ContainSubstring("$2a$")))
		expectEvent(ctx, as, "InvalidUsers", "ada")

		By("leaving them out")
		change(ctx, users, func() { users.Data = map[string][]byte{"users": nil} })
		expectServer(ctx, as, saysServer{"True/Accepted", "False/InvalidUsers", "True/Loaded", "False/InvalidUsers", "Secret users has no key users.yaml."})

		By("correcting them")
		change(ctx, users, func() { users.Data = map[string][]byte{"users.yaml": []byte(usersYAML)} })
		expectServer(ctx, as, serverIsReady)

		By("deleting them")
		Expect(k8s.Delete(ctx, users)).To(Succeed())
		expectServer(ctx, as, saysServer{"True/Accepted", "False/SecretNotFound", "True/Loaded", "False/SecretNotFound", "Create it"})
	})

	It("may list a great many mistakes", func(ctx context.Context) {
		w := newWorld(ctx)
		create(ctx, w.users(strings.Repeat("- {username: ada, passwordHash: x}\n", 1000)))
		w.start()
		as := w.server("main")
		create(ctx, as)
		expectServer(ctx, as, saysServer{"True/Accepted", "False/InvalidUsers", "False/NoReplicas", "False/InvalidUsers", "Correct users.yaml in Secret users"})
		Expect(len(readyOf(as.Status.Conditions).Message)).To(BeNumerically("<=", maxMessage))
		expectEvent(ctx, as, "InvalidUsers", "Correct users.yaml")
	})

	It("is refused if an older one has its issuer, and follows when that goes", func(ctx context.Context) {
		w := newWorld(ctx)
		create(ctx, w.users(usersYAML))
		w.replica(ctx, "replica-a").follow(ctx)
		w.start()
		shared := func(s *v1alpha1.AuthorizationServerSpec) { s.Issuer = "https://login.example.com" }
		explicit := func(s *v1alpha1.AuthorizationServerSpec) { s.Issuer = "https://login.example.com:443" }
		first := w.server("a-first", shared)
		create(ctx, first)
		expectServer(ctx, first, serverIsReady)
		second := w.server("b-second", explicit)
		create(ctx, second)
		expectServer(ctx, second, saysServer{
			"False/IssuerConflict", "True/UsersLoaded", "False/NotAccepted", "False/IssuerConflict",
			"AuthorizationServer a-first, which is older, has the issuer https://login.example.com:443. Give this one another issuer.",
		})
		expectServer(ctx, first, serverIsReady)
		Expect(gone(ctx, w.issuerOf("b-second"))()).To(BeTrue())
		expectEvent(ctx, second, "IssuerConflict", "a-first")

		Expect(k8s.Delete(ctx, first)).To(Succeed())
		expectServer(ctx, second, serverIsReady)
		Eventually(gone(ctx, w.issuerOf("a-first"))).Should(BeTrue())
	})

	It("yields its record when an older one takes its issuer", func(ctx context.Context) {
		w := newWorld(ctx)
		create(ctx, w.users(usersYAML))
		w.replica(ctx, "replica-a").follow(ctx)
		w.start()
		first, second := w.server("a-first"), w.server("b-second")
		create(ctx, first)
		expectServer(ctx, first, serverIsReady)
		create(ctx, second)
		expectServer(ctx, second, serverIsReady)
		change(ctx, first, func() { first.Spec.Issuer = "https://b-second.example.com" })
		expectServer(ctx, first, serverIsReady)
		expectServer(ctx, second, saysServer{"False/IssuerConflict", "True/UsersLoaded", "False/NotAccepted", "False/IssuerConflict", "a-first"})
		Expect(gone(ctx, w.issuerOf("b-second"))()).To(BeTrue())
		Expect(publishedServer(ctx, w.issuerOf("a-first")).Issuer).To(Equal("https://b-second.example.com"))
	})

	It("has its record mended", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		as := w.server("main")
		expectServer(ctx, as, serverIsReady)
		record := w.issuerOf("main")
		want := string(fetch(ctx, record).Data[registration.KeyServer])
		for _, edit := range []func(){
			func() { record.Data[registration.KeyServer] = []byte("{}") },
			func() { record.Labels = nil },
			func() { record.Annotations, record.OwnerReferences = nil, nil },
		} {
			change(ctx, record, edit)
			Eventually(func(g Gomega) {
				fetch(ctx, record)
				g.Expect(string(record.Data[registration.KeyServer])).To(Equal(want))
				g.Expect(record.Labels).To(HaveLen(2))
				g.Expect(record.Annotations).To(HaveLen(1))
				g.Expect(record.OwnerReferences).To(HaveLen(1))
			}).Should(Succeed())
		}
		Expect(k8s.Delete(ctx, record)).To(Succeed())
		Eventually(func() string {
			if gone(ctx, record)() {
				return ""
			}
			return string(record.Data[registration.KeyServer])
		}).Should(Equal(want))
		expectServer(ctx, as, serverIsReady)
		expectClient(ctx, oc, isReady)
	})
})

func readyOf(conditions []metav1.Condition) metav1.Condition {
	for _, c := range conditions {
		if c.Type == v1alpha1.ConditionReady {
			return c
		}
	}
	return metav1.Condition{}
}
