// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"maps"
	"slices"
	"strings"
)

const (
	// everything stands for more records than can be named.
	everything = "*"

	maxUnloaded      = 100
	maxUnloadedBytes = 8 << 10
)

// Unloaded is the value of AnnotationUnloaded: the names of records, in order, with
// commas between them, or "*" if they are too many. No name has either character.
type Unloaded string

// NewUnloaded names those records.
func NewUnloaded(names map[string]bool) Unloaded {
	if len(names) > maxUnloaded {
		return everything
	}
	text := strings.Join(slices.Sorted(maps.Keys(names)), ",")
	if len(text) > maxUnloadedBytes {
		return everything
	}
	return Unloaded(text)
}

// All reports whether every record counts as not loaded.
func (u Unloaded) All() bool { return u == everything }

// Names are the records, none if All.
func (u Unloaded) Names() []string {
	if u == "" || u.All() {
		return nil
	}
	return strings.Split(string(u), ",")
}

// Has reports whether the record of that name is one of them.
func (u Unloaded) Has(name string) bool {
	return u != "" && (u.All() || slices.Contains(u.Names(), name))
}
