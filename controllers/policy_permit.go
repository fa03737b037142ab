// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch

// permit is a problem if the policy of server does not allow a client with that spec
// in namespace.
func (r *clientReconciler) permit(ctx context.Context, server *v1alpha1.AuthorizationServer, namespace string, spec *v1alpha1.OAuthClientSpec) error {
	of := &metav1.PartialObjectMetadata{}
	of.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if server.Spec.Policy != nil {
		err := r.cached.Get(ctx, client.ObjectKey{Name: namespace}, of)
		if apierrors.IsNotFound(err) {
			return undecided(v1alpha1.ConditionAccepted, v1alpha1.ReasonFailed,
				"Namespace %s has not been seen yet, and the policy of AuthorizationServer %s goes by its labels. This is looked at again once it is.", namespace, server.Name)
		}
		if err != nil {
			return err
		}
	}
	violation, err := evaluate(server, of, spec)
	switch {
	case err != nil:
		return undecided(v1alpha1.ConditionAccepted, v1alpha1.ReasonAuthorizationServerNotAccepted,
			"Nobody can say what is allowed. %s. Have the platform team correct it.", err)
	case violation != "":
		return refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonPolicyViolation, "%s", violation)
	}
	return nil
}

// holdToPolicy decides whether what was accepted last, and is in s.want, can stay
// registered, or be registered again. It cannot if the policy of its server does not
// allow it, whatever else the spec of now is refused for, nor if that server does not
// allow the spec of now. If nobody can say, it is as it was.
func (r *clientReconciler) holdToPolicy(ctx context.Context, s *clientScope) error {
	server := &v1alpha1.AuthorizationServer{}
	if err := r.cached.Get(ctx, client.ObjectKey{Name: s.want.AuthorizationServer}, server); err != nil {
		return client.IgnoreNotFound(err)
	}
	now := s.problems[v1alpha1.ConditionAccepted]
	if violates(now) && s.server != nil && s.server.Name == server.Name {
		return r.withhold(ctx, s, server)
	}
	err := r.permit(ctx, server, s.want.Namespace, policed(s.want))
	kept, is := asProblem(err)
	switch {
	case err == nil:
		return r.readmit(ctx, s)
	case !is:
		return err
	case !violates(kept):
		return nil
	}
	before := "The annotation " + v1alpha1.AnnotationPaused + " holds the change of the spec, and what is registered is not allowed: "
	if now != nil {
		before = now.message + " What was accepted before cannot stay registered either: "
	}
	kept.message = before + kept.message
	s.problems.add(kept)
	return r.withhold(ctx, s, server)
}

// readmit lets what was withdrawn be registered again, unless another client has got
// its client_id meanwhile: who is registered with one keeps it.
func (r *clientReconciler) readmit(ctx context.Context, s *clientScope) error {
	if !s.want.Withdrawn {
		return nil
	}
	err := r.claim(ctx, s, s.want)
	if _, taken := asProblem(err); taken {
		return nil
	}
	s.want.Withdrawn = err != nil
	return err
}

// holdPaused holds what is registered of a client that is paused to the policy, since
// that stays registered whatever the spec of now, which is allowed, says.
func (r *clientReconciler) holdPaused(ctx context.Context, s *clientScope) error {
	next := *s
	next.want, next.secretName = *s.published, lastSecretName(s)
	err := r.holdToPolicy(ctx, &next)
	if err != nil {
		*s = next
	}
	return err
}

// violates reports whether a problem, which may be nil, is a PolicyViolation.
func violates(p *problem) bool { return p != nil && p.reason == v1alpha1.ReasonPolicyViolation }

// policed is a registration in the words of a spec, as far as a policy speaks of it.
func policed(c registration.Client) *v1alpha1.OAuthClientSpec {
	spec := &v1alpha1.OAuthClientSpec{
		Type:                   v1alpha1.ClientTypeConfidential,
		RedirectURIs:           words[v1alpha1.RedirectURI](c.RedirectURIs),
		PostLogoutRedirectURIs: words[v1alpha1.RedirectURI](c.PostLogoutRedirectURIs),
		BackchannelLogoutURI:   c.BackchannelLogoutURI,
		JWKSURI:                v1alpha1.WebURI(c.JWKSURI),
		Scopes:                 words[v1alpha1.Scope](c.Scopes),
		GrantTypes:             words[v1alpha1.GrantType](c.GrantTypes),
		Audiences:              words[v1alpha1.Audience](c.Audiences),
		Consent:                v1alpha1.ConsentMode(c.Consent),
		Lifetimes: &v1alpha1.ClientLifetimes{
			AccessToken: &metav1.Duration{Duration: c.Lifetimes.AccessToken}, IDToken: &metav1.Duration{Duration: c.Lifetimes.IDToken},
			RefreshToken: &metav1.Duration{Duration: c.Lifetimes.RefreshToken}, RefreshTokenIdle: &metav1.Duration{Duration: c.Lifetimes.RefreshTokenIdle},
		},
	}
	if c.Public {
		spec.Type = v1alpha1.ClientTypePublic
	}
	return spec
}

// words is the other way round than texts.
func words[T ~string](in []string) []T {
	out := make([]T, len(in))
	for i, s := range in {
		out[i] = T(s)
	}
	return out
}

// withhold withdraws what is registered. The record stays, with every digest in its
// order: once the client is allowed again, all that its Secret may hold is accepted
// again. The Secret is left as it is.
func (r *clientReconciler) withhold(ctx context.Context, s *clientScope, server *v1alpha1.AuthorizationServer) error {
	found, known := s.problems[v1alpha1.ConditionAccepted], s.published.Withdrawn
	found.message += " Until then the client is not registered."
	s.want.Withdrawn = true
	s.leaveSecret()
	if err := r.publish(ctx, s, s.want.Digests); err != nil {
		return err
	}
	if !known { // the client's own event comes with its conditions
		r.events.Eventf(server, s.client, corev1.EventTypeWarning, found.reason, "Withdraw", "%s",
			shorten(fmt.Sprintf("OAuthClient %s is no longer registered. %s", s.key(), found.message), maxNote))
	}
	return found
}

// restored tells that a registration that was withdrawn is there again.
func (r *clientReconciler) restored(s *clientScope) {
	r.emit(s.client, notice{
		kind: corev1.EventTypeNormal, reason: "Restored", action: "Register",
		note: fmt.Sprintf("The policy of AuthorizationServer %s allows this client again, so it is registered again, with the credentials that it had.", s.want.AuthorizationServer),
	})
}

// returns prepares for a registration that was withdrawn to be there again: a secret
// whose overlap has passed meanwhile does not come back. One that may outlast its
// overlap, since it must be quiet first, ends as it always does.
func (s *clientScope) returns() {
	if s.published == nil || !s.published.Withdrawn || s.want.Withdrawn {
		return
	}
	if rotation := s.client.Spec.Rotation; rotation != nil && rotation.QuietPeriod != nil {
		return
	}
	before := *s.published
	before.Digests = dropEnded(slices.Clone(before.Digests), stamp(s.now))
	s.published = &before
}

// clientsOfNamespace are the OAuthClients in a Namespace. Their policy goes by its labels.
func (r *clientReconciler) clientsOfNamespace(ctx context.Context, o client.Object) []reconcile.Request {
	list := &v1alpha1.OAuthClientList{}
	if err := r.cached.List(ctx, list, client.InNamespace(o.GetName()), client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Listing the OAuthClients of a namespace failed", "namespace", o.GetName())
		return nil
	}
	return requestsOf(list.Items)
}
