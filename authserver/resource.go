// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"slices"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

// audiencePrefix makes the audience of access tokens that are asked for without a
// resource: the client's own API. It is deliberately not the bare client_id, which is the
// audience of ID tokens: an access token must never pass for one at a client that does
// not look at typ (RFC 9068 sections 3 and 5).
const audiencePrefix = "api://"

// maxResources is how many APIs a request may name. The length of each is
// registration.ValidateAudience's to bound.
const maxResources = 8

// ownAudience is a client's own API.
func ownAudience(c *registry.Client) string { return audiencePrefix + c.ID() }

// resources reads the parameter resource, the only one that may be given more than once
// (RFC 8707 section 2). As with every parameter, one without a value is one that was left
// out. The same value counts once. Of too many, it returns one more than may be.
func (p *params) resources() []string {
	var out []string
	for _, raw := range p.values["resource"] {
		if len(out) <= maxResources && raw != "" && !slices.Contains(out, raw) {
			out = append(out, raw)
		}
	}
	return out
}

// checkResources refuses an authorization request for what its client may not ask for.
func (s *Server) checkResources(r *request, c *registry.Client, asked []string) *oauth.Error {
	if len(asked) > maxResources {
		return oauth.Errorf(oauth.InvalidTarget, "resource is given with more than %d values", maxResources)
	}
	for _, raw := range asked {
		switch {
		case s.mayAddress(r, c, raw):
		case registration.ValidateAudience(raw) != nil:
			return oauth.Errorf(oauth.InvalidTarget, "resource is not an absolute URI without a fragment, or is too long")
		default:
			return oauth.Errorf(oauth.InvalidTarget, "resource has one that the client is not registered for; see spec.audiences of its OAuthClient")
		}
	}
	return nil
}

// mayAddress reports whether a client may have access tokens for an API: its own, and
// those of its registration. None is for what is a client_id here, whatever the
// registration says: that is the audience of ID tokens.
func (s *Server) mayAddress(r *request, c *registry.Client, resource string) bool {
	if resource == ownAudience(c) {
		return true
	}
	_, isClient := s.registry.Client(r.issuer, resource)
	return c.MayAddress(resource) && !isClient
}

// stillAddressed leaves out what a client may no longer have access tokens for.
func (s *Server) stillAddressed(r *request, c *registry.Client, resources []string) []string {
	return slices.DeleteFunc(slices.Clone(resources), func(one string) bool { return !s.mayAddress(r, c, one) })
}

// audience is that of an access token: all that was granted, or what the token request
// asks for of it (RFC 8707 section 2.2). As with scopes, what was granted once and is no
// longer registered may be asked for, and is left out.
func (s *Server) audience(r *request, c *registry.Client, granted, asked []string) ([]string, *oauth.Error) {
	if len(granted) == 0 {
		granted = []string{ownAudience(c)}
	}
	if len(asked) == 0 {
		asked = granted
	}
	if slices.ContainsFunc(asked, func(one string) bool { return !slices.Contains(granted, one) }) {
		return nil, oauth.Errorf(oauth.InvalidTarget, "resource has one that was not granted; the authorization request must name it")
	}
	left := s.stillAddressed(r, c, asked)
	if len(left) == 0 {
		return nil, oauth.Errorf(oauth.InvalidTarget, "resource has none that the client is still registered for; see spec.audiences of its OAuthClient")
	}
	return left, nil
}

// checkAudience keeps an API that is sent an access token from reading with it what
// /userinfo tells of the person: only a token for the client's own API, and for no other,
// is good there (RFC 9068 section 4, RFC 8707 section 3).
func checkAudience(c *registry.Client, audience []string) *oauth.Error {
	if !slices.Equal(audience, []string{ownAudience(c)}) {
		return oauth.Errorf(oauth.InvalidToken, "the access token is for another API; ask for one that is for the own API of the client alone")
	}
	return nil
}

// stillConcerns leaves out of an access token's audience what its client may no longer
// have tokens for. The error isDead where that leaves nothing for who asks.
func (s *Server) stillConcerns(r *request, caller, client *registry.Client, t issued) (issued, error) {
	if t.refresh != nil {
		return t, nil
	}
	left := s.stillAddressed(r, client, t.audience)
	lost := len(left) < len(t.audience)
	t.audience = left
	switch {
	case lost && !s.registry.Current():
		return t, unavailable(errStale)
	case len(left) == 0 || !concerns(caller.ID(), t):
		return t, badToken(errors.New("its client is no longer registered for the API"))
	}
	return t, nil
}
