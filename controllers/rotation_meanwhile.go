// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// digestsMeanwhile are those that the record is to hold while a problem keeps the
// Secret from being written. Secrets end and are revoked all the same: a template that
// is wrong must not keep alive what has leaked.
func (r *clientReconciler) digestsMeanwhile(ctx context.Context, s *clientScope, accepted []registration.Digest) ([]registration.Digest, error) {
	p, now := r.retention(s), stamp(s.now)
	found := s.problems[v1alpha1.ConditionCredentialsReady]
	crowded := found != nil && found.reason == v1alpha1.ReasonTooManyCredentials
	if crowded {
		p.quiet = 0 // what is not quiet makes room all the same
	}
	held := s.heldIn(accepted, append(slices.Clone(s.secrets), deref(s.secret)...))
	if slices.Equal(p.meanwhile(accepted, held, crowded, now), accepted) {
		s.wake = p.nextMeanwhile(accepted, held, now)
		return accepted, nil
	}
	// The cache may be behind, of the Secrets and of what is asked.
	secrets, err := r.liveSecrets(ctx, s)
	if err != nil {
		return nil, err
	}
	if len(p.revoked) > 0 {
		if err := r.confirmAsked(ctx, s); err != nil {
			return nil, err
		}
	}
	held = s.heldIn(accepted, secrets)
	next := p.meanwhile(accepted, held, crowded, now)
	s.wake = p.nextMeanwhile(next, s.heldIn(next, secrets), now)
	return next, nil
}

func deref(s *corev1.Secret) []corev1.Secret {
	if s == nil {
		return nil
	}
	return []corev1.Secret{*s}
}

// liveSecrets are the Secrets that may hold the client's secret, as the API server has
// them, whosever they are.
func (r *clientReconciler) liveSecrets(ctx context.Context, s *clientScope) ([]corev1.Secret, error) {
	names := []string{s.secretName, s.client.Status.SecretName}
	for i := range s.secrets {
		names = append(names, s.secrets[i].Name)
	}
	slices.Sort(names)
	var secrets []corev1.Secret
	for _, name := range slices.Compact(names) {
		live := corev1.Secret{}
		if name == "" {
			continue
		}
		err := r.live.Get(ctx, client.ObjectKey{Namespace: s.client.Namespace, Name: name}, &live)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, live)
	}
	return secrets, nil
}

// heldIn is where the digests of what secrets hold stand.
func (s *clientScope) heldIn(accepted []registration.Digest, secrets []corev1.Secret) []int {
	var held []int
	for i := range secrets {
		if at := s.find(accepted, secretValue(&secrets[i])); at >= 0 {
			held = append(held, at)
		}
	}
	return held
}

// meanwhile is retire while the Secret cannot be written: held are where the secrets
// stand that the client's Secrets hold, which nothing happens to. If they hold none,
// overlaps begin only to make room, since nothing has taken the place of what the app
// may go on with.
func (p retention) meanwhile(old []registration.Digest, held []int, crowded bool, now time.Time) []registration.Digest {
	last := slices.Max(append([]int{-1}, held...))
	retired := p.retire(old, last, now)
	next := make([]registration.Digest, 0, len(old))
	for i, d := range old {
		at := position(retired, d.Verifier())
		switch {
		case slices.Contains(held, i), at >= 0 && last < 0 && !crowded:
			next = append(next, d)
		case at >= 0:
			next = append(next, retired[at])
		}
	}
	return next
}

// nextMeanwhile is when meanwhile next makes a difference, or zero.
func (p retention) nextMeanwhile(digests []registration.Digest, held []int, now time.Time) time.Time {
	last := slices.Max(append([]int{-1}, held...))
	var next time.Time
	for i, d := range digests {
		when, _ := settledAt(digests, i, last)
		if !d.Until.IsZero() {
			when = p.ends(d, now)
		}
		if !slices.Contains(held, i) && when.After(now) {
			next = sooner(next, when)
		}
	}
	return next
}
