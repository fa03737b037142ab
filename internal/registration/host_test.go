// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"strings"
	"testing"
)

func TestMatchesHost(t *testing.T) {
	for _, c := range []struct {
		pattern, uri string
		want         bool
	}{
		{"wiki.example.com", "https://wiki.example.com/cb", true},
		{"WIKI.example.com", "https://wiki.EXAMPLE.com:8443", true},
		{"wiki.example.com", "https://wiki.example.com.", false},
		{"wiki.example.com", "https://x.wiki.example.com", false},
		{"*.example.com", "https://wiki.example.com", true},
		{"*.example.com", "https://a.b.example.com", true},
		{"*.example.com", "https://example.com", false},
		{"*.example.com", "https://.example.com", false},
		{"*.example.com", "https://evilexample.com", false},
		{"*.example.com", "https://example.com.evil.example", false},
		{"*.example.com", "https://evil.example/.example.com", false},
		{"*.example.com", "https://evil.example?.example.com", false},
		{"*.example.com", "https://evil.example:443/wiki.example.com", false},
		{"*.k", "https://a.\u212A", false}, // the Kelvin sign, whose lower case is k
		{"[2001:db8::1]", "https://[2001:DB8::1]:8443/cb", true},
		{"[2001:db8::1]", "https://[2001:db8::1:1]/cb", false},
		{"[abc]", "https://abc/", false},
		{"10.0.0.1", "https://10.0.0.1/", true},
		{"10.0.0.1", "https://10.0.0.11/", false},
		{"*.example.com", "https://", false},
		{"*.example.com", "https:wiki.example.com", false},
		{"*.example.com", "https://%zz.example.com", false},
	} {
		host, https := RedirectHost(c.uri)
		if got := https && MatchesHost(c.pattern, host); got != c.want {
			t.Errorf("%s of %s, host %q: got %v, want %v", c.pattern, c.uri, host, got, c.want)
		}
	}
	for _, uri := range []string{"http://wiki.example.com/", "com.example.app://wiki.example.com", "", "HTTPS://wiki.example.com/"} {
		if host, https := RedirectHost(uri); https || host != "" {
			t.Errorf("%q is taken for https, with host %q", uri, host)
		}
	}
}

func FuzzMatchesHost(f *testing.F) {
	for _, seed := range [][2]string{
		{"example.com", "/cb"}, {"evilexample.com", ""}, {"wiki.example.com", ":8443/x?y"}, {"a.b.example.com", "/.example.com"},
		{"example.com.evil.example", "/example.com"}, {"[2001:db8::1]", "/"}, {"EXAMPLE.com", "?.example.com"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, authority, rest string) {
		uri := "https://" + authority + rest
		if ValidateRedirectURI(uri, false) != nil {
			return
		}
		host, https := RedirectHost(uri)
		if !https || host == "" || host != lowerASCII(host) || strings.ContainsAny(host, "/?#@\\%") {
			t.Fatalf("%q has the host %q", uri, host)
		}
		// By hand: up to the path or query, without the port.
		by, _, _ := strings.Cut(strings.TrimPrefix(uri, "https://"), "/")
		by, _, _ = strings.Cut(by, "?")
		if i := strings.LastIndex(by, ":"); i > strings.LastIndex(by, "]") {
			by = by[:i]
		}
		if lowerASCII(by) != host {
			t.Fatalf("%q has the host %q, want %q", uri, host, by)
		}
		if !MatchesHost(by, host) || !MatchesHost(strings.ToUpper(by), host) {
			t.Errorf("%q does not match itself", host)
		}
		if MatchesHost("*."+by, host) {
			t.Errorf("%q is below itself", host)
		}
		if MatchesHost("*."+by, "evil"+host) {
			t.Errorf("evil%s is below %s", host, host)
		}
		if !MatchesHost("*."+by, "a."+host) {
			t.Errorf("a.%s is not below %s", host, host)
		}
		if MatchesHost("*.example.com", host) && !strings.HasSuffix(host, ".example.com") {
			t.Errorf("%q is below example.com", host)
		}
	})
}
