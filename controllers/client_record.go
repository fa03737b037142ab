// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

const (
	labelManagedBy = "app.kubernetes.io/managed-by"
	managedBy      = "clientele"

	// annotationSettled stands on a record whose last change added nothing and took
	// away nothing that is needed for one of its digests to be accepted: replicas that
	// have loaded this resourceVersion of it have all that matters while the app's
	// Secret holds that secret. So neither the end of an overlap nor a secret that is
	// to come makes anybody wait. The value is "<uid>/<version>/<id of the digest>",
	// with the record's own uid, since a version means nothing in the cluster that a
	// backup is restored to.
	annotationSettled = "clientele.dev/settled-resource-version"
)

// publishRegistration writes the record: what is wanted, the digests that are still
// accepted, and the digest of the secret that is to be mounted.
func (r *clientReconciler) publishRegistration(ctx context.Context, s *clientScope) error {
	if s.published == nil && s.record != nil {
		// What is there is of another life of this client, or damaged. Nobody but
		// the one who is really there may replace it.
		if err := r.confirm(ctx, s.client); err != nil {
			return err
		}
	}
	digests, err := r.digests(ctx, s)
	if err != nil {
		return err
	}
	s.want.GrantUID = s.grantUID()
	withdrawn := s.published != nil && s.published.Withdrawn
	if err := s.goOnPaused(r.publish(ctx, s, digests)); err != nil {
		return err
	}
	if withdrawn && !s.published.Withdrawn {
		r.restored(s)
	}
	return nil
}

// digests are those that the record is to hold.
func (r *clientReconciler) digests(ctx context.Context, s *clientScope) ([]registration.Digest, error) {
	if !s.want.HasSecret() {
		return nil, nil
	}
	var accepted []registration.Digest
	if s.published != nil {
		accepted = s.published.Digests
	}
	if s.revoking {
		accepted = r.retention(s).revoke(accepted, s.find(accepted, secretValue(s.secret)))
	}
	if i := s.find(accepted, s.credential.replaces); i >= 0 {
		accepted = acceptAgain(accepted, i)
	}
	if s.fromPeople() {
		return r.broughtDigests(s, accepted)
	}
	if s.credential.origin == originNone {
		return r.digestsMeanwhile(ctx, s, accepted)
	}
	if i := s.find(accepted, s.credential.value); i >= 0 {
		return acceptAgain(accepted, i), nil
	}
	fresh, err := r.newDigest(s.credential.value, stamp(s.now))
	if err != nil {
		return nil, err
	}
	fresh.Request = requestOf(s.client)
	return accept(accepted, fresh), nil
}

// publish writes the record with these digests unless it is so already.
func (r *clientReconciler) publish(ctx context.Context, s *clientScope, digests []registration.Digest) error {
	s.want.Digests = digests
	settled := settledVersion(s.record, s.published, &s.want, s.neededDigest())
	desired, err := desiredRecord(s.record, r.recordKey(s.key()), s.want)
	if err != nil {
		return err
	}
	var before []registration.Digest
	if s.published != nil {
		before = s.published.Digests
	}
	switch {
	case s.record == nil:
		err = r.createRecord(ctx, desired)
	case !equality.Semantic.DeepEqual(s.record, desired):
		setSettled(desired, settled, s.neededDigest())
		err = r.secrets().update(ctx, desired)
	default:
		desired = s.record
	}
	if err != nil {
		return err
	}
	r.tellRevoked(s, before, digests)
	s.record, s.published = desired, new(s.want)
	if s.version = desired.ResourceVersion; settled != "" {
		s.version = settled
	}
	return nil
}

// createRecord writes a record that is not in the cache. If there is one all the
// same, the cache is behind, or somebody has taken its label off.
func (r *clientReconciler) createRecord(ctx context.Context, desired *corev1.Secret) error {
	err := r.secrets().create(ctx, desired)
	if !errors.Is(err, errExists) {
		return err
	}
	return r.relabel(ctx, desired, registration.KeyClient)
}

// relabel gives a record its labels back, with which it comes into the cache as it
// is. A Secret without the key that makes it a record is not ours.
func (s shared) relabel(ctx context.Context, desired *corev1.Secret, dataKey string) error {
	live := &corev1.Secret{}
	if err := s.live.Get(ctx, client.ObjectKeyFromObject(desired), live); err != nil {
		return errors.Join(errStale, client.IgnoreNotFound(err))
	}
	if _, is := live.Data[dataKey]; !is {
		return fmt.Errorf("Secret %s is in the way of a record: delete it", client.ObjectKeyFromObject(live)) //nolint:staticcheck // a kind's name
	}
	relabelled := live.DeepCopy()
	mergeLabels(relabelled, desired.Labels)
	if equality.Semantic.DeepEqual(live, relabelled) {
		return errStale
	}
	if err := s.secrets().update(ctx, relabelled); err != nil {
		return err
	}
	return errStale
}

