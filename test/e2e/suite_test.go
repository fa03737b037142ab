//go:build e2e

// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e installs Clientele on the cluster that KUBECONFIG names, lets a Pod
// that mounts an OAuthClient's Secret sign a person in, and breaks things meanwhile.
// It needs kubectl, and two images that the cluster has already: clientele:dev, and
// E2E_CLIENT_IMAGE (clientele-loginclient:dev unless set), made of ./loginclient.
// Afterwards it removes Clientele and all that it made; with E2E_KEEP=true it
// does not, for a look at what is there.
package e2e

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	clientelev1alpha1 "github.com/clientele-dev/clientele/api/v1alpha1"
)

const (
	systemNamespace = "clientele-system"
	appNamespace    = "clientele-e2e"
	manifests       = "../../config/default"
)

var (
	k8s  client.Client
	pods *kubernetes.Clientset // for their logs

	clientImage = cmp.Or(os.Getenv("E2E_CLIENT_IMAGE"), "clientele-loginclient:dev")
)

func TestE2E(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(2 * time.Minute)
	SetDefaultEventuallyPollingInterval(200 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	log.SetLogger(GinkgoLogr)
	RunSpecs(t, "Clientele on a cluster")
}

var _ = BeforeSuite(func(ctx context.Context) {
	connect()
	refuseToOverwrite(ctx)
	DeferCleanup(uninstall)
	done := false
	DeferCleanup(func(ctx context.Context) {
		if !done {
			diagnose(ctx)
		}
	})
	By("installing " + manifests)
	kubectl(ctx, "apply", "-k", manifests)
	By("waiting for the Deployments")
	awaitPods(ctx, "manager")
	awaitPods(ctx, "authserver")
	createPrerequisites(ctx)
	done = true
})

func connect() {
	GinkgoHelper()
	Expect(os.Getenv("KUBECONFIG")).NotTo(BeEmpty(), "KUBECONFIG names the cluster to install on")
	scheme := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
	Expect(clientelev1alpha1.AddToScheme(scheme)).To(Succeed())
	config, err := ctrl.GetConfig()
	Expect(err).NotTo(HaveOccurred())
	k8s, err = client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	pods, err = kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
}

// refuseToOverwrite keeps the suite from removing, at its end, an installation that
// people use.
func refuseToOverwrite(ctx context.Context) {
	GinkgoHelper()
	var crd apiextensionsv1.CustomResourceDefinition
	err := k8s.Get(ctx, client.ObjectKey{Name: "oauthclients.clientele.dev"}, &crd)
	Expect(apierrors.IsNotFound(err)).To(BeTrue(),
		"this cluster has Clientele already, and the suite would remove it: take another cluster, or make undeploy (%v)", err)
}

// uninstall removes Clientele as make undeploy does: with what is left of the specs'
// OAuthClients, and with the AuthorizationServer that must not go before them.
func uninstall(ctx context.Context) {
	if os.Getenv("E2E_KEEP") == "true" {
		return
	}
	By("uninstalling Clientele")
	run(exec.CommandContext(ctx, "../../hack/undeploy"))
	By("removing what the specs made")
	remove(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: appNamespace}})
}

func kubectl(ctx context.Context, args ...string) {
	GinkgoHelper()
	run(exec.CommandContext(ctx, "kubectl", args...))
}

func run(cmd *exec.Cmd) {
	GinkgoHelper()
	out, err := cmd.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%v: %s", cmd.Args, out)
}
