// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/authserver/store"
)

// byHand is a way to the objects that goes around the store, as kubectl does.
func byHand(namespace string, k kind) dynamic.ResourceInterface {
	return dynamic.NewForConfigOrDie(server.Config).
		Resource(v1alpha1.GroupVersion.WithResource(k.resource)).Namespace(namespace)
}

func deleteByHand(t testing.TB, namespace string, k kind, name string) error {
	err := byHand(namespace, k).Delete(t.Context(), name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// count is how many sessions and grants there are.
func count(t testing.TB, s store.Store) int {
	t.Helper()
	n := 0
	for _, k := range []kind{sessionKind, grantKind} {
		list, err := byHand(s.(*Store).api.namespace, k).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n += len(list.Items)
	}
	return n
}
