// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/token"
	"github.com/clientele-dev/clientele/internal/registration"
)

// Issuer is one AuthorizationServer, ready to serve. It is immutable.
type Issuer struct {
	registration.Server

	// Host and Path are the issuer URL's, as a request shows them: Host without the
	// scheme's default port, Path empty for an issuer without one.
	Host, Path string
	// Secure reports whether the issuer uses https. It decides every cookie's
	// attributes, whatever scheme a proxy speaks to us.
	Secure bool
	// ProviderName is the identity provider's name, part of every sub.
	ProviderName string
	// Provider verifies logins. It is nil while its configuration is missing.
	Provider identity.Provider
	// Keys signs tokens, and Box seals; both nil until a replica has minted keys.
	Keys *token.KeySet
	Box  *seal.Box

	// salt is what pairwise subjects are made with, or nil; see Client.Subject.
	salt []byte
}

// NewIssuer prepares an issuer for serving. provider may be nil, and keys too; see
// Ready.
func NewIssuer(record registration.Server, provider identity.Provider, set *keys.Set) (*Issuer, error) {
	if err := record.Validate(); err != nil {
		return nil, fmt.Errorf("issuer record %q: %w", record.Name, err)
	}
	u, err := url.Parse(record.Issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer record %q: issuer is not a URL", record.Name)
	}
	i := &Issuer{
		Server: record, Host: CanonicalHost(u.Host, u.Scheme == "https"), Path: u.Path,
		Secure: u.Scheme == "https", ProviderName: record.IdentityProviders[0].Name, Provider: provider,
	}
	if set == nil {
		return i, nil
	}
	if i.Keys, err = token.NewKeySet(record.Issuer, *set); err != nil {
		return nil, fmt.Errorf("keys of issuer %q: %w", record.Name, err)
	}
	if i.Box, err = seal.NewBox(record.Issuer, *set, nil); err != nil {
		return nil, fmt.Errorf("keys of issuer %q: %w", record.Name, err)
	}
	i.salt = saltOf(*set)
	return i, nil
}

// Ready reports whether the issuer can serve: it has keys.
func (i *Issuer) Ready() bool { return i.Keys != nil && i.Box != nil }

// Describe returns the words in which a person is asked for a scope.
func (i *Issuer) Describe(scope string) string {
	for _, s := range i.Scopes {
		if s.Name == scope {
			return s.Description
		}
	}
	return scope
}

// ScopeNames are the scopes that the issuer offers.
func (i *Issuer) ScopeNames() oauth.Scopes {
	var out oauth.Scopes
	for _, s := range i.Scopes {
		out = append(out, s.Name)
	}
	return out
}

// CanonicalHost is a Host header or URL host in lower case and without its scheme's
// default port (RFC 9110 section 4.2.3).
func CanonicalHost(host string, secure bool) string {
	host = strings.ToLower(host)
	port := ":80"
	if secure {
		port = ":443"
	}
	bare, ok := strings.CutSuffix(host, port) // an IPv6 address keeps its brackets
	if !ok {
		return host
	}
	if _, _, err := net.SplitHostPort(host); err != nil {
		return host // the end of an IPv6 address without brackets is no port
	}
	return bare
}
