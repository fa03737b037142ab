// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/store"
)

// refreshToken is one refresh token of a grant. Only the one whose Counter is the
// grant's is good.
type refreshToken struct {
	Grant     string       `json:"g"`
	Counter   int          `json:"n"`
	ClientID  string       `json:"c"`
	ClientUID string       `json:"u"`
	Scopes    oauth.Scopes `json:"s"`
	// Resources are those of the code.
	Resources []string `json:"rr,omitempty"`
	// IDClaims are those of the code.
	IDClaims []string  `json:"ic,omitempty"`
	IssuedAt time.Time `json:"i"`
	// IdleUntil is until when the token must be used, and Until the end of the chain,
	// which no IdleUntil is beyond.
	IdleUntil time.Time `json:"ie"`
	Until     time.Time `json:"e"`
	login
}

// refresh is the grant type refresh_token (RFC 6749 section 6). As with a code,
// the store is written to last.
func (s *Server) refresh(r *request, client *registry.Client, req tokenRequest) (*tokenResponse, *oauth.Error) {
	t, problem := s.openRefresh(r, client, req)
	if problem != nil {
		return nil, problem
	}
	granted := allowedScopes(client, t.Scopes)
	scopes, problem := narrow(granted, t.Scopes, req.scope)
	if problem != nil {
		return nil, problem
	}
	audience, problem := s.audience(r, client, t.Resources, req.resources)
	if problem != nil {
		return nil, problem
	}
	if problem := s.checkOnline(r, client, t.Scopes, t.SessionID); problem != nil {
		return nil, problem
	}
	person, problem := s.stillThere(r, client, t.login)
	if problem != nil {
		return nil, problem
	}
	answer, err := s.mint(r, issuance{
		client: client, grant: t.Grant, login: t.login, person: person,
		granted: t.Scopes, scopes: scopes, resources: t.Resources, audience: audience, idClaims: t.IDClaims, counter: t.Counter + 1, refreshUntil: t.Until,
	})
	if err != nil {
		return nil, serverError(err)
	}
	if problem := s.advance(r, t); problem != nil {
		return nil, problem
	}
	return answer, nil
}

// openRefresh makes every check of a refresh token that needs no I/O.
func (s *Server) openRefresh(r *request, client *registry.Client, req tokenRequest) (refreshToken, *oauth.Error) {
	var t refreshToken
	if req.refreshToken == "" {
		return t, oauth.Errorf(oauth.InvalidRequest, "refresh_token is missing")
	}
	switch err := r.issuer.Box.Open(seal.RefreshToken, req.refreshToken, &t); {
	case errors.Is(err, seal.ErrInvalid):
		return t, oauth.Errorf(oauth.InvalidGrant, "refresh_token is not valid")
	case err != nil:
		return t, serverError(err)
	}
	if problem := s.checkHolder(client, t.ClientID, t.ClientUID); problem != nil {
		return t, problem
	}
	if !r.now.Before(t.IdleUntil) {
		return t, oauth.Errorf(oauth.InvalidGrant, "refresh_token has expired")
	}
	if !mayRefresh(client, t.Scopes, t.SessionID) {
		return t, oauth.Errorf(oauth.InvalidGrant, "the client is no longer registered for what it was granted")
	}
	return t, nil
}

// advance moves the grant on to the next refresh token. A token that was used
// before is a theft, by whichever of the two came first (RFC 9700 section 4.14.2),
// unless it is the very last one and was used just now: then its answer was lost,
// and the same next token is given again. The chain never forks. As with a code, the
// write does not depend on the caller's patience.
func (s *Server) advance(r *request, t refreshToken) *oauth.Error {
	grant, err := s.store.Advance(context.WithoutCancel(r.Context()), r.issuer.Name, t.Grant, t.Counter, r.now)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrReused):
		// The use may lie ahead, by the clock of another replica. Without a grace that is
		// no excuse either.
		grace := r.issuer.Lifetimes.RefreshTokenRetryGrace
		if grace > 0 && grant.Counter == t.Counter+1 && r.now.Sub(grant.AdvancedAt) < grace {
			return nil
		}
		return s.revoke(r, t.Grant, "refresh_reuse")
	case errors.Is(err, store.ErrRevoked), errors.Is(err, store.ErrNotFound):
		return oauth.Errorf(oauth.InvalidGrant, "refresh_token is revoked")
	}
	return unavailable(fmt.Errorf("advance grant: %w", err))
}

// narrow is the scopes of a refreshed access token. RFC 6749 section 6: none that
// was not granted; without a scope parameter, all. What was granted once and is no
// longer registered may be asked for by a client that repeats its scopes, and is
// left out.
func narrow(allowed, granted oauth.Scopes, param string) (oauth.Scopes, *oauth.Error) {
	asked := oauth.ParseScopes(param)
	if len(asked) == 0 {
		return allowed, nil
	}
	if !granted.Covers(asked) {
		return nil, oauth.Errorf(oauth.InvalidScope, "scope has one that was not granted")
	}
	left := slices.DeleteFunc(asked, func(scope string) bool { return !allowed.Has(scope) })
	if len(left) == 0 {
		return nil, oauth.Errorf(oauth.InvalidScope, "scope has none that the client is still registered for")
	}
	return left, nil
}
