// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

func onlyUsers(names ...string) func(*registration.Client) {
	return func(r *registration.Client) { r.AllowedUsers = names }
}

func onlyGroups(names ...string) func(*registration.Client) {
	return func(r *registration.Client) { r.AllowedGroups = names }
}

// nameless is everybody, without what a client could admit them by.
type nameless struct{ identity.Provider }

func (n nameless) Authenticate(ctx context.Context, username string, password credential.Secret) (identity.Person, error) {
	p, err := n.Provider.Authenticate(ctx, username, password)
	p.Username, p.Groups = "", nil
	return p, err
}

func (n nameless) Lookup(ctx context.Context, id string) (identity.Person, error) {
	p, err := n.Provider.Lookup(ctx, id)
	p.Username, p.Groups = "", nil
	return p, err
}

// TestDenied_WhoMay: who is in one of the lists, and nobody of whom that is unknown.
func TestDenied_WhoMay(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*registration.Client)
		people func(identity.Provider) identity.Provider
		want   string
	}{
		"no lists":               {nil, nil, "consent"},
		"user":                   {onlyUsers("bob", "alice"), nil, "consent"},
		"group":                  {onlyGroups("docs-editors"), nil, "consent"},
		"neither":                {onlyUsers("bob"), nil, "page Forbidden"},
		"another group":          {onlyGroups("docs"), nil, "page Forbidden"},
		"user, nameless":         {onlyUsers("alice"), strip, "page Forbidden"},
		"group, nameless":        {onlyGroups("staff"), strip, "page Forbidden"},
		"no lists, and nameless": {nil, strip, "consent"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.addClient("wiki", c.change)
			if c.people != nil {
				w.users.set(c.people(userList(t, "alice", "bob")), nil)
			}
			w.newBrowser().begin(validRequest()).loginAs("alice", alicePass).is(c.want)
		})
	}
}

func strip(p identity.Provider) identity.Provider { return nameless{p} }

// TestDenied_Page: the person sees as whom they are signed in, and has a way to
// another account and one back to the app.
func TestDenied_Page(t *testing.T) {
	w := newWorld(t)
	w.addClient("wiki", onlyUsers("bob"))
	b := w.newBrowser()
	p := b.begin(validRequest()).loginAs("alice", alicePass).is("page Forbidden").
		has("Your account alice may not use Team Wiki").has("Use another account")
	if p.url.Path != "/denied" || w.store.writes.Load() != 1 { // the session
		t.Errorf("at %s after %d writes", p.url, w.store.writes.Load())
	}
	back := p.submit(nil).is("redirect access_denied")
	if back.param("state") != "state-of-the-client" || back.param("error_description") != "the person may not use this client" {
		t.Errorf("came to %s", back.location)
	}
	// Signed in as they are, they come to the same page, and never to a code.
	b.begin(validRequest()).is("page Forbidden").has("alice")
	b.get(mainIssuer + "/consent?" + p.url.RawQuery).is("page Forbidden")
	b.begin(with(validRequest(), "prompt", "consent")).is("page Forbidden")
	b.begin(with(validRequest(), "prompt", "none")).is("redirect access_denied")

	again := b.get(p.link("Use another account")).is("login")
	if strings.Contains(again.text(), "Continue as alice") {
		t.Error("the login page leads back to where alice may not go")
	}
	again.loginAs("bob", bobPass).is("consent").has("Bob Example").decide("allow").is("code")
	// Now that bob is signed in, alice's page is his.
	b.get(p.url.String()).is("code")
}

// TestDenied_NotByRequest: what is on the page is protected as every form is, and
// nobody comes to it without a flow.
func TestDenied_NotByRequest(t *testing.T) {
	w := newWorld(t)
	w.addClient("wiki", onlyUsers("bob"))
	b := w.newBrowser()
	b.get(mainIssuer + "/denied").is("page Bad Request")
	p := b.begin(validRequest()).loginAs("alice", alicePass).is("page Forbidden")
	action, fields := p.form()
	b.post(action, fields, "cross-site").is("page Forbidden").has("another site")
	b.post(action, url.Values{}, "same-origin").is("page Bad Request")
	w.newBrowser().post(action, fields, "same-origin").is("page Forbidden").has("another browser")
	w.newBrowser().get(p.url.String()).is("page Forbidden").has("another browser")
}

// TestDenied_WhileAsked: the client came to be for others while the consent page was
// open.
func TestDenied_WhileAsked(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	p := b.begin(validRequest()).loginAs("alice", alicePass).is("consent")
	w.addClient("wiki", onlyUsers("bob"))
	writes := w.store.writes.Load()
	p.decide("allow").is("page Forbidden").has("may not use Team Wiki")
	p.decide("deny").is("redirect access_denied")
	if w.store.writes.Load() != writes {
		t.Error("a consent was kept")
	}
	w.addClient("wiki", onlyUsers("alice"))
	p.decide("allow").is("code")
}

// TestDenied_ExcludedLater: it takes effect with the next thing that the client does.
func TestDenied_ExcludedLater(t *testing.T) {
	w := newWorld(t)
	first := w.firstAnswer()
	code := w.codeFor(validRequest())
	w.addClient("wiki", onlyUsers("bob"))
	writes := w.store.writes.Load()
	w.token(redemption(code)).refused(400, "invalid_grant")
	w.token(refreshing(first.str("refresh_token"))).refused(400, "invalid_grant")
	w.userinfo(first.str("access_token")).refused(401, "invalid_token")
	if w.store.writes.Load() != writes {
		t.Error("a refusal was written")
	}
	// A replica that may lag behind does not refuse for good.
	w.current.Store(false)
	w.token(redemption(code)).refused(503, "temporarily_unavailable")
	w.token(refreshing(first.str("refresh_token"))).refused(503, "temporarily_unavailable")
	w.userinfo(first.str("access_token")).refused(503, "temporarily_unavailable")
	w.newBrowser().begin(validRequest()).loginAs("alice", alicePass).is("page Service Unavailable")
	w.current.Store(true)

	// It is not spent: a mistake that was corrected has cost nobody their sign-in.
	w.addClient("wiki", onlyGroups("staff"))
	w.token(redemption(code)).ok()
	w.token(refreshing(first.str("refresh_token"))).ok()
}

// TestDenied_LeftTheGroup: groups are those of now, not those of the sign-in.
func TestDenied_LeftTheGroup(t *testing.T) {
	w := newWorld(t)
	w.addClient("wiki", onlyGroups("staff"))
	token := w.firstAnswer().str("refresh_token")
	w.users.set(strip(userList(t, "alice")), nil)
	w.token(refreshing(token)).refused(400, "invalid_grant")
	w.users.set(nil, errBroken)
	w.token(refreshing(token)).refused(503, "temporarily_unavailable")
	w.users.set(userList(t, "alice"), nil)
	w.token(refreshing(token)).ok()
}

// TestDenied_StaleSilent: with prompt=none a replica that cannot know says so.
func TestDenied_StaleSilent(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	w.addClient("wiki", onlyUsers("bob"))
	w.current.Store(false)
	b.begin(with(validRequest(), "prompt", "none")).is("redirect temporarily_unavailable")
	b.begin(validRequest()).is("page Service Unavailable")
	w.current.Store(true)
	b.begin(with(validRequest(), "prompt", "none")).is("redirect access_denied")
}
