// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// notice is an event to be recorded.
type notice struct {
	kind   string // Normal or Warning
	reason string
	action string
	note   string
}

func (s shared) emit(about runtime.Object, n notice) {
	s.events.Eventf(about, nil, n.kind, n.reason, n.action, "%s", shorten(n.note, maxNote))
}

// warning is the event for an object that has just become not Ready for a reason that
// a person should know of, if it has.
func warning(before, after []metav1.Condition, action string) (notice, bool) {
	ready := apimeta.FindStatusCondition(after, v1alpha1.ConditionReady)
	if ready.Status == metav1.ConditionTrue || !turned(before, after, v1alpha1.ConditionReady) {
		return notice{}, false
	}
	if ready.Reason == v1alpha1.ReasonAwaitingReplicas || ready.Status == metav1.ConditionUnknown {
		return notice{}, false // passes by itself, as a rule in a second
	}
	if ready.Reason == v1alpha1.ReasonPaused {
		return notice{}, false // somebody wanted it so
	}
	return notice{kind: corev1.EventTypeWarning, reason: ready.Reason, action: action, note: ready.Message}, true
}

// becameReady reports whether an object has become Ready, or its new generation has.
func becameReady(before, after []metav1.Condition) bool {
	b, a := apimeta.FindStatusCondition(before, v1alpha1.ConditionReady), apimeta.FindStatusCondition(after, v1alpha1.ConditionReady)
	return a.Status == metav1.ConditionTrue &&
		(b == nil || b.Status != metav1.ConditionTrue || b.ObservedGeneration != a.ObservedGeneration)
}

// tell records what has changed of an object's conditions: one event at the most, so
// that the API does not take several for a repetition of one. It is called after the
// status was written, so that a conflict does not tell everything twice.
func (s shared) tell(about client.Object, kind string, before, after []metav1.Condition, ready notice) {
	if becameReady(before, after) {
		s.emit(about, ready)
	}
	if n, ok := warning(before, after, ready.action); ok {
		s.emit(about, n)
	}
	if c := apimeta.FindStatusCondition(after, v1alpha1.ConditionReady); c.Status != metav1.ConditionTrue &&
		turned(before, after, v1alpha1.ConditionReady) {
		s.metrics.failures.WithLabelValues(kind, c.Reason).Inc()
	}
}

// report tells what has changed of an OAuthClient's conditions.
func (r *clientReconciler) report(s *clientScope) {
	status := &s.client.Status
	if apimeta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady) {
		r.stopclock.stop(s, r.metrics.ready)
	}
	r.tell(s.client, kindClient, s.before.Conditions, status.Conditions, notice{
		kind: corev1.EventTypeNormal, reason: "Registered", action: "Register",
		note: fmt.Sprintf("Registered with AuthorizationServer %s as %s.", status.AuthorizationServer, status.ClientID),
	})
}

// report tells what has changed of an AuthorizationServer's conditions.
func (r *serverReconciler) report(s *serverScope) {
	r.tell(s.server, kindServer, s.before.Conditions, s.server.Status.Conditions, notice{
		kind: corev1.EventTypeNormal, reason: "Published", action: "Publish",
		note: fmt.Sprintf("Every running replica of the authserver serves %s.", s.server.Spec.Issuer),
	})
}

// statusEqual reports whether two objects have the same status.
func statusEqual(a, b *v1alpha1.OAuthClient) bool {
	return equality.Semantic.DeepEqual(a.Status, b.Status)
}
