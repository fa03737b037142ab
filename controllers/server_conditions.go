// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// setServerConditions draws the conclusions from what a reconciliation has found:
// the one place that writes an AuthorizationServer's status. It does no I/O.
func setServerConditions(s *serverScope, namespace string) {
	status := &s.server.Status
	status.ObservedGeneration = s.server.Generation
	vs := verdicts{}
	if s.server.DeletionTimestamp != nil {
		vs = append(vs, concern{verdict: remaining(s.server.Name, s.clients)})
	}
	vs = append(vs,
		concern{v1alpha1.ConditionAccepted, s.acceptedVerdict()},
		concern{v1alpha1.ConditionIdentityProvidersReady, s.providersVerdict()},
		concern{v1alpha1.ConditionPublished, s.publishedVerdict(namespace)})
	vs.write(&status.Conditions, s.server.Generation, s.now, "Every running replica of the authserver serves this issuer.")
}

func (s *serverScope) acceptedVerdict() verdict {
	if p := s.problems[v1alpha1.ConditionAccepted]; p != nil {
		return p.verdict()
	}
	return yes(v1alpha1.ReasonAccepted, "The issuer %s can be served.", s.server.Spec.Issuer)
}

func (s *serverScope) providersVerdict() verdict {
	if p := s.problems[v1alpha1.ConditionIdentityProvidersReady]; p != nil {
		return p.verdict()
	}
	return yes(v1alpha1.ReasonUsersLoaded, "The users of every identity provider are valid.")
}

func (s *serverScope) publishedVerdict(namespace string) verdict {
	p := s.problems[v1alpha1.ConditionPublished]
	switch {
	case p != nil:
		return p.verdict()
	case !s.published:
		return no(v1alpha1.ReasonNotAccepted, "The spec is not published, because it is not accepted. If one was accepted before, it is still served.")
	case s.replicas.standing == standingDeserted,
		s.replicas.standing == standingEmpty && !s.wasPublished():
		return no(v1alpha1.ReasonNoReplicas, "%s", nobody(namespace))
	}
	return yes(v1alpha1.ReasonLoaded, "Every running replica of the authserver has loaded the configuration.")
}

// wasPublished reports whether this generation has been before.
func (s *serverScope) wasPublished() bool {
	c := apimeta.FindStatusCondition(s.before.Conditions, v1alpha1.ConditionPublished)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == s.server.Generation
}

func serverRequest(as *v1alpha1.AuthorizationServer) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(as)}
}
