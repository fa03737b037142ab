// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/internal/registration"
)

// ownSettings takes the lists that the methods below read out of a caller's hands.
func ownSettings(r *registration.Client) {
	r.PostLogoutRedirectURIs = slices.Clone(r.PostLogoutRedirectURIs)
	r.Audiences = slices.Clone(r.Audiences)
	r.AllowedUsers = slices.Clone(r.AllowedUsers)
	r.AllowedGroups = slices.Clone(r.AllowedGroups)
}

// Admits reports whether a person may sign in to the client: if it names users or
// groups, they must be among them, byte for byte. Two usernames that differ in case
// may be two people's. A person without a username or groups is not among any.
func (c *Client) Admits(p identity.Person) bool {
	if len(c.record.AllowedUsers) == 0 && len(c.record.AllowedGroups) == 0 {
		return true
	}
	if p.Username != "" && slices.Contains(c.record.AllowedUsers, p.Username) {
		return true
	}
	return slices.ContainsFunc(p.Groups, func(group string) bool {
		return group != "" && slices.Contains(c.record.AllowedGroups, group)
	})
}

// MayAddress reports whether a resource of RFC 8707 is one that the client is registered
// for, byte for byte.
func (c *Client) MayAddress(resource string) bool {
	return slices.Contains(c.record.Audiences, resource)
}

// Consent is one of registration's Consent constants: when a person is asked.
func (c *Client) Consent() string {
	return cmp.Or(c.record.Consent, registration.ConsentOnce)
}

// Lifetimes are those that hold for the client at i: its own, and i's where it has
// none.
func (c *Client) Lifetimes(i *Issuer) registration.Lifetimes {
	return c.record.Lifetimes.Over(i.Lifetimes)
}

// OwnLifetimes are the client's own; those that are zero are its server's.
func (c *Client) OwnLifetimes() registration.ClientLifetimes { return c.record.Lifetimes }

// IDTokenAlg signs the client's ID tokens at i, which is ready.
func (c *Client) IDTokenAlg(i *Issuer, now time.Time) string {
	return i.Keys.Usable(now, c.record.IDTokenAlg, i.Signing.IDTokenAlg)
}

// AccessTokenAlg signs the client's access tokens at i, which is ready.
func (c *Client) AccessTokenAlg(i *Issuer, now time.Time) string {
	return i.Keys.Usable(now, c.record.AccessTokenAlg, i.Signing.AccessTokenAlg)
}

// HomeURI is the app's home page: https, or empty.
func (c *Client) HomeURI() string { return c.record.ClientURI }

// PolicyURI is the app's privacy policy: https, or empty.
func (c *Client) PolicyURI() string { return c.record.PolicyURI }

// TermsURI is the app's terms of service: https, or empty.
func (c *Client) TermsURI() string { return c.record.TOSURI }

// LogoURI is the app's picture: https, or empty.
func (c *Client) LogoURI() string { return c.record.LogoURI }

// LogoOrigin is the origin of LogoURI, or empty. registration.ValidateWebURI leaves
// no character in it that would end a Content-Security-Policy's source.
func (c *Client) LogoOrigin() string {
	const scheme = "https://"
	rest, ok := strings.CutPrefix(c.record.LogoURI, scheme)
	if !ok {
		return ""
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return scheme + rest
}

// BackchannelLogoutURI is where the client is told that a person has signed out, or
// empty.
func (c *Client) BackchannelLogoutURI() string { return c.record.BackchannelLogoutURI }

// PostLogoutURI was compared with a registration (OpenID Connect RP-Initiated Logout
// 1.0 section 3). Only Client.PostLogout makes one, so an unchecked string cannot
// reach a Location. The zero value is none.
type PostLogoutURI struct{ uri string }

// String is the URI as the client sent it.
func (u PostLogoutURI) String() string { return u.uri }

// PostLogout reports whether raw may be redirected to after a logout: it is
// registered for that, byte for byte.
func (c *Client) PostLogout(raw string) (PostLogoutURI, bool) {
	if !slices.Contains(c.record.PostLogoutRedirectURIs, raw) {
		return PostLogoutURI{}, false
	}
	return PostLogoutURI{raw}, true
}
