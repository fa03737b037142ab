// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/internal/registration"
)

// The API server's rules and the Go validator of the records must agree: a URI that
// only one of them accepts is either refused too late or never served. Where want
// is empty both accept.

func TestRedirectURI_APIServerAndRecordAgree(t *testing.T) {
	const (
		https    = "an https redirect URI needs a host"
		http     = "http is allowed for localhost, 127.0.0.1 and [::1] only: use https"
		scheme   = "use https; a native app's own scheme is a domain name"
		absolute = "a redirect URI is absolute: start it with https://"
		ascii    = "a redirect URI consists of the characters of RFC 3986"
		user     = "a redirect URI has no user information"
		port     = "a port is a number up to 65535"
		percent  = "a % is followed by two hexadecimal digits"
	)
	for _, c := range []struct {
		uri  string
		want string // of a Public client
	}{
		{"https://app.example.com/callback", ""},
		{"https://app.example.com", ""},
		{"https://app.example.com/", ""},
		{"https://app.example.com:8443/callback", ""},
		{"https://app.example.com:/callback", https},
		{"https://app.example.com?next=/a", ""},
		{"https://app.example.com/cb?a=b&c=%20d", ""},
		{"https://APP.example.com/CallBack", ""},
		{"https://10.0.0.1/cb", ""},
		{"https://[2001:db8::1]:8443/cb", ""},
		{"https://a_b.example.com/cb", ""},
		{"https://app.example.com/a@b", ""},
		{"https://app.example.com/?u=a@b", ""},
		{"https://app.example.com/a//b/../c", ""},
		{"https://app.example.com/" + strings.Repeat("x", 488), ""},
		{"https://app.example.com/" + strings.Repeat("x", 489), "may not be more than 512"},

		{"http://localhost/cb", ""},
		{"http://localhost:3000/cb", ""},
		{"http://127.0.0.1:3000/cb", ""},
		{"http://127.0.0.1", ""},
		{"http://[::1]:3000/cb", ""},
		{"http://[::1]", ""},
		{"http://localhost:/cb", http},
		{"http://app.example.com/cb", http},
		{"http://127.0.0.2/cb", http},
		{"http://127.1/cb", http},
		{"http://[::ffff:127.0.0.1]/cb", http},
		{"http://[0:0:0:0:0:0:0:1]/cb", http},
		{"http://localhost.example.com/cb", http},
		{"http://localhost@example.com/cb", user},
		{"http://LOCALHOST/cb", http},
		{"http:localhost", http},
		{"http:///cb", http},

		{"https:app.example.com/cb", https},
		{"https:/app.example.com/cb", https},
		{"https://", https},
		{"https:///cb", https},
		{"https://:443/cb", https},
		{"https://?a", https},
		{"https://app.example.com:x/cb", https},
		{"https://app.example.com:99999/cb", port},
		{"https://app.example.com:65536/cb", port},
		{"https://app.example.com:65535/cb", ""},
		{"https://app.example.com:443:80/cb", https},
		{"https://exa mple.com/cb", ascii},
		{"https://app.exa%6dple.com/cb", https},
		{`https://app.example.com\@evil.example/cb`, ascii},
		{`https://app.example.com\cb`, ascii},
		{`https://app.example.com/a\b`, ascii},
		{`https://app.example.com/"><script>`, ascii},
		{"https://app.example.com/a`b{c}|^", ascii},
		{"https://app!.example.com/cb", https},
		{"https://app.example.com,evil.example/cb", https},
		{"https://app.example.com;a/cb", https},
		{"https://app.example.com/!$&'()+,;=:@[]~", ""},
		{"https://[2001:db8::1/cb", https},
		{"https://[::g]/cb", https},
		{"https://[:::]/cb", https},
		{"https://[1.2.3.4]/cb", https},

		{"https://*.example.com/cb", "wildcards are not supported"},
		{"https://app.example.com/*", "wildcards are not supported"},
		{"https://app.example.com/cb#", "a redirect URI has no fragment"},
		{"https://app.example.com/cb#x", "a redirect URI has no fragment"},
		{"https://user@app.example.com/cb", user},
		{"https://user:secret@app.example.com/cb", user},
		{"https://@app.example.com/cb", user},
		{"https://app.example.com/cb%", percent},
		{"https://app.example.com/cb%zz", percent},
		{"https://app.example.com/cb%2F", ""},
		{"https://app.example.com/cb?a=%", percent},
		{"https://app.example.com/\tcb", ascii},
		{"https://app.example.com/\x00", ascii},
		{"https://app.example.com/ü", ascii},
		{" https://app.example.com/cb", ascii},
		{"https://app.example.com/cb\n", ascii},
		{"HTTPS://app.example.com/cb", scheme},
		{"Https://app.example.com/cb", scheme},

		{"com.example.app:/callback", ""},
		{"com.example.app:callback", ""},
		{"com.example.app://callback/x", ""},
		{"com.example.app:", scheme},
		{"com.example.app:/", ""},
		{"com.example.app://", ""},
		{"com.example.app:///cb", ""},
		{"com.example.app://[x/cb", scheme},
		{"com.example.app://cb:80/", scheme},
		{"com.example.app:?a=b", ""},
		{"com.example.app:a:b", ""},
		{"com.example.my-app2:/cb", ""},
		{"com.example.app://user@callback", user},
		{"com.example.app:/cb#x", "a redirect URI has no fragment"},
		{"Com.Example.App:/cb", scheme},
		{"com.example.:/cb", scheme},
		{"com..example:/cb", scheme},
		{"myapp:/cb", scheme},
		{"javascript:alert(1)", scheme},
		{"data:text/html,x", scheme},
		{"file:///etc/passwd", scheme},
		{"urn:ietf:wg:oauth:2.0:oob", scheme},
		{"1com.example:/cb", absolute},
		{"//app.example.com/cb", absolute},
		{"/cb", absolute},
		{"app.example.com/cb", absolute},
		{"callback", absolute},
	} {
		t.Run(c.uri, func(t *testing.T) {
			u := parse(t, baseClient)
			spec := specOf(t, u)
			spec["type"], spec["redirectURIs"] = "Public", list(c.uri)
			err := create(t, u)
			expect(t, err, wants(c.want))
			if inGo := registration.ValidateRedirectURI(c.uri, true); (inGo == nil) != (err == nil) {
				t.Errorf("the API server says %v, ValidateRedirectURI says %v", err, inGo)
			}

			u = parse(t, baseClient)
			specOf(t, u)["redirectURIs"] = list(c.uri)
			err = create(t, u)
			if inGo := registration.ValidateRedirectURI(c.uri, false); (inGo == nil) != (err == nil) {
				t.Errorf("of a Confidential client, the API server says %v, ValidateRedirectURI says %v", err, inGo)
			}
		})
	}
}

