// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/internal/registration"
)

// usage is the report of replica one, nil if there is none.
func (a admin) usage() map[string]int64 {
	a.t.Helper()
	o, err := a.client.CoreV1().Secrets(a.namespace).Get(a.t.Context(), registration.UsageName("one"), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		a.t.Fatal(err)
	}
	u, err := registration.DecodeUsage(o.Data[registration.KeyUsage])
	if err != nil || o.Labels[registration.LabelRecord] != registration.RecordUsage {
		a.t.Fatalf("the report is malformed, or labelled %v: %v", o.Labels, err)
	}
	return u.Used
}

// reported is until when the Lease of replica one says that all use is reported.
func (a admin) reported() time.Time {
	a.t.Helper()
	l := a.lease()
	if l == nil {
		a.t.Fatal("there is no Lease")
	}
	until, err := time.Parse(time.RFC3339, l.Annotations[registration.AnnotationReported])
	if err != nil {
		a.t.Fatalf("the Lease does not say until when use is reported: %v", err)
	}
	return until
}

// wantUsage checks the report of replica one.
func (a admin) wantUsage(want map[string]time.Time) {
	a.t.Helper()
	minutes := map[string]int64{}
	for id, at := range want {
		minutes[id] = minuteOf(at)
	}
	if got := a.usage(); !maps.Equal(got, minutes) {
		a.t.Errorf("reported: %v, want %v", got, minutes)
	}
}

var one, two = secretID(1), secretID(2)

func TestReport_OnceInFiveMinutes(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		settle(time.Second)
		used := map[string]time.Time{one: time.Now()}
		r.Used(one)
		settle(5 * time.Minute)
		by.wantUsage(used)
		writes := func() int {
			n := 0
			for _, verb := range []string{"put", "post"} {
				n += r.link.count(verb, "secrets")
			}
			return n
		}
		before := writes()
		for range 6000 { // ten requests a second
			r.Used(one)
			settle(100 * time.Millisecond)
		}
		if n := writes() - before; n > 2 {
			t.Errorf("%d writes in ten minutes", n)
		}
		before = writes()
		if settle(time.Hour); writes()-before > 1 {
			t.Errorf("%d writes with nothing to tell", writes()-before)
		}
		used[two] = time.Now()
		used[one] = time.Unix(60*by.usage()[one], 0)
		r.Used(two)
		r.halt(t)
		by.wantUsage(used) // the last report
	})
}

// TestReport_NeverClaimsMore uses a secret every now and then while the API server
// comes and goes, and compares what the Lease claims with what the report has.
func TestReport_NeverClaimsMore(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		defer r.halt(t)
		defer r.link.cut(false)
		settle(time.Second)
		var uses []time.Time
		for i := range 600 {
			if i%7 == 0 {
				uses = append(uses, time.Now())
				r.Used(one)
			}
			r.link.cut(i%40 > 33)
			settle(11 * time.Second)
			if by.lease() == nil {
				continue
			}
			until, has := by.reported(), by.usage()[one]
			for _, at := range uses {
				if !at.After(until) && has < minuteOf(at) {
					t.Fatalf("the Lease claims all use until %v, and the report lacks the one at %v", until, at)
				}
			}
			if version := by.lease().Annotations[registration.AnnotationReport]; has > 0 && until.After(uses[0]) && version == "" {
				t.Fatal("the Lease does not say in which version all use is")
			}
		}
		if testutil.ToFloat64(r.store.metrics.reports.WithLabelValues("written")) < 10 {
			t.Errorf("few reports were written; log:\n%s", r.log)
		}
	})
}

func TestReport_NothingNewIsNewsToo(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		defer r.halt(t)
		settle(time.Second)
		for range 30 {
			settle(time.Minute)
			if lag := time.Since(by.reported()); lag < notingTime || lag > 2*time.Minute+5*time.Second {
				t.Fatalf("the Lease claims all use until %v ago, want a minute or two", lag)
			}
		}
		if by.usage() != nil {
			t.Error("a report of nothing")
		}
		// What is not reported yet holds the claim back.
		used := time.Now()
		r.Used(one)
		r.link.refuse("post", "secrets")
		if settle(20 * time.Minute); by.reported().After(used) {
			t.Errorf("the Lease claims all use until %v, and the one at %v is not reported", by.reported(), used)
		}
		if n := testutil.ToFloat64(r.store.metrics.reports.WithLabelValues("failed")); n < 5 {
			t.Errorf("%v failures are counted", n)
		}
		r.link.inject(nil)
		if settle(2 * time.Minute); time.Since(by.reported()) > 4*time.Minute {
			t.Errorf("the Lease claims all use until %v, long after the report could be written", by.reported())
		}
		by.wantUsage(map[string]time.Time{one: used})
	})
}

