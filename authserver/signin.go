// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/store"
)

// signIn notes that a person was just verified, in their session that the browser
// has, or in a new one. Whatever cookie the browser came with, whoever else has that
// one has nothing now: nobody can have prepared what the browser holds from here on
// (RFC 9700 section 4.7 on login CSRF; session fixation).
func (s *Server) signIn(w http.ResponseWriter, r *request, person identity.Person) (*visitor, error) {
	now := store.Session{
		ID: s.newID(), SignIn: s.newID(), Issuer: r.issuer.Name,
		Subject:  identity.Subject(r.issuer.Issuer, r.issuer.ProviderName, person.ID),
		Provider: r.issuer.ProviderName, PersonID: person.ID,
		AuthTime: r.now, ExpiresAt: r.now.Add(r.issuer.Lifetimes.Session),
	}
	renewed, err := s.takeUp(r, &now)
	if err != nil {
		return nil, err
	}
	sealed, err := r.issuer.Box.Seal(seal.Session, sealedSession{ID: now.ID, SignIn: now.SignIn}, r.now)
	if err != nil {
		return nil, err
	}
	if !renewed {
		at := sessionKey{now.Issuer, now.ID}
		_, asked, _ := s.sessions.get(at, s.now())
		if err := s.store.CreateSession(r.Context(), now); err != nil {
			return nil, unavailable(fmt.Errorf("create session: %w", err))
		}
		// The code that follows will be asked about it.
		s.sessions.put(at, now, asked)
	}
	r.setCookie(w, sessionCookie, sealed, r.issuer.Lifetimes.Session)
	return &visitor{login: loginOf(&now), person: person, signIn: now.SignIn, until: now.ExpiresAt}, nil
}

// takeUp does what is to be done with the session that the browser has, if it has one.
// If it is of the person of now, it goes on, under its ID, as now. If it is somebody
// else's, it ends: were that done last and failed, the new one would stay behind, with
// nobody who holds its name.
//
// An older cookie of a session is worth so much that its person can take it up again.
func (s *Server) takeUp(r *request, now *store.Session) (renewed bool, err error) {
	held, ok := r.sessionHeld()
	if !ok {
		return false, nil
	}
	former, err := s.askSession(r, held.ID)
	switch {
	case err != nil:
		return false, unavailable(err)
	case former == nil:
		return false, nil
	case former.Subject == now.Subject:
		return s.renew(r, former.ID, now)
	case former.SignIn != held.SignIn:
		return false, nil
	}
	if err := s.endFor(r, former); err != nil {
		return false, unavailable(fmt.Errorf("end former session: %w", err))
	}
	return false, nil
}

// renew puts now in the place of the session of an ID, and reports whether there was
// one still. What is remembered of it here is forgotten, whatever the store says: it may
// have done it without being able to tell.
func (s *Server) renew(r *request, id string, now *store.Session) (bool, error) {
	next := *now
	next.ID = id
	err := s.store.RenewSession(r.Context(), next)
	s.sessions.forget(sessionKey{r.issuer.Name, id})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, unavailable(fmt.Errorf("renew session: %w", err))
	}
	*now = next
	return true, nil
}
