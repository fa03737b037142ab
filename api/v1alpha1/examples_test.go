// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/internal/userfile"
	"github.com/clientele-dev/clientele/test/apiserver"
)

// manifests are the files of a directory, each with one object.
func manifests(t *testing.T, directory ...string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(append([]string{apiserver.Root()}, append(directory, "*.yaml")...)...))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %v: %v", directory, err)
	}
	found := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(file); name != "kustomization.yaml" {
			found[name] = string(data)
		}
	}
	return found
}

// placed is what kubectl makes of a manifest: it goes where it says, or into the
// current namespace. Unknown fields are mistakes.
func placed(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	u := parse(t, manifest)
	if u.GetKind() != "AuthorizationServer" && u.GetNamespace() == "" {
		u.SetNamespace("default")
	}
	return u
}

func apply(t *testing.T, u *unstructured.Unstructured) error {
	t.Helper()
	return k8s.Create(t.Context(), u, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}

func TestSamples(t *testing.T) {
	system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "clientele-system"}}
	if err := k8s.Create(t.Context(), system); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	for name, manifest := range manifests(t, "config", "samples") {
		u := placed(t, manifest)
		if err := apply(t, u); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if u.GetKind() != "Secret" {
			continue
		}
		users, _, err := unstructured.NestedString(parse(t, manifest).Object, "stringData", registration.KeyUsers)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if parsed, err := userfile.Parse([]byte(users)); err != nil || len(parsed) == 0 {
			t.Errorf("%s: %d users, %v", name, len(parsed), err)
		}
	}
}

// Each invalid example says in its first line what it is refused with.
func TestInvalidExamples(t *testing.T) {
	for name, manifest := range manifests(t, "hack", "invalid-examples") {
		first, _, _ := strings.Cut(manifest, "\n")
		want, ok := strings.CutPrefix(first, "# Refused: ")
		if !ok {
			t.Errorf("%s does not begin with # Refused: and the message", name)
			continue
		}
		err := apply(t, placed(t, manifest))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want it refused with %q", name, err, want)
		}
	}
}
