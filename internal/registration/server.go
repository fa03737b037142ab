// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// signingAlgs are what tokens can be signed with.
var signingAlgs = []string{"RS256", "ES256", "PS256", "EdDSA"}

// Server is what the authserver knows of an AuthorizationServer.
type Server struct {
	Version int `json:"version"`
	// UID is the AuthorizationServer's metadata.uid.
	UID  string `json:"uid"`
	Name string `json:"name"`
	// Issuer is the issuer identifier, without a slash at its end.
	Issuer            string             `json:"issuer"`
	DisplayName       string             `json:"displayName"`
	Scopes            []Scope            `json:"scopes"`
	Lifetimes         Lifetimes          `json:"lifetimes"`
	Signing           Signing            `json:"signing"`
	IdentityProviders []IdentityProvider `json:"identityProviders"`
}

// Scope is a scope and the words in which a person is asked for it.
type Scope struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Lifetimes are those of an AuthorizationServer, stored as whole nanoseconds.
type Lifetimes struct {
	AuthorizationCode      time.Duration `json:"authorizationCode"`
	AccessToken            time.Duration `json:"accessToken"`
	IDToken                time.Duration `json:"idToken"`
	RefreshToken           time.Duration `json:"refreshToken"`
	RefreshTokenIdle       time.Duration `json:"refreshTokenIdle"`
	RefreshTokenRetryGrace time.Duration `json:"refreshTokenRetryGrace"`
	Session                time.Duration `json:"session"`
}

// MinKeyRotationInterval is what the schema of AuthorizationServer allows as well. With
// it, keys are published for longer before they sign than copies of the JWK set live.
const MinKeyRotationInterval = 24 * time.Hour

// Signing says which algorithms sign and how often keys change.
type Signing struct {
	IDTokenAlg          string        `json:"idTokenAlg"`
	AccessTokenAlg      string        `json:"accessTokenAlg"`
	KeyRotationInterval time.Duration `json:"keyRotationInterval"`
}

// IdentityProvider is where a person's login is verified.
type IdentityProvider struct {
	Name string `json:"name"`
	// UsersSecret names the Secret in the system namespace that lists the users.
	UsersSecret string `json:"usersSecret"`
}

// StandardScopes are offered by every server, in the words used where an
// AuthorizationServer gives no others.
func StandardScopes() []Scope {
	return []Scope{
		{Name: "openid", Description: "know that it is you"},
		{Name: "profile", Description: "see your profile, such as your name and username"},
		{Name: "email", Description: "see your email address"},
		{Name: "address", Description: "see your postal address"},
		{Name: "phone", Description: "see your phone number"},
		{Name: "groups", Description: "see which groups you belong to"},
		{Name: "offline_access", Description: "keep its access while you are away"},
	}
}

// Encode returns s as it is stored. Equal servers give equal bytes.
func (s Server) Encode() ([]byte, error) {
	s.Version = Version
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// DecodeServer reads and validates what Encode wrote.
func DecodeServer(data []byte) (Server, error) {
	var s Server
	if err := json.Unmarshal(data, &s); err != nil {
		return Server{}, fmt.Errorf("decode server record: %w", err)
	}
	return s, s.Validate()
}

// Validate says what keeps s from being served.
func (s Server) Validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if s.Version != Version {
		refuse("version is %d, not %d", s.Version, Version)
	}
	if s.Name == "" || s.UID == "" {
		refuse("name or uid is empty")
	}
	if err := ValidateIssuer(s.Issuer); err != nil {
		refuse("issuer: %w", err)
	}
	for i, sc := range s.Scopes {
		if !ValidScope(sc.Name) {
			refuse("scopes[%d] is not a scope-token of RFC 6749 section 3.3", i)
		}
	}
	for _, l := range []struct {
		field string
		value time.Duration
	}{
		{"authorizationCode", s.Lifetimes.AuthorizationCode}, {"accessToken", s.Lifetimes.AccessToken},
		{"idToken", s.Lifetimes.IDToken}, {"refreshToken", s.Lifetimes.RefreshToken},
		{"refreshTokenIdle", s.Lifetimes.RefreshTokenIdle}, {"session", s.Lifetimes.Session},
	} {
		if l.value < time.Second {
			refuse("lifetimes.%s is shorter than a second", l.field)
		}
	}
	if s.Lifetimes.RefreshTokenRetryGrace < 0 {
		refuse("lifetimes.refreshTokenRetryGrace is negative")
	}
	for _, a := range [][2]string{{"idTokenAlg", s.Signing.IDTokenAlg}, {"accessTokenAlg", s.Signing.AccessTokenAlg}} {
		if !slices.Contains(signingAlgs, a[1]) {
			refuse("signing.%s is not supported", a[0])
		}
	}
	if s.Signing.KeyRotationInterval < MinKeyRotationInterval {
		refuse("signing.keyRotationInterval is shorter than %v", MinKeyRotationInterval)
	}
	if len(s.IdentityProviders) == 0 {
		refuse("identityProviders is empty")
	}
	for i, p := range s.IdentityProviders {
		if p.Name == "" || p.UsersSecret == "" {
			refuse("identityProviders[%d] has no name or no usersSecret", i)
		}
	}
	return errors.Join(errs...)
}
