// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"strings"
	"testing"
)

// What is accepted and what is not stands in the table that the API's rules are
// held against; here are the words.
func TestValidateRedirectURI_Words(t *testing.T) {
	for _, c := range []struct{ uri, confidential, public string }{
		{"https://app.example.com/cb", "", ""},
		{"http://127.0.0.1:1234/cb", "", ""},
		{"", "is empty or too long", "is empty or too long"},
		{"https://app.example.com/" + strings.Repeat("x", 500), "is empty or too long", "is empty or too long"},
		{"https://app.example.com/#", "has a fragment", "has a fragment"},
		{"https://*.example.com/", "has a wildcard", "has a wildcard"},
		{"https://app.example.com/ ", "RFC 3986 does not allow", "RFC 3986 does not allow"},
		{"https://app.example.com/%2", "two hexadecimal digits", "two hexadecimal digits"},
		{"/cb", "is not absolute", "is not absolute"},
		{"https://a:b@app.example.com/", "has user information", "has user information"},
		{"https:///cb", "has no host", "has no host"},
		{"http://app.example.com/", "uses http for a host", "uses http for a host"},
		{"com.example.app:/cb", "which is for public clients", ""},
		{"app:/cb", "which is for public clients", "a domain name in reverse order"},
		{"https://[:::]/", "is not a URI that can be parsed", "is not a URI that can be parsed"},
		{"https://app.example.com:70000/", "a port above 65535", "a port above 65535"},
	} {
		expect(t, c.uri+", confidential", ValidateRedirectURI(c.uri, false), c.confidential)
		expect(t, c.uri+", public", ValidateRedirectURI(c.uri, true), c.public)
	}
}

func TestValidateIssuer_Words(t *testing.T) {
	for _, c := range []struct{ issuer, want string }{
		{"https://login.example.com/tenant", ""},
		{"http://localhost:9096", ""},
		{"", "is empty or too long"},
		{"https://login.example.com/" + strings.Repeat("x", 250), "is empty or too long"},
		{"https://login.example.com?a", "has a query or a fragment"},
		{"https://login.example.com/", "has a slash at its end"},
		{"http://login.example.com", "uses http for a host"},
		{"https://Login.example.com", "a host in lower case"},
		{"https://user@login.example.com", "a host in lower case"},
		{"https://login.example.com/a/../b", "the path segment"},
		{"https://login.example.com:70000", "a port above 65535"},
		{"https://[:::]", "is not a URI that can be parsed"},
	} {
		expect(t, c.issuer, ValidateIssuer(c.issuer), c.want)
	}
}

func TestValidateWebURI_Words(t *testing.T) {
	for _, c := range []struct{ uri, want string }{
		{"", ""},
		{"https://wiki.example.com/privacy", ""},
		{"https://wiki.example.com/" + strings.Repeat("x", 500), "is too long"},
		{"http://wiki.example.com/", "is not an https URI with a host"},
		{"https://wiki.example.com/%zz", "is not a URI that can be parsed"},
	} {
		expect(t, c.uri, ValidateWebURI(c.uri), c.want)
	}
}

func TestValidateBackchannelURI(t *testing.T) {
	for _, c := range []struct{ uri, want string }{
		{"", ""},
		{"https://wiki.example.com", ""},
		{"https://wiki.example.com:8443/out?from=clientele", ""},
		{"https://[2001:db8::1]/out", ""},
		{"http://wiki.docs.svc:8080/out", ""},
		{"http://wiki.docs.svc.cluster.local/out", ""},
		{"http://127.0.0.1:8080/out", ""},
		{"http://localhost/out", ""},
		{"http://wiki.example.com/out", "is neither"},
		{"http://wiki.docs/out", "is neither"},
		{"http://docs.svc/out", "is neither"},
		{"http://wiki.docs.svc.example.com/out", "is neither"},
		{"http://10.0.0.1/out", "is neither"},
		{"https://user@wiki.example.com/out", "is neither"},
		{"https:///out", "is neither"},
		{"https://wiki.example.com\\@evil.example/out", "is neither"},
		{"https://wiki.example.com/a b", "is neither"},
		{"ftp://wiki.example.com/out", "is neither"},
		{"/out", "is neither"},
		{"https://wiki.example.com/out#x", "has a fragment"},
		{"https://wiki.example.com:99999/out", "has a port above 65535"},
		{"https://wiki.example.com/%zz", "is not a URI that can be parsed"},
		{"https://wiki.example.com/" + strings.Repeat("x", 500), "is too long"},
	} {
		expect(t, c.uri, ValidateBackchannelURI(c.uri), c.want)
	}
}

func TestErrorsDoNotRepeatTheURI(t *testing.T) {
	const marker = "xyzzy"
	for _, uri := range []string{
		"https://" + marker + ":pass@a.example/", "https://[" + marker + "]/", "http://" + marker + "/", marker + ":/", marker, "https://a.example/#" + marker,
	} {
		for _, err := range []error{ValidateRedirectURI(uri, true), ValidateIssuer(uri), ValidateWebURI(uri + "%zz"), ValidateBackchannelURI(uri + "#")} {
			if err == nil || strings.Contains(err.Error(), marker) {
				t.Errorf("%s: %v", uri, err)
			}
		}
	}
}

// expect checks an error's text; want is empty where there is to be none.
func expect(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: refused: %v", name, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: got %v, want %q", name, err, want)
	}
}

func TestDecode_Garbage(t *testing.T) {
	for _, data := range []string{"", "{", "null", "[]", `{"version":1}`, `{"version":"1"}`, `{"version":2,"uid":"x"}`} {
		if _, err := DecodeClient([]byte(data)); err == nil {
			t.Errorf("DecodeClient(%q) accepts it", data)
		}
		if _, err := DecodeServer([]byte(data)); err == nil {
			t.Errorf("DecodeServer(%q) accepts it", data)
		}
	}
}

func TestStandardScopes_AreNotShared(t *testing.T) {
	StandardScopes()[0].Description = "changed"
	if StandardScopes()[0].Description == "changed" {
		t.Error("one caller's change reaches another")
	}
}

// A record's name is a Secret's, whatever names an OAuthClient may have.
func TestClientRecordName_Longest(t *testing.T) {
	if n := len(ClientRecordName(strings.Repeat("n", 63), strings.Repeat("x", 100))); n > 253 {
		t.Errorf("a record's name may have %d characters", n)
	}
}
