// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

const (
	maxRedirectURI = 512
	maxIssuer      = 253
	maxScope       = 128
)

var (
	// reverseDomain is RFC 8252 section 7.1's private-use scheme: a domain name in
	// reverse order, so that it has at least one dot.
	reverseDomain = regexp.MustCompile(`^[a-z][a-z0-9+-]*([.][a-z0-9+-]+)+$`)
	issuerHost    = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)
	issuerPath    = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)
)

// ValidateRedirectURI says why raw cannot be registered. A public client may use
// a scheme of its own (RFC 8252 section 7.1); everyone may use http for loopback.
func ValidateRedirectURI(raw string, public bool) error {
	u, err := parse(raw, maxRedirectURI)
	switch {
	case err != nil:
		return err
	case strings.Contains(raw, "#"):
		return errors.New("has a fragment (RFC 6749 section 3.1.2)")
	case strings.Contains(raw, "*"):
		return errors.New("has a wildcard; list every URI in full")
	case u.User != nil:
		return errors.New("has user information")
	case u.Scheme == "https" && u.Hostname() == "":
		return errors.New("has no host")
	case u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return errors.New("uses http for a host that is not a loopback address")
	case !public:
		return errors.New("uses a scheme other than https, which is for public clients")
	case !reverseDomain.MatchString(u.Scheme):
		return errors.New("uses a scheme that is neither https nor a domain name in reverse order (RFC 8252 section 7.1)")
	}
	return nil
}

// ValidateIssuer says why raw cannot be an issuer identifier (RFC 8414 section 2,
// OpenID Connect Discovery 1.0 section 3).
func ValidateIssuer(raw string) error {
	u, err := parse(raw, maxIssuer)
	switch {
	case err != nil:
		return err
	case strings.ContainsAny(raw, "?#"):
		return errors.New("has a query or a fragment")
	case u.User != nil:
		return errors.New("has user information")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return errors.New("does not use https, and is not http for a loopback host")
	case !issuerHost.MatchString(u.Host):
		return errors.New("has no host, or one that is not in lower case")
	case !issuerPath.MatchString(u.EscapedPath()):
		return errors.New("has a path with a slash at its end or other characters than letters, digits and . _ ~ -")
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." || segment == ".well-known" {
			return errors.New("has the path segment ., .. or .well-known")
		}
	}
	return nil
}

func parse(raw string, limit int) (*url.URL, error) {
	if raw == "" || len(raw) > limit {
		return nil, errors.New("is empty or too long")
	}
	for _, c := range []byte(raw) {
		if c <= ' ' || c > '~' {
			return nil, errors.New("has a character that is not printable ASCII")
		}
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || !strings.HasPrefix(raw, u.Scheme+":") {
		return nil, errors.New("is not an absolute URI with a scheme in lower case")
	}
	return u, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || ip == netip.IPv6Loopback())
}

// ValidScope reports whether s is a scope-token (RFC 6749 section 3.3).
func ValidScope(s string) bool {
	if s == "" || len(s) > maxScope {
		return false
	}
	for _, c := range []byte(s) {
		if c < '!' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
