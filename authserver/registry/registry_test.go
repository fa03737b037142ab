// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/internal/registration"
)

// server is a valid record of an issuer.
func server(name, issuer string) registration.Server {
	return registration.Server{
		Version: registration.Version, UID: "uid-" + name, Name: name, Issuer: issuer,
		Scopes: registration.StandardScopes(),
		Lifetimes: registration.Lifetimes{
			AuthorizationCode: time.Minute, AccessToken: time.Hour, IDToken: time.Hour,
			RefreshToken: time.Hour, RefreshTokenIdle: time.Hour, Session: time.Hour,
		},
		Signing:           registration.Signing{IDTokenAlg: "RS256", AccessTokenAlg: "ES256", KeyRotationInterval: 24 * time.Hour},
		IdentityProviders: []registration.IdentityProvider{{Name: "staff", UsersSecret: "users"}},
	}
}

func anIssuer(t testing.TB, name, url string) *Issuer {
	t.Helper()
	i, err := NewIssuer(server(name, url), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestRoute(t *testing.T) {
	r := New(nil)
	for name, url := range map[string]string{
		"root": "https://login.example.com", "a": "https://login.example.com/a", "a-b": "https://login.example.com/a/b",
		"port": "https://login.example.com:8443", "paths": "https://paths.example.com/only/here", "https": "https://[2001:db8::1]",
		"v6-port": "https://[2001:db8::1]:8443/x", "local": "http://localhost:9096", "local-80": "http://127.0.0.1",
		"spelled": "https://spelled.example.com:443/x", "dots": "https://dots.example.com/a.b/c~d",
	} {
		r.SetIssuer(anIssuer(t, name, url))
	}
	const oauth, openid = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	tests := []struct {
		name, host, path string
		issuer, rest     string // no issuer: none is found
	}{
		{"root", "login.example.com", "/authorize", "root", "/authorize"},
		{"root, slash", "login.example.com", "/", "root", "/"},
		{"root, empty", "login.example.com", "", "root", ""},
		{"path issuer", "login.example.com", "/a/authorize", "a", "/authorize"},
		{"path issuer, itself", "login.example.com", "/a", "a", ""},
		{"path issuer, slash", "login.example.com", "/a/", "a", "/"},
		{"nested path issuer", "login.example.com", "/a/b/authorize", "a-b", "/authorize"},
		{"nested path issuer, itself", "login.example.com", "/a/b", "a-b", ""},
		{"path that only begins alike", "login.example.com", "/ab/authorize", "root", "/ab/authorize"},
		{"nested path that only begins alike", "login.example.com", "/a/bc", "a", "/bc"},
		{"path in upper case", "login.example.com", "/A/authorize", "root", "/A/authorize"},
		{"no root issuer", "paths.example.com", "/authorize", "", ""},
		{"no root issuer, part of the path", "paths.example.com", "/only/token", "", ""},
		{"no root issuer, its path", "paths.example.com", "/only/here/token", "paths", "/token"},
		{"dots in a path", "dots.example.com", "/a.b/c~d/token", "dots", "/token"},
		{"dots are no wildcards", "dots.example.com", "/aXb/c~d/token", "", ""},
		{"two slashes", "login.example.com", "//a/authorize", "root", "//a/authorize"},
		{"dot segments are not resolved", "login.example.com", "/x/../a/authorize", "root", "/x/../a/authorize"},

		{"default port", "login.example.com:443", "/a/authorize", "a", "/authorize"},
		{"default port of http", "login.example.com:80", "/a/authorize", "", ""},
		{"another port", "login.example.com:8443", "/authorize", "port", "/authorize"},
		{"a port nobody has", "login.example.com:9443", "/authorize", "", ""},
		{"issuer that spells its default port", "spelled.example.com", "/x/token", "spelled", "/token"},
		{"and asked for by it", "spelled.example.com:443", "/x/token", "spelled", "/token"},
		{"http and its port", "localhost:9096", "/authorize", "local", "/authorize"},
		{"http without its port", "localhost", "/authorize", "", ""},
		{"http's default port", "127.0.0.1:80", "/authorize", "local-80", "/authorize"},
		{"http's default port left out", "127.0.0.1", "/authorize", "local-80", "/authorize"},
		{"https's default port for http", "127.0.0.1:443", "/authorize", "", ""},
		{"IPv6", "[2001:db8::1]", "/authorize", "https", "/authorize"},
		{"IPv6, default port", "[2001:db8::1]:443", "/authorize", "https", "/authorize"},
		{"IPv6, another port", "[2001:db8::1]:8443", "/x/authorize", "v6-port", "/authorize"},
		{"IPv6 in upper case", "[2001:DB8::1]", "/authorize", "https", "/authorize"},
		{"IPv6 without brackets", "2001:db8::1", "/authorize", "", ""},
		{"IPv6 without brackets, port", "2001:db8::1:443", "/authorize", "", ""},

		{"host in upper case", "LOGIN.Example.Com", "/a/authorize", "a", "/authorize"},
		{"host in upper case, default port", "LOGIN.Example.Com:443", "/a/authorize", "a", "/authorize"},
		{"unknown host", "evil.example", "/authorize", "", ""},
		{"no host", "", "/authorize", "", ""},
		{"host goes on", "login.example.com.evil.example", "/authorize", "", ""},
		{"subdomain", "x.login.example.com", "/authorize", "", ""},
		{"dot behind the host", "login.example.com.", "/authorize", "", ""},
		{"two default ports", "login.example.com:443:443", "/authorize", "", ""},
		{"port only", ":443", "/authorize", "", ""},

		{"RFC 8414, root", "login.example.com", oauth, "root", oauth},
		{"RFC 8414, path", "login.example.com", oauth + "/a", "a", oauth},
		{"RFC 8414, nested path", "login.example.com", oauth + "/a/b", "a-b", oauth},
		{"RFC 8414, no such path", "login.example.com", oauth + "/c", "", ""},
		{"RFC 8414, below a path", "login.example.com", oauth + "/a/authorize", "", ""},
		{"RFC 8414, slash at the end", "login.example.com", oauth + "/a/", "", ""},
		{"RFC 8414, root, slash at the end", "login.example.com", oauth + "/", "", ""},
		{"RFC 8414, word goes on", "login.example.com", oauth + "x", "root", oauth + "x"},
		{"RFC 8414, unknown host", "evil.example", oauth + "/a", "", ""},
		{"RFC 8414, no root issuer", "paths.example.com", oauth, "", ""},
		{"RFC 8414, behind the path", "login.example.com", "/a" + oauth, "a", oauth},
		{"Discovery, root", "login.example.com", openid, "root", openid},
		{"Discovery, behind the path", "login.example.com", "/a/b" + openid, "a-b", openid},
		{"Discovery, before the path", "login.example.com", openid + "/a/b", "a-b", openid},
		{"Discovery, before no such path", "login.example.com", openid + "/c", "", ""},
		{"both", "login.example.com", oauth + openid, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i, rest, ok := r.Route(tt.host, tt.path)
			var name string
			if i != nil {
				name = i.Name
			}
			if name != tt.issuer || rest != tt.rest || ok != (tt.issuer != "") {
				t.Errorf("Route(%q, %q) = %q, %q, %v, want %q, %q", tt.host, tt.path, name, rest, ok, tt.issuer, tt.rest)
			}
		})
	}
}

// TestRoute_TwoAtOneURL: maps have no order, and replicas must agree.
func TestRoute_TwoAtOneURL(t *testing.T) {
	for range 50 {
		r := New(nil)
		r.SetIssuer(anIssuer(t, "b", "https://login.example.com/x"))
		r.SetIssuer(anIssuer(t, "a", "https://login.example.com:443/x"))
		r.SetIssuer(anIssuer(t, "c", "https://login.example.com"))
		if i, _, ok := r.Route("login.example.com", "/x/token"); !ok || i.Name != "a" {
			t.Fatalf("Route = %v, %v, want a", i, ok)
		}
	}
}

// FuzzRoute: whatever is found, host and path lead there, and the rest is the rest.
func FuzzRoute(f *testing.F) {
	r := New(nil)
	for name, url := range map[string]string{
		"root": "https://login.example.com", "a": "https://login.example.com/a", "b": "https://login.example.com/a/b",
		"v6": "https://[::1]:8443/x", "local": "http://localhost",
	} {
		r.SetIssuer(anIssuer(f, name, url))
	}
	for _, path := range []string{"/", "/a/b/token", wellKnown[0] + "/a", wellKnown[1] + "/a/b", "/a" + wellKnown[1], "//", ""} {
		for _, host := range []string{"login.example.com:443", "[::1]:8443", "LOCALHOST:80", ":", "[:443"} {
			f.Add(host, path)
		}
	}
	f.Fuzz(func(t *testing.T, host, path string) {
		i, rest, ok := r.Route(host, path)
		if !ok {
			if i != nil || rest != "" {
				t.Errorf("Route(%q, %q) = %v, %q, false", host, path, i, rest)
			}
			return
		}
		lowered := strings.ToLower(host)
		if lowered != i.Host && lowered != i.Host+map[bool]string{true: ":443", false: ":80"}[i.Secure] {
			t.Errorf("Route(%q, %q) = %s, whose host is %q", host, path, i.Name, i.Host)
		}
		if rest != "" && rest[0] != '/' {
			t.Errorf("Route(%q, %q) leaves %q, want a path", host, path, rest)
		}
		inserted := (rest == wellKnown[0] || rest == wellKnown[1]) && path == rest+i.Path
		if path != i.Path+rest && !inserted {
			t.Errorf("Route(%q, %q) = %s, %q, want them to make up the path", host, path, i.Name, rest)
		}
	})
}

func TestCanonicalHost(t *testing.T) {
	tests := []struct {
		host   string
		secure bool
		want   string
	}{
		{"a.example", true, "a.example"},
		{"a.example:443", true, "a.example"},
		{"a.example:443", false, "a.example:443"},
		{"a.example:80", false, "a.example"},
		{"a.example:80", true, "a.example:80"},
		{"A.Example:443", true, "a.example"},
		{"a.example:0443", true, "a.example:0443"},
		{"a.example:", true, "a.example:"},
		{"[::1]", true, "[::1]"},
		{"[::1]:443", true, "[::1]"},
		{"[::1]:8443", true, "[::1]:8443"},
		{"[::FFFF:1.2.3.4]:443", true, "[::ffff:1.2.3.4]"},
		{"::1:443", true, "::1:443"},
		{"1.2.3.4:80", false, "1.2.3.4"},
		{"", true, ""},
		{":443", true, ""},
	}
	for _, tt := range tests {
		if got := CanonicalHost(tt.host, tt.secure); got != tt.want {
			t.Errorf("CanonicalHost(%q, %v) = %q, want %q", tt.host, tt.secure, got, tt.want)
		}
	}
}

func TestNewIssuer(t *testing.T) {
	set, _, err := keys.Set{}.Rotate(time.Now(), keys.Schedule{Interval: time.Hour, Lead: time.Minute}, nil)
	if err != nil {
		t.Fatal(err)
	}
	record := server("default", "https://login.example.com:443/tenant")
	i, err := NewIssuer(record, nil, &set)
	if err != nil {
		t.Fatal(err)
	}
	if i.Host != "login.example.com" || i.Path != "/tenant" || !i.Secure || i.ProviderName != "staff" || !i.Ready() || i.Provider != nil {
		t.Errorf("issuer = %+v, want what the record says", i)
	}
	if got, want := i.Describe("openid"), "know that it is you"; got != want {
		t.Errorf("Describe(openid) = %q, want %q", got, want)
	}
	if got, want := i.Describe("unknown"), "unknown"; got != want {
		t.Errorf("Describe(unknown) = %q, want %q", got, want)
	}
	if got, want := i.ScopeNames().String(), "openid profile email address phone groups offline_access"; got != want {
		t.Errorf("ScopeNames = %q, want %q", got, want)
	}
	if bare := anIssuer(t, "x", "http://localhost:9096"); bare.Ready() || bare.Secure || bare.Path != "" || bare.Host != "localhost:9096" {
		t.Errorf("issuer without keys = %+v, want one that is not ready", bare)
	}
	for name, change := range map[string]func(*registration.Server, *keys.Set){
		"no identity provider": func(s *registration.Server, _ *keys.Set) { s.IdentityProviders = nil },
		"issuer is no URL":     func(s *registration.Server, _ *keys.Set) { s.Issuer = "login" },
		"no signing keys":      func(_ *registration.Server, k *keys.Set) { k.Keys = k.Of(keys.Seal) },
		"no sealing key":       func(_ *registration.Server, k *keys.Set) { k.Keys = append(k.Of(keys.RS256), k.Of(keys.ES256)...) },
	} {
		r, k := record, set
		change(&r, &k)
		if _, err := NewIssuer(r, nil, &k); err == nil {
			t.Errorf("%s: NewIssuer succeeded, want an error", name)
		}
	}
}

func TestRegistry_Clients(t *testing.T) {
	r := New(nil)
	here, there := anIssuer(t, "default", "https://a.example"), anIssuer(t, "other", "https://b.example")
	if _, ok := r.Client(here, "docs.wiki"); ok {
		t.Error("an empty registry has a client")
	}
	r.SetClient(client(t))
	if c, ok := r.Client(here, "docs.wiki"); !ok || c.UID() != "uid-1" {
		t.Errorf("Client = %v, %v, want the client", c, ok)
	}
	if _, ok := r.Client(there, "docs.wiki"); ok {
		t.Error("a client is found at another issuer")
	}
	if _, ok := r.Client(here, "DOCS.wiki"); ok {
		t.Error("a client_id in upper case finds the client")
	}
	r.SetClient(client(t, func(c *registration.Client) { c.UID = "uid-2" }))
	if c, ok := r.Client(here, "docs.wiki"); !ok || c.UID() != "uid-2" {
		t.Errorf("Client after SetClient = %v, %v, want the new one", c, ok)
	}
	r.DeleteClient("other", "docs.wiki")
	if _, ok := r.Client(here, "docs.wiki"); !ok {
		t.Error("deleting at another issuer has deleted the client")
	}
	r.DeleteClient("default", "docs.wiki")
	if _, ok := r.Client(here, "docs.wiki"); ok {
		t.Error("a deleted client is found")
	}
}

func TestRegistry_ZeroValue(t *testing.T) {
	var r Registry
	if _, _, ok := r.Route("login.example.com", "/"); ok || len(r.Issuers()) != 0 || !r.Current() {
		t.Error("the zero value is not an empty registry that is current")
	}
	r.DeleteIssuer("default")
	r.DeleteClient("default", "docs.wiki")
	if behind := New(func() bool { return false }); behind.Current() {
		t.Error("Current = true, want what the function says")
	}
}

// TestRegistry_Concurrent changes a registry while it is read: a reader sees one
// state or the other, and a map that it holds never changes.
func TestRegistry_Concurrent(t *testing.T) {
	r := New(nil)
	stays := anIssuer(t, "default", "https://login.example.com")
	r.SetIssuer(stays)
	r.SetClient(client(t))
	var all sync.WaitGroup
	for n := range 4 {
		comes := anIssuer(t, fmt.Sprint("tenant-", n), fmt.Sprintf("https://login.example.com/%d", n))
		all.Go(func() {
			for i := range 500 {
				r.SetIssuer(comes)
				r.SetClient(client(t, func(c *registration.Client) { c.UID = fmt.Sprint(i) }))
				r.SetClient(client(t, func(c *registration.Client) { c.ClientID = fmt.Sprint("docs.", i) }))
				r.DeleteClient("default", fmt.Sprint("docs.", i))
				r.DeleteIssuer(comes.Name)
			}
		})
		all.Go(func() {
			for range 500 {
				path := fmt.Sprintf("/%d/token", n)
				i, rest, ok := r.Route("login.example.com", path)
				if !ok || i == stays && rest != path || i != stays && rest != "/token" {
					t.Errorf("Route = %v, %q, %v, want one issuer or the other", i, rest, ok)
				}
				if _, ok := r.Client(stays, "docs.wiki"); !ok {
					t.Error("a client that is being replaced is not found")
				}
				held := r.Issuers()
				if held["default"] != stays {
					t.Error("an issuer that nobody changes is not found")
				}
			}
		})
	}
	all.Wait()
	if got := len(r.Issuers()); got != 1 {
		t.Errorf("%d issuers are left, want 1", got)
	}
}

func BenchmarkRoute(b *testing.B) {
	for _, n := range []int{1, 20} {
		r := New(nil)
		for i := range n {
			r.SetIssuer(anIssuer(b, fmt.Sprint(i), fmt.Sprintf("https://login.example.com/%d", i)))
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, _, ok := r.Route("login.example.com", "/0/token"); !ok {
					b.Fatal("not found")
				}
			}
		})
	}
}
