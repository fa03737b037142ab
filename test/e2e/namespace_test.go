//go:build e2e

// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clientelev1alpha1 "github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

var _ = Describe("A namespace with an OAuthClient", func() {
	AfterEach(diagnoseFailure)

	It("goes while there is no manager, and its registration goes when there is one again", func(ctx context.Context) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: appNamespace + "-brief"}}
		poll := oauthClient("poll")
		poll.Namespace = namespace.Name
		record := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: systemNamespace, Name: registration.ClientRecordName(poll.Namespace, poll.Name),
		}}
		awaitReady(ctx, &clientelev1alpha1.AuthorizationServer{ObjectMeta: metav1.ObjectMeta{Name: serverName}})
		create(ctx, namespace)
		DeferCleanup(remove, namespace)
		create(ctx, poll)
		awaitReady(ctx, poll)

		scaleManager(ctx, 0)
		DeferCleanup(scaleManager, int32(1))
		Expect(k8s.Delete(ctx, namespace.DeepCopy())).To(Succeed())
		awaitGone(ctx, namespace.DeepCopy())
		Expect(k8s.Get(ctx, client.ObjectKeyFromObject(record), record)).To(Succeed(), "nobody was there to remove it")

		scaleManager(ctx, 1)
		awaitGone(ctx, record)
	})
})
