// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/test/apiserver"
)

// testAdmission is what config/admission does beside agreeing with the controller.
func testAdmission(t *testing.T, g *gate) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *gate)
	}{
		{"a client_id", testClientIDs},
		{"a change", testChanges},
		{"a policy that cannot be read", testUnreadable},
		{"the largest policy and client", testLargest},
		{"the examples", testExamples},
		{"the default server", testDefaults}, // last: it makes some
	} {
		t.Run(c.name, func(t *testing.T) {
			g.t = t
			c.test(t, g)
		})
	}
}

// denied checks that an error is a refusal with that text.
func denied(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "denied request: "+want) {
		t.Errorf("got %v, want it denied with %q", err, want)
	}
}

func passes(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("got %v, want it to pass", err)
	}
}

func testClientIDs(t *testing.T, g *gate) {
	for id, theirs := range map[string]string{
		"plain.wiki": "", "plain.": "", "plain": "", "wiki": "", "Shop.wiki": "", "sh_op.wiki": "", "-shop.wiki": "", "shop-.wiki": "", ".wiki": "", "https://shop.example/": "",
		strings.Repeat("x", 64) + ".wiki": "",
		"shop.wiki":                       "shop", "plain2.wiki": "plain2", "s.": "s", "0.wiki": "0", "a.b.c": "a", "team-a.wiki": "team-a",
		strings.Repeat("x", 63) + ".wiki": strings.Repeat("x", 63),
	} {
		err := g.apply(g.client("open", "plain", func(s *v1alpha1.OAuthClientSpec) { s.ClientID = id }))
		if theirs == "" {
			passes(t, err)
		} else {
			denied(t, err, fmt.Sprintf("spec.clientID %s begins like a client_id of namespace %s, and so is kept for that. Create", id, theirs))
		}
	}
}

// testChanges: nothing but a change of a spec is held up by a policy that came later.
func testChanges(t *testing.T, g *gate) {
	as := g.server("changing")
	oc := g.client("changing", "plain")
	oc.Finalizers = []string{"example.com/hold"}
	g.make(oc)
	as.Spec.Policy = &v1alpha1.Policy{Rules: []v1alpha1.PolicyRule{{Name: "late", RedirectHosts: []v1alpha1.HostPattern{"late.example.com"}}}}
	passes(t, g.Update(t.Context(), as))
	g.until("the policy is in force", func() bool { return g.apply(g.client("changing", "plain")) != nil })

	oc.Annotations = map[string]string{v1alpha1.AnnotationRotate: "now"}
	passes(t, g.Update(t.Context(), oc))
	oc.Status.ClientID = "plain.wiki"
	passes(t, g.Status().Update(t.Context(), oc))
	changed := oc.DeepCopy()
	changed.Spec.DisplayName = "Changed"
	denied(t, g.Update(t.Context(), changed, client.DryRunAll), "spec.redirectURIs[0]: the host wiki.example.com is")
	changed.Spec.RedirectURIs = []v1alpha1.RedirectURI{"https://late.example.com/"}
	passes(t, g.Update(t.Context(), changed, client.DryRunAll))
	moved := oc.DeepCopy()
	on("open")(&moved.Spec)
	passes(t, g.Update(t.Context(), moved, client.DryRunAll))

	passes(t, g.Delete(t.Context(), oc))
	passes(t, g.Get(t.Context(), client.ObjectKeyFromObject(oc), oc))
	oc.Spec.DisplayName = "Going"
	passes(t, g.Update(t.Context(), oc))
	oc.Finalizers = nil
	passes(t, g.Update(t.Context(), oc))
	if err := g.Get(t.Context(), client.ObjectKeyFromObject(oc), oc); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("it is still there: %v", err)
	}
}

func testUnreadable(t *testing.T, g *gate) {
	for i, e := range []metav1.LabelSelectorRequirement{
		expression("tier", "in", "gold"), expression("tier", "In"), expression("tier", "NotIn"),
		expression("tier", "Exists", "gold"), expression("tier", "DoesNotExist", "gold"),
	} {
		name := fmt.Sprintf("unreadable-%d", i)
		as := g.server(name, v1alpha1.PolicyRule{Name: "fine"}, v1alpha1.PolicyRule{Name: "odd", NamespaceSelector: selecting(nil, e)})
		want := "AuthorizationServer " + name + ": namespaceSelector of rule odd in its spec.policy is not valid"
		if _, err := evaluate(as, g.spaces["plain"], &v1alpha1.OAuthClientSpec{}); err == nil || err.Error() != want {
			t.Errorf("the controller says %v, want %s", err, want)
		}
	}
	g.settled()
	for i := range 5 {
		name := fmt.Sprintf("unreadable-%d", i)
		denied(t, g.apply(g.client(name, "plain")), "AuthorizationServer "+name+": namespaceSelector of rule odd")
	}
}

