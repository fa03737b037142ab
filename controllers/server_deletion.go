// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// +kubebuilder:rbac:groups=clientele.dev,resources=authorizationservers,verbs=patch

// finalizerClients keeps an AuthorizationServer that is deleted, and has it served,
// for as long as it has clients. It is on no namespaced object, so it keeps no
// namespace from being deleted.
const finalizerClients = "clientele.dev/clients"

// maxClients is how many clients of a server that is being deleted are named.
const maxClients = 10

// confirmPage is how many records are read at once.
const confirmPage = 500

// keeps reports whether as is there for clients still: it is not being deleted, or
// its clients have not gone.
func keeps(as *v1alpha1.AuthorizationServer) bool {
	return as.DeletionTimestamp == nil || controllerutil.ContainsFinalizer(as, finalizerClients)
}

// releases lets through what changes who keeps an issuer.
func releases() predicate.Predicate {
	return predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, bok := e.ObjectOld.(*v1alpha1.AuthorizationServer)
			after, aok := e.ObjectNew.(*v1alpha1.AuthorizationServer)
			return bok && aok && keeps(before) != keeps(after)
		},
	})
}

// hold adds the finalizer. It comes before anything is published, so a server that
// has clients has it.
func (r *serverReconciler) hold(ctx context.Context, s *serverScope) error {
	if s.server.DeletionTimestamp != nil || controllerutil.ContainsFinalizer(s.server, finalizerClients) {
		return nil
	}
	return r.patchFinalizer(ctx, s, controllerutil.AddFinalizer)
}

// patchFinalizer writes the server's finalizers as alter leaves them, if the server
// is still as it was read.
func (r *serverReconciler) patchFinalizer(ctx context.Context, s *serverScope, alter func(client.Object, string) bool) error {
	old := s.server.DeepCopy()
	alter(s.server, finalizerClients)
	patch := client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{})
	err := r.writer.Patch(ctx, s.server, patch, client.FieldOwner(fieldOwner))
	if apierrors.IsNotFound(err) {
		return errStale
	}
	return err
}

// letGo ends a server that is being deleted and has no clients: its record first, so
// that nobody can register any more, and then the finalizer.
func (r *serverReconciler) letGo(ctx context.Context, s *serverScope) error {
	if err := r.confirmNoClients(ctx, s.server.Name); err != nil {
		return err
	}
	if s.record != nil {
		if err := r.secrets().delete(ctx, s.record); err != nil {
			return err
		}
	}
	return r.patchFinalizer(ctx, s, controllerutil.RemoveFinalizer)
}

// confirmNoClients asks the API server whether anybody is registered with a server:
// the cache of a manager that has just become the leader may be behind. It happens
// once in a server's life.
func (r *serverReconciler) confirmNoClients(ctx context.Context, server string) error {
	page := &corev1.SecretList{}
	for {
		err := r.live.List(ctx, page, client.InNamespace(r.Namespace),
			client.MatchingLabels{registration.LabelRecord: registration.RecordClient},
			client.Limit(confirmPage), client.Continue(page.Continue))
		if err != nil {
			return err
		}
		for i := range page.Items {
			if c, is := registrantOf(&page.Items[i]); is && c.AuthorizationServer == server {
				return errStale
			}
		}
		if page.Continue == "" {
			return nil
		}
	}
}

// clientsOf are the OAuthClients that are registered with a server or name it.
func (r *serverReconciler) clientsOf(ctx context.Context, server string) ([]string, error) {
	records := &corev1.SecretList{}
	err := r.cached.List(ctx, records, client.InNamespace(r.Namespace),
		client.MatchingFields{indexMember: server}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range records.Items {
		c, _ := registrantOf(&records.Items[i])
		names = append(names, c.key().String())
	}
	naming := &v1alpha1.OAuthClientList{}
	if err := r.cached.List(ctx, naming, client.MatchingFields{indexServer: server}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	for i := range naming.Items {
		if oc := &naming.Items[i]; oc.DeletionTimestamp == nil && serverRef(oc) == server {
			names = append(names, client.ObjectKeyFromObject(&naming.Items[i]).String())
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// remaining says which clients keep a server that is being deleted.
func remaining(server string, clients []string) verdict {
	names := strings.Join(clients[:min(len(clients), maxClients)], ", ")
	if more := len(clients) - maxClients; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return no(v1alpha1.ReasonClientsRemain,
		"AuthorizationServer %s is being deleted and goes once it has no clients. It serves these until then: %s. Delete them, or move them to another AuthorizationServer with spec.authorizationServerRef.", server, names)
}

// leaving are the AuthorizationServers that are being deleted: any change of a client
// may be what they wait for.
func (r *serverReconciler) leaving(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.listed(ctx, func(as *v1alpha1.AuthorizationServer) bool { return as.DeletionTimestamp != nil })
}
