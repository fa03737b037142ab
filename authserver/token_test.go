// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/internal/registration"
)

func TestToken_Valid(t *testing.T) {
	w := newWorld(t)
	a := w.token(redemption(w.codeFor(validRequest()))).ok()
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" ||
		a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers are %v", a.header)
	}
	if a.JSON["token_type"] != "Bearer" || a.JSON["expires_in"] != 900.0 ||
		a.JSON["scope"] != "openid profile email groups offline_access" {
		t.Errorf("got %s", a.body)
	}
	a.str("refresh_token")
	now := float64(w.clock.Now().Unix())
	access := a.claims("access_token")
	for name, want := range map[string]any{
		"iss": mainIssuer, "client_id": "docs.wiki", "scope": "openid profile email groups offline_access",
		"iat": now, "exp": now + 900, "auth_time": now, "name": "Alice Example", "preferred_username": "alice",
		"email": "alice@example.com", "email_verified": true,
	} {
		if access[name] != want {
			t.Errorf("access token: %s is %v, want %v", name, access[name], want)
		}
	}
	if aud, _ := access.GetAudience(); len(aud) != 1 || aud[0] != "api://docs.wiki" {
		t.Errorf("access token: aud is %v", aud)
	}
	id := a.claims("id_token")
	for name, want := range map[string]any{
		"iss": mainIssuer, "sub": access["sub"], "nonce": "nonce-of-the-client", "iat": now, "exp": now + 600,
		"auth_time": now, "name": "Alice Example", "email": "alice@example.com",
	} {
		if id[name] != want {
			t.Errorf("ID token: %s is %v, want %v", name, id[name], want)
		}
	}
	if aud, _ := id.GetAudience(); len(aud) != 1 || aud[0] != "docs.wiki" || id["at_hash"] == nil {
		t.Errorf("ID token: %v", id)
	}
}

func TestToken_ScopesRelease(t *testing.T) {
	w := newWorld(t)
	for scope, want := range map[string][]string{
		"openid":         {},
		"openid profile": {"name", "preferred_username"},
		"openid email":   {"email", "email_verified"},
		"openid groups":  {"groups"},
	} {
		a := w.token(redemption(w.codeFor(with(validRequest(), "scope", scope)))).ok()
		info := w.userinfo(a.str("access_token")).ok()
		for _, claims := range []map[string]any{a.claims("access_token"), a.claims("id_token"), info.JSON} {
			n := 0
			for _, name := range []string{"name", "preferred_username", "email", "email_verified", "groups"} {
				if claims[name] != nil {
					n++
				}
			}
			for _, name := range want {
				if claims[name] == nil {
					t.Errorf("%s does not release %s: %v", scope, name, claims)
				}
			}
			if n != len(want) {
				t.Errorf("%s releases more than %v: %v", scope, want, claims)
			}
		}
	}
	// Without openid there is no ID token.
	a := w.token(redemption(w.codeFor(with(validRequest(), "scope", "email")))).ok()
	if a.JSON["id_token"] != nil {
		t.Errorf("got %s", a.body)
	}
}

// TestToken_RequestErrors are about requests that are not well-formed.
func TestToken_RequestErrors(t *testing.T) {
	w := newWorld(t)
	code := w.codeFor(validRequest())
	for name, c := range map[string]struct {
		change func(url.Values)
		want   string
	}{
		"no grant_type":       {func(q url.Values) { q.Del("grant_type") }, "invalid_request"},
		"grant_type twice":    {func(q url.Values) { q.Add("grant_type", "refresh_token") }, "invalid_request"},
		"password":            {func(q url.Values) { q.Set("grant_type", "password") }, "unsupported_grant_type"},
		"client_credentials":  {func(q url.Values) { q.Set("grant_type", "client_credentials") }, "unsupported_grant_type"},
		"no code":             {func(q url.Values) { q.Del("code") }, "invalid_request"},
		"code twice":          {func(q url.Values) { q.Add("code", code) }, "invalid_request"},
		"redirect_uri twice":  {func(q url.Values) { q.Add("redirect_uri", wikiURI) }, "invalid_request"},
		"code_verifier twice": {func(q url.Values) { q.Add("code_verifier", verifier) }, "invalid_request"},
		"scope twice":         {func(q url.Values) { q["scope"] = []string{"openid", "email"} }, "invalid_request"},
		"no refresh_token": {
			func(q url.Values) { q.Set("grant_type", "refresh_token") }, "invalid_request",
		},
		"a code as refresh_token": {func(q url.Values) {
			q.Set("grant_type", "refresh_token")
			q.Set("refresh_token", code)
		}, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			form := redemption(code)
			c.change(form)
			w.token(form).refused(400, c.want)
		})
	}
	t.Run("in the query", func(t *testing.T) {
		w := w.in(t)
		r := w.tokenRequest(mainIssuer+"/token?"+redemption(code).Encode()+"#", "docs.wiki", wikiSecret, nil)
		r.URL.Path, r.URL.Fragment = "/token", ""
		w.call(r).refused(400, "invalid_request")
	})
	t.Run("partly in the query", func(t *testing.T) {
		w := w.in(t)
		r := w.tokenRequest(mainIssuer, "docs.wiki", wikiSecret, redemption(code))
		r.URL.RawQuery = "x=1"
		w.call(r).refused(400, "invalid_request")
	})
	for _, contentType := range []string{"", "application/json", "multipart/form-data; boundary=x", "text/plain"} {
		t.Run("as "+contentType, func(t *testing.T) {
			w := w.in(t)
			r := w.tokenRequest(mainIssuer, "docs.wiki", wikiSecret, redemption(code))
			r.Header.Set("Content-Type", contentType)
			w.call(r).refused(400, "invalid_request")
		})
	}
	t.Run("not form-urlencoded", func(t *testing.T) {
		w := w.in(t)
		r := w.request(http.MethodPost, mainIssuer+"/token", "code=%zz")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w.call(r).refused(400, "invalid_request")
	})
	t.Run("too large", func(t *testing.T) {
		w := w.in(t)
		w.token(with(redemption(code), "extra", strings.Repeat("x", 64<<10))).refused(413, "invalid_request")
	})
	t.Run("with a charset", func(t *testing.T) {
		w := w.in(t)
		r := w.tokenRequest(mainIssuer, "docs.wiki", wikiSecret, redemption(code))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		w.call(r).ok()
	})
}

