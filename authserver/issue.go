// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"encoding/json"
	"time"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/token"
)

// tokenResponse is RFC 6749 section 5.1's, with OpenID Connect Core 1.0 section
// 3.1.3.3's id_token.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	Scope        string `json:"scope"`
	IDToken      string `json:"id_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
}

// issuance is what tokens are minted of.
type issuance struct {
	client *registry.Client
	// grant is the grant's id.
	grant  string
	login  login
	person identity.Person
	// granted are the grant's scopes, and scopes those of this access token.
	granted, scopes oauth.Scopes
	// resources are the grant's, and audience is that of this access token.
	resources, audience []string
	// idClaims are the details that the ID token has.
	idClaims []string
	nonce    string
	// counter numbers the refresh token.
	counter int
	// refreshUntil is the end of the refresh chain; zero for no refresh token.
	refreshUntil time.Time
}

// mint signs and seals, and does nothing else: whether its answer is given is
// decided by the store afterwards.
func (s *Server) mint(r *request, i issuance) (*tokenResponse, error) {
	life := i.client.Lifetimes(r.issuer)
	released, subject := release(i.person, i.scopes), i.client.Subject(r.issuer, i.login.Subject)
	access, err := r.issuer.Keys.SignAccess(i.client.AccessTokenAlg(r.issuer, r.now), token.Access{
		Subject: subject, Audience: i.audience, ClientID: i.client.ID(),
		Scope: i.scopes.String(), ID: tokenID(i.grant, s.newID()),
		IssuedAt: r.now, Expires: r.now.Add(life.AccessToken), AuthTime: i.login.AuthTime, Person: released,
	})
	if err != nil {
		return nil, err
	}
	answer := &tokenResponse{
		AccessToken: access, TokenType: "Bearer", Scope: i.scopes.String(),
		ExpiresIn: int64(life.AccessToken / time.Second),
	}
	if i.scopes.Has(oauth.ScopeOpenID) {
		// Claims in the ID token as well as at /userinfo: kube-apiserver and many
		// in-cluster apps read them here alone.
		//
		// No session, code or grant records how the person signed in. The provider says
		// it exactly: it has been looked up under the login's name just now, and has one
		// way only.
		means := r.issuer.Provider.Means()
		more, err := moreClaims(i)
		if err != nil {
			return nil, err
		}
		answer.IDToken, err = r.issuer.Keys.SignID(i.client.IDTokenAlg(r.issuer, r.now), token.ID{
			Subject: subject, ClientID: i.client.ID(), Nonce: i.nonce,
			IssuedAt: r.now, Expires: r.now.Add(life.IDToken), AuthTime: i.login.AuthTime,
			Class: means.Class, Methods: means.Methods, SessionID: sid(i.login.SessionID, i.client.ID()),
			AccessToken: access, Person: released, More: more,
		})
		if err != nil {
			return nil, err
		}
	}
	if i.refreshUntil.IsZero() {
		return answer, nil
	}
	answer.RefreshToken, err = r.issuer.Box.Seal(seal.RefreshToken, refreshToken{
		Grant: i.grant, Counter: i.counter, ClientID: i.client.ID(), ClientUID: i.client.UID(), Scopes: i.granted, Resources: i.resources, IDClaims: i.idClaims,
		IssuedAt: r.now, IdleUntil: earlier(r.now.Add(life.RefreshTokenIdle), i.refreshUntil), Until: i.refreshUntil,
		login: i.login,
	}, r.now)
	return answer, err
}

// moreClaims are the details that the ID token has, or nil for none.
func moreClaims(i issuance) (map[string]json.RawMessage, error) {
	if len(i.idClaims) == 0 {
		return nil, nil
	}
	return releaseDetails(i.person, i.scopes).only(i.idClaims)
}

// release is what scopes give of a person in tokens and at userinfo (OpenID Connect Core
// 1.0 section 5.4).
func release(p identity.Person, scopes oauth.Scopes) token.Person {
	var out token.Person
	if scopes.Has(oauth.ScopeProfile) {
		out.Name, out.PreferredUsername = p.Name, p.Username
	}
	if scopes.Has(oauth.ScopeEmail) && p.Email != "" {
		out.Email, out.EmailVerified = p.Email, &p.EmailVerified
	}
	if scopes.Has(oauth.ScopeGroups) {
		out.Groups = p.Groups
	}
	return out
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
