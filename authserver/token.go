// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

// tokenRequest is what the token endpoint is asked.
type tokenRequest struct {
	credentials
	grantType string

	// Of authorization_code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
	code, redirectURI, verifier string
	// Of refresh_token (RFC 6749 section 6).
	refreshToken, scope string
	// Of both (RFC 8707 section 2.2).
	resources []string
}

// token is the token endpoint (RFC 6749 section 3.2).
func (s *Server) token(w http.ResponseWriter, r *request) error {
	req, problem := parseToken(r)
	if c, ok := s.registry.Client(r.issuer, req.id); ok {
		r.client = c
		allowOrigin(w, r, c)
	}
	var answer *tokenResponse
	if problem == nil {
		answer, problem = s.answerToken(r, req)
	}
	if problem != nil {
		s.metrics.tokenError(problem.Code)
		challengeClient(w, r, problem)
		return problem
	}
	s.metrics.tokenIssued(req.grantType)
	return writeJSON(w, http.StatusOK, answer)
}

// formParams are the parameters of a request that brings credentials, which come in
// the body and nowhere else.
func formParams(r *request) (*params, *oauth.Error) {
	switch {
	case !r.hasForm():
		return nil, oauth.Errorf(oauth.InvalidRequest, "the request body must be application/x-www-form-urlencoded")
	case r.URL.RawQuery != "":
		// RFC 6749 section 2.3.1: credentials MUST NOT be in the URI, nor should anything
		// else that ends up in an access log.
		return nil, oauth.Errorf(oauth.InvalidRequest, "parameters belong in the request body, not in the query")
	}
	return &params{values: r.PostForm}, nil
}

// parseToken reads the form once; nothing after it may touch the parameters.
func parseToken(r *request) (tokenRequest, *oauth.Error) {
	p, problem := formParams(r)
	if problem != nil {
		return tokenRequest{}, problem
	}
	req := tokenRequest{
		grantType: p.one("grant_type"),
		code:      p.one("code"), redirectURI: p.one("redirect_uri"), verifier: p.one("code_verifier"),
		refreshToken: p.one("refresh_token"), scope: p.one("scope"),
		resources: p.resources(),
	}
	req.credentials, problem = parseCredentials(r.Header.Values("Authorization"), p)
	if err := p.err(); err != nil {
		return req, err
	}
	if problem == nil && req.grantType == "" {
		problem = oauth.Errorf(oauth.InvalidRequest, "grant_type is missing")
	}
	return req, problem
}

func (s *Server) answerToken(r *request, req tokenRequest) (*tokenResponse, *oauth.Error) {
	client, problem := s.authenticateClient(r, req.credentials)
	if problem != nil {
		return nil, problem
	}
	r.client = client
	var grant func(*request, *registry.Client, tokenRequest) (*tokenResponse, *oauth.Error)
	switch req.grantType {
	case registration.GrantAuthorizationCode:
		grant = s.redeemCode
	case registration.GrantRefreshToken:
		grant = s.refresh
	default:
		return nil, oauth.Errorf(oauth.UnsupportedGrantType, "grant_type must be authorization_code or refresh_token")
	}
	switch {
	case !client.MayUse(req.grantType):
		return nil, oauth.Errorf(oauth.UnauthorizedClient, "the client is not registered for this grant_type")
	case !client.KnowsPeople(r.issuer):
		return nil, unavailable(errNoSalt)
	}
	return grant(r, client, req)
}

// challengeClient answers an Authorization header that failed with what would be
// accepted (RFC 6749 section 5.2).
func challengeClient(w http.ResponseWriter, r *request, problem *oauth.Error) {
	if problem.Code == oauth.InvalidClient && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="`+realm(r)+`"`)
	}
}
