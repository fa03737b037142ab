// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

// neighbours are issuers of one process: two hosts, and on one of them three paths, each
// the beginning of the next.
var neighbours = map[string]string{
	"main": mainIssuer, "team": pathIssuer, "blue": pathIssuer + "/blue", "other": hostIssuer,
}

// TestIssuers_Apart: issuers with the same people and, by name and secret, the same
// client. Nothing that one of them has given out is worth anything at another, though
// it is one browser that is signed in at all of them. That holds even where, by a
// mistake, they have the same keys.
func TestIssuers_Apart(t *testing.T) {
	for name, keysOfOne := range map[string]func(name string) *keys.Set{
		"keys of their own": func(name string) *keys.Set { return keysOf(t, name) },
		"the same keys":     func(string) *keys.Set { return keysOf(t, "main") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for name, url := range neighbours {
				i, err := registry.NewIssuer(serverRecord(name, url, nil), w.users, keysOfOne(name))
				if err != nil {
					t.Fatal(err)
				}
				w.registry.SetIssuer(i)
				w.registry.SetClient(clientOf(t, clientRecord("wiki", func(r *registration.Client) {
					r.AuthorizationServer, r.PostLogoutRedirectURIs = name, []string{outURI}
				})))
			}
			b := w.newBrowser()
			all, doors := map[string]possessions{}, map[string]map[string]door{}
			for _, issuer := range neighbours {
				all[issuer], doors[issuer] = b.collect(w, issuer), w.doors(issuer, b)
			}
			for _, here := range neighbours {
				for _, there := range neighbours {
					if here != there {
						wantClosed(t, doors[here], all[there])
					}
				}
			}
			// None of it did any harm: each is good where it came from, and leaving one
			// issuer is leaving no other.
			for issuer, things := range all {
				wantOpen(t, doors[issuer], things)
			}
		})
	}
}

// TestIssuers_Keys: each publishes and signs with keys of its own, under its own name,
// and a person has another sub at each.
func TestIssuers_Keys(t *testing.T) {
	w := newWorld(t)
	ofKey, ofSub := map[string]string{}, map[any]string{}
	for name, issuer := range neighbours {
		w.addIssuer(name, issuer, nil)
		w.registry.SetClient(clientOf(t, clientRecord("wiki", func(r *registration.Client) { r.AuthorizationServer = name })))
		all, _ := w.call(w.request(http.MethodGet, issuer+"/jwks", "")).ok().JSON["keys"].([]any)
		for _, key := range all {
			kid := key.(map[string]any)["kid"].(string)
			if other, ok := ofKey[kid]; ok {
				t.Errorf("%s and %s have the key %s", issuer, other, kid)
			}
			ofKey[kid] = issuer
		}
	}
	for _, issuer := range neighbours {
		p := w.newBrowser().get(authorizeURL(issuer, validRequest())).loginAs("alice", alicePass).decide("allow").is("code")
		if p.param("iss") != issuer {
			t.Errorf("iss of the response is %s", p.param("iss"))
		}
		a := w.call(w.tokenRequest(issuer, "docs.wiki", wikiSecret, redemption(p.param("code")))).ok()
		for _, kind := range []string{"id_token", "access_token"} {
			claims := a.claims(kind)
			if kid := kidOf(t, a.str(kind)); ofKey[kid] != issuer || claims["iss"] != issuer {
				t.Errorf("the %s of %s is of %v, and signed with a key of %s", kind, issuer, claims["iss"], ofKey[kid])
			}
		}
		sub := a.claims("id_token")["sub"]
		if other, ok := ofSub[sub]; ok {
			t.Errorf("the sub at %s is that at %s", issuer, other)
		}
		ofSub[sub] = issuer
	}
}

// kidOf is the key that a JWT names.
func kidOf(t *testing.T, raw string) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(raw, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	kid, _ := parsed.Header["kid"].(string)
	return kid
}

// TestIssuers_Discovery: in both forms, each tells of its own endpoints and of nobody
// else's, also where the path of one is the beginning of another's.
func TestIssuers_Discovery(t *testing.T) {
	w := newWorld(t)
	for name, issuer := range neighbours {
		w.addIssuer(name, issuer, nil)
	}
	for _, issuer := range neighbours {
		u, err := url.Parse(issuer)
		if err != nil {
			t.Fatal(err)
		}
		root := "https://" + u.Host
		for _, at := range []string{
			issuer + "/.well-known/openid-configuration", issuer + "/.well-known/oauth-authorization-server",
			root + "/.well-known/openid-configuration" + u.Path, root + "/.well-known/oauth-authorization-server" + u.Path,
		} {
			a := w.call(w.request(http.MethodGet, at, "")).ok()
			if a.JSON["issuer"] != issuer {
				t.Errorf("%s is of %v", at, a.JSON["issuer"])
			}
			for name, value := range a.JSON {
				if to, ok := value.(string); ok && name != "issuer" {
					w.wantIssuer(to, issuer)
				}
			}
		}
	}
}

