// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

const (
	// usedGrain is how exactly the status says when a secret was last used, so that it
	// is not written for every report.
	usedGrain = time.Hour
	// usedGrainRetiring is the same for a secret that somebody waits for to be quiet.
	usedGrainRetiring = 5 * time.Minute
)

// setCredentials says in the status which secrets are accepted, and when the next one
// comes.
func setCredentials(s *clientScope) {
	status := &s.client.Status
	if s.published == nil || !s.published.HasSecret() {
		status.Credentials, status.NextRotation = nil, nil
		return
	}
	digests := s.published.Digests
	held := s.find(digests, secretValue(s.heldSecret()))
	status.Credentials = s.credentials(digests, held)
	status.NextRotation = nil
	if at := s.nextRotation(digests, held); !at.IsZero() {
		status.NextRotation = new(metav1.NewTime(at.Truncate(time.Second)))
	}
}

// heldSecret is the Secret that the app mounts, as far as is known; nil if there is none.
func (s *clientScope) heldSecret() *corev1.Secret {
	if s.secret != nil {
		return s.secret
	}
	return s.owned(s.client.Status.SecretName)
}

// nextRotation is when the schedule wants the held secret replaced.
func (s *clientScope) nextRotation(digests []registration.Digest, held int) time.Time {
	if held < 0 {
		return time.Time{}
	}
	_, next := due(s.client.Spec.Rotation, digests[held], spreadOf(s.client.UID), stamp(s.now))
	return next
}

// credentials describes digests, newest first, while the Secret holds the secret of
// digests[held], or none of them if held is -1.
func (s *clientScope) credentials(digests []registration.Digest, held int) []v1alpha1.CredentialStatus {
	var list []v1alpha1.CredentialStatus
	for i, d := range slices.Backward(digests) {
		if position(digests, d.Verifier()) != i {
			continue // somebody has edited the record, and the status would be refused
		}
		c := v1alpha1.CredentialStatus{ID: d.ID(), State: stateOf(digests, i, held), Since: metav1.NewTime(d.Since)}
		grain := usedGrain
		if c.State == v1alpha1.CredentialRetiring {
			grain = usedGrainRetiring
			if !d.Until.IsZero() {
				c.Until = new(metav1.NewTime(d.Until))
			}
		}
		c.LastUsed = s.shownUse(c.ID, grain)
		list = append(list, c)
	}
	return list
}

// stateOf is where in its life digests[i] is.
func stateOf(digests []registration.Digest, i, held int) v1alpha1.CredentialState {
	switch {
	case i == held:
		return v1alpha1.CredentialCurrent
	case i > held && digests[i].Until.IsZero() && (held >= 0 || i == len(digests)-1):
		return v1alpha1.CredentialPending
	}
	return v1alpha1.CredentialRetiring
}

// storedUse is what the status says of the last use of a secret, or zero. Replicas go,
// and their reports with them; it stays.
func (s *clientScope) storedUse(id string) time.Time {
	for _, c := range s.before.Credentials {
		if c.ID == id && c.LastUsed != nil {
			return c.LastUsed.Time
		}
	}
	return time.Time{}
}

// lastUsed is when a secret was last used, as far as anybody knows, or zero.
func (s *clientScope) lastUsed(id string) time.Time { return latest(s.storedUse(id), s.used(id)) }

// shownUse is lastUsed to the grain. What the status says already it goes on to say.
func (s *clientScope) shownUse(id string, grain time.Duration) *metav1.Time {
	at := latest(s.storedUse(id), s.used(id).Truncate(grain))
	if at.IsZero() {
		return nil
	}
	return new(metav1.NewTime(at))
}
