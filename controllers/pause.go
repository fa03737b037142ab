// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// A pause holds writes and nothing else: the phases find out what is to be done as
// always, and the first write that they come to says in the conditions that it is
// held. So a client with nothing to do stays Ready, and what there is to do happens
// as soon as the annotation is gone. Ready is False and not Unknown then: it is known
// that the cluster is not as the spec wants it.

// isPaused reports whether oc is to be left as it is.
func isPaused(oc *v1alpha1.OAuthClient) bool {
	return oc.Annotations[v1alpha1.AnnotationPaused] == "true"
}

// paused is r for an OAuthClient that is paused: it writes nothing but status, and
// withdrawals.
func (r *clientReconciler) paused() *clientReconciler {
	held := *r
	held.writer = heldWriter{r.writer, r.Namespace}
	return &held
}

// heldWriter refuses to write Secrets, with a problem for the condition that this
// keeps from being True. What policy takes away is not held: a record may be
// withdrawn, and deleted.
type heldWriter struct {
	client.Client
	system string
}

var _ client.Client = heldWriter{}

// Create writes nothing.
func (w heldWriter) Create(_ context.Context, o client.Object, _ ...client.CreateOption) error {
	return w.hold(o)
}

// Update writes a withdrawal and nothing else.
func (w heldWriter) Update(ctx context.Context, o client.Object, opts ...client.UpdateOption) error {
	if w.withdraws(o) {
		return w.Client.Update(ctx, o, opts...)
	}
	return w.hold(o)
}

// Patch writes nothing.
func (w heldWriter) Patch(_ context.Context, o client.Object, _ client.Patch, _ ...client.PatchOption) error {
	return w.hold(o)
}

// Delete deletes records and nothing else.
func (w heldWriter) Delete(ctx context.Context, o client.Object, opts ...client.DeleteOption) error {
	if o.GetNamespace() == w.system {
		return w.Client.Delete(ctx, o, opts...)
	}
	return w.hold(o)
}

// withdraws reports whether o is the record of a client that is not registered.
func (w heldWriter) withdraws(o client.Object) bool {
	record, is := o.(*corev1.Secret)
	if !is || o.GetNamespace() != w.system {
		return false
	}
	c, err := registration.DecodeClient(record.Data[registration.KeyClient])
	return err == nil && c.Withdrawn
}

func (w heldWriter) hold(o client.Object) *problem {
	if o.GetNamespace() == w.system {
		return held(v1alpha1.ConditionRegistered, "the registration")
	}
	return held(v1alpha1.ConditionCredentialsReady, "Secret "+o.GetName())
}

// held says that a change of what is held by a pause.
func held(condition, what string) *problem {
	return refused(condition, v1alpha1.ReasonPaused,
		"A change of %s is held, because the annotation %s of this OAuthClient is true. Remove the annotation to let the change happen.", what, v1alpha1.AnnotationPaused)
}

// goOnPaused goes on with what is registered where a change of that is held, so that
// the conditions tell how the Secret is.
func (s *clientScope) goOnPaused(err error) error {
	found, is := asProblem(err)
	if !is || found.reason != v1alpha1.ReasonPaused || s.published == nil {
		return err
	}
	s.problems.add(found)
	s.want.Digests, s.version = s.published.Digests, s.record.ResourceVersion
	return nil
}
