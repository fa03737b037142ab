// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

// without is s as a version that does not know the kind would have made it.
func without(s Set, kind string) Set {
	s.Keys = slices.DeleteFunc(slices.Clone(s.Keys), func(k Key) bool { return k.Kind == kind })
	return s
}

// TestPairwise_MintedOnce: the salt is there from the first moment on, and years of
// rotations neither replace nor drop it.
func TestPairwise_MintedOnce(t *testing.T) {
	s := minted(t, start)
	salts := s.Of(Pairwise)
	if len(salts) != 1 || len(salts[0].Secret) != 32 || salts[0].Starts.After(start) {
		t.Fatalf("%d salts, of which the first is %v, want one of 32 bytes that has started", len(salts), salts)
	}
	for now := start; now.Before(start.Add(1000 * day)); now = now.Add(50 * day) {
		// Signing keys are slow to make: these are always young.
		for i := range s.Keys {
			if slices.Contains(Algs(), s.Keys[i].Kind) {
				s.Keys[i].Starts = now
			}
		}
		var err error
		if s, _, err = s.Rotate(now, schedule, nil); err != nil {
			t.Fatal(err)
		}
		if got := s.Of(Pairwise); len(got) != 1 || got[0].ID != salts[0].ID || !bytes.Equal(got[0].Secret, salts[0].Secret) {
			t.Fatalf("the salts at %v are %v, want %v", now, got, salts)
		}
	}
}

// TestPairwise_AfterAnUpgrade: what an older version made gets its salt at once, and
// nothing else happens to it.
func TestPairwise_AfterAnUpgrade(t *testing.T) {
	old := without(minted(t, start), Pairwise)
	now := start.Add(day)
	if next := old.Next(now, schedule); !next.Equal(now) {
		t.Errorf("Next = %v, want now", next)
	}
	s, changed, err := old.Rotate(now, schedule, nil)
	if err != nil || !changed {
		t.Fatalf("Rotate = %v, %v, want a change", changed, err)
	}
	if got := s.Of(Pairwise); len(got) != 1 || !got[0].Starts.Equal(now) {
		t.Errorf("salts are %v, want one from now on", got)
	}
	ids := func(s Set) (out []string) {
		for _, k := range s.Keys {
			out = append(out, k.ID)
		}
		return out
	}
	if got, want := ids(without(s, Pairwise)), ids(old); !slices.Equal(got, want) {
		t.Errorf("the other keys are %v, want %v", got, want)
	}
	if _, changed, err := s.Rotate(now, schedule, nil); changed || err != nil {
		t.Errorf("second Rotate = %v, %v, want no change", changed, err)
	}
}

// TestPairwise_IsNoKeyOfTheSchedule: nothing that goes by kinds takes the salt for a
// key that signs, seals or ages.
func TestPairwise_IsNoKeyOfTheSchedule(t *testing.T) {
	if slices.Contains(Algs(), Pairwise) || slices.Contains(Kinds(), Pairwise) {
		t.Errorf("Kinds = %v, want no %s", Kinds(), Pairwise)
	}
	s := minted(t, start)
	if _, err := s.Of(Pairwise)[0].Signer(); err == nil {
		t.Error("Signer of a salt, want an error")
	}
	old := start.Add(-10000 * day)
	for i := range s.Keys {
		if s.Keys[i].Kind == Pairwise {
			s.Keys[i].Starts = old
		}
	}
	if next := s.Next(start, schedule); next.Before(start.Add(time.Hour)) {
		t.Errorf("Next = %v: an old salt asks for a rotation", next)
	}
}
