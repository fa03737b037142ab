// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import "github.com/clientele-dev/clientele/internal/registration"

// clientLifetimes are, by server, the longest that any of its clients has of its own.
// The caller holds the lock.
func (s *store) clientLifetimes() map[string]registration.ClientLifetimes {
	out := map[string]registration.ClientLifetimes{}
	for _, e := range s.secrets {
		if e.client != nil {
			out[e.claim.server] = out[e.claim.server].Longest(e.client.OwnLifetimes())
		}
	}
	return out
}

// keptFor is record with the longest lifetimes that it or one of its clients has:
// keys are kept for as long as anything that they made can live.
func keptFor(record registration.Server, own registration.ClientLifetimes) registration.Server {
	l := record.Lifetimes
	longest := own.Longest(registration.ClientLifetimes{
		AccessToken: l.AccessToken, IDToken: l.IDToken, RefreshToken: l.RefreshToken, RefreshTokenIdle: l.RefreshTokenIdle,
	})
	record.Lifetimes = longest.Over(l)
	return record
}
