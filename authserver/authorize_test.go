// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/internal/registration"
)

func TestAuthorize_Valid(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	p := b.begin(validRequest()).is("login").has("Continue to Team Wiki").has("Acme main")
	if p.url.Query().Get("flow") == "" || len(p.url.String()) > 2000 {
		t.Errorf("went to a URL of %d bytes: %s", len(p.url.String()), p.url)
	}
	if !strings.HasPrefix(p.url.String(), mainIssuer+"/login?") {
		t.Errorf("went to %s", p.url)
	}
	if b.cookie(mainIssuer, "__Host-clientele-main-browser") == "" || b.cookie(mainIssuer, "__Host-clientele-main-session") != "" {
		t.Error("only the browser cookie should be set before login")
	}
}

func TestAuthorize_PageErrors(t *testing.T) {
	w := newWorld(t)
	w.addClient("two", func(r *registration.Client) {
		r.RedirectURIs = append(r.RedirectURIs, "https://two.example.com/other")
	})
	for name, c := range map[string]struct {
		change func(url.Values)
		says   string
	}{
		"no client_id":      {func(q url.Values) { q.Del("client_id") }, "needs the parameter client_id, exactly once"},
		"client_id twice":   {func(q url.Values) { q.Add("client_id", "docs.wiki") }, "needs the parameter client_id, exactly once"},
		"unknown client_id": {func(q url.Values) { q.Set("client_id", "docs.nobody") }, "names no client of " + mainIssuer},
		"client_id in another case": {
			func(q url.Values) { q.Set("client_id", "Docs.wiki") }, "names no client of " + mainIssuer,
		},
		"no redirect_uri in an OpenID request": {func(q url.Values) { q.Del("redirect_uri") }, "needs the parameter redirect_uri"},
		"no redirect_uri, and two registered": {func(q url.Values) {
			q.Del("redirect_uri")
			q.Set("client_id", "docs.two")
			q.Set("scope", "profile")
		}, "needs the parameter redirect_uri"},
		"redirect_uri twice": {func(q url.Values) { q.Add("redirect_uri", wikiURI) }, "redirect_uri more than once"},
		"redirect_uri with a trailing slash": {
			func(q url.Values) { q.Set("redirect_uri", wikiURI+"/") }, "spec.redirectURIs",
		},
		"redirect_uri with a query": {func(q url.Values) { q.Set("redirect_uri", wikiURI+"?a=b") }, "spec.redirectURIs"},
		"redirect_uri with a fragment": {
			func(q url.Values) { q.Set("redirect_uri", wikiURI+"#f") }, "spec.redirectURIs",
		},
		"redirect_uri of another host": {
			func(q url.Values) { q.Set("redirect_uri", "https://evil.example/callback") }, "spec.redirectURIs",
		},
		"redirect_uri of a host that begins so": {
			func(q url.Values) { q.Set("redirect_uri", "https://wiki.example.com.evil.example/callback") }, "spec.redirectURIs",
		},
		"redirect_uri with user information": {
			func(q url.Values) { q.Set("redirect_uri", "https://wiki.example.com@evil.example/callback") }, "spec.redirectURIs",
		},
		"redirect_uri with another scheme": {
			func(q url.Values) { q.Set("redirect_uri", "http://wiki.example.com/callback") }, "spec.redirectURIs",
		},
		"redirect_uri in another case": {
			func(q url.Values) { q.Set("redirect_uri", "https://WIKI.example.com/callback") }, "spec.redirectURIs",
		},
		"redirect_uri with a path beside": {
			func(q url.Values) { q.Set("redirect_uri", "https://wiki.example.com/x/../callback") }, "spec.redirectURIs",
		},
		"redirect_uri that is a script": {
			func(q url.Values) { q.Set("redirect_uri", "javascript:alert(1)//<script>alert(1)</script>") }, "spec.redirectURIs",
		},
		"redirect_uri that is a message": {
			func(q url.Values) { q.Set("redirect_uri", "Please call 0800 1234 now") }, "spec.redirectURIs",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			q := validRequest()
			c.change(q)
			b := w.newBrowser()
			p := b.begin(q).is("page Bad Request").has(c.says).has("Tell the app's owner")
			if p.header.Get("Location") != "" || strings.Contains(p.body, "href=") {
				t.Errorf("the page leads somewhere: %s", p.body)
			}
			if !strings.Contains(p.text(), "Request "+p.header.Get("X-Request-Id")) {
				t.Errorf("the page does not show the request's id: %s", p.text())
			}
			if strings.Contains(p.text(), "0800") {
				t.Error("the page says what a stranger wants it to")
			}
			if b.cookie(mainIssuer, "__Host-clientele-main-browser") != "" {
				t.Error("a refusal sets a cookie")
			}
		})
	}
}

