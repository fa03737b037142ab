// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// withdraw ends the registration of an OAuthClient that is gone or going. A record
// cannot have an owner in another namespace, and a finalizer would keep namespaces
// from being deleted while no manager runs; so the record itself reminds: each one
// is looked at when the manager starts. It returns when to look again, if something
// is left.
func (r *clientReconciler) withdraw(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	r.parking.drop(key)
	r.claims.forget(key)
	r.stopclock.forget(key)
	r.told.first(key, "")
	r.gate.leave(reconcile.Request{NamespacedName: key})
	r.watches.retain(reconcile.Request{NamespacedName: key})
	r.readings.drop(key)

	// What is found before the client is seen to be gone cannot be of a new client
	// of that name.
	record := &corev1.Secret{}
	err := r.cached.Get(ctx, r.recordKey(key), record)
	registered := err == nil
	if client.IgnoreNotFound(err) != nil {
		return 0, err
	}
	orphans := &corev1.SecretList{}
	if err := r.cached.List(ctx, orphans, client.InNamespace(key.Namespace), client.MatchingFields{indexOwnerName: key.Name}); err != nil {
		return 0, err
	}
	gone, err := r.reallyGone(ctx, key)
	if err != nil {
		return 0, err
	}
	var again time.Duration
	if registered {
		if again, err = r.endRegistration(ctx, key, record); err != nil {
			return 0, err
		}
	}
	if !gone {
		return again, nil
	}
	return again, r.deleteOrphans(ctx, orphans.Items)
}

// reallyGone asks the API server: the cache of a manager that has just become the
// leader may be behind, and a registration withdrawn by mistake locks an app out.
// It is false for an OAuthClient that is still being deleted.
func (r *clientReconciler) reallyGone(ctx context.Context, key types.NamespacedName) (bool, error) {
	live := &v1alpha1.OAuthClient{}
	err := r.live.Get(ctx, key, live)
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case err == nil && live.DeletionTimestamp == nil:
		return false, errStale
	}
	return false, err
}

// deleteRecord deletes the record of a client that is gone.
func (r *clientReconciler) deleteRecord(ctx context.Context, record *corev1.Secret, w withdrawal) error {
	if err := r.secrets().delete(ctx, record); err != nil {
		return err
	}
	r.tellWithdrawal(w)
	return nil
}

func (r *clientReconciler) tellWithdrawal(w withdrawal) {
	gone := &v1alpha1.OAuthClient{ObjectMeta: metav1.ObjectMeta{
		Namespace: w.client.Namespace, Name: w.client.Name, UID: types.UID(w.client.UID),
	}}
	r.emit(gone, notice{kind: corev1.EventTypeNormal, reason: "Withdrawn", action: "Withdraw", note: w.note()})
}

// deleteOrphans deletes the Secrets of an OAuthClient that is gone, but for one that
// was to be retained. The cluster's garbage collector would; this is sooner, and works
// where there is none.
func (r *clientReconciler) deleteOrphans(ctx context.Context, orphans []corev1.Secret) error {
	for i := range orphans {
		if owner := owningClient(&orphans[i]); owner == nil || owner.Retained {
			continue
		}
		if err := r.secrets().delete(ctx, &orphans[i]); err != nil {
			return withoutValue(err, secretValue(&orphans[i]), true)
		}
	}
	return nil
}
