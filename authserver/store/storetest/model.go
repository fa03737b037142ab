// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
)

// model is the plainest store there is: it never sweeps, is never shared, and
// decides by looking at everything that ever happened.
type model struct {
	durable  bool
	started  time.Time
	grants   map[string]*modelGrant
	sessions map[string]store.Session
	consents map[string]store.Consent
	spent    map[string]time.Time
}

type modelGrant struct {
	store.Grant
	revoked bool
}

func newModel(durable bool, now time.Time) *model {
	return &model{
		durable: durable, started: now, grants: map[string]*modelGrant{},
		sessions: map[string]store.Session{}, consents: map[string]store.Consent{}, spent: map[string]time.Time{},
	}
}

func (m *model) restart(now time.Time) {
	if !m.durable {
		*m = *newModel(false, now)
	}
}

// The outcomes of a verb as text, so that they can be compared and printed.
const (
	outcomeOK       = "success"
	outcomeNotFound = "ErrNotFound"
	outcomeSpent    = "ErrSpent"
	outcomeRevoked  = "ErrRevoked"
	outcomeReused   = "ErrReused"
	outcomeUsed     = "ErrUsed"
	outcomeError    = "another error"
)

// outcome describes what a verb returned. A value counts only where there is one.
func outcome(err error, value string) string {
	switch {
	case err == nil:
		return outcomeOK + value
	case errors.Is(err, store.ErrReused):
		return outcomeReused + value
	case errors.Is(err, store.ErrNotFound):
		return outcomeNotFound
	case errors.Is(err, store.ErrSpent):
		return outcomeSpent
	case errors.Is(err, store.ErrRevoked):
		return outcomeRevoked
	case errors.Is(err, store.ErrUsed):
		return outcomeUsed
	}
	return outcomeError
}

func (m *model) redeem(g store.Grant, now time.Time) string {
	k := g.Issuer + "/" + g.ID
	forgotten := !m.durable && g.IssuedAt.Before(m.started)
	if m.grants[k] != nil || forgotten || !now.Before(g.CodeExpiresAt) {
		return outcomeSpent
	}
	m.grants[k] = &modelGrant{Grant: g}
	return outcomeOK
}

// refusal is what a store may say instead of the grant; it is empty if the grant
// lives.
func (m *model) refusal(k string, now time.Time) []string {
	g := m.grants[k]
	switch {
	case g == nil:
		return []string{outcomeNotFound}
	case g.revoked && now.Before(g.CodeExpiresAt) && now.Before(g.ExpiresAt):
		return []string{outcomeRevoked}
	case g.revoked:
		return []string{outcomeRevoked, outcomeNotFound}
	case !now.Before(g.ExpiresAt):
		return []string{outcomeNotFound}
	}
	return nil
}

func (m *model) grant(k string, now time.Time) []string {
	if no := m.refusal(k, now); no != nil {
		return no
	}
	return []string{outcomeOK + describeGrant(m.grants[k].Grant)}
}

func (m *model) advance(k string, from int, now time.Time) []string {
	if no := m.refusal(k, now); no != nil {
		return no
	}
	g := m.grants[k]
	if g.Counter != from {
		return []string{outcomeReused + describeGrant(g.Grant)}
	}
	g.Counter, g.AdvancedAt = from+1, now
	return []string{outcomeOK + describeGrant(g.Grant)}
}

func (m *model) revoke(k string) {
	if g := m.grants[k]; g != nil {
		g.revoked = true
	}
}

func (m *model) sessionGrants(issuer, session string, now time.Time) string {
	var all []store.Grant
	for _, g := range m.grants {
		if g.Issuer == issuer && g.SessionID == session && !g.revoked && now.Before(g.ExpiresAt) {
			all = append(all, g.Grant)
		}
	}
	return outcomeOK + describeGrants(all)
}

func (m *model) spend(k string, until, now time.Time) string {
	if now.Before(m.spent[k]) || !now.Before(until) {
		return outcomeUsed
	}
	m.spent[k] = until
	return outcomeOK
}

func (m *model) renewSession(n store.Session, now time.Time) string {
	k := n.Issuer + "/" + n.ID
	s, ok := m.sessions[k]
	if !ok || !now.Before(s.ExpiresAt) || s.Subject != n.Subject {
		return outcomeNotFound
	}
	s.SignIn, s.AuthTime, s.ExpiresAt = n.SignIn, n.AuthTime, n.ExpiresAt
	m.sessions[k] = s
	return outcomeOK
}

func (m *model) createSession(s store.Session, now time.Time) string {
	if old, ok := m.sessions[s.Issuer+"/"+s.ID]; ok && now.Before(old.ExpiresAt) {
		return outcomeError
	}
	m.sessions[s.Issuer+"/"+s.ID] = s
	return outcomeOK
}

func (m *model) session(k string, now time.Time) string {
	s, ok := m.sessions[k]
	if !ok || !now.Before(s.ExpiresAt) {
		return outcomeNotFound
	}
	return outcomeOK + describeSession(s)
}

func (m *model) allow(c store.Consent) {
	k := consentKey(c)
	c.Scopes = slices.Clone(c.Scopes)
	if old := m.consents[k]; old.ClientUID == c.ClientUID {
		for _, s := range old.Scopes {
			if !slices.Contains(c.Scopes, s) {
				c.Scopes = append(c.Scopes, s)
			}
		}
	}
	m.consents[k] = c
}

func (m *model) consent(k string) string {
	c, ok := m.consents[k]
	if !ok {
		return outcomeNotFound
	}
	return outcomeOK + describeConsent(c)
}

func consentKey(c store.Consent) string { return fmt.Sprint(c.Issuer, "/", c.Subject, "/", c.ClientID) }
