// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestParameters_Repeated: at every endpoint, whatever it reads may be there once. Each
// case is a valid request in which one parameter is given again, with the same value:
// it is refused, and nothing is written.
func TestParameters_Repeated(t *testing.T) {
	w := outWorld(t)
	b := w.newBrowser()
	tokens := w.token(redemption(b.codeFor(validRequest()))).ok()
	code := w.codeFor(validRequest())
	things := map[string]func() (action string, form url.Values){
		"login": func() (string, url.Values) {
			action, form := b.begin(with(validRequest(), "prompt", "login")).is("login").form()
			return action, with(form, "username", "alice", "password", alicePass)
		},
		"consent": func() (string, url.Values) {
			action, form := b.begin(with(validRequest(), "prompt", "consent")).is("consent").form()
			return action, with(form, "decision", "allow")
		},
		"signout": func() (string, url.Values) {
			action, form := b.get(mainIssuer + "/end_session").has("Sign out?").form()
			return action, with(form, "decision", "leave")
		},
	}
	for endpoint, valid := range map[string]url.Values{
		"GET /authorize": with(validRequest(), "prompt", "consent", "max_age", "100", "login_hint", "alice", "claims", "{}",
			"id_token_hint", tokens.str("id_token"), "response_mode", "query", "display", "page", "ui_locales", "de",
			"claims_locales", "de", "acr_values", "1"),
		"GET /end_session": with(validLogout(tokens.str("id_token")), "client_id", "docs.wiki"),
		"POST /token":      with(redemption(code), "client_id", "docs.wiki", "client_secret", wikiSecret, "scope", "openid", "refresh_token", "x"),
		"POST /introspect": with(about(tokens.str("access_token")), "token_type_hint", "access_token", "client_id", "docs.wiki", "client_secret", wikiSecret),
		"POST /revoke":     with(about(tokens.str("access_token")), "token_type_hint", "access_token", "client_id", "docs.wiki", "client_secret", wikiSecret),
		"POST /userinfo":   {"access_token": {tokens.str("access_token")}},
		"POST /login":      nil, "POST /consent": nil, "POST /signout": nil,
	} {
		method, path, _ := strings.Cut(endpoint, " ")
		action := mainIssuer + path
		if form, ok := things[path[1:]]; ok {
			action, valid = form()
		}
		for name := range valid {
			t.Run(endpoint+" "+name, func(t *testing.T) {
				w := w.in(t)
				v := with(valid)
				v.Add(name, v.Get(name))
				writes := w.store.writes.Load()
				w.wantRefused(b.submits(method, action, v))
				if w.store.writes.Load() != writes {
					t.Error("something is written")
				}
			})
		}
	}
	// What was repeated was all that was amiss.
	w.token(redemption(code)).ok()
	w.lives(tokens)
	if !b.signedIn() {
		t.Error("signed out")
	}
}

// submits sends a form as a page of ours does, and follows nothing.
func (b *browser) submits(method, action string, v url.Values) page {
	b.t.Helper()
	body := strings.NewReader(v.Encode())
	if method == http.MethodGet {
		action, body = action+"?"+v.Encode(), strings.NewReader("")
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, action, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return b.send(r)
}

// wantRefused fails the test unless an answer is an error, on a page, in JSON or by
// redirect to the app.
func (w *world) wantRefused(p page) {
	w.t.Helper()
	switch {
	case p.location != nil && p.param("error") == "invalid_request" && p.param("code") == "":
	case p.location == nil && p.status == http.StatusBadRequest:
	default:
		w.t.Errorf("status %d, to %v: %s", p.status, p.location, p.body)
	}
}

// TestForms_OfOtherSites: every form of ours, sent by a page of another site or of one
// beside ours, as new browsers tell it and as old ones do, or without what our page put
// in it, or from another browser, does nothing.
func TestForms_OfOtherSites(t *testing.T) {
	w := outWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	w.addClient("shop", onlyUsers("bob"))
	shop := with(validRequest(), "client_id", "docs.shop", "redirect_uri", "https://shop.example.com/callback")
	for path, c := range map[string]struct {
		at    func() page
		fill  url.Values
		token string
	}{
		"/login":   {func() page { return b.begin(with(validRequest(), "prompt", "login")) }, url.Values{"username": {"bob"}, "password": {bobPass}}, "flow"},
		"/consent": {func() page { return b.begin(with(validRequest(), "prompt", "consent")) }, url.Values{"decision": {"allow"}}, "flow"},
		"/denied":  {func() page { return b.begin(shop) }, nil, "flow"},
		"/signout": {func() page { return b.get(mainIssuer + "/end_session") }, url.Values{"decision": {"leave"}}, "logout"},
	} {
		t.Run(path, func(t *testing.T) {
			w := w.in(t)
			action, form := c.at().form()
			if action != mainIssuer+path {
				t.Fatalf("the form goes to %s", action)
			}
			maps.Copy(form, c.fill)
			writes := w.store.writes.Load()
			for _, from := range []map[string]string{
				{"Sec-Fetch-Site": "cross-site"},
				{"Sec-Fetch-Site": "same-site"},
				{"Sec-Fetch-Site": "cross-site", "Origin": mainIssuer},
				{"Origin": "https://evil.example"},
				{"Origin": "https://login.example.com.evil.example"},
				{"Origin": "http://login.example.com:8080"},
				{"Origin": "null"},
			} {
				r := w.request(http.MethodPost, action, form.Encode())
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				for name, value := range from {
					r.Header.Set(name, value)
				}
				if p := b.send(r); p.status != http.StatusForbidden || !strings.Contains(p.text(), "another site") {
					t.Errorf("%v: status %d: %s", from, p.status, p.text())
				}
			}
			b.post(action, without(form, c.token), "same-origin").is("page Bad Request").has("no longer valid")
			b.post(action, with(form, c.token, "forged"), "same-origin").is("page Bad Request").has("no longer valid")
			if path != "/signout" { // which is bound to the session: who has none is signed out already
				w.newBrowser().post(action, form, "same-origin").is("page Forbidden").has("another browser")
			}
			if w.store.writes.Load() != writes || !b.signedIn() {
				t.Error("something has happened")
			}
		})
	}
}

// TestParameters_TooMuch: no endpoint reads more than its bounds, whether the length of
// a body is told beforehand or not.
func TestParameters_TooMuch(t *testing.T) {
	w := newWorld(t)
	form := url.Values{"x": {strings.Repeat("x", maxBody)}}.Encode()
	for path, all := range w.server.routes {
		for method := range all {
			r := w.request(method, mainIssuer+path+"?x="+strings.Repeat("x", maxQuery), "")
			if a := w.call(r); a.status != http.StatusRequestURITooLong {
				t.Errorf("%s %s: status %d for a long query", method, path, a.status)
			}
			if method != http.MethodPost {
				continue
			}
			for _, length := range []int64{int64(len(form)), -1} {
				r := w.request(method, mainIssuer+path, form)
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.ContentLength = length
				if a := w.call(r); a.status != http.StatusRequestEntityTooLarge {
					t.Errorf("%s %s: status %d for a long body", method, path, a.status)
				}
			}
		}
	}
}
