// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// bring finds the client secret in the Secret that spec.clientSecretRef names. None is
// ever minted for such a client: where there is nothing to be found, it is a problem,
// and what was accepted before stays accepted.
func (r *clientReconciler) bring(ctx context.Context, s *clientScope) error {
	value, err := r.referenced(ctx, s)
	if err != nil {
		return err
	}
	if !sameValue(s.secret, value) || len(revocationsOf(s.client)) > 0 {
		// The cache may be behind, and does not have Secrets that are not ours.
		if err := r.readSecret(ctx, s); err != nil {
			return err
		}
	}
	if problem := s.roomFor(value); problem != nil {
		return problem
	}
	e := r.evidence(s)
	s.rotation = r.planRotation(s, e)
	s.revoking = e.revokes()
	s.credential = choice{origin: originBrought, value: value}
	switch {
	case sameValue(s.secret, value):
		s.credential.origin = originHeld
	case !e.held.IsZero() && e.find(e.held) >= 0:
		s.credential.replaces = e.held
	}
	if s.revoking {
		return r.decide(ctx, s)
	}
	return nil
}

// brings reports whether spec.clientSecretRef says what the client secret is.
func (s *clientScope) brings() bool { return s.client.Spec.ClientSecretRef != nil }

// referenced is the value that spec.clientSecretRef names. It is read only if it can
// have changed since it was read, or is not what the app's Secret holds.
func (r *clientReconciler) referenced(ctx context.Context, s *clientScope) (credential.Secret, error) {
	ref := s.client.Spec.ClientSecretRef
	key := types.NamespacedName{Namespace: s.client.Namespace, Name: ref.Name}
	r.follow(s, key)
	version, known := r.watches.version(key)
	if known && version == "" {
		return credential.Secret{}, noReference(ref)
	}
	held := secretValue(s.secret)
	from := reading{client: s.client.UID, version: version, key: ref.Key, value: r.memory.Mark(held)}
	if known && r.readings.get(s.key()) == from {
		return held, nil
	}
	live := &corev1.Secret{}
	if err := r.live.Get(ctx, key, live); err != nil {
		if apierrors.IsNotFound(err) {
			return credential.Secret{}, noReference(ref)
		}
		return credential.Secret{}, err
	}
	value, problem := brought(s.client, live)
	if problem != nil {
		return credential.Secret{}, problem
	}
	from.version, from.value = secretVersion(live), r.memory.Mark(value)
	r.readings.put(s.key(), from)
	return value, nil
}

// brought is the value in a Secret that oc refers to, if it can be used.
func brought(oc *v1alpha1.OAuthClient, from *corev1.Secret) (credential.Secret, *problem) {
	ref := oc.Spec.ClientSecretRef
	text, has := from.Data[ref.Key]
	value := credential.New(string(text))
	if forClient(from, oc.UID) {
		return credential.Secret{}, refused(v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonInvalidSecret,
			"Secret %s, which spec.clientSecretRef.name names, is one that this OAuthClient's credentials are written to. Name a Secret of your own, or remove clientSecretRef.", ref.Name)
	}
	if !has {
		return credential.Secret{}, refused(v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonSecretNotFound,
			"Secret %s has no key %s, which spec.clientSecretRef.key names. Add the key, or name another one; the Secret is looked at again as soon as it changes.", ref.Name, ref.Key)
	}
	if err := value.CheckBrought(); err != nil {
		return credential.Secret{}, refused(v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonInvalidSecret,
			"The value of key %s in Secret %s, which spec.clientSecretRef names, %v. Put another one there; the Secret is looked at again as soon as it changes.", ref.Key, ref.Name, err)
	}
	return value, nil
}

func noReference(ref *v1alpha1.SecretKeyReference) *problem {
	return refused(v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonSecretNotFound,
		"There is no Secret %s, of which spec.clientSecretRef names the key %s. Create it; it is looked at as soon as it appears.", ref.Name, ref.Key)
}

// roomFor is a problem if value would be one secret too many.
func (s *clientScope) roomFor(value credential.Secret) error {
	if s.published == nil || s.find(s.published.Digests, value) >= 0 || !full(s.published.Digests, s.now) {
		return nil
	}
	return refused(v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonTooManyCredentials,
		"%d client secrets of this OAuthClient are still accepted, and no more can be. The one that it brings has been changed very often: find out what changes it. The newest is accepted when the first of them has ended.",
		registration.MaxDigests)
}