func TestAuthorize_RedirectErrors(t *testing.T) {
	w := newWorld(t)
	w.addClient("narrow", func(r *registration.Client) { r.Scopes = []string{"openid"} })
	w.addClient("refresher", func(r *registration.Client) { r.GrantTypes = []string{"refresh_token"} })
	as := func(q url.Values, name string) {
		q.Set("client_id", "docs."+name)
		q.Set("redirect_uri", "https://"+name+".example.com/callback")
	}
	long := strings.Repeat("x", 2049)
	for name, c := range map[string]struct {
		change func(url.Values)
		want   string
	}{
		"no response_type":            {func(q url.Values) { q.Del("response_type") }, "invalid_request"},
		"response_type token":         {func(q url.Values) { q.Set("response_type", "token") }, "unsupported_response_type"},
		"response_type code id_token": {func(q url.Values) { q.Set("response_type", "code id_token") }, "unsupported_response_type"},
		"response_type twice":         {func(q url.Values) { q.Add("response_type", "code") }, "invalid_request"},
		"response_mode fragment":      {func(q url.Values) { q.Set("response_mode", "fragment") }, "invalid_request"},
		"response_mode query.jwt":     {func(q url.Values) { q.Set("response_mode", "query.jwt") }, "invalid_request"},
		"response_mode twice":         {func(q url.Values) { q["response_mode"] = []string{"form_post", "form_post"} }, "invalid_request"},
		"request":                     {func(q url.Values) { q.Set("request", "e30.e30.") }, "request_not_supported"},
		"request_uri":                 {func(q url.Values) { q.Set("request_uri", "https://x.example/r") }, "request_uri_not_supported"},
		"registration":                {func(q url.Values) { q.Set("registration", "{}") }, "registration_not_supported"},
		"id_token_hint twice":         {func(q url.Values) { q["id_token_hint"] = []string{"a", "b"} }, "invalid_request"},
		"display twice":               {func(q url.Values) { q["display"] = []string{"page", "popup"} }, "invalid_request"},
		"acr_values twice":            {func(q url.Values) { q["acr_values"] = []string{"1", "2"} }, "invalid_request"},
		"no scope":                    {func(q url.Values) { q.Del("scope") }, "invalid_scope"},
		"scope of spaces":             {func(q url.Values) { q.Set("scope", "  ") }, "invalid_scope"},
		"scope twice":                 {func(q url.Values) { q.Add("scope", "openid") }, "invalid_request"},
		"scope without end":           {func(q url.Values) { q.Set("scope", "openid "+strings.Repeat(" ", 2048)) }, "invalid_scope"},
		"scope that nobody offers":    {func(q url.Values) { q.Set("scope", "openid admin") }, "invalid_scope"},
		"scope that is another client's": {func(q url.Values) {
			as(q, "narrow")
			q.Set("scope", "openid email")
		}, "invalid_scope"},
		"no code_challenge":          {func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") }, "invalid_request"},
		"method without a challenge": {func(q url.Values) { q.Del("code_challenge") }, "invalid_request"},
		"no code_challenge_method":   {func(q url.Values) { q.Del("code_challenge_method") }, "invalid_request"},
		"code_challenge_method plain": {
			func(q url.Values) { q.Set("code_challenge_method", "plain") }, "invalid_request",
		},
		"code_challenge_method in another case": {
			func(q url.Values) { q.Set("code_challenge_method", "s256") }, "invalid_request",
		},
		"code_challenge too short":    {func(q url.Values) { q.Set("code_challenge", "short") }, "invalid_request"},
		"code_challenge with padding": {func(q url.Values) { q.Set("code_challenge", challengeOf(verifier)+"=") }, "invalid_request"},
		"code_challenge twice":        {func(q url.Values) { q.Add("code_challenge", challengeOf("x")) }, "invalid_request"},
		"prompt none with login":      {func(q url.Values) { q.Set("prompt", "none login") }, "invalid_request"},
		"prompt of another kind":      {func(q url.Values) { q.Set("prompt", "create") }, "invalid_request"},
		"prompt twice":                {func(q url.Values) { q["prompt"] = []string{"login", "none"} }, "invalid_request"},
		"prompt none":                 {func(q url.Values) { q.Set("prompt", "none") }, "login_required"},
		"max_age below zero":          {func(q url.Values) { q.Set("max_age", "-1") }, "invalid_request"},
		"max_age of words":            {func(q url.Values) { q.Set("max_age", "soon") }, "invalid_request"},
		"max_age with a sign":         {func(q url.Values) { q.Set("max_age", "+1") }, "invalid_request"},
		"max_age beyond numbers":      {func(q url.Values) { q.Set("max_age", strings.Repeat("9", 40)) }, "invalid_request"},
		"nonce too long":              {func(q url.Values) { q.Set("nonce", strings.Repeat("n", 513)) }, "invalid_request"},
		"nonce that is not UTF-8":     {func(q url.Values) { q.Set("nonce", "\xff") }, "invalid_request"},
		"nonce twice":                 {func(q url.Values) { q.Add("nonce", "other") }, "invalid_request"},
		"state too long":              {func(q url.Values) { q.Set("state", long) }, "invalid_request"},
		"state twice":                 {func(q url.Values) { q.Add("state", "other") }, "invalid_request"},
		"client without authorization_code": {func(q url.Values) {
			as(q, "refresher")
		}, "unauthorized_client"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			q := validRequest()
			c.change(q)
			p := w.newBrowser().begin(q).is("redirect " + c.want)
			wantState := q.Get("state")
			if len(q["state"]) != 1 || len(wantState) > 2048 {
				wantState = ""
			}
			if got := p.param("state"); got != wantState {
				t.Errorf("state is %q, want %q", got, wantState)
			}
			if p.param("iss") != mainIssuer || p.param("error_description") == "" || p.param("code") != "" {
				t.Errorf("came to %s", p.location)
			}
			if got := "https://" + p.location.Host + p.location.Path; got != q.Get("redirect_uri") {
				t.Errorf("redirected to %s", got)
			}
		})
	}
	if n := w.store.writes.Load(); n != 0 {
		t.Errorf("%d writes for people who have not signed in", n)
	}
}

