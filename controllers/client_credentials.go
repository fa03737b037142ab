// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

const (
	// roomDelay is when to look again whether there is room to park a secret.
	roomDelay = time.Second

	keyClientSecret = "client_secret"
)

// origin says where a client secret comes from.
type origin int

const (
	// originNone: there is no secret, because the client has none (registration's
	// HasSecret) or a problem is in the way.
	originNone origin = iota
	// originHeld: the Secret holds it and it is accepted.
	originHeld
	// originCarried: a Secret of the client under another name holds it.
	originCarried
	// originAdopted: the Secret holds it, and the record of it was lost.
	originAdopted
	// originParked: it was minted and awaits the replicas.
	originParked
	// originMinted: it must be minted, or just was.
	originMinted
	// originBrought: spec.clientSecretRef names it, and the Secret does not hold it.
	originBrought
	// originTaken: it is in the Secret that spec.secret.adopt asks to take over.
	originTaken
)

// choice is the client secret that the app's Secret is to hold.
type choice struct {
	origin origin
	value  credential.Secret
	// replaces is what the Secret holds and the app can use until value is written: a
	// secret that is accepted. It is zero if there is none.
	replaces credential.Secret
}

// evidence is what choose goes by.
type evidence struct {
	held     credential.Secret   // in the client's Secret
	carried  []credential.Secret // in Secrets of the client under other names
	parked   credential.Secret
	accepted []registration.Digest
	// find is where a secret's digest stands among accepted, or -1.
	find func(credential.Secret) int
	// due says that the held one is to be replaced, though it is accepted.
	due bool
	// revoked are those that must not be mounted any more.
	revoked revocations
}

// choose picks the secret that costs the app least: one that it may be using. A
// value that nobody has registered is adopted only if no digest is left to say
// that it was put there by another, and only if it has the form of a minted one:
// a plain digest would tell too much of a password that a person chose. A parked one
// is forgotten once another was published after it: who did that may have written it.
func choose(e evidence) choice {
	candidates := append([]credential.Secret{e.held}, e.carried...)
	for i, c := range candidates {
		if c.IsZero() || e.find(c) < 0 {
			continue
		}
		if i == 0 && e.due {
			next := e.successor()
			next.replaces = c
			return next
		}
		return choice{origin: heldOrCarried(i), value: c}
	}
	if len(e.accepted) == 0 {
		for _, c := range candidates {
			if c.Minted() {
				return choice{origin: originAdopted, value: c}
			}
		}
	}
	return e.successor()
}

// successor is the secret that is mounted if none that is there will do.
func (e evidence) successor() choice {
	if !e.parked.IsZero() && !e.superseded(e.parked) {
		return choice{origin: originParked, value: e.parked}
	}
	return choice{origin: originMinted}
}

// superseded reports whether another digest was published after the one of value, or
// must be.
func (e evidence) superseded(value credential.Secret) bool {
	i := e.find(value)
	return i >= 0 && (i < len(e.accepted)-1 || e.revoked[e.accepted[i].ID()])
}

func heldOrCarried(i int) origin {
	if i == 0 {
		return originHeld
	}
	return originCarried
}

// find is where the SHA-256 of value stands in the order of publication, or -1.
func find(digests []registration.Digest, value credential.Secret) int {
	if value.IsZero() {
		return -1
	}
	return position(digests, value.Digest())
}

// position is where a digest stands in the order of publication, or -1.
func position(digests []registration.Digest, verifier string) int {
	return slices.IndexFunc(digests, func(d registration.Digest) bool { return d.Verifier() == verifier })
}

// newDigest is what value is accepted by from now on. A plain digest would tell too
// much of one that has not the form of a minted one.
func (r *clientReconciler) newDigest(value credential.Secret, now time.Time) (registration.Digest, error) {
	if !value.Minted() {
		return r.slowDigest(value, now)
	}
	return registration.Digest{SHA256: value.Digest(), Since: now}, nil
}

