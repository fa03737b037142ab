// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/storetest"
)

var namespaces atomic.Int64

// namespace makes one that is empty.
func namespace(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("state-%d", namespaces.Add(1))
	_, err := kubernetes.NewForConfigOrDie(server.Config).CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// open returns a Store as one replica has it.
func open(t testing.TB, namespace string, now func() time.Time, changes ...func(*rest.Config)) *Store {
	t.Helper()
	config := rest.CopyConfig(server.Config)
	for _, change := range append(changes, asUser) {
		change(config)
	}
	s, err := New(Config{REST: config, Namespace: namespace, Now: now, Timeout: maxTimeout})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	again := func(t testing.TB, clock *storetest.Clock, old store.Store) store.Store {
		return open(t, old.(*Store).api.namespace, clock.Now)
	}
	storetest.Run(t, storetest.Backend{
		Open: func(t testing.TB, clock *storetest.Clock) store.Store {
			return open(t, namespace(t), clock.Now)
		},
		Reopen: again, Another: again, Durable: true,
		DeleteByHand: func(t testing.TB, s store.Store, issuer, id string) error {
			name := objectName(grantKind, issuer, id)
			return deleteByHand(t, s.(*Store).api.namespace, grantKind, name)
		},
		Count: count,
		Steps: 1500,
	})
}

const issuer = "default"

// grant is one for a code that is issued now.
func grant(c *clock, id string) store.Grant {
	now := c.now()
	return store.Grant{
		ID: id, Issuer: issuer, ClientID: "docs.wiki", ClientUID: "uid-1",
		Subject: "subject-of-ann", Provider: "staff", PersonID: "ann",
		SessionID: "session-of-ann", Scopes: []string{"openid", "profile"}, AuthTime: now.Add(-time.Minute), IssuedAt: now, AdvancedAt: now,
		CodeExpiresAt: now.Add(time.Minute), ExpiresAt: now.Add(24 * time.Hour),
	}
}

func session(c *clock, id string) store.Session {
	now := c.now()
	return store.Session{
		ID: id, SignIn: "sign-in", Issuer: issuer, Subject: "subject-of-ann", Provider: "staff", PersonID: "ann",
		AuthTime: now, ExpiresAt: now.Add(8 * time.Hour),
	}
}

func consent(c *clock, scopes ...string) store.Consent {
	return store.Consent{
		Issuer: issuer, Subject: "subject-of-ann", Provider: "staff", PersonID: "ann",
		ClientID: "docs.wiki", ClientUID: "uid-1", Scopes: scopes, GivenAt: c.now(),
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// wantUnknown is for an error that says nothing about the record.
func wantUnknown(t *testing.T, what string, err error) {
	t.Helper()
	for _, no := range []error{store.ErrNotFound, store.ErrSpent, store.ErrRevoked, store.ErrReused, store.ErrUsed} {
		if err == nil || errors.Is(err, no) {
			t.Errorf("%s = %v, want an error that says nothing about the record", what, err)
		}
	}
}

// TestStore_Requests: what each verb costs the API server.
func TestStore_Requests(t *testing.T) {
	w, c, ctx := &wire{}, newClock(), t.Context()
	s := open(t, namespace(t), c.now, w.over)
	g := grant(c, "code")
	steps := []struct {
		what string
		do   func() error
		want string
	}{
		{"CreateSession", func() error { return s.CreateSession(ctx, session(c, "id")) }, "POST oauthsessions"},
		{"Session", func() error { _, err := s.Session(ctx, issuer, "id"); return err }, "GET oauthsessions"},
		{"RenewSession", func() error { return s.RenewSession(ctx, session(c, "id")) }, "GET oauthsessions, PATCH oauthsessions"},
		{"EndSession", func() error { return s.EndSession(ctx, issuer, "id") }, "DELETE oauthsessions"},
		{"RenewSession of nothing", func() error { return but(s.RenewSession(ctx, session(c, "id")), store.ErrNotFound) }, "GET oauthsessions"},
		{"Redeem", func() error { return s.Redeem(ctx, g) }, "POST oauthgrants"},
		{"Grant", func() error { _, err := s.Grant(ctx, issuer, "code"); return err }, "GET oauthgrants"},
		{"Advance", func() error { _, err := s.Advance(ctx, issuer, "code", 0, c.now()); return err }, "PATCH oauthgrants"},
		{"second Advance", func() error {
			_, err := s.Advance(ctx, issuer, "code", 0, c.now())
			return but(err, store.ErrReused)
		}, "PATCH oauthgrants, GET oauthgrants"},
		{"second Redeem", func() error { return but(s.Redeem(ctx, g), store.ErrSpent) }, "POST oauthgrants"},
		{"SessionGrants", func() error { _, err := s.SessionGrants(ctx, issuer, g.SessionID); return err }, "GET oauthgrants"},
		{"SessionGrants of no session", func() error { _, err := s.SessionGrants(ctx, issuer, ""); return err }, ""},
		{"Spend", func() error { return s.Spend(ctx, issuer, "jti", c.now().Add(time.Minute)) }, "POST oauthassertions"},
		{"second Spend", func() error { return but(s.Spend(ctx, issuer, "jti", c.now().Add(time.Minute)), store.ErrUsed) }, "POST oauthassertions, GET oauthassertions"},
		{"Revoke", func() error { return s.Revoke(ctx, issuer, "code") }, "DELETE oauthgrants"},
		{"Allow", func() error { return s.Allow(ctx, consent(c, "openid")) }, "POST oauthconsents"},
		{"second Allow", func() error { return s.Allow(ctx, consent(c, "email")) }, "POST oauthconsents, GET oauthconsents, PATCH oauthconsents"},
		{"Consent", func() error { _, err := s.Consent(ctx, issuer, "subject-of-ann", "docs.wiki"); return err }, "GET oauthconsents"},
		{"Forget", func() error { return s.Forget(ctx, issuer, "subject-of-ann", "docs.wiki") }, "DELETE oauthconsents"},
		{"Redeem of a code that is over", func() error { c.pass(time.Minute); return but(s.Redeem(ctx, g), store.ErrSpent) }, ""},
		{"Spend of what is over", func() error { return but(s.Spend(ctx, issuer, "jti", c.now()), store.ErrUsed) }, ""},
		{"Spend of a name that is over", func() error { return s.Spend(ctx, issuer, "jti", c.now().Add(time.Minute)) },
			"POST oauthassertions, GET oauthassertions, DELETE oauthassertions, POST oauthassertions"},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.what, err)
		}
		w.wantSent(t, step.what, slices.DeleteFunc(strings.Split(step.want, ", "), func(s string) bool { return s == "" })...)
	}
}

// but is nil for the error that was to be expected.
func but(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return fmt.Errorf("%w, want %w", err, want)
}

// TestStore_TimesAreCutOff: what is kept has microseconds, and never ends later than
// it should.
func TestStore_TimesAreCutOff(t *testing.T) {
	c := newClock() // with nanoseconds
	s := open(t, namespace(t), c.now)
	g := grant(c, "code")
	must(t, s.Redeem(t.Context(), g))
	got, err := s.Grant(t.Context(), issuer, "code")
	must(t, err)
	for name, times := range map[string][2]time.Time{
		"AuthTime": {got.AuthTime, g.AuthTime}, "IssuedAt": {got.IssuedAt, g.IssuedAt}, "AdvancedAt": {got.AdvancedAt, g.AdvancedAt},
		"CodeExpiresAt": {got.CodeExpiresAt, g.CodeExpiresAt}, "ExpiresAt": {got.ExpiresAt, g.ExpiresAt},
	} {
		if want := times[1].Truncate(time.Microsecond); !times[0].Equal(want) {
			t.Errorf("%s = %v, want %v", name, times[0], want)
		}
	}
}

func TestNew_Config(t *testing.T) {
	for name, c := range map[string]Config{
		"REST":      {Namespace: "clientele-system"},
		"Namespace": {REST: &rest.Config{}},
		"Timeout":   {REST: &rest.Config{}, Namespace: "clientele-system", Timeout: time.Hour},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("New without a good %s = %v, want an error that names it", name, err)
		}
	}
}

