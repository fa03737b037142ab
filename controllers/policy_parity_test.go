// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/test/apiserver"
)

// gate is an API server with what config/admission holds.
type gate struct {
	client.Client
	t *testing.T
	// servers are the AuthorizationServers, as the API server has made them.
	servers map[string]*v1alpha1.AuthorizationServer
	spaces  map[string]*corev1.Namespace
}

func newGate(t *testing.T) *gate {
	t.Helper()
	config, stop, err := apiserver.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	scheme, err := Scheme()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Client: c, t: t, servers: map[string]*v1alpha1.AuthorizationServer{}, spaces: map[string]*corev1.Namespace{}}
	for _, file := range []string{"policy.yaml", "client_id.yaml"} {
		data, err := os.ReadFile(filepath.Join(apiserver.Root(), "config", "admission", file))
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(string(data), "\n---\n") {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
				t.Fatal(err)
			}
			g.make(o)
		}
	}
	return g
}

func (g *gate) make(o client.Object) {
	g.t.Helper()
	if err := g.Create(g.t.Context(), o, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
		g.t.Fatal(err)
	}
}

// server makes an AuthorizationServer; without rules it has no policy.
func (g *gate) server(name string, rules ...v1alpha1.PolicyRule) *v1alpha1.AuthorizationServer {
	g.t.Helper()
	as := (&world{}).server(name)
	if len(rules) > 0 {
		as.Spec.Policy = &v1alpha1.Policy{Rules: rules}
	}
	g.make(as)
	g.servers[name] = as
	return as
}

func (g *gate) namespace(name string, labels map[string]string) {
	g.t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	g.make(ns)
	g.spaces[name] = ns
}

// settled waits until what was made before is in force: a watch is in order, so what
// this makes last comes last.
func (g *gate) settled() {
	g.t.Helper()
	name := fmt.Sprintf("last-%d", len(g.servers))
	g.server(name, v1alpha1.PolicyRule{Name: "none", Scopes: []v1alpha1.Scope{"nothing"}})
	g.until(name+" is in force", func() bool { return g.apply(g.client(name, "plain")) != nil })
}

func (g *gate) until(what string, ok func() bool) {
	g.t.Helper()
	err := wait.PollUntilContextTimeout(g.t.Context(), 20*time.Millisecond, 20*time.Second, true,
		func(context.Context) (bool, error) { return ok(), nil })
	if err != nil {
		g.t.Fatalf("%s: %v", what, err)
	}
}

func (g *gate) client(server, namespace string, change ...func(*v1alpha1.OAuthClientSpec)) *v1alpha1.OAuthClient {
	oc := (&world{app: namespace}).wiki(change...)
	if server != "" {
		on(server)(&oc.Spec)
	}
	return oc
}

// apply asks the API server, which stores nothing.
func (g *gate) apply(oc *v1alpha1.OAuthClient) error {
	return g.Create(g.t.Context(), oc.DeepCopy(), client.DryRunAll)
}

// defaulted is oc as the API server makes it, where a server allows all.
func (g *gate) defaulted(oc *v1alpha1.OAuthClient) *v1alpha1.OAuthClient {
	g.t.Helper()
	made := oc.DeepCopy()
	on("free")(&made.Spec)
	if err := g.Create(g.t.Context(), made, client.DryRunAll); err != nil {
		g.t.Fatal(err)
	}
	return made
}

func selecting(labels map[string]string, expressions ...metav1.LabelSelectorRequirement) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: labels, MatchExpressions: expressions}
}

func expression(key string, op metav1.LabelSelectorOperator, values ...string) metav1.LabelSelectorRequirement {
	return metav1.LabelSelectorRequirement{Key: key, Operator: op, Values: values}
}

func hours(n time.Duration) *metav1.Duration { return &metav1.Duration{Duration: n * time.Hour} }

func minutes(n time.Duration) *metav1.Duration { return &metav1.Duration{Duration: n * time.Minute} }

func redirects(uris ...v1alpha1.RedirectURI) func(*v1alpha1.OAuthClientSpec) {
	return func(s *v1alpha1.OAuthClientSpec) { s.RedirectURIs = uris }
}

