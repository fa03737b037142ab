//go:build e2e

// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clientelev1alpha1 "github.com/clientele-dev/clientele/api/v1alpha1"
)

// One rotation, in order: each spec begins where the one before it ended.
var _ = Describe("A client secret", Ordered, func() {
	const before = "calendar-before"
	var (
		calendar = oauthClient("calendar")
		secret   = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: appNamespace, Name: "calendar"}}
		oldID    string
		readyAt  time.Time
	)
	annotate := func(ctx context.Context, annotation string) {
		GinkgoHelper()
		kubectl(ctx, "-n", appNamespace, "annotate", "--overwrite", "oauthclient/"+calendar.Name, annotation)
	}
	credentials := func(ctx context.Context) []clientelev1alpha1.CredentialStatus {
		return get(ctx, calendar).Status.Credentials
	}
	BeforeAll(func(ctx context.Context) {
		awaitReady(ctx, &clientelev1alpha1.AuthorizationServer{ObjectMeta: metav1.ObjectMeta{Name: serverName}})
		create(ctx, calendar)
		awaitReady(ctx, calendar)
	})
	AfterEach(diagnoseFailure)

	It("is replaced on request", func(ctx context.Context) {
		logIn(ctx, calendar.Name, "-wait="+firstWait.String())
		readyAt = readySince(get(ctx, calendar))
		old := get(ctx, secret).DeepCopy()
		oldID = old.Annotations[clientelev1alpha1.AnnotationCredentialID]
		Expect(credentials(ctx)).To(HaveExactElements(beCredential(oldID, clientelev1alpha1.CredentialCurrent)))
		// A Pod that has not picked up the new one is played by one that mounts this.
		create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: appNamespace, Name: before}, Data: old.Data})

		annotate(ctx, clientelev1alpha1.AnnotationRotate+"=now")
		Eventually(func(ctx context.Context) []byte {
			return get(ctx, secret).Data["client_secret"]
		}).WithContext(ctx).ShouldNot(Equal(old.Data["client_secret"]))
		newID := secret.Annotations[clientelev1alpha1.AnnotationCredentialID]
		Expect(newID).NotTo(Equal(oldID))
		Eventually(credentials).WithContext(ctx).Should(HaveExactElements(
			beCredential(newID, clientelev1alpha1.CredentialCurrent), beCredential(oldID, clientelev1alpha1.CredentialRetiring)))
	})

	It("signs people in, and so does the one before it, with the client Ready throughout", func(ctx context.Context) {
		logIn(ctx, calendar.Name)
		logIn(ctx, before)
		Expect(readiness(get(ctx, calendar))).To(Equal("True"))
		Expect(readySince(calendar)).To(Equal(readyAt))
	})

	It("is refused once it is revoked by its id, and the current one is not", func(ctx context.Context) {
		annotate(ctx, clientelev1alpha1.AnnotationRevoke+"="+oldID)
		newID := get(ctx, secret).Annotations[clientelev1alpha1.AnnotationCredentialID]
		Eventually(credentials).WithContext(ctx).Should(HaveExactElements(beCredential(newID, clientelev1alpha1.CredentialCurrent)))
		Expect(failToLogIn(ctx, before)).To(ContainSubstring("invalid_client"))
		logIn(ctx, calendar.Name)
		Expect(readySince(get(ctx, calendar))).To(Equal(readyAt))
	})
})

func beCredential(id string, state clientelev1alpha1.CredentialState) OmegaMatcher {
	return And(HaveField("ID", id), HaveField("State", state))
}

// readySince is when the client last became Ready, or ceased to be.
func readySince(c *clientelev1alpha1.OAuthClient) time.Time {
	GinkgoHelper()
	ready := meta.FindStatusCondition(c.Status.Conditions, clientelev1alpha1.ConditionReady)
	Expect(ready).NotTo(BeNil())
	return ready.LastTransitionTime.Time
}
