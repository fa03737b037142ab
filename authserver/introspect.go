// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/seal"
)

// introspection is RFC 7662 section 2.2's. Its zero value is a token that is not
// active: of that one nothing is told, not even why.
type introspection struct {
	Active   bool   `json:"active"`
	Scope    string `json:"scope,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	Username string `json:"username,omitempty"`
	// TokenType is how a token is used (RFC 6749 section 7.1); a refresh token has none.
	TokenType string   `json:"token_type,omitempty"`
	Expires   int64    `json:"exp,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	ID        string   `json:"jti,omitempty"`
}

// introspect is the introspection endpoint (RFC 7662 section 2).
func (s *Server) introspect(w http.ResponseWriter, r *request) error {
	q, problem := parseInquiry(r)
	var caller *registry.Client
	if problem == nil {
		caller, problem = s.authenticateCaller(r, q.credentials)
	}
	if problem != nil {
		challengeClient(w, r, problem)
		return problem
	}
	r.client = caller
	answer, err := s.inspect(r, caller, q.token)
	switch {
	case isDead(err):
		// RFC 7662 section 2.2: it MUST be the same for every token that is not active or
		// not the caller's business. Why it is so is for our log alone.
		answer, r.cause = introspection{}, err
	case err != nil:
		return err
	}
	return writeJSON(w, http.StatusOK, answer)
}

// authenticateCaller is authenticateClient for an endpoint that must not be open to
// whoever found a token and tries it out (RFC 7662 sections 2.1 and 4). A client_id
// is known to everybody: it says who asks, and proves nothing.
func (s *Server) authenticateCaller(r *request, c credentials) (*registry.Client, *oauth.Error) {
	client, problem := s.authenticateClient(r, c)
	if problem == nil && client.Public() {
		return nil, oauth.Errorf(oauth.InvalidClient, "a public client cannot authenticate, and so cannot introspect")
	}
	return client, problem
}

// inquiry is what /introspect and /revoke are asked: of which token (RFC 7662 section
// 2.1, RFC 7009 section 2.1).
type inquiry struct {
	credentials
	token string
}

// parseInquiry reads the form once; nothing after it may touch the parameters.
func parseInquiry(r *request) (inquiry, *oauth.Error) {
	p, problem := formParams(r)
	if problem != nil {
		return inquiry{}, problem
	}
	q := inquiry{token: p.one("token")}
	// Whatever the hint says, a token shows of itself what it is, so that it is looked at
	// for being repeated only (RFC 7009 section 2.1 lets a server ignore it then).
	p.one("token_type_hint")
	q.credentials, problem = parseCredentials(r.Header.Values("Authorization"), p)
	if err := p.err(); err != nil {
		return q, err
	}
	if problem == nil && q.token == "" {
		problem = oauth.Errorf(oauth.InvalidRequest, "token is missing")
	}
	return q, problem
}

// issued is a token that this issuer has given to a client, whatever has become of
// it since.
type issued struct {
	clientID string
	grant    string
	scopes   oauth.Scopes
	from, to time.Time
	// refresh is the refresh token. An access token has an id and an audience instead.
	refresh  *refreshToken
	id       string
	audience []string
}

// recognize finds out what a token is. The error isDead for what is no token of this
// issuer, and for an access token that has expired. The time of a refresh token is
// the caller's to look at.
func (s *Server) recognize(r *request, raw string) (issued, *oauth.Error) {
	var t refreshToken
	switch err := r.issuer.Box.Open(seal.RefreshToken, raw, &t); {
	case err == nil:
		return issued{
			clientID: t.ClientID, grant: t.Grant, scopes: t.Scopes, from: t.IssuedAt, to: t.IdleUntil, refresh: &t,
		}, nil
	case !errors.Is(err, seal.ErrInvalid):
		return issued{}, serverError(err)
	}
	a, err := r.issuer.Keys.VerifyAccess(raw, r.now)
	switch {
	case err == nil:
		return issued{
			clientID: a.ClientID, grant: grantID(a.ID), scopes: oauth.ParseScopes(a.Scope), from: a.IssuedAt, to: a.Expires,
			id: a.ID, audience: a.Audience,
		}, nil
	case !s.registry.Current():
		// It may be of a key that this replica has yet to hear of.
		return issued{}, unavailable(errStale)
	}
	return issued{}, badToken(err)
}

// isDead reports whether an error says of a token that it is good for nothing, as
// opposed to that nobody can tell.
func isDead(err error) bool {
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && e.Code == oauth.InvalidToken
}

// concerns reports whether a client may learn of a token: one that was issued to it,
// or that is meant for it. All others do not exist for it.
func concerns(clientID string, t issued) bool {
	return t.clientID == clientID || slices.Contains(t.audience, audiencePrefix+clientID)
}

// inspect returns what there is to tell a client of a token. The error isDead if it
// is not active. Whose it is comes first, so that nothing else can show in an answer
// about a token of somebody else.
func (s *Server) inspect(r *request, caller *registry.Client, raw string) (introspection, error) {
	t, problem := s.recognize(r, raw)
	switch {
	case problem != nil:
		return introspection{}, problem
	case !concerns(caller.ID(), t):
		return introspection{}, badToken(errors.New("it is neither the caller's nor meant for it"))
	case !r.now.Before(t.to):
		return introspection{}, badToken(errors.New("it has expired"))
	}
	client, err := s.alive(r, t.clientID)
	if err != nil {
		return introspection{}, err
	}
	t, err = s.stillConcerns(r, caller, client, t)
	if err != nil {
		return introspection{}, err
	}
	scopes, err := s.stillAllowed(client, t)
	if err != nil {
		return introspection{}, err
	}
	grant, person, err := s.standing(r, t.grant, client)
	switch {
	case err != nil:
		return introspection{}, err
	case t.refresh != nil && t.refresh.Counter != grant.Counter:
		// That the one before may be sent again for a moment (advance) is for an answer
		// that was lost. Whoever asks has not lost it.
		return introspection{}, badToken(errors.New("another refresh token has taken its place"))
	}
	return tell(r.issuer, t, scopes, person, client.Subject(r.issuer, grant.Subject)), nil
}

// stillAllowed returns the scopes of a token that its client may have now. Without
// any, or for a refresh token that could not be used, it isDead.
func (s *Server) stillAllowed(client *registry.Client, t issued) (oauth.Scopes, error) {
	scopes := allowedScopes(client, t.scopes)
	dead := len(scopes) == 0 || t.refresh != nil && !mayRefresh(client, t.scopes, t.refresh.SessionID)
	switch {
	case (dead || len(scopes) < len(t.scopes)) && !s.registry.Current():
		return nil, unavailable(errStale)
	case dead:
		return nil, badToken(errors.New("the client is no longer registered for it"))
	}
	return scopes, nil
}

// tell says what is known of an active token. subject is the sub in it, which is that of
// the client that it was issued to, whoever asks.
func tell(by *registry.Issuer, t issued, scopes oauth.Scopes, person identity.Person, subject string) introspection {
	answer := introspection{
		Active: true, Scope: scopes.String(), ClientID: t.clientID, Username: release(person, scopes).PreferredUsername,
		Expires: t.to.Unix(), IssuedAt: t.from.Unix(), Subject: subject, Issuer: by.Issuer,
		Audience: t.audience, ID: t.id,
	}
	if t.refresh == nil {
		answer.TokenType = "Bearer"
	}
	return answer
}