// ensureCredentials finds the client secret that the app's Secret is to hold, and
// mints one if there is none. It writes nothing: the digest comes first.
func (r *clientReconciler) ensureCredentials(ctx context.Context, s *clientScope) error {
	s.secret = s.owned(s.secretName)
	if err := s.checkShape(); err != nil {
		return s.tolerate(err)
	}
	if decided, err := r.adopt(ctx, s); decided || err != nil {
		return s.tolerate(err)
	}
	if !s.want.HasSecret() {
		if s.secret != nil {
			return nil
		}
		return s.tolerate(r.readSecret(ctx, s))
	}
	if s.brings() {
		return s.tolerate(r.bring(ctx, s))
	}
	if r.choose(s); s.credential.origin == originHeld && !s.revoking {
		return nil
	}
	// Whatever else is decided is decided by what is really there: the cache may be
	// behind, and does not have Secrets that are not ours.
	err := r.readSecret(ctx, s)
	if err == nil {
		r.choose(s)
		err = r.decide(ctx, s)
	}
	return s.tolerate(err)
}

// choose picks the client secret that the app's Secret is to hold.
func (r *clientReconciler) choose(s *clientScope) {
	e := r.evidence(s)
	s.rotation = r.planRotation(s, e)
	e.due = s.rotation.cause != ""
	s.credential = choose(e)
	s.revoking = e.revokes()
}

// revokes reports whether a digest from before the held one is to be revoked.
func (e evidence) revokes() bool {
	return len(retention{revoked: e.revoked}.revoke(e.accepted, e.find(e.held))) < len(e.accepted)
}

// decide makes what was chosen by live reads certain.
func (r *clientReconciler) decide(ctx context.Context, s *clientScope) error {
	if s.revoking || s.rotating() && s.credential.origin == originMinted {
		if err := r.confirmAsked(ctx, s); err != nil {
			return err
		}
	}
	return r.mint(s)
}

// tolerate notes a problem with the credentials of a client that is registered, so
// that a change of its spec is published all the same.
func (s *clientScope) tolerate(err error) error {
	found, is := asProblem(err)
	if !is || s.published == nil {
		return err
	}
	s.problems.add(found)
	s.credential = choice{}
	return nil
}

// evidence is what is known of the client's secrets.
func (r *clientReconciler) evidence(s *clientScope) evidence {
	e := evidence{held: secretValue(s.secret), parked: r.parking.get(s.key(), s.client.UID), revoked: revocationsOf(s.client)}
	if s.published != nil {
		e.accepted = s.published.Digests
	}
	e.find = func(value credential.Secret) int { return s.findKept(e.accepted, value) }
	for i := range s.secrets {
		if s.secrets[i].Name != s.secretName {
			e.carried = append(e.carried, secretValue(&s.secrets[i]))
		}
	}
	return e
}

// secretValue is the client secret in a Secret, which may be nil. Which key holds it
// is written on the Secret, so that a spec that wants another key finds it again.
func secretValue(s *corev1.Secret) credential.Secret {
	if s == nil {
		return credential.Secret{}
	}
	return credential.New(string(s.Data[cmp.Or(s.Annotations[annotationSecretKey], keyClientSecret)]))
}

// readSecret reads the Secret called s.secretName from the API server. It is a
// problem if it belongs to something else.
func (r *clientReconciler) readSecret(ctx context.Context, s *clientScope) error {
	live := &corev1.Secret{}
	err := r.live.Get(ctx, client.ObjectKey{Namespace: s.client.Namespace, Name: s.secretName}, live)
	if apierrors.IsNotFound(err) {
		s.secret = nil
		return nil
	}
	if err != nil {
		return err
	}
	s.secret = nil
	switch owner := owningClient(live); {
	case owner != nil && owner.UID == s.client.UID:
		s.secret = live
		return nil
	case owner != nil && owner.Name == s.client.Name, orphaned(live, s):
		return r.takeOver(ctx, s, live)
	}
	r.follow(s, client.ObjectKeyFromObject(live))
	return refused(v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonSecretNotOwned,
		"Secret %s exists and does not belong to this OAuthClient, so it is left alone. Set spec.secret.name to another name, or delete that Secret.",
		s.secretName)
}

