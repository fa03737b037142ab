// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"testing"
	"time"
)

func TestTenure(t *testing.T) {
	start := time.Now()
	second := func(n float64) time.Time { return start.Add(time.Duration(n * float64(time.Second))) }
	type do func(*tenure)
	begin := func(s float64) do { return func(n *tenure) { n.begin(second(s)) } }
	renewed := func(s float64) do { return func(n *tenure) { n.renewed(second(s)) } }
	grant := func(n *tenure) { n.grant() }
	lose := func(n *tenure) { n.lose() }
	end := func(n *tenure) { n.end() }
	for _, c := range []struct {
		name string
		at   float64
		do   []do
		want bool
	}{
		{"never began", 0, nil, false},
		{"granted without a Lease", 0, []do{grant}, false},
		{"not caught up", 1, []do{begin(0)}, false},
		{"caught up", 1, []do{begin(0), grant}, true},
		{"to the last moment", 11.999, []do{begin(0), grant}, true},
		{"lapsed", 12, []do{begin(0), grant}, false},
		{"caught up too late", 12, []do{begin(0), grant}, false},
		{"renewed", 13, []do{begin(3), grant, renewed(5)}, true},
		{"renewed too late", 30, []do{begin(0), grant, renewed(29)}, false},
		{"granted although renewed too late", 30, []do{begin(0), renewed(29), grant}, false},
		{"lost", 1, []do{begin(0), grant, lose}, false},
		{"caught up after it was lost", 1, []do{begin(0), lose, grant}, false},
		{"ended", 1, []do{begin(0), grant, end}, false},
		{"begun anew", 31, []do{begin(0), grant, end, begin(30)}, false},
		{"joined anew", 31, []do{begin(0), grant, end, begin(30), grant}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := &tenure{limit: 12 * time.Second, now: func() time.Time { return second(c.at) }}
			for _, f := range c.do {
				f(n)
			}
			if got := n.current(); got != c.want {
				t.Errorf("current() = %v, want %v", got, c.want)
			}
		})
	}
}

func TestElapsed_TakesTheLongerClock(t *testing.T) {
	then := time.Now()
	for name, c := range map[string]struct {
		now  time.Time
		want time.Duration
	}{
		"both clocks go on":                      {then.Add(5 * time.Second), 5 * time.Second},
		"suspended: only the wall clock goes on": {then.Round(0).Add(time.Hour), time.Hour},
		"the wall clock is set back":             {then, 0},
	} {
		if got := elapsed(then, c.now); got != c.want {
			t.Errorf("%s: elapsed() = %v, want %v", name, got, c.want)
		}
	}
	// Set back by an hour while five seconds passed: time.Time keeps the monotonic
	// reading only, so this is the case above from the other side.
	if got := elapsed(then.Round(0).Add(time.Hour), then.Round(0)); got > 0 {
		t.Errorf("elapsed() = %v for a wall clock that was set back", got)
	}
}