func logouts(uris ...v1alpha1.RedirectURI) func(*v1alpha1.OAuthClientSpec) {
	return func(s *v1alpha1.OAuthClientSpec) { s.PostLogoutRedirectURIs = uris }
}

func toldAt(uri string) func(*v1alpha1.OAuthClientSpec) {
	return func(s *v1alpha1.OAuthClientSpec) { s.BackchannelLogoutURI = uri }
}

func keysAt(uri v1alpha1.WebURI) func(*v1alpha1.OAuthClientSpec) {
	return func(s *v1alpha1.OAuthClientSpec) {
		s.TokenEndpointAuthMethod, s.JWKSURI = v1alpha1.AuthMethodPrivateKeyJWT, uri
	}
}

func lives(l v1alpha1.ClientLifetimes) func(*v1alpha1.OAuthClientSpec) {
	return func(s *v1alpha1.OAuthClientSpec) { s.Lifetimes = &l }
}

func forAPIs(all ...v1alpha1.Audience) func(*v1alpha1.OAuthClientSpec) {
	return func(s *v1alpha1.OAuthClientSpec) { s.Audiences = all }
}

func consents(mode v1alpha1.ConsentMode) func(*v1alpha1.OAuthClientSpec) {
	return func(s *v1alpha1.OAuthClientSpec) { s.Consent = mode }
}

func asks(scopes ...v1alpha1.Scope) func(*v1alpha1.OAuthClientSpec) {
	return func(s *v1alpha1.OAuthClientSpec) { s.Scopes = scopes }
}

// refusal is a client that asks something of a server, and how the refusal begins; ""
// is none.
type refusal struct {
	name, server, namespace string
	change                  []func(*v1alpha1.OAuthClientSpec)
	want                    string
}

type changes = []func(*v1alpha1.OAuthClientSpec)

