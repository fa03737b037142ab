// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

func lasting(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

// at is a time of RFC 3339, without seconds and zone if it is in UTC.
func instant(t *testing.T, text string) time.Time {
	t.Helper()
	if text == "" {
		return time.Time{}
	}
	if len(text) == len("2006-01-02T15:04") {
		text += ":00Z"
	}
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func every(d time.Duration) v1alpha1.Rotation { return v1alpha1.Rotation{Interval: lasting(d)} }

func opening(schedule string, open time.Duration, zone string) v1alpha1.Rotation {
	return v1alpha1.Rotation{Window: &v1alpha1.RotationWindow{Schedule: schedule, Duration: lasting(open), TimeZone: zone}}
}

func both(interval time.Duration, window v1alpha1.Rotation) v1alpha1.Rotation {
	window.Interval = lasting(interval)
	return window
}

func TestDue(t *testing.T) {
	const day = 24 * time.Hour
	nightly := opening("0 3 * * *", time.Hour, "Etc/UTC")
	berlin := opening("30 2 * * *", time.Hour, "Europe/Berlin")
	skipped := opening("30 2 * * SUN", time.Hour, "Europe/Berlin")
	for _, c := range []struct {
		name   string
		spec   v1alpha1.Rotation
		spread float64
		since  string
		now    string
		due    bool
		next   string
	}{
		{"no schedule", v1alpha1.Rotation{}, 0, "2026-01-01T00:00", "2030-01-01T00:00", false, ""},
		{"an interval that has not passed", every(30 * day), 0, "2026-01-01T00:00", "2026-01-30T23:59", false, "2026-01-31T00:00"},
		{"an interval that has passed", every(30 * day), 0, "2026-01-01T00:00", "2026-01-31T00:00", true, "2026-01-31T00:00"},
		{"an interval that has long passed", every(30 * day), 0, "2026-01-01T00:00", "2027-01-31T00:00", true, "2026-01-31T00:00"},
		{"half of the spread", every(30 * day), 0.5, "2026-01-01T00:00", "2026-01-29T11:59", false, "2026-01-29T12:00"},
		{"half of the spread, passed", every(30 * day), 0.5, "2026-01-01T00:00", "2026-01-29T12:00", true, "2026-01-29T12:00"},
		{"a clock that was set back", every(30 * day), 0, "2026-01-01T00:00", "2020-01-01T00:00", false, "2026-01-31T00:00"},

		{"before the window", nightly, 0, "2026-01-01T12:00", "2026-01-02T02:59", false, "2026-01-02T03:00"},
		{"in the window", nightly, 0, "2026-01-01T12:00", "2026-01-02T03:00", true, "2026-01-02T03:00"},
		{"late in the window", nightly, 0, "2026-01-01T12:00", "2026-01-02T03:59", true, "2026-01-02T03:00"},
		{"after the window, which was missed", nightly, 0, "2026-01-01T12:00", "2026-01-02T04:00", false, "2026-01-03T03:00"},
		{"minted in this window", nightly, 0, "2026-01-02T03:00", "2026-01-02T03:59", false, "2026-01-03T03:00"},
		{"the client's moment has not come", nightly, 0.5, "2026-01-01T12:00", "2026-01-02T03:26", false, "2026-01-02T03:27"},
		{"the client's moment has come", nightly, 0.5, "2026-01-01T12:00", "2026-01-02T03:27", true, "2026-01-02T03:27"},
		{"the last moment", nightly, 0.999999, "2026-01-01T12:00", "2026-01-02T03:54", true, "2026-01-02T03:53:59Z"},
		{"a clock that was set back after a rotation", nightly, 0, "2026-01-02T03:00", "2026-01-01T03:30", false, "2026-01-03T03:00"},
		{"a window over midnight", opening("30 23 * * *", 2*time.Hour, "Etc/UTC"), 0, "2026-01-01T12:00", "2026-01-02T00:30", true, "2026-01-01T23:30"},

		{"the interval has not passed in the window", both(30*day, nightly), 0, "2026-01-01T12:00", "2026-01-31T03:30", false, "2026-02-01T03:00"},
		{"the interval passes in the window", both(30*day, nightly), 0, "2026-01-01T03:20", "2026-01-31T03:19", false, "2026-01-31T03:20"},
		{"the interval has passed in the window", both(30*day, nightly), 0, "2026-01-01T03:20", "2026-01-31T03:20", true, "2026-01-31T03:20"},
		{"the interval has passed, outside of a window", both(30*day, nightly), 0, "2026-01-01T12:00", "2026-02-01T02:59", false, "2026-02-01T03:00"},
		{"the interval has passed, and the window is there", both(30*day, nightly), 0, "2026-01-01T12:00", "2026-02-01T03:00", true, "2026-02-01T03:00"},
		{"the interval has passed, and the window was missed", both(30*day, nightly), 0, "2026-01-01T12:00", "2026-02-01T04:00", false, "2026-02-02T03:00"},

		{"in the window of its zone", berlin, 0, "2026-07-01T12:00", "2026-07-02T00:30", true, "2026-07-02T00:30"},
		{"in the window of its zone in winter", berlin, 0, "2026-01-01T12:00", "2026-01-02T01:30", true, "2026-01-02T01:30"},
		// On 25 October 2026, 2:30 comes twice: at 00:30 and 01:30 UTC.
		{"in the first of two", berlin, 0, "2026-10-24T12:00", "2026-10-25T00:30", true, "2026-10-25T00:30"},
		{"minted in the first of two", berlin, 0, "2026-10-25T00:30", "2026-10-25T01:30", false, "2026-10-26T01:30"},
		// On 29 March 2026 there is no 2:30.
		{"a window that is left out", skipped, 0, "2026-03-24T12:00", "2026-03-29T01:00", false, "2026-04-05T00:30"},
		{"windows that overlap", opening("*/10 * * * *", 24*time.Hour, "Etc/UTC"), 0.5, "2026-01-01T12:01", "2026-01-01T12:14:30Z", true, "2026-01-01T12:14:30Z"},
		{"windows that overlap, before", opening("*/10 * * * *", 24*time.Hour, "Etc/UTC"), 0.5, "2026-01-01T12:01", "2026-01-01T12:14:29Z", false, "2026-01-01T12:14:30Z"},
		{"a window every four years", opening("0 3 29 2 *", time.Hour, "Etc/UTC"), 0, "2026-01-01T12:01", "2026-06-01T00:00", false, "2028-02-29T03:00"},
		{"a window that never comes", opening("0 3 31 2 *", time.Hour, "Etc/UTC"), 0, "2026-01-01T12:01", "2026-06-01T00:00", false, ""},
		{"an interval and a window that never comes", both(time.Hour, opening("0 3 31 2 *", time.Hour, "Etc/UTC")), 0, "2026-01-01T12:01", "2026-06-01T00:00", false, ""},
		{"a schedule that is none", opening("61 3 * * *", time.Hour, "Etc/UTC"), 0, "2026-01-01T12:01", "2026-06-01T00:00", false, ""},
	} {
		held := registration.Digest{Since: instant(t, c.since)}
		is, next := due(&c.spec, held, c.spread, instant(t, c.now))
		if is != c.due || !next.Equal(instant(t, c.next)) {
			t.Errorf("%s: got %t, %v, want %t, %v", c.name, is, next, c.due, c.next)
		}
	}
}

// TestDue_OncePerTurn: a client that rotates whenever that is due does so once in each
// window, and not more often than its interval says, wherever it begins.
func TestDue_OncePerTurn(t *testing.T) {
	for _, c := range []struct {
		name string
		spec v1alpha1.Rotation
		want int
	}{
		{"windows", opening("0 3 * * *", time.Hour, "Europe/Berlin"), 365},
		{"windows at an hour that comes twice", opening("30 2 * * *", time.Hour, "Europe/Berlin"), 364},
		{"an interval and windows", both(24*time.Hour, opening("0 3 * * *", time.Hour, "Europe/Berlin")), 365},
		{"an interval", every(24 * time.Hour), 365 * 20 / 19},
	} {
		for _, spread := range []float64{0, 0.5, 0.999} {
			from := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
			held, count := registration.Digest{Since: from}, 0
			for now := from; now.Before(from.AddDate(1, 0, 0)); {
				is, next := due(&c.spec, held, spread, now)
				if is {
					held.Since, count = now, count+1
					continue
				}
				if !next.After(now) {
					t.Fatalf("%s, spread %g: at %v it is not due, and next at %v", c.name, spread, now, next)
				}
				now = next
			}
			if slack := 1 + c.want/15; count < c.want-slack || count > c.want+slack {
				t.Errorf("%s, spread %g: %d rotations in a year, want %d", c.name, spread, count, c.want)
			}
		}
	}
}

func TestDue_Bounded(t *testing.T) {
	spec := both(time.Hour, opening("* 0-11 * * *", 24*time.Hour, "Europe/Berlin"))
	w, err := parseWindow(spec.Window)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	w.schedule = counting{w.schedule, &asked}
	w.turn(instant(t, "2026-01-01T00:00"), 0.5, instant(t, "2026-06-01T20:59"))
	if asked > 20 {
		t.Errorf("the schedule was asked %d times, want 20 at most", asked)
	}
}

type counting struct {
	schedule interface{ Next(time.Time) time.Time }
	asked    *int
}

func (c counting) Next(t time.Time) time.Time {
	*c.asked++
	return c.schedule.Next(t)
}

func TestSpreadOf(t *testing.T) {
	var tenths [10]int
	for i := range 10000 {
		spread := spreadOf(types.UID(fmt.Sprint("uid-", i)))
		if spread < 0 || spread >= 1 {
			t.Fatalf("got %g", spread)
		}
		tenths[int(spread*10)]++
	}
	if slices.Min(tenths[:]) < 900 || slices.Max(tenths[:]) > 1100 {
		t.Errorf("10000 clients fall into tenths of %v", tenths)
	}
	if spreadOf("a") != spreadOf("a") {
		t.Error("it changes")
	}
}

func TestCheckRotation(t *testing.T) {
	now := instant(t, "2026-01-01T00:00")
	if p := checkRotation(nil, now); p != nil {
		t.Errorf("none: got %v", p)
	}
	for _, c := range []struct {
		name string
		spec v1alpha1.Rotation
		want []string
	}{
		{"an interval", every(time.Hour), nil},
		{"a window", opening("0 3 * * SUN", time.Hour, "Europe/Berlin"), nil},
		{"no zone", opening("0 3 * * SUN", time.Hour, ""), nil},
		{"29 February", opening("0 3 29 2 *", time.Hour, "Etc/UTC"), nil},
		{"no such zone", opening("0 3 * * SUN", time.Hour, "Mars/Olympus"), []string{"spec.rotation.window.schedule", "Mars/Olympus", "Europe/Berlin"}},
		{"a zone that leaves its folder", opening("0 3 * * SUN", time.Hour, "../zone"), []string{"../zone"}},
		{"no such minute", opening("61 3 * * SUN", time.Hour, "Etc/UTC"), []string{"spec.rotation.window.schedule", `"61 3 * * SUN"`, "above maximum", "0 3 * * SUN"}},
		{"no such day", opening("0 3 * * SON", time.Hour, "Etc/UTC"), []string{`"0 3 * * SON", is no schedule: failed to parse int from SON. Use cron`}},
		{"31 February", opening("0 3 31 2 *", time.Hour, "Etc/UTC"), []string{"spec.rotation.window.schedule", "never comes"}},
	} {
		p := checkRotation(&c.spec, now)
		if (p != nil) != (c.want != nil) {
			t.Errorf("%s: got %v", c.name, p)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(p.message, want) || p.reason != v1alpha1.ReasonInvalidSpec || !strings.HasSuffix(p.message, ".") {
				t.Errorf("%s: got %v, want %s in it", c.name, p, want)
			}
		}
	}
}