// TestAuthorize_Accepted has what stock clients and the OpenID Foundation's plans
// send, and that must not fail.
func TestAuthorize_Accepted(t *testing.T) {
	w := newWorld(t)
	w.addClient("old", func(r *registration.Client) { r.PKCERequired = false })
	for name, change := range map[string]func(url.Values){
		"nothing more":             func(url.Values) {},
		"no nonce":                 func(q url.Values) { q.Del("nonce") },
		"no state":                 func(q url.Values) { q.Del("state") },
		"unknown parameters":       func(q url.Values) { q["extra"] = []string{"1", "2"} },
		"another scope order":      func(q url.Values) { q.Set("scope", "email  openid") },
		"display":                  func(q url.Values) { q.Set("display", "popup") },
		"ui_locales":               func(q url.Values) { q.Set("ui_locales", "de fr") },
		"claims_locales":           func(q url.Values) { q.Set("claims_locales", "de") },
		"acr_values":               func(q url.Values) { q.Set("acr_values", "1 2") },
		"empty id_token_hint":      func(q url.Values) { q.Set("id_token_hint", "") },
		"empty registration":       func(q url.Values) { q.Set("registration", "") },
		"claims":                   func(q url.Values) { q.Set("claims", `{"userinfo":{"name":{"essential":true}}}`) },
		"response_mode query":      func(q url.Values) { q.Set("response_mode", "query") },
		"empty request":            func(q url.Values) { q.Set("request", "") },
		"max_age":                  func(q url.Values) { q.Set("max_age", "10000") },
		"max_age of ages":          func(q url.Values) { q.Set("max_age", "9000000000000000000") },
		"prompt twice the same":    func(q url.Values) { q.Set("prompt", "login login") },
		"a long state":             func(q url.Values) { q.Set("state", strings.Repeat("s", 2048)) },
		"a strange state":          func(q url.Values) { q.Set("state", "\x00\xff \"{}&<>#ü") },
		"a long nonce":             func(q url.Values) { q.Set("nonce", strings.Repeat("n", 512)) },
		"a login_hint without end": func(q url.Values) { q.Set("login_hint", strings.Repeat("h", 2000)) },
		"a client without PKCE": func(q url.Values) {
			q.Set("client_id", "docs.old")
			q.Set("redirect_uri", "https://old.example.com/callback")
			q.Del("code_challenge")
			q.Del("code_challenge_method")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			q := validRequest()
			change(q)
			p := w.newBrowser().begin(q).is("login")
			if n := len(p.url.String()); n > 7000 {
				t.Errorf("a URL of %d bytes does not pass every proxy", n)
			}
			p = p.loginAs("alice", alicePass)
			if p.location == nil {
				p = p.is("consent").decide("allow")
			}
			p.is("code")
			if got := p.param("state"); got != q.Get("state") {
				t.Errorf("state is %q, want %q", got, q.Get("state"))
			}
			if len(p.location.String()) > 8000 {
				t.Errorf("the redirect has %d bytes", len(p.location.String()))
			}
		})
	}
}

