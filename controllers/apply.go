// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fieldOwner is the field manager of everything that the manager writes.
const fieldOwner = "clientele-manager"

// errNoNamespace says that there is no namespace to create an object in.
var errNoNamespace = errors.New("the namespace does not exist or is being deleted")

// secrets writes Secrets. Each write is a compare-and-swap: a Secret is created, or
// replaced as it was read, or deleted as it was read, and otherwise nothing
// happens. Server-side apply has no such create, since it takes over what exists,
// and does not own, and so would never remove, what a create has written.
type secrets struct{ client.Writer }

// create writes a Secret that does not exist. Otherwise it is an errExists.
func (w secrets) create(ctx context.Context, s *corev1.Secret) error {
	err := w.Create(ctx, s, client.FieldOwner(fieldOwner))
	switch {
	case err == nil:
		return nil
	case apierrors.IsAlreadyExists(err):
		err = errExists
	case apierrors.IsNotFound(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		err = fmt.Errorf("%w: %w", errNoNamespace, err)
	}
	return fmt.Errorf("create Secret %s: %w", client.ObjectKeyFromObject(s), err)
}

// errExists says that there is a Secret already where one was to be created.
var errExists = errors.New("it exists already")

// update replaces a Secret, if it is still as it was read.
func (w secrets) update(ctx context.Context, s *corev1.Secret) error {
	err := w.Update(ctx, s, client.FieldOwner(fieldOwner))
	if apierrors.IsNotFound(err) {
		err = errStale
	}
	if err != nil {
		return fmt.Errorf("update Secret %s: %w", client.ObjectKeyFromObject(s), err)
	}
	return nil
}

// delete removes a Secret, if it is still as it was read.
func (w secrets) delete(ctx context.Context, s *corev1.Secret) error {
	err := w.Delete(ctx, s, asRead(s))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete Secret %s: %w", client.ObjectKeyFromObject(s), err)
	}
	return nil
}

// asRead lets a deletion happen only if the object is as it was read.
func asRead(o metav1.Object) client.Preconditions {
	return client.Preconditions{UID: new(o.GetUID()), ResourceVersion: new(o.GetResourceVersion())}
}
