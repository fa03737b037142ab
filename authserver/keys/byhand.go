// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/rand"
	"io"
	"slices"
	"time"
)

// All stands, among the ids that Revoke is given, for every key but the pairwise one.
const All = "all"

// Renew returns s with a further key of each kind of the schedule, and those keys. Like
// any other, they are published from now on and come into use once the lead has passed;
// the schedule then goes by them. A kind whose next key waits already gets none. random
// is as in Rotate.
func (s Set) Renew(now time.Time, p Schedule, random io.Reader) (Set, []Key, error) {
	var added []Key
	for _, kind := range kinds {
		all := s.Of(kind)
		if len(all) == 0 || newest(all, now, p).Starts.After(now) {
			continue // a first key is Rotate's to mint
		}
		k, err := mint(kind, afterLead(now, p), orReal(random))
		if err != nil {
			return s, nil, err
		}
		k.Keep = p.keep(kind)
		added = append(added, k)
	}
	if len(added) == 0 {
		return s, nil, nil
	}
	return Set{Version: Version, Keys: slices.Concat(s.Keys, added)}, added, nil
}

// Revocation is what Revoke has decided.
type Revocation struct {
	// Set is what is left, with what takes the place of what is gone.
	Set Set
	// Revoked are the keys that are gone.
	Revoked []Key
	// Unknown are the ids that no key has. Kept is the pairwise key's if it was named:
	// it stays.
	Unknown, Kept []string
}

// Revoke takes the keys of those ids away at once, with all that they have made. Where
// the key in use is among them, the next one that is published already takes its place
// at once, or else a new one. Neither is ever a key that was in use before: that one
// was replaced for a reason. random is as in Rotate.
func (s Set) Revoke(now time.Time, p Schedule, ids []string, random io.Reader) (Revocation, error) {
	r := s.split(ids)
	if len(r.Revoked) == 0 {
		return r, nil
	}
	for _, kind := range kindsOf(r.Revoked) {
		active, _ := s.Active(kind, now)
		if !r.revoked(active) {
			continue
		}
		// What follows takes the place of the revoked key in the schedule as well, so that
		// it is in use by every clock by which that key was.
		starts := active.Starts
		if starts.After(now) {
			starts = now.Truncate(time.Second).UTC() // a clock was set back before it
		}
		if r.Set.promote(s.after(active), starts) || !slices.Contains(kinds, kind) {
			continue // a kind of a newer version is that one's to mint
		}
		k, err := mint(kind, starts, orReal(random))
		if err != nil {
			return Revocation{}, err
		}
		k.Keep = p.keep(kind)
		r.Set.Keys = append(r.Set.Keys, k)
	}
	return r, nil
}

// split takes the keys of ids away from s.
func (s Set) split(ids []string) Revocation {
	r := Revocation{Set: Set{Version: Version}}
	for _, kind := range kindsOf(s.Keys) {
		for _, k := range s.Of(kind) { // in the order of Of, which promote must not change
			named := slices.Contains(ids, k.ID)
			switch {
			case k.Kind == Pairwise && named:
				r.Kept = append(r.Kept, k.ID)
				r.Set.Keys = append(r.Set.Keys, k)
			case k.Kind != Pairwise && (named || slices.Contains(ids, All)):
				r.Revoked = append(r.Revoked, k)
			default:
				r.Set.Keys = append(r.Set.Keys, k)
			}
		}
	}
	for _, id := range ids {
		of := func(k Key) bool { return k.ID == id }
		if id != All && !slices.ContainsFunc(s.Keys, of) && !slices.Contains(r.Unknown, id) {
			r.Unknown = append(r.Unknown, id)
		}
	}
	return r
}

// after returns the keys that come into use after k, in that order.
func (s Set) after(k Key) []Key {
	all := s.Of(k.Kind)
	i := slices.IndexFunc(all, func(o Key) bool { return o.ID == k.ID })
	return all[i+1:]
}

// promote lets the first of next that is still in s start at that time, and reports
// whether there is one.
func (s Set) promote(next []Key, starts time.Time) bool {
	for _, n := range next {
		for i := range s.Keys {
			if s.Keys[i].ID == n.ID {
				s.Keys[i].Starts = starts
				return true
			}
		}
	}
	return false
}

func (r Revocation) revoked(k Key) bool {
	return slices.ContainsFunc(r.Revoked, func(gone Key) bool { return gone.ID == k.ID })
}

// kindsOf are the kinds of some keys, in the order in which they come.
func kindsOf(all []Key) []string {
	var out []string
	for _, k := range all {
		if !slices.Contains(out, k.Kind) {
			out = append(out, k.Kind)
		}
	}
	return out
}

// orReal is random, or the real thing.
func orReal(random io.Reader) io.Reader {
	if random == nil {
		return rand.Reader
	}
	return random
}
