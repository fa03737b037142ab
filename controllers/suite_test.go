// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/clientele-dev/clientele/test/apiserver"
)

// patience is how long Eventually waits.
const patience = 5 * time.Second

var (
	// config and k8s are the administrator's way to a real API server.
	config *rest.Config
	k8s    client.WithWatch
)

func TestStories(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(10 * time.Millisecond)
	SetDefaultConsistentlyDuration(200 * time.Millisecond)
	RunSpecs(t, "controllers")
}

var _ = BeforeSuite(func() {
	ctrl.SetLogger(GinkgoLogr)
	var (
		stop func() error
		err  error
	)
	config, stop, err = apiserver.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(stop()).To(Succeed()) })
	scheme, err := Scheme()
	Expect(err).NotTo(HaveOccurred())
	k8s, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
})

// Managers act as managerUser, who may do what config/rbac lets the manager do and
// nothing else.
const managerUser = "manager"

// grantRole lets managerUser do what config/rbac/manager_role.yaml says, in the
// system namespace of one world.
func grantRole(ctx context.Context, namespace string) {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join(apiserver.Root(), "config", "rbac", "manager_role.yaml"))
	Expect(err).NotTo(HaveOccurred())
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: managerUser}}
	for document := range strings.SplitSeq(string(data), "---\n") {
		role := &rbacv1.ClusterRole{} // a Role has the same fields
		Expect(yaml.Unmarshal([]byte(document), role)).To(Succeed())
		name := metav1.ObjectMeta{Name: role.Name, Namespace: namespace}
		ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: role.Kind, Name: role.Name}
		switch role.Kind {
		case "ClusterRole":
			for _, o := range []client.Object{
				&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: role.Name}, Rules: role.Rules},
				&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: role.Name}, RoleRef: ref, Subjects: subjects},
			} {
				Expect(client.IgnoreAlreadyExists(k8s.Create(ctx, o))).To(Succeed())
			}
		case "Role":
			create(ctx, &rbacv1.Role{ObjectMeta: name, Rules: role.Rules})
			create(ctx, &rbacv1.RoleBinding{ObjectMeta: name, RoleRef: ref, Subjects: subjects})
		}
	}
}

// asManager is config for managerUser.
func asManager() *rest.Config {
	c := rest.CopyConfig(config)
	c.Impersonate = rest.ImpersonationConfig{UserName: managerUser}
	return c
}
