// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import "time"

// lastUse answers when client secrets were last seen used.
type lastUse interface {
	// of is when the secret whose Digest has that ID was last used, as far as replicas
	// have reported. It is zero for one that nobody has seen used.
	of(id string) time.Time
	// through is the time until which every live replica has reported all use. It is
	// zero if that is not known, and if there is no live replica: while nobody can use a
	// secret, that it is not used proves nothing.
	through() time.Time
	// since is the time from which on that is all there was to report. Before it, a
	// replica may have died with what it had seen, or none may have run at all. So a
	// secret is known to have been quiet from the later one of of and since to through.
	since() time.Time
}

// unreported knows of no use.
type unreported struct{}

func (unreported) of(string) time.Time { return time.Time{} }
func (unreported) through() time.Time  { return time.Time{} }
func (unreported) since() time.Time    { return time.Time{} }