func TestObjectName(t *testing.T) {
	// Fixed: another name for the same record would make spent codes good again.
	if got, want := objectName(grantKind, "default", "code"), "uemqwy4jwhyfkg2p6tgm5xjmuucwq2a6"; got != want {
		t.Errorf("objectName = %q, want %q", got, want)
	}
	seen := map[string][]string{}
	for _, parts := range [][]string{
		{}, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"a", "b"}, {"ab"}, {"ab", ""}, {"a", "b", "c"}, {"a", "bc"},
		{"ann@example.com", "ÄÖ/ \x00"}, {strings.Repeat("long", 1000)},
	} {
		for _, k := range []kind{sessionKind, grantKind, consentKind, assertionKind} {
			name := objectName(k, parts...)
			if other, ok := seen[name]; ok {
				t.Errorf("%s%q and %q have the same name", k.name, parts, other)
			}
			seen[name] = append([]string{k.name}, parts...)
			if problems := validation.IsDNS1123Label(name); problems != nil {
				t.Errorf("objectName(%q) = %q: %v", parts, name, problems)
			}
			if strings.Contains(name, "ann") {
				t.Errorf("objectName(%q) = %q, which tells who that is", parts, name)
			}
		}
	}
}

// TestStore_RefusalsTellNoPerson: the API server repeats what it refuses.
func TestStore_RefusalsTellNoPerson(t *testing.T) {
	w, c := &wire{}, newClock()
	s := open(t, namespace(t), c.now, w.over)
	g := grant(c, "code")
	g.PersonID = strings.Repeat("ann", 1000)
	err := s.Redeem(t.Context(), g)
	wantUnknown(t, "Redeem of what the API server refuses", err)
	if err == nil || !strings.Contains(err.Error(), "spec.personID") || strings.Contains(err.Error(), "annann") {
		t.Errorf("Redeem = %v, want the field's name, and not what is in it", err)
	}
	w.wantSent(t, "Redeem", http.MethodPost+" oauthgrants")
}
