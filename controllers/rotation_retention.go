// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"time"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

const (
	// overlap is how long a client secret is accepted after another has taken its
	// place, unless spec.rotation.overlap says otherwise. Running Pods keep an
	// environment variable as they read it at their start, and a mounted file changes
	// a minute or more later; a day is for apps that are restarted daily.
	overlap = 24 * time.Hour
	// settleDelay is how long after a digest was published no write of an earlier
	// secret to the app's Secret can still be under way.
	settleDelay = 5 * time.Minute
	// defaultQuietTimeout is the bound of the wait for quietPeriod.
	defaultQuietTimeout = 168 * time.Hour
	// quietDelay is when to look again at a secret that is to be quiet before it ends,
	// where all that is missing is word from the replicas.
	quietDelay = 10 * time.Minute
)

// retention says how long a digest stays once another secret is mounted.
type retention struct {
	overlap time.Duration
	// quiet is how long nobody may have used it before it ends; zero does not ask.
	quiet, timeout time.Duration
	revoked        revocations
	// used, since and through are those of lastUse.
	used           func(id string) time.Time
	since, through time.Time
}

// retentionOf is what spec says of it. It knows of no use and of no revocation.
func retentionOf(spec *v1alpha1.Rotation) retention {
	p := retention{overlap: overlap, timeout: defaultQuietTimeout, used: unreported{}.of}
	if spec == nil {
		return p
	}
	if spec.Overlap != nil {
		p.overlap = spec.Overlap.Duration
	}
	if spec.QuietTimeout != nil {
		p.timeout = spec.QuietTimeout.Duration
	}
	p.quiet = duration(spec.QuietPeriod)
	return p
}

func (r *clientReconciler) retention(s *clientScope) retention {
	p := retentionOf(s.client.Spec.Rotation)
	p.revoked, p.used = revocationsOf(s.client), s.lastUsed
	p.since, p.through = r.usage.since(), r.usage.through()
	return p
}

// retire is which digests are accepted after old, while the Secret holds the secret
// of old[held], or none of them if held is -1. Those from before the held
// one are given their overlap, and those after it as well, save the last: a manager
// that died, or that does not know that it was replaced, has minted them. Whoever
// was about to write one has done so, or failed, by the time that settledAt says.
// The held one is never dropped, whatever the clock has done.
func (p retention) retire(old []registration.Digest, held int, now time.Time) []registration.Digest {
	next := make([]registration.Digest, 0, len(old))
	for i, d := range old {
		when, ends := settledAt(old, i, held)
		ends = ends && !now.Before(when)
		if p.revoked[d.ID()] && (i < held || ends) {
			continue
		}
		if ends && d.Until.IsZero() {
			d.Until = now.Add(p.overlap)
		}
		if i == held || !p.over(d, now) {
			next = append(next, d)
		}
	}
	return next
}

// revoke is which digests are accepted after those have been revoked that were
// published before old[held], the one that the Secret holds by a read of the API
// server. It waits neither for the overlap nor for settleDelay: an update of the
// Secret with an earlier secret conflicts. Only a create that was sent before the
// held one was written, and that arrives just after somebody has deleted the Secret,
// could bring a revoked one back; it is then healed like any other wrong value. For
// the sake of that, a secret that has leaked must not be accepted for longer.
func (p retention) revoke(old []registration.Digest, held int) []registration.Digest {
	next := make([]registration.Digest, 0, len(old))
	for i, d := range old {
		if i >= held || !p.revoked[d.ID()] {
			next = append(next, d)
		}
	}
	return next
}

// settledAt is when digests[i] can be given an end, if it can, while the Secret
// holds digests[held]: once no write of its secret can be under way any more.
func settledAt(digests []registration.Digest, i, held int) (when time.Time, ends bool) {
	by := held
	if i > held {
		by = len(digests) - 1
	}
	if i == held || i == by {
		return time.Time{}, false
	}
	return digests[by].Since.Add(settleDelay), true
}

// over reports whether d has come to its end: its overlap has passed, and it has been
// quiet since, if it is to be, or nobody waits for that any longer.
func (p retention) over(d registration.Digest, now time.Time) bool {
	if d.Until.IsZero() || now.Before(d.Until) {
		return false
	}
	return p.quiet == 0 || !p.through.Before(p.quietAt(d)) || !now.Before(d.Until.Add(p.timeout))
}

// quietAt is until when replicas must have reported no use of d, for it to be quiet.
func (p retention) quietAt(d registration.Digest) time.Time {
	return latest(latest(d.Since, p.since), p.used(d.ID())).Add(p.quiet)
}

// ends is when to look whether d, which has an end, is over. A report of its use
// comes by itself; that there is nothing to report does not.
func (p retention) ends(d registration.Digest, now time.Time) time.Time {
	if p.quiet == 0 || now.Before(d.Until) {
		return d.Until
	}
	next, bound := latest(p.quietAt(d), now.Add(quietDelay)), d.Until.Add(p.timeout)
	if bound.Before(next) {
		return bound
	}
	return next
}

// next is when retire next makes a difference, or zero.
func (p retention) next(digests []registration.Digest, held int, now time.Time) time.Time {
	var next time.Time
	for i, d := range digests {
		var when time.Time
		if d.Until.IsZero() {
			when, _ = settledAt(digests, i, held)
		} else if i != held {
			when = p.ends(d, now)
		}
		next = sooner(next, when)
	}
	return next
}

// sooner is the earlier one of two times; zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// dropEnded drops what has ended by its Until alone.
func dropEnded(digests []registration.Digest, now time.Time) []registration.Digest {
	return slices.DeleteFunc(digests, func(d registration.Digest) bool { return !d.Until.IsZero() && !now.Before(d.Until) })
}
