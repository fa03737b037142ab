// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/authserver/keys"
)

// What a person asks for at a keys Secret, and what the replica that obeys answers
// there, in the write that obeys: either all of it has happened or nothing.
const (
	// annotationRotate asks for a new key of each kind, published before use, whatever
	// its value is.
	annotationRotate = "clientele.dev/rotate"
	// annotationRevoke names the keys that are to go at once, separated by commas, or
	// says "all".
	annotationRevoke = "clientele.dev/revoke-keys"

	// annotationRotated and annotationRevoked say when that was last done, and with
	// which keys. annotationRefused says which of the keys that were last named are not
	// revoked, and why.
	annotationRotated = "clientele.dev/keys-rotated"
	annotationRevoked = "clientele.dev/keys-revoked"
	annotationRefused = "clientele.dev/keys-not-revoked"
)

const (
	// maxQuoted and maxQuotedLength bound what is repeated of what a person wrote.
	maxQuoted       = 8
	maxQuotedLength = 40
	// retryUrgent is retryLate for keys that somebody may have stolen.
	retryUrgent = 30 * time.Second
)

// wish is what a person asks for by annotations.
type wish struct {
	rotate, revoke bool
	ids            []string // to be revoked
}

func wishOf(o *corev1.Secret) wish {
	var w wish
	_, w.rotate = o.Annotations[annotationRotate]
	text, revoke := o.Annotations[annotationRevoke]
	w.revoke = revoke
	for id := range strings.SplitSeq(text, ",") {
		if id = strings.TrimSpace(id); id != "" {
			w.ids = append(w.ids, id)
		}
	}
	return w
}

func (w wish) any() bool { return w.rotate || w.revoke }

// decision is what becomes of a server's keys.
type decision struct {
	wish       wish
	set        keys.Set
	changed    bool // there is something to write
	revocation keys.Revocation
	renewed    []keys.Key
}

// decide does what a person wishes, and then what the schedule asks for.
func (r *rotator) decide(c custody, w wish) (decision, error) {
	now, schedule := r.now(), r.scheduleOf(c)
	d := decision{wish: w, set: c.set, changed: w.any()}
	var err error
	if w.revoke {
		if d.revocation, err = d.set.Revoke(now, schedule, w.ids, r.random); err != nil {
			return decision{}, err
		}
		d.set = d.revocation.Set
	}
	if w.rotate {
		if d.set, d.renewed, err = d.set.Renew(now, schedule, r.random); err != nil {
			return decision{}, err
		}
	}
	set, changed, err := d.set.Rotate(now, schedule, r.random)
	d.set, d.changed = set, d.changed || changed
	return d, err
}

// answer takes the wish from o and leaves there what became of it.
func (d decision) answer(o *corev1.Secret, now time.Time) {
	o.Annotations = maps.Clone(o.Annotations)
	note := func(annotation, text string) {
		delete(o.Annotations, annotation)
		if text != "" {
			metav1.SetMetaDataAnnotation(&o.ObjectMeta, annotation, now.UTC().Format(time.RFC3339)+" "+text)
		}
	}
	if d.wish.rotate {
		delete(o.Annotations, annotationRotate)
		if len(d.renewed) > 0 {
			note(annotationRotated, idsOf(d.renewed))
		} else {
			note(annotationRotated, "none: the newest keys have not started yet, or were minted just now")
		}
	}
	if d.wish.revoke {
		delete(o.Annotations, annotationRevoke)
		if len(d.revocation.Revoked) > 0 {
			note(annotationRevoked, idsOf(d.revocation.Revoked))
		}
		note(annotationRefused, d.refusal())
	}
}

// refusal says what of the wish cannot be done, and why.
func (d decision) refusal() string {
	if !d.wish.revoke {
		return ""
	}
	var all []string
	if len(d.wish.ids) == 0 {
		all = append(all, fmt.Sprintf("%s names no key: give ids, separated by commas, or %s", annotationRevoke, keys.All))
	}
	if unknown := d.revocation.Unknown; len(unknown) > 0 {
		all = append(all, quoted(unknown)+": no key has such an id, so it has gone already or the id is misspelt")
	}
	if kept := d.revocation.Kept; len(kept) > 0 {
		all = append(all, quoted(kept)+": the key that salts pairwise subjects stays, since people would be strangers to their apps with another")
	}
	return strings.Join(all, "; ")
}

// quoted repeats a little of what somebody wrote.
func quoted(ids []string) string {
	var out []string
	for _, id := range ids[:min(len(ids), maxQuoted)] {
		if len(id) > maxQuotedLength {
			id = id[:maxQuotedLength] + "..."
		}
		out = append(out, fmt.Sprintf("%q", id))
	}
	if more := len(ids) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}

func idsOf(all []keys.Key) string {
	var out []string
	for _, k := range all {
		out = append(out, k.ID)
	}
	return strings.Join(out, ",")
}

// report logs and counts what was done about the keys of a server.
func (r *rotator) report(c custody, d decision) {
	server := c.record.Name
	for _, k := range d.revocation.Revoked {
		r.metrics.revocations.WithLabelValues(server, k.Kind).Inc()
		r.log.Warn("Revoked a key, as an annotation asks for", "authorizationServer", server, "kind", k.Kind, "kid", k.ID)
	}
	if refusal := d.refusal(); refusal != "" {
		r.log.Warn("Some keys are not revoked that an annotation names", "authorizationServer", server, "reason", refusal)
	}
	for _, k := range d.set.Keys {
		if !slices.ContainsFunc(c.set.Keys, func(old keys.Key) bool { return old.ID == k.ID }) {
			r.metrics.rotations.WithLabelValues(server, k.Kind).Inc()
			r.log.Info("Minted a new key", "authorizationServer", server, "kind", k.Kind, "kid", k.ID, "starts", k.Starts)
		}
	}
}
