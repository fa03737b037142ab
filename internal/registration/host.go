// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"net/url"
	"strings"
)

// RedirectHost is the host of an https URI, in lower case and with the brackets of an
// IPv6 address. Other URIs have none; an https URI that ValidateRedirectURI refuses may
// have the host "", which MatchesHost never matches.
func RedirectHost(uri string) (host string, https bool) {
	if !strings.HasPrefix(uri, "https:") {
		return "", false
	}
	return RequestedHost(uri), true
}

// RequestedHost is RedirectHost for a URI of which http counts as well.
func RequestedHost(uri string) string {
	u, err := url.ParseRequestURI(uri) // as url() of the API server's CEL does
	if err != nil {
		return ""
	}
	host := lowerASCII(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host
}

// MatchesHost reports whether host, as RedirectHost returns it, is the one that pattern
// names, in upper or lower case. The pattern *.example.com names all hosts below
// example.com, and not example.com itself.
func MatchesHost(pattern, host string) bool {
	pattern = lowerASCII(pattern)
	if below, wildcard := strings.CutPrefix(pattern, "*"); wildcard {
		return strings.HasSuffix(host, below) && len(host) > len(below)
	}
	return host == pattern && host != ""
}

// lowerASCII leaves all but A to Z alone: there are letters beyond ASCII whose lower
// case is an ASCII one.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
