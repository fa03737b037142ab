// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// outline is the sealing keys as "id@start", with "new" for those that a test did not name.
func outline(s Set) string {
	var out []string
	for _, k := range s.Of(Seal) {
		id := k.ID
		if !strings.HasPrefix(id, "seal-") {
			id = "new"
		}
		out = append(out, fmt.Sprintf("%s@%v", id, k.Starts.Sub(start)))
	}
	return strings.Join(out, " ")
}

// withOthers adds one key of each other kind that was in use at now, to a set of
// sealing keys.
func withOthers(s Set, now time.Duration) Set {
	for _, kind := range append(Algs(), Pairwise) {
		s.Keys = append(s.Keys, scheduled(kind, now-day).Keys...)
	}
	return s
}

func TestRenew(t *testing.T) {
	year := 365 * day
	tests := []struct {
		name string
		keys []time.Duration
		now  time.Duration
		want string
	}{
		{"published now, in use after the lead", []time.Duration{0}, 5 * day, "seal-0@0s new@168h0m0s"},
		{"at a whole second", []time.Duration{0}, 5*day + 1, "seal-0@0s new@168h0m1s"},
		{"the keys before stay", []time.Duration{0, 30 * day}, 31 * day, "seal-0@0s seal-1@720h0m0s new@792h0m0s"},
		{"one waits already", []time.Duration{0, 30 * day}, 29 * day, "seal-0@0s seal-1@720h0m0s"},
		{"until just before it starts", []time.Duration{0, 30 * day}, 30*day - 1, "seal-0@0s seal-1@720h0m0s"},
		{"and no longer", []time.Duration{0, 30 * day}, 30 * day, "seal-0@0s seal-1@720h0m0s new@768h0m0s"},
		{"none yet", nil, 0, ""},
		{"a clock that was set back", []time.Duration{0}, -10 * day, "seal-0@0s"},
		{"a key of a clock that ran ahead is not waited for", []time.Duration{0, year}, day, "seal-0@0s new@72h0m0s seal-1@8760h0m0s"},
		{"unless there is no other", []time.Duration{year}, day, "seal-0@8760h0m0s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := scheduled(Seal, tt.keys...)
			for _, kind := range Algs() { // wait already
				before.Keys = append(before.Keys, scheduled(kind, tt.now, tt.now+time.Hour).Keys...)
			}
			after, added, err := before.Renew(start.Add(tt.now), schedule, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := outline(after); got != tt.want {
				t.Errorf("Renew = %s, want %s", got, tt.want)
			}
			if got, want := len(added), len(after.Keys)-len(before.Keys); got != want {
				t.Errorf("%d keys are said to be new, want %d", got, want)
			}
			for _, k := range added {
				if k.Keep != schedule.keep(k.Kind) {
					t.Errorf("%v is kept for %v", k, k.Keep)
				}
			}
			if again, added, err := after.Renew(start.Add(tt.now), schedule, nil); len(added) > 0 || err != nil {
				t.Errorf("second Renew = %s, %v, want no change", outline(again), err)
			}
		})
	}
}

