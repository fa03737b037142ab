// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/store"
)

// login says who signed in, when, and in which session. Codes and refresh tokens carry
// it.
type login struct {
	Subject  string `json:"sub"`
	Provider string `json:"idp"`
	// PersonID is the provider's name for the person.
	PersonID string    `json:"pid"`
	AuthTime time.Time `json:"at"`
	// SessionID is empty in what an older version has issued.
	SessionID string `json:"si,omitempty"`
}

// visitor is the person who is signed in at a browser, as they are now.
type visitor struct {
	login
	person identity.Person
	// signIn is the name of the last time that they signed in, in this session. It is
	// empty in a session that an older version began.
	signIn string
	// until is when the session ends, at the latest.
	until time.Time
}

// The names of what is remembered for a while.
type (
	sessionKey struct{ issuer, id string }
	signInKey  struct{ issuer, id, signIn string }
	consentKey struct{ issuer, subject, client string }
)

// sealedSession is what the session cookie holds. It counts as long as SignIn is the
// session's: whoever had the cookie before the person signed in again has nothing.
type sealedSession struct {
	ID     string `json:"id"`
	SignIn string `json:"si,omitempty"`
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
	l := loginOf(kept)
	person, err := lookUp(r.Context(), r.issuer, l)
	switch {
	case errors.Is(err, identity.ErrUnknown), errors.Is(err, errOtherIDP):
		return nil, nil
	case err != nil:
		return nil, unavailable(err)
	}
	return &visitor{login: l, person: person, signIn: kept.SignIn, until: kept.ExpiresAt}, nil
}

func loginOf(kept *store.Session) login {
	return login{
		Subject: kept.Subject, Provider: kept.Provider, PersonID: kept.PersonID, AuthTime: kept.AuthTime, SessionID: kept.ID,
	}
}

// session returns the browser's session, or nil, whatever has become of the person
// since it began.
func (s *Server) session(r *request) (*store.Session, error) {
	held, ok := r.sessionHeld()
	if !ok {
		return nil, nil
	}
	kept, ok := s.knownSession(r, held.ID)
	if ok && kept.SignIn == held.SignIn {
		return &kept, nil
	}
	// The person may have signed in again elsewhere, just now. What the store once says
	// is not, or no longer, of the session never is again; to hear it once is enough.
	at, now := signInKey{r.issuer.Name, held.ID, held.SignIn}, s.now()
	_, asked, void := s.void.get(at, now)
	if void {
		return nil, nil
	}
	found, err := s.askSession(r, held.ID)
	switch {
	case err != nil:
		return nil, unavailable(err)
	case found == nil:
		return nil, nil
	case found.SignIn != held.SignIn:
		s.void.put(at, struct{}{}, asked)
		return nil, nil
	}
	return found, nil
}

// knownSession returns the session of an ID if it is remembered.
func (s *Server) knownSession(r *request, id string) (store.Session, bool) {
	now := s.now()
	kept, _, ok := s.sessions.get(sessionKey{r.issuer.Name, id}, now)
	return kept, ok && now.Before(kept.ExpiresAt)
}

// askSession returns the session of an ID, or nil, as the store has it.
func (s *Server) askSession(r *request, id string) (*store.Session, error) {
	at := sessionKey{r.issuer.Name, id}
	_, asked, _ := s.sessions.get(at, s.now())
	kept, err := s.store.Session(r.Context(), r.issuer.Name, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read session: %w", err)
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

// sessionHeld is what the browser's session cookie says.
func (r *request) sessionHeld() (sealedSession, bool) {
	var v sealedSession
	if err := r.issuer.Box.Open(seal.Session, r.cookie(sessionCookie), &v); err != nil {
		return sealedSession{}, false
	}
	return v, v.ID != ""
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
