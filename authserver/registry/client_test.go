// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// record is a valid client's; change changes one thing in it.
func record(change ...func(*registration.Client)) registration.Client {
	c := registration.Client{
		Version: registration.Version, UID: "uid-1", Namespace: "docs", Name: "wiki", AuthorizationServer: "default",
		ClientID: "docs.wiki", DisplayName: "Team Wiki", RedirectURIs: []string{"https://wiki.example.com/callback"},
		Scopes: []string{"openid", "profile"}, GrantTypes: []string{registration.GrantAuthorizationCode},
		TokenEndpointAuthMethod: registration.AuthMethodBasic, PKCERequired: true,
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func client(t testing.TB, change ...func(*registration.Client)) *Client {
	t.Helper()
	c, err := NewClient(record(change...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func redirects(uris ...string) func(*registration.Client) {
	return func(c *registration.Client) { c.RedirectURIs = uris }
}

func public(c *registration.Client) {
	c.Public, c.TokenEndpointAuthMethod = true, registration.AuthMethodNone
}

// TestRedirect changes one thing in a registered URI. Nothing is normalised: that
// two URIs mean the same is no reason to accept one.
func TestRedirect(t *testing.T) {
	c := client(t, public, redirects("https://wiki.example.com/callback", "https://wiki.example.com/cb?tenant=1",
		"https://wiki.example.com", "com.example.wiki:/callback"))
	tests := []struct {
		name, raw string
		want      bool
	}{
		{"registered", "https://wiki.example.com/callback", true},
		{"registered with a query", "https://wiki.example.com/cb?tenant=1", true},
		{"registered without a path", "https://wiki.example.com", true},
		{"registered with a scheme of its own", "com.example.wiki:/callback", true},
		{"empty", "", false},
		{"slash at the end", "https://wiki.example.com/callback/", false},
		{"no slash becomes a slash", "https://wiki.example.com/", false},
		{"query", "https://wiki.example.com/callback?x=1", false},
		{"empty query", "https://wiki.example.com/callback?", false},
		{"fragment", "https://wiki.example.com/callback#x", false},
		{"empty fragment", "https://wiki.example.com/callback#", false},
		{"no query", "https://wiki.example.com/cb", false},
		{"more in the query", "https://wiki.example.com/cb?tenant=1&x=2", false},
		{"another value in the query", "https://wiki.example.com/cb?tenant=2", false},
		{"path goes on", "https://wiki.example.com/callback/more", false},
		{"path is cut short", "https://wiki.example.com/callbac", false},
		{"path in upper case", "https://wiki.example.com/Callback", false},
		{"percent-encoded path", "https://wiki.example.com/%63allback", false},
		{"dot segments", "https://wiki.example.com/x/../callback", false},
		{"dot segments, encoded", "https://wiki.example.com/x/%2e%2e/callback", false},
		{"two slashes", "https://wiki.example.com//callback", false},
		{"backslash", "https://wiki.example.com\\callback", false},
		{"host in upper case", "https://WIKI.example.com/callback", false},
		{"scheme in upper case", "HTTPS://wiki.example.com/callback", false},
		{"http", "http://wiki.example.com/callback", false},
		{"default port", "https://wiki.example.com:443/callback", false},
		{"another port", "https://wiki.example.com:8443/callback", false},
		{"empty port", "https://wiki.example.com:/callback", false},
		{"user information", "https://user@wiki.example.com/callback", false},
		{"host as user information", "https://wiki.example.com@evil.example/callback", false},
		{"host goes on", "https://wiki.example.com.evil.example/callback", false},
		{"dot behind the host", "https://wiki.example.com./callback", false},
		{"subdomain", "https://a.wiki.example.com/callback", false},
		{"space behind", "https://wiki.example.com/callback ", false},
		{"space in front", " https://wiki.example.com/callback", false},
		{"line break behind", "https://wiki.example.com/callback\r\nX: y", false},
		{"NUL behind", "https://wiki.example.com/callback\x00", false},
		{"tab inside", "https://wiki.exam\tple.com/callback", false},
		{"scheme-relative", "//wiki.example.com/callback", false},
		{"relative", "/callback", false},
		{"javascript", "javascript:alert(1)", false},
		{"own scheme with another path", "com.example.wiki:/other", false},
		{"own scheme with an authority", "com.example.wiki://callback", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := c.Redirect(tt.raw)
			if ok != tt.want || ok && got.String() != tt.raw || !ok && got.String() != "" {
				t.Errorf("Redirect(%q) = %q, %v, want %v", tt.raw, got, ok, tt.want)
			}
		})
	}
}

// TestRedirect_Loopback: RFC 8252 section 7.3 lets the port of a loopback IP address
// vary, and nothing else.
func TestRedirect_Loopback(t *testing.T) {
	tests := []struct {
		name, registered, raw string
		want                  bool
	}{
		{"a port where none is registered", "http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", true},
		{"another port", "http://127.0.0.1:8080/cb", "http://127.0.0.1:51004/cb", true},
		{"no port where one is registered", "http://127.0.0.1:8080/cb", "http://127.0.0.1/cb", true},
		{"IPv6", "http://[::1]/cb", "http://[::1]:51004/cb", true},
		{"IPv6, another port", "http://[::1]:8080/cb", "http://[::1]:1/cb", true},
		{"highest port", "http://127.0.0.1/cb", "http://127.0.0.1:65535/cb", true},
		{"with a query", "http://127.0.0.1/cb?a=1", "http://127.0.0.1:5/cb?a=1", true},
		{"without a path", "http://127.0.0.1", "http://127.0.0.1:5", true},
		{"query without a path", "http://127.0.0.1?a=1", "http://127.0.0.1:5?a=1", true},
		{"escapes, byte for byte", "http://127.0.0.1/%7Ecb", "http://127.0.0.1:5/%7Ecb", true},
		{"escapes, otherwise spelled", "http://127.0.0.1/%7Ecb", "http://127.0.0.1:5/%7ecb", false},
		{"escapes resolved", "http://127.0.0.1/%7Ecb", "http://127.0.0.1:5/~cb", false},
		{"escapes added", "http://127.0.0.1/cb", "http://127.0.0.1:5/%63b", false},
		{"port zero", "http://127.0.0.1/cb", "http://127.0.0.1:0/cb", false},
		{"port too high", "http://127.0.0.1/cb", "http://127.0.0.1:65536/cb", false},
		{"port far too high", "http://127.0.0.1/cb", "http://127.0.0.1:" + strings.Repeat("9", 400) + "/cb", false},
		{"leading zero", "http://127.0.0.1/cb", "http://127.0.0.1:080/cb", false},
		{"empty port", "http://127.0.0.1/cb", "http://127.0.0.1:/cb", false},
		{"two ports", "http://127.0.0.1/cb", "http://127.0.0.1:1:2/cb", false},
		{"negative port", "http://127.0.0.1/cb", "http://127.0.0.1:-1/cb", false},
		{"port with a sign", "http://127.0.0.1/cb", "http://127.0.0.1:+1/cb", false},
		{"port in other digits", "http://127.0.0.1/cb", "http://127.0.0.1:\u0661/cb", false},
		{"port with an underscore", "http://127.0.0.1/cb", "http://127.0.0.1:1_0/cb", false},
		{"port as user information", "http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb", false},
		{"host as user information", "http://127.0.0.1/cb", "http://127.0.0.1@evil.example/cb", false},
		{"backslash behind the port", "http://127.0.0.1/cb", "http://127.0.0.1:80\\@evil.example/cb", false},
		{"host goes on", "http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", false},
		{"host goes on with digits", "http://127.0.0.1/cb", "http://127.0.0.11/cb", false},
		{"host goes on behind the port", "http://127.0.0.1", "http://127.0.0.1:80.evil.example", false},
		{"another loopback address", "http://127.0.0.1/cb", "http://127.0.0.2:5/cb", false},
		{"IPv6 for IPv4", "http://127.0.0.1/cb", "http://[::1]:5/cb", false},
		{"IPv4 in IPv6", "http://127.0.0.1/cb", "http://[::ffff:127.0.0.1]:5/cb", false},
		{"IPv6 in long", "http://[::1]/cb", "http://[0:0:0:0:0:0:0:1]:5/cb", false},
		{"IPv6 with a zone", "http://[::1]/cb", "http://[::1%25lo]:5/cb", false},
		{"IPv4 in hex", "http://127.0.0.1/cb", "http://0x7f.0.0.1:5/cb", false},
		{"IPv4 in short", "http://127.0.0.1/cb", "http://127.1:5/cb", false},
		{"localhost for 127.0.0.1", "http://127.0.0.1/cb", "http://localhost:5/cb", false},
		{"localhost is no IP address", "http://localhost/cb", "http://localhost:5/cb", false},
		{"localhost, exactly", "http://localhost:3000/cb", "http://localhost:3000/cb", true},
		{"https", "http://127.0.0.1/cb", "https://127.0.0.1:5/cb", false},
		{"https loopback has no such rule", "https://127.0.0.1/cb", "https://127.0.0.1:5/cb", false},
		{"another path", "http://127.0.0.1/cb", "http://127.0.0.1:5/other", false},
		{"no path", "http://127.0.0.1/cb", "http://127.0.0.1:5", false},
		{"slash for no path", "http://127.0.0.1", "http://127.0.0.1:5/", false},
		{"query added", "http://127.0.0.1/cb", "http://127.0.0.1:5/cb?x", false},
		{"fragment added", "http://127.0.0.1/cb", "http://127.0.0.1:5/cb#x", false},
		{"scheme in upper case", "http://127.0.0.1/cb", "HTTP://127.0.0.1:5/cb", false},
		{"line break", "http://127.0.0.1/cb", "http://127.0.0.1:5/cb\n", false},
		{"a port somewhere else", "http://127.0.0.1/cb:1", "http://127.0.0.1/cb:2", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := client(t, redirects(tt.registered)).Redirect(tt.raw); ok != tt.want {
				t.Errorf("Redirect(%q) = %q, %v, want %v", tt.raw, got, ok, tt.want)
			}
		})
	}
}

// FuzzRedirect registers whatever may be registered: what is accepted then is that,
// byte for byte, or differs in the digits of a loopback address's port.
func FuzzRedirect(f *testing.F) {
	f.Add("https://wiki.example.com/callback", "https://wiki.example.com/callback/")
	f.Add("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb")
	f.Add("http://[::1]:8080/cb?a=1", "http://[::1]:80/cb?a=1")
	f.Add("http://127.0.0.1:080/cb", "http://127.0.0.1:5:080/cb")
	f.Add("http://127.0.0.1", "http://127.0.0.1:80@evil.example")
	f.Add("http://[0:0::1]/", "http://[::1]/")
	f.Add("com.example.app:/cb", "com.example.app:cb")
	f.Fuzz(func(t *testing.T, registered, raw string) {
		c, err := NewClient(record(public, redirects(registered)))
		if err != nil {
			t.Skip()
		}
		got, ok := c.Redirect(raw)
		if !ok {
			if raw == registered || got.String() != "" {
				t.Errorf("Redirect(%q) = %q, false, for %q", raw, got, registered)
			}
			return
		}
		if got.String() != raw {
			t.Errorf("Redirect(%q) = %q, want what was asked for", raw, got)
		}
		if raw != registered && !onlyPortDiffers(registered, raw) {
			t.Errorf("Redirect(%q) is accepted for %q", raw, registered)
		}
	})
}

// onlyPortDiffers decides independently of Redirect: it takes the port out by
// parsing, and then both must be the same text.
func onlyPortDiffers(registered, raw string) bool {
	var without [2]string
	for i, s := range []string{registered, raw} {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" || u.User != nil || !slices.Contains([]string{"127.0.0.1", "::1"}, u.Hostname()) {
			return false
		}
		without[i] = s
		if port := u.Port(); port != "" {
			without[i] = strings.Replace(s, u.Host, strings.TrimSuffix(u.Host, ":"+port), 1)
		}
	}
	return without[0] == without[1]
}

func TestSoleRedirect(t *testing.T) {
	if got, ok := client(t).SoleRedirect(); !ok || got.String() != "https://wiki.example.com/callback" {
		t.Errorf("SoleRedirect = %q, %v, want the one that is registered", got, ok)
	}
	if got, ok := client(t, redirects("https://a.example/cb", "https://b.example/cb")).SoleRedirect(); ok || got.String() != "" {
		t.Errorf("SoleRedirect of two = %q, %v, want none", got, ok)
	}
}

func TestAccepts(t *testing.T) {
	secret, older, stranger := credential.New("secret"), credential.New("older"), credential.New("stranger")
	digests := func(all ...credential.Secret) func(*registration.Client) {
		return func(c *registration.Client) {
			for _, s := range all {
				c.Digests = append(c.Digests, registration.Digest{SHA256: s.Digest()})
			}
		}
	}
	tests := []struct {
		name   string
		client *Client
		secret credential.Secret
		want   bool
	}{
		{"the only one", client(t, digests(secret)), secret, true},
		{"the newest", client(t, digests(older, secret)), secret, true},
		{"the oldest", client(t, digests(older, secret)), older, true},
		{"another", client(t, digests(older, secret)), stranger, false},
		{"empty", client(t, digests(older, secret)), credential.Secret{}, false},
		{"the digest itself", client(t, digests(secret)), credential.New(secret.Digest()), false},
		{"none is registered", client(t), secret, false},
		{"empty, and none is registered", client(t), credential.Secret{}, false},
		{"a public client has none", client(t, public), credential.Secret{}, false},
	}
	for _, tt := range tests {
		want := ""
		if tt.want {
			want = registration.Digest{SHA256: tt.secret.Digest()}.ID()
		}
		if got, err := tt.client.Accepts(t.Context(), tt.secret, nil); got != want || err != nil {
			t.Errorf("%s: Accepts = %q, %v, want %q", tt.name, got, err, want)
		}
	}
}

func TestNewClient(t *testing.T) {
	c := client(t, func(c *registration.Client) { c.GrantTypes = append(c.GrantTypes, registration.GrantRefreshToken) })
	if c.ID() != "docs.wiki" || c.UID() != "uid-1" || c.Namespace() != "docs" || c.DisplayName() != "Team Wiki" ||
		c.Public() || !c.PKCERequired() || c.AuthMethod() != registration.AuthMethodBasic || c.Scopes().String() != "openid profile" {
		t.Errorf("client = %+v, want what the record says", c)
	}
	if !c.MayUse("authorization_code") || !c.MayUse("refresh_token") || c.MayUse("client_credentials") || c.MayUse("") {
		t.Error("MayUse differs from the record's grantTypes")
	}
	if c := client(t, func(c *registration.Client) { c.GrantUID = "uid-0" }); c.UID() != "uid-0" {
		t.Errorf("UID = %s, want that of the client whose grants it has taken over", c.UID())
	}
	for name, change := range map[string]func(*registration.Client){
		"another version":  func(c *registration.Client) { c.Version++ },
		"no redirect URI":  redirects(),
		"bad redirect URI": redirects("http://wiki.example.com/cb"),
		"public, secret":   func(c *registration.Client) { public(c); c.Digests = []registration.Digest{{SHA256: "x"}} },
	} {
		if _, err := NewClient(record(change)); err == nil {
			t.Errorf("%s: NewClient succeeded, want an error", name)
		}
	}
}

// TestNewClient_DoesNotAlias: a client that is being served never changes.
func TestNewClient_DoesNotAlias(t *testing.T) {
	r := record()
	c, err := NewClient(r)
	if err != nil {
		t.Fatal(err)
	}
	r.RedirectURIs[0], r.Scopes[0], r.GrantTypes[0] = "https://evil.example/", "everything", "password"
	if _, ok := c.Redirect("https://evil.example/"); ok || c.Scopes().Has("everything") || c.MayUse("password") {
		t.Error("changing the record has changed the client")
	}
}

func BenchmarkRedirect(b *testing.B) {
	var uris []string
	for i := range 16 {
		uris = append(uris, fmt.Sprintf("https://wiki-%d.example.com/callback", i))
	}
	c := client(b, redirects(append(uris, "http://127.0.0.1/cb")...))
	for _, raw := range []string{uris[15], "http://127.0.0.1:51004/cb", "https://evil.example/callback"} {
		b.Run(raw, func(b *testing.B) {
			for b.Loop() {
				c.Redirect(raw)
			}
		})
	}
}

func BenchmarkAccepts(b *testing.B) {
	for _, n := range []int{1, 2, registration.MaxDigests} {
		c := client(b, func(c *registration.Client) {
			for i := range n {
				c.Digests = append(c.Digests, registration.Digest{SHA256: credential.New(fmt.Sprint(i)).Digest()})
			}
		})
		secret := credential.New(fmt.Sprint(n - 1))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if id, _ := c.Accepts(b.Context(), secret, nil); id == "" {
					b.Fatal("refused")
				}
			}
		})
	}
}
