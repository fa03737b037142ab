// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package store

// OfSession takes all grants of a session, and keeps as many as SessionGrants returns.
// The zero value has none.
type OfSession struct {
	clients     map[client]bool
	first, more []Grant
}

type client struct{ id, uid string }

// Add takes one more grant.
func (o *OfSession) Add(g Grant) {
	of := client{g.ClientID, g.ClientUID}
	switch {
	case !o.clients[of] && len(o.first) < MaxSessionGrants:
		if o.clients == nil {
			o.clients = map[client]bool{}
		}
		o.clients[of] = true
		o.first = append(o.first, g)
	case len(o.more) < MaxSessionGrants:
		o.more = append(o.more, g)
	}
}

// Grants are those that are kept: one of each client, and then others.
func (o *OfSession) Grants() []Grant {
	return append(o.first, o.more[:min(len(o.more), MaxSessionGrants-len(o.first))]...)
}
