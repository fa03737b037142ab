// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/token"
	"github.com/clientele-dev/clientele/internal/registration"
)

const outURI = "https://wiki.example.com/out"

// outWorld is a world whose clients can be returned to after a logout.
func outWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.addClient("wiki", func(r *registration.Client) { r.PostLogoutRedirectURIs = []string{outURI, outURI + "?tenant=1"} })
	w.addClient("shop", func(r *registration.Client) { r.PostLogoutRedirectURIs = []string{"https://shop.example.com/out"} })
	return w
}

// hintOf signs somebody in to wiki, and returns the ID token.
func (b *browser) hintOf(w *world) string {
	b.t.Helper()
	return w.token(redemption(b.codeFor(validRequest()))).ok().str("id_token")
}

// validLogout is a logout request of wiki to which nothing is amiss.
func validLogout(hint string) url.Values {
	return url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {outURI}, "state": {"state-of-the-logout"}}
}

func (b *browser) leave(v url.Values) page {
	b.t.Helper()
	return b.get(mainIssuer + "/end_session?" + v.Encode())
}

// signedIn reports whether an app would find somebody signed in.
func (b *browser) signedIn() bool {
	b.t.Helper()
	p := b.begin(with(validRequest(), "prompt", "none"))
	switch p.param("error") {
	case "", "consent_required":
		return true
	case "login_required":
		return false
	}
	b.t.Fatalf("came to %s", p.location)
	return false
}

// TestEndSession_WithHint: at once, back to the app, and for good.
func TestEndSession_WithHint(t *testing.T) {
	w := outWorld(t)
	b := w.newBrowser()
	hint := b.hintOf(w)
	stolen := b.cookie(mainIssuer, "__Host-clientele-main-session")
	p := b.leave(validLogout(hint)).is("redirect ")
	if p.location.String() != outURI+"?state=state-of-the-logout" {
		t.Errorf("came to %s", p.location)
	}
	if b.cookie(mainIssuer, "__Host-clientele-main-session") != "" || b.signedIn() {
		t.Error("still signed in")
	}
	// The session has ended, not only the browser's memory of it.
	r := w.request(http.MethodGet, authorizeURL(mainIssuer, with(validRequest(), "prompt", "none")), "")
	r.AddCookie(&http.Cookie{Name: "__Host-clientele-main-session", Value: stolen})
	w.newBrowser().send(r).is("redirect login_required")
	// Again, and nobody is signed in any more: that is what was wanted.
	b.leave(validLogout(hint)).is("redirect ")
	// Without an ID token, too: there is nobody to be asked.
	b.leave(url.Values{"client_id": {"docs.wiki"}, "post_logout_redirect_uri": {outURI}}).is("redirect ")
	b.leave(url.Values{}).is("page OK").has("You are signed out")
}

// TestEndSession_Return is the destination and the state.
func TestEndSession_Return(t *testing.T) {
	w := outWorld(t)
	hint := w.newBrowser().hintOf(w)
	for name, c := range map[string]struct {
		change func(url.Values)
		want   string
	}{
		"no state":       {func(v url.Values) { v.Del("state") }, outURI},
		"empty state":    {func(v url.Values) { v.Set("state", "") }, outURI},
		"odd state":      {func(v url.Values) { v.Set("state", "a b&c=%\xff") }, outURI + "?state=a+b%26c%3D%25%FF"},
		"its own query":  {func(v url.Values) { v.Set("post_logout_redirect_uri", outURI+"?tenant=1") }, outURI + "?tenant=1&state=state-of-the-logout"},
		"client_id, too": {func(v url.Values) { v.Set("client_id", "docs.wiki") }, outURI + "?state=state-of-the-logout"},
		"unknown and more": {func(v url.Values) {
			v["logout_hint"], v["ui_locales"], v["x"] = []string{"a", "b"}, []string{"de", "en"}, []string{"y"}
		}, outURI + "?state=state-of-the-logout"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			b := w.newBrowser()
			b.codeFor(validRequest())
			v := validLogout(hint)
			c.change(v)
			if p := b.leave(v).is("redirect "); p.location.String() != c.want {
				t.Errorf("came to %s, want %s", p.location, c.want)
			}
			if b.signedIn() {
				t.Error("still signed in")
			}
		})
	}
}

