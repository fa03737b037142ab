// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package inprocess makes an authorization server of records that a test gives it:
// the real one, with local users, and without the manager.
package inprocess

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/clientele-dev/clientele/authserver"
	"github.com/clientele-dev/clientele/authserver/identity/users"
	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/outbound"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/memory"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/internal/userfile"
)

// Options say what server to make.
type Options struct {
	// Issuer is the issuer URL.
	Issuer string
	// DisplayName is the installation's name on the pages; empty means "Sign in".
	DisplayName string
	// IDTokenAlg signs ID tokens; empty means RS256.
	IDTokenAlg string
	// Clients are completed where they are empty; see Client.
	Clients []registration.Client
	// Store keeps sessions, grants and consents; nil means in memory.
	Store store.Store
	// Keys sign and seal; nil means new ones.
	Keys *keys.Set
	// SessionCache is authserver.Config's.
	SessionCache time.Duration
	// RootCAs are whom apps' https hosts may have their certificates from; nil means
	// whom the system trusts.
	RootCAs *x509.CertPool
	// Log gets one record per request; nil means that nobody reads it.
	Log *slog.Logger
}

// The one person who can sign in. The hash is as weak as bcrypt allows: what it
// costs is not what these tests are about.
const (
	Username = "ada"
	Password = "correct-horse"
	Name     = "Ada Lovelace"
	Email    = "ada@example.com"
)

// Loopback are the networks that apps of tests are in.
func Loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// Client returns a confidential client, for a caller to change.
func Client(name, redirectURI string, secret credential.Secret) registration.Client {
	return registration.Client{
		Version: registration.Version, UID: "uid-" + name, Namespace: "team", Name: name,
		AuthorizationServer: "test", ClientID: registration.ClientID("team", name), DisplayName: name,
		RedirectURIs: []string{redirectURI}, Scopes: []string{"openid", "profile", "email", "groups", "offline_access"},
		GrantTypes:              []string{registration.GrantAuthorizationCode, registration.GrantRefreshToken},
		TokenEndpointAuthMethod: registration.AuthMethodBasic, PKCERequired: true,
		Digests: []registration.Digest{{SHA256: secret.Digest(), Since: time.Now()}},
	}
}

// New returns a server that is ready to serve.
func New(o Options) (http.Handler, error) {
	known := registry.New(nil)
	issuer, err := newIssuer(o)
	if err != nil {
		return nil, err
	}
	known.SetIssuer(issuer)
	for _, record := range o.Clients {
		client, err := registry.NewClient(record)
		if err != nil {
			return nil, err
		}
		known.SetClient(client)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Store == nil {
		o.Store = memory.New(nil)
	}
	return authserver.New(authserver.Config{
		Registry: known, Store: o.Store, SessionCache: o.SessionCache, Log: o.Log,
		Outbound: outbound.New(outbound.Config{Allowed: Loopback(), RootCAs: o.RootCAs}),
	})
}

func newIssuer(o Options) (*registry.Issuer, error) {
	record := registration.Server{
		Version: registration.Version, UID: "uid-test", Name: "test", Issuer: o.Issuer, DisplayName: o.DisplayName,
		Scopes: registration.StandardScopes(),
		Lifetimes: registration.Lifetimes{
			AuthorizationCode: time.Minute, AccessToken: 15 * time.Minute, IDToken: 15 * time.Minute,
			RefreshToken: 720 * time.Hour, RefreshTokenIdle: 168 * time.Hour, RefreshTokenRetryGrace: 10 * time.Second,
			Session: 12 * time.Hour,
		},
		Signing:           registration.Signing{IDTokenAlg: o.IDTokenAlg, AccessTokenAlg: keys.ES256, KeyRotationInterval: 720 * time.Hour},
		IdentityProviders: []registration.IdentityProvider{{Name: "users", UsersSecret: "users"}},
	}
	if record.DisplayName == "" {
		record.DisplayName = "Sign in"
	}
	if record.Signing.IDTokenAlg == "" {
		record.Signing.IDTokenAlg = keys.RS256
	}
	if o.Keys == nil {
		set, err := NewKeys()
		if err != nil {
			return nil, err
		}
		o.Keys = &set
	}
	people, err := newUsers()
	if err != nil {
		return nil, err
	}
	return registry.NewIssuer(record, people, o.Keys)
}

// NewKeys are for servers that are to share them.
func NewKeys() (keys.Set, error) {
	schedule := keys.Schedule{Interval: 720 * time.Hour, Lead: time.Hour, KeepSigning: time.Hour, KeepSealing: time.Hour}
	set, _, err := keys.Set{}.Rotate(time.Now(), schedule, nil)
	return set, err
}

func newUsers() (*users.Provider, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(Password), bcrypt.MinCost)
	if err != nil {
		return nil, fmt.Errorf("hash the password: %w", err)
	}
	return users.New([]userfile.User{{
		ID: Username, Username: Username, PasswordHash: string(hash),
		Name: Name, Email: Email, EmailVerified: true, Groups: []string{"engineering", "admins"},
	}}, users.Options{})
}
