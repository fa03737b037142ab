// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/clientele-dev/clientele/test/person"
)

// stock is an app as anybody would write it: x/oauth2 and go-oidc, and nothing but
// what an OAuthClient's Secret says.
type stock struct {
	*httptest.Server

	credentials func() map[string][]byte
	// http reaches the issuer.
	http *http.Client
}

// newStock starts the app. Its credentials are read anew for each sign-in.
func newStock(credentials func() map[string][]byte, issuer *http.Client) *stock {
	s := &stock{credentials: credentials, http: issuer}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", s.login)
	mux.HandleFunc("GET /callback", s.callback)
	s.Server = httptest.NewServer(mux)
	return s
}

const verifier = "a-verifier-of-at-least-forty-three-characters"

func (s *stock) party(ctx context.Context) (*oidc.Provider, oauth2.Config, error) {
	c := s.credentials()
	provider, err := oidc.NewProvider(ctx, string(c["issuer"]))
	if err != nil {
		return nil, oauth2.Config{}, err
	}
	return provider, oauth2.Config{
		ClientID: string(c["client_id"]), ClientSecret: string(c["client_secret"]),
		Endpoint: provider.Endpoint(), RedirectURL: s.URL + "/callback", Scopes: []string{"openid", "profile", "email"},
	}, nil
}

func (s *stock) login(w http.ResponseWriter, r *http.Request) {
	_, config, err := s.party(oidc.ClientContext(r.Context(), s.http))
	if err != nil {
		answer(w, err)
		return
	}
	http.Redirect(w, r, config.AuthCodeURL("state", oidc.Nonce("nonce"), oauth2.S256ChallengeOption(verifier)), http.StatusFound)
}

func (s *stock) callback(w http.ResponseWriter, r *http.Request) {
	ctx, q := oidc.ClientContext(r.Context(), s.http), r.URL.Query()
	provider, config, err := s.party(ctx)
	if err != nil || q.Get("error") != "" || q.Get("state") != "state" {
		answer(w, errors.Join(err, fmt.Errorf("the response is %s", q.Encode())))
		return
	}
	tokens, err := config.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		answer(w, err)
		return
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: config.ClientID}).Verify(ctx, raw)
	if err != nil || id.Nonce != "nonce" {
		answer(w, errors.Join(err, errors.New("the ID token is not good")))
		return
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		answer(w, err)
		return
	}
	_, _ = io.WriteString(w, "Welcome, "+info.Email)
}

func answer(w http.ResponseWriter, err error) {
	w.WriteHeader(http.StatusBadGateway)
	_, _ = io.WriteString(w, err.Error())
}

// signIn has somebody sign in at the app with a new browser.
func (s *stock) signIn(ctx context.Context, username, password string) error {
	b, err := person.New(s.http.Transport)
	if err != nil {
		return err
	}
	page, err := b.SignIn(ctx, s.URL+"/login", username, password)
	if err != nil {
		return err
	}
	if want := "Welcome, " + username + "@example.com"; page.Body != want {
		return fmt.Errorf("at %s with %d the page is %q, want %q", page.URL.Redacted(), page.Status, page.Body, want)
	}
	return nil
}