// desiredRecord is the Secret that holds c, made from the one that is there, if any.
func desiredRecord(existing *corev1.Secret, key types.NamespacedName, c registration.Client) (*corev1.Secret, error) {
	data, err := c.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode registration: %w", err)
	}
	desired := recordSecret(existing, key, registration.RecordClient)
	setAnnotation(desired, registration.AnnotationClient, c.Namespace+"/"+c.Name)
	desired.Data[registration.KeyClient] = data
	return desired, nil
}

// recordSecret is a copy of existing, or a new Secret, with the labels of a record.
func recordSecret(existing *corev1.Secret, key types.NamespacedName, record string) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		Type:       corev1.SecretTypeOpaque,
	}
	if existing != nil {
		s = existing.DeepCopy()
	}
	mergeLabels(s, map[string]string{labelManagedBy: managedBy, registration.LabelRecord: record})
	if s.Data == nil {
		s.Data = map[string][]byte{}
	}
	return s
}

func mergeLabels(o metav1.Object, labels map[string]string) {
	merged := o.GetLabels()
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, labels)
	o.SetLabels(merged)
}

// setAnnotation sets an annotation, or removes it if value is empty.
func setAnnotation(o metav1.Object, key, value string) {
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	if annotations[key] = value; value == "" {
		delete(annotations, key)
	}
	o.SetAnnotations(annotations)
}

// neededDigest is the id of the digest without which the app cannot use its Secret:
// that of the secret in it, or else of the one that is to come. It is "" if there is
// none.
func (s *clientScope) neededDigest() string {
	value := s.credential.replaces
	if value.IsZero() {
		value = s.credential.value
	}
	if i := s.find(s.want.Digests, value); i >= 0 {
		return s.want.Digests[i].ID()
	}
	return ""
}

// settledVersion is the version of record from which on it has had all that want
// needs: the same but for digests, and the digest called needed, if that is not "". It
// is "" if that is only from the next version on.
func settledVersion(record *corev1.Secret, published, want *registration.Client, needed string) string {
	if record == nil || published == nil || !sameButDigests(*published, *want) {
		return ""
	}
	has := func(d registration.Digest) bool { return d.ID() == needed }
	if needed != "" && !slices.ContainsFunc(published.Digests, has) {
		return ""
	}
	uid, version, id := settledOf(record)
	if uid == string(record.UID) && validVersion(version) && !newer(version, record.ResourceVersion) && id == needed {
		return version
	}
	return record.ResourceVersion
}

// settledOf takes annotationSettled apart.
func settledOf(record *corev1.Secret) (uid, version, digest string) {
	uid, rest, _ := strings.Cut(record.Annotations[annotationSettled], "/")
	version, digest, _ = strings.Cut(rest, "/")
	return uid, version, digest
}

func setSettled(record *corev1.Secret, version, digest string) {
	value := ""
	if version != "" {
		value = string(record.UID) + "/" + version + "/" + digest
	}
	setAnnotation(record, annotationSettled, value)
}

func sameButDigests(a, b registration.Client) bool {
	a.Digests, b.Digests = nil, nil
	return reflect.DeepEqual(a, b)
}

// awaitReplicas goes on once every live replica has loaded what matters of the
// record, and of the issuer where the Secret is to be changed to match it. While the
// app can use its Secret as it is, a secret that is to come keeps nobody waiting.
func (r *clientReconciler) awaitReplicas(_ context.Context, s *clientScope) error {
	version := s.version
	s.secretReady = s.usable()
	if !s.secretReady {
		version = s.neededVersion()
	}
	s.replicas = r.gate.await(s.request(), version, r.recordKey(s.key()).Name)
	if !s.replicas.safe() {
		return refused(v1alpha1.ConditionRegistered, v1alpha1.ReasonAwaitingReplicas,
			"The registration was published. %s", lagging(s.replicas))
	}
	if s.secretReady && s.rotating() {
		s.awaitsReplicas = !r.gate.await(s.request(), s.neededVersion(), r.recordKey(s.key()).Name).safe()
	}
	return nil
}

// retireOldCredentials begins, and ends, the overlap of secrets that were replaced,
// while the Secret is known to hold the one that replaced them.
func (r *clientReconciler) retireOldCredentials(ctx context.Context, s *clientScope) error {
	if !s.secretReady || !s.want.HasSecret() {
		return nil
	}
	value := s.credential.value
	if s.rotating() {
		value = s.credential.replaces
	}
	p, now := r.retention(s), stamp(s.now)
	held := s.find(s.want.Digests, value)
	digests := p.retire(s.want.Digests, held, now)
	if !slices.Equal(digests, s.want.Digests) {
		// A cache that is behind must not retire what the Secret holds by now.
		if err := r.readSecret(ctx, s); err != nil {
			return err
		}
		if !forClient(s.secret, s.client.UID) || s.find(s.want.Digests, secretValue(s.secret)) != held {
			return errStale
		}
		if err := r.publish(ctx, s, digests); err != nil {
			return err
		}
	}
	held = s.find(digests, value)
	s.wake = p.next(digests, held, now)
	if next := s.nextRotation(digests, held); next.After(s.now) {
		s.wake = sooner(s.wake, next) // one that is due waits for something else than time
	}
	r.tellWaiting(s)
	return nil
}
