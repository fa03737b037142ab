// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// What was written is there when the API server is back, for whoever has the way to
// it that it had.
func TestServer_ComesBack(t *testing.T) {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.End(); err != nil {
			t.Error(err)
		}
	})
	kube, err := kubernetes.NewForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	maps := kube.CoreV1().ConfigMaps(metav1.NamespaceDefault)
	if _, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, way := range []struct {
		name string
		end  func() error
	}{{"halted", s.Halt}, {"killed", s.Kill}} {
		began := time.Now()
		if err := way.end(); err != nil {
			t.Fatal(err)
		}
		ended := time.Since(began)
		if _, err := maps.Get(t.Context(), "kept", metav1.GetOptions{}); err == nil {
			t.Errorf("an API server that was %s answers", way.name)
		}
		if err := s.Resume(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s within %s, back %s after that", way.name, ended.Round(time.Millisecond), (time.Since(began) - ended).Round(time.Millisecond))
		if _, err := maps.Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
	}
}
