// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/internal/secretdata"
)

// desiredSecret is the app's Secret, made from the one that is there, if any. What
// others have added to it stays. Its label brings it into the manager's cache. It is
// a problem if it cannot be made as spec.secret says.
func desiredSecret(s *clientScope) (*corev1.Secret, error) {
	made, err := secretdata.Make(s.facts(s.credential.value), shapeOf(s.client))
	if err != nil {
		return nil, s.shapeProblem(err)
	}
	key := client.ObjectKey{Namespace: s.client.Namespace, Name: s.secretName}
	desired := recordSecret(s.secret, key, registration.RecordCredentials)
	desired.Type = secretType(s.client)
	own(desired, s.client)
	s.shape(desired, made)
	return desired, nil
}

// holdsCredentials reports whether the Secret is as it should be.
func (s *clientScope) holdsCredentials() bool {
	if s.secret == nil || s.problems[v1alpha1.ConditionCredentialsReady] != nil {
		return false
	}
	desired, err := desiredSecret(s)
	return err == nil && equality.Semantic.DeepEqual(s.secret, desired)
}

// writeSecret puts the credentials where the app mounts them. Every live replica
// has loaded their digest when this is reached, which is the whole point.
func (r *clientReconciler) writeSecret(ctx context.Context, s *clientScope) error {
	if s.problems[v1alpha1.ConditionCredentialsReady] != nil {
		return nil // told already
	}
	if s.awaitsReplicas {
		return r.deleteOthers(ctx, s)
	}
	if !s.secretReady || s.rotating() {
		desired, err := desiredSecret(s)
		if err != nil {
			return err
		}
		if err := r.confirmNewest(ctx, s, desired); err != nil {
			return err
		}
		if err := r.putSecret(ctx, s, desired); err != nil {
			return withoutValue(err, s.credential.value, hasTemplates(s.client))
		}
		r.emit(s.client, secretNotice(s))
		r.metrics.rotated(s)
		s.mounted(desired)
	}
	r.parking.drop(s.key())
	return r.deleteOthers(ctx, s)
}

// confirmNewest makes sure that the record is as the cache has it before another
// secret is mounted. So nobody has published a later one or begun the overlap of
// this one, and a manager that was replaced finds out in time. An update that leaves
// the secret as it is needs no such proof, since it happens only if nothing has; but a
// Secret that is made anew is created, and that is conditional on nothing.
func (r *clientReconciler) confirmNewest(ctx context.Context, s *clientScope, desired *corev1.Secret) error {
	if !s.want.HasSecret() || s.credential.origin == originHeld && !madeAnew(s.secret, desired) {
		return nil
	}
	live := &corev1.Secret{}
	err := r.live.Get(ctx, client.ObjectKeyFromObject(s.record), live)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil || live.UID != s.record.UID || live.ResourceVersion != s.record.ResourceVersion {
		return errStale
	}
	return nil
}

// putSecret creates the Secret, or replaces it as it was read.
func (r *clientReconciler) putSecret(ctx context.Context, s *clientScope, desired *corev1.Secret) error {
	anew := madeAnew(s.secret, desired)
	switch {
	case s.secret != nil && !anew:
		return r.secrets().update(ctx, desired)
	case anew && s.secret.DeletionTimestamp != nil:
		return refused(v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonSecretNotOwned,
			"Secret %s must be made anew, and is still being deleted: its finalizers hold it. Remove them.", s.secretName)
	case anew:
		// Its value waits in memory meanwhile; if that is lost, another is minted.
		if s.want.HasSecret() && !r.parking.put(s.key(), s.client.UID, s.credential.value) {
			return errStale
		}
		if err := r.secrets().delete(ctx, s.secret); err != nil {
			return err
		}
		desired.ResourceVersion, desired.UID, desired.Immutable, desired.ManagedFields = "", "", nil, nil
	}
	err := r.secrets().create(ctx, desired)
	if errors.Is(err, errExists) {
		return errStale // the cache is behind, or a foreign one has just come
	}
	return err
}

// madeAnew reports whether a Secret, which may be nil, can become desired only by
// being deleted and created: nobody can write to one that is immutable, or change a
// Secret's type.
func madeAnew(s, desired *corev1.Secret) bool {
	return s != nil && (s.Immutable != nil && *s.Immutable || s.Type != desired.Type)
}

// deleteOthers deletes the Secrets of the client that have another name than the
// one which now holds the credentials.
func (r *clientReconciler) deleteOthers(ctx context.Context, s *clientScope) error {
	for i := range s.secrets {
		if s.secrets[i].Name == s.secretName {
			continue
		}
		if err := r.secrets().delete(ctx, &s.secrets[i]); err != nil {
			return withoutValue(err, secretValue(&s.secrets[i]), true)
		}
	}
	return nil
}

// withoutValue keeps err out of the log if it repeats the secret that was to be
// written, as an admission webhook's answer might. Only a minted value stands in such
// an answer as it is, or as a Secret's data: what a template makes of it, or what has
// to be escaped, is not recognised, so there nothing of an answer is told.
func withoutValue(err error, value credential.Secret, templates bool) error {
	if _, ours := asProblem(err); ours || value.IsZero() || isStale(err) {
		return err
	}
	text, plain := []byte(err.Error()), []byte(value.Reveal())
	encoded := []byte(base64.StdEncoding.EncodeToString(plain))
	if templates || !value.Minted() || bytes.Contains(text, plain) || bytes.Contains(text, encoded) {
		return withheld{err}
	}
	return err
}

// withheld is an error whose kind can be told, and whose text cannot.
type withheld struct{ err error }

// Error tells the kind.
func (w withheld) Error() string {
	reason := apierrors.ReasonForError(w.err)
	if reason == metav1.StatusReasonUnknown {
		reason = "of an unknown kind"
	}
	return fmt.Sprintf("write Secret: the error (%s) is withheld, since it may repeat the client secret", reason)
}

// Unwrap lets the kind be asked for.
func (w withheld) Unwrap() error { return w.err }

// secretNotice says what has happened to the Secret.
func secretNotice(s *clientScope) notice {
	if n, told := broughtNotice(s); told {
		return n
	}
	name := s.secretName
	n := notice{kind: corev1.EventTypeNormal, action: "WriteSecret"}
	changed := s.secret == nil || secretValue(s.secret).Digest() != s.credential.value.Digest()
	switch minted := s.credential.origin == originMinted || s.credential.origin == originParked; {
	case !s.want.HasSecret(), s.credential.origin == originCarried:
		n.reason, n.note = "SecretWritten", "Wrote the credentials to Secret "+name+"."
	case minted && len(s.want.Digests) == 1:
		n.reason, n.note = "CredentialsMinted", "Minted a client secret and wrote it to Secret "+name+"."
	case minted && changed:
		return rotatedNotice(s)
	case s.before.ObservedGeneration != s.client.Generation:
		n.reason, n.note = "SecretWritten", "Wrote Secret "+name+" as the spec now says; its client secret is the same."
	default:
		n.reason, n.note = "SecretRestored", "Secret "+name+" was not as the spec and the AuthorizationServer say, and was corrected; its client secret is the same."
	}
	return n
}