func TestAuthorize_LoginHintIsFilledIn(t *testing.T) {
	w := newWorld(t)
	p := w.newBrowser().begin(with(validRequest(), "login_hint", `bob"><script>`))
	if _, fields := p.form(); fields.Get("username") != `bob"><script>` {
		t.Errorf("username is %q", fields.Get("username"))
	}
}

// TestAuthorize_SoleRedirect: a plain OAuth request may leave the redirect URI out.
func TestAuthorize_SoleRedirect(t *testing.T) {
	w := newWorld(t)
	q := with(without(validRequest(), "redirect_uri"), "scope", "profile")
	code := w.codeFor(q)
	form := without(redemption(code), "redirect_uri")
	a := w.token(form).ok()
	if a.JSON["id_token"] != nil || a.JSON["refresh_token"] == nil || a.JSON["scope"] != "profile" {
		t.Errorf("got %s", a.body)
	}
	w.token(redemption(w.codeFor(q))).ok() // naming the right one all the same
	w.token(with(redemption(w.codeFor(q)), "redirect_uri", wikiURI+"x")).refused(400, "invalid_grant")
}

func TestAuthorize_RedirectKeepsQuery(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct{ registered, want string }{
		{"https://q.example.com/cb?a=b%20c&d=", "https://q.example.com/cb?a=b%20c&d=&code="},
		{"https://q.example.com/cb?", "https://q.example.com/cb?code="},
		{"https://q.example.com/cb?x&", "https://q.example.com/cb?x&code="},
		{"https://q.example.com", "https://q.example.com?code="},
		{"com.example.app:/cb", "com.example.app:/cb?code="},
		{"com.example.app:cb", "com.example.app:cb?code="},
		{"http://127.0.0.1/cb", "http://127.0.0.1/cb?code="},
	} {
		w.addClient("q", func(r *registration.Client) {
			public(r)
			r.RedirectURIs = []string{c.registered}
		})
		q := with(validRequest(), "client_id", "docs.q", "redirect_uri", c.registered)
		p := w.newBrowser().begin(q).loginAs("alice", alicePass)
		if p.location == nil {
			p = p.decide("allow")
		}
		if got := p.header.Get("Location"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%d: redirected to %s, want %s…", i, got, c.want)
		}
	}
}

