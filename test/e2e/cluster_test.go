//go:build e2e

// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clientelev1alpha1 "github.com/clientele-dev/clientele/api/v1alpha1"
)

// get reads an object by the name and namespace that it carries.
func get[T client.Object](ctx context.Context, o T) T {
	GinkgoHelper()
	Expect(k8s.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
	return o
}

func create(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Expect(k8s.Create(ctx, o)).To(Succeed())
}

// remove deletes o and waits until it is gone.
func remove(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Expect(client.IgnoreNotFound(k8s.Delete(ctx, o))).To(Succeed())
	awaitGone(ctx, o)
}

func awaitGone(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Eventually(func(ctx context.Context) bool {
		err := k8s.Get(ctx, client.ObjectKeyFromObject(o), o)
		// A kind that the API server does not have any more has no objects either.
		return apierrors.IsNotFound(err) || meta.IsNoMatchError(err)
	}).WithContext(ctx).Should(BeTrue(), "%T %s is still there", o, o.GetName())
}

// awaitReady is kubectl wait --for=condition=Ready, for the current generation.
func awaitReady(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Eventually(func(ctx context.Context) (string, error) {
		err := k8s.Get(ctx, client.ObjectKeyFromObject(o), o)
		return readiness(o), err
	}).WithContext(ctx).Should(Equal("True"), "%T %s", o, o.GetName())
}

// readiness is the status of the Ready condition, and why it is not True.
func readiness(o client.Object) string {
	var conditions []metav1.Condition
	switch o := o.(type) {
	case *clientelev1alpha1.OAuthClient:
		conditions = o.Status.Conditions
	case *clientelev1alpha1.AuthorizationServer:
		conditions = o.Status.Conditions
	}
	ready := meta.FindStatusCondition(conditions, clientelev1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return "there is no condition Ready"
	case ready.ObservedGeneration != o.GetGeneration():
		return fmt.Sprintf("%s, for generation %d of %d", ready.Status, ready.ObservedGeneration, o.GetGeneration())
	case ready.Status != metav1.ConditionTrue:
		return fmt.Sprintf("%s, %s: %s", ready.Status, ready.Reason, ready.Message)
	}
	return string(ready.Status)
}

// restart deletes the Pods of a Deployment of ours and waits for the next ones.
func restart(ctx context.Context, component string) {
	GinkgoHelper()
	for _, old := range awaitPods(ctx, component) {
		Expect(k8s.Delete(ctx, &old)).To(Succeed())
	}
	awaitPods(ctx, component)
}

// awaitPods returns the Pods of a component once they are as many as they should be,
// all ready, and none is about to go.
func awaitPods(ctx context.Context, component string) []corev1.Pod {
	GinkgoHelper()
	var list []corev1.Pod
	Eventually(func(g Gomega, ctx context.Context) {
		d := &appsv1.Deployment{}
		g.Expect(k8s.Get(ctx, client.ObjectKey{Namespace: systemNamespace, Name: component}, d)).To(Succeed())
		list = componentPods(ctx, g, component)
		g.Expect(list).To(HaveLen(int(*d.Spec.Replicas)))
		for _, pod := range list {
			g.Expect(pod.DeletionTimestamp).To(BeNil(), "%s is about to go", pod.Name)
			g.Expect(podReady(pod)).To(BeTrue(), "%s is not ready", pod.Name)
		}
	}).WithContext(ctx).Should(Succeed())
	return list
}

func componentPods(ctx context.Context, g Gomega, component string) []corev1.Pod {
	var list corev1.PodList
	g.Expect(k8s.List(ctx, &list, client.InNamespace(systemNamespace), client.MatchingLabels{
		"app.kubernetes.io/name": "clientele", "app.kubernetes.io/component": component,
	})).To(Succeed())
	return list.Items
}

func podReady(pod corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// login is what the login client prints.
type login struct {
	ClientID     string   `json:"client_id"`
	Subject      string   `json:"sub"`
	Name         string   `json:"name"`
	Email        string   `json:"email"`
	Groups       []string `json:"groups"`
	KeyID        string   `json:"kid"`
	Pages        int      `json:"pages"`
	Milliseconds int64    `json:"milliseconds"`
}

// logIn runs the login client in a new Pod that mounts the Secret of that name. It
// must succeed at the first try.
func logIn(ctx context.Context, secret string, args ...string) login {
	GinkgoHelper()
	pod, text := runLogin(ctx, secret, args...)
	Expect(pod.Status.Phase).To(Equal(corev1.PodSucceeded), text)
	var l login
	Expect(json.Unmarshal([]byte(text), &l)).To(Succeed(), text)
	AddReportEntry("login", text, ReportEntryVisibilityFailureOrVerbose)
	remove(ctx, pod)
	return l
}

// failToLogIn is logIn where that must fail. It returns what the login client says.
func failToLogIn(ctx context.Context, secret string) string {
	GinkgoHelper()
	pod, text := runLogin(ctx, secret)
	Expect(pod.Status.Phase).To(Equal(corev1.PodFailed), text)
	AddReportEntry("refused", text, ReportEntryVisibilityFailureOrVerbose)
	remove(ctx, pod)
	return text
}

// runLogin returns the Pod as it ended, and what it printed.
func runLogin(ctx context.Context, secret string, args ...string) (*corev1.Pod, string) {
	GinkgoHelper()
	pod := loginPod(secret, args)
	create(ctx, pod)
	Eventually(func(ctx context.Context) corev1.PodPhase {
		return get(ctx, pod).Status.Phase
	}).WithContext(ctx).WithTimeout(loginTimeout).Should(BeElementOf(corev1.PodSucceeded, corev1.PodFailed))
	return pod, podLog(ctx, pod, corev1.PodLogOptions{})
}

func podLog(ctx context.Context, pod *corev1.Pod, o corev1.PodLogOptions) string {
	text, err := pods.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &o).DoRaw(ctx)
	if err != nil {
		return fmt.Sprintf("no log of %s: %v", pod.Name, err)
	}
	return string(text)
}
