// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// fakeUse knows of use what a test tells it.
type fakeUse struct {
	last      map[string]time.Time // by id
	from, all time.Time
}

func (u *fakeUse) of(id string) time.Time { return u.last[id] }
func (u *fakeUse) since() time.Time       { return u.from }
func (u *fakeUse) through() time.Time     { return u.all }

func TestRetire(t *testing.T) {
	now := stamp(time.Now())
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	digest := func(name string, since, until time.Time) registration.Digest {
		return registration.Digest{SHA256: name, Since: since, Until: until}
	}
	var (
		long, end = ago(time.Hour), now.Add(overlap)
		a, b, c   = digest("a", long, time.Time{}), digest("b", long, time.Time{}), digest("c", ago(settleDelay), time.Time{})
		fresh     = digest("fresh", ago(settleDelay-time.Second), time.Time{})
		aEnds     = digest("a", long, end)
		bEnds     = digest("b", long, end)
		ends      = digest("ends", long, now.Add(time.Second))
		ended     = digest("ended", long, now)
	)
	type digests []registration.Digest
	p := retentionOf(nil)
	for _, r := range []struct {
		name      string
		old       digests
		held      string
		want      digests
		nextAfter time.Duration // 0 is never
	}{
		{"none", nil, "", nil, 0},
		{"the held one alone", digests{a}, "a", digests{a}, 0},
		{"those before it, when it is old enough", digests{a, b, c}, "c", digests{aEnds, bEnds, c}, overlap},
		{"those before it, when it is too young", digests{a, fresh}, "fresh", digests{a, fresh}, time.Second},
		{"the last, after it, is left alone", digests{a, c}, "a", digests{a, c}, 0},
		{"those after it, when the last is old enough", digests{a, b, c}, "a", digests{a, bEnds, c}, overlap},
		{"those after it, when the last is too young", digests{a, b, fresh}, "a", digests{a, b, fresh}, time.Second},
		{"before and after", digests{a, c, b, fresh}, "c", digests{aEnds, c, b, fresh}, time.Second},
		{"one that ends", digests{ends, c}, "c", digests{ends, c}, time.Second},
		{"one that has ended", digests{ended, c}, "c", digests{c}, 0},
		{"none is held, the last is old enough", digests{a, b, c}, "", digests{aEnds, bEnds, c}, overlap},
		{"none is held, the last is too young", digests{a, fresh}, "", digests{a, fresh}, time.Second},
		{"none is held, there is one", digests{c}, "", digests{c}, 0},
		{"the held one has an end that has passed", digests{ended, c}, "ended", digests{ended, c}, 0},
		{"the clock was set back by an hour", digests{digest("a", now.Add(time.Hour), time.Time{}), digest("b", now.Add(time.Hour), time.Time{})}, "b",
			digests{digest("a", now.Add(time.Hour), time.Time{}), digest("b", now.Add(time.Hour), time.Time{})}, time.Hour + settleDelay},
	} {
		old := append(digests(nil), r.old...)
		held := position(r.old, r.held)
		got := digests(p.retire(r.old, held, now))
		if !slices.Equal(got, r.want) {
			t.Errorf("%s: got %v, want %v", r.name, got, r.want)
		}
		if !slices.Equal(r.old, old) {
			t.Errorf("%s: what was passed in was changed", r.name)
		}
		if again := p.retire(got, position(got, r.held), now); !slices.Equal(again, got) {
			t.Errorf("%s: a second look changes it to %v", r.name, again)
		}
		var want time.Time
		if r.nextAfter > 0 {
			want = now.Add(r.nextAfter)
		}
		if next := p.next(got, position(got, r.held), now); next != want {
			t.Errorf("%s: the next retirement is at %v, want %v", r.name, next, want)
		}
	}
}

func TestRetentionOf(t *testing.T) {
	for _, c := range []struct {
		name                    string
		spec                    *v1alpha1.Rotation
		overlap, quiet, timeout time.Duration
	}{
		{"no rotation", nil, 24 * time.Hour, 0, 168 * time.Hour},
		{"nothing said", &v1alpha1.Rotation{}, 24 * time.Hour, 0, 168 * time.Hour},
		{"an overlap", &v1alpha1.Rotation{Overlap: lasting(time.Minute)}, time.Minute, 0, 168 * time.Hour},
		{"all", &v1alpha1.Rotation{Overlap: lasting(time.Minute), QuietPeriod: lasting(time.Hour), QuietTimeout: lasting(2 * time.Hour)},
			time.Minute, time.Hour, 2 * time.Hour},
	} {
		p := retentionOf(c.spec)
		if p.overlap != c.overlap || p.quiet != c.quiet || p.timeout != c.timeout {
			t.Errorf("%s: got %v, %v, %v", c.name, p.overlap, p.quiet, p.timeout)
		}
	}
}