// wantIssuer fails the test unless an endpoint is that of one issuer and no other.
func (w *world) wantIssuer(endpoint, issuer string) {
	w.t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		w.t.Fatal(err)
	}
	if i, _, ok := w.registry.Route(u.Host, u.Path); !ok || i.Issuer != issuer || !strings.HasPrefix(endpoint, issuer+"/") {
		w.t.Errorf("%s is no endpoint of %s", endpoint, issuer)
	}
}

// TestIssuers_Clients: who is registered with one is a stranger at every other.
func TestIssuers_Clients(t *testing.T) {
	w := newWorld(t)
	for name, issuer := range neighbours {
		w.addIssuer(name, issuer, nil)
	}
	for name, issuer := range neighbours {
		w.registry.SetClient(clientOf(t, clientRecord("shop", func(r *registration.Client) { r.AuthorizationServer = name })))
		for _, at := range neighbours {
			p := w.newBrowser().get(authorizeURL(at, with(validRequest(), "client_id", "docs.shop", "redirect_uri", "https://shop.example.com/callback")))
			a := w.call(w.tokenRequest(at, "docs.shop", shopSecret, redemption("x")))
			if at == issuer {
				p.is("login")
				a.refused(http.StatusBadRequest, "invalid_grant")
				continue
			}
			p.is("page Bad Request").has("not registered here")
			a.refused(http.StatusUnauthorized, "invalid_client")
		}
		w.registry.DeleteClient(name, "docs.shop")
	}
}

// TestIssuers_Users: each asks its own identity provider, at sign-in and ever after: two
// people of one name and id are two people.
func TestIssuers_Users(t *testing.T) {
	w := newWorld(t)
	other := newUsers(t)
	other.set(userList(t, "bob"), nil)
	i, err := registry.NewIssuer(serverRecord("other", hostIssuer, nil), other, keysOf(t, "other"))
	if err != nil {
		t.Fatal(err)
	}
	w.registry.SetIssuer(i)
	w.registry.SetClient(clientOf(t, clientRecord("wiki", func(r *registration.Client) { r.AuthorizationServer = "other" })))
	b := w.newBrowser()
	b.get(authorizeURL(hostIssuer, validRequest())).is("login").loginAs("alice", alicePass).is("page Forbidden")
	other.set(userList(t, "alice"), nil)
	b.collect(w, hostIssuer)
	b.collect(w, mainIssuer)
	// Taken away at one, she is what she was at the other.
	other.set(userList(t, "bob"), nil)
	silent := with(validRequest(), "prompt", "none")
	b.get(authorizeURL(hostIssuer, silent)).is("redirect login_required")
	b.get(authorizeURL(mainIssuer, silent)).is("code")
}

// TestIssuers_Cookies: a browser keeps a session of each, under a name of each, and
// sends a host only those of its issuers.
func TestIssuers_Cookies(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	for name, issuer := range neighbours {
		w.addIssuer(name, issuer, nil)
		w.registry.SetClient(clientOf(t, clientRecord("wiki", func(r *registration.Client) { r.AuthorizationServer = name })))
		b.collect(w, issuer)
	}
	for host, names := range map[string][]string{mainIssuer: {"main", "team", "blue"}, hostIssuer: {"other"}} {
		u, err := url.Parse(host)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, c := range b.client.Jar.Cookies(u) {
			got[c.Name] = c.Value
		}
		var want []string
		for _, name := range names {
			want = append(want, "__Host-clientele-"+name+"-session", "__Host-clientele-"+name+"-browser")
		}
		slices.Sort(want)
		if have := slices.Sorted(maps.Keys(got)); !slices.Equal(have, want) {
			t.Errorf("%s gets %v, want %v", host, have, want)
		}
		values := map[string]bool{}
		for _, v := range got {
			values[v] = true
		}
		if len(values) != len(got) {
			t.Errorf("%s: two cookies have one value", host)
		}
	}
}