// sameValue reports whether a Secret, which may be nil, holds value.
func sameValue(s *corev1.Secret, value credential.Secret) bool {
	held := secretValue(s)
	return !held.IsZero() && held.Digest() == value.Digest()
}

// fromPeople reports whether the value that was chosen is one that a person has brought,
// or that is adopted.
func (s *clientScope) fromPeople() bool {
	return s.credential.origin == originTaken || s.credential.origin != originNone && s.brings()
}

// broughtDigests are those that the record is to hold if the value is from people. Its
// own comes last, also if it was accepted before: what was published after it is
// then over.
func (r *clientReconciler) broughtDigests(s *clientScope, accepted []registration.Digest) ([]registration.Digest, error) {
	if i := s.find(accepted, s.credential.value); i >= 0 {
		return acceptLast(accepted, i, s.brings(), stamp(s.now)), nil
	}
	digest := r.slowDigest
	if !s.brings() && ourOwn(s) {
		digest = r.newDigest
	}
	fresh, err := digest(s.credential.value, stamp(s.now))
	if err != nil {
		return nil, err
	}
	if fresh.Brought = s.brings(); fresh.Brought {
		fresh.Request = requestOf(s.client) // bringing another is how people answer one
	}
	return accept(accepted, fresh), nil
}

// slowDigest is what a value is accepted by that a person may have chosen.
func (r *clientReconciler) slowDigest(value credential.Secret, now time.Time) (registration.Digest, error) {
	hash, err := value.Hash(r.Random)
	if err != nil {
		return registration.Digest{}, err
	}
	r.memory.Remember(value, hash)
	return registration.Digest{Argon2id: hash, Since: now}, nil
}

// acceptLast is which digests are accepted once the one at i is the newest again.
func acceptLast(old []registration.Digest, i int, brought bool, now time.Time) []registration.Digest {
	again := old[i]
	if i == len(old)-1 && again.Until.IsZero() && again.Brought == brought {
		return old
	}
	again.Until, again.Since, again.Brought = time.Time{}, now, brought
	return append(slices.Delete(slices.Clone(old), i, i+1), again)
}

// find is where the digest of value stands in the order of publication, or -1. Slow
// hashes are compared once for each value in a process, the newest first.
func (s *clientScope) find(digests []registration.Digest, value credential.Secret) int {
	if i := find(digests, value); i >= 0 || value.IsZero() {
		return i
	}
	for i, d := range slices.Backward(digests) {
		if d.Argon2id != "" && s.memory.Matches(value, d.Argon2id) {
			return i
		}
	}
	return -1
}

// findKept is find, but for values that were brought by a reference that spec no
// longer has: they are replaced.
func (s *clientScope) findKept(digests []registration.Digest, value credential.Secret) int {
	i := s.find(digests, value)
	if i >= 0 && digests[i].Brought && !s.brings() && !s.kept() {
		return -1
	}
	return i
}

// follow looks at s again whenever the Secret key changes.
func (r *clientReconciler) follow(s *clientScope, key types.NamespacedName) {
	r.watches.follow(s.request(), key)
	s.follows = append(s.follows, key)
}

// broughtNotice says what has happened to the Secret, if the value comes from people.
func broughtNotice(s *clientScope) (notice, bool) {
	n := notice{kind: corev1.EventTypeNormal, action: "WriteSecret"}
	switch {
	case s.credential.origin == originTaken || !s.want.HasSecret() && s.secret != nil && !forClient(s.secret, s.client.UID):
		n.reason, n.note = "SecretAdopted", "Took over Secret "+s.secretName+", with the credentials that it held."
	case s.credential.origin != originBrought:
		return n, false
	case s.secret == nil:
		n.reason, n.note = "SecretWritten", "Wrote the client secret that spec.clientSecretRef names to Secret "+s.secretName+"."
	default:
		n.reason = "CredentialsRotated"
		n.note = "Secret " + s.secretName + " now holds the client secret that spec.clientSecretRef names. The one before, if it was accepted, is accepted for its overlap."
	}
	return n, true
}

// reading is where a client secret was read from last, and what was there.
type reading struct {
	client  types.UID
	version string
	key     string
	value   credential.Mark
}

// readings keep a manager from reading again what has not changed. Losing one costs a
// read. The zero value is ready.
type readings struct {
	mu  sync.Mutex
	all map[types.NamespacedName]reading
}

func (r *readings) get(client types.NamespacedName) reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[client]
}

func (r *readings) put(client types.NamespacedName, from reading) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[types.NamespacedName]reading{}
	}
	r.all[client] = from
}

func (r *readings) drop(client types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, client)
}
