// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"net/url"
	"strings"
)

// RunsAt reports whether the client is public and runs in pages of origin, an
// Origin header's value (RFC 6454 section 6.1): whether one of its redirect URIs is
// there. Such pages may read what the client is answered.
func (c *Client) RunsAt(origin string) bool {
	if !c.record.Public {
		return false
	}
	for _, uri := range c.record.RedirectURIs {
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" {
			continue
		}
		if origin == strings.ToLower(u.Scheme+"://"+CanonicalHost(u.Host, u.Scheme == "https")) {
			return true
		}
	}
	return false
}
