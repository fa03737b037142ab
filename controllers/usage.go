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
	// zero if that is not known.
	through() time.Time
}

// unreported knows of no use.
type unreported struct{}

func (unreported) of(string) time.Time { return time.Time{} }
func (unreported) through() time.Time  { return time.Time{} }