func TestIssuer_APIServerAndRecordAgree(t *testing.T) {
	const (
		form  = "an issuer is https://, a host in lower case, and perhaps a port and a path"
		http  = "http is allowed for localhost, 127.0.0.1 and [::1] only: use https"
		slash = "clients compare the issuer byte for byte: remove the slash at its end"
		query = "an issuer has no query and no fragment (RFC 8414 section 2): remove them"
		known = "an issuer's path has no segment . or .. or .well-known: choose another path"
		port  = "a port is a number up to 65535"
	)
	for _, c := range []struct{ issuer, want string }{
		{"https://login.example.com", ""},
		{"https://login.example.com:8443", ""},
		{"https://login.example.com/tenant", ""},
		{"https://login.example.com/a/b.c_d~e-f", ""},
		{"https://login", ""},
		{"https://10.0.0.1", ""},
		{"https://[2001:db8::1]:8443/a", ""},
		{"http://localhost:9096", ""},
		{"http://127.0.0.1:9096/a", ""},
		{"http://[::1]:9096", ""},

		{"https://login.example.com/", slash},
		{"https://login.example.com/a/", slash},
		{"https://login.example.com?a", query},
		{"https://login.example.com/#", query},
		{"https://login.example.com?", query},
		{"http://login.example.com", http},
		{"http://127.0.0.2", http},
		{"http://[0:0:0:0:0:0:0:1]", http},
		{"http://localhost.example.com", http},
		{"https://Login.example.com", form},
		{"HTTPS://login.example.com", form},
		{"https://user@login.example.com", form},
		{"https://login.example.com:", form},
		{"https://login.example.com:x", form},
		{"https://login.example.com:65535", ""},
		{"https://login.example.com:65536", port},
		{"https://login.example.com:99999", port},
		{"https://-login.example.com", form},
		{"https://login.example.com.", form},
		{"https://", slash},
		{"https:///a", form},
		{"https:login.example.com", form},
		{"login.example.com", form},
		{"ftp://login.example.com", form},
		{"https://login.example.com//a", form},
		{"https://login.example.com/a b", form},
		{"https://login.example.com/%61", form},
		{"https://login.example.com/a\n", form},
		{"https://löwe.example.com", form},
		{"https://login.example.com/.", known},
		{"https://login.example.com/..", known},
		{"https://login.example.com/./a", known},
		{"https://login.example.com/a/../b", known},
		{"https://login.example.com/.well-known", known},
		{"https://login.example.com/.well-known/a", known},
		{"https://login.example.com/.well-knownish", ""},
		{"https://login.example.com/a.", ""},
		{"https://[::g]", form},
		{"https://[:::]", form},
		{"https://[1.2.3.4]", form},
	} {
		t.Run(c.issuer, func(t *testing.T) {
			u := parse(t, baseServer)
			specOf(t, u)["issuer"] = c.issuer
			err := create(t, u)
			expect(t, err, wants(c.want))
			if inGo := registration.ValidateIssuer(c.issuer); (inGo == nil) != (err == nil) {
				t.Errorf("the API server says %v, ValidateIssuer says %v", err, inGo)
			}
		})
	}
}

