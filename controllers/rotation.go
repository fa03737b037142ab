// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// cause says why a client secret is replaced. It is a label of a metric.
type cause string

const (
	causeSchedule   cause = "schedule"
	causeRequest    cause = "request"
	causeRevocation cause = "revocation"
	causeMissing    cause = "secret_missing"
	causeChanged    cause = "secret_changed"
)

// spareDigests is how many places in a record a rotation by schedule or on request
// leaves free, so that a Secret that gets lost then can be written anew.
const spareDigests = 4

// maxRequest is how long a request may be to stand in a record as it is.
const maxRequest = 256

// requestOf is what the annotation clientele.dev/rotate says, as a record holds it.
func requestOf(oc *v1alpha1.OAuthClient) string {
	value := oc.Annotations[v1alpha1.AnnotationRotate]
	if len(value) <= maxRequest {
		return value
	}
	sum := sha256.Sum256([]byte(value))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// revocations are the ids of secrets that must not be accepted any more.
type revocations map[string]bool

// revocationsOf are those that the annotation clientele.dev/revoke names. Nothing
// comes of an id that no digest has.
func revocationsOf(oc *v1alpha1.OAuthClient) revocations {
	named := revocations{}
	for id := range strings.SplitSeq(oc.Annotations[v1alpha1.AnnotationRevoke], ",") {
		if id = strings.TrimSpace(id); id != "" {
			named[id] = true
		}
	}
	return named
}

// rotation is what is to become of a secret that the app's Secret holds and that is
// accepted.
type rotation struct {
	// cause is why it is to be replaced now; empty if it is not.
	cause cause
	// crowded says that it is not replaced, though that is due, because too many
	// others are still accepted.
	crowded bool
	// awaitsValue is why a person who brought it must bring another, since none can be
	// minted in its place; empty if nobody must.
	awaitsValue cause
}

// rotationFacts are what a rotation is decided by.
type rotationFacts struct {
	spec    *v1alpha1.Rotation
	request string
	revoked revocations
	brought bool // by a person, so that none can be minted
	digests []registration.Digest
	held    int // where the held one's digest is
	parked  int // where the parked one's digest is, or -1
	spread  float64
	now     time.Time
}

// plan decides. A rotation by schedule or on request that was begun, which is that
// its secret is parked and its digest is the last, is finished even if it would not
// be begun any more: the window has closed, or the request was taken back.
func (f rotationFacts) plan() rotation {
	if f.held < 0 {
		return rotation{}
	}
	var because cause
	switch {
	case f.revokes():
		because = causeRevocation
	case f.requested():
		because = causeRequest
	case f.scheduled():
		because = causeSchedule
	default:
		return rotation{}
	}
	room := registration.MaxDigests
	if because != causeRevocation {
		room -= spareDigests
	}
	switch {
	case f.brought:
		return rotation{awaitsValue: because}
	case !f.begun() && len(f.digests) >= room:
		return rotation{crowded: true}
	}
	return rotation{cause: because}
}

// revokes reports whether another secret must be mounted for the sake of a revocation:
// of the held one, or of one after it, which somebody may be about to write.
func (f rotationFacts) revokes() bool {
	return slices.ContainsFunc(f.digests[f.held:], func(d registration.Digest) bool {
		return f.revoked[d.ID()] && d.Until.IsZero()
	})
}

func (f rotationFacts) requested() bool {
	answered := f.digests[f.held].Request
	if f.begun() {
		if asked := f.digests[f.parked].Request; asked != "" && asked != answered {
			return true
		}
	}
	return f.request != "" && f.request != answered
}

func (f rotationFacts) scheduled() bool {
	held := f.digests[f.held]
	is, _ := due(f.spec, held, f.spread, f.now)
	if !is && f.begun() {
		is, _ = due(f.spec, held, f.spread, f.digests[f.parked].Since)
	}
	return is
}

// begun reports whether the parked secret is the one to be mounted next.
func (f rotationFacts) begun() bool { return f.parked > f.held && f.parked == len(f.digests)-1 }

// planRotation decides whether the secret in the client's Secret is to be replaced,
// though it is accepted.
func (r *clientReconciler) planRotation(s *clientScope, e evidence) rotation {
	schedule := s.client.Spec.Rotation
	if isPaused(s.client) {
		schedule = nil // its time comes when the pause ends
	}
	return rotationFacts{
		spec: schedule, request: requestOf(s.client), revoked: e.revoked,
		brought: s.client.Spec.ClientSecretRef != nil,
		digests: e.accepted, held: e.find(e.held), parked: e.find(e.parked),
		spread: spreadOf(s.client.UID), now: stamp(s.now),
	}.plan()
}

// confirmAsked makes sure that the OAuthClient asks for what the cache has it ask
// for, before a secret that is accepted is replaced or revoked: a cache that is behind
// may hold a request that was answered long ago.
func (r *clientReconciler) confirmAsked(ctx context.Context, s *clientScope) error {
	live := &v1alpha1.OAuthClient{}
	err := r.live.Get(ctx, s.key(), live)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	asks := func(oc *v1alpha1.OAuthClient) [2]string {
		return [2]string{oc.Annotations[v1alpha1.AnnotationRotate], oc.Annotations[v1alpha1.AnnotationRevoke]}
	}
	if apierrors.IsNotFound(err) || live.UID != s.client.UID || live.Generation != s.client.Generation || asks(live) != asks(s.client) {
		return errStale
	}
	return nil
}

// rotating reports whether another secret is to take the place of one that the app's
// Secret holds and that is accepted.
func (s *clientScope) rotating() bool { return !s.credential.replaces.IsZero() }

// usable reports whether the app can use the Secret as it is, though another secret
// may be about to come into it.
func (s *clientScope) usable() bool {
	if !s.rotating() || s.credential.origin == originBrought && !s.wasWritten() {
		return s.holdsCredentials()
	}
	meanwhile := *s
	meanwhile.credential = choice{origin: originHeld, value: s.credential.replaces}
	return meanwhile.holdsCredentials()
}

// wasWritten reports whether the Secret has held the credentials of this generation.
// Where the spec has just come to name a secret, or another, it has not.
func (s *clientScope) wasWritten() bool {
	c := apimeta.FindStatusCondition(s.before.Conditions, v1alpha1.ConditionCredentialsReady)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == s.client.Generation
}

// neededVersion is the version of the record that every replica must have loaded
// before the Secret is written.
func (s *clientScope) neededVersion() string {
	if s.rotating() {
		// The settled version is that of the secret which is replaced.
		return later(s.record.ResourceVersion, s.issuerVersion)
	}
	return later(s.version, s.issuerVersion)
}

// mounted records that the Secret holds the secret that it was to hold.
func (s *clientScope) mounted(desired *corev1.Secret) {
	s.secret, s.secretReady = desired, true
	s.credential = choice{origin: originHeld, value: s.credential.value}
	s.rotation = rotation{}
}

// replacementCause says why a new client secret is written. It is empty if the one
// that is written is not new, or the client's first.
func replacementCause(s *clientScope) cause {
	minted := s.credential.origin == originMinted || s.credential.origin == originParked
	switch {
	case !minted, len(s.want.Digests) == 1:
		return ""
	case s.rotating():
		return s.rotation.cause
	case s.secret == nil:
		return causeMissing
	}
	return causeChanged
}

// rotatedNotice says that a new client secret was written, why, and until when the one
// before is accepted.
func rotatedNotice(s *clientScope) notice {
	why := map[cause]string{
		causeSchedule:   "as spec.rotation says",
		causeRequest:    "as the annotation " + v1alpha1.AnnotationRotate + " asks",
		causeRevocation: "since the annotation " + v1alpha1.AnnotationRevoke + " names the one before or one that was to come",
		causeMissing:    "since that was missing",
		causeChanged:    "since its client_secret had been changed",
	}[replacementCause(s)]
	if s.heldBrought() && !s.brings() {
		why = "since spec.clientSecretRef no longer names one"
	}
	return notice{
		kind: corev1.EventTypeNormal, action: "WriteSecret", reason: "CredentialsRotated",
		note: fmt.Sprintf("Wrote a new client secret to Secret %s, %s. %s", s.secretName, why, s.farewell()),
	}
}

// heldBrought reports whether the app's Secret holds a secret that
// spec.clientSecretRef named when it was accepted.
func (s *clientScope) heldBrought() bool {
	i := s.find(s.want.Digests, secretValue(s.secret))
	return i >= 0 && s.want.Digests[i].Brought
}

// farewell says until when the secret before the last is accepted.
func (s *clientScope) farewell() string {
	last := len(s.want.Digests) - 1
	before := s.want.Digests[last-1]
	if i := s.find(s.want.Digests, s.credential.replaces); i >= 0 {
		before = s.want.Digests[i]
	}
	if s.rotation.cause == causeRevocation && revocationsOf(s.client)[before.ID()] {
		return "The one before is accepted no longer."
	}
	p := retentionOf(s.client.Spec.Rotation)
	until := before.Until
	if until.IsZero() {
		until = latest(s.now, s.want.Digests[last].Since.Add(settleDelay)).Add(p.overlap)
	}
	text := "The one before is accepted until " + until.UTC().Format("2006-01-02 15:04") + " UTC"
	if p.quiet > 0 {
		text += ", and after that until nobody has used it for " + shortDuration(p.quiet)
	}
	return text + "."
}

// shortDuration is d without what is zero, such as 1h30m.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// tellRevoked tells of each digest that was revoked, once the record has it no more.
func (r *clientReconciler) tellRevoked(s *clientScope, before, after []registration.Digest) {
	named := revocationsOf(s.client)
	for _, d := range before {
		if named[d.ID()] && position(after, d.Verifier()) < 0 {
			r.emit(s.client, notice{
				kind: corev1.EventTypeNormal, reason: "CredentialRevoked", action: "Revoke",
				note: fmt.Sprintf("Client secret %s is accepted no longer, as the annotation %s asks.", d.ID(), v1alpha1.AnnotationRevoke),
			})
		}
	}
}

// tellWaiting tells, once, of a rotation that is due and does not begin.
func (r *clientReconciler) tellWaiting(s *clientScope) {
	n := notice{kind: corev1.EventTypeWarning, action: "Rotate", reason: "RotationWaits"}
	switch {
	case s.rotation.crowded:
		n.note = "Another client secret is due, but so many earlier ones are still accepted that it waits until the first of them has ended. Shorten spec.rotation.overlap, or rotate less often."
	case s.rotation.awaitsValue == causeRevocation:
		n.note = fmt.Sprintf("The annotation %s names the client secret that is in use, which you brought. Change its value in the Secret that spec.clientSecretRef names: it is accepted until then.",
			v1alpha1.AnnotationRevoke)
	case s.rotation.awaitsValue == causeRequest:
		n.note = fmt.Sprintf("The annotation %s asks for another client secret, and you brought the one that is in use. Change its value in the Secret that spec.clientSecretRef names.",
			v1alpha1.AnnotationRotate)
	}
	if r.told.first(s.key(), n.note) {
		r.emit(s.client, n)
	}
}

// told remembers what was said last of each client, so as not to repeat it. Nothing
// but that depends on it.
type told struct {
	mu   sync.Mutex
	last map[types.NamespacedName]string
}

// first reports whether text is to be said of key: it is not empty, and was not said
// last. An empty text makes it forget.
func (t *told) first(key types.NamespacedName, text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text == "" {
		delete(t.last, key)
		return false
	}
	if t.last[key] == text {
		return false
	}
	if t.last == nil {
		t.last = map[types.NamespacedName]string{}
	}
	t.last[key] = text
	return true
}