func TestAuthorize_LoopbackPort(t *testing.T) {
	w := newWorld(t)
	w.addClient("cli", func(r *registration.Client) {
		public(r)
		r.RedirectURIs = []string{"http://127.0.0.1/cb"}
	})
	q := with(validRequest(), "client_id", "docs.cli", "redirect_uri", "http://127.0.0.1:49152/cb")
	p := w.newBrowser().begin(q).loginAs("alice", alicePass).is("consent").has("127.0.0.1:49152").decide("allow").is("code")
	if p.location.Host != "127.0.0.1:49152" {
		t.Errorf("redirected to %s", p.location)
	}
	form := with(redemption(p.param("code")), "client_id", "docs.cli", "redirect_uri", "http://127.0.0.1:49152/cb")
	w.tokenAs("", "", form).ok()
}

func TestAuthorize_Post(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	// A page of the client's sends it: nothing says "same-origin".
	p := b.post(mainIssuer+"/authorize", with(validRequest(), "extra", "1"), "cross-site").is("login")
	p.loginAs("alice", alicePass).is("consent").decide("allow").is("code")
	b.post(mainIssuer+"/authorize", with(validRequest(), "prompt", "none"), "cross-site").is("code")
	b.post(mainIssuer+"/authorize", with(validRequest(), "redirect_uri", "https://evil.example"), "cross-site").is("page Bad Request")
	b.post(mainIssuer+"/authorize", without(validRequest(), "response_type"), "cross-site").is("redirect invalid_request")
	// Once in the query and once in the body is twice.
	b.post(mainIssuer+"/authorize?scope=openid", validRequest(), "cross-site").is("redirect invalid_request")
	b.post(mainIssuer+"/authorize?client_id=docs.wiki", validRequest(), "cross-site").is("page Bad Request")

	r := w.request(http.MethodPost, mainIssuer+"/authorize?"+validRequest().Encode(), "{}")
	r.Header.Set("Content-Type", "application/json")
	b.send(r).is("page Unsupported Media Type")
}

func TestAuthorize_TooMuch(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.begin(with(validRequest(), "extra", strings.Repeat("x", 16<<10))).is("page Request URI Too Long")
	b.post(mainIssuer+"/authorize", with(validRequest(), "extra", strings.Repeat("x", 64<<10)), "cross-site").
		is("page Request Entity Too Large")
	b.get(mainIssuer + "/authorize?client_id=%zz").is("page Bad Request")
}

func TestAuthorize_StaleRegistry(t *testing.T) {
	w := newWorld(t)
	w.current.Store(false)
	for name, q := range map[string]url.Values{
		"unknown client":       with(validRequest(), "client_id", "docs.new"),
		"unknown redirect URI": with(validRequest(), "redirect_uri", "https://wiki.example.com/new"),
	} {
		p := w.newBrowser().begin(q).is("page Service Unavailable")
		if p.header.Get("Retry-After") != "5" {
			t.Errorf("%s: Retry-After is %q", name, p.header.Get("Retry-After"))
		}
	}
	// What is known can be served.
	w.newBrowser().begin(validRequest()).is("login")
	w.newBrowser().begin(without(validRequest(), "client_id")).is("page Bad Request")
}

// TestAuthorize_SilentFailure: with prompt=none nobody would read a page.
func TestAuthorize_SilentFailure(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	w.store.fails()
	b.begin(with(validRequest(), "prompt", "none")).is("redirect temporarily_unavailable")
	b.begin(validRequest()).is("page Service Unavailable")
}

func TestAuthorize_SlowPerson(t *testing.T) {
	w := newWorld(t)
	p := w.newBrowser().begin(validRequest()).is("login")
	w.clock.pass(flowLifetime - time.Second)
	p.loginAs("alice", "wrong").is("page Forbidden").has("wrong")
	w.clock.pass(time.Second)
	p.loginAs("alice", alicePass).is("page Bad Request").has("no longer valid").has("Go back to the app")
}

