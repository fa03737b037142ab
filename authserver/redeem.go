// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"fmt"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/store"
)

// redeemCode is the grant type authorization_code (RFC 6749 section 4.1.3). The
// store is written to last: whatever can fail has failed before, so that a code is
// spent only for an answer that exists.
func (s *Server) redeemCode(r *request, client *registry.Client, req tokenRequest) (*tokenResponse, *oauth.Error) {
	c, problem := s.openCode(r, client, req)
	if problem != nil {
		return nil, problem
	}
	audience, problem := s.audience(r, client, c.Resources, req.resources)
	if problem != nil {
		return nil, problem
	}
	if problem := s.checkCode(r, client, c); problem != nil {
		return nil, problem
	}
	person, problem := s.stillThere(r, client, c.login)
	if problem != nil {
		return nil, problem
	}
	grant := newGrant(r, c, client)
	answer, err := s.mint(r, issuance{
		client: client, grant: grant.ID, login: c.login, person: person,
		granted: grant.Scopes, scopes: grant.Scopes, resources: c.Resources, audience: audience, idClaims: c.IDClaims, nonce: c.Nonce,
		refreshUntil: refreshUntil(r, c, client),
	})
	if err != nil {
		return nil, serverError(err)
	}
	// The write does not depend on the caller's patience: a thief who hangs up is
	// noticed, and a client that gives up leaves no doubt of what its code has become.
	switch err := s.store.Redeem(context.WithoutCancel(r.Context()), grant); {
	case errors.Is(err, store.ErrSpent):
		return nil, s.revoke(r, grant.ID, "code_replay")
	case err != nil:
		return nil, unavailable(fmt.Errorf("redeem code: %w", err))
	}
	return answer, nil
}

// openCode makes every check of a code that needs no I/O.
func (s *Server) openCode(r *request, client *registry.Client, req tokenRequest) (code, *oauth.Error) {
	var c code
	if req.code == "" {
		return c, oauth.Errorf(oauth.InvalidRequest, "code is missing")
	}
	switch err := r.issuer.Box.Open(seal.Code, req.code, &c); {
	case errors.Is(err, seal.ErrInvalid):
		return c, oauth.Errorf(oauth.InvalidGrant, "code is not valid")
	case err != nil:
		return c, serverError(err)
	}
	if problem := s.checkHolder(client, c.ClientID, c.ClientUID); problem != nil {
		return c, problem
	}
	if !r.now.Before(c.ExpiresAt) {
		return c, oauth.Errorf(oauth.InvalidGrant, "code has expired")
	}
	// RFC 6749 section 4.1.3: the same redirect_uri, and required if the authorization
	// request had one.
	if req.redirectURI != c.RedirectURI && (c.RedirectSent || req.redirectURI != "") {
		return c, oauth.Errorf(oauth.InvalidGrant, "redirect_uri is not that of the authorization request")
	}
	return c, checkVerifier(c.Challenge, req.verifier)
}

// checkVerifier is RFC 7636 section 4.6.
func checkVerifier(challenge, verifier string) *oauth.Error {
	switch {
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		// RFC 9700 section 2.1.1: else an attacker could strip the challenge of a
		// request, and inject the code into a client that sends a verifier.
		return oauth.Errorf(oauth.InvalidGrant, "code_verifier is given, but the authorization request had no code_challenge")
	case verifier == "":
		return oauth.Errorf(oauth.InvalidGrant, "code_verifier is missing")
	case !oauth.ValidVerifier(verifier) || !oauth.VerifyPKCE(challenge, verifier):
		return oauth.Errorf(oauth.InvalidGrant, "code_verifier does not match the code_challenge")
	}
	return nil
}

// checkHolder reports whether what was issued to a client is presented by it (RFC
// 6749 sections 5.2 and 10.4). One that was deleted and created anew is another
// one.
func (s *Server) checkHolder(client *registry.Client, id, uid string) *oauth.Error {
	switch {
	case id == client.ID() && uid == client.UID():
		return nil
	case id == client.ID() && !s.registry.Current():
		return unavailable(errStale)
	}
	return oauth.Errorf(oauth.InvalidGrant, "code or refresh_token was issued to another client")
}

// stillThere returns the person of a login as they are now, if the client still is
// for them.
func (s *Server) stillThere(r *request, client *registry.Client, l login) (identity.Person, *oauth.Error) {
	person, err := lookUp(r.Context(), r.issuer, l)
	switch {
	case errors.Is(err, identity.ErrUnknown), errors.Is(err, errOtherIDP):
		return person, oauth.Errorf(oauth.InvalidGrant, "the person can no longer sign in here").Because(err)
	case err != nil:
		return person, unavailable(err)
	case !client.Admits(person) && !s.registry.Current():
		return person, unavailable(errStale)
	case !client.Admits(person):
		return person, oauth.Errorf(oauth.InvalidGrant, "the person may no longer use this client")
	}
	return person, nil
}

func newGrant(r *request, c code, client *registry.Client) store.Grant {
	life := client.Lifetimes(r.issuer)
	// The last tokens that a grant can give outlive its last refresh.
	last := max(life.AccessToken, life.IDToken)
	ends := r.now.Add(last)
	if until := refreshUntil(r, c, client); !until.IsZero() {
		ends = until.Add(last)
	}
	if client.BackchannelLogoutURI() != "" && c.SessionUntil.After(ends) {
		ends = c.SessionUntil // by it the client is found when the person signs out
	}
	return store.Grant{
		ID: c.ID, Issuer: r.issuer.Name, ClientID: c.ClientID, ClientUID: c.ClientUID,
		Subject: c.Subject, Provider: c.Provider, PersonID: c.PersonID,
		SessionID: c.SessionID, Scopes: allowedScopes(client, c.Scopes), AuthTime: c.AuthTime, AdvancedAt: r.now,
		IssuedAt: c.IssuedAt, CodeExpiresAt: c.ExpiresAt, ExpiresAt: ends,
	}
}

// allowedScopes leaves out what the client's registration no longer has.
func allowedScopes(client *registry.Client, granted oauth.Scopes) oauth.Scopes {
	out := make(oauth.Scopes, 0, len(granted))
	for _, scope := range granted {
		if client.Scopes().Has(scope) {
			out = append(out, scope)
		}
	}
	return out
}

// revoke ends a grant because what it gave was presented twice, and so may be in
// the hands of a thief (RFC 6749 section 4.1.2, RFC 9700 section 4.14.2). It returns
// what to tell the client.
func (s *Server) revoke(r *request, grant, reason string) *oauth.Error {
	if problem := s.end(r, grant, reason); problem != nil {
		return problem // a retry is refused as well, and tries to revoke again
	}
	return oauth.Errorf(oauth.InvalidGrant, "code or refresh_token cannot be used again; all that it gave is revoked")
}

// end revokes a grant. It does not depend on the caller's patience.
func (s *Server) end(r *request, grant, reason string) *oauth.Error {
	if err := s.store.Revoke(context.WithoutCancel(r.Context()), r.issuer.Name, grant); err != nil {
		return unavailable(fmt.Errorf("revoke grant: %w", err))
	}
	s.metrics.grantRevoked(reason)
	return nil
}

func serverError(cause error) *oauth.Error {
	return oauth.Errorf(oauth.ServerError, "the server failed").Because(cause)
}
