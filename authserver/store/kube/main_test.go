// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/test/apiserver"
)

// server is a real API server. One test halts and resumes it; no test runs in parallel.
var server *apiserver.Server

// user is whom the stores under test are to the API server: somebody who may do what
// the authserver may, and nothing else.
const user = "authserver"

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	var err error
	if server, err = apiserver.New(); err != nil {
		return 0, err
	}
	code, ctx := 1, context.Background()
	if err = permit(ctx); err == nil {
		err = listable(ctx)
	}
	if err == nil {
		code = m.Run()
	}
	if end := server.End(); err == nil {
		err = end
	}
	return code, err
}

// permit gives user the rules of the authserver's Role, in all namespaces, since each
// test has its own. It returns when the API server knows.
func permit(ctx context.Context) error {
	data, err := os.ReadFile(filepath.Join(apiserver.Root(), "config", "rbac", "authserver_role.yaml"))
	if err != nil {
		return err
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: user}}
	var rules rbacv1.Role
	if err := yaml.UnmarshalStrict(data, &rules); err != nil {
		return err
	}
	role.Rules = rules.Rules
	api := kubernetes.NewForConfigOrDie(server.Config)
	if _, err := api.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return err
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	if _, err := api.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return err
	}
	ask := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: "create", Group: v1alpha1.GroupVersion.Group, Resource: grantKind.resource, Namespace: "any",
		},
	}}
	return until(ctx, func() (bool, error) {
		answer, err := api.AuthorizationV1().SubjectAccessReviews().Create(ctx, ask, metav1.CreateOptions{})
		return err == nil && answer.Status.Allowed, err
	})
}

// listable returns once the API server can list our kinds: one that has just started
// must fill its memory first, and refuses until then.
func listable(ctx context.Context) error {
	for _, k := range []kind{sessionKind, grantKind, consentKind, assertionKind} {
		err := until(ctx, func() (bool, error) {
			_, err := byHand("default", k).List(ctx, metav1.ListOptions{})
			if apierrors.IsTooManyRequests(err) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// until waits for something that the API server does by itself.
func until(ctx context.Context, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if done, err := ok(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// asUser makes a way to the API server that of user.
func asUser(c *rest.Config) { c.Impersonate = rest.ImpersonationConfig{UserName: user} }
