// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"strings"
	"testing"
)

func TestClient_Sector(t *testing.T) {
	for name, row := range map[string]struct {
		uris []string
		want string // "" is refused
	}{
		"one":                  {[]string{"https://wiki.example.com/callback"}, "wiki.example.com"},
		"two of one host":      {[]string{"https://wiki.example.com/a", "https://WIKI.example.com:8443/b?c=d"}, "wiki.example.com"},
		"an IPv6 address":      {[]string{"https://[::1]/a", "https://[::1]:8443/a"}, "[::1]"},
		"two hosts":            {[]string{"https://wiki.example.com/a", "https://shop.example.com/a"}, ""},
		"a host and one below": {[]string{"https://example.com/a", "https://wiki.example.com/a"}, ""},
		"http":                 {[]string{"https://wiki.example.com/a", "http://localhost/a"}, ""},
		"http alone":           {[]string{"http://127.0.0.1/a"}, ""},
		"an app's own":         {[]string{"com.example.app:/callback"}, ""},
		"none":                 {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := confidential()
			c.RedirectURIs = row.uris
			got, err := c.Sector()
			if got != row.want || (err == nil) != (row.want != "") {
				t.Errorf("the sector is %q, %v; want %q", got, err, row.want)
			}
			c.Pairwise = true
			if err := c.validateSector(); (err == nil) != (row.want != "") {
				t.Errorf("pairwise: %v", err)
			}
			c.Pairwise = false
			if err := c.validateSector(); err != nil {
				t.Errorf("public: %v", err)
			}
		})
	}
}

// TestClient_PairwiseRefused: the refusal names the field, the reason and the way out.
func TestClient_PairwiseRefused(t *testing.T) {
	c := confidential()
	c.Pairwise = true
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	c.RedirectURIs = append(c.RedirectURIs, "https://elsewhere.example.com/callback")
	err := c.Validate()
	if err == nil || !strings.Contains(err.Error(), "subjectType pairwise needs redirectURIs") || strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("refused with %v", err)
	}
}
