// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registration is the record that the manager and the authserver share:
// what the manager writes of an OAuthClient and of an AuthorizationServer, and
// what the authserver serves by. It encodes, decodes and validates, and knows
// neither Kubernetes nor HTTP. A record holds digests, never a plaintext secret.
package registration

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Version is the format of a record. A reader refuses a record of another one,
// and ignores fields that it does not know.
const Version = 1

// MaxDigests is how many credentials of one client may be accepted at once.
const MaxDigests = 32

// The words of RFC 7591 section 2 that a Client's fields hold.
const (
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"

	AuthMethodBasic = "client_secret_basic"
	AuthMethodPost  = "client_secret_post"
	// AuthMethodPrivateKeyJWT is of a client with JWKS or JWKSURI.
	AuthMethodPrivateKeyJWT = "private_key_jwt"
	AuthMethodNone          = "none"
)

// When a person is asked for consent.
const (
	ConsentAlways = "Always"
	ConsentOnce   = "Once"
	ConsentNever  = "Never"
)

// Client is what the authserver knows of an OAuthClient.
type Client struct {
	Version int `json:"version"`
	// UID is the OAuthClient's metadata.uid. Grants carry it, so that deleting and
	// creating a client anew ends the grants of the old one.
	UID       string `json:"uid"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// AuthorizationServer is the name of the server that the client belongs to.
	AuthorizationServer string `json:"authorizationServer"`
	ClientID            string `json:"clientID"`
	DisplayName         string `json:"displayName"`
	// Public clients have no digests and authenticate with none.
	Public                  bool     `json:"public,omitempty"`
	RedirectURIs            []string `json:"redirectURIs"`
	Scopes                  []string `json:"scopes"`
	GrantTypes              []string `json:"grantTypes"`
	TokenEndpointAuthMethod string   `json:"tokenEndpointAuthMethod"`
	PKCERequired            bool     `json:"pkceRequired,omitempty"`

	// PostLogoutRedirectURIs are those of OpenID Connect RP-Initiated Logout 1.0
	// section 3.
	PostLogoutRedirectURIs []string `json:"postLogoutRedirectURIs,omitempty"`
	// BackchannelLogoutURI is that of OpenID Connect Back-Channel Logout 1.0 section 2.2.
	BackchannelLogoutURI string `json:"backchannelLogoutURI,omitempty"`
	// Audiences are the resources of RFC 8707 that the client may ask for.
	Audiences []string `json:"audiences,omitempty"`
	// Pairwise says that a person's sub is of the client's sector alone.
	Pairwise bool `json:"pairwise,omitempty"`
	// JWKS is a JWK set (RFC 7517 section 5) of public keys, and JWKSURI where to fetch
	// one: the keys of a client that authenticates by AuthMethodPrivateKeyJWT.
	JWKS    json.RawMessage `json:"jwks,omitempty"`
	JWKSURI string          `json:"jwksURI,omitempty"`
	// AllowedUsers and AllowedGroups are who may sign in, by username and by group:
	// whoever is in one of them. If both are empty, everybody may.
	AllowedUsers  []string `json:"allowedUsers,omitempty"`
	AllowedGroups []string `json:"allowedGroups,omitempty"`
	// Consent is one of the Consent constants; empty means ConsentOnce.
	Consent string `json:"consent,omitempty"`
	// Lifetimes are this client's own; those that are zero are the server's.
	Lifetimes ClientLifetimes `json:"lifetimes,omitzero"`
	// IDTokenAlg and AccessTokenAlg are this client's own; empty ones are the server's.
	IDTokenAlg     string `json:"idTokenAlg,omitempty"`
	AccessTokenAlg string `json:"accessTokenAlg,omitempty"`
	// The pages and the picture that a person sees at consent.
	ClientURI string `json:"clientURI,omitempty"`
	LogoURI   string `json:"logoURI,omitempty"`
	PolicyURI string `json:"policyURI,omitempty"`
	TOSURI    string `json:"tosURI,omitempty"`

	// GrantUID is what grants carry instead of UID if it is not empty: the UID of an
	// earlier OAuthClient of this name, whose grants were to be retained.
	GrantUID string `json:"grantUID,omitempty"`
	// RetainGrants says what becomes of the client's grants when its OAuthClient is
	// deleted: they are kept for the next one of the same name and ClientID.
	RetainGrants bool `json:"retainGrants,omitempty"`
	// RetainedUntil is until when they are kept, once the OAuthClient is gone. The
	// record is Withdrawn then.
	RetainedUntil time.Time `json:"retainedUntil,omitzero"`
	// Withdrawn says that the client is not registered: the server knows it no more
	// than one that never was. What else the record says is for when it is again.
	Withdrawn bool `json:"withdrawn,omitempty"`
	// Digests are of every secret that is accepted, oldest first.
	Digests []Digest `json:"digests,omitempty"`
}

// ClientLifetimes are a client's own, stored as whole nanoseconds.
type ClientLifetimes struct {
	AccessToken      time.Duration `json:"accessToken,omitempty"`
	IDToken          time.Duration `json:"idToken,omitempty"`
	RefreshToken     time.Duration `json:"refreshToken,omitempty"`
	RefreshTokenIdle time.Duration `json:"refreshTokenIdle,omitempty"`
}

// Digest stands for one client secret: by SHA256 if it was minted, and by Argon2id
// if a person brought it.
type Digest struct {
	// SHA256 is credential.Secret.Digest of the secret.
	SHA256 string `json:"sha256,omitempty"`
	// Argon2id is credential.Secret.Hash of the secret.
	Argon2id string `json:"argon2id,omitempty"`
	// Since is when the digest was first published.
	Since time.Time `json:"since"`
	// Until is set once a newer secret has taken this one's place in the app's
	// Secret: the manager drops the digest after it. It is zero before.
	Until time.Time `json:"until,omitzero"`
	// Request is the rotation request that the secret answers; see the annotation
	// clientele.dev/rotate.
	Request string `json:"request,omitempty"`
	// Brought says that the secret is one that spec.clientSecretRef names: once the
	// OAuthClient names none any more, it is replaced by one that is minted.
	Brought bool `json:"brought,omitempty"`
}

// Verifier is what a secret is compared with: SHA256 or Argon2id, whichever there
// is. No two digests have the same.
func (d Digest) Verifier() string { return cmp.Or(d.SHA256, d.Argon2id) }

// ID is a short name of the secret for people. It tells nothing of the secret.
func (d Digest) ID() string {
	sum := sha256.Sum256([]byte(d.Verifier()))
	return hex.EncodeToString(sum[:6])
}

// ClientID is the client_id of an OAuthClient. A namespace has no dot, so two
// OAuthClients never share one.
func ClientID(namespace, name string) string { return namespace + "." + name }

// HasSecret reports whether the client authenticates with a client secret. One that
// does not has no digests, and its Secret no client_secret: it is public, or has a key
// of its own.
func (c Client) HasSecret() bool {
	return !c.Public && c.TokenEndpointAuthMethod != AuthMethodPrivateKeyJWT
}

// Encode returns c as it is stored. Equal clients give equal bytes.
func (c Client) Encode() ([]byte, error) {
	c.Version = Version
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

// DecodeClient reads and validates what Encode wrote.
func DecodeClient(data []byte) (Client, error) {
	var c Client
	if err := json.Unmarshal(data, &c); err != nil {
		return Client{}, fmt.Errorf("decode client record: %w", err)
	}
	return c, c.Validate()
}

// Validate says what keeps c from being served.
func (c Client) Validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if c.Version != Version {
		refuse("version is %d, not %d", c.Version, Version)
	}
	for _, f := range [][2]string{
		{"uid", c.UID}, {"namespace", c.Namespace}, {"name", c.Name},
		{"authorizationServer", c.AuthorizationServer}, {"clientID", c.ClientID},
	} {
		if f[1] == "" {
			refuse("%s is empty", f[0])
		}
	}
	if len(c.RedirectURIs) == 0 {
		refuse("redirectURIs is empty")
	}
	for i, u := range c.RedirectURIs {
		if err := ValidateRedirectURI(u, c.Public); err != nil {
			refuse("redirectURIs[%d]: %w", i, err)
		}
	}
	for i, s := range c.Scopes {
		if !ValidScope(s) {
			refuse("scopes[%d] is not a scope-token of RFC 6749 section 3.3", i)
		}
	}
	for i, g := range c.GrantTypes {
		if g != GrantAuthorizationCode && g != GrantRefreshToken {
			refuse("grantTypes[%d] is not supported", i)
		}
	}
	for i, u := range c.PostLogoutRedirectURIs {
		if err := ValidateRedirectURI(u, c.Public); err != nil {
			refuse("postLogoutRedirectURIs[%d]: %w", i, err)
		}
	}
	if err := ValidateBackchannelURI(c.BackchannelLogoutURI); err != nil {
		refuse("backchannelLogoutURI: %w", err)
	}
	errs = append(errs, c.validateAuthentication(), c.validateTerms(), c.validatePages(), c.validateSector(), c.validateAudiences())
	return errors.Join(errs...)
}

// validateTerms checks what decides who gets which tokens, and for how long.
func (c Client) validateTerms() error {
	l := c.Lifetimes
	switch {
	case !slices.Contains([]string{"", ConsentAlways, ConsentOnce, ConsentNever}, c.Consent):
		return errors.New("consent is not supported")
	case min(l.AccessToken, l.IDToken, l.RefreshToken, l.RefreshTokenIdle) < 0:
		return errors.New("lifetimes: one is negative")
	case c.IDTokenAlg != "" && !slices.Contains(signingAlgs, c.IDTokenAlg):
		return errors.New("idTokenAlg is not supported")
	case c.AccessTokenAlg != "" && !slices.Contains(signingAlgs, c.AccessTokenAlg):
		return errors.New("accessTokenAlg is not supported")
	}
	return nil
}

// validatePages checks what a person's browser is given to load or to follow.
func (c Client) validatePages() error {
	var errs []error
	for _, f := range [][2]string{
		{"clientURI", c.ClientURI}, {"logoURI", c.LogoURI}, {"policyURI", c.PolicyURI}, {"tosURI", c.TOSURI},
	} {
		if err := ValidateWebURI(f[1]); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f[0], err))
		}
	}
	return errors.Join(errs...)
}

func (c Client) validateAuthentication() error {
	methods := []string{AuthMethodBasic, AuthMethodPost, AuthMethodPrivateKeyJWT}
	if c.Public {
		methods = []string{AuthMethodNone}
	}
	if err := c.validateKeys(); err != nil {
		return err
	}
	switch {
	case !slices.Contains(methods, c.TokenEndpointAuthMethod):
		return errors.New("tokenEndpointAuthMethod does not fit the client's type")
	case c.Public && !c.PKCERequired:
		return errors.New("pkceRequired is false for a public client")
	case c.Public && len(c.Digests) > 0:
		return errors.New("digests: a public client has none")
	case !c.HasSecret() && len(c.Digests) > 0:
		return errors.New("digests: a client that authenticates with private_key_jwt has none")
	case len(c.Digests) > MaxDigests:
		return fmt.Errorf("digests: more than %d", MaxDigests)
	case slices.ContainsFunc(c.Digests, func(d Digest) bool { return (d.SHA256 == "") == (d.Argon2id == "") }):
		return errors.New("digests: one has not exactly one of sha256 and argon2id")
	}
	return nil
}

// validateKeys checks that there are keys for private_key_jwt, in one of two places, and
// none for anything else.
func (c Client) validateKeys() error {
	inline, fetched := len(c.JWKS) > 0, c.JWKSURI != ""
	switch {
	case inline && fetched:
		return errors.New("jwksURI: the keys stand in jwks or are fetched from jwksURI, not both")
	case (inline || fetched) != (c.TokenEndpointAuthMethod == AuthMethodPrivateKeyJWT):
		return errors.New("tokenEndpointAuthMethod: private_key_jwt goes with one of jwks and jwksURI")
	case fetched:
		if err := ValidateWebURI(c.JWKSURI); err != nil {
			return fmt.Errorf("jwksURI: %w", err)
		}
	case inline:
		if _, err := ParseKeys(c.JWKS); err != nil {
			return fmt.Errorf("jwks: %w", err)
		}
	}
	return nil
}
