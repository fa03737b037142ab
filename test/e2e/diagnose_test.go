//go:build e2e

// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clientelev1alpha1 "github.com/clientele-dev/clientele/api/v1alpha1"
)

// diagnoseFailure is for AfterEach.
func diagnoseFailure(ctx context.Context) {
	if CurrentSpecReport().Failed() {
		diagnose(ctx)
	}
}

// diagnose prints what there is to see of a failure. Of Secrets it prints the names.
func diagnose(ctx context.Context) {
	var servers clientelev1alpha1.AuthorizationServerList
	_ = k8s.List(ctx, &servers)
	for _, s := range servers.Items {
		show("AuthorizationServer "+s.Name, s.Status)
	}
	for _, namespace := range []string{systemNamespace, appNamespace} {
		diagnoseNamespace(ctx, namespace)
	}
}

func diagnoseNamespace(ctx context.Context, namespace string) {
	in := client.InNamespace(namespace)
	var clients clientelev1alpha1.OAuthClientList
	_ = k8s.List(ctx, &clients, in)
	for _, c := range clients.Items {
		show("OAuthClient "+c.Name, c.Status)
	}
	var secrets metav1.PartialObjectMetadataList
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	_ = k8s.List(ctx, &secrets, in)
	for _, s := range secrets.Items {
		show("Secret "+s.Name, s.Labels)
	}
	var all corev1.PodList
	_ = k8s.List(ctx, &all, in)
	for _, pod := range all.Items {
		show("Pod "+pod.Name, pod.Status)
		fmt.Fprintln(GinkgoWriter, podLog(ctx, &pod, corev1.PodLogOptions{TailLines: new(int64(100))}))
		if len(pod.Status.ContainerStatuses) > 0 && pod.Status.ContainerStatuses[0].RestartCount > 0 {
			fmt.Fprintln(GinkgoWriter, "before its restart:")
			fmt.Fprintln(GinkgoWriter, podLog(ctx, &pod, corev1.PodLogOptions{TailLines: new(int64(100)), Previous: true}))
		}
	}
	var events corev1.EventList
	_ = k8s.List(ctx, &events, in)
	for _, e := range events.Items {
		at := e.LastTimestamp.Time
		if at.IsZero() { // of an events.k8s.io Event
			at = e.EventTime.Time
		}
		fmt.Fprintf(GinkgoWriter, "event %s %s %s/%s: %s\n",
			at.Format("15:04:05"), e.Reason, e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Message)
	}
}

func show(title string, o any) {
	text, err := json.Marshal(o)
	fmt.Fprintln(GinkgoWriter, title, string(text), err)
}