func TestWebURI_APIServerAndRecordAgree(t *testing.T) {
	const form = "use an https URI with a host, for example https://wiki.example.com/privacy"
	for _, c := range []struct{ uri, want string }{
		{"", ""},
		{"https://wiki.example.com", ""},
		{"https://wiki.example.com/", ""},
		{"https://wiki.example.com/privacy?lang=en&x=%20#top", ""},
		{"https://wiki.example.com:8443/logo.svg", ""},
		{"https://wiki.example.com?x", ""},
		{"https://WIKI.example.com/Logo.PNG", ""},
		{"https://10.0.0.1/logo", ""},
		{"https://wiki.example.com/a@b:c;d,e'f(g)*!~$&+=[", ""},
		{"https://wiki.example.com/?a=%zz", ""}, // as Go's parser has it, only a path's escapes count
		{"https://wiki.example.com/" + strings.Repeat("x", 487), ""},
		{"https://wiki.example.com/" + strings.Repeat("x", 488), "may not be more than 512"},

		{"https://wiki.example.com#top", form},
		{"https://wiki.example.com/%zz", form},
		{"https://wiki.example.com/%", form},
		{"http://wiki.example.com/", form},
		{"http://localhost/", form},
		{"HTTPS://wiki.example.com/", form},
		{"https:wiki.example.com", form},
		{"https://", form},
		{"https:///privacy", form},
		{"https://:8443/", form},
		{"https://user@wiki.example.com/", form},
		{"https://wiki.example.com:/", form},
		{"https://wiki.example.com:x/", form},
		{"https://wiki.example.com:123456/", form},
		{"https://[2001:db8::1]/", form},
		{"https://wiki.example.com;evil.example/", form},
		{"https://wiki.example.com,evil.example/", form},
		{"https://*.example.com/", form},
		{"https://wiki.example.com' 'unsafe-inline'/", form},
		{"https://wiki.example.com/a b", form},
		{"https://wiki.example.com/\"><script>", form},
		{`https://wiki.example.com\@evil.example/`, form},
		{"https://wiki.example.com/\n", form},
		{"https://wiki.example.com/ü", form},
		{" https://wiki.example.com/", form},
		{"javascript:alert(1)", form},
		{"data:image/png;base64,AAAA", form},
		{"//wiki.example.com/", form},
		{"/privacy", form},
		{"wiki.example.com", form},
	} {
		t.Run(c.uri, func(t *testing.T) {
			u := parse(t, baseClient)
			spec := specOf(t, u)
			for _, field := range []string{"clientURI", "logoURI", "policyURI", "tosURI"} {
				spec[field] = c.uri
			}
			err := create(t, u)
			expect(t, err, wants(c.want))
			if inGo := registration.ValidateWebURI(c.uri); (inGo == nil) != (err == nil) {
				t.Errorf("the API server says %v, ValidateWebURI says %v", err, inGo)
			}
		})
	}
}

func wants(one string) []string {
	if one == "" {
		return nil
	}
	return []string{one}
}
