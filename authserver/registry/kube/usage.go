// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/clientele-dev/clientele/internal/registration"
)

// forgotten is what a note says that was taken out of usage. Whoever has it in hand
// makes another one.
const forgotten = -1

// usage notes in which minute each client secret was last used. Requests only read
// what they share, but for the first one of a minute with a secret.
type usage struct {
	now func() time.Time

	notes sync.Map // of *atomic.Int64, minutes since 1970, by Digest.ID
	// fresh says that something was noted that may not be in the last collection.
	fresh atomic.Bool
}

// Used notes that a client has just authenticated with the secret of that ID.
func (u *usage) Used(id string) { u.note(id, minuteOf(u.now())) }

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

func (u *usage) note(id string, minute int64) {
	for {
		v, known := u.notes.Load(id)
		if !known {
			if !registration.ValidID(id) {
				return // it would spoil the whole report
			}
			first := new(atomic.Int64)
			first.Store(minute)
			if v, known = u.notes.LoadOrStore(id, first); !known {
				u.fresh.Store(true)
				return
			}
		}
		last, is := v.(*atomic.Int64)
		if !is || u.raise(last, minute) {
			return
		}
		u.notes.CompareAndDelete(id, v)
	}
}

// raise notes minute unless a later one is. It fails if last is forgotten.
func (u *usage) raise(last *atomic.Int64, minute int64) bool {
	for {
		switch was := last.Load(); {
		case was == forgotten:
			return false
		case was >= minute:
			return true
		case last.CompareAndSwap(was, minute):
			u.fresh.Store(true)
			return true
		}
	}
}

// absorb notes what another has seen.
func (u *usage) absorb(used map[string]int64) {
	for id, minute := range used {
		u.note(id, minute)
	}
}

// collect returns what was noted, as far as there is room in a report. What there is
// no room for is forgotten, unless it was used meanwhile.
func (u *usage) collect(limit int) registration.Usage {
	all := registration.Usage{Used: map[string]int64{}}
	u.notes.Range(func(id, v any) bool {
		name, _ := id.(string)
		if last, is := v.(*atomic.Int64); is && last.Load() != forgotten {
			all.Used[name] = last.Load()
		}
		return true
	})
	for id, minute := range all.Trim(limit) {
		if v, known := u.notes.Load(id); known {
			if last, is := v.(*atomic.Int64); is && last.CompareAndSwap(minute, forgotten) {
				u.notes.CompareAndDelete(id, v)
			}
		}
	}
	return all
}
