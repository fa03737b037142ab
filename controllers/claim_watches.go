// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

const (
	// indexClaim finds the records by what they claim; see claimed.
	indexClaim = "claim"
	// indexMember finds the records of the clients that are registered with an
	// AuthorizationServer.
	indexMember = "member"
	// indexClientID finds the OAuthClients by the client_id that they ask for.
	indexClientID = "clientID"
)

func addClaimIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	byRegistrant := func(value func(registrant) string) client.IndexerFunc {
		return func(o client.Object) []string {
			if r, is := registrantOf(o); is {
				return []string{value(r)}
			}
			return nil
		}
	}
	return errors.Join(
		indexer.IndexField(ctx, &corev1.Secret{}, indexClaim, byRegistrant(func(r registrant) string { return r.claimed().String() })),
		indexer.IndexField(ctx, &corev1.Secret{}, indexMember, byRegistrant(func(r registrant) string { return r.AuthorizationServer })),
		indexer.IndexField(ctx, &v1alpha1.OAuthClient{}, indexClientID, func(o client.Object) []string {
			oc, ok := o.(*v1alpha1.OAuthClient)
			if !ok {
				return nil
			}
			return []string{clientID(oc)}
		}),
	)
}

// rivals are the other OAuthClients that ask for the same client_id as o.
func (r *clientReconciler) rivals(ctx context.Context, o client.Object) []reconcile.Request {
	oc, ok := o.(*v1alpha1.OAuthClient)
	if !ok {
		return nil
	}
	var others []reconcile.Request
	for _, request := range r.clientsWith(ctx, clientID(oc)) {
		if request.NamespacedName != client.ObjectKeyFromObject(oc) {
			others = append(others, request)
		}
	}
	return others
}

// clientsWith are the OAuthClients that ask for a client_id.
func (r *clientReconciler) clientsWith(ctx context.Context, clientID string) []reconcile.Request {
	list := &v1alpha1.OAuthClientList{}
	if err := r.cached.List(ctx, list, client.MatchingFields{indexClientID: clientID}, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Listing the OAuthClients of a client_id failed")
		return nil
	}
	return requestsOf(list.Items)
}

// freedClaims enqueues the OAuthClients that may have waited for what a record has
// claimed, and claims no more.
func (r *clientReconciler) freedClaims() handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	wake := func(ctx context.Context, before, after client.Object, q queue) {
		if clientID, free := freed(before, after); free && before.GetNamespace() == r.Namespace {
			for _, request := range r.clientsWith(ctx, clientID) {
				q.Add(request)
			}
		}
	}
	return handler.Funcs{
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { wake(ctx, e.ObjectOld, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { wake(ctx, e.Object, nil, q) },
	}
}

// freed is the client_id that a record has claimed and claims no more, if there is
// one. after is nil if the record is gone.
func freed(before, after client.Object) (string, bool) {
	had, did := registrantOf(before)
	has, does := registrantOf(after)
	return had.ClientID, did && (!does || had.claimed() != has.claimed())
}