// takeOver makes the Secret of an earlier OAuthClient of the same name this one's,
// before the cluster's garbage collector takes it: it may be all that a restored
// backup has kept of the client's secret, and one that was retained is meant for it.
//
// The Secret is touched before its secret is published anew, and must be. A manager
// that does not know that it was replaced may be about to write the earlier client's
// next secret to it, conditional on the version that was read here; if that came after
// the publication, the app would mount what nobody accepts. The touch makes such a
// write, and a deletion, conflict; and a create finds the Secret. So the secret that was
// read stays, and rule 4 of the rotation in test/model/README.md holds for it like for
// any other. If the manager dies now, the next one finds a Secret of its own, and the
// same secret in it.
func (r *clientReconciler) takeOver(ctx context.Context, s *clientScope, old *corev1.Secret) error {
	if old.DeletionTimestamp != nil {
		r.follow(s, client.ObjectKeyFromObject(old))
		return refused(v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonSecretNotOwned,
			"Secret %s belongs to an earlier OAuthClient of this name and is still being deleted: its finalizers hold it.",
			old.Name)
	}
	if err := r.confirm(ctx, s.client); err != nil {
		return err
	}
	taken := old.DeepCopy()
	own(taken, s.client)
	if err := r.secrets().update(ctx, taken); err != nil {
		return withoutValue(err, secretValue(old), true)
	}
	r.emit(s.client, notice{
		kind: corev1.EventTypeNormal, reason: "SecretTakenOver", action: "WriteSecret",
		note: "Took over Secret " + old.Name + " of an earlier OAuthClient of this name.",
	})
	s.secret = taken
	return nil
}

// mint makes the secret that s.credential wants made, and parks it.
func (r *clientReconciler) mint(s *clientScope) error {
	if s.credential.origin != originMinted {
		return nil
	}
	var accepted []registration.Digest
	if s.published != nil {
		accepted = s.published.Digests
	}
	if full(accepted, s.now) {
		return tooMany(s.secretName)
	}
	value, err := credential.Mint(r.Random)
	if err != nil {
		return err
	}
	if !r.parking.put(s.key(), s.client.UID, value) {
		return refused(v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonAwaitingReplicas,
			"Very many OAuthClients are waiting for the authserver's replicas at once. This one's turn comes.").within(roomDelay)
	}
	s.credential.value = value
	return nil
}

// tooMany says that no more secrets can be minted for now.
func tooMany(secret string) *problem {
	return refused(v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonTooManyCredentials,
		"%d client secrets of this OAuthClient are still accepted, and no more can be. Something keeps changing or deleting Secret %s: find out what and stop it (kubectl get secret %s --show-managed-fields -o yaml tells who wrote it last). Another one is minted when the first of them has ended, about a day after it was replaced.",
		registration.MaxDigests, secret, secret)
}

// accept is which digests are accepted once fresh is, too. It comes last: the order
// is that of publication. Those whose overlap has passed make room for it.
func accept(old []registration.Digest, fresh registration.Digest) []registration.Digest {
	next := slices.Clone(old)
	if len(next) >= registration.MaxDigests {
		next = dropEnded(next, fresh.Since)
	}
	return append(next, fresh)
}

// acceptAgain is which digests are accepted once the one at i has no end any more:
// somebody has put an earlier secret back.
func acceptAgain(old []registration.Digest, i int) []registration.Digest {
	next := slices.Clone(old)
	next[i].Until = time.Time{}
	return next
}

// full reports whether no further digest can be published.
func full(digests []registration.Digest, now time.Time) bool {
	return len(dropEnded(slices.Clone(digests), now)) >= registration.MaxDigests
}

// stamp is now as records hold it.
func stamp(now time.Time) time.Time { return now.UTC().Truncate(time.Second) }