// refusals are what admission and the controller must agree on.
var refusals = []refusal{
	{"no policy: the least", "open", "plain", nil, ""},
	{"no policy: everything", "open", "plain", changes{
		isPublic, redirects("com.example.app:/cb", "http://127.0.0.1/cb", "https://anything.example/cb"), logouts("https://else.example/"),
		asks("openid", "offline_access", "unheard-of"), consents(v1alpha1.ConsentAlways),
	}, ""},
	{"no policy: Never", "open", "plain", changes{consents(v1alpha1.ConsentNever)},
		"spec.consent: the mode Never is not among those that AuthorizationServer open allows: Always, Once. Use one of them, or have the platform team add this one to consentModes of a rule in its spec.policy."},
	{"no policy: as long as the server's", "open", "plain", changes{lives(v1alpha1.ClientLifetimes{
		AccessToken: minutes(15), IDToken: minutes(15), RefreshToken: hours(720), RefreshTokenIdle: hours(168),
	})}, ""},
	{"no policy: a longer access token", "open", "plain", changes{lives(v1alpha1.ClientLifetimes{AccessToken: &metav1.Duration{Duration: 15*time.Minute + time.Second}})},
		"spec.lifetimes.accessToken: 901s is longer than the 15m that AuthorizationServer open allows. Shorten it, or have the platform team allow more in maxLifetimes.accessToken of a rule in its spec.policy."},
	{"no policy: longer by less than is shown", "open", "plain", changes{lives(v1alpha1.ClientLifetimes{AccessToken: &metav1.Duration{Duration: 15*time.Minute + time.Millisecond}})},
		"spec.lifetimes.accessToken: 15m is longer than the 15m"},
	{"no policy: a longer ID token", "open", "plain", changes{lives(v1alpha1.ClientLifetimes{IDToken: minutes(16)})}, "spec.lifetimes.idToken: 16m is longer than the 15m"},
	{"no policy: a longer refresh token", "open", "plain", changes{lives(v1alpha1.ClientLifetimes{RefreshToken: hours(721)})}, "spec.lifetimes.refreshToken: 721h is longer than the 720h"},
	{"no policy: a longer idle time", "open", "plain", changes{lives(v1alpha1.ClientLifetimes{RefreshTokenIdle: hours(169)})}, "spec.lifetimes.refreshTokenIdle: 169h is longer than the 168h"},

	{"the first rule that fits, by label", "per-team", "team-a", changes{redirects("https://wiki.a.example.com/cb")}, ""},
	{"another team's host", "per-team", "team-a", changes{redirects("https://wiki.a.example.com/cb", "https://wiki.b.example.com/cb")},
		"spec.redirectURIs[1]: the host wiki.b.example.com is not among those that rule team-a of AuthorizationServer per-team allows: *.a.example.com, *.A2.example.com, one.example.com. Use one of them, or have the platform team add this one to redirectHosts of that rule."},
	{"another team", "per-team", "team-b", changes{redirects("https://wiki.b.example.com/cb")}, ""},
	{"another team, by its name", "per-team", "team-b", changes{redirects("https://wiki.a.example.com/cb")}, "spec.redirectURIs[0]: the host wiki.a.example.com is not among those that rule team-b"},
	{"no rule fits", "per-team", "plain", nil,
		"metadata.namespace: no rule in spec.policy of AuthorizationServer per-team fits namespace plain, so it may not register clients. Have the platform team add a rule for it, or name another AuthorizationServer in spec.authorizationServerRef.name."},
	{"the first rule decides alone", "order", "team-a", changes{asks("profile")}, "spec.scopes[0]: the scope profile is not among those that rule first of AuthorizationServer order allows: openid."},
	{"the next rule for others", "order", "team-b", changes{asks("profile")}, ""},
	{"the next rule is not the first's", "order", "team-b", changes{asks("openid")}, "spec.scopes[0]: the scope openid is not among those that rule second of AuthorizationServer order allows: profile."},

	{"the domain itself is not below it", "per-team", "team-a", changes{redirects("https://a.example.com/cb")}, "spec.redirectURIs[0]: the host a.example.com is"},
	{"a host that ends alike", "per-team", "team-a", changes{redirects("https://evila.example.com/cb")}, "spec.redirectURIs[0]: the host evila.example.com is"},
	{"a host that begins alike", "per-team", "team-a", changes{redirects("https://wiki.a.example.com.evil.example/cb")}, "spec.redirectURIs[0]: the host wiki.a.example.com.evil.example is"},
	{"the host in the path", "per-team", "team-a", changes{redirects("https://evil.example/wiki.a.example.com")}, "spec.redirectURIs[0]: the host evil.example is"},
	{"the host in the query", "per-team", "team-a", changes{redirects("https://evil.example?x=.a.example.com")}, "spec.redirectURIs[0]: the host evil.example is"},
	{"an @ in the path", "per-team", "team-a", changes{redirects("https://evil.example/@wiki.a.example.com")}, "spec.redirectURIs[0]: the host evil.example is"},
	{"a dot at the end", "per-team", "team-a", changes{redirects("https://wiki.a.example.com./cb")}, "spec.redirectURIs[0]: the host wiki.a.example.com. is"},
	{"only a dot below", "per-team", "team-a", changes{redirects("https://.a.example.com/cb")}, "spec.redirectURIs[0]: the host .a.example.com is"},
	{"far below", "per-team", "team-a", changes{redirects("https://x.y.z.a.example.com/cb")}, ""},
	{"upper case of the host", "per-team", "team-a", changes{redirects("https://WIKI.A.Example.COM/cb")}, ""},
	{"upper case of the pattern", "per-team", "team-a", changes{redirects("https://wiki.a2.example.com/cb")}, ""},
	{"a host without a wildcard", "per-team", "team-a", changes{redirects("https://one.example.com/cb")}, ""},
	{"below a host without a wildcard", "per-team", "team-a", changes{redirects("https://x.one.example.com/cb")}, "spec.redirectURIs[0]: the host x.one.example.com is"},
	{"a port", "per-team", "team-a", changes{redirects("https://one.example.com:8443/cb")}, ""},
	{"a port of another host", "per-team", "team-a", changes{redirects("https://two.example.com:443/cb")}, "spec.redirectURIs[0]: the host two.example.com is"},
	{"http of a loopback address", "per-team", "team-a", changes{redirects("http://127.0.0.1/cb", "http://localhost:3000/cb")}, ""},
	{"an app's own scheme has no host", "per-team", "team-a", changes{isPublic, redirects("com.example.app://evil.example/cb")}, ""},
	{"the second of two alike", "per-team", "team-a", changes{redirects("https://one.example.com/a", "https://two.example.com/a", "https://two.example.com/b")}, "spec.redirectURIs[1]: the host two.example.com is"},
	{"after a logout, an allowed host", "per-team", "team-a", changes{redirects("https://one.example.com/"), logouts("https://x.a.example.com/")}, ""},
	{"after a logout, another host", "per-team", "team-a", changes{redirects("https://one.example.com/"), logouts("https://one.example.com/", "https://two.example.com/")},
		"spec.postLogoutRedirectURIs[1]: the host two.example.com is not among those that rule team-a of AuthorizationServer per-team allows: *.a.example.com, *.A2.example.com, one.example.com."},
	{"a back-channel host that is allowed", "per-team", "team-a", changes{redirects("https://one.example.com/"), toldAt("https://X.a.example.com:8443/out")}, ""},
	{"another back-channel host", "per-team", "team-a", changes{redirects("https://one.example.com/"), toldAt("https://two.example.com/out")},
		"spec.backchannelLogoutURI: the host two.example.com is not among those that rule team-a of AuthorizationServer per-team allows: *.a.example.com, *.A2.example.com, one.example.com. Use one of them, or have the platform team add this one to redirectHosts of that rule."},
	{"a Service, where hosts are named", "per-team", "team-a", changes{redirects("https://one.example.com/"), toldAt("http://wiki.docs.svc:8080/out")},
		"spec.backchannelLogoutURI: the host wiki.docs.svc is"},
	{"a back-channel host, without a policy", "open", "plain", changes{toldAt("http://wiki.docs.svc/out")}, ""},
	{"a back-channel IPv6 address", "addresses", "plain", changes{redirects("https://a.example/"), toldAt("https://[2001:DB8::1]/out")}, ""},
	{"another back-channel IPv6 address", "addresses", "plain", changes{redirects("https://a.example/"), toldAt("https://[2001:db8::2]/out")}, "spec.backchannelLogoutURI: the host [2001:db8::2] is"},
	{"a host of keys that is allowed", "per-team", "team-a", changes{redirects("https://one.example.com/"), keysAt("https://X.a.example.com:8443/jwks")}, ""},
	{"another host of keys", "per-team", "team-a", changes{redirects("https://one.example.com/"), keysAt("https://two.example.com/jwks")},
		"spec.jwksURI: the host two.example.com is not among those that rule team-a of AuthorizationServer per-team allows: *.a.example.com, *.A2.example.com, one.example.com. Use one of them, or have the platform team add this one to redirectHosts of that rule."},
	{"a host of keys, without a policy", "open", "plain", changes{keysAt("https://two.example.com/jwks")}, ""},
	{"an IPv6 address", "addresses", "plain", changes{redirects("https://[2001:db8::1]:8443/cb")}, ""},
	{"an IPv6 address in upper case", "addresses", "plain", changes{redirects("https://[2001:DB8::1]/cb")}, ""},
	{"another IPv6 address", "addresses", "plain", changes{redirects("https://[2001:db8::2]/cb")}, "spec.redirectURIs[0]: the host [2001:db8::2] is"},
	{"brackets are part of it", "addresses", "plain", changes{redirects("https://abc/cb")}, "spec.redirectURIs[0]: the host abc is"},
	{"an IPv4 address", "addresses", "plain", changes{redirects("https://10.0.0.1/cb")}, ""},
	{"another IPv4 address", "addresses", "plain", changes{redirects("https://10.0.0.10/cb")}, "spec.redirectURIs[0]: the host 10.0.0.10 is"},
	{"more than five are allowed", "addresses", "plain", changes{redirects("https://10.0.0.2/cb")},
		"spec.redirectURIs[0]: the host 10.0.0.2 is not among those that rule all of AuthorizationServer addresses allows: [2001:db8::1], [abc], 10.0.0.1, a.example, b.example and 2 more. Use"},

	{"a scheme that is allowed", "strict", "plain", changes{isPublic, redirects("com.example.app:/cb", "https://x.example/cb")}, ""},
	{"http that is not", "strict", "plain", changes{isPublic, redirects("https://x.example/cb", "http://127.0.0.1/cb")},
		"spec.redirectURIs[1]: the scheme http is not among those that rule strict of AuthorizationServer strict allows: https, com.example.app. Use one of them, or have the platform team add this one to redirectSchemes of that rule."},
	{"a scheme that begins alike", "strict", "plain", changes{isPublic, redirects("com.example.app2:cb")}, "spec.redirectURIs[0]: the scheme com.example.app2 is"},
	{"a scheme after a logout", "strict", "plain", changes{isPublic, redirects("https://x.example/"), logouts("http://localhost/")},
		"spec.postLogoutRedirectURIs[0]: the scheme http is not among those that rule strict of AuthorizationServer strict allows: https, com.example.app."},
	{"a type that is not", "strict", "plain", nil,
		"spec.type: the type Confidential is not among those that rule strict of AuthorizationServer strict allows: Public. Use one of them, or have the platform team add this one to clientTypes of that rule."},
	{"a scope that is not", "strict", "plain", changes{isPublic, asks("openid", "groups")},
		"spec.scopes[1]: the scope groups is not among those that rule strict of AuthorizationServer strict allows: openid, s1, s2, s3, s4 and 1 more. Use one of them, or have the platform team add this one to scopes of that rule."},
	{"the scopes by default", "strict", "plain", changes{isPublic}, ""},
	{"the scopes by default, of which one is not", "narrow", "plain", nil, "spec.scopes[0]: the scope openid is"},
	{"the grant types by default", "narrow", "plain", changes{asks("email")},
		"spec.grantTypes[1]: the grant type refresh_token is not among those that rule narrow of AuthorizationServer narrow allows: authorization_code. Use one of them, or have the platform team add this one to grantTypes of that rule."},
	{"a grant type that is allowed", "narrow", "plain", changes{asks("email"), func(s *v1alpha1.OAuthClientSpec) { s.GrantTypes = []v1alpha1.GrantType{"authorization_code"} }, consents(v1alpha1.ConsentAlways)}, ""},
	{"no audiences", "apis", "plain", nil, ""},
	{"an audience that is allowed", "apis", "plain", changes{forAPIs("api://shop.orders", "https://api.example.com/stock", "urn:example:stock")}, ""},
	{"an audience that is not", "apis", "plain", changes{forAPIs("api://shop.orders", "https://evil.example/")},
		"spec.audiences[1]: the audience https://evil.example/ is not among those that rule apis of AuthorizationServer apis allows: api://shop.*, https://api.example.com/stock, urn:example:*, api://a, api://b and 1 more. Use one of them, or have the platform team add this one to audiences of that rule."},
	{"the second of two audiences alike", "apis", "plain", changes{forAPIs("api://shop.orders", "api://x", "api://y")}, "spec.audiences[1]: the audience api://x is"},
	{"an audience that begins alike", "apis", "plain", changes{forAPIs("api://shop2.orders")}, "spec.audiences[0]: the audience api://shop2.orders is"},
	{"an audience that is the beginning", "apis", "plain", changes{forAPIs("api://shop.")}, "spec.audiences[0]: the audience api://shop. is"},
	{"an audience that has the beginning elsewhere", "apis", "plain", changes{forAPIs("https://evil.example/api://shop.orders")}, "spec.audiences[0]: the audience https://evil.example/api://shop.orders is"},
	{"an audience below one without a *", "apis", "plain", changes{forAPIs("https://api.example.com/stock/1")}, "spec.audiences[0]: the audience https://api.example.com/stock/1 is"},
	{"an audience in another case", "apis", "plain", changes{forAPIs("API://shop.orders")}, "spec.audiences[0]: the audience API://shop.orders is"},
	{"an audience that is a pattern", "apis", "plain", changes{forAPIs("api://*")}, "spec.audiences[0]: the audience api://* is"},
	{"audiences, where a rule says nothing", "order", "team-b", changes{asks("profile"), forAPIs("https://any.example/")}, ""},
	{"audiences, without a policy", "open", "plain", changes{forAPIs("https://any.example/")}, ""},
	{"scopes come before audiences", "order", "team-a", changes{asks("profile"), forAPIs("https://any.example/")}, "spec.scopes[0]:"},
	{"consent by default", "narrow", "plain", changes{asks("email"), func(s *v1alpha1.OAuthClientSpec) { s.GrantTypes = []v1alpha1.GrantType{"authorization_code"} }},
		"spec.consent: the mode Once is not among those that rule narrow of AuthorizationServer narrow allows: Always. Use one of them, or have the platform team add this one to consentModes of that rule."},
	{"Never, where a rule says nothing", "strict", "plain", changes{isPublic, consents(v1alpha1.ConsentNever)},
		"spec.consent: the mode Never is not among those that rule strict of AuthorizationServer strict allows: Always, Once. Use one of them, or have the platform team add this one to consentModes of that rule."},
	{"Never, where a rule allows it", "free", "plain", changes{consents(v1alpha1.ConsentNever)}, ""},
	{"longer, where a rule allows it", "free", "plain", changes{lives(v1alpha1.ClientLifetimes{
		AccessToken: hours(24), IDToken: hours(24), RefreshToken: hours(8760), RefreshTokenIdle: hours(8760),
	})}, ""},
	{"longer than a rule's", "lifetimes", "plain", changes{lives(v1alpha1.ClientLifetimes{AccessToken: minutes(61)})},
		"spec.lifetimes.accessToken: 61m is longer than the 1h that rule some of AuthorizationServer lifetimes allows. Shorten it, or have the platform team allow more in maxLifetimes.accessToken of that rule."},
	{"as long as a rule's", "lifetimes", "plain", changes{lives(v1alpha1.ClientLifetimes{AccessToken: hours(1)})}, ""},
	{"a rule's may be shorter than the server's", "lifetimes", "plain", changes{lives(v1alpha1.ClientLifetimes{RefreshToken: hours(25)})}, "spec.lifetimes.refreshToken: 25h is longer than the 24h that rule some"},
	{"what a rule leaves out is the server's", "lifetimes", "plain", changes{lives(v1alpha1.ClientLifetimes{IDToken: minutes(16)})}, "spec.lifetimes.idToken: 16m is longer than the 15m that rule some"},
	{"the type comes first", "strict", "plain", changes{redirects("http://127.0.0.1/"), asks("groups"), consents(v1alpha1.ConsentNever)}, "spec.type:"},

	{"In", "selectors", "in", nil, "spec.consent: the mode Once is not among those that rule in of"},
	{"NotIn, another value", "selectors", "not-in", nil, "spec.consent: the mode Once is not among those that rule not-in of"},
	{"Exists", "selectors", "exists", nil, "spec.consent: the mode Once is not among those that rule exists of"},
	{"labels and expressions", "selectors", "both", nil, "spec.consent: the mode Once is not among those that rule both of"},
	{"labels without the expression", "selectors", "half", nil, "metadata.namespace: no rule in"},
	{"DoesNotExist", "selectors", "bare", nil, "spec.consent: the mode Once is not among those that rule bare of"},
	{"an empty selector fits all", "everybody", "plain", nil, "spec.consent: the mode Once is not among those that rule everybody of"},
	{"NotIn fits where there is no such label", "others", "plain", nil, "spec.consent: the mode Once is not among those that rule others of"},
}