// TestToken_CodeErrors change one thing in a valid redemption. The code stays good:
// everything is checked before anything is written.
func TestToken_CodeErrors(t *testing.T) {
	w := newWorld(t)
	w.addClient("shop", nil)
	code := w.codeFor(validRequest())
	writes := w.store.writes.Load()
	for name, change := range map[string]func(url.Values){
		"no redirect_uri":               func(q url.Values) { q.Del("redirect_uri") },
		"redirect_uri with a slash":     func(q url.Values) { q.Set("redirect_uri", wikiURI+"/") },
		"another redirect_uri":          func(q url.Values) { q.Set("redirect_uri", "https://evil.example") },
		"no code_verifier":              func(q url.Values) { q.Del("code_verifier") },
		"another code_verifier":         func(q url.Values) { q.Set("code_verifier", strings.Repeat("a", 43)) },
		"the challenge as the verifier": func(q url.Values) { q.Set("code_verifier", challengeOf(verifier)) },
		"a short code_verifier":         func(q url.Values) { q.Set("code_verifier", "short") },
		"code cut":                      func(q url.Values) { q.Set("code", code[:len(code)-1]) },
		"code changed":                  func(q url.Values) { q.Set("code", code[:50]+flip(code[50])+code[51:]) },
		"code of nothing":               func(q url.Values) { q.Set("code", "abc") },
		"code without end":              func(q url.Values) { q.Set("code", strings.Repeat("A", 20<<10)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			form := redemption(code)
			change(form)
			w.token(form).refused(400, "invalid_grant")
		})
	}
	t.Run("another client", func(t *testing.T) {
		w := w.in(t)
		w.tokenAs("docs.shop", shopSecret, redemption(code)).refused(400, "invalid_grant")
	})
	t.Run("expired", func(t *testing.T) {
		w := w.in(t)
		late := w.codeFor(validRequest())
		writes = w.store.writes.Load()
		w.clock.pass(time.Minute)
		w.token(redemption(late)).refused(400, "invalid_grant")
		w.clock.pass(-time.Minute)
	})
	if w.store.writes.Load() != writes {
		t.Error("a refusal was written")
	}
	w.clock.pass(59 * time.Second)
	w.token(redemption(code)).ok()
}

// TestToken_StolenCode: a code from an injected or downgraded request is worthless.
func TestToken_StolenCode(t *testing.T) {
	w := newWorld(t)
	w.addClient("old", func(r *registration.Client) { r.PKCERequired = false })
	const uri = "https://old.example.com/callback"
	q := with(validRequest(), "client_id", "docs.old", "redirect_uri", uri)
	bare := without(q, "code_challenge", "code_challenge_method")
	oldSecret := "old" + wikiSecret[4:]
	form := func(q url.Values) url.Values { return with(redemption(w.codeFor(q)), "redirect_uri", uri) }

	w.tokenAs("docs.old", oldSecret, without(form(bare), "code_verifier")).ok()
	w.tokenAs("docs.old", oldSecret, form(q)).ok()
	// A verifier for a request without a challenge: the challenge was stripped.
	w.tokenAs("docs.old", oldSecret, form(bare)).refused(400, "invalid_grant")
	// A challenge that was sent is always checked.
	w.tokenAs("docs.old", oldSecret, without(form(q), "code_verifier")).refused(400, "invalid_grant")
}

