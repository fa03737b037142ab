// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"sync"
	"testing"

	"github.com/clientele-dev/clientele/internal/registration"
)

func TestClient_RunsAt(t *testing.T) {
	record := registration.Client{
		Version: registration.Version, UID: "u", Namespace: "docs", Name: "spa", AuthorizationServer: "main",
		ClientID: "docs.spa", GrantTypes: []string{"authorization_code"}, TokenEndpointAuthMethod: "none",
		Public: true, PKCERequired: true,
		RedirectURIs: []string{
			"https://spa.example.com/cb", "https://Upper.example.com:443/", "https://port.example.com:8443",
			"http://localhost:5173/cb", "com.example.app:/cb",
		},
	}
	c, err := NewClient(record)
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"https://spa.example.com": true, "https://upper.example.com": true, "https://port.example.com:8443": true,
		"http://localhost:5173": true,
		"":                      false, "null": false, "http://spa.example.com": false, "https://spa.example.com:8443": false,
		"https://spa.example.com/": false, "https://example.com": false, "https://port.example.com": false,
		"com.example.app://": false, "https://spa.example.com.evil.example": false,
	} {
		if got := c.RunsAt(origin); got != want {
			t.Errorf("%q: %v, want %v", origin, got, want)
		}
	}
	record.Public, record.TokenEndpointAuthMethod = false, "client_secret_basic"
	record.RedirectURIs = record.RedirectURIs[:1]
	if c, err = NewClient(record); err != nil {
		t.Fatal(err)
	}
	if c.RunsAt("https://spa.example.com") {
		t.Error("a confidential client runs in no page")
	}
}

// TestRegistry_AnyRunsAt: what clients come, change and go leaves behind, in whatever
// order it happens.
func TestRegistry_AnyRunsAt(t *testing.T) {
	r := New(nil)
	main, other := anIssuer(t, "default", "https://login.example.com"), anIssuer(t, "other", "https://other.example.com")
	spa := func(id string, uris ...string) *Client {
		return client(t, func(c *registration.Client) {
			c.ClientID, c.RedirectURIs = id, uris
			c.Public, c.PKCERequired, c.TokenEndpointAuthMethod, c.Digests = true, true, "none", nil
		})
	}
	want := func(origin string, want bool) {
		t.Helper()
		if r.AnyRunsAt(main, origin) != want || r.AnyRunsAt(other, origin) {
			t.Errorf("%s: want %v, and false at another issuer", origin, want)
		}
	}
	const one, two = "https://one.example.com", "https://two.example.com"
	want(one, false)
	r.SetClient(spa("docs.a", one+"/cb", one+"/other", two+"/cb"))
	r.SetClient(spa("docs.b", one+"/cb"))
	want(one, true)
	want(two, true)
	r.SetClient(spa("docs.a", one+"/cb"))
	want(one, true)
	want(two, false)
	r.SetClient(client(t, func(c *registration.Client) { c.ClientID, c.RedirectURIs = "docs.a", []string{two + "/cb"} }))
	want(two, false) // confidential now
	want(one, true)
	r.DeleteClient("default", "docs.b")
	r.DeleteClient("default", "docs.b")
	want(one, false)

	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 500 {
				r.SetClient(spa("docs.a", one+"/cb"))
				r.SetClient(spa("docs.a", two+"/cb"))
				r.DeleteClient("default", "docs.a")
			}
		})
	}
	all.Wait()
	want(one, false)
	want(two, false)
	r.SetClient(spa("docs.a", one+"/cb"))
	want(one, true)
}
