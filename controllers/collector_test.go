// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/test/apiserver"
)

// stock is a cache with what a collector counts.
type stock struct {
	client.Reader
	clients []v1alpha1.OAuthClient
	servers []v1alpha1.AuthorizationServer
	records []corev1.Secret
	leases  []coordinationv1.Lease
	fail    error
}

func (s *stock) List(_ context.Context, into client.ObjectList, opts ...client.ListOption) error {
	o := (&client.ListOptions{}).ApplyOptions(opts)
	if o.UnsafeDisableDeepCopy == nil || !*o.UnsafeDisableDeepCopy {
		return errors.New("a scrape copies everything")
	}
	switch into := into.(type) {
	case *v1alpha1.OAuthClientList:
		into.Items = s.clients
	case *v1alpha1.AuthorizationServerList:
		into.Items = s.servers
	case *corev1.SecretList:
		into.Items = s.records
	case *coordinationv1.LeaseList:
		into.Items = s.leases
	}
	return s.fail
}

func conditionsOf(status metav1.ConditionStatus, reason string) []metav1.Condition {
	return []metav1.Condition{
		{Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAccepted},
		{Type: v1alpha1.ConditionReady, Status: status, Reason: reason},
	}
}

func clientWith(conditions []metav1.Condition) v1alpha1.OAuthClient {
	return v1alpha1.OAuthClient{Status: v1alpha1.OAuthClientStatus{Conditions: conditions}}
}

// gathered is what a collector tells, but for zeros, by name and labels.
func gathered(t *testing.T, c prometheus.Collector) (got map[string]float64, series int) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got = map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			if series++; m.GetGauge().GetValue() != 0 {
				got[name] = m.GetGauge().GetValue()
			}
		}
	}
	return got, series
}

func TestCollector(t *testing.T) {
	now := noon
	day := 24 * time.Hour
	aged := func(name string, age time.Duration) (d1 corev1.Secret) {
		d := digest(name)
		d.Since = now.Add(-age)
		return recordWith(name, d)
	}
	rotated := recordWith("rotated", ending("old"), digest("current"))
	s := &stock{
		clients: []v1alpha1.OAuthClient{
			clientWith(nil),
			clientWith(conditionsOf(metav1.ConditionTrue, v1alpha1.ReasonReady)),
			clientWith(conditionsOf(metav1.ConditionTrue, v1alpha1.ReasonReady)),
			clientWith(conditionsOf(metav1.ConditionFalse, v1alpha1.ReasonSecretNotOwned)),
			clientWith(conditionsOf(metav1.ConditionUnknown, v1alpha1.ReasonFailed)),
			clientWith(conditionsOf(metav1.ConditionFalse, "Unheard")),
		},
		servers: []v1alpha1.AuthorizationServer{
			{Status: v1alpha1.AuthorizationServerStatus{Conditions: conditionsOf(metav1.ConditionFalse, v1alpha1.ReasonIssuerConflict)}},
		},
		records: []corev1.Secret{
			aged("a", -time.Minute), aged("b", day-1), aged("c", day), aged("d", 7*day), aged("e", 30*day),
			aged("f", 90*day), aged("g", 365*day), aged("h", 3000*day), rotated,
		},
		leases: []coordinationv1.Lease{*leaseOf("a", "1", "1"), *leaseOf("b", "1", "1")},
	}
	c := newCollector(s, Options{Namespace: "system", Clock: clocktesting.NewFakeClock(now)})
	want := map[string]float64{
		"clientele_oauthclients Ready": 2, "clientele_oauthclients Pending": 1, "clientele_oauthclients SecretNotOwned": 1,
		"clientele_oauthclients Failed": 1, "clientele_oauthclients Other": 1,
		"clientele_authorizationservers IssuerConflict": 1,
		"clientele_credentials lt_1d active":            3, "clientele_credentials lt_1d retiring": 1,
		"clientele_credentials lt_7d active": 1, "clientele_credentials lt_30d active": 1, "clientele_credentials lt_90d active": 1,
		"clientele_credentials lt_365d active": 1, "clientele_credentials older active": 2,
		"clientele_replicas": 2,
	}
	got, series := gathered(t, c)
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if n := len(clientStates) + len(serverStates) + 2*len(ages) + 1; series != n {
		t.Errorf("%d series, want %d: those that are zero, too", series, n)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}

	// The next scrape sees what has changed.
	mended := recordWith("rotated", digest("current"))
	mended.ResourceVersion = "2"
	s.records = []corev1.Secret{mended}
	got, _ = gathered(t, c)
	if got["clientele_credentials lt_1d active"] != 1 || got["clientele_credentials lt_1d retiring"] != 0 || len(c.records) != 1 {
		t.Errorf("after a change: %v, %d records are remembered", got, len(c.records))
	}
	s.fail = errors.New("not started")
	if _, series := gathered(t, c); series != 0 {
		t.Errorf("%d series without a cache", series)
	}
}

// TestCollector_KnowsEveryReason reads the closed list of reasons: a reason that is
// added must be counted, or be one that an object that is not Ready never has.
func TestCollector_KnowsEveryReason(t *testing.T) {
	never := []string{
		v1alpha1.ReasonAccepted, v1alpha1.ReasonSecretWritten, v1alpha1.ReasonLoaded, v1alpha1.ReasonUsersLoaded,
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(apiserver.Root(), "api", "v1alpha1", "conditions.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.ValueSpec)
		if !is || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		reason, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		found++
		if !slices.Contains(never, reason) && !slices.Contains(clientStates, reason) && !slices.Contains(serverStates, reason) {
			t.Errorf("reason %s is no state of any metric", reason)
		}
		return true
	})
	if found < 20 {
		t.Errorf("%d reasons were found", found)
	}
}

// BenchmarkCollector is a scrape of 10,000 OAuthClients with two secrets each.
func BenchmarkCollector(b *testing.B) {
	s := &stock{}
	for i := range 10_000 {
		s.clients = append(s.clients, clientWith(conditionsOf(metav1.ConditionTrue, v1alpha1.ReasonReady)))
		s.records = append(s.records, recordWith(fmt.Sprint("c", i), ending(fmt.Sprint("old", i)), digest(fmt.Sprint("current", i))))
	}
	scrape := func(c *collector) {
		to := make(chan prometheus.Metric, 1000)
		c.Collect(to)
	}
	o := Options{Namespace: "system", Clock: clocktesting.NewFakeClock(noon)}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			scrape(newCollector(s, o))
		}
	})
	b.Run("next", func(b *testing.B) {
		c := newCollector(s, o)
		scrape(c)
		for b.Loop() {
			scrape(c)
		}
	})
}
