// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
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