// furnish makes what refusals speak of.
func (g *gate) furnish() {
	g.t.Helper()
	g.namespace("plain", nil)
	for name, labels := range map[string]map[string]string{
		"team-a": {"team": "a"}, "team-b": nil,
		"in": {"tier": "gold", "x": "y"}, "not-in": {"tier": "lead", "x": "y"}, "exists": {"tier": "iron", "shop": "", "x": "y"},
		"both": {"tier": "iron", "a": "b", "c": "d", "x": "y"}, "half": {"tier": "iron", "a": "b", "x": "y"}, "bare": nil,
	} {
		g.namespace(name, labels)
	}
	always := []v1alpha1.ConsentMode{v1alpha1.ConsentAlways}
	byName := func(name string) *metav1.LabelSelector {
		return selecting(map[string]string{corev1.LabelMetadataName: name})
	}
	g.server("open")
	g.server("free", v1alpha1.PolicyRule{
		Name: "all", ConsentModes: []v1alpha1.ConsentMode{"Always", "Once", "Never"},
		MaxLifetimes: &v1alpha1.ClientLifetimes{AccessToken: hours(24), IDToken: hours(24), RefreshToken: hours(8760), RefreshTokenIdle: hours(8760)},
	})
	g.server("per-team",
		v1alpha1.PolicyRule{Name: "team-a", NamespaceSelector: selecting(map[string]string{"team": "a"}), RedirectHosts: []v1alpha1.HostPattern{"*.a.example.com", "*.A2.example.com", "one.example.com"}},
		v1alpha1.PolicyRule{Name: "team-b", NamespaceSelector: byName("team-b"), RedirectHosts: []v1alpha1.HostPattern{"*.b.example.com"}})
	g.server("order",
		v1alpha1.PolicyRule{Name: "first", NamespaceSelector: selecting(map[string]string{"team": "a"}), Scopes: []v1alpha1.Scope{"openid"}},
		v1alpha1.PolicyRule{Name: "second", Scopes: []v1alpha1.Scope{"profile"}})
	g.server("addresses", v1alpha1.PolicyRule{Name: "all", RedirectHosts: []v1alpha1.HostPattern{"[2001:db8::1]", "[abc]", "10.0.0.1", "a.example", "b.example", "c.example", "d.example"}})
	g.server("strict", v1alpha1.PolicyRule{
		Name: "strict", ClientTypes: []v1alpha1.ClientType{v1alpha1.ClientTypePublic}, RedirectSchemes: []v1alpha1.RedirectScheme{"https", "com.example.app"},
		Scopes: []v1alpha1.Scope{"openid", "s1", "s2", "s3", "s4", "s5"},
	})
	g.server("narrow", v1alpha1.PolicyRule{Name: "narrow", Scopes: []v1alpha1.Scope{"email"}, GrantTypes: []v1alpha1.GrantType{"authorization_code"}, ConsentModes: always})
	g.server("apis", v1alpha1.PolicyRule{Name: "apis", Audiences: []v1alpha1.AudiencePattern{
		"api://shop.*", "https://api.example.com/stock", "urn:example:*", "api://a", "api://b", "api://c",
	}})
	g.server("lifetimes", v1alpha1.PolicyRule{Name: "some", MaxLifetimes: &v1alpha1.ClientLifetimes{AccessToken: hours(1), RefreshToken: hours(24)}})
	g.server("selectors",
		v1alpha1.PolicyRule{Name: "in", NamespaceSelector: selecting(nil, expression("tier", "In", "gold", "silver")), ConsentModes: always},
		v1alpha1.PolicyRule{Name: "bare", NamespaceSelector: selecting(nil, expression("x", "DoesNotExist")), ConsentModes: always},
		v1alpha1.PolicyRule{Name: "not-in", NamespaceSelector: selecting(nil, expression("tier", "NotIn", "gold", "iron")), ConsentModes: always},
		v1alpha1.PolicyRule{Name: "exists", NamespaceSelector: selecting(nil, expression("shop", "Exists")), ConsentModes: always},
		v1alpha1.PolicyRule{Name: "both", NamespaceSelector: selecting(map[string]string{"a": "b"}, expression("c", "Exists"), expression("tier", "In", "iron")), ConsentModes: always})
	g.server("everybody", v1alpha1.PolicyRule{Name: "everybody", NamespaceSelector: &metav1.LabelSelector{}, ConsentModes: always})
	g.server("others", v1alpha1.PolicyRule{Name: "others", NamespaceSelector: selecting(nil, expression("tier", "NotIn", "gold")), ConsentModes: always})
	g.settled()
}

// TestPolicy_AdmissionAndControllerAgree: what only one of them refuses is either
// refused too late or can be had by going round kubectl.
func TestPolicy_AdmissionAndControllerAgree(t *testing.T) {
	g := newGate(t)
	g.furnish()
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			oc := g.client(c.server, c.namespace, c.change...)
			inGo, err := evaluate(g.servers[c.server], g.spaces[c.namespace], &g.defaulted(oc).Spec)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(inGo, c.want) || (c.want == "") != (inGo == "") {
				t.Errorf("the controller says %q, want %q", inGo, c.want)
			}
			switch err := g.apply(oc); {
			case err == nil && inGo != "":
				t.Errorf("the API server accepts what the controller refuses: %s", inGo)
			case err != nil && (inGo == "" || !strings.HasSuffix(err.Error(), "denied request: "+inGo)):
				t.Errorf("the API server says %q, the controller %q", err, inGo)
			}
		})
	}
	t.Run("beyond policy", func(t *testing.T) { g.t = t; testAdmission(t, g) })
}
