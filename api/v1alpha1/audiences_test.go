// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/internal/registration"
)

// As in uris_test.go, the API server's rules and those of the records must agree.

func TestSubjectType_APIServerAndRecordAgree(t *testing.T) {
	const sector = "a pairwise sub is made for the one host of all redirectURIs"
	for _, c := range []struct {
		name string
		uris []any
		want string // of a pairwise client
	}{
		{"one", list("https://wiki.example.com/callback"), ""},
		{"two of one host", list("https://wiki.example.com/a", "https://wiki.example.com/b?c=d"), ""},
		{"two ports", list("https://wiki.example.com/a", "https://wiki.example.com:8443/a"), ""},
		{"upper and lower case", list("https://wiki.example.com/a", "https://WIKI.example.com/a"), ""},
		{"an IPv6 address", list("https://[2001:db8::a]/a", "https://[2001:DB8::A]:8443/a"), ""},
		{"as many as can be", redirectURIs(32), ""},
		{"two hosts", list("https://wiki.example.com/a", "https://shop.example.com/a"), sector},
		{"a host and one below it", list("https://example.com/a", "https://wiki.example.com/a"), sector},
		{"another host at the end", append(redirectURIs(31), "https://shop.example.com/a"), sector},
		{"http beside https", list("https://wiki.example.com/a", "http://localhost/a"), sector},
		{"http alone", list("http://127.0.0.1/a"), sector},
		{"an app's own scheme", list("com.example.app:/callback"), sector},
		{"an app's own scheme, at the end", list("https://wiki.example.com/a", "com.example.app:/callback"), sector},
	} {
		t.Run(c.name, func(t *testing.T) {
			of := func(subjectType string) error {
				u := parse(t, baseClient)
				spec := specOf(t, u)
				spec["redirectURIs"], spec["type"], spec["subjectType"] = c.uris, "Public", subjectType
				return create(t, u)
			}
			expect(t, of("public"), nil)
			err := of("pairwise")
			expect(t, err, wants(c.want))
			var record registration.Client
			for _, uri := range c.uris {
				record.RedirectURIs = append(record.RedirectURIs, fmt.Sprint(uri))
			}
			if _, inGo := record.Sector(); (inGo == nil) != (err == nil) {
				t.Errorf("the API server says %v, Sector says %v", err, inGo)
			}
		})
	}
	run(t, baseClient, []mutation{
		{"another type", set("subjectType", "private"), []string{"spec.subjectType", `supported values: "public", "pairwise"`}},
		{"no redirect URI", both(set("redirectURIs", list()), set("subjectType", "pairwise")), []string{"spec.redirectURIs"}},
	})
}

func TestAudience_APIServerAndRecordAgree(t *testing.T) {
	const form = "an audience is an absolute URI without a fragment (RFC 8707 section 2)"
	for _, c := range []struct{ audience, want string }{
		{"https://api.example.com", ""},
		{"https://api.example.com/", ""},
		{"https://api.example.com:8443/orders?tenant=1&x=%20", ""},
		{"api://shop.orders", ""},
		{"urn:example:orders", ""},
		{"x:y", ""},
		{"https://api.example.com/" + strings.Repeat("x", 232), ""},
		{"https://api.example.com/" + strings.Repeat("x", 233), "may not be more than 256"},

		{"", "should be at least 1 chars long"},
		{"https://api.example.com/#", form},
		{"https://api.example.com/#top", form},
		{"orders", form},
		{"/orders", form},
		{"//api.example.com", form},
		{"https:", form},
		{":orders", form},
		{"1:orders", form},
		{"ä://orders", form},
		{"https://api.example.com/ü", form},
		{"https://api.example.com/a b", form},
		{"https://api.example.com/\n", form},
		{" https://api.example.com", form},
		{`https://api.example.com/"`, form},
		{`https://api.example.com\orders`, form},
		{"https://api.example.com/<script>", form},
	} {
		t.Run(c.audience, func(t *testing.T) {
			u := parse(t, baseClient)
			specOf(t, u)["audiences"] = list(c.audience)
			err := create(t, u)
			expect(t, err, wants(c.want))
			if inGo := registration.ValidateAudience(c.audience); (inGo == nil) != (err == nil) {
				t.Errorf("the API server says %v, ValidateAudience says %v", err, inGo)
			}
		})
	}
	of := func(n int) []any { return many(n, func(i int) any { return fmt.Sprintf("api://shop.orders-%d", i) }) }
	run(t, baseClient, []mutation{
		{"16 audiences", set("audiences", of(16)), nil},
		{"17 audiences", set("audiences", of(17)), []string{"spec.audiences", "must have at most 16 items"}},
		{"an audience twice", set("audiences", list("api://a", "api://a")), []string{"spec.audiences[1]: Duplicate value"}},
	})
}

// TestClientID_IsNoAudience: an ID token, whose audience is the client_id, must not be for
// some other client's API.
func TestClientID_IsNoAudience(t *testing.T) {
	const reserved = "api:// begins the audiences of access tokens, and a client_id is the audience of ID tokens"
	run(t, baseClient, []mutation{
		{"another client's API", set("clientID", "api://docs.wiki"), []string{"spec.clientID", reserved}},
		{"nothing more", set("clientID", "api://"), []string{"spec.clientID", reserved}},
		{"within it", set("clientID", "wiki-api://docs.wiki"), nil},
		{"another scheme", set("clientID", "https://wiki.example.com"), nil},
	})
}

func TestAudiencePattern(t *testing.T) {
	const form = "an audience pattern is an absolute URI such as api://shop.orders, or the beginning of some"
	for _, c := range []struct{ pattern, want string }{
		{"api://shop.orders", ""},
		{"api://shop.*", ""},
		{"api:*", ""},
		{"api://*", ""},
		{"urn:example:*", ""},
		{"https://api.example.com/stock?x=%20/*", ""},
		{"https://api.example.com/" + strings.Repeat("x", 232), ""},

		{"", "should be at least 1 chars long"},
		{"https://api.example.com/" + strings.Repeat("x", 233), "may not be more than 256"},
		{"*", form},
		{"shop.*", form},
		{"api://shop*", form},
		{"https://api.example.com*", form},
		{"api://*.orders", form},
		{"api://shop.**", form},
		{"api://shop.*.orders", form},
		{"api:", form},
		{"https://api.example.com/#*", form},
		{"https://api.example.com/ *", form},
		{"api://ä.*", form},
		{"api://shop.*\n", form},
	} {
		t.Run(c.pattern, func(t *testing.T) {
			u := parse(t, baseServer)
			specOf(t, u)["policy"] = object{"rules": list(object{"name": "a", "audiences": list(c.pattern)})}
			expect(t, create(t, u), wants(c.want))
		})
	}
}