// TestRetention_Quiet: a digest whose overlap has passed stays until it is quiet, or
// until nobody waits for that any longer.
func TestRetention_Quiet(t *testing.T) {
	now := stamp(time.Now())
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	const quiet, timeout = time.Hour, 10 * time.Hour
	for _, c := range []struct {
		name          string
		until         time.Time
		used, through time.Time
		stays         bool
		next          time.Time
		since         time.Time
	}{
		{"its overlap has not passed", now.Add(time.Minute), time.Time{}, now, true, now.Add(time.Minute), time.Time{}},
		{"it was never used", now, time.Time{}, now, false, time.Time{}, time.Time{}},
		{"nothing is known", now, time.Time{}, time.Time{}, true, now.Add(quietDelay), time.Time{}},
		{"it was used just now", now, now, now, true, now.Add(quiet), time.Time{}},
		{"it was used long ago", now, ago(quiet), now, false, time.Time{}, time.Time{}},
		{"it was used long ago, and a replica has not reported since", now, ago(quiet), ago(time.Minute), true, now.Add(quietDelay), time.Time{}},
		{"it was used, but nobody waits any longer", ago(timeout), now, now, false, time.Time{}, time.Time{}},
		{"it was used, and nobody waits much longer", ago(timeout - time.Minute), now, now, true, now.Add(time.Minute), time.Time{}},
		{"nothing is known, and nobody waits any longer", ago(timeout), time.Time{}, time.Time{}, false, time.Time{}, time.Time{}},
		{"what was used before is not known", now, time.Time{}, now, true, now.Add(quiet / 2), ago(quiet / 2)},
		{"what was used long before is not known", now, time.Time{}, now, false, time.Time{}, ago(quiet)},
	} {
		old := registration.Digest{SHA256: "old", Since: ago(1000 * time.Hour), Until: c.until}
		held := registration.Digest{SHA256: "held", Since: ago(100 * time.Hour)}
		use := &fakeUse{last: map[string]time.Time{old.ID(): c.used}, all: c.through}
		p := retention{overlap: overlap, quiet: quiet, timeout: timeout, used: use.of, since: c.since, through: use.through()}
		got := p.retire([]registration.Digest{old, held}, 1, now)
		if stays := len(got) == 2; stays != c.stays {
			t.Errorf("%s: it stays: %t, want %t", c.name, stays, c.stays)
		}
		if next := p.next(got, len(got)-1, now); !next.Equal(c.next) {
			t.Errorf("%s: the next look is at %v, want %v", c.name, next, c.next)
		}
	}
}

func TestRetention_Revoke(t *testing.T) {
	now := stamp(time.Now())
	digest := func(name string, age time.Duration) registration.Digest {
		return registration.Digest{SHA256: name, Since: now.Add(-age)}
	}
	const long, short = time.Hour, time.Minute
	ending := digest("a", long)
	ending.Until = now.Add(overlap)
	type digests []registration.Digest
	a, b, c, fresh := digest("a", long), digest("b", long), digest("c", long), digest("fresh", short)
	for _, r := range []struct {
		name             string
		old              digests
		held             int
		revoked          []registration.Digest
		revoking, retire digests
	}{
		{"none", digests{a, fresh}, 1, nil, digests{a, fresh}, digests{a, fresh}},
		{"one before, at once", digests{a, fresh}, 1, digests{a}, digests{fresh}, digests{fresh}},
		{"one before that has an end", digests{ending, fresh}, 1, digests{a}, digests{fresh}, digests{fresh}},
		{"the held one", digests{a, fresh}, 1, digests{fresh}, digests{a, fresh}, digests{a, fresh}},
		{"one after it, once that is settled", digests{a, b, c}, 0, digests{b}, digests{a, b, c}, digests{a, c}},
		{"one after it, before that is settled", digests{a, b, fresh}, 0, digests{b}, digests{a, b, fresh}, digests{a, b, fresh}},
		{"the last, after it", digests{a, c}, 0, digests{c}, digests{a, c}, digests{a, c}},
		{"none is held", digests{a, fresh}, -1, digests{a, fresh}, digests{a, fresh}, digests{a, fresh}},
		{"one that is not there", digests{fresh}, 0, digests{a}, digests{fresh}, digests{fresh}},
	} {
		p := retentionOf(nil)
		p.revoked = revocations{}
		for _, d := range r.revoked {
			p.revoked[d.ID()] = true
		}
		if got := digests(p.revoke(r.old, r.held)); !slices.Equal(got, r.revoking) {
			t.Errorf("%s: revoke gives %v, want %v", r.name, got, r.revoking)
		}
		if got := digests(p.retire(r.old, r.held, now)); !slices.Equal(got, r.retire) {
			t.Errorf("%s: retire gives %v, want %v", r.name, got, r.retire)
		}
	}
}

// TestRetention_ClockJumps: whatever the clock does, the held one stays, and setting
// the clock back ends nothing early.
func TestRetention_ClockJumps(t *testing.T) {
	now := stamp(time.Now())
	p := retentionOf(nil)
	digests := []registration.Digest{{SHA256: "a", Since: now.Add(-time.Hour)}, {SHA256: "b", Since: now.Add(-time.Hour)}}
	begun := p.retire(digests, 1, now)
	for _, jump := range []time.Duration{-1000 * time.Hour, -time.Minute, 0, overlap - 1} {
		if got := p.retire(begun, 1, now.Add(jump)); !slices.Equal(got, begun) {
			t.Errorf("a jump by %v: got %v, want %v", jump, got, begun)
		}
	}
	for _, jump := range []time.Duration{overlap, 1000 * time.Hour} {
		if got := p.retire(begun, 1, now.Add(jump)); position(got, "b") < 0 {
			t.Errorf("a jump by %v: the held one is gone", jump)
		}
	}
}
