// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"testing"
)

// A controller prints a source that does not start, with %v. That must not walk
// through what other goroutines change, and tells nobody anything.
func TestSources_PrintTheirNames(t *testing.T) {
	for want, source := range map[string]any{
		"replicas":       &subscription{},
		"reports of use": &usageReports{},
		"single Secrets": &secretWatches{},
	} {
		if got := fmt.Sprintf("%v", source); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
