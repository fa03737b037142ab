// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"

	"github.com/clientele-dev/clientele/authserver/oauth"
)

// revocation is the revocation endpoint (RFC 7009 section 2). Pages of a public
// client read its answers, as they do those of the token endpoint.
func (s *Server) revocation(w http.ResponseWriter, r *request) error {
	q, problem := parseInquiry(r)
	if c, ok := s.registry.Client(r.issuer, q.id); ok {
		r.client = c
		allowOrigin(w, r, c)
	}
	if problem == nil {
		problem = s.answerRevocation(r, q)
	}
	if problem != nil {
		challengeClient(w, r, problem)
		return problem
	}
	// RFC 7009 section 2.2: the status says it all. An object is for those who parse
	// every answer.
	return writeJSON(w, http.StatusOK, struct{}{})
}

// answerRevocation ends the grant of a token, and with it all that it ever gave: the
// person who signs out of an app means the app, not one token of it (RFC 7009 section
// 2.1 has this for a refresh token, and allows it for an access token).
func (s *Server) answerRevocation(r *request, q inquiry) *oauth.Error {
	client, problem := s.authenticateClient(r, q.credentials)
	if problem != nil {
		return problem
	}
	r.client = client
	t, problem := s.recognize(r, q.token)
	switch {
	case problem != nil && isDead(problem):
		// RFC 7009 section 2.2: what the client wants is so already, and it could not do
		// anything about an error. Why is for our log alone.
		r.cause = problem
		return nil
	case problem != nil:
		return problem
	case t.clientID != client.ID():
		// RFC 7009 section 2.1: refused, with an error of RFC 6749 section 5.2, where
		// invalid_grant is what "was issued to another client".
		return oauth.Errorf(oauth.InvalidGrant, "the token was issued to another client")
	}
	// Neither the age of a refresh token matters nor its counter: where somebody else
	// has used it, what that one got must end as well. Nor does it matter whether the
	// client was created anew since: its tokens are worth nothing now, and so it stays.
	return s.end(r, t.grant, "client_request")
}
