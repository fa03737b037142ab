// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"net/url"
	"strings"
	"testing"
)

// Which URIs are accepted is a table in api/v1alpha1, where the API server's rules
// stand beside these.

func FuzzValidateRedirectURI(f *testing.F) {
	for _, seed := range []string{
		"https://app.example.com/callback", "http://127.0.0.1:3000/cb", "http://[::1]/cb", "com.example.app:/cb",
		"https://user@app.example.com", "https://app.example.com/#f", `https://app.example.com\@evil.example`, "javascript:alert(1)",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, raw string, public bool) {
		if ValidateRedirectURI(raw, public) != nil {
			return
		}
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("%q was accepted and is no URI: %v", raw, err)
		}
		switch {
		case u.User != nil, u.Fragment != "", strings.ContainsAny(raw, "#*\\ <>\""):
			t.Fatalf("%q was accepted with a user, a fragment, a wildcard or a character of no URI", raw)
		case u.Scheme == "http" && u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1":
			t.Fatalf("%q was accepted with http for another host", raw)
		case u.Scheme != "https" && u.Scheme != "http" && (!public || !strings.Contains(u.Scheme, ".")):
			t.Fatalf("%q was accepted, public %v, with a scheme that is nobody's own", raw, public)
		case (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() == "":
			t.Fatalf("%q was accepted without a host", raw)
		}
	})
}

func FuzzValidateIssuer(f *testing.F) {
	for _, seed := range []string{"https://login.example.com", "https://login.example.com/tenant", "http://localhost:9096", "https://login.example.com/", "https://a?b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if ValidateIssuer(raw) != nil {
			return
		}
		u, err := url.Parse(raw)
		if err != nil || u.String() != raw {
			t.Fatalf("%q was accepted and is not in normal form: %v, %v", raw, u, err)
		}
		if strings.HasSuffix(raw, "/") || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Hostname() == "" {
			t.Fatalf("%q was accepted", raw)
		}
	})
}

func TestValidScope(t *testing.T) {
	for s, want := range map[string]bool{
		"openid": true, "wiki:edit": true, "https://api.example.com/read": true, "!": true,
		"": false, "a b": false, `a"b`: false, `a\b`: false, "ä": false, "a\n": false,
		strings.Repeat("x", 128): true, strings.Repeat("x", 129): false,
	} {
		if got := ValidScope(s); got != want {
			t.Errorf("ValidScope(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range [][2]string{
		{ClientID("docs", "wiki"), "docs.wiki"},
		{ClientRecordName("docs", "wiki.v2"), "registration-docs.wiki.v2"},
		{ServerRecordName("default"), "issuer-default"},
		{KeysName("default"), "keys-default"},
		{Endpoints("https://a.example/t")[1].URL, "https://a.example/t/token"},
	} {
		if tt[0] != tt[1] {
			t.Errorf("got %q, want %q", tt[0], tt[1])
		}
	}
}
