// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// What is allowed and what is not is a table beside the API server's rules, in
// policy_parity_test.go.

func TestPlainDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0h", time.Hour: "1h", 36 * time.Hour: "36h", 90 * time.Minute: "90m", time.Minute: "1m", 61 * time.Second: "61s",
		time.Hour + time.Second: "3601s", 1500 * time.Millisecond: "1s",
	} {
		if got := plainDuration(d); got != want {
			t.Errorf("plainDuration(%s) = %s, want %s", d, got, want)
		}
	}
}

// TestTermsFor_LeavesTheRuleAlone: what fills in a rule must not reach the cache.
func TestTermsFor_LeavesTheRuleAlone(t *testing.T) {
	server := &v1alpha1.AuthorizationServer{Spec: v1alpha1.AuthorizationServerSpec{
		Lifetimes: v1alpha1.Lifetimes{IDToken: minutes(15)},
		Policy:    &v1alpha1.Policy{Rules: []v1alpha1.PolicyRule{{Name: "a", MaxLifetimes: &v1alpha1.ClientLifetimes{AccessToken: hours(1)}}}},
	}}
	before := server.DeepCopy()
	for range 2 {
		got, _ := termsFor(server, nil)
		if l := got.rule.MaxLifetimes; *l.AccessToken != *hours(1) || *l.IDToken != *minutes(15) || l.RefreshToken != nil {
			t.Errorf("got %+v", l)
		}
	}
	if rule := server.Spec.Policy.Rules[0]; rule.MaxLifetimes.IDToken != nil || rule.ConsentModes != nil || before.Spec.Policy.Rules[0].ConsentModes != nil {
		t.Errorf("the rule has become %+v", rule)
	}
}

// TestPoliced: a registration is held to the same as the spec that it was made of.
func TestPoliced(t *testing.T) {
	issuer := &registration.Server{Name: "main", Scopes: registration.StandardScopes()}
	oc := (&world{app: "docs"}).wiki(isPublic, redirects("com.example.app:/cb"), logouts("https://x.example/"), asks("openid", "email"),
		consents(v1alpha1.ConsentNever), forAPIs("api://shop.orders"), lives(v1alpha1.ClientLifetimes{AccessToken: hours(1), RefreshTokenIdle: hours(2)}))
	oc.UID, oc.Spec.PKCE, oc.Spec.GrantTypes = "uid", v1alpha1.PKCERequired, []v1alpha1.GrantType{"authorization_code"}
	c, problem := desiredClient(oc, issuer)
	if problem != nil {
		t.Fatal(problem)
	}
	for _, rule := range []v1alpha1.PolicyRule{
		{ClientTypes: []v1alpha1.ClientType{"Confidential"}}, {RedirectSchemes: []v1alpha1.RedirectScheme{"https"}},
		{RedirectHosts: []v1alpha1.HostPattern{"y.example"}, ConsentModes: []v1alpha1.ConsentMode{"Never"}}, {Scopes: []v1alpha1.Scope{"openid"}}, {GrantTypes: []v1alpha1.GrantType{"refresh_token"}},
		{Audiences: []v1alpha1.AudiencePattern{"api://wiki.*"}}, {}, {ConsentModes: []v1alpha1.ConsentMode{"Never"}}, {NamespaceSelector: selecting(map[string]string{"a": "b"})},
		{ConsentModes: []v1alpha1.ConsentMode{"Never"}, MaxLifetimes: &v1alpha1.ClientLifetimes{AccessToken: hours(1)}},
		{ConsentModes: []v1alpha1.ConsentMode{"Never"}, MaxLifetimes: &v1alpha1.ClientLifetimes{AccessToken: hours(1), RefreshTokenIdle: hours(2)}},
	} {
		server := &v1alpha1.AuthorizationServer{Spec: v1alpha1.AuthorizationServerSpec{Policy: &v1alpha1.Policy{Rules: []v1alpha1.PolicyRule{rule}}}}
		ns := &metav1.PartialObjectMetadata{}
		want, err := evaluate(server, ns, &oc.Spec)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := evaluate(server, ns, policed(c)); got != want {
			t.Errorf("of what is registered: %q, want %q", got, want)
		}
		if allowed := rule.MaxLifetimes != nil && rule.MaxLifetimes.RefreshTokenIdle != nil; allowed != (want == "") {
			t.Errorf("rule %+v: %q", rule, want)
		}
	}
}
