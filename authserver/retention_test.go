// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"testing"

	"github.com/clientele-dev/clientele/internal/registration"
)

// TestStory_GrantsRetained: an OAuthClient that takes over the grants of an earlier
// one finds everything as that has left it. Nothing works in between.
func TestStory_GrantsRetained(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	a := w.token(redemption(b.codeFor(validRequest()))).ok()
	unused := b.codeFor(validRequest())

	w.registry.DeleteClient("main", "docs.wiki")
	w.token(refreshing(a.str("refresh_token"))).refused(401, "invalid_client")
	w.userinfo(a.str("access_token")).refused(401, "invalid_token")
	b.begin(validRequest()).is("page Bad Request")

	heir := func(r *registration.Client) { r.UID, r.GrantUID = "uid-of-the-next", "uid-wiki" }
	w.addClient("wiki", heir)
	w.userinfo(a.str("access_token")).ok()
	next := w.token(refreshing(a.str("refresh_token"))).ok()
	w.token(redemption(unused)).ok()
	b.begin(validRequest()).is("code") // without asking for consent again

	// What that one is given is the same for the one after it, too.
	w.addClient("wiki", func(r *registration.Client) { heir(r); r.UID = "uid-of-the-third" })
	w.token(refreshing(next.str("refresh_token"))).ok()

	// One that takes nothing over has nothing.
	w.addClient("wiki", func(r *registration.Client) { r.UID = "uid-of-the-fourth" })
	w.token(refreshing(next.str("refresh_token"))).refused(400, "invalid_grant")
	b.begin(validRequest()).is("consent")
}
