// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"maps"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

const (
	sessionCookie   = "webapp_session"
	sessionLifetime = 8 * time.Hour
	maxSessions     = 10_000
)

// session is a person who signed in here. It is immutable.
type session struct {
	token *oauth2.Token
	// idToken is the one of the sign-in, or of the last refresh that gave one.
	idToken string
	expires time.Time
}

// sessions are kept in memory, and only for people who have signed in, so that
// nobody else can fill it. An app with several replicas would keep them elsewhere.
type sessions struct {
	mu  sync.Mutex
	all map[string]session
}

func newSessions() *sessions { return &sessions{all: map[string]session{}} }

// start keeps s under a new id: one that was there before the sign-in could have
// been planted by somebody else.
func (s *sessions) start(now time.Time, one session) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= maxSessions {
		s.makeRoom(now)
	}
	id := rand.Text()
	one.expires = now.Add(sessionLifetime)
	s.all[id] = one
	return id
}

// makeRoom ends the sessions that have expired and, if they are few, some others:
// whose they are can sign in again.
func (s *sessions) makeRoom(now time.Time) {
	maps.DeleteFunc(s.all, func(_ string, one session) bool { return !one.expires.After(now) })
	for id := range s.all {
		if len(s.all) <= maxSessions*9/10 {
			return
		}
		delete(s.all, id)
	}
}

func (s *sessions) get(now time.Time, id string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.all[id]
	return one, ok && one.expires.After(now)
}

// replace keeps the new tokens of a session that is still there.
func (s *sessions) replace(id string, one session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.all[id]; ok {
		one.expires = old.expires
		s.all[id] = one
	}
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, id)
}

// current returns the session of a request's cookie.
func (a *app) current(r *http.Request) (string, session, bool) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return "", session{}, false
	}
	one, ok := a.sessions.get(a.now(), c.Value)
	return c.Value, one, ok
}

// cookie is one that scripts cannot read and other sites' forms do not send. An
// empty value removes it.
func (a *app) cookie(name, value, path string, lifetime time.Duration) *http.Cookie {
	c := &http.Cookie{ //nolint:gosec // Secure follows the app's own URL: on loopback there is no https
		Name: name, Value: value, Path: path, MaxAge: int(lifetime.Seconds()),
		HttpOnly: true, Secure: a.secureCookies(), SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}
