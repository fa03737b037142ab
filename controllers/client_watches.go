// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// setupClients adds the OAuthClient controller to mgr.
func setupClients(mgr ctrl.Manager, s shared, tracker *replicaTracker) error {
	usage := newUsageReports(s, tracker)
	r := newClientReconciler(s, usage)
	gate := tracker.subscribe(r.everyone, clientNamed)
	r.gate, r.watches = gate, newSecretWatches(s.single)
	return ctrl.NewControllerManagedBy(mgr).
		Named("oauthclient").
		WithOptions(controller.Options{
			MaxConcurrentReconciles: s.MaxConcurrentReconciles, SkipNameValidation: &s.SkipNameValidation,
		}).
		// Our own status writes come back, too: a look at an object from before one
		// may have found nothing to write, wrongly.
		For(&v1alpha1.OAuthClient{}).
		Watches(&v1alpha1.OAuthClient{}, handler.EnqueueRequestsFromMapFunc(r.rivals)).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.clientsOfSecret)).
		Watches(&corev1.Secret{}, r.freedClaims()).
		Watches(&v1alpha1.AuthorizationServer{}, r.serverChanges()).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.clientsOfNamespace),
			builder.OnlyMetadata, builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesRawSource(gate).
		WatchesRawSource(r.watches).
		WatchesRawSource(usage).
		Complete(r)
}

// everyone lists all OAuthClients.
func (r *clientReconciler) everyone(ctx context.Context) ([]reconcile.Request, error) {
	all := &v1alpha1.OAuthClientList{}
	err := r.cached.List(ctx, all, client.UnsafeDisableDeepCopy)
	return requestsOf(all.Items), err
}

// clientsOfSecret are the OAuthClients that a Secret of ours concerns.
func (r *clientReconciler) clientsOfSecret(ctx context.Context, o client.Object) []reconcile.Request {
	record := o.GetLabels()[registration.LabelRecord]
	switch {
	case o.GetNamespace() == r.Namespace && record == registration.RecordClient:
		return clientOfRecord(o)
	case o.GetNamespace() == r.Namespace && record == registration.RecordServer:
		return r.clientsOf(ctx, o.GetAnnotations()[registration.AnnotationServer], true)
	}
	if owner := owningClient(o); owner != nil {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: owner.Name}}}
	}
	return nil
}

// clientOfRecord is the OAuthClient of a record, whether or not it still exists.
func clientOfRecord(o client.Object) []reconcile.Request {
	namespace, name, ok := strings.Cut(o.GetAnnotations()[registration.AnnotationClient], "/")
	if !ok { // somebody has taken the annotation off; a namespace has no dot
		clientID := strings.TrimPrefix(o.GetName(), registration.ClientRecordName("", "")[:len(registration.RecordClient)+1])
		namespace, name, ok = strings.Cut(clientID, ".")
	}
	if !ok || namespace == "" || name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}}
}

// clientsOf are the OAuthClients that name server or are registered with it, and
// those that name none if the server is, was or may be the default one.
func (r *clientReconciler) clientsOf(ctx context.Context, server string, byDefault bool) []reconcile.Request {
	names := []string{server}
	if byDefault {
		names = append(names, "")
	}
	var requests []reconcile.Request
	for _, name := range names {
		list := &v1alpha1.OAuthClientList{}
		if err := r.cached.List(ctx, list, client.MatchingFields{indexServer: name}, client.UnsafeDisableDeepCopy); err != nil {
			log.FromContext(ctx).Error(err, "Listing the OAuthClients of a server failed", "server", name)
			continue
		}
		requests = append(requests, requestsOf(list.Items)...)
	}
	return requests
}

// serverChanges enqueues the OAuthClients of a server when something has changed
// that decides whether and by whom they are served. What is served is in the
// issuer's record, which is watched too.
func (r *clientReconciler) serverChanges() handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	enqueue := func(ctx context.Context, q queue, server string, byDefault bool) {
		for _, request := range r.clientsOf(ctx, server, byDefault) {
			q.Add(request)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			enqueue(ctx, q, e.Object.GetName(), isDefault(e.Object))
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			enqueue(ctx, q, e.Object.GetName(), isDefault(e.Object))
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if matters(e.ObjectOld, e.ObjectNew) {
				enqueue(ctx, q, e.ObjectNew.GetName(), isDefault(e.ObjectOld) || isDefault(e.ObjectNew))
			}
		},
	}
}

func isDefault(o client.Object) bool {
	server, ok := o.(*v1alpha1.AuthorizationServer)
	return ok && server.Spec.Default
}

// matters reports whether a change of a server matters to its OAuthClients.
func matters(before, after client.Object) bool {
	b, bok := before.(*v1alpha1.AuthorizationServer)
	a, aok := after.(*v1alpha1.AuthorizationServer)
	if !bok || !aok {
		return false
	}
	refused := func(s *v1alpha1.AuthorizationServer) bool {
		return apimeta.IsStatusConditionFalse(s.Status.Conditions, v1alpha1.ConditionAccepted)
	}
	return b.UID != a.UID || b.Spec.Default != a.Spec.Default || refused(b) != refused(a) ||
		(b.DeletionTimestamp == nil) != (a.DeletionTimestamp == nil) ||
		!equality.Semantic.DeepEqual(b.Spec.Policy, a.Spec.Policy) || !equality.Semantic.DeepEqual(b.Spec.Lifetimes, a.Spec.Lifetimes)
}
