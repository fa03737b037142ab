// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import "time"

// logoutEvent is what makes a JWT a logout token (OpenID Connect Back-Channel Logout 1.0
// section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// Logout is what a logout token says: that a person's session with a client is over.
type Logout struct {
	Subject  string
	ClientID string
	// SessionID is the sid of the ID tokens of that session.
	SessionID string
	// ID is the jti.
	ID       string
	IssuedAt time.Time
	Expires  time.Time
}

// logoutClaims never have a nonce: section 2.4 forbids it, so that no logout token
// passes for an ID token.
type logoutClaims struct {
	registered

	SID    string              `json:"sid,omitempty"`
	Events map[string]struct{} `json:"events"`
}

// SignLogout returns l as a JWT signed with alg.
func (k *KeySet) SignLogout(alg string, l Logout) (string, error) {
	return k.sign(alg, typLogout, logoutClaims{
		registered: k.registered(l.Subject, []string{l.ClientID}, l.ID, l.IssuedAt, l.Expires),
		SID:        l.SessionID,
		Events:     map[string]struct{}{logoutEvent: {}},
	}, l.IssuedAt)
}
