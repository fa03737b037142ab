//go:build e2e

// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clientelev1alpha1 "github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// One client's life, in order: each spec begins where the one before it ended.
var _ = Describe("An OAuthClient", Ordered, func() {
	var (
		wiki   = oauthClient(clientName)
		secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: appNamespace, Name: clientName}}
		record = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: systemNamespace, Name: registration.ClientRecordName(appNamespace, clientName),
		}}
		first login
	)
	AfterEach(diagnoseFailure)

	It("becomes a Secret with which a Pod logs a person in", func(ctx context.Context) {
		awaitReady(ctx, &clientelev1alpha1.AuthorizationServer{ObjectMeta: metav1.ObjectMeta{Name: serverName}})
		create(ctx, oauthClient(clientName))
		awaitReady(ctx, wiki)
		first = logIn(ctx, clientName, "-wait="+firstWait.String())
		Expect(first.ClientID).To(Equal(appNamespace + "." + clientName))
		Expect(first.Subject).NotTo(BeEmpty())
		Expect(first.Name).To(Equal("Alice Example"))
		Expect(first.Email).To(Equal("alice@example.com"))
		Expect(first.Groups).To(ConsistOf("engineers"))
		Expect(first.Pages).To(Equal(2), "a person signs in and consents")
	})

	It("keeps its client_secret out of the system namespace", func(ctx context.Context) {
		plaintext := get(ctx, secret).Data["client_secret"]
		Expect(plaintext).NotTo(BeEmpty())
		var list corev1.SecretList
		Expect(k8s.List(ctx, &list, client.InNamespace(systemNamespace))).To(Succeed())
		Expect(list.Items).To(ContainElement(HaveField("Name", record.Name)))
		for _, s := range list.Items {
			for key, value := range s.Data {
				Expect(bytes.Contains(value, plaintext)).To(BeFalse(), "%s, key %s", s.Name, key)
			}
		}
	})

	It("gets its Secret back when someone deletes it", func(ctx context.Context) {
		old := get(ctx, secret).DeepCopy()
		Expect(k8s.Delete(ctx, secret.DeepCopy())).To(Succeed())
		Eventually(func(g Gomega, ctx context.Context) {
			g.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Succeed())
			g.Expect(secret.UID).NotTo(Equal(old.UID))
		}).WithContext(ctx).WithTimeout(5 * time.Second).Should(Succeed())
		awaitReady(ctx, wiki)
		Expect(logIn(ctx, clientName)).To(beTheSamePersonAndClient(first))
	})

	It("is refused by the API server, with the way out, when it is wrong", func(ctx context.Context) {
		bad := oauthClient("bad")
		bad.Spec.RedirectURIs = []clientelev1alpha1.RedirectURI{"http://wiki.example.com/callback"}
		err := k8s.Create(ctx, bad)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(And(
			ContainSubstring("spec.redirectURIs[0]"),
			ContainSubstring("http is allowed for localhost, 127.0.0.1 and [::1] only: use https"),
		)))
	})

	It("survives a restart of the authserver", func(ctx context.Context) {
		restart(ctx, "authserver")
		awaitReady(ctx, wiki)
		after := logIn(ctx, clientName)
		Expect(after).To(beTheSamePersonAndClient(first))
		Expect(after.KeyID).To(Equal(first.KeyID), "tokens from before must stay valid")
	})

	It("does not change when the manager restarts", func(ctx context.Context) {
		versions := func(ctx context.Context) []string {
			return []string{
				get(ctx, wiki).ResourceVersion, get(ctx, secret).ResourceVersion, get(ctx, record).ResourceVersion,
			}
		}
		awaitReady(ctx, wiki)
		before := versions(ctx)
		restart(ctx, "manager")
		Consistently(versions).WithContext(ctx).WithTimeout(5 * time.Second).Should(Equal(before))
	})

	It("is served by an authserver that starts while there is no manager", func(ctx context.Context) {
		scaleManager(ctx, 0)
		DeferCleanup(func(ctx context.Context) { scaleManager(ctx, 1) })
		restart(ctx, "authserver")
		Expect(logIn(ctx, clientName)).To(beTheSamePersonAndClient(first))
	})

	It("takes its record and its Secret along when it is deleted", func(ctx context.Context) {
		awaitPods(ctx, "manager")
		Expect(k8s.Delete(ctx, wiki)).To(Succeed())
		awaitGone(ctx, wiki)
		awaitGone(ctx, record)
		awaitGone(ctx, secret)
	})
})

var _ = Describe("The authserver's ServiceAccount", func() {
	ask := func(ctx context.Context, namespace, verb string) bool {
		GinkgoHelper()
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:   "system:serviceaccount:" + systemNamespace + ":authserver",
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + systemNamespace, "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: verb, Resource: "secrets",
			},
		}}
		Expect(k8s.Create(ctx, review)).To(Succeed())
		return review.Status.Allowed
	}
	DescribeTable("and Secrets", func(ctx context.Context, namespace, verb string, allowed bool) {
		Expect(ask(ctx, namespace, verb)).To(Equal(allowed))
	},
		Entry("reads them in the system namespace", systemNamespace, "get", true),
		Entry("does not read them in an app's namespace", appNamespace, "get", false),
		Entry("does not list them in an app's namespace", appNamespace, "list", false),
		Entry("does not watch them in an app's namespace", appNamespace, "watch", false),
		Entry("does not write them in an app's namespace", appNamespace, "update", false),
		Entry("does not list them in all namespaces", metav1.NamespaceAll, "list", false),
		Entry("does not delete them in the system namespace", systemNamespace, "delete", false),
	)
})

func beTheSamePersonAndClient(first login) OmegaMatcher {
	return And(HaveField("ClientID", first.ClientID), HaveField("Subject", first.Subject))
}

// scaleManager waits until there is no Pod, or until there is one that is ready.
func scaleManager(ctx context.Context, replicas int32) {
	GinkgoHelper()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "manager"}}
	patch := client.MergeFrom(get(ctx, d).DeepCopy())
	d.Spec.Replicas = new(replicas)
	Expect(k8s.Patch(ctx, d, patch)).To(Succeed())
	if replicas > 0 {
		awaitPods(ctx, "manager")
		return
	}
	Eventually(func(g Gomega, ctx context.Context) {
		g.Expect(componentPods(ctx, g, "manager")).To(BeEmpty())
	}).WithContext(ctx).Should(Succeed())
}