// TestEndSession_Refused: a page, no redirect, and nobody is signed out.
func TestEndSession_Refused(t *testing.T) {
	w := outWorld(t)
	w.addIssuer("team", pathIssuer, nil)
	first := w.firstAnswer()
	hint := first.str("id_token")
	other := forgedHint(t, w)
	parts := strings.Split(hint, ".")
	for name, change := range map[string]func(url.Values){
		"unregistered":              func(v url.Values) { v.Set("post_logout_redirect_uri", "https://evil.example/") },
		"query added":               func(v url.Values) { v.Set("post_logout_redirect_uri", outURI+"?foo=bar") },
		"a redirect URI":            func(v url.Values) { v.Set("post_logout_redirect_uri", wikiURI) },
		"another client's":          func(v url.Values) { v.Set("post_logout_redirect_uri", "https://shop.example.com/out") },
		"not a URI":                 func(v url.Values) { v.Set("post_logout_redirect_uri", "x\ny <b>") },
		"no hint":                   func(v url.Values) { v.Del("id_token_hint") },
		"no signature":              func(v url.Values) { v.Set("id_token_hint", parts[0]+"."+parts[1]+".") },
		"alg none":                  func(v url.Values) { v.Set("id_token_hint", "eyJhbGciOiJub25lIn0."+parts[1]+".") },
		"other signature":           func(v url.Values) { v.Set("id_token_hint", other) },
		"an access token":           func(v url.Values) { v.Set("id_token_hint", first.str("access_token")) },
		"garbage":                   func(v url.Values) { v.Set("id_token_hint", "garbage") },
		"client_id of another":      func(v url.Values) { v.Set("client_id", "docs.shop") },
		"client_id of nobody":       func(v url.Values) { v.Set("client_id", "docs.nobody") },
		"nobody's, without a hint":  func(v url.Values) { v.Set("client_id", "docs.nobody"); v.Del("id_token_hint") },
		"another's, without a hint": func(v url.Values) { v.Set("client_id", "docs.shop"); v.Del("id_token_hint") },
		"uri twice":                 func(v url.Values) { v.Add("post_logout_redirect_uri", outURI) },
		"hint twice":                func(v url.Values) { v.Add("id_token_hint", hint) },
		"state twice":               func(v url.Values) { v.Add("state", "x") },
		"state too long":            func(v url.Values) { v.Set("state", strings.Repeat("s", maxState+1)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			b := w.newBrowser()
			b.codeFor(validRequest())
			writes := w.store.writes.Load()
			v := validLogout(hint)
			change(v)
			p := b.leave(v).is("page Bad Request").has("You have not been signed out").has("For the app's owner")
			if w.store.writes.Load() != writes || !b.signedIn() {
				t.Error("signed out")
			}
			b.post(mainIssuer+"/end_session", v, "cross-site").is("page Bad Request")
			// There is a way on without what was wrong.
			b.get(p.link("Sign out here")).is("page OK").has("Sign out?").submit(url.Values{"decision": {"leave"}}).has("You are signed out")
			if b.signedIn() {
				t.Error("still signed in")
			}
		})
	}
}