func TestToken_PublicClient(t *testing.T) {
	w := newWorld(t)
	w.addClient("spa", public)
	const uri = "https://spa.example.com/callback"
	q := with(validRequest(), "client_id", "docs.spa", "redirect_uri", uri)
	w.newBrowser().begin(without(q, "code_challenge", "code_challenge_method")).is("redirect invalid_request")
	form := with(redemption(w.codeFor(q)), "client_id", "docs.spa", "redirect_uri", uri)
	w.tokenAs("", "", without(form, "code_verifier")).refused(400, "invalid_grant")
	a := w.tokenAs("", "", form).ok()
	next := with(refreshing(a.str("refresh_token")), "client_id", "docs.spa")
	w.tokenAs("", "", without(next, "client_id")).refused(401, "invalid_client")
	w.tokenAs("", "", next).ok()
}

func TestToken_GrantTypes(t *testing.T) {
	w := newWorld(t)
	a := w.token(redemption(w.codeFor(validRequest()))).ok()
	code := w.codeFor(validRequest())
	w.addClient("wiki", func(r *registration.Client) { r.GrantTypes = []string{"authorization_code"} })
	w.token(refreshing(a.str("refresh_token"))).refused(400, "unauthorized_client")
	if a := w.token(redemption(code)).ok(); a.JSON["refresh_token"] != nil {
		t.Error("a client that is not registered for refresh_token got one")
	}
	w.addClient("wiki", func(r *registration.Client) { r.GrantTypes = []string{"refresh_token"} })
	w.token(redemption(code)).refused(400, "unauthorized_client")
}

func TestToken_PersonGone(t *testing.T) {
	w := newWorld(t)
	code := w.codeFor(validRequest())
	w.users.set(userList(t, "bob"), nil)
	w.token(redemption(code)).refused(400, "invalid_grant")
	w.users.set(nil, errBroken)
	w.token(redemption(code)).refused(503, "temporarily_unavailable")
	// Another provider's people are other people.
	w.users.set(userList(t, "alice"), nil)
	w.addIssuer("main", mainIssuer, func(r *registration.Server) { r.IdentityProviders[0].Name = "customers" })
	w.token(redemption(code)).refused(400, "invalid_grant")
	w.addIssuer("main", mainIssuer, nil)
	w.token(redemption(code)).ok()
}

func TestToken_StoreBroken(t *testing.T) {
	w := newWorld(t)
	code := w.codeFor(validRequest())
	w.store.fails()
	a := w.token(redemption(code)).refused(503, "temporarily_unavailable")
	if a.header.Get("Retry-After") != "5" || strings.Contains(a.body, "broken") {
		t.Errorf("got %v %s", a.header, a.body)
	}
	w.store.heals()
	refresh := w.token(redemption(code)).ok().str("refresh_token")
	w.store.fails()
	w.token(refreshing(refresh)).refused(503, "temporarily_unavailable")
	w.store.heals()
	w.token(refreshing(refresh)).ok()
	if !strings.Contains(w.log.String(), "redeem code: the store is broken") {
		t.Error("the log does not tell why")
	}
}

// TestToken_StaleRegistry: what another replica issued to a client that was created
// anew is not refused for good by a replica that lags behind.
func TestToken_StaleRegistry(t *testing.T) {
	w := newWorld(t)
	w.registry.SetClient(clientOf(t, recreated(clientRecord("wiki", nil))))
	code := w.codeFor(validRequest())
	w.addClient("wiki", nil)
	w.current.Store(false)
	w.token(redemption(code)).refused(503, "temporarily_unavailable")
	w.current.Store(true)
	w.token(redemption(code)).refused(400, "invalid_grant")
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func FuzzParseToken(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", redemption("code").Encode(), "")
	f.Add("application/x-www-form-urlencoded", "grant_type=refresh_token&refresh_token=x&client_id=a&client_secret=b", "")
	f.Add("application/x-www-form-urlencoded; charset=utf-8", "grant_type=a&grant_type=b", basic("a", "b"))
	f.Fuzz(func(t *testing.T, contentType, body, authorization string) {
		hr := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/token", strings.NewReader(body))
		hr.Header.Set("Content-Type", contentType)
		if authorization != "" {
			hr.Header.Set("Authorization", authorization)
		}
		r := &request{Request: hr}
		if r.parse() != nil {
			return
		}
		req, problem := parseToken(r)
		if problem != nil {
			if !descriptionChars.MatchString(problem.Description) {
				t.Errorf("description %q", problem.Description)
			}
			return
		}
		want, err := url.ParseQuery(body)
		switch {
		case err != nil:
			t.Errorf("accepted %q", body)
		case len(want["grant_type"]) != 1 || req.grantType != want.Get("grant_type"):
			t.Errorf("grant_type of %q is %q", body, req.grantType)
		case len(want["code"]) > 1 || req.code != want.Get("code"):
			t.Errorf("code of %q is %q", body, req.code)
		case authorization != "" && req.method != registration.AuthMethodBasic:
			t.Errorf("method %s beside %q", req.method, authorization)
		}
	})
}
