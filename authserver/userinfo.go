// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/token"
)

// userinfo tells the holder of an access token of the person (OpenID Connect Core
// 1.0 section 5.3), as they are now.
func (s *Server) userinfo(w http.ResponseWriter, r *request) error {
	raw, err := parseBearer(r)
	if err != nil {
		return err
	}
	access, err := r.issuer.Keys.VerifyAccess(raw, r.now)
	if err != nil {
		return badToken(err)
	}
	client, err := s.alive(r, access.ClientID)
	if err != nil {
		return err
	}
	r.client = client
	allowOrigin(w, r, client)
	if problem := checkAudience(client, access.Audience); problem != nil {
		return problem
	}
	scopes := allowedScopes(client, oauth.ParseScopes(access.Scope))
	if !scopes.Has(oauth.ScopeOpenID) {
		return oauth.Errorf(oauth.InsufficientScope, "the access token does not have the scope openid")
	}
	grant, person, err := s.standing(r, grantID(access.ID), client)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		Subject string `json:"sub"`
		token.Person
		details
	}{client.Subject(r.issuer, grant.Subject), release(person, scopes), releaseDetails(person, scopes)})
}

var errNoToken = errors.New("no access token")

// parseBearer finds the access token in the header or in the form (RFC 6750
// sections 2.1 and 2.2). One in the query is not looked for: RFC 9700 section 4.3.2
// forbids it.
func parseBearer(r *request) (string, error) {
	scheme, header, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		header = ""
	}
	p := &params{values: r.PostForm}
	body := p.one("access_token")
	if err := p.err(); err != nil {
		return "", err
	}
	switch {
	case header != "" && body != "" || len(r.Header.Values("Authorization")) > 1:
		return "", oauth.Errorf(oauth.InvalidRequest, "the access token is given in more than one way")
	case header == "" && body == "":
		return "", oauth.Errorf(oauth.InvalidToken, "an access token is required").Because(errNoToken)
	}
	return strings.TrimSpace(header + body), nil
}

func badToken(cause error) *oauth.Error {
	return oauth.Errorf(oauth.InvalidToken, "the access token is not valid, has expired or was revoked").Because(cause)
}

// alive returns the client that a token was issued to, if it still is registered.
func (s *Server) alive(r *request, clientID string) (*registry.Client, error) {
	client, ok := s.registry.Client(r.issuer, clientID)
	switch {
	case ok && !client.KnowsPeople(r.issuer):
		return nil, unavailable(errNoSalt)
	case ok:
		return client, nil
	case !s.registry.Current():
		return nil, unavailable(errStale)
	}
	return nil, badToken(errors.New("the client is gone"))
}

// standing returns a grant of a client and its person, if what it gave still is good.
func (s *Server) standing(r *request, id string, client *registry.Client) (store.Grant, identity.Person, error) {
	grant, err := s.grantOf(r, id, client)
	if err != nil {
		return grant, identity.Person{}, err
	}
	var person identity.Person
	problem := s.checkOnline(r, client, grant.Scopes, grant.SessionID)
	if problem == nil {
		person, problem = s.stillThere(r, client, login{Provider: grant.Provider, PersonID: grant.PersonID})
	}
	switch {
	case problem == nil:
		return grant, person, nil
	case problem.Code == oauth.InvalidGrant:
		return grant, person, badToken(problem)
	}
	return grant, person, problem
}

// grantOf returns the grant that a token came of, unless it was ended.
func (s *Server) grantOf(r *request, id string, client *registry.Client) (store.Grant, error) {
	grant, err := s.store.Grant(r.Context(), r.issuer.Name, id)
	switch {
	case errors.Is(err, store.ErrRevoked), errors.Is(err, store.ErrNotFound):
		return grant, badToken(err)
	case err != nil:
		return grant, unavailable(fmt.Errorf("read grant: %w", err))
	}
	if problem := s.checkHolder(client, grant.ClientID, grant.ClientUID); problem != nil {
		if problem.Code == oauth.TemporarilyUnavailable {
			return grant, problem
		}
		return grant, badToken(problem)
	}
	return grant, nil
}

// tokenID is the jti of an access token: the grant's id, so that the grant can be
// found from the token, and a name of its own (RFC 9068 section 2.2).
func tokenID(grant, own string) string { return grant + "." + own }

// grantID is the grant's id in a jti.
func grantID(jti string) string {
	grant, _, _ := strings.Cut(jti, ".")
	return grant
}
