// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/internal/registration"
)

// TestStory_StockClient drives golang.org/x/oauth2 and go-oidc, unmodified, over
// real connections.
func TestStory_StockClient(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){
		"http": (*httptest.Server).Start, "https": (*httptest.Server).StartTLS,
	} {
		for _, alg := range keys.Algs() {
			for _, method := range []string{"client_secret_basic", "client_secret_post", "none"} {
				t.Run(name+" "+alg+" "+method, func(t *testing.T) {
					w := newWorld(t)
					srv := httptest.NewUnstartedServer(w.server)
					start(srv)
					defer srv.Close()
					s := &stockStory{w: w, issuer: srv.URL + "/tenant", http: srv.Client(), method: method, alg: alg}
					s.run(t)
				})
			}
		}
	}
}

type stockStory struct {
	w                   *world
	issuer, method, alg string
	http                *http.Client
}

func (s *stockStory) run(t *testing.T) {
	w := s.w
	w.clock.pass(time.Since(w.clock.Now()))
	w.addIssuer("main", s.issuer, func(r *registration.Server) {
		r.Signing.IDTokenAlg, r.Signing.AccessTokenAlg = s.alg, s.alg
	})
	w.addClient("wiki", func(r *registration.Client) {
		r.TokenEndpointAuthMethod = s.method
		if s.method == "none" {
			public(r)
		}
	})
	s.http.Transport = recording{s.http.Transport, w}
	ctx := oidc.ClientContext(t.Context(), s.http)
	provider, err := oidc.NewProvider(ctx, s.issuer)
	if err != nil {
		t.Fatal(err)
	}
	config := &oauth2.Config{
		ClientID: "docs.wiki", ClientSecret: wikiSecret, RedirectURL: wikiURI, Endpoint: provider.Endpoint(), Scopes: allScopes,
	}
	if s.method == "none" {
		config.ClientSecret = ""
	}
	tokens := s.logIn(ctx, t, config, provider)
	s.useTokens(ctx, t, config, provider, tokens)
}

func (s *stockStory) logIn(ctx context.Context, t *testing.T, config *oauth2.Config, provider *oidc.Provider) *oauth2.Token {
	const state, nonce = "state-of-the-story", "nonce-of-the-story"
	verifier := oauth2.GenerateVerifier()
	b := newBrowser(t, s.http.Transport)
	b.hosts = map[string]bool{strings.SplitN(s.issuer, "/", 4)[2]: true}
	p := b.get(config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce))).
		is("login").loginAs("alice", alicePass).is("consent").decide("allow").is("code")
	if p.param("state") != state || p.param("iss") != s.issuer {
		t.Fatalf("came to %s", p.location)
	}
	tokens, err := config.Exchange(ctx, p.param("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: "docs.wiki", SupportedSigningAlgs: []string{s.alg}}).Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(tokens.AccessToken); err != nil {
		t.Errorf("at_hash: %v", err)
	}
	var claims struct {
		Name   string
		Groups []string
	}
	if err := id.Claims(&claims); err != nil || claims.Name != "Alice Example" || len(claims.Groups) != 2 || id.Nonce != nonce {
		t.Errorf("ID token says %+v, nonce %s, %v", claims, id.Nonce, err)
	}
	return tokens
}

func (s *stockStory) useTokens(ctx context.Context, t *testing.T, config *oauth2.Config, provider *oidc.Provider, tokens *oauth2.Token) {
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil || info.Email != "alice@example.com" || !info.EmailVerified {
		t.Errorf("userinfo is %+v, %v", info, err)
	}
	// A resource server's view.
	api := provider.Verifier(&oidc.Config{ClientID: "api://docs.wiki", SupportedSigningAlgs: keys.Algs()})
	if _, err := api.Verify(ctx, tokens.AccessToken); err != nil {
		t.Errorf("access token: %v", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	if _, err := api.Verify(ctx, raw); err == nil {
		t.Error("an ID token passes for an access token")
	}
	app := provider.Verifier(&oidc.Config{ClientID: "docs.wiki", SupportedSigningAlgs: keys.Algs()})
	if _, err := app.Verify(ctx, tokens.AccessToken); err == nil {
		t.Error("an access token passes for an ID token")
	}
	expired := *tokens
	expired.Expiry = time.Now().Add(-time.Minute)
	fresh, err := config.TokenSource(ctx, &expired).Token()
	if err != nil || fresh.AccessToken == tokens.AccessToken || fresh.RefreshToken == tokens.RefreshToken {
		t.Errorf("refreshed to %v, %v", fresh.Valid(), err)
	}
}

// recording notes the secrets that pass a real transport, and checks answers.
type recording struct {
	inner http.RoundTripper
	w     *world
}

func (r recording) RoundTrip(req *http.Request) (*http.Response, error) {
	r.w.note(req)
	res, err := r.inner.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	r.w.checkAnswer(res, string(body))
	return res, err
}