// forgedHint is a hint of alice that says what hers would, under another's keys.
func forgedHint(t *testing.T, w *world) string {
	t.Helper()
	set, err := token.NewKeySet(mainIssuer, *keysOf(t, "somebody-else"))
	if err != nil {
		t.Fatal(err)
	}
	forged, err := set.SignID(keys.RS256, token.ID{
		Subject: identity.Subject(mainIssuer, "staff", "id-alice"), ClientID: "docs.wiki", IssuedAt: w.clock.Now(),
		Expires: w.clock.Now().Add(time.Hour), AuthTime: w.clock.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return forged
}

// rotated are main's keys after a long time: what was sealed can be opened still, and
// what was signed not be verified.
func rotated(t *testing.T) *keys.Set {
	t.Helper()
	out := keys.Set{Version: keys.Version, Keys: keysOf(t, "main").Of(keys.Seal)}
	for _, kind := range keys.Algs() {
		out.Keys = append(out.Keys, keysOf(t, "somebody-else").Of(kind)...)
	}
	return &out
}

// TestEndSession_Asks: without an ID token of whoever is signed in, they are asked.
func TestEndSession_Asks(t *testing.T) {
	w := outWorld(t)
	bobs := func() string {
		b := w.newBrowser()
		p := b.begin(validRequest()).loginAs("bob", bobPass)
		if p.location == nil {
			p = p.decide("allow")
		}
		return w.token(redemption(p.is("code").param("code"))).ok().str("id_token")
	}()
	for name, c := range map[string]struct {
		query     url.Values
		says, end string
	}{
		"nothing":             {url.Values{}, "You are about to be signed out", ""},
		"only a state":        {url.Values{"state": {"x"}}, "You are about to be signed out", ""},
		"client":              {url.Values{"client_id": {"docs.wiki"}}, "Team Wiki asks to sign you out", ""},
		"client and URI":      {url.Values{"client_id": {"docs.wiki"}, "post_logout_redirect_uri": {outURI}, "state": {"x"}}, "Team Wiki asks", outURI + "?state=x"},
		"another person's":    {validLogout(bobs), "Alice Example", outURI + "?state=state-of-the-logout"},
		"a hint, not usable":  {url.Values{"id_token_hint": {"garbage"}}, "You are about to be signed out", ""},
		"unusable, client_id": {with(validLogout("garbage"), "client_id", "docs.wiki"), "Team Wiki asks", outURI + "?state=state-of-the-logout"},
		"unknown client":      {url.Values{"client_id": {"docs.nobody"}}, "You are about to be signed out", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			for _, begin := range []func(*browser) page{
				func(b *browser) page { return b.leave(c.query) },
				func(b *browser) page { return b.post(mainIssuer+"/end_session", c.query, "cross-site") },
			} {
				b := w.newBrowser()
				b.codeFor(validRequest())
				p := begin(b).is("page OK").has("Sign out?").has(c.says).has("alice")
				if !b.signedIn() {
					t.Fatal("signed out without being asked")
				}
				p.submit(url.Values{"decision": {"stay"}}).is("page OK").has("You are still signed in")
				p.submit(url.Values{"decision": {"perhaps"}}).has("Sign out?")
				if !b.signedIn() {
					t.Fatal("signed out against their will")
				}
				p = p.submit(url.Values{"decision": {"leave"}})
				if c.end == "" {
					p.is("page OK").has("You are signed out")
				} else if p.is("redirect "); p.location.String() != c.end {
					t.Errorf("came to %s, want %s", p.location, c.end)
				}
				if b.signedIn() {
					t.Error("still signed in")
				}
			}
		})
	}
}

// TestEndSession_Post: from the client's site it comes without our cookies, and all the
// same ends the session of the person who sent it. The ID token is in no URL.
func TestEndSession_Post(t *testing.T) {
	w := outWorld(t)
	b := w.newBrowser()
	hint := b.hintOf(w)
	r := w.request(http.MethodPost, mainIssuer+"/end_session", validLogout(hint).Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := w.RoundTrip(r) // without the browser's cookies
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	to, err := res.Location()
	if err != nil || to.Host != "login.example.com" || strings.Contains(to.String(), hint[:40]) {
		t.Fatalf("status %d to %v", res.StatusCode, to)
	}
	if p := b.get(to.String()).is("redirect "); p.location.String() != outURI+"?state=state-of-the-logout" || b.signedIn() {
		t.Errorf("came to %s", p.location)
	}

	r = w.request(http.MethodPost, mainIssuer+"/end_session", `{}`)
	r.Header.Set("Content-Type", "application/json")
	b.send(r).is("page Unsupported Media Type").has("You have not been signed out")
	v := validLogout(hint)
	b.post(mainIssuer+"/end_session?state=x", v, "cross-site").is("page Bad Request")
}

// TestEndSession_ExpiredHint: an ID token that expired still says whose login it was,
// until the key that signed it is gone.
func TestEndSession_ExpiredHint(t *testing.T) {
	w := outWorld(t)
	b := w.newBrowser()
	hint := b.hintOf(w)
	w.clock.pass(11 * time.Hour) // the ID token lives for ten minutes, the session for twelve hours
	b.leave(validLogout(hint)).is("redirect ")
	if b.signedIn() {
		t.Error("still signed in")
	}
	b.codeFor(validRequest())
	i, err := registry.NewIssuer(serverRecord("main", mainIssuer, nil), w.users, rotated(t))
	if err != nil {
		t.Fatal(err)
	}
	w.registry.SetIssuer(i)
	b.leave(validLogout(hint)).is("page Bad Request")
	b.leave(with(validLogout(hint), "client_id", "docs.wiki")).is("page OK").has("Sign out?").
		submit(url.Values{"decision": {"leave"}}).is("redirect ")
}

// TestEndSession_FormBelongsToASession: nobody else's form signs a person out, and no
// URL does.
func TestEndSession_FormBelongsToASession(t *testing.T) {
	w := outWorld(t)
	b, attacker := w.newBrowser(), w.newBrowser()
	b.codeFor(validRequest())
	attacker.codeFor(validRequest())
	action, fields := attacker.leave(url.Values{}).has("Sign out?").form()
	fields.Set("decision", "leave")
	// The attacker's form, as if the victim's browser could be made to send it.
	b.post(action, fields, "same-origin").is("page OK").has("Sign out?")
	b.post(action, fields, "cross-site").is("page Forbidden").has("another site")
	// The sealed request of a URL is not the form's.
	r := w.request(http.MethodPost, mainIssuer+"/end_session", "client_id=docs.wiki")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	to := b.send(r).location
	b.post(action, url.Values{"logout": {to.Query().Get("logout")}, "decision": {"leave"}}, "same-origin").has("Sign out?")
	if !b.signedIn() {
		t.Error("signed out")
	}
	// Nor is what was sealed for something else.
	flow := b.begin(with(validRequest(), "prompt", "login")).is("login").url.Query().Get("flow")
	b.post(action, url.Values{"logout": {flow}, "decision": {"leave"}}, "same-origin").is("page Bad Request").has("no longer valid")
	b.get(mainIssuer + "/signout").is("page Bad Request").has("no longer valid")
	w.clock.pass(flowLifetime)
	b.get(to.String()).is("page Bad Request").has("no longer valid")
}

// TestEndSession_OtherTab: in another tab, somebody else signed in, or out.
func TestEndSession_OtherTab(t *testing.T) {
	w := outWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	p := b.leave(url.Values{"client_id": {"docs.wiki"}, "post_logout_redirect_uri": {outURI}}).has("Alice Example")
	b.begin(with(validRequest(), "prompt", "login")).loginAs("bob", bobPass).is("consent")
	p = p.submit(url.Values{"decision": {"leave"}}).is("page OK").has("Bob Example")
	b.leave(url.Values{}).submit(url.Values{"decision": {"leave"}}).has("You are signed out")
	p.submit(url.Values{"decision": {"leave"}}).is("redirect ")
}

// TestEndSession_Issuer: one issuer neither signs out at another nor takes its hints.
func TestEndSession_Issuer(t *testing.T) {
	w := outWorld(t)
	w.addIssuer("team", pathIssuer, nil)
	b := w.newBrowser()
	hint := b.hintOf(w)
	b.get(pathIssuer + "/end_session?" + validLogout(hint).Encode()).is("page Bad Request")
	b.get(pathIssuer + "/end_session").has("You are signed out") // nobody was signed in there
	if !b.signedIn() {
		t.Error("signed out at another issuer")
	}
}

// TestEndSession_Registration: what is registered now counts, and a replica that may
// lag behind does not refuse for good.
func TestEndSession_Registration(t *testing.T) {
	w := outWorld(t)
	b := w.newBrowser()
	hint := b.hintOf(w)
	p := b.leave(url.Values{"client_id": {"docs.wiki"}, "post_logout_redirect_uri": {outURI}}).has("Sign out?")
	w.current.Store(false)
	b.leave(with(validLogout(hint), "post_logout_redirect_uri", outURI+"/new")).is("page Service Unavailable")
	b.leave(url.Values{"client_id": {"docs.new"}}).is("page Service Unavailable")
	b.leave(url.Values{}).is("page OK").has("Sign out?")
	w.current.Store(true)
	w.addClient("wiki", nil)
	p.submit(url.Values{"decision": {"leave"}}).is("page Bad Request").has("You have not been signed out")
	// An ID token of a client that is gone proves nothing.
	w.registry.DeleteClient("main", "docs.wiki")
	b.leave(url.Values{"id_token_hint": {hint}}).is("page OK").has("Sign out?")
}

// TestEndSession_Outage: who cannot be signed out is not told that they are, and it
// takes no identity provider to sign out.
func TestEndSession_Outage(t *testing.T) {
	w := outWorld(t)
	b := w.newBrowser()
	hint := b.hintOf(w)
	w.store.fails()
	b.leave(validLogout(hint)).is("page Service Unavailable")
	w.store.heals()
	w.users.set(nil, errBroken)
	p := b.leave(url.Values{}).is("page OK").has("Sign out?")
	if strings.Contains(p.text(), "Signed in as") {
		t.Error("nobody knows who it is")
	}
	b.leave(validLogout(hint)).is("redirect ")
	w.users.set(userList(t, "alice", "bob"), nil)
	if b.signedIn() {
		t.Error("still signed in")
	}
}

// TestEndSession_WhatLivesOn: offline_access is for the time while a person is away.
func TestEndSession_WhatLivesOn(t *testing.T) {
	w := outWorld(t)
	b := w.newBrowser()
	a := w.token(redemption(b.codeFor(validRequest()))).ok()
	b.leave(validLogout(a.str("id_token"))).is("redirect ")
	w.userinfo(a.str("access_token")).ok()
	w.token(refreshing(a.str("refresh_token"))).ok()
}

// FuzzParseLogout: whatever is sent, only a registered URI becomes a destination, and
// only with a client.
func FuzzParseLogout(f *testing.F) {
	f.Add("id_token_hint=x&post_logout_redirect_uri=" + url.QueryEscape(outURI) + "&state=s")
	f.Add("client_id=docs.wiki&post_logout_redirect_uri=" + url.QueryEscape(outURI))
	f.Add("client_id=docs.wiki&post_logout_redirect_uri=" + url.QueryEscape(outURI) + "%20&state=%00%ff&state=2")
	f.Add("client_id=&post_logout_redirect_uri=//evil.example&id_token_hint=eyJhbGciOiJub25lIn0.e30.")
	registered := registry.New(nil)
	record := clientRecord("wiki", func(r *registration.Client) { r.PostLogoutRedirectURIs = []string{outURI} })
	registered.SetClient(clientOf(f, record))
	issuer, err := registry.NewIssuer(serverRecord("main", mainIssuer, nil), nil, keysOf(f, "main"))
	if err != nil {
		f.Fatal(err)
	}
	registered.SetIssuer(issuer)
	s := &Server{registry: registered}
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		r := &request{Request: &http.Request{Form: v}, issuer: issuer}
		d, err := s.parseLogout(r)
		if err != nil {
			return
		}
		switch {
		case d.to.String() != "" && (d.to.String() != outURI || d.client == nil || v.Get("post_logout_redirect_uri") != outURI):
			t.Errorf("leads to %q", d.to)
		case d.logout.Subject != "":
			t.Error("somebody's ID token was guessed")
		case string(d.logout.State) != v.Get("state") || len(d.logout.State) > maxState:
			t.Errorf("state %q became %q", v.Get("state"), d.logout.State)
		}
		if sealed, err := r.sealLogout(d, ""); err != nil || len(sealed) > seal.MaxSize {
			t.Errorf("cannot travel: %v", err)
		}
	})
}
