// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// setConditions draws the conclusions from what a reconciliation has found: the one
// place that writes an OAuthClient's status. It does no I/O.
func setConditions(s *clientScope) {
	status := &s.client.Status
	status.ObservedGeneration = s.client.Generation
	status.ClientID = clientID(s.client)
	if s.want.AuthorizationServer != "" {
		status.AuthorizationServer = s.want.AuthorizationServer
	}
	if s.secretName != "" && (s.secretReady || status.SecretName == "") {
		status.SecretName = s.secretName
	}
	setCredentials(s)
	verdicts{
		{v1alpha1.ConditionAccepted, s.acceptedVerdict()},
		{v1alpha1.ConditionCredentialsReady, s.credentialsVerdict()},
		{v1alpha1.ConditionRegistered, s.registeredVerdict()},
	}.write(&status.Conditions, s.client.Generation, s.now,
		fmt.Sprintf("The app can use Secret %s: every running replica of the authserver accepts it.", s.secretName))
}

func (s *clientScope) acceptedVerdict() verdict {
	if p := s.problems[v1alpha1.ConditionAccepted]; p != nil {
		return p.verdict()
	}
	return yes(v1alpha1.ReasonAccepted, "AuthorizationServer %s serves this client.", s.want.AuthorizationServer)
}

// kept reports whether what is registered is not what the spec says, but what was
// accepted before.
func (s *clientScope) kept() bool { return s.problems[v1alpha1.ConditionAccepted] != nil }

func (s *clientScope) registeredVerdict() verdict {
	p := s.problems[v1alpha1.ConditionRegistered]
	switch {
	case s.kept() && s.published != nil && s.published.Withdrawn:
		return no(v1alpha1.ReasonNotAccepted, "The registration is withdrawn, so the authserver does not know the client: see the condition Accepted.")
	case s.kept() && s.published != nil:
		return no(v1alpha1.ReasonNotAccepted, "The spec is not registered, because it is not accepted. What was accepted before stays registered.")
	case s.kept():
		return no(v1alpha1.ReasonNotAccepted, "The client is not registered, because its spec is not accepted.")
	case p != nil:
		return p.verdict()
	case s.published == nil || s.version == "":
		return no(s.problems[v1alpha1.ConditionCredentialsReady].reasonOr(v1alpha1.ReasonFailed),
			"The client is registered once its credentials can be written: see the condition CredentialsReady.")
	case s.replicas.standing == standingDeserted,
		s.replicas.standing == standingEmpty && !s.wasRegistered():
		return no(v1alpha1.ReasonNoReplicas, "%s", nobody(s.systemNamespace()))
	}
	return yes(v1alpha1.ReasonLoaded, "Every running replica of the authserver has loaded the registration.")
}

// wasRegistered reports whether this generation has been before.
func (s *clientScope) wasRegistered() bool {
	c := apimeta.FindStatusCondition(s.before.Conditions, v1alpha1.ConditionRegistered)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == s.client.Generation
}

// systemNamespace is where the record is, and the authserver.
func (s *clientScope) systemNamespace() string { return s.record.Namespace }

func (s *clientScope) credentialsVerdict() verdict {
	p := s.problems[v1alpha1.ConditionCredentialsReady]
	registered := s.problems[v1alpha1.ConditionRegistered]
	switch {
	case p != nil:
		return p.verdict()
	case s.secretReady && s.kept():
		return yes(v1alpha1.ReasonSecretWritten, "Secret %s holds the credentials of the spec that was accepted last.", s.secretName)
	case s.secretReady && s.awaitsReplicas:
		return yes(v1alpha1.ReasonSecretWritten, "Secret %s holds the credentials. Another client secret is written to it once every running replica of the authserver accepts it.", s.secretName)
	case s.secretReady:
		return yes(v1alpha1.ReasonSecretWritten, "Secret %s holds the credentials.", s.secretName)
	case registered != nil:
		return no(registered.reason, "The credentials are written to Secret %s once the client is registered. %s", s.secretName, registered.message)
	}
	return no(v1alpha1.ReasonNotAccepted, "No credentials are written, because the spec is not accepted.")
}

func (p *problem) reasonOr(other string) string {
	if p == nil {
		return other
	}
	return p.reason
}
