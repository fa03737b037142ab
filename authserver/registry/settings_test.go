// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/token"
	"github.com/clientele-dev/clientele/internal/registration"
)

func TestClient_Admits(t *testing.T) {
	ada := identity.Person{ID: "1", Username: "ada", Name: "Ada", Email: "ada@example.com", Groups: []string{"staff", "math"}}
	for _, c := range []struct {
		name          string
		users, groups []string
		person        identity.Person
		want          bool
	}{
		{"everybody", nil, nil, ada, true},
		{"everybody, of whom nothing is known", nil, nil, identity.Person{}, true},
		{"user", []string{"grace", "ada"}, nil, ada, true},
		{"group", nil, []string{"math"}, ada, true},
		{"group, not user", []string{"grace"}, []string{"staff"}, ada, true},
		{"user, not group", []string{"ada"}, []string{"physics"}, ada, true},
		{"neither", []string{"grace"}, []string{"physics"}, ada, false},
		{"another user", []string{"grace"}, nil, ada, false},
		{"another group", nil, []string{"physics"}, ada, false},
		{"another case", []string{"Ada"}, []string{"Staff"}, ada, false},
		{"a part", []string{"ad", "adam"}, []string{"sta", "staff2"}, ada, false},
		{"a group of the user's name", nil, []string{"ada"}, ada, false},
		{"a user of the group's name", []string{"staff"}, nil, ada, false},
		{"the ID", []string{"1"}, nil, ada, false},
		{"the email address", []string{"ada@example.com"}, nil, ada, false},
		{"nothing is known of them", []string{"ada"}, []string{"staff"}, identity.Person{ID: "1"}, false},
		{"empty names", []string{""}, []string{""}, identity.Person{Groups: []string{""}}, false},
	} {
		r := client(t, func(r *registration.Client) { r.AllowedUsers, r.AllowedGroups = c.users, c.groups })
		if got := r.Admits(c.person); got != c.want {
			t.Errorf("%s: got %t, want %t", c.name, got, c.want)
		}
	}
}

func TestClient_SettingsOverTheIssuers(t *testing.T) {
	i := &Issuer{Server: registration.Server{
		Lifetimes: registration.Lifetimes{AccessToken: time.Minute, Session: time.Hour},
		Signing:   registration.Signing{IDTokenAlg: "RS256", AccessTokenAlg: "ES256"},
	}}
	now := time.Now()
	set, _, err := keys.Set{}.Rotate(now, keys.Schedule{Interval: time.Hour, Lead: time.Minute}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if i.Keys, err = token.NewKeySet("", set); err != nil {
		t.Fatal(err)
	}
	c := client(t)
	if c.Lifetimes(i) != i.Lifetimes || c.IDTokenAlg(i, now) != "RS256" || c.AccessTokenAlg(i, now) != "ES256" || c.Consent() != registration.ConsentOnce {
		t.Errorf("without settings: %+v %s %s %s", c.Lifetimes(i), c.IDTokenAlg(i, now), c.AccessTokenAlg(i, now), c.Consent())
	}
	c = client(t, func(r *registration.Client) {
		r.Lifetimes.AccessToken, r.IDTokenAlg, r.AccessTokenAlg, r.Consent = time.Second, "ES256", "RS256", registration.ConsentNever
	})
	if got := c.Lifetimes(i); got.AccessToken != time.Second || got.Session != time.Hour {
		t.Errorf("lifetimes are %+v", got)
	}
	if c.IDTokenAlg(i, now) != "ES256" || c.AccessTokenAlg(i, now) != "RS256" || c.Consent() != registration.ConsentNever {
		t.Errorf("got %s %s %s", c.IDTokenAlg(i, now), c.AccessTokenAlg(i, now), c.Consent())
	}
}

func TestClient_LogoOrigin(t *testing.T) {
	for uri, want := range map[string]string{
		"":                                "",
		"https://wiki.example.com":        "https://wiki.example.com",
		"https://wiki.example.com/a/b?c":  "https://wiki.example.com",
		"https://cdn.example.com:8443?x":  "https://cdn.example.com:8443",
		"https://cdn.example.com/;x'*y,z": "https://cdn.example.com",
	} {
		if got := client(t, func(r *registration.Client) { r.LogoURI = uri }).LogoOrigin(); got != want {
			t.Errorf("%s: got %q, want %q", uri, got, want)
		}
	}
}

// TestClient_PostLogout: nothing but the registered bytes, a loopback port included.
func TestClient_PostLogout(t *testing.T) {
	c := client(t, func(r *registration.Client) {
		r.PostLogoutRedirectURIs = []string{"https://wiki.example.com/", "http://127.0.0.1:8000/out"}
	})
	for raw, want := range map[string]bool{
		"https://wiki.example.com/":         true,
		"http://127.0.0.1:8000/out":         true,
		"":                                  false,
		"https://wiki.example.com":          false,
		"https://wiki.example.com/?foo=bar": false,
		"https://wiki.example.com/out":      false,
		"https://WIKI.example.com/":         false,
		"https://wiki.example.com/#":        false,
		"http://127.0.0.1:8001/out":         false,
		"http://127.0.0.1/out":              false,
		"https://wiki.example.com/callback": false, // a redirect URI is none of these
	} {
		to, ok := c.PostLogout(raw)
		if ok != want || ok && to.String() != raw || !ok && to != (PostLogoutURI{}) {
			t.Errorf("%q: got %q, %t, want %t", raw, to, ok, want)
		}
	}
}

// TestClient_SettingsAreItsOwn: what a caller does to a record afterwards changes nothing.
func TestClient_SettingsAreItsOwn(t *testing.T) {
	r := record(func(r *registration.Client) {
		r.AllowedUsers, r.AllowedGroups, r.PostLogoutRedirectURIs = []string{"ada"}, []string{"staff"}, []string{"https://wiki.example.com/"}
	})
	c, err := NewClient(r)
	if err != nil {
		t.Fatal(err)
	}
	r.AllowedUsers[0], r.AllowedGroups[0], r.PostLogoutRedirectURIs[0] = "mallory", "thieves", "https://evil.example/"
	_, led := c.PostLogout("https://evil.example/")
	if led || c.Admits(identity.Person{Username: "mallory"}) || c.Admits(identity.Person{Groups: []string{"thieves"}}) {
		t.Error("a caller's change reaches the client")
	}
}
