// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sort"
	"strings"
	"time"

	"github.com/robfig/cron/v3" // it parses the schedules of Kubernetes' CronJobs, so that people can rely on what they know
	"k8s.io/apimachinery/pkg/types"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// spreadOf is a number from 0 to 1, without 1, that stays a client's own, so that
// clients which were created together have their turns at different times.
func spreadOf(uid types.UID) float64 {
	sum := sha256.Sum256([]byte(uid))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}

// due reports whether the schedule wants the held secret replaced by now, and when it
// wants that: of a turn that was missed, the next one. It is zero if there is none.
func due(spec *v1alpha1.Rotation, held registration.Digest, spread float64, now time.Time) (bool, time.Time) {
	if spec == nil || spec.Interval == nil && spec.Window == nil {
		return false, time.Time{}
	}
	ready := held.Since
	if spec.Interval != nil {
		// To the second, like the time that it is compared with.
		ready = ready.Add(spec.Interval.Duration - part(spec.Interval.Duration/10, spread)).Truncate(time.Second)
	}
	if spec.Window == nil {
		return !now.Before(ready), ready
	}
	w, err := parseWindow(spec.Window)
	if err != nil {
		return false, time.Time{} // checkRotation has said so
	}
	if spec.Interval == nil {
		ready = w.next(held.Since) // one that was minted in a window is not replaced in it
	}
	at := w.turn(ready, spread, now)
	return !at.IsZero() && !now.Before(at), at
}

func part(d time.Duration, spread float64) time.Duration { return time.Duration(float64(d) * spread) }

// window is a RotationWindow that can be asked.
type window struct {
	schedule cron.Schedule
	duration time.Duration
	zone     *time.Location
}

// defaultWindow is how long a window stays open if it does not say.
const defaultWindow = time.Hour

func parseWindow(spec *v1alpha1.RotationWindow) (window, error) {
	zone, err := time.LoadLocation(spec.TimeZone)
	if err != nil {
		return window{}, errUnknownZone
	}
	schedule, err := cron.ParseStandard(spec.Schedule)
	if err != nil {
		return window{}, err
	}
	w := window{schedule: schedule, duration: duration(spec.Duration), zone: zone}
	if w.duration <= 0 {
		w.duration = defaultWindow
	}
	return w, nil
}

var errUnknownZone = errors.New("unknown time zone")

// next is the first opening after t, or zero if none comes in the next five years.
// When clocks are set back, an hour comes twice: what would open in both opens in the
// first. When they are set forward, what would open in the hour that is left out does
// not open.
func (w window) next(t time.Time) time.Time {
	for {
		open := w.schedule.Next(t.In(w.zone))
		if open.IsZero() || !repeats(open) {
			return open
		}
		t = open
	}
}

// repeats reports whether the time of day of t has been before, because clocks were
// set back a moment ago.
func repeats(t time.Time) bool {
	_, offset := t.Zone()
	_, earlier := t.Add(-3 * time.Hour).Zone()
	back := time.Duration(earlier-offset) * time.Second
	if back <= 0 {
		return false
	}
	_, then := t.Add(-back).Zone()
	return then == earlier
}

// last is the last opening up to t whose window may still be open, or zero. It asks
// the schedule about a dozen times, however often that opens.
func (w window) last(t time.Time) time.Time {
	from := t.Add(-w.duration)
	opening := func(minute int) time.Time { return w.next(from.Add(time.Duration(minute) * time.Minute)) }
	beyond := func(minute int) bool {
		open := opening(minute)
		return open.IsZero() || open.After(t)
	}
	n := sort.Search(int(w.duration/time.Minute)+1, beyond)
	if n == 0 {
		return time.Time{}
	}
	return opening(n - 1)
}

// closes is when the window closes that opens at open: when the next one opens, at
// the latest.
func (w window) closes(open time.Time) time.Time {
	end := open.Add(w.duration)
	if next := w.next(open); !next.IsZero() && next.Before(end) {
		return next
	}
	return end
}

// turn is the first moment at which a client that is ready for it may rotate in a
// window that has not closed by now, or zero. Each client's is another in the first
// nine tenths of the window; the rest is for a manager that has many to rotate.
func (w window) turn(ready time.Time, spread float64, now time.Time) time.Time {
	from := latest(ready, now)
	open := w.last(from)
	if open.IsZero() || !from.Before(w.closes(open)) {
		open = w.next(from)
	}
	if ready.IsZero() || open.IsZero() {
		return time.Time{}
	}
	moment := part(w.closes(open).Sub(open)*9/10, spread).Truncate(time.Second)
	return latest(ready, open.Add(moment)).UTC()
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// checkRotation says what of spec cannot be followed, or nil.
func checkRotation(spec *v1alpha1.Rotation, now time.Time) *problem {
	if spec == nil || spec.Window == nil {
		return nil
	}
	refuse := func(format string, args ...any) *problem {
		return refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonInvalidSpec, format, args...)
	}
	w, err := parseWindow(spec.Window)
	switch {
	case errors.Is(err, errUnknownZone):
		return refuse("spec.rotation.window.timeZone, %s, is no time zone that is known here, so spec.rotation.window.schedule means no time. Use a name of the IANA time zone database, for example Europe/Berlin or Etc/UTC.",
			spec.Window.TimeZone)
	case err != nil:
		return refuse("spec.rotation.window.schedule, %q, is no schedule: %s. Use cron's five fields, minute, hour, day of the month, month and day of the week, for example \"0 3 * * SUN\".",
			spec.Window.Schedule, plain(err))
	case w.next(now).IsZero():
		return refuse("spec.rotation.window.schedule, %q, never comes: no month has such a day. Correct the day of the month or the month, or remove spec.rotation.window.",
			spec.Window.Schedule)
	}
	return nil
}

// plain is what a person can use of the parser's error: where a word is no number, it
// goes on with what Go calls that.
func plain(err error) string {
	text, _, _ := strings.Cut(oneLine(err), ": strconv.")
	return text
}
