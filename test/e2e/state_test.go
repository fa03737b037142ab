//go:build e2e

// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What is kept of people, while replicas come and go and people take it away.
var _ = Describe("Sessions and grants", Ordered, func() {
	forum := oauthClient("forum")
	var busy *corev1.Pod // logs in and refreshes without pause
	AfterEach(diagnoseFailure)

	BeforeAll(func(ctx context.Context) {
		create(ctx, forum)
		awaitReady(ctx, forum)
		// The certificate takes its time to reach the Pods, if this spec runs alone.
		logIn(ctx, forum.Name, "-wait="+firstWait.String())
		busy = loginPod(forum.Name, []string{"-go-on", "-timeout=15m"})
		create(ctx, busy)
		awaitTurn(ctx, busy, 3)
	})
	AfterAll(func(ctx context.Context) {
		remove(ctx, busy)
		remove(ctx, forum)
	})

	It("are served by replicas of which one always stays", func(ctx context.Context) {
		all := awaitPods(ctx, "authserver")
		Expect(len(all)).To(BeNumerically(">=", 2))
		var budgets policyv1.PodDisruptionBudgetList
		Expect(k8s.List(ctx, &budgets, client.InNamespace(systemNamespace))).To(Succeed())
		Expect(budgets.Items).To(ContainElement(Satisfy(func(b policyv1.PodDisruptionBudget) bool {
			selects, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
			return err == nil && selects.Matches(labels.Set(all[0].Labels))
		})))
	})

	It("survive a rolling restart, and nobody notices it", func(ctx context.Context) {
		kubectl(ctx, "-n", systemNamespace, "rollout", "restart", "deployment/authserver")
		kubectl(ctx, "-n", systemNamespace, "rollout", "status", "deployment/authserver", "--timeout=3m")
		awaitMoreTurns(ctx, busy)
	})

	It("survive every Pod, one after the other", func(ctx context.Context) {
		for _, pod := range awaitPods(ctx, "authserver") {
			Expect(k8s.Delete(ctx, &pod)).To(Succeed())
			awaitGone(ctx, &pod)
			awaitPods(ctx, "authserver")
			awaitMoreTurns(ctx, busy)
		}
	})

	It("are there for people to read", func(ctx context.Context) {
		for _, kind := range []string{"oauthsessions", "oauthgrants", "oauthconsents"} {
			out := output(ctx, "-n", systemNamespace, "get", kind, "--field-selector=spec.personID="+personName)
			head, _, _ := strings.Cut(out, "\n")
			AddReportEntry(kind, head, ReportEntryVisibilityFailureOrVerbose)
			Expect(out).To(ContainSubstring(personName))
			if kind != "oauthsessions" {
				Expect(out).To(ContainSubstring(appNamespace + "." + forum.Name))
			}
		}
	})

	It("are revoked for good, at once and at every replica, by kubectl", func(ctx context.Context) {
		other := oauthClient("revoked")
		create(ctx, other)
		DeferCleanup(func(ctx context.Context) { remove(ctx, other) })
		awaitReady(ctx, other)
		pod := loginPod(other.Name, []string{"-until-revoked", "-timeout=5m"})
		create(ctx, pod)
		awaitTurn(ctx, pod, 5)
		of := "spec.clientID=" + appNamespace + "." + other.Name
		kubectl(ctx, "-n", systemNamespace, "delete", "oauthgrants", "--field-selector="+of, "--wait=false")
		deleted := time.Now()
		Eventually(func(ctx context.Context) corev1.PodPhase {
			return get(ctx, pod).Status.Phase
		}).WithContext(ctx).Should(BeElementOf(corev1.PodSucceeded, corev1.PodFailed))
		turns, text := turnsOf(ctx, pod)
		Expect(pod.Status.Phase).To(Equal(corev1.PodSucceeded), text)
		last := turns[len(turns)-1]
		Expect(last.Refused).To(Equal(10))
		Expect(last.Began).To(BeTemporally("<", deleted), "something was granted that was asked for later")
		remove(ctx, pod)
	})

	It("need no permission that the authserver does not have", func(ctx context.Context) {
		for _, pod := range awaitPods(ctx, "authserver") {
			Expect(strings.ToLower(podLog(ctx, &pod, corev1.PodLogOptions{}))).NotTo(ContainSubstring("forbidden"))
		}
	})

	It("end for a browser whose session somebody deletes", func(ctx context.Context) {
		kubectl(ctx, "-n", systemNamespace, "delete", "oauthsessions", "--field-selector=spec.personID="+personName)
		deleted := time.Now()
		Eventually(func(ctx context.Context) corev1.PodPhase {
			return get(ctx, busy).Status.Phase
		}).WithContext(ctx).Should(Equal(corev1.PodFailed))
		turns, text := turnsOf(ctx, busy)
		Expect(text).To(ContainSubstring("the person was asked again"))
		Expect(turns[len(turns)-1].Began).To(BeTemporally("<", deleted.Add(6*time.Second)), "longer than --session-cache")
	})
})

// turn is a line of a login client that goes on.
type turn struct {
	Turn    int       `json:"turn"`
	Began   time.Time `json:"began"`
	Refused int       `json:"refused"`
}

// turnsOf are a login client's turns, and all that it has printed.
func turnsOf(ctx context.Context, pod *corev1.Pod) (turns []turn, text string) {
	text = podLog(ctx, pod, corev1.PodLogOptions{})
	for line := range strings.Lines(text) {
		var t turn
		if json.Unmarshal([]byte(line), &t) == nil {
			turns = append(turns, t)
		}
	}
	return turns, text
}

// awaitTurn waits until a login client has come to a turn.
func awaitTurn(ctx context.Context, pod *corev1.Pod, n int) {
	GinkgoHelper()
	Eventually(func(g Gomega, ctx context.Context) {
		turns, text := turnsOf(ctx, pod)
		if phase := get(ctx, pod).Status.Phase; phase == corev1.PodFailed {
			StopTrying(text).Now()
		}
		g.Expect(turns).NotTo(BeEmpty(), text)
		g.Expect(turns[len(turns)-1].Turn).To(BeNumerically(">=", n), text)
	}).WithContext(ctx).WithTimeout(loginTimeout).Should(Succeed())
}

// awaitMoreTurns waits until it is clear that a login client has lost nothing so far.
func awaitMoreTurns(ctx context.Context, pod *corev1.Pod) {
	GinkgoHelper()
	turns, _ := turnsOf(ctx, pod)
	Expect(turns).NotTo(BeEmpty())
	awaitTurn(ctx, pod, turns[len(turns)-1].Turn+5)
}

// output is what kubectl prints.
func output(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := exec.CommandContext(ctx, "kubectl", args...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "kubectl %v: %s", args, out)
	return string(out)
}
