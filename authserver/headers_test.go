// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/internal/registration"
)

// TestHeaders_Pages: each page that there is, by its template, is kept by nobody, framed
// by nobody, and tells nobody where it was. (So is every other page of every test:
// world.RoundTrip looks at them all.)
func TestHeaders_Pages(t *testing.T) {
	w := outWorld(t)
	w.addClient("shop", onlyUsers("bob"))
	b := w.newBrowser()
	b.codeFor(validRequest())
	form := with(validRequest(), "response_mode", "form_post")
	shown := map[string]page{
		"login":   w.newBrowser().begin(validRequest()).is("login"),
		"consent": b.begin(with(validRequest(), "prompt", "consent")).is("consent"),
		"denied":  b.begin(with(validRequest(), "client_id", "docs.shop", "redirect_uri", "https://shop.example.com/callback")).has("may not use"),
		"error":   b.begin(without(validRequest(), "client_id")).is("page Bad Request"),
		"post":    b.begin(form).is("posted code"),
		"signout": b.get(mainIssuer + "/end_session").has("Sign out?"),
		"notice":  w.newBrowser().get(mainIssuer + "/end_session").has("You are signed out"),
	}
	templates, err := filepath.Glob("pages/templates/*.html")
	if err != nil || len(templates) != len(shown)+1 {
		t.Errorf("%v are not the pages of this test and their layout (%v)", templates, err)
	}
	for name, p := range shown {
		referrer := "same-origin"
		if name == "post" {
			referrer = "origin"
		}
		for header, want := range map[string]string{
			"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": referrer, "Content-Type": "text/html; charset=utf-8", "Access-Control-Allow-Origin": "",
		} {
			if got := p.header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		if policy := p.header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: Content-Security-Policy is %q", name, policy)
		}
	}
}

// TestHeaders_NothingIsKept: no answer of any endpoint may be cached, but for what
// anybody may read: success or failure, whether it has a token in it or not.
func TestHeaders_NothingIsKept(t *testing.T) {
	w := newWorld(t)
	for path, all := range w.server.routes {
		for method := range all {
			a := w.call(w.request(method, mainIssuer+path, ""))
			want := "no-store"
			switch path {
			case pathOpenID, pathMetadata:
				want = metadataAge
			case registration.PathJWKS:
				want = jwksAge
			}
			if got := a.header.Get("Cache-Control"); got != want {
				t.Errorf("%s %s, status %d: Cache-Control is %q, want %q", method, path, a.status, got, want)
			}
		}
		if a := w.call(w.request(http.MethodPatch, mainIssuer+path, "")); a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("PATCH %s: Cache-Control is %q", path, a.header.Get("Cache-Control"))
		}
	}
	first := w.firstAnswer()
	for name, a := range map[string]answer{
		"code": first, "refresh": w.token(refreshing(first.str("refresh_token"))).ok(),
		"userinfo": w.userinfo(first.str("access_token")).ok(), "introspection": w.introspect(first.str("access_token")).ok(),
		"revocation": w.revoke(first.str("access_token")).ok(),
	} {
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" {
			t.Errorf("%s: headers are %v", name, a.header)
		}
	}
	for _, location := range []page{w.newBrowser().begin(validRequest()), w.newBrowser().begin(with(validRequest(), "prompt", "none"))} {
		if location.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept", location.url)
		}
	}
}
