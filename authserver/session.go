// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/store"
)

// login says who signed in, and when. Codes and refresh tokens carry it.
type login struct {
	Subject  string `json:"sub"`
	Provider string `json:"idp"`
	// PersonID is the provider's name for the person.
	PersonID string    `json:"pid"`
	AuthTime time.Time `json:"at"`
}

// visitor is the person who is signed in at a browser, as they are now.
type visitor struct {
	login
	person identity.Person
	// session is the session's id.
	session string
}

// sessionKey and consentKey are the names of what is remembered for a while.
type (
	sessionKey struct{ issuer, id string }
	consentKey struct{ issuer, subject, client string }
)

// sealedSession is what the session cookie holds.
type sealedSession struct {
	ID string `json:"id"`
}

var (
	errNoProvider = errors.New("the identity provider is not configured")
	errOtherIDP   = errors.New("the identity provider is another one now")
)

// visitor returns who is signed in, or nil.
func (s *Server) visitor(r *request) (*visitor, error) {
	kept, err := s.session(r)
	if kept == nil || err != nil {
		return nil, err
	}
	l := login{Subject: kept.Subject, Provider: kept.Provider, PersonID: kept.PersonID, AuthTime: kept.AuthTime}
	person, err := lookUp(r.Context(), r.issuer, l)
	switch {
	case errors.Is(err, identity.ErrUnknown), errors.Is(err, errOtherIDP):
		return nil, nil
	case err != nil:
		return nil, unavailable(err)
	}
	return &visitor{login: l, person: person, session: kept.ID}, nil
}

// session returns the browser's session, or nil, whatever has become of the person
// since it began.
func (s *Server) session(r *request) (*store.Session, error) {
	id, ok := r.sessionID()
	if !ok {
		return nil, nil
	}
	at, now := sessionKey{r.issuer.Name, id}, s.now()
	kept, asked, ok := s.sessions.get(at, now)
	if ok && now.Before(kept.ExpiresAt) {
		return &kept, nil
	}
	kept, err := s.store.Session(r.Context(), r.issuer.Name, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, unavailable(fmt.Errorf("read session: %w", err))
	}
	s.sessions.put(at, kept, asked)
	return &kept, nil
}

// forgetSession ends a session in the store, and here whatever the store says: it
// may have ended it without being able to tell.
func (s *Server) forgetSession(r *request, id string) error {
	err := s.store.EndSession(r.Context(), r.issuer.Name, id)
	s.sessions.forget(sessionKey{r.issuer.Name, id})
	return err
}

// sessionID is the name of the session whose cookie the browser sent.
func (r *request) sessionID() (string, bool) {
	var v sealedSession
	if err := r.issuer.Box.Open(seal.Session, r.cookie(sessionCookie), &v); err != nil {
		return "", false
	}
	return v.ID, v.ID != ""
}

// lookUp returns the person of a login as they are now. The error is
// identity.ErrUnknown or errOtherIDP for a login that is void.
func lookUp(ctx context.Context, issuer *registry.Issuer, l login) (identity.Person, error) {
	switch {
	case l.Provider != issuer.ProviderName:
		return identity.Person{}, errOtherIDP
	case issuer.Provider == nil:
		return identity.Person{}, errNoProvider
	}
	person, err := issuer.Provider.Lookup(ctx, l.PersonID)
	if err != nil {
		return identity.Person{}, fmt.Errorf("look person up: %w", err)
	}
	return person, nil
}

// signIn begins a session for a person who was just verified. It is always a new
// one, and the one before it ends: nobody can have prepared it (RFC 9700 section
// 4.7 on login CSRF; session fixation).
func (s *Server) signIn(w http.ResponseWriter, r *request, person identity.Person) (*visitor, error) {
	v := &visitor{
		login: login{
			Subject:  identity.Subject(r.issuer.Issuer, r.issuer.ProviderName, person.ID),
			Provider: r.issuer.ProviderName, PersonID: person.ID, AuthTime: r.now,
		},
		person: person, session: s.newID(),
	}
	sealed, err := r.issuer.Box.Seal(seal.Session, sealedSession{ID: v.session}, r.now)
	if err != nil {
		return nil, err
	}
	// The former one first: were it last and failed, the new one would stay behind,
	// with nobody who holds its name.
	if old, ok := r.sessionID(); ok {
		if err := s.forgetSession(r, old); err != nil {
			return nil, unavailable(fmt.Errorf("end former session: %w", err))
		}
	}
	if err := s.store.CreateSession(r.Context(), store.Session{
		ID: v.session, Issuer: r.issuer.Name, Subject: v.Subject, Provider: v.Provider, PersonID: v.PersonID,
		AuthTime: v.AuthTime, ExpiresAt: r.now.Add(r.issuer.Lifetimes.Session),
	}); err != nil {
		return nil, unavailable(fmt.Errorf("create session: %w", err))
	}
	r.setCookie(w, sessionCookie, sealed, r.issuer.Lifetimes.Session)
	return v, nil
}
