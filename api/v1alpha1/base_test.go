// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// object is a manifest as people write it: what is left out is not there, rather
// than null.
type object = map[string]any

// mutation is one change of a valid manifest, and what the API server says of it:
// every one of want, or nothing if want is empty.
type mutation struct {
	name   string
	change func(spec object)
	want   []string
}

func set(key string, value any) func(object) { return func(spec object) { spec[key] = value } }

func remove(key string) func(object) { return func(spec object) { delete(spec, key) } }

func both(changes ...func(object)) func(object) {
	return func(spec object) {
		for _, c := range changes {
			c(spec)
		}
	}
}

func list(values ...any) []any { return append([]any{}, values...) }

// many is n values that f makes.
func many(n int, f func(i int) any) []any {
	values := make([]any, n)
	for i := range values {
		values[i] = f(i)
	}
	return values
}

// parse reads a manifest.
func parse(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

func specOf(t *testing.T, u *unstructured.Unstructured) object {
	t.Helper()
	spec, ok := u.Object["spec"].(object)
	if !ok {
		t.Fatal("the base has no spec")
	}
	return spec
}

// run applies each of mutations to base, and compares.
func run(t *testing.T, base string, mutations []mutation) {
	t.Helper()
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			u := parse(t, base)
			m.change(specOf(t, u))
			expect(t, create(t, u), m.want)
		})
	}
}

// create asks the API server, which stores nothing.
func create(t *testing.T, o client.Object) error {
	t.Helper()
	return k8s.Create(t.Context(), o, client.DryRunAll)
}

func expect(t *testing.T, err error, want []string) {
	t.Helper()
	if len(want) == 0 {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		t.Fatalf("got %v, want it refused with %q", err, want)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %v, want %q in it", err, w)
		}
	}
}
