// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

func TestNamespaceOf(t *testing.T) {
	for _, c := range []struct {
		clientID, want string // "" is none
	}{
		{"docs.wiki", "docs"},
		{"docs.", "docs"},
		{"docs.wiki.example", "docs"},
		{"team-a.x", "team-a"},
		{"0.x", "0"},
		{strings.Repeat("a", 63) + ".x", strings.Repeat("a", 63)},
		{strings.Repeat("a", 64) + ".x", ""},
		{"wiki", ""},
		{".wiki", ""},
		{"Docs.wiki", ""},
		{"-docs.wiki", ""},
		{"docs-.wiki", ""},
		{"docs_a.wiki", ""},
		{"https://docs.wiki", ""},
		{"docs/x.wiki", ""},
		{"docs\n.wiki", ""},
	} {
		got, is := namespaceOf(c.clientID)
		if is != (c.want != "") || is && got != c.want {
			t.Errorf("%q: got %q, %t; want %q", c.clientID, got, is, c.want)
		}
	}
}

func TestRegistrantOf(t *testing.T) {
	record := func(data string) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{registration.LabelRecord: registration.RecordClient}},
			Data:       map[string][]byte{registration.KeyClient: []byte(data)},
		}
	}
	other := record(`{"authorizationServer": "main", "clientID": "shop"}`)
	other.Labels[registration.LabelRecord] = registration.RecordCredentials
	for name, c := range map[string]struct {
		record *corev1.Secret
		want   string
	}{
		"a client":        {record(`{"namespace": "docs", "name": "wiki", "authorizationServer": "main", "clientID": "shop/x", "digests": []}`), "main/shop/x"},
		"withdrawn":       {record(`{"authorizationServer": "main", "clientID": "shop", "withdrawn": true}`), ""},
		"damaged":         {record(`{`), ""},
		"empty":           {record(`{}`), ""},
		"another's label": {other, ""},
	} {
		got, is := registrantOf(c.record)
		if is != (c.want != "") || is && got.claimed().String() != c.want {
			t.Errorf("%s: got %+v, %t; want %q", name, got, is, c.want)
		}
	}
}

func TestFreed(t *testing.T) {
	record := func(data string) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{registration.LabelRecord: registration.RecordClient}},
			Data:       map[string][]byte{registration.KeyClient: []byte(data)},
		}
	}
	has := record(`{"authorizationServer": "main", "clientID": "shop"}`)
	for name, c := range map[string]struct {
		before, after client.Object
		want          string
	}{
		"gone":             {has, nil, "shop"},
		"as it was":        {has, record(`{"authorizationServer": "main", "clientID": "shop", "displayName": "Shop"}`), ""},
		"withdrawn":        {has, record(`{"authorizationServer": "main", "clientID": "shop", "withdrawn": true}`), "shop"},
		"moved":            {has, record(`{"authorizationServer": "other", "clientID": "shop"}`), "shop"},
		"another":          {has, record(`{"authorizationServer": "main", "clientID": "other"}`), "shop"},
		"damaged":          {has, record(``), "shop"},
		"had nothing":      {record(``), has, ""},
		"no record at all": {&v1alpha1.OAuthClient{}, nil, ""},
	} {
		if got, free := freed(c.before, c.after); free != (c.want != "") || free && got != c.want {
			t.Errorf("%s: got %q, %t; want %q", name, got, free, c.want)
		}
	}
}

func TestFirst(t *testing.T) {
	client := func(age time.Duration, namespace, name string) *v1alpha1.OAuthClient {
		return &v1alpha1.OAuthClient{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0).Add(-age)),
		}}
	}
	in := []*v1alpha1.OAuthClient{
		client(2*time.Second, "z", "z"), client(time.Second, "a", "b"), client(time.Second, "a", "c"), client(time.Second, "b", "a"), client(0, "a", "a"),
	}
	for i, a := range in {
		for j, b := range in {
			if got := first(a, b); got != (i < j) {
				t.Errorf("first(%d, %d) = %t", i, j, got)
			}
		}
	}
}

func TestOtherwiseRefused(t *testing.T) {
	accepted := func(status metav1.ConditionStatus, reason string, generation int64) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.ConditionAccepted, Status: status, Reason: reason, ObservedGeneration: generation}}
	}
	for name, c := range map[string]struct {
		conditions []metav1.Condition
		want       bool
	}{
		"new":                         {nil, false},
		"accepted":                    {accepted("True", "Accepted", 2), false},
		"not decided":                 {accepted("Unknown", "AuthorizationServerNotAccepted", 2), false},
		"forbidden":                   {accepted("False", "PolicyViolation", 2), true},
		"forbidden before its change": {accepted("False", "PolicyViolation", 1), false},
		"waiting for the id, too":     {accepted("False", "ClientIDTaken", 2), false},
	} {
		oc := &v1alpha1.OAuthClient{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Status: v1alpha1.OAuthClientStatus{Conditions: c.conditions}}
		if got := otherwiseRefused(oc); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestClaims(t *testing.T) {
	c := newClaims()
	a, b := types.NamespacedName{Namespace: "docs", Name: "a"}, types.NamespacedName{Namespace: "docs", Name: "b"}
	shop, other := claimed{"main", "shop"}, claimed{"main", "other"}
	always := func(types.NamespacedName) bool { return true }
	never := func(types.NamespacedName) bool { return false }
	expect := func(what claimed, who, holder types.NamespacedName, wants func(types.NamespacedName) bool) {
		t.Helper()
		if got, is := c.take(what, who, wants); got != holder || is != (who == holder) {
			t.Errorf("%v takes %v: got %v, %t; want %v", who, what, got, is, holder)
		}
	}
	expect(shop, a, a, always)
	expect(shop, a, a, always)
	expect(shop, b, a, always)
	expect(other, a, a, always) // and gives up shop
	expect(shop, b, b, always)
	expect(shop, a, a, never) // b wants it no more
	expect(other, b, b, always)
	c.forget(a)
	c.forget(b)
	if len(c.by) != 0 || len(c.of) != 0 {
		t.Errorf("left: %v, %v", c.by, c.of)
	}
}

func TestClaims_OneOfManyWins(t *testing.T) {
	c := newClaims()
	var (
		wins  atomic.Int64
		tries sync.WaitGroup
	)
	for i := range 100 {
		tries.Go(func() {
			who := types.NamespacedName{Namespace: "docs", Name: strings.Repeat("x", i+1)}
			if _, got := c.take(claimed{"main", "shop"}, who, func(types.NamespacedName) bool { return true }); got {
				wins.Add(1)
			}
		})
	}
	tries.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d won", wins.Load())
	}
}

func TestRemaining(t *testing.T) {
	names := strings.Split("a/1 a/2 a/3 a/4 a/5 a/6 a/7 a/8 a/9 b/1 b/2 b/3", " ")
	for n, want := range map[int]string{
		1:  "until then: a/1. Delete",
		10: "a/9, b/1. Delete",
		12: "a/9, b/1 and 2 more. Delete",
	} {
		if got := remaining("main", names[:n]); !strings.Contains(got.message, want) || got.reason != v1alpha1.ReasonClientsRemain {
			t.Errorf("%d: got %v", n, got)
		}
	}
}