// TestAuthorize_AtEveryLimit: what is accepted can travel, also in characters that need an
// escape elsewhere, unless it names many long APIs as well.
func TestAuthorize_AtEveryLimit(t *testing.T) {
	w := newWorld(t)
	uri := "https://wiki.example.com/?" + strings.Repeat("&", 480)
	client := w.addClient("wiki", func(r *registration.Client) {
		r.RedirectURIs = []string{uri}
		for i := range maxResources {
			r.Audiences = append(r.Audiences, fmt.Sprintf("https://api%d.example.com/%s", i, strings.Repeat("a", 220)))
		}
		for i := range 15 {
			r.Scopes = append(r.Scopes, strings.Repeat("<", 120)+string(rune('a'+i)))
		}
	})
	q := with(validRequest(), "redirect_uri", uri, "nonce", strings.Repeat("\x01", 512),
		"login_hint", strings.Repeat("\x01", 256), "state", strings.Repeat("s", 2048), "scope", client.Scopes().String())
	if p := w.newBrowser().begin(q).is("login"); len(p.url.String()) > 8<<10 {
		t.Errorf("went to a URL of %d bytes", len(p.url.String()))
	}
	for i := range maxResources {
		q.Add("resource", fmt.Sprintf("https://api%d.example.com/%s", i, strings.Repeat("a", 220)))
	}
	w.newBrowser().begin(q).is("redirect invalid_request")
}

func TestFlow_TooLargeToTravel(t *testing.T) {
	w := newWorld(t)
	issuer := w.registry.Issuers()["main"]
	r := &request{issuer: issuer, now: w.clock.Now()}
	_, err := r.seal(visit{client: w.addClient("wiki", nil), flow: flow{Nonce: strings.Repeat("n", seal.MaxSize)}}, "")
	back, ok := errors.AsType[*redirectError](err)
	if !ok || back.err.Code != oauth.InvalidRequest {
		t.Errorf("got %v, want a redirect with invalid_request", err)
	}
}

func FuzzParseAuthorize(f *testing.F) {
	f.Add(validRequest().Encode())
	f.Add(formPost().Encode())
	f.Add("response_mode=form_post&state=%0d%0a%00&scope=openid&response_type=code")
	f.Add("prompt=none&max_age=0&scope=openid&response_type=code")
	f.Add("state=%00%ff&state=2&code_challenge=x&request=1&request_uri=2&response_mode=query")
	client := clientOf(f, clientRecord("wiki", nil))
	to, _ := client.SoleRedirect()
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		got, problem := parseAuthorize(&params{values: v}, client, to)
		if len(got.State) > maxState {
			t.Errorf("a state of %d bytes", len(got.State))
		}
		if got.Post && (!utf8.Valid(got.State) || bytes.ContainsAny(got.State, "\x00\r\n")) {
			t.Errorf("a form with the state %q", got.State)
		}
		if got.Post != (v.Get("response_mode") == "form_post" && len(v["response_mode"]) == 1) {
			t.Errorf("response_mode %q became %t", v["response_mode"], got.Post)
		}
		if problem != nil {
			if !descriptionChars.MatchString(problem.Description) {
				t.Errorf("description %q", problem.Description)
			}
			return
		}
		switch {
		case string(got.State) != v.Get("state"):
			t.Errorf("state %q became %q", v.Get("state"), got.State)
		case !client.Scopes().Covers(got.Scopes) || len(got.Scopes) == 0:
			t.Errorf("accepted the scopes %q", got.Scopes)
		case got.Challenge == "" || len(v["code_challenge"]) != 1:
			t.Error("accepted a request without PKCE")
		case got.PromptNone && (got.PromptLogin || got.PromptConsent || got.PromptAccount):
			t.Error("accepted prompt=none beside another")
		case got.MaxAge != nil && (*got.MaxAge < 0 || time.Duration(*got.MaxAge)*time.Second < 0):
			t.Errorf("accepted max_age %d", *got.MaxAge)
		}
	})
}
