// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registration is the record that the manager and the authserver share:
// what the manager writes of an OAuthClient and of an AuthorizationServer, and
// what the authserver serves by. It encodes, decodes and validates, and knows
// neither Kubernetes nor HTTP. A record holds digests, never a plaintext secret.
package registration

import (
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
	AuthMethodNone  = "none"
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
	// Digests are of every secret that is accepted, oldest first.
	Digests []Digest `json:"digests,omitempty"`
}

// Digest stands for one client secret.
type Digest struct {
	// SHA256 is credential.Digest of the secret.
	SHA256 string `json:"sha256"`
	// Since is when the digest was first published.
	Since time.Time `json:"since"`
	// Until is set once a newer secret has taken this one's place in the app's
	// Secret: the manager drops the digest after it. It is zero before.
	Until time.Time `json:"until,omitzero"`
}

// ClientID is the client_id of an OAuthClient. A namespace has no dot, so two
// OAuthClients never share one.
func ClientID(namespace, name string) string { return namespace + "." + name }

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
	if err := c.validateAuthentication(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c Client) validateAuthentication() error {
	methods := []string{AuthMethodBasic, AuthMethodPost}
	if c.Public {
		methods = []string{AuthMethodNone}
	}
	switch {
	case !slices.Contains(methods, c.TokenEndpointAuthMethod):
		return errors.New("tokenEndpointAuthMethod does not fit the client's type")
	case c.Public && !c.PKCERequired:
		return errors.New("pkceRequired is false for a public client")
	case c.Public && len(c.Digests) > 0:
		return errors.New("digests: a public client has none")
	case len(c.Digests) > MaxDigests:
		return fmt.Errorf("digests: more than %d", MaxDigests)
	case slices.ContainsFunc(c.Digests, func(d Digest) bool { return d.SHA256 == "" }):
		return errors.New("digests: one is empty")
	}
	return nil
}
