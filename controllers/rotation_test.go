// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

func TestPlanRotation(t *testing.T) {
	now := stamp(time.Now())
	hourly := every(time.Hour)
	digest := func(name string, age time.Duration, request string) registration.Digest {
		return registration.Digest{SHA256: name, Since: now.Add(-age), Request: request}
	}
	ended := digest("ended", 2*time.Hour, "")
	ended.Until = now.Add(time.Hour)
	young, old := digest("young", time.Minute, ""), digest("old", 2*time.Hour, "")
	answered, coming := digest("answered", time.Minute, "a"), digest("coming", time.Minute, "b")
	early := digest("early", 90*time.Minute, "")
	many := func(n int) []registration.Digest {
		list := []registration.Digest{old}
		for i := 1; i < n; i++ {
			list = append([]registration.Digest{digest(fmt.Sprint(i), 3*time.Hour, "")}, list...)
		}
		return list
	}
	type digests = []registration.Digest
	for _, c := range []struct {
		name   string
		facts  rotationFacts
		held   string
		parked string
		named  string
		want   rotation
	}{
		{"none is held", rotationFacts{spec: &hourly, request: "a", digests: digests{old}}, "", "", "old", rotation{}},
		{"nothing is asked for", rotationFacts{digests: digests{old}}, "old", "", "", rotation{}},
		{"it is too young", rotationFacts{spec: &hourly, digests: digests{young}}, "young", "", "", rotation{}},
		{"it is old enough", rotationFacts{spec: &hourly, digests: digests{old}}, "old", "", "", rotation{cause: causeSchedule}},

		{"a request", rotationFacts{request: "a", digests: digests{young}}, "young", "", "", rotation{cause: causeRequest}},
		{"a request that was answered", rotationFacts{request: "a", digests: digests{answered}}, "answered", "", "", rotation{}},
		{"another request", rotationFacts{request: "b", digests: digests{answered}}, "answered", "", "", rotation{cause: causeRequest}},
		{"a request that was taken back", rotationFacts{digests: digests{answered}}, "answered", "", "", rotation{}},
		{"a request that was published, and its secret lost", rotationFacts{request: "b", digests: digests{answered, coming}}, "answered", "", "", rotation{cause: causeRequest}},
		{"a request that was taken back while its secret waits", rotationFacts{digests: digests{answered, coming}}, "answered", "coming", "", rotation{cause: causeRequest}},
		{"a request that was taken back, and its secret lost", rotationFacts{digests: digests{answered, coming}}, "answered", "", "", rotation{}},
		{"a request beside a schedule", rotationFacts{spec: &hourly, request: "a", digests: digests{old}}, "old", "", "", rotation{cause: causeRequest}},
		{"the clock was set back while a secret waits", rotationFacts{spec: &hourly, digests: digests{
			digest("held", -20*time.Minute, ""), digest("next", -90*time.Minute, ""),
		}}, "held", "next", "", rotation{cause: causeSchedule}},
		{"it was not old enough for the one that waits", rotationFacts{spec: &hourly, digests: digests{young, early}}, "young", "early", "", rotation{}},

		{"it is revoked", rotationFacts{digests: digests{young}}, "young", "", "young", rotation{cause: causeRevocation}},
		{"it is revoked, whatever the window", rotationFacts{spec: new(opening("0 3 31 2 *", time.Hour, "")), digests: digests{young}}, "young", "", "young", rotation{cause: causeRevocation}},
		{"one before it is revoked", rotationFacts{digests: digests{old, young}}, "young", "", "old", rotation{}},
		{"the last, after it, is revoked", rotationFacts{digests: digests{young, coming}}, "young", "", "coming", rotation{cause: causeRevocation}},
		{"one after it is revoked", rotationFacts{digests: digests{young, coming, early}}, "young", "early", "coming", rotation{cause: causeRevocation}},
		{"one after it that has an end is revoked", rotationFacts{digests: digests{young, ended, early}}, "young", "", "ended", rotation{}},
		{"one that is not there is revoked", rotationFacts{digests: digests{young}}, "young", "", "old", rotation{}},

		{"there is just room", rotationFacts{spec: &hourly, digests: many(registration.MaxDigests - spareDigests - 1)}, "old", "", "", rotation{cause: causeSchedule}},
		{"there is no room", rotationFacts{spec: &hourly, digests: many(registration.MaxDigests - spareDigests)}, "old", "", "", rotation{crowded: true}},
		{"there is no room for a request", rotationFacts{request: "a", digests: many(registration.MaxDigests - spareDigests)}, "old", "", "", rotation{crowded: true}},
		{"there is always room for a revocation", rotationFacts{digests: many(registration.MaxDigests - 1)}, "old", "", "old", rotation{cause: causeRevocation}},
		{"there is none at all", rotationFacts{digests: many(registration.MaxDigests)}, "old", "", "old", rotation{crowded: true}},
		{"there is no room, but it has begun", rotationFacts{request: "b", digests: append(many(registration.MaxDigests-spareDigests), coming)}, "old", "coming", "", rotation{cause: causeRequest}},

		{"a person brought it", rotationFacts{brought: true, request: "a", digests: digests{young}}, "young", "", "", rotation{awaitsValue: causeRequest}},
		{"a person brought it, and it is revoked", rotationFacts{brought: true, digests: digests{young}}, "young", "", "young", rotation{awaitsValue: causeRevocation}},
	} {
		c.facts.now, c.facts.held, c.facts.parked = now, position(c.facts.digests, c.held), position(c.facts.digests, c.parked)
		c.facts.revoked = revocations{registration.Digest{SHA256: c.named}.ID(): true}
		if got := c.facts.plan(); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestRequestOf(t *testing.T) {
	asking := func(value string) string {
		oc := &v1alpha1.OAuthClient{}
		oc.Annotations = map[string]string{v1alpha1.AnnotationRotate: value}
		return requestOf(oc)
	}
	long, other := strings.Repeat("x", maxRequest+1), strings.Repeat("x", maxRequest)+"y"
	if asking("") != "" || asking("now") != "now" || asking(long[1:]) != long[1:] {
		t.Error("a short request is not itself")
	}
	if got := asking(long); len(got) > maxRequest || got == asking(other) || got != asking(long) {
		t.Errorf("a long request is %s", got)
	}
}

func TestRevocationsOf(t *testing.T) {
	for value, want := range map[string][]string{
		"": nil, "a1": {"a1"}, "a1,b2": {"a1", "b2"}, " a1 ,\tb2,, ": {"a1", "b2"},
	} {
		oc := &v1alpha1.OAuthClient{}
		oc.Annotations = map[string]string{v1alpha1.AnnotationRevoke: value}
		if got := slices.Sorted(maps.Keys(revocationsOf(oc))); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}

func TestTold(t *testing.T) {
	var said told
	a, b := types.NamespacedName{Name: "a"}, types.NamespacedName{Name: "b"}
	for i, c := range []struct {
		key  types.NamespacedName
		text string
		want bool
	}{
		{a, "", false}, {a, "x", true}, {a, "x", false}, {b, "x", true}, {a, "y", true}, {a, "x", true}, {a, "", false}, {a, "x", true},
	} {
		if got := said.first(c.key, c.text); got != c.want {
			t.Errorf("%d: got %t", i, got)
		}
	}
	said.first(a, "")
	said.first(b, "")
	if len(said.last) != 0 {
		t.Errorf("it remembers %v", said.last)
	}
}

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Hour: "1h", 90 * time.Minute: "1h30m", 15 * time.Minute: "15m", 720 * time.Hour: "720h", 61 * time.Second: "1m1s", 10 * time.Second: "10s", time.Hour + 20*time.Second: "1h0m20s",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