func TestReport_AfterAKilledProcess(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		killed := a.replica(t, "one").start(t)
		settle(time.Second)
		used := map[string]time.Time{one: time.Now()}
		killed.Used(one)
		settle(6 * time.Minute)
		acquired := by.lease().Spec.AcquireTime.Time
		killed.Used(two) // which nobody hears of
		killed.link.cut(true)

		next := a.replica(t, "one").start(t)
		defer next.halt(t)
		settle(time.Second)
		if l := by.lease(); !l.Spec.AcquireTime.After(acquired) || l.Annotations[registration.AnnotationReport] != "" {
			t.Errorf("the Lease does not tell that another process has begun: %+v", l)
		}
		by.wantUsage(used)
		settle(10 * time.Minute)
		used[secretID(3)] = time.Now()
		next.Used(secretID(3))
		settle(6 * time.Minute)
		by.wantUsage(used) // nothing that was reported is taken back
		if n := testutil.ToFloat64(next.store.metrics.reports.WithLabelValues("failed")); n > 0 {
			t.Errorf("%v failures are counted", n)
		}
	})
}

func TestReport_LostAnswersAndConflicts(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		r := a.replica(t, "one").start(t)
		settle(time.Second)
		n := 0
		r.link.inject(func(c call) error {
			if c.resource == "secrets" && (c.verb == "post" || c.verb == "put") && c.after {
				if n++; n%2 == 1 {
					return errors.New("the answer was lost")
				}
			}
			return nil
		})
		used := map[string]time.Time{}
		for i := range 20 {
			used[secretID(i)] = time.Now()
			r.Used(secretID(i))
			settle(7 * time.Minute)
			by.wantUsage(used)
		}
		// Another process of this name has written; somebody has deleted it.
		o := by.secret(registration.UsageName("one"))
		other := registration.Usage{Used: map[string]int64{secretID(99): minuteOf(time.Now())}}
		o.Data[registration.KeyUsage], _ = other.Encode()
		by.update(o)
		used[secretID(99)] = time.Now()
		for i := range 2 {
			used[one] = time.Now()
			r.Used(one)
			settle(7 * time.Minute)
			by.wantUsage(used)
			if i == 0 {
				by.delete(registration.UsageName("one"))
			}
		}
		r.halt(t)
	})
}

func TestReport_WhatIsInTheWay(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		mine := by.create(secretWith(registration.UsageName("one"), "", "mine", []byte("x")))
		r := a.replica(t, "one").start(t)
		settle(time.Second)
		r.Used(one)
		used := time.Now()
		settle(10 * time.Minute)
		if got := by.secret(mine.Name); got.ResourceVersion != mine.ResourceVersion || !strings.Contains(r.log.String(), "delete it, or rename it") {
			t.Errorf("a Secret that is no report was written to, or nobody is told; log:\n%s", r.log)
		}
		by.delete(mine.Name)
		by.create(secretWith(mine.Name, registration.RecordUsage, registration.KeyUsage, []byte("{")))
		settle(2 * time.Minute)
		by.wantUsage(map[string]time.Time{one: used})
		r.halt(t)
	})
}

// TestReport_AtTheEndIsBounded: an API server that does not answer holds nobody up.
func TestReport_AtTheEndIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, _ admin) {
		r := a.replica(t, "one").start(t)
		settle(21 * time.Second)
		r.Used(one)
		r.link.set(func(l *link) { l.delay = func(call) time.Duration { return time.Hour } })
		began := time.Now()
		r.end()
		if took := time.Since(began); took > 9*time.Second {
			t.Errorf("it took %v to end", took)
		}
	})
}
