// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clientele-dev/clientele/internal/registration"
)

func TestVersions(t *testing.T) {
	for _, c := range []struct {
		a, b           string
		newer, atLeast bool
	}{
		{"2", "1", true, true},
		{"1", "1", false, true},
		{"1", "2", false, false},
		{"10", "9", true, true},
		{"9", "10", false, false},
		{"18446744073709551616", "18446744073709551615", true, true},
		{"1", "", true, true},
		{"", "1", false, false},
		{"", "", false, true},
		{"0", "1", false, false},
		{"1", "0", true, true},
		{"x", "1", false, false},
		{"-1", "1", false, false},
		{"01", "1", false, false},
	} {
		if got := newer(c.a, c.b); got != c.newer {
			t.Errorf("newer(%q, %q) = %t", c.a, c.b, got)
		}
		if got := atLeast(c.a, c.b); got != c.atLeast {
			t.Errorf("atLeast(%q, %q) = %t", c.a, c.b, got)
		}
	}
	if later("9", "10") != "10" || later("10", "9") != "10" || later("", "1") != "1" {
		t.Error("later is not the later one")
	}
}

// leaseOf is a replica's Lease in a version, saying what it has loaded.
func leaseOf(name, version, loaded string) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "system", Name: name, UID: types.UID("uid-" + name), ResourceVersion: version,
			Labels:      map[string]string{registration.LabelRecord: registration.RecordReplica},
			Annotations: map[string]string{registration.AnnotationLoaded: loaded},
		},
		Spec: coordinationv1.LeaseSpec{LeaseDurationSeconds: new(int32(10))},
	}
}

func TestReplicas_Behind(t *testing.T) {
	now := time.Now()
	rs := replicas{}
	rs.observe(leaseOf("b", "5", "10"), now)
	rs.observe(leaseOf("a", "6", "20"), now)
	rs.observe(leaseOf("c", "7", ""), now) // nobody knows what it has
	rs.observe(leaseOf("d", "8", "garbage"), now)
	for version, want := range map[string][]string{
		"9":  {"c", "d"},
		"10": {"c", "d"},
		"11": {"b", "c", "d"},
		"21": {"a", "b", "c", "d"},
	} {
		if got := rs.behind(version); !slices.Equal(got, want) {
			t.Errorf("behind(%s) = %v, want %v", version, got, want)
		}
	}
}

func TestReplicas_Lapse(t *testing.T) {
	start := time.Now()
	rs := replicas{}
	rs.observe(leaseOf("a", "5", "1"), start)
	without := leaseOf("b", "6", "1")
	without.Spec.LeaseDurationSeconds = nil
	rs.observe(without, start)
	if at, ok := rs.nextLapse(); !ok || at != start.Add(10*time.Second+lapseMargin) {
		t.Errorf("the next lapse is at %v, %t", at.Sub(start), ok)
	}
	if got := rs.lapsed(start.Add(10*time.Second + lapseMargin - 1)); len(got) > 0 {
		t.Errorf("%v lapsed early", got)
	}
	if got := rs.lapsed(start.Add(10*time.Second + lapseMargin)); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%v lapsed, want a", got)
	}
	if got := rs.lapsed(start.Add(defaultLeaseDuration + lapseMargin)); len(got) != 2 {
		t.Errorf("%v lapsed, want both", got)
	}

	// A heartbeat prolongs; the same version seen again does not, and neither does
	// an older one that a watch delivers late.
	later := start.Add(10 * time.Second)
	if rs.observe(leaseOf("a", "5", "1"), later) || rs.observe(leaseOf("a", "4", "1"), later) {
		t.Error("a version that was seen is news")
	}
	if got := rs.lapsed(start.Add(10*time.Second + lapseMargin)); len(got) != 1 {
		t.Errorf("%v lapsed, want a", got)
	}
	if !rs.observe(leaseOf("a", "7", "2"), later) {
		t.Error("a heartbeat is no news")
	}
	if got := rs.lapsed(start.Add(10*time.Second + lapseMargin)); len(got) != 0 {
		t.Errorf("%v lapsed after a heartbeat", got)
	}
}

func TestReplicas_Retain(t *testing.T) {
	now := time.Now()
	rs := replicas{}
	for _, l := range []*coordinationv1.Lease{leaseOf("kept", "5", "1"), leaseOf("gone", "6", "1"), leaseOf("new", "20", "1")} {
		rs.observe(l, now)
	}
	rs.retain([]coordinationv1.Lease{*leaseOf("kept", "5", "1")}, "10")
	if _, ok := rs["gone"]; ok {
		t.Error("a replica that the list does not have is kept")
	}
	if len(rs) != 2 {
		t.Errorf("got %v, want the one that is listed, and the one that is newer than the list", rs)
	}
}

func TestReplicas_Forget(t *testing.T) {
	rs := replicas{}
	rs.observe(leaseOf("a", "5", "1"), time.Now())
	rs.forget("a", "another-uid")
	if len(rs) != 1 {
		t.Error("a late deletion of an earlier Lease removed the replica")
	}
	rs.forget("a", "uid-a")
	if len(rs) != 0 {
		t.Error("the replica is still there")
	}
}
