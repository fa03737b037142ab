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

	"github.com/clientele-dev/clientele/authserver/registry"
)

const (
	introspectPath = "/introspect"
	revokePath     = "/revoke"
)

// about is a valid request about a token.
func about(token string) url.Values { return url.Values{"token": {token}} }

// ask calls an endpoint of the main issuer as a client.
func (w *world) ask(path, id, secret string, form url.Values) answer {
	w.t.Helper()
	r := w.tokenRequest(mainIssuer, id, secret, form)
	r.URL.Path = path
	return w.call(r)
}

// TestInquiry_RequestErrors change one thing in a valid request, at both endpoints.
func TestInquiry_RequestErrors(t *testing.T) {
	w := newWorld(t)
	token := w.firstAnswer().str("access_token")
	writes := w.store.writes.Load()
	for _, path := range []string{introspectPath, revokePath} {
		for name, change := range map[string]func(*http.Request){
			"in the query":     func(r *http.Request) { r.URL.RawQuery = about(token).Encode() },
			"no Content-Type":  func(r *http.Request) { r.Header.Del("Content-Type") },
			"application/json": func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
		} {
			t.Run(path+", "+name, func(t *testing.T) {
				w := w.in(t)
				r := w.tokenRequest(mainIssuer, "docs.wiki", wikiSecret, about(token))
				r.URL.Path = path
				change(r)
				w.call(r).refused(400, "invalid_request")
			})
		}
		for name, form := range map[string]url.Values{
			"no token":      {},
			"empty token":   about(""),
			"token twice":   {"token": {token, token}},
			"hint twice":    {"token": {token}, "token_type_hint": {"access_token", "access_token"}},
			"another name":  {"access_token": {token}},
			"a client_id 2": {"token": {token}, "client_id": {"docs.wiki", "docs.wiki"}},
		} {
			t.Run(path+", "+name, func(t *testing.T) {
				w := w.in(t)
				w.ask(path, "docs.wiki", wikiSecret, form).refused(400, "invalid_request")
			})
		}
		w.ask(path, "docs.wiki", wikiSecret, with(about(token), "x", strings.Repeat("x", 64<<10))).refused(413, "invalid_request")
	}
	w.introspect(token).active()
	if w.store.writes.Load() != writes {
		t.Error("a bad request was written")
	}
}

// FuzzInquiry: a stranger's request is read as it is meant or refused, and what is in
// it is a token only if it was issued.
func FuzzInquiry(f *testing.F) {
	const form = "application/x-www-form-urlencoded"
	issuer, err := registry.NewIssuer(serverRecord("main", mainIssuer, nil), &switchable{}, keysOf(f, "main"))
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &Server{registry: registry.New(nil), newID: func() string { return "own" }}
	good, err := s.mint(&request{issuer: issuer, now: now}, issuance{
		client: clientOf(f, clientRecord("wiki", nil)), grant: "grant", scopes: []string{"openid"},
		granted: []string{"openid"}, refreshUntil: now.Add(time.Hour),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(form, about(good.AccessToken).Encode(), "")
	f.Add(form, about(good.RefreshToken).Encode()+"&token_type_hint=access_token&client_id=a&client_secret=b", "")
	f.Add(form, about(good.IDToken).Encode()+"&client_id=docs.spa", "")
	f.Add(form+"; charset=utf-8", "token=a&token=b", basic("a", "b"))
	f.Add(form, "token=eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30.", basic("a", "b"))
	f.Fuzz(func(t *testing.T, contentType, body, authorization string) {
		hr := httptest.NewRequestWithContext(t.Context(), http.MethodPost, introspectPath, strings.NewReader(body))
		hr.Header.Set("Content-Type", contentType)
		if authorization != "" {
			hr.Header.Set("Authorization", authorization)
		}
		r := &request{Request: hr, issuer: issuer, now: now}
		if r.parse() != nil {
			return
		}
		q, problem := parseInquiry(r)
		if problem != nil {
			if !descriptionChars.MatchString(problem.Description) {
				t.Errorf("description %q", problem.Description)
			}
			return
		}
		want, err := url.ParseQuery(body)
		if err != nil || len(want["token"]) != 1 || q.token != want.Get("token") || len(want["token_type_hint"]) > 1 {
			t.Errorf("the token of %q is %q", body, q.token)
		}
		known := q.token == good.AccessToken || q.token == good.RefreshToken
		got, problem := s.recognize(r, q.token)
		switch {
		case known && (problem != nil || got.grant != "grant" || got.clientID != "docs.wiki"):
			t.Errorf("%v: %v", got, problem)
		case !known && (problem == nil || !isDead(problem)):
			t.Errorf("%q is %v: %v", q.token, got, problem)
		}
	})
}
