// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

func TestCredentials(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 34, 56, 789, time.UTC)
	hour, minutes := now.Truncate(time.Hour), now.Truncate(5*time.Minute)
	since, until := stamp(now.Add(-time.Hour)), stamp(now.Add(time.Hour))
	digest := func(name string, until time.Time) registration.Digest {
		return registration.Digest{SHA256: name, Since: since, Until: until}
	}
	open := func(name string) registration.Digest { return digest(name, time.Time{}) }
	ends := digest("ends", until)
	type shown struct {
		name  string
		state v1alpha1.CredentialState
		until time.Time
		used  time.Time
	}
	const current, pending, retiring = v1alpha1.CredentialCurrent, v1alpha1.CredentialPending, v1alpha1.CredentialRetiring
	for _, c := range []struct {
		name    string
		digests []registration.Digest
		held    string
		used    map[string]time.Time
		stored  map[string]time.Time
		want    []shown
	}{
		{name: "none"},
		{name: "one", digests: []registration.Digest{open("a")}, held: "a", want: []shown{{name: "a", state: current}}},
		{name: "newest first", digests: []registration.Digest{ends, open("a"), open("b"), open("c")}, held: "b", want: []shown{
			{name: "c", state: pending}, {name: "b", state: current}, {name: "a", state: retiring}, {name: "ends", state: retiring, until: until},
		}},
		{name: "one that was lost on the way", digests: []registration.Digest{open("a"), ends, open("b")}, held: "a", want: []shown{
			{name: "b", state: pending}, {name: "ends", state: retiring, until: until}, {name: "a", state: current},
		}},
		{name: "none is held", digests: []registration.Digest{open("a"), open("b")}, want: []shown{{name: "b", state: pending}, {name: "a", state: retiring}}},
		{name: "used", digests: []registration.Digest{ends, open("a"), open("b")}, held: "a", used: map[string]time.Time{"ends": now, "a": now, "b": now}, want: []shown{
			{name: "b", state: pending, used: hour}, {name: "a", state: current, used: hour}, {name: "ends", state: retiring, until: until, used: minutes},
		}},
		{name: "the report is gone", digests: []registration.Digest{open("a")}, held: "a", stored: map[string]time.Time{"a": minutes}, want: []shown{{name: "a", state: current, used: minutes}}},
		{name: "the report is older", digests: []registration.Digest{open("a")}, held: "a", used: map[string]time.Time{"a": now.Add(-48 * time.Hour)}, stored: map[string]time.Time{"a": hour}, want: []shown{{name: "a", state: current, used: hour}}},
		{name: "the report is newer", digests: []registration.Digest{open("a")}, held: "a", used: map[string]time.Time{"a": now}, stored: map[string]time.Time{"a": hour.Add(-time.Hour)}, want: []shown{{name: "a", state: current, used: hour}}},
		{name: "the report is newer by less than the grain", digests: []registration.Digest{open("a")}, held: "a", used: map[string]time.Time{"a": now}, stored: map[string]time.Time{"a": minutes}, want: []shown{{name: "a", state: current, used: minutes}}},
		{name: "somebody has doubled one", digests: []registration.Digest{open("a"), open("a")}, held: "a", want: []shown{{name: "a", state: current}}},
	} {
		use := map[string]time.Time{}
		for name, at := range c.used {
			use[open(name).ID()] = at
		}
		s := &clientScope{now: now, used: (&fakeUse{last: use}).of}
		for name, at := range c.stored {
			s.before.Credentials = append(s.before.Credentials, v1alpha1.CredentialStatus{ID: open(name).ID(), LastUsed: new(metav1.NewTime(at))})
		}
		var got []shown
		for _, g := range s.credentials(c.digests, position(c.digests, c.held)) {
			i := slices.IndexFunc(c.digests, func(d registration.Digest) bool { return d.ID() == g.ID })
			one := shown{name: c.digests[i].SHA256, state: g.State}
			if g.Until != nil {
				one.until = g.Until.Time
			}
			if g.LastUsed != nil {
				one.used = g.LastUsed.Time
			}
			if !g.Since.Time.Equal(since) {
				t.Errorf("%s: %s since %v", c.name, one.name, g.Since)
			}
			got = append(got, one)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
		}
	}
}
