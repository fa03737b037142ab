// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clientele-dev/clientele/authserver/backchannel"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/token"
)

// logoutTokenLifetime is short, so that nobody can use a logout token for long that they
// have seen (OpenID Connect Back-Channel Logout 1.0 section 2.4).
const logoutTokenLifetime = 2 * time.Minute

// endFor ends a session because its person has signed out, or somebody else in, and has
// the clients told that they have signed people in by it. Neither waits for a client,
// nor for who the clients are to be found out.
//
// The session ends first: what is granted in it afterwards is refused, and what was
// before is among its grants. Clients are told even if the store does not say that the
// session has ended. It may have, and the person wants to be signed out; they are told
// to try again, and so are the clients.
func (s *Server) endFor(r *request, ended *store.Session) error {
	err := s.forgetSession(r, ended.ID)
	issuer, session := r.issuer.Name, *ended
	s.notifier.SignedOut(issuer, func(ctx context.Context) ([]backchannel.Notice, error) {
		return s.notices(ctx, issuer, session)
	})
	return err
}

// notices are for the clients that a session has signed in to and that want to hear of
// its end, one for each.
func (s *Server) notices(ctx context.Context, issuer string, ended store.Session) ([]backchannel.Notice, error) {
	if s.registry.Current() && !s.registry.TellsOfLogout(issuer) {
		return nil, nil
	}
	grants, err := s.store.SessionGrants(ctx, issuer, ended.ID)
	if err != nil {
		return nil, fmt.Errorf("list the session's grants: %w", err)
	}
	var out []backchannel.Notice
	listed := map[string]bool{}
	for _, g := range grants {
		if _, _, err := s.hears(issuer, g); listed[g.ClientID] || errors.Is(err, backchannel.ErrGone) {
			continue
		}
		listed[g.ClientID] = true
		out = append(out, backchannel.Notice{
			ClientID: g.ClientID,
			Prepare:  func() (uri, logoutToken string, err error) { return s.logoutToken(issuer, g) },
		})
	}
	return out, nil
}

// hears returns the client of a grant, if it is to be told of its session's end now.
func (s *Server) hears(issuerName string, g store.Grant) (*registry.Issuer, *registry.Client, error) {
	issuer := s.registry.Issuers()[issuerName]
	if issuer != nil && issuer.Ready() {
		client, ok := s.registry.Client(issuer, g.ClientID)
		if ok && client.UID() == g.ClientUID && client.BackchannelLogoutURI() != "" {
			return issuer, client, nil
		}
	}
	if !s.registry.Current() {
		return nil, nil, errStale
	}
	return nil, nil, backchannel.ErrGone
}

// logoutToken is what a client is told, and where, as of now.
func (s *Server) logoutToken(issuerName string, g store.Grant) (uri, logoutToken string, err error) {
	issuer, client, err := s.hears(issuerName, g)
	if err != nil {
		return "", "", err
	}
	now := s.now()
	logoutToken, err = issuer.Keys.SignLogout(client.IDTokenAlg(issuer, now), token.Logout{
		Subject: client.Subject(issuer, g.Subject), ClientID: client.ID(), SessionID: sid(g.SessionID, client.ID()), ID: s.newID(),
		IssuedAt: now, Expires: now.Add(logoutTokenLifetime),
	})
	return client.BackchannelLogoutURI(), logoutToken, err
}
