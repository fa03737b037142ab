// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func serverOf(name string, age time.Duration, isDefault bool) v1alpha1.AuthorizationServer {
	return v1alpha1.AuthorizationServer{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0).Add(-age))},
		Spec:       v1alpha1.AuthorizationServerSpec{Default: isDefault, Issuer: "https://" + name + ".example.com"},
	}
}

func TestChooseServer(t *testing.T) {
	going := serverOf("going", 100, true)
	going.DeletionTimestamp, going.Finalizers = new(metav1.Now()), []string{finalizerClients}
	gone := serverOf("gone", 200, true)
	gone.DeletionTimestamp, gone.Finalizers = new(metav1.Now()), []string{"example.com/hold"}
	servers := []v1alpha1.AuthorizationServer{
		going, serverOf("plain", 50, false), serverOf("young", 10, true), gone, serverOf("same-b", 20*time.Second, true), serverOf("same-a", 20*time.Second, true),
	}
	for _, c := range []struct {
		name    string
		servers []v1alpha1.AuthorizationServer
		ref     string
		// registered is the server that the client is registered with.
		registered string
		want       string // a server or a reason
	}{
		{"by name", servers, "plain", "", "plain"},
		{"by name, not there", servers, "other", "", "AuthorizationServerNotFound"},
		{"by name, going", servers, "going", "", "AuthorizationServerDeleting"},
		{"by name, going, and another's", servers, "going", "plain", "AuthorizationServerDeleting"},
		{"by name, going, and registered there", servers, "going", "going", "going"},
		{"by name, gone but for a finalizer of others", servers, "gone", "gone", "AuthorizationServerNotFound"},
		{"the oldest default one, the first by name", servers, "", "", "same-a"},
		{"the default one, while registered with one that is going", servers, "", "going", "same-a"},
		{"no default one but one that is going", servers[:2], "", "", "AuthorizationServerDeleting"},
		{"no default one but one that is going, registered there", servers[:2], "", "going", "going"},
		{"no default one", servers[1:2], "", "", "NoDefaultAuthorizationServer"},
		{"none at all", nil, "", "", "NoDefaultAuthorizationServer"},
	} {
		server, problem := chooseServer(c.servers, c.ref, c.registered)
		got := ""
		if problem != nil {
			got = problem.reason
		} else {
			got = server.Name
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestDesiredClient(t *testing.T) {
	issuer := &registration.Server{Name: "main", Scopes: registration.StandardScopes()}
	oc := func(change func(*v1alpha1.OAuthClientSpec)) *v1alpha1.OAuthClient {
		oc := &v1alpha1.OAuthClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: "docs", Name: "wiki", UID: "uid"},
			Spec: v1alpha1.OAuthClientSpec{
				Type: v1alpha1.ClientTypeConfidential, RedirectURIs: []v1alpha1.RedirectURI{"https://wiki.example.com/cb"},
				Scopes: []v1alpha1.Scope{"openid"}, GrantTypes: []v1alpha1.GrantType{"authorization_code"}, PKCE: v1alpha1.PKCERequired,
			},
		}
		change(&oc.Spec)
		return oc
	}
	base := registration.Client{
		Version: 1, UID: "uid", Namespace: "docs", Name: "wiki", AuthorizationServer: "main", ClientID: "docs.wiki", DisplayName: "wiki",
		RedirectURIs: []string{"https://wiki.example.com/cb"}, Scopes: []string{"openid"}, GrantTypes: []string{"authorization_code"},
		TokenEndpointAuthMethod: "client_secret_basic", PKCERequired: true,
	}
	for _, c := range []struct {
		name   string
		change func(*v1alpha1.OAuthClientSpec)
		want   func(*registration.Client)
	}{
		{"as it is", func(*v1alpha1.OAuthClientSpec) {}, func(*registration.Client) {}},
		{"a display name", func(s *v1alpha1.OAuthClientSpec) { s.DisplayName = "Wiki" }, func(c *registration.Client) { c.DisplayName = "Wiki" }},
		{"post", func(s *v1alpha1.OAuthClientSpec) { s.TokenEndpointAuthMethod = "client_secret_post" },
			func(c *registration.Client) { c.TokenEndpointAuthMethod = "client_secret_post" }},
		{"Public", func(s *v1alpha1.OAuthClientSpec) { s.Type = v1alpha1.ClientTypePublic },
			func(c *registration.Client) { c.Public, c.TokenEndpointAuthMethod = true, "none" }},
		{"a back-channel logout URI", toldAt("http://wiki.docs.svc:8080/out"),
			func(c *registration.Client) { c.BackchannelLogoutURI = "http://wiki.docs.svc:8080/out" }},
		{"APIs of others", forAPIs("api://shop.orders", "https://api.example.com/"),
			func(c *registration.Client) { c.Audiences = []string{"api://shop.orders", "https://api.example.com/"} }},
		{"public subjects", func(s *v1alpha1.OAuthClientSpec) { s.SubjectType = v1alpha1.SubjectPublic }, func(*registration.Client) {}},
		{"pairwise subjects", func(s *v1alpha1.OAuthClientSpec) { s.SubjectType = v1alpha1.SubjectPairwise },
			func(c *registration.Client) { c.Pairwise = true }},
		{"keys of its own", func(s *v1alpha1.OAuthClientSpec) {
			s.TokenEndpointAuthMethod = v1alpha1.AuthMethodPrivateKeyJWT
			s.JWKS = &v1alpha1.JWKS{Keys: []v1alpha1.JWK{{Kty: "OKP", Crv: "Ed25519", X: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}}
		}, func(c *registration.Client) {
			c.TokenEndpointAuthMethod = "private_key_jwt"
			c.JWKS = []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
		}},
		{"keys that are fetched", func(s *v1alpha1.OAuthClientSpec) {
			s.TokenEndpointAuthMethod, s.JWKSURI = v1alpha1.AuthMethodPrivateKeyJWT, "https://wiki.example.com/jwks"
		}, func(c *registration.Client) {
			c.TokenEndpointAuthMethod, c.JWKSURI = "private_key_jwt", "https://wiki.example.com/jwks"
		}},
		{"without PKCE", func(s *v1alpha1.OAuthClientSpec) { s.PKCE = v1alpha1.PKCEOptional }, func(c *registration.Client) { c.PKCERequired = false }},
		{"without a PKCE policy", func(s *v1alpha1.OAuthClientSpec) { s.PKCE = "" }, func(*registration.Client) {}},
	} {
		want := base
		c.want(&want)
		got, problem := desiredClient(oc(c.change), issuer)
		if problem != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v; want %+v", c.name, got, problem, want)
		}
	}
	for _, c := range []struct {
		name            string
		change          func(*v1alpha1.OAuthClientSpec)
		reason, message string
	}{
		{"a scope that is not offered", func(s *v1alpha1.OAuthClientSpec) { s.Scopes = append(s.Scopes, "api") }, "UnsupportedScope", "the scope api;"},
		{"a redirect that cannot be parsed", func(s *v1alpha1.OAuthClientSpec) { s.RedirectURIs = append(s.RedirectURIs, "https://[:::]/") },
			"InvalidSpec", "redirectURIs[1]: is not a URI that can be parsed"},
		{"a key that is none", func(s *v1alpha1.OAuthClientSpec) {
			s.TokenEndpointAuthMethod = v1alpha1.AuthMethodPrivateKeyJWT
			s.JWKS = &v1alpha1.JWKS{Keys: []v1alpha1.JWK{{Kty: "OKP", Crv: "Ed25519", X: "AQ"}}}
		}, "InvalidSpec", "jwks: keys[0]: x is not 32 bytes long"},
		{"pairwise for two hosts", func(s *v1alpha1.OAuthClientSpec) {
			s.SubjectType, s.RedirectURIs = v1alpha1.SubjectPairwise, append(s.RedirectURIs, "https://shop.example.com/cb")
		}, "InvalidSpec", "subjectType pairwise needs redirectURIs that are all https and of one host"},
		{"a back-channel logout URI", toldAt("https://wiki.example.com/out#x"), "InvalidSpec", "backchannelLogoutURI: has a fragment"},
		{"an audience that is no URI", forAPIs("shop.orders"), "InvalidSpec", "audiences[0]: is not an absolute URI without a fragment"},
		{"two mistakes", func(s *v1alpha1.OAuthClientSpec) { s.RedirectURIs, s.PKCE, s.Type = nil, "Optional", "Public" }, "InvalidSpec", "redirectURIs is empty; pkceRequired is false"},
	} {
		_, problem := desiredClient(oc(c.change), issuer)
		if problem == nil || problem.reason != c.reason || !strings.Contains(problem.message, c.message) || strings.Contains(problem.message, "\n") {
			t.Errorf("%s: got %v, want %s with %q", c.name, problem, c.reason, c.message)
		}
	}
}

func TestIssuerHolder(t *testing.T) {
	a, b, other := serverOf("a", 30*time.Second, false), serverOf("b", 20*time.Second, false), serverOf("other", 40*time.Second, false)
	c := serverOf("c", 10*time.Second, false)
	b.Spec.Issuer, c.Spec.Issuer = a.Spec.Issuer+":443", a.Spec.Issuer
	all := []v1alpha1.AuthorizationServer{c, b, a, other}
	for _, r := range []struct {
		of   v1alpha1.AuthorizationServer
		want string
	}{{a, ""}, {b, "a"}, {c, "a"}, {other, ""}} {
		holder, name := issuerHolder(all, &r.of), ""
		if holder != nil {
			name = holder.Name
		}
		if name != r.want {
			t.Errorf("%s: got %q, want %q", r.of.Name, name, r.want)
		}
	}
}

func TestSameIssuer(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://a.example.com", "https://a.example.com", true},
		{"https://a.example.com", "https://a.example.com:443", true},
		{"http://localhost", "http://localhost:80", true},
		{"https://a.example.com", "https://a.example.com:8443", false},
		{"https://a.example.com", "https://a.example.com/a", false},
		{"https://a.example.com", "https://b.example.com", false},
		{"https://localhost", "http://localhost", false},
	} {
		if got := sameIssuer(c.a, c.b); got != c.want {
			t.Errorf("sameIssuer(%s, %s) = %t", c.a, c.b, got)
		}
	}
}

func TestLagging(t *testing.T) {
	for want, behind := range map[string][]string{
		"It is being confirmed":                       nil,
		"Replica a of":                                {"a"},
		"Replicas a, b, c of":                         {"a", "b", "c"},
		"Replicas a, b, c and 2 more of the authserv": {"a", "b", "c", "d", "e"},
	} {
		if got := lagging(acknowledgement{behind: behind}); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"short", "short"},
		{"exactly ten", "exactly…"},
		{"1234567äöü", "1234567…"},
		{"123456äöü", "123456…"},
	} {
		if got := shorten(c.in, 10); got != c.want || len(got) > 10 {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestFailure(t *testing.T) {
	secret := errors.New("admission webhook says client_secret=hunter2")
	for _, condition := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionRegistered} {
		p := failure(condition, secret)
		if strings.Contains(p.message, "hunter2") || p.reason != v1alpha1.ReasonFailed {
			t.Errorf("got %v", p)
		}
		if unknown := p.status == metav1.ConditionUnknown; unknown != (condition == v1alpha1.ConditionAccepted) {
			t.Errorf("%s is %s", condition, p.status)
		}
	}
}
