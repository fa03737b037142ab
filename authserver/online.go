// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

// sid is how a client knows a session (OpenID Connect Back-Channel Logout 1.0 section
// 2.1). Each client has another name for it, so that what two of them know of a person
// cannot be put together by it. It is empty where the session is not known.
func sid(sessionID, clientID string) string {
	if sessionID == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("sid\x00" + sessionID + "\x00" + clientID))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

var errSignedOut = errors.New("the session is over")

// online reports whether what a person has allowed a client is for the time while they
// are signed in: then it ends with their session. With offline_access it is for the time
// while they are away, too (OpenID Connect Core 1.0 section 11). What an older version
// has issued names no session, and goes on as it did.
func online(client *registry.Client, granted oauth.Scopes, sessionID string) bool {
	return sessionID != "" && !allowedScopes(client, granted).Has(oauth.ScopeOfflineAccess)
}

// mayRefresh reports whether a client gets refresh tokens for what it was granted in a
// session.
func mayRefresh(client *registry.Client, granted oauth.Scopes, sessionID string) bool {
	allowed := allowedScopes(client, granted)
	return client.MayUse(registration.GrantRefreshToken) && len(allowed) > 0 &&
		(sessionID != "" || allowed.Has(oauth.ScopeOfflineAccess))
}

// refreshUntil is until when a code's grant can be refreshed, or zero if never. Without
// offline_access that is no longer than its session may last.
func refreshUntil(r *request, c code, client *registry.Client) time.Time {
	if !mayRefresh(client, c.Scopes, c.SessionID) {
		return time.Time{}
	}
	until := r.now.Add(client.Lifetimes(r.issuer).RefreshToken)
	if online(client, c.Scopes, c.SessionID) {
		return earlier(until, c.SessionUntil)
	}
	return until
}

// signedIn reports whether a session lives. As with a browser that comes with it, one
// that was ended elsewhere just now may seem to; one that was ended here does not.
func (s *Server) signedIn(r *request, sessionID string) (bool, error) {
	if _, ok := s.knownSession(r, sessionID); ok {
		return true, nil
	}
	kept, err := s.askSession(r, sessionID)
	return kept != nil, err
}

// checkOnline refuses what has ended with its session. Somebody who has signed in again,
// in the same session, is as good as before.
func (s *Server) checkOnline(r *request, client *registry.Client, granted oauth.Scopes, sessionID string) *oauth.Error {
	if !online(client, granted, sessionID) {
		return nil
	}
	return s.checkSession(r, sessionID)
}

// checkCode is checkOnline for a code. One that is for the time while a person is away
// is refused after a sign-out as well, if its client wants to hear of that: it would
// not, of one that was before the grant.
func (s *Server) checkCode(r *request, client *registry.Client, c code) *oauth.Error {
	if c.SessionID != "" && client.BackchannelLogoutURI() != "" {
		return s.checkSession(r, c.SessionID)
	}
	return s.checkOnline(r, client, c.Scopes, c.SessionID)
}

func (s *Server) checkSession(r *request, sessionID string) *oauth.Error {
	lives, err := s.signedIn(r, sessionID)
	switch {
	case err != nil:
		return unavailable(err)
	case !lives:
		return oauth.Errorf(oauth.InvalidGrant, "the person has signed out, or their session has expired").Because(errSignedOut)
	}
	return nil
}
