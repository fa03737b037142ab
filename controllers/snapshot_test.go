// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// snapshot is a cache of a manager that is as old as its last refresh, and holds
// what the manager's would: Secrets of ours by their label, the custom objects, and
// the metadata of Namespaces.
type snapshot struct {
	system, app string
	objects     map[client.ObjectKey][]client.Object
	indexes     map[string]client.IndexerFunc
	// records are all Secrets of the system namespace.
	records *corev1.SecretList
}

var _ client.Reader = (*snapshot)(nil)

func newSnapshot(ctx context.Context, system, app string) *snapshot {
	GinkgoHelper()
	s := &snapshot{system: system, app: app, indexes: map[string]client.IndexerFunc{}}
	Expect(addIndexes(ctx, s)).To(Succeed())
	return s
}

// IndexField makes List find by field.
func (s *snapshot) IndexField(_ context.Context, _ client.Object, field string, extract client.IndexerFunc) error {
	s.indexes[field] = extract
	return nil
}

// refresh makes the cache catch up.
func (s *snapshot) refresh(ctx context.Context) {
	GinkgoHelper()
	s.objects, s.records = map[client.ObjectKey][]client.Object{}, &corev1.SecretList{}
	namespaces := &metav1.PartialObjectMetadataList{}
	namespaces.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	for _, from := range []struct {
		list      client.ObjectList
		namespace string
	}{
		{&corev1.SecretList{}, s.app}, {s.records, s.system},
		{&v1alpha1.OAuthClientList{}, s.app}, {&v1alpha1.AuthorizationServerList{}, ""}, {namespaces, ""},
	} {
		Expect(k8s.List(ctx, from.list, client.InNamespace(from.namespace))).To(Succeed())
		Expect(apimeta.EachListItem(from.list, func(o runtime.Object) error {
			s.add(o.(client.Object))
			return nil
		})).To(Succeed())
	}
}

// add puts an object into the cache, unless it is none of ours.
func (s *snapshot) add(o client.Object) {
	if secret, is := o.(*corev1.Secret); is && !slices.Contains([]string{
		registration.RecordCredentials, registration.RecordClient, registration.RecordServer,
	}, secret.Labels[registration.LabelRecord]) {
		return
	}
	key := client.ObjectKeyFromObject(o)
	s.objects[key] = append(s.objects[key], o)
}

// Get copies an object out of the cache.
func (s *snapshot) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	for _, o := range s.objects[key] {
		if reflect.TypeOf(o) == reflect.TypeOf(into) {
			reflect.ValueOf(into).Elem().Set(reflect.ValueOf(o.DeepCopyObject()).Elem())
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: fmt.Sprintf("%T", into)}, key.Name)
}

// List copies objects of one type out of the cache.
func (s *snapshot) List(_ context.Context, into client.ObjectList, opts ...client.ListOption) error {
	o := (&client.ListOptions{}).ApplyOptions(opts)
	items := reflect.ValueOf(into).Elem().FieldByName("Items")
	for key, objects := range s.objects {
		for _, object := range objects {
			value := reflect.ValueOf(object.DeepCopyObject()).Elem()
			if value.Type() == items.Type().Elem() && (o.Namespace == "" || o.Namespace == key.Namespace) && s.selected(object, o) {
				items.Set(reflect.Append(items, value))
			}
		}
	}
	return nil
}

func (s *snapshot) selected(object client.Object, o *client.ListOptions) bool {
	if o.FieldSelector == nil {
		return true
	}
	return !slices.ContainsFunc(o.FieldSelector.Requirements(), func(r fields.Requirement) bool {
		return !slices.Contains(s.indexes[r.Field](object), r.Value)
	})
}

// secretOf is a Secret as the cache has it, or nil.
func (s *snapshot) secretOf(namespace, name string) *corev1.Secret {
	for _, o := range s.objects[client.ObjectKey{Namespace: namespace, Name: name}] {
		if secret, is := o.(*corev1.Secret); is {
			return secret
		}
	}
	return nil
}
