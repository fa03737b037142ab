// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestUserinfo_Valid(t *testing.T) {
	w := newWorld(t)
	a := w.firstAnswer()
	token := a.str("access_token")
	form := url.Values{"access_token": {token}}.Encode()
	for name, c := range map[string]struct{ method, authorization, contentType, body string }{
		"GET":                  {"GET", "Bearer " + token, "", ""},
		"GET, other case":      {"GET", "bEARER " + token, "", ""},
		"POST with header":     {"POST", "Bearer " + token, "", ""},
		"POST, empty form":     {"POST", "Bearer " + token, "application/x-www-form-urlencoded", ""},
		"POST with body":       {"POST", "", "application/x-www-form-urlencoded", form},
		"POST, other things":   {"POST", "Bearer " + token, "application/json", "{}"},
		"HEAD":                 {"HEAD", "Bearer " + token, "", ""},
		"GET, two spaces":      {"GET", "Bearer  " + token, "", ""},
		"POST, basic and body": {"POST", "Basic eDp5", "application/x-www-form-urlencoded", form},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			r := w.request(c.method, mainIssuer+"/userinfo", c.body)
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			r.Header.Set("Content-Type", c.contentType)
			a := w.call(r).ok()
			if a.JSON["sub"] == nil || a.JSON["name"] != "Alice Example" || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("got %v %s", a.header, a.body)
			}
		})
	}
	if sub := w.userinfo(token).str("sub"); sub != a.claims("id_token")["sub"] {
		t.Errorf("sub is %s", sub)
	}
}

func TestUserinfo_Refused(t *testing.T) {
	w := newWorld(t)
	w.addIssuer("team", pathIssuer, nil)
	a := w.firstAnswer()
	token := a.str("access_token")
	plain := w.token(redemption(w.codeFor(with(validRequest(), "scope", "email")))).ok().str("access_token")
	form := url.Values{"access_token": {token}}.Encode()
	const realm = `Bearer realm="` + mainIssuer + `"`
	for name, c := range map[string]struct {
		authorization, body string
		status              int
		code, challenge     string
	}{
		"nothing":         {"", "", 401, "invalid_token", realm},
		"another scheme":  {"Basic eDp5", "", 401, "invalid_token", realm},
		"an empty one":    {"Bearer ", "", 401, "invalid_token", realm},
		"not a token":     {"Bearer abc", "", 401, "invalid_token", realm + `, error="invalid_token"`},
		"an ID token":     {"Bearer " + a.str("id_token"), "", 401, "invalid_token", realm + `, error="invalid_token"`},
		"a refresh token": {"Bearer " + a.str("refresh_token"), "", 401, "invalid_token", realm + `, error="invalid_token"`},
		"unsigned":        {"Bearer " + token[:strings.LastIndex(token, ".")+1], "", 401, "invalid_token", realm + `, error="invalid_token"`},
		"without openid":  {"Bearer " + plain, "", 403, "insufficient_scope", realm + `, error="insufficient_scope"`},
		"twice":           {"Bearer " + token, form, 400, "invalid_request", realm + `, error="invalid_request"`},
		"body twice":      {"", form + "&" + form, 400, "invalid_request", realm + `, error="invalid_request"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			r := w.request(http.MethodPost, mainIssuer+"/userinfo", c.body)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			a := w.call(r).refused(c.status, c.code)
			got := a.header.Get("WWW-Authenticate")
			if !strings.HasPrefix(got, c.challenge) || c.challenge == realm && got != realm {
				t.Errorf("WWW-Authenticate is %s", got)
			}
			if c.status == 403 && !strings.HasSuffix(got, `scope="openid"`) {
				t.Errorf("WWW-Authenticate is %s", got)
			}
		})
	}
	t.Run("in the query", func(t *testing.T) {
		w := w.in(t)
		w.call(w.request(http.MethodGet, mainIssuer+"/userinfo?access_token="+token, "")).refused(401, "invalid_token")
	})
	t.Run("at another issuer", func(t *testing.T) {
		w := w.in(t)
		r := w.request(http.MethodGet, pathIssuer+"/userinfo", "")
		r.Header.Set("Authorization", "Bearer "+token)
		w.call(r).refused(401, "invalid_token")
	})
	t.Run("two headers", func(t *testing.T) {
		w := w.in(t)
		r := w.request(http.MethodGet, mainIssuer+"/userinfo", "")
		r.Header.Add("Authorization", "Bearer "+token)
		r.Header.Add("Authorization", "Bearer "+token)
		w.call(r).refused(400, "invalid_request")
	})
	t.Run("expired", func(t *testing.T) {
		w := w.in(t)
		w.clock.pass(15*time.Minute + 5*time.Second)
		w.userinfo(token).refused(401, "invalid_token")
	})
}

// TestUserinfo_Fresh: it tells of the person as they are now.
func TestUserinfo_Fresh(t *testing.T) {
	w := newWorld(t)
	token := w.firstAnswer().str("access_token")
	w.users.set(userList(t, "bob"), nil)
	w.userinfo(token).refused(401, "invalid_token")
	w.users.set(nil, errBroken)
	w.userinfo(token).refused(503, "temporarily_unavailable")
	w.users.set(userList(t, "alice"), nil)
	w.userinfo(token).ok()
	w.store.fails()
	a := w.userinfo(token).refused(503, "temporarily_unavailable")
	if a.header.Get("WWW-Authenticate") != "" || a.header.Get("Retry-After") != "5" {
		t.Errorf("headers are %v", a.header)
	}
	w.store.heals()
	w.registry.DeleteClient("main", "docs.wiki")
	w.userinfo(token).refused(401, "invalid_token")
	w.current.Store(false)
	w.userinfo(token).refused(503, "temporarily_unavailable")
}
