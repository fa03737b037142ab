// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// +kubebuilder:rbac:groups=clientele.dev,resources=authorizationservers/status,verbs=get;patch

const kindServer = "AuthorizationServer"

// serverReconciler makes an AuthorizationServer's record and status.
type serverReconciler struct {
	shared
	gate replicaGate
}

// watched are the watches that not every controller has.
type watched struct {
	tracker *replicaTracker
	users   cache.Cache
}

// setupServers adds the AuthorizationServer controller to mgr.
func setupServers(mgr ctrl.Manager, s shared, w watched) error {
	r := &serverReconciler{shared: s}
	gate := w.tracker.subscribe(r.everyone, serverNamed)
	r.gate = gate
	// Two servers may claim the same issuer, so a change of one concerns all.
	all := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, _ client.Object) []reconcile.Request {
		return r.listed(ctx, func(*v1alpha1.AuthorizationServer) bool { return true })
	})
	leaving := handler.EnqueueRequestsFromMapFunc(r.leaving)
	users := &metav1.PartialObjectMetadata{}
	users.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return ctrl.NewControllerManagedBy(mgr).
		Named("authorizationserver").
		WithOptions(controller.Options{SkipNameValidation: &s.SkipNameValidation}).
		For(&v1alpha1.AuthorizationServer{}). // with its status, as for OAuthClients
		Watches(&v1alpha1.AuthorizationServer{}, all, builder.WithPredicates(releases())).
		Watches(&v1alpha1.OAuthClient{}, leaving).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.serversOfRecord)).
		WatchesRawSource(source.Kind(w.users, users, handler.TypedEnqueueRequestsFromMapFunc(
			func(ctx context.Context, o *metav1.PartialObjectMetadata) []reconcile.Request {
				return r.listed(ctx, func(as *v1alpha1.AuthorizationServer) bool { return usesSecret(as, o.Name) })
			}))).
		WatchesRawSource(gate).
		Complete(r)
}

// everyone lists all AuthorizationServers.
func (r *serverReconciler) everyone(ctx context.Context) ([]reconcile.Request, error) {
	all := &v1alpha1.AuthorizationServerList{}
	err := r.cached.List(ctx, all)
	return requestsOf(all.Items), err
}

// listed are the AuthorizationServers for which concerned is true.
func (r *serverReconciler) listed(ctx context.Context, concerned func(*v1alpha1.AuthorizationServer) bool) []reconcile.Request {
	all := &v1alpha1.AuthorizationServerList{}
	if err := r.cached.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Listing AuthorizationServers failed")
		return nil
	}
	var requests []reconcile.Request
	for i := range all.Items {
		if concerned(&all.Items[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&all.Items[i])})
		}
	}
	return requests
}

// serversOfRecord are the AuthorizationServers that a record concerns.
func (r *serverReconciler) serversOfRecord(ctx context.Context, o client.Object) []reconcile.Request {
	record := o.GetLabels()[registration.LabelRecord]
	switch {
	case o.GetNamespace() != r.Namespace:
		return nil
	case record == registration.RecordClient:
		return r.leaving(ctx, o)
	case record != registration.RecordServer:
		return nil
	}
	name := o.GetName()[min(len(registration.RecordServer)+1, len(o.GetName())):]
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: name}}}
}

func usesSecret(as *v1alpha1.AuthorizationServer, name string) bool {
	for _, p := range as.Spec.IdentityProviders {
		if p.LocalUsers != nil && p.LocalUsers.SecretRef.Name == name {
			return true
		}
	}
	return false
}

// serverScope is what a reconciliation has found out so far.
type serverScope struct {
	server *v1alpha1.AuthorizationServer
	before v1alpha1.AuthorizationServerStatus
	now    time.Time
	record *corev1.Secret // nil if there is none
	// clients are those that keep a server that is being deleted.
	clients []string

	problems problems
	replicas acknowledgement
	// published says that the record is what the spec says.
	published bool
}

// Reconcile brings one AuthorizationServer's record and status to where its spec
// wants them.
func (r *serverReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	s, err := r.read(ctx, request)
	if err != nil || s == nil {
		return settleFor(err)
	}
	if s.server.DeletionTimestamp != nil && len(s.clients) == 0 {
		r.gate.leave(request)
		return settleFor(r.letGo(ctx, s))
	}
	err = errors.Join(
		run(ctx, s, s.problems, []phase[*serverScope]{
			{v1alpha1.ConditionIdentityProvidersReady, r.checkIdentityProviders},
		}),
		run(ctx, s, s.problems, []phase[*serverScope]{
			{v1alpha1.ConditionAccepted, r.checkSpec},
			{v1alpha1.ConditionPublished, r.hold},
			{v1alpha1.ConditionPublished, r.publish},
			{v1alpha1.ConditionPublished, r.awaitReplicas},
		}))
	if isStale(err) {
		return settleFor(err)
	}
	setServerConditions(s, r.Namespace)
	if patchErr := r.patchStatus(ctx, s); patchErr != nil {
		if err == nil {
			return settleFor(patchErr)
		}
		return ctrl.Result{}, errors.Join(err, patchErr)
	}
	r.report(s)
	return ctrl.Result{}, err
}

// read gathers what is known of an AuthorizationServer. It is nil if there is none,
// or one that is being deleted and that has been let go.
func (r *serverReconciler) read(ctx context.Context, request ctrl.Request) (*serverScope, error) {
	record := &corev1.Secret{}
	err := r.cached.Get(ctx, r.recordKey(request.Name), record)
	if apierrors.IsNotFound(err) {
		record, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	as := &v1alpha1.AuthorizationServer{}
	err = r.cached.Get(ctx, request.NamespacedName, as)
	if apierrors.IsNotFound(err) {
		return nil, r.withdraw(ctx, request, record)
	}
	if err != nil || !keeps(as) {
		return nil, err
	}
	s := &serverScope{
		server: as, before: *as.Status.DeepCopy(), now: r.Clock.Now(), record: record, problems: problems{},
	}
	if as.DeletionTimestamp != nil {
		s.clients, err = r.clientsOf(ctx, as.Name)
	}
	return s, err
}

// withdraw deletes the record of an AuthorizationServer that is gone. The cluster's
// garbage collector would; this is sooner, and works where there is none.
func (r *serverReconciler) withdraw(ctx context.Context, request ctrl.Request, record *corev1.Secret) error {
	r.gate.leave(request)
	if record == nil {
		return nil
	}
	err := r.live.Get(ctx, request.NamespacedName, &v1alpha1.AuthorizationServer{})
	if err == nil {
		return errStale
	}
	if !apierrors.IsNotFound(err) {
		return err
	}
	return r.secrets().delete(ctx, record)
}

func (r *serverReconciler) recordKey(server string) client.ObjectKey {
	return client.ObjectKey{Namespace: r.Namespace, Name: registration.ServerRecordName(server)}
}

// patchStatus writes the status if it has changed.
func (r *serverReconciler) patchStatus(ctx context.Context, s *serverScope) error {
	old := s.server.DeepCopy()
	old.Status = s.before
	if equality.Semantic.DeepEqual(old.Status, s.server.Status) {
		return nil
	}
	patch := client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{})
	err := r.writer.Status().Patch(ctx, s.server, patch, client.FieldOwner(fieldOwner))
	if apierrors.IsNotFound(err) {
		return errStale
	}
	return err
}
