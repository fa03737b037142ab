// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/internal/registration"
)

func TestReplicas_Unable(t *testing.T) {
	rs := replicas{}
	for name, unloaded := range map[string]string{"b": "other,x", "a": "*", "c": "xx,other", "d": ""} {
		l := leaseOf(name, "5", "10")
		l.Annotations[registration.AnnotationUnloaded] = unloaded
		rs.observe(l, time.Now())
	}
	late := leaseOf("late", "5", "9")
	late.Annotations[registration.AnnotationUnloaded] = "x"
	rs.observe(late, time.Now())
	for _, c := range []struct {
		version, record string
		want            []string
	}{
		{"10", "x", []string{"a", "b"}},
		{"9", "x", []string{"a", "b", "late"}},
		{"10", "other", []string{"a", "b", "c"}},
		{"10", "else", []string{"a"}},
		{"11", "x", nil}, // they are behind, and may yet load it
	} {
		if got := rs.unable(c.version, c.record); !slices.Equal(got, c.want) {
			t.Errorf("unable(%s, %s) = %v, want %v", c.version, c.record, got, c.want)
		}
	}
}

// cannot delivers a Lease of a replica that has not loaded those records.
func (b *trackerBench) cannot(name, version, loaded, unloaded string) {
	b.write(name, version, loaded)
	b.api.leases[name].Annotations[registration.AnnotationUnloaded] = unloaded
	b.handle.OnAdd(b.api.leases[name], false)
}

func (b *trackerBench) askUnable(name string, want ...string) {
	b.t.Helper()
	got := b.sub.await(request(name), "20", name)
	if got.standing != standingUnable || !slices.Equal(got.unable, want) || got.safe() {
		b.t.Errorf("await(%s) = %+v, want %v to be unable", name, got, want)
	}
}

func TestTracker_ARecordThatAReplicaCannotLoad(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "20")
	b.see("b", "2", "10")
	b.ask("x", "20", standingBehind, "b")
	b.ask("y", "20", standingBehind, "b")
	b.run()
	b.woken()
	b.cannot("b", "3", "20", "x")
	b.woken("x", "y") // told in the same write
	b.askUnable("x", "b")
	b.ask("y", "20", standingLoaded)
	b.cannot("b", "4", "30", "x") // a heartbeat
	b.woken()
	b.see("b", "5", "31") // mended
	b.woken("x")
	b.ask("x", "20", standingLoaded)

	// Who waits for nothing is woken all the same: a record may be damaged, or an older
	// replica may join.
	b.cannot("a", "6", "40", "x,y")
	b.woken("x", "y")
	b.askUnable("x", "a")
	b.askUnable("y", "a")
	b.cannot("a", "7", "41", "others,x")
	b.woken("y")
	b.askUnable("x", "a")
	b.ask("y", "20", standingLoaded)
	b.unsee("a")
	b.woken("x")
	b.ask("x", "20", standingLoaded)
}

func TestTracker_MoreThanAReplicaCanName(t *testing.T) {
	b := newTrackerBench(t)
	b.see("a", "1", "20")
	b.run()
	b.ask("x", "20", standingUnconfirmed)
	b.run()
	b.woken("x")
	b.ask("x", "20", standingLoaded)
	b.cannot("a", "2", "21", "*")
	b.awaitEveryone("everyone")
	b.askUnable("x", "a")
	b.askUnable("y", "a")
	b.cannot("a", "3", "22", "*")
	b.woken()
	b.cannot("a", "4", "22", "y")
	b.woken("x")
	b.ask("x", "20", standingLoaded)
	b.askUnable("y", "a")
}

func TestLagging_Unable(t *testing.T) {
	for want, a := range map[string]acknowledgement{
		"It is being confirmed that every running replica of the authserver has loaded it.":                                                              {},
		"Replica a of the authserver has not loaded it yet.":                                                                                             {behind: []string{"a"}},
		"Replicas a, b, c of the authserver have not loaded it yet.":                                                                                     {behind: []string{"a", "b", "c"}},
		"Replicas a, b, c and 1 more of the authserver have not loaded it yet.":                                                                          {behind: []string{"a", "b", "c", "d"}},
		"Replica a of the authserver could not load it: its version may be older than the manager's.":                                                    {unable: []string{"a"}},
		"Replicas a, b of the authserver could not load it: their version may be older than the manager's.":                                              {unable: []string{"a", "b"}},
		"Replica a of the authserver could not load it: its version may be older than the manager's. Replica b of the authserver has not loaded it yet.": {unable: []string{"a"}, behind: []string{"b"}},
	} {
		if got := lagging(a); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestNamed(t *testing.T) {
	if r, ok := clientNamed(registration.ClientRecordName("shop", "wiki.v2")); !ok || r.Namespace != "shop" || r.Name != "wiki.v2" {
		t.Errorf("got %v, %t", r, ok)
	}
	if r, ok := serverNamed(registration.ServerRecordName("main.eu")); !ok || r.Name != "main.eu" || r.Namespace != "" {
		t.Errorf("got %v, %t", r, ok)
	}
	for _, name := range []string{"", "issuer-main", "registration-", "registration-shop", "registration-.x", "registration-x."} {
		if r, ok := clientNamed(name); ok {
			t.Errorf("%q is the record of OAuthClient %v", name, r)
		}
	}
	for _, name := range []string{"", "issuer-", "registration-shop.wiki"} {
		if r, ok := serverNamed(name); ok {
			t.Errorf("%q is the record of AuthorizationServer %v", name, r)
		}
	}
}
