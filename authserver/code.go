// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"time"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/seal"
)

// code is an authorization code: all that is needed to check and redeem it, sealed
// and stored nowhere. Its ID becomes the grant's.
type code struct {
	ID           string       `json:"id"`
	ClientID     string       `json:"c"`
	ClientUID    string       `json:"u"`
	RedirectURI  string       `json:"r"`
	RedirectSent bool         `json:"rs,omitempty"`
	Scopes       oauth.Scopes `json:"s"`
	// Resources are what the client has asked for access tokens for (RFC 8707), or none
	// for its own API.
	Resources []string `json:"rr,omitempty"`
	// IDClaims are the details that the ID tokens have.
	IDClaims  []string  `json:"ic,omitempty"`
	Challenge string    `json:"ch,omitempty"`
	Nonce     string    `json:"n,omitempty"`
	IssuedAt  time.Time `json:"i"`
	ExpiresAt time.Time `json:"e"`
	// SessionUntil is when the session ends, at the latest; zero in a code of an older
	// version.
	SessionUntil time.Time `json:"se,omitzero"`
	login
}

// issueCode ends a flow: the browser goes back to the client with a code.
func (s *Server) issueCode(w http.ResponseWriter, r *request, v visit, who *visitor) error {
	sealed, err := r.issuer.Box.Seal(seal.Code, code{
		ID: s.newID(), ClientID: v.client.ID(), ClientUID: v.client.UID(),
		RedirectURI: v.flow.RedirectURI, RedirectSent: v.flow.RedirectSent,
		Scopes: v.flow.Scopes, Resources: v.flow.Resources, IDClaims: v.flow.IDClaims, Challenge: v.flow.Challenge, Nonce: v.flow.Nonce,
		IssuedAt: r.now, ExpiresAt: r.now.Add(r.issuer.Lifetimes.AuthorizationCode),
		SessionUntil: who.until, login: who.login,
	}, r.now)
	if err != nil {
		return v.refuse(oauth.Errorf(oauth.ServerError, "the server failed").Because(err))
	}
	return v.reply().send(w, r.issuer, [][2]string{{"code", sealed}})
}
