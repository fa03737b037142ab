// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import "cmp"

// Over returns what holds for a client of a server with base: its own lifetimes, and
// the server's where it has none.
func (l ClientLifetimes) Over(base Lifetimes) Lifetimes {
	base.AccessToken = cmp.Or(l.AccessToken, base.AccessToken)
	base.IDToken = cmp.Or(l.IDToken, base.IDToken)
	base.RefreshToken = cmp.Or(l.RefreshToken, base.RefreshToken)
	base.RefreshTokenIdle = cmp.Or(l.RefreshTokenIdle, base.RefreshTokenIdle)
	return base
}

// Longest returns, of each lifetime, the longer one of both.
func (l ClientLifetimes) Longest(other ClientLifetimes) ClientLifetimes {
	return ClientLifetimes{
		AccessToken:      max(l.AccessToken, other.AccessToken),
		IDToken:          max(l.IDToken, other.IDToken),
		RefreshToken:     max(l.RefreshToken, other.RefreshToken),
		RefreshTokenIdle: max(l.RefreshTokenIdle, other.RefreshTokenIdle),
	}
}