// TestRenew_EveryKind: all but the salt, and the schedule goes by the new keys.
func TestRenew_EveryKind(t *testing.T) {
	now := start.Add(10 * day)
	s, added, err := minted(t, start).Renew(now, schedule, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := kindsOf(added); !slices.Equal(got, Kinds()) {
		t.Errorf("new keys are of %v, want %v", got, Kinds())
	}
	for _, k := range added {
		if active, _ := s.Active(k.Kind, now.Add(lead-1)); active.ID == k.ID {
			t.Errorf("%v is in use before the lead has passed", k)
		}
		if active, _ := s.Active(k.Kind, now.Add(lead)); active.ID != k.ID {
			t.Errorf("%v is not in use after the lead", k)
		}
	}
	if n := len(s.Of(Pairwise)); n != 1 {
		t.Errorf("%d salts", n)
	}
	// Once the signing keys before them have gone, the next ones come an interval after.
	if s, _, err = s.Rotate(now.Add(lead+2*day), schedule, nil); err != nil {
		t.Fatal(err)
	}
	if next, want := s.Next(now.Add(lead+2*day), schedule), now.Add(30*day); !next.Equal(want) {
		t.Errorf("Next = %v, want %v", next, want)
	}
}

func TestRevoke(t *testing.T) {
	two, three := []time.Duration{0, 30 * day}, []time.Duration{0, 30 * day, 60 * day}
	tests := []struct {
		name string
		keys []time.Duration
		now  time.Duration
		ids  string
		want string
	}{
		{"the only one", []time.Duration{0}, day, "seal-0", "new@0s"},
		{"one that was replaced", two, 31 * day, "seal-0", "seal-1@720h0m0s"},
		{"the one in use, and never back", two, 31 * day, "seal-1", "seal-0@0s new@720h0m0s"},
		{"the one in use, whose successor is published", two, 29 * day, "seal-0", "seal-1@0s"},
		{"with one that was replaced before it", three, 59 * day, "seal-1", "seal-0@0s seal-2@720h0m0s"},
		{"one that waits", two, 29 * day, "seal-1", "seal-0@0s"},
		{"the one in use and the one that waits", two, 29 * day, "seal-0 seal-1", "new@0s"},
		{"the first that waits", append(three, 90*day), 31 * day, "seal-1 seal-2", "seal-0@0s seal-3@720h0m0s"},
		{"several at a time", three, 61 * day, "seal-2 seal-0", "seal-1@720h0m0s new@1440h0m0s"},
		{"all", three, 31 * day, "all", "new@720h0m0s"},
		{"all and one of them", three, 31 * day, "all seal-2", "new@720h0m0s"},
		{"twice the same", two, 31 * day, "seal-0 seal-0", "seal-1@720h0m0s"},
		{"none that there is", two, 31 * day, "seal-7", "seal-0@0s seal-1@720h0m0s"},
		{"some that there are", two, 31 * day, "seal-7 seal-0", "seal-1@720h0m0s"},
		{"nothing", two, 31 * day, "", "seal-0@0s seal-1@720h0m0s"},
		{"after a clock was set back before all", two, -10 * day, "seal-0", "seal-1@-240h0m0s"},
		{"all of them then", two, -10 * day, "all", "new@-240h0m0s"},
		{"of a clock that runs ahead", two, 4000 * day, "seal-1", "seal-0@0s new@720h0m0s"},
		{"a successor that lies far ahead", []time.Duration{0, 365 * day}, day, "seal-0", "seal-1@0s"},
		{"two that start together", []time.Duration{0, 0}, day, "seal-1", "seal-0@0s new@0s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := scheduled(Seal, tt.keys...)
			if !strings.Contains(tt.ids, All) { // minting takes its time
				before = withOthers(before, tt.now)
			}
			r, err := before.Revoke(start.Add(tt.now), schedule, strings.Fields(tt.ids), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := outline(r.Set); got != tt.want {
				t.Errorf("Revoke = %s, want %s", got, tt.want)
			}
			if got, want := strings.Join(r.Unknown, " "), strings.Join(slices.DeleteFunc(strings.Fields(tt.ids), func(id string) bool { return id != "seal-7" }), " "); got != want {
				t.Errorf("unknown = %q, want %q", got, want)
			}
			if err := checkRevoked(before, r, start.Add(tt.now)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRevoke_InAnyOrder: in which order keys are stored has no say in what follows.
func TestRevoke_InAnyOrder(t *testing.T) {
	for seed := range uint64(50) {
		s := scheduled(Seal, 0, 0, 30*day, 30*day, 60*day)
		rand.New(rand.NewPCG(seed, 2)).Shuffle(len(s.Keys), func(i, j int) { s.Keys[i], s.Keys[j] = s.Keys[j], s.Keys[i] })
		now := start.Add(31 * day)
		active, _ := s.Active(Seal, now)
		r, err := s.Revoke(now, schedule, []string{active.ID}, nil)
		if err == nil {
			err = checkRevoked(s, r, now)
		}
		if got, _ := r.Set.Active(Seal, now); err != nil || got.ID != "seal-4" {
			t.Errorf("seed %d: %v is in use, want seal-4, %v", seed, got, err)
		}
	}
}

// TestRevoke_AllKinds: everything goes but the salt, and a kind of a newer version is
// not minted by this one.
func TestRevoke_AllKinds(t *testing.T) {
	now := start.Add(day)
	before := minted(t, start)
	before.Keys = append(before.Keys, scheduled("ML-DSA-44", 0, 40*day).Keys...)
	r, err := before.Revoke(now, schedule, []string{All}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(r.Revoked), len(Kinds())+2; got != want {
		t.Errorf("%d keys are gone, want %d", got, want)
	}
	if got, want := r.Set.Of(Pairwise), before.Of(Pairwise); len(got) != 1 || got[0].ID != want[0].ID {
		t.Errorf("the salts are %v, want %v", got, want)
	}
	if got := r.Set.Of("ML-DSA-44"); len(got) != 0 {
		t.Errorf("%v are left", got)
	}
	if err := checkRevoked(before, r, now); err != nil {
		t.Error(err)
	}
	if again, changed, err := r.Set.Rotate(now, schedule, nil); changed || err != nil {
		t.Errorf("Rotate after it = %v, %v, want no change", again, err)
	}
	for _, alg := range Algs() {
		if k, _ := r.Set.Active(alg, now); k.Starts.After(now) {
			t.Errorf("%v starts at %v, want it in use", k, k.Starts)
		} else if _, err := k.Signer(); err != nil {
			t.Error(err)
		}
	}
}

func TestRevoke_ThePairwiseKeyStays(t *testing.T) {
	before := withOthers(scheduled(Seal, 0), day)
	r, err := before.Revoke(start.Add(day), schedule, []string{"pairwise-0", "seal-0"}, nil)
	if err != nil || !slices.Equal(r.Kept, []string{"pairwise-0"}) || len(r.Unknown) > 0 || len(r.Set.Of(Pairwise)) != 1 {
		t.Errorf("Revoke = %+v, %v, want the pairwise key kept", r, err)
	}
	if got := outline(r.Set); got != "new@0s" {
		t.Errorf("sealing keys are %s: what was named beside it must go", got)
	}
}

func TestByHand_RandomFails(t *testing.T) {
	s := withOthers(scheduled(Seal, 0), day)
	if _, err := s.Revoke(start.Add(day), schedule, []string{"seal-0"}, strings.NewReader("short")); err == nil {
		t.Error("Revoke = nil, want an error")
	}
	if after, added, err := scheduled(Seal, 0).Renew(start.Add(day), schedule, strings.NewReader("short")); err == nil || len(added) > 0 || len(after.Keys) != 1 {
		t.Errorf("Renew = %v, %v, %v, want an error and no change", after, added, err)
	}
}

// checkRevoked is what must hold after any revocation: what was named is gone, all else
// is there, every kind that had a key in use has one that is younger than what went, and
// what no key was taken from is as it was.
func checkRevoked(before Set, r Revocation, now time.Time) error {
	var errs []error
	for _, k := range r.Set.Keys {
		if r.revoked(k) {
			errs = append(errs, fmt.Errorf("%v is revoked and there", k))
		}
	}
	for _, k := range before.Keys {
		is := func(o Key) bool { return o.ID == k.ID }
		if !r.revoked(k) && !slices.ContainsFunc(r.Set.Keys, is) {
			errs = append(errs, fmt.Errorf("%v is gone and was not revoked", k))
		}
	}
	if err := unique(r.Set); err != nil {
		errs = append(errs, err)
	}
	for _, kind := range kindsOf(before.Keys) {
		was, _ := before.Active(kind, now)
		is, ok := r.Set.Active(kind, now)
		known := slices.Contains(Kinds(), kind) || kind == Pairwise
		switch {
		case !ok && known:
			errs = append(errs, fmt.Errorf("no %s key is left", kind))
		case !ok:
		case !r.revoked(was) && is.ID != was.ID:
			errs = append(errs, fmt.Errorf("%v is in use, want %v still", is, was))
		case r.revoked(was) && slices.ContainsFunc(upTo(before.Of(kind), was), func(o Key) bool { return o.ID == is.ID }):
			errs = append(errs, fmt.Errorf("%v is in use, which %v had replaced", is, was))
		}
	}
	return errors.Join(errs...)
}

// upTo are the keys that were in use before k, and k.
func upTo(all []Key, k Key) []Key {
	return all[:1+slices.IndexFunc(all, func(o Key) bool { return o.ID == k.ID })]
}

// unique says why the next replica could not read s: two keys have one id.
func unique(s Set) error {
	seen := map[string]bool{}
	for _, k := range s.Keys {
		if seen[k.ID] {
			return fmt.Errorf("two keys are %s", k.ID)
		}
		seen[k.ID] = true
	}
	return nil
}

// FuzzByHand plays histories of rotations, renewals and revocations on a clock that
// jumps. Each byte is a step.
func FuzzByHand(f *testing.F) {
	first, _, err := Set{}.Rotate(start, schedule, nil)
	if err != nil {
		f.Fatal(err)
	}
	dice := rand.New(rand.NewPCG(3, 4))
	for range 64 {
		script := make([]byte, 48)
		for i := range script {
			script[i] = byte(dice.Uint32())
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		h := handHistory{set: first, now: start, gone: map[string]bool{}}
		h.set.Keys = append(slices.Clone(first.Keys), scheduled("ML-DSA-44", 0).Keys...)
		for i, b := range script[:min(len(script), 200)] {
			if err := h.step(b); err != nil {
				t.Fatalf("step %d of %v: %v", i, script, err)
			}
		}
	})
}

type handHistory struct {
	set  Set
	now  time.Time
	gone map[string]bool // what was revoked, for ever
}

// step does what b says: its lowest bits say what, and the others to which key or when.
func (h *handHistory) step(b byte) error {
	var err error
	before, n := h.set, int(b>>3)
	switch b % 8 {
	case 0, 1:
		h.now = h.now.Add(time.Duration(n) * 5 * day)
	case 2:
		h.now = h.now.Add(-time.Duration(n) * 3 * day)
	case 3:
		h.young()
		h.set, _, err = h.set.Renew(h.now, schedule, nil)
	case 4, 5:
		h.young()
		h.set, _, err = h.set.Rotate(h.now, schedule, nil)
	default:
		return h.revoke(n)
	}
	return errors.Join(err, h.check(before))
}

// young keeps the kinds out of it whose keys are slow to make: each waits to start.
func (h *handHistory) young() {
	h.set.Keys = slices.Clone(h.set.Keys)
	for i := range h.set.Keys {
		if slow(h.set.Keys[i].Kind) {
			h.set.Keys[i].Starts = h.now.Add(time.Hour)
		}
	}
}

func slow(kind string) bool { return kind == RS256 || kind == PS256 || kind == ES256 }

// revoke names one to three keys that are quick to replace, from the nth on.
func (h *handHistory) revoke(n int) error {
	var ids []string
	for _, k := range h.set.Keys {
		if !slow(k.Kind) {
			ids = append(ids, k.ID)
		}
	}
	ids = append(ids, "nobody's")
	ids = slices.Concat(ids, ids)[n%len(ids):][:1+n%3]
	r, err := h.set.Revoke(h.now, schedule, ids, nil)
	if err != nil {
		return err
	}
	err = checkRevoked(h.set, r, h.now)
	for _, k := range r.Revoked {
		h.gone[k.ID] = true
	}
	if len(r.Revoked)+len(r.Unknown)+len(r.Kept) != len(slices.Compact(ids)) {
		err = errors.Join(err, fmt.Errorf("named %v, of which %v are gone, %v unknown and %v kept", ids, r.Revoked, r.Unknown, r.Kept))
	}
	before := h.set
	h.set = r.Set
	return errors.Join(err, h.check(before))
}

// check is what holds at every moment of every history.
func (h *handHistory) check(before Set) error {
	for _, kind := range append(Kinds(), Pairwise) {
		if _, ok := h.set.Active(kind, h.now); !ok {
			return fmt.Errorf("no %s key", kind)
		}
	}
	for _, k := range h.set.Keys {
		if h.gone[k.ID] {
			return fmt.Errorf("%v is back", k)
		}
	}
	if got, want := h.set.Of(Pairwise), before.Of(Pairwise); len(got) != 1 || got[0].ID != want[0].ID {
		return fmt.Errorf("the salts are %v, want %v", got, want)
	}
	return unique(h.set)
}