// testLargest: the API server gives up on what costs too much, and then refuses.
func testLargest(t *testing.T, g *gate) {
	var rules []v1alpha1.PolicyRule
	for i := range 31 {
		rule := v1alpha1.PolicyRule{Name: fmt.Sprintf("rule-%d", i), NamespaceSelector: selecting(map[string]string{})}
		for j := range 15 {
			rule.NamespaceSelector.MatchLabels[fmt.Sprintf("label-%d", j)] = "value"
			rule.NamespaceSelector.MatchExpressions = append(rule.NamespaceSelector.MatchExpressions, expression(fmt.Sprintf("other-%d", j), "In", "a", "b", "c", "d"))
		}
		rules = append(rules, rule)
	}
	last := v1alpha1.PolicyRule{Name: "last", RedirectSchemes: []v1alpha1.RedirectScheme{"https"}}
	long := strings.Repeat("x", 63) + "."
	for i := range 64 {
		last.RedirectHosts = append(last.RedirectHosts, v1alpha1.HostPattern(fmt.Sprintf("*.%02d-", i)+strings.Repeat(long, 3)+"example.com"))
		last.Scopes = append(last.Scopes, v1alpha1.Scope(fmt.Sprintf("%02d", i)+strings.Repeat("s", 126)))
	}
	g.server("largest", append(rules, last)...)
	labels := map[string]string{}
	for i := range 15 {
		labels[fmt.Sprintf("label-%d", i)] = "value"
		labels[fmt.Sprintf("other-%d", i)] = "z"
	}
	g.namespace("labelled", labels)
	g.settled()

	host := strings.TrimPrefix(string(last.RedirectHosts[63]), "*.")
	large := func(s *v1alpha1.OAuthClientSpec) {
		s.RedirectURIs, s.Scopes = nil, last.Scopes
		for i := range 32 {
			path := fmt.Sprintf("/%02d", i)
			uri := "https://deep.deep." + host + path
			uri += strings.Repeat("p", 512-len(uri))
			s.RedirectURIs = append(s.RedirectURIs, v1alpha1.RedirectURI(uri))
		}
		s.PostLogoutRedirectURIs = s.RedirectURIs
	}
	passes(t, g.apply(g.client("largest", "labelled", large)))
	denied(t, g.apply(g.client("largest", "labelled", large, func(s *v1alpha1.OAuthClientSpec) {
		s.PostLogoutRedirectURIs = append(s.RedirectURIs[:31:31], "https://evil.example/")
	})), "spec.postLogoutRedirectURIs[31]: the host evil.example is not among those that rule last")
	denied(t, g.apply(g.client("largest", "labelled", large, func(s *v1alpha1.OAuthClientSpec) {
		s.RedirectURIs = nil
		for i := range 32 {
			uri := fmt.Sprintf("https://%02d", i) + strings.Repeat("e", 440)
			s.RedirectURIs = append(s.RedirectURIs, v1alpha1.RedirectURI(uri+"/"))
		}
	})), "spec.redirectURIs[0]: the host 00eee")
}

// testDefaults: a client that names no server is held to every default one, and to
// none if there is none.
func testDefaults(t *testing.T, g *gate) {
	passes(t, g.apply(g.client("nowhere", "plain")))
	passes(t, g.apply(g.client("", "plain", consents(v1alpha1.ConsentNever))))

	makeDefault := func(name string) {
		t.Helper()
		as := g.servers[name]
		as.Spec.Default = true
		passes(t, g.Update(t.Context(), as))
	}
	makeDefault("order")
	const first, second = "rule second of AuthorizationServer order", "rule narrow of AuthorizationServer narrow"
	refusedBy := func(by string) func() bool {
		return func() bool {
			err := g.apply(g.client("", "plain", asks("profile", "email")))
			return err != nil && strings.Contains(err.Error(), by)
		}
	}
	g.until("the default server is in force", refusedBy(first))
	passes(t, g.apply(g.client("", "plain", asks("profile"))))
	passes(t, g.apply(g.client("open", "plain", asks("openid"))))

	makeDefault("narrow")
	g.until("the second default server is in force too", func() bool { return g.apply(g.client("", "plain", asks("profile"))) != nil })
	denied(t, g.apply(g.client("", "plain", asks("profile"))), "spec.scopes[0]: the scope profile is not among those that "+second)
}

// testExamples: each file in hack/refused-by-policy says in its first line what it is
// refused with, where config/samples/authorizationserver_policy.yaml is in force.
func testExamples(t *testing.T, g *gate) {
	read := func(file string) *unstructured.Unstructured {
		t.Helper()
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(data, &o.Object); err != nil {
			t.Fatal(err)
		}
		o.SetAnnotations(map[string]string{"first-line": strings.SplitN(string(data), "\n", 2)[0]})
		return o
	}
	g.make(read(filepath.Join(apiserver.Root(), "config", "samples", "authorizationserver_policy.yaml")))
	g.namespace("sandbox", map[string]string{"sandbox": "true"})
	g.namespace("monitoring", nil)
	g.settled()

	files, err := filepath.Glob(filepath.Join(apiserver.Root(), "hack", "refused-by-policy", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		oc := read(file)
		want, ok := strings.CutPrefix(oc.GetAnnotations()["first-line"], "# Refused: ")
		if !ok {
			t.Errorf("%s does not begin with # Refused: and the message", file)
		}
		denied(t, g.Create(t.Context(), oc, client.DryRunAll), want)
	}
	passes(t, g.apply(g.client("teams", "team-a", redirects("https://wiki.a.example.com/callback"))))
	passes(t, g.apply(g.client("teams", "monitoring", consents(v1alpha1.ConsentNever), lives(v1alpha1.ClientLifetimes{RefreshToken: hours(2160)}))))
}
