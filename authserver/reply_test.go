// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/url"
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/internal/registration"
)

func formPost() url.Values { return with(validRequest(), "response_mode", "form_post") }

// wantPosted checks what a form brings to wiki beside code or error.
func (p page) wantPosted(want string) page {
	p.b.t.Helper()
	p.is("posted " + want)
	if p.location.String() != wikiURI || p.param("iss") != mainIssuer || p.param("state") != "state-of-the-client" {
		p.b.t.Errorf("%s gets %v", p.location, p.posted)
	}
	for name, values := range p.posted {
		if len(values) != 1 || values[0] == "" {
			p.b.t.Errorf("%s is %q", name, values)
		}
	}
	return p
}

// TestFormPost_Code: past every page, and without any. The code is as good as another.
func TestFormPost_Code(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	p := b.begin(formPost()).is("login").loginAs("alice", alicePass).is("consent").decide("allow").wantPosted("code")
	p.has("Back to Team Wiki").has("press the button").has("Continue to Team Wiki")
	if len(p.posted) != 3 || p.header.Get("Location") != "" {
		t.Errorf("the client gets %v", p.posted)
	}
	w.token(redemption(p.param("code"))).ok()
	b.begin(formPost()).wantPosted("code")
	b.begin(with(formPost(), "prompt", "none")).wantPosted("code")
	b.post(mainIssuer+"/authorize", formPost(), "cross-site").wantPosted("code")
	b.begin(with(formPost(), "prompt", "login")).is("login").loginAs("alice", alicePass).wantPosted("code")
	b.begin(with(formPost(), "response_mode", "query")).is("code")
}

// TestFormPost_Errors: what would come by redirect comes by form, wherever it arises.
func TestFormPost_Errors(t *testing.T) {
	w := newWorld(t)
	w.newBrowser().begin(with(formPost(), "prompt", "none")).wantPosted("login_required")
	w.newBrowser().begin(with(formPost(), "scope", "openid admin")).wantPosted("invalid_scope")
	w.newBrowser().begin(without(formPost(), "response_type")).wantPosted("invalid_request")
	w.newBrowser().begin(with(formPost(), "request", "e30.e30.")).wantPosted("request_not_supported")
	w.newBrowser().post(mainIssuer+"/authorize", with(formPost(), "max_age", "x"), "cross-site").wantPosted("invalid_request")

	b := w.newBrowser()
	b.begin(formPost()).is("login").loginAs("alice", alicePass).is("consent").decide("deny").wantPosted("access_denied")
	b.begin(with(formPost(), "prompt", "none")).wantPosted("consent_required")

	// On its way the client loses a scope, and becomes one that is not for alice.
	p := b.begin(formPost()).is("consent")
	w.registry.SetClient(clientOf(t, narrowed(clientRecord("wiki", nil))))
	p.decide("allow").wantPosted("invalid_scope")
	w.addClient("wiki", onlyUsers("bob"))
	b.begin(formPost()).is("page Forbidden").submit(nil).wantPosted("access_denied")

	w.store.fails()
	b.begin(with(formPost(), "prompt", "none")).wantPosted("temporarily_unavailable")
	b.begin(formPost()).is("page Service Unavailable")
}

// TestFormPost_PageErrors: no form goes where no redirect would.
func TestFormPost_PageErrors(t *testing.T) {
	w := newWorld(t)
	for name, q := range map[string]url.Values{
		"unknown client":       with(formPost(), "client_id", "docs.nobody"),
		"unknown redirect URI": with(formPost(), "redirect_uri", wikiURI+"/"),
		"another origin":       with(formPost(), "redirect_uri", "https://evil.example/callback"),
		"a script":             with(formPost(), "redirect_uri", "javascript:alert(1)"),
	} {
		if p := w.newBrowser().begin(q).is("page Bad Request"); strings.Contains(p.body, "<form") {
			t.Errorf("%s: there is a form", name)
		}
	}
}

// TestFormPost_AppScheme: a browser has nothing to send a form to.
func TestFormPost_AppScheme(t *testing.T) {
	w := newWorld(t)
	w.addClient("app", func(r *registration.Client) {
		public(r)
		r.RedirectURIs = []string{"com.example.app:/cb", "http://127.0.0.1/cb", "http://[::1]/cb"}
	})
	q := with(formPost(), "client_id", "docs.app", "redirect_uri", "com.example.app:/cb")
	p := w.newBrowser().begin(q).is("redirect invalid_request")
	if !strings.Contains(p.param("error_description"), "redirect_uri of https or http") || p.param("state") == "" {
		t.Errorf("redirected to %s", p.location)
	}
	for _, uri := range []string{"http://127.0.0.1:49152/cb", "http://[::1]:49152/cb"} {
		p := w.newBrowser().begin(with(q, "redirect_uri", uri)).loginAs("alice", alicePass).decide("allow").is("posted code")
		if p.location.String() != uri {
			t.Errorf("the form goes to %s", p.location)
		}
	}
}

// TestFormPost_Exact: redirect URI and state arrive as they were, whatever they are.
func TestFormPost_Exact(t *testing.T) {
	w := newWorld(t)
	const uri = "https://wiki.example.com/a'b(c)/%7e?x=1&amp=2;c[]='&iss=theirs"
	w.addClient("wiki", func(r *registration.Client) { r.RedirectURIs = []string{uri} })
	for _, state := range []string{
		`"><script>alert(1)</script>`, `&quot;&#34;'`, "  spaces  ", "ünïcödé \u202e 🙂", "{{.}}", "a+b%2B&state=2", strings.Repeat("s", 2048),
	} {
		p := w.newBrowser().begin(with(formPost(), "redirect_uri", uri, "state", state, "prompt", "none")).is("posted login_required")
		if p.location.String() != uri || p.param("state") != state || !strings.Contains(p.body, `method="post" action="`) {
			t.Errorf("state %q became %q, at %s", state, p.param("state"), p.location)
		}
	}
}

// TestFormPost_StateThatChanges: a browser would send back another one.
func TestFormPost_StateThatChanges(t *testing.T) {
	w := newWorld(t)
	for _, state := range []string{"a\nb", "a\rb", "a\x00b", "a\tb", "\x7f", "\xff", "ü\xc3", strings.Repeat("s", 2049)} {
		p := w.newBrowser().begin(with(formPost(), "state", state)).is("posted invalid_request")
		if p.param("state") != "" || p.posted.Has("state") {
			t.Errorf("%q comes back as %q", state, p.param("state"))
		}
		if len(state) < 2048 {
			w.newBrowser().begin(with(validRequest(), "state", state)).is("login")
		}
	}
}

// TestFormPost_Renewed: what travels sealed does not lose the mode on any way.
func TestFormPost_Renewed(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	p := b.begin(formPost()).is("login").loginAs("alice", "wrong").is("page Forbidden").loginAs("alice", alicePass).is("consent")
	p = b.get(p.link("Use another account")).is("login")
	b.get(p.link("Continue as alice")).is("consent").decide("allow").wantPosted("code")
}
