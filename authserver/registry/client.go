// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// Client is one registered client. It is immutable.
type Client struct {
	record registration.Client
	minted accepted // by their SHA-256
	hashed accepted // by their argon2id
	scopes oauth.Scopes
	// sector is empty unless the client's subjects are pairwise.
	sector string
	// keys are those that verify its assertions, unless they are fetched.
	keys []registration.PublicKey
}

// accepted are what secrets are compared with, oldest first, and the IDs of their
// digests.
type accepted struct{ verifiers, ids []string }

func (a *accepted) add(d registration.Digest) {
	a.verifiers, a.ids = append(a.verifiers, d.Verifier()), append(a.ids, d.ID())
}

// NewClient validates a record for serving.
func NewClient(record registration.Client) (*Client, error) {
	if err := record.Validate(); err != nil {
		return nil, fmt.Errorf("client record %s/%s: %w", record.Namespace, record.Name, err)
	}
	record.RedirectURIs = slices.Clone(record.RedirectURIs)
	record.GrantTypes = slices.Clone(record.GrantTypes)
	ownSettings(&record)
	c := &Client{record: record, scopes: slices.Clone(record.Scopes)}
	if record.Pairwise {
		c.sector, _ = record.Sector() // Validate has seen that it has one
	}
	if len(record.JWKS) > 0 {
		c.keys, _ = registration.ParseKeys(record.JWKS) // Validate has done so too
		c.record.JWKS = nil                             // the caller's
	}
	for _, d := range record.Digests {
		if d.SHA256 != "" {
			c.minted.add(d)
		} else {
			c.hashed.add(d)
		}
	}
	return c, nil
}

// ID is the client_id.
func (c *Client) ID() string { return c.record.ClientID }

// UID is what grants carry: the UID of the OAuthClient, or of an earlier one whose
// grants it has taken over.
func (c *Client) UID() string { return cmp.Or(c.record.GrantUID, c.record.UID) }

// Namespace is the OAuthClient's namespace: to a person, the team that owns the app.
func (c *Client) Namespace() string { return c.record.Namespace }

// DisplayName is what a person reads.
func (c *Client) DisplayName() string { return c.record.DisplayName }

// Public reports whether the client cannot authenticate.
func (c *Client) Public() bool { return c.record.Public }

// PKCERequired reports whether an authorization request must have a code_challenge.
func (c *Client) PKCERequired() bool { return c.record.PKCERequired }

// AuthMethod is the client's one token_endpoint_auth_method.
func (c *Client) AuthMethod() string { return c.record.TokenEndpointAuthMethod }

// Keys are the public keys of a client that is registered with them. The caller must not
// change them.
func (c *Client) Keys() []registration.PublicKey { return c.keys }

// JWKSURI is where the client's keys are instead; it is empty for most.
func (c *Client) JWKSURI() string { return c.record.JWKSURI }

// MayUse reports whether the client is registered for a grant type.
func (c *Client) MayUse(grantType string) bool {
	return slices.Contains(c.record.GrantTypes, grantType)
}

// Scopes are those that the client may ask for. The caller must not change them.
func (c *Client) Scopes() oauth.Scopes { return c.scopes }

// Accepts returns the ID of the digest that secret is accepted by, or "" if it is
// none of the client's. Where all that is accepted was minted, that takes the same
// time whichever one it is, and whether or not it is one. Otherwise slow compares it,
// and the error says that slow could not: try again.
func (c *Client) Accepts(ctx context.Context, secret credential.Secret, slow *Verifier) (id string, err error) {
	if !c.record.HasSecret() {
		return "", nil
	}
	if i := secret.Find(c.minted.verifiers); i >= 0 {
		return c.minted.ids[i], nil
	}
	if len(c.hashed.verifiers) == 0 {
		return "", nil
	}
	i, err := slow.find(ctx, c.record.UID, c.hashed.verifiers, secret)
	if i < 0 {
		return "", err
	}
	return c.hashed.ids[i], nil
}

// RedirectURI was compared with a registration (RFC 9700 section 2.1). Only
// Client.Redirect makes one, so an unchecked string cannot reach a Location.
type RedirectURI struct{ uri string }

// String is the URI as the client sent it.
func (u RedirectURI) String() string { return u.uri }

// TakesForms reports whether a browser can send a form there, and not only go there:
// it is on the web, and not of an app's own scheme.
func (u RedirectURI) TakesForms() bool {
	return strings.HasPrefix(u.uri, "https://") || strings.HasPrefix(u.uri, "http://")
}

// Redirect reports whether raw may be redirected to: it is registered, byte for
// byte, or differs from a registered URI of a loopback IP address in nothing but
// the port (RFC 8252 section 7.3), which may be missing from either.
func (c *Client) Redirect(raw string) (RedirectURI, bool) {
	for _, registered := range c.record.RedirectURIs {
		if raw == registered || sameLoopback(registered, raw) {
			return RedirectURI{raw}, true
		}
	}
	return RedirectURI{}, false
}

// SoleRedirect is the client's redirect URI, if it has just one, for a request
// that names none (RFC 6749 section 3.1.2.3).
func (c *Client) SoleRedirect() (RedirectURI, bool) {
	if len(c.record.RedirectURIs) != 1 {
		return RedirectURI{}, false
	}
	return RedirectURI{c.record.RedirectURIs[0]}, true
}

// sameLoopback reports whether raw is registered but for the port, or for having
// one or none. Everything else is compared byte for byte, with no URL parser in
// between: what two parsers read differently is where open redirects come from.
func sameLoopback(registered, raw string) bool {
	host, rest, ok := splitLoopback(registered)
	if !ok {
		return false
	}
	after, ok := strings.CutPrefix(raw, host)
	if !ok {
		return false
	}
	return cutPort(after) == rest
}

// splitLoopback cuts a registered URI into "http://" with its loopback IP address,
// and what follows the port. localhost is not an IP address: it may be resolved to
// something else (RFC 8252 section 8.3).
func splitLoopback(registered string) (host, rest string, ok bool) {
	const scheme = "http://"
	after, ok := strings.CutPrefix(registered, scheme)
	if !ok {
		return "", "", false
	}
	for _, ip := range []string{"127.0.0.1", "[::1]"} {
		if rest, ok := strings.CutPrefix(after, ip); ok {
			rest = cutPort(rest)
			return scheme + ip, rest, rest == "" || rest[0] == '/' || rest[0] == '?'
		}
	}
	return "", "", false
}

// cutPort returns what follows the colon and port at the beginning of s, or s if
// there is none. A port has one spelling, without leading zeros.
func cutPort(s string) string {
	after, ok := strings.CutPrefix(s, ":")
	if !ok {
		return s
	}
	rest := strings.TrimLeft(after, "0123456789")
	digits := after[:len(after)-len(rest)]
	if _, err := strconv.ParseUint(digits, 10, 16); err != nil || digits[0] == '0' {
		return s
	}
	return rest
}
