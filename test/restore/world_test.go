// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package restore tells what apps and people notice when what the authorization
// server has kept is restored from a backup, read by another version, or left behind
// in another store. The backups are the API server's and PostgreSQL's own.
package restore

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/inprocess"
	"github.com/clientele-dev/clientele/test/person"
)

const (
	issuer      = "https://login.example.com"
	redirectURI = "https://wiki.example.com/callback"
	secret      = "a-secret-of-256-bits-would-look-like-this-1"
)

// installation is an authorization server whose keys and registrations outlive its
// store, an app, and a person's browser.
type installation struct {
	t       *testing.T
	keys    keys.Set
	clients []registration.Client
	handler http.Handler
	browser *person.Browser
	app     oauth2.Config
}

func install(t *testing.T, s store.Store) *installation {
	t.Helper()
	i := &installation{t: t, app: oauth2.Config{
		ClientID: "team.wiki", ClientSecret: secret, RedirectURL: redirectURI,
		Scopes: []string{"openid", "offline_access"},
		Endpoint: oauth2.Endpoint{
			AuthURL: issuer + "/authorize", TokenURL: issuer + "/token", AuthStyle: oauth2.AuthStyleInHeader,
		},
	}}
	var err error
	if i.keys, err = inprocess.NewKeys(); err != nil {
		t.Fatal(err)
	}
	i.clients = []registration.Client{inprocess.Client("wiki", redirectURI, credential.New(secret))}
	if i.browser, err = person.New(i); err != nil {
		t.Fatal(err)
	}
	i.start(s)
	return i
}

// start is the server's next start, on a store.
func (i *installation) start(s store.Store) {
	i.t.Helper()
	var err error
	i.handler, err = inprocess.New(inprocess.Options{Issuer: issuer, Clients: i.clients, Keys: &i.keys, Store: s})
	if err != nil {
		i.t.Fatal(err)
	}
}

// RoundTrip serves a request without a network, and answers for the app.
func (i *installation) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.String(), redirectURI) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	in := r.Clone(r.Context())
	in.RequestURI, in.Host = r.URL.RequestURI(), r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	i.handler.ServeHTTP(rec, in)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

func (i *installation) context() context.Context {
	return context.WithValue(i.t.Context(), oauth2.HTTPClient, &http.Client{Transport: i})
}

// signIn is what a person and the app do, and which pages the person saw.
func (i *installation) signIn() (tokens *oauth2.Token, pages string) {
	i.t.Helper()
	verifier := oauth2.GenerateVerifier()
	page, err := i.browser.Open(i.t.Context(), i.app.AuthCodeURL(rand.Text(), oauth2.S256ChallengeOption(verifier)))
	for err == nil {
		if login, asked := page.Form("password"); asked {
			pages += "login "
			page, err = i.browser.Submit(i.t.Context(), login, map[string]string{"username": inprocess.Username, "password": inprocess.Password})
		} else if consent, asked := page.Form("decision"); asked {
			pages += "consent "
			page, err = i.browser.Submit(i.t.Context(), consent, map[string]string{"decision": "allow"})
		} else {
			break
		}
	}
	if err != nil {
		i.t.Fatal(err)
	}
	tokens, err = i.app.Exchange(i.context(), page.URL.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		i.t.Fatalf("at %s: %v", page.URL.Redacted(), err)
	}
	return tokens, strings.TrimSpace(pages)
}

// wantPages has the person sign in, and see no other pages.
func (i *installation) wantPages(want string) *oauth2.Token {
	i.t.Helper()
	tokens, got := i.signIn()
	if got != want {
		i.t.Errorf("the person saw %q, want %q", got, want)
	}
	return tokens
}

// refresh uses a refresh token that must be good.
func (i *installation) refresh(old *oauth2.Token) *oauth2.Token {
	i.t.Helper()
	next, err := i.app.TokenSource(i.context(), &oauth2.Token{RefreshToken: old.RefreshToken}).Token()
	if err != nil {
		i.t.Fatal(err)
	}
	return next
}

// wantRefused uses a refresh token that must be good no more.
func (i *installation) wantRefused(old *oauth2.Token) {
	i.t.Helper()
	_, err := i.app.TokenSource(i.context(), &oauth2.Token{RefreshToken: old.RefreshToken}).Token()
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
		i.t.Errorf("a refresh gives %v, want invalid_grant", err)
	}
}
