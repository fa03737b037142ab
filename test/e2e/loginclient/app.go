// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// report is what the program prints.
type report struct {
	ClientID string   `json:"client_id"`
	Subject  string   `json:"sub"`
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	Groups   []string `json:"groups"`
	// KeyID is the kid of the key that signed the ID token.
	KeyID string `json:"kid"`
	// Pages is how many pages with a form the person saw.
	Pages int `json:"pages"`
	// Milliseconds is how long it took from the authorization request to the end.
	Milliseconds int64 `json:"milliseconds"`
}

type app struct {
	credentials map[string]string
	redirectURI string
	wait        time.Duration
	// redeemed is told of each code that was; nil means that nobody asks.
	redeemed func(code, verifier string)
}

func (a app) logIn(ctx context.Context, username, password string) (*report, error) {
	provider, config, err := a.configure(ctx)
	if err != nil {
		return nil, err
	}
	r := &report{ClientID: config.ClientID}
	start := time.Now()

	token, nonce, err := a.authorize(ctx, config, &person{username: username, password: password, pages: &r.Pages})
	if err != nil {
		return nil, err
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: config.ClientID})
	if err := r.readIDToken(ctx, verifier, token, nonce); err != nil {
		return nil, fmt.Errorf("first ID token: %w", err)
	}
	if err := r.readUserinfo(ctx, provider, token); err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	if err := r.refresh(ctx, provider, config, token); err != nil {
		return nil, fmt.Errorf("refresh: %w", err)
	}
	r.Milliseconds = time.Since(start).Milliseconds()
	return r, nil
}

// configure makes of what is mounted, and of what the issuer says, what a login needs.
func (a app) configure(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	provider, err := a.discover(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("discover: %w", err)
	}
	return provider, &oauth2.Config{
		ClientID:     a.credentials["client_id"],
		ClientSecret: a.credentials["client_secret"],
		Endpoint:     provider.Endpoint(),
		RedirectURL:  a.redirectURI,
		Scopes:       []string{oidc.ScopeOpenID, "profile", "email", "groups", oidc.ScopeOfflineAccess},
	}, nil
}

// discover asks the issuer for its metadata, and compares it with what was mounted.
func (a app) discover(ctx context.Context) (*oidc.Provider, error) {
	provider, err := oidc.NewProvider(ctx, a.credentials["issuer"])
	for deadline := time.Now().Add(a.wait); err != nil && time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
		provider, err = oidc.NewProvider(ctx, a.credentials["issuer"])
	}
	if err != nil {
		return nil, err
	}
	var metadata map[string]any
	if err := provider.Claims(&metadata); err != nil {
		return nil, err
	}
	for key, mounted := range a.credentials {
		if published, ok := metadata[key]; ok && published != mounted {
			return nil, fmt.Errorf("%s is %q in the Secret and %q in the metadata", key, mounted, published)
		}
	}
	return provider, nil
}

// authorize runs the code flow, and returns the tokens and the nonce that the ID
// token must have.
func (a app) authorize(ctx context.Context, config *oauth2.Config, who *person) (*oauth2.Token, string, error) {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	request := config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	callback, err := who.follow(ctx, request, a.redirectURI)
	if err != nil {
		return nil, "", fmt.Errorf("sign in: %w", err)
	}
	response := callback.Query()
	switch {
	case response.Get("error") != "":
		return nil, "", fmt.Errorf("sign in: %s: %s", response.Get("error"), response.Get("error_description"))
	case response.Get("state") != state:
		return nil, "", errors.New("sign in: the state came back changed")
	case response.Get("iss") != a.credentials["issuer"]:
		return nil, "", errors.New("sign in: iss is not the issuer (RFC 9207 section 2.4)")
	}
	token, err := config.Exchange(ctx, response.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, "", fmt.Errorf("exchange: %w", err)
	}
	if a.redeemed != nil {
		a.redeemed(response.Get("code"), verifier)
	}
	return token, nonce, nil
}

func (r *report) readIDToken(ctx context.Context, verifier *oidc.IDTokenVerifier, token *oauth2.Token, nonce string) error {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return errors.New("there is none")
	}
	id, err := verifier.Verify(ctx, raw)
	if err != nil {
		return err
	}
	if id.Nonce != nonce {
		return errors.New("its nonce is not the one of the request")
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return err
		}
	}
	r.Subject = id.Subject
	r.KeyID, err = keyID(raw)
	return err
}

func (r *report) readUserinfo(ctx context.Context, provider *oidc.Provider, token *oauth2.Token) error {
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return err
	}
	// OpenID Connect Core section 5.3.2: they MUST be the same.
	if info.Subject != r.Subject {
		return errors.New("its sub is not the ID token's")
	}
	return info.Claims(r)
}

// refresh gets new tokens for the refresh token, and uses them.
func (r *report) refresh(ctx context.Context, provider *oidc.Provider, config *oauth2.Config, old *oauth2.Token) error {
	if old.RefreshToken == "" {
		return errors.New("there is no refresh token")
	}
	renewed, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: old.RefreshToken}).Token()
	switch {
	case err != nil:
		return err
	case renewed.RefreshToken == old.RefreshToken:
		return errors.New("the refresh token was not rotated")
	case renewed.AccessToken == old.AccessToken:
		return errors.New("the access token is the old one")
	}
	return r.readUserinfo(ctx, provider, renewed)
}

// keyID reads the kid of a JWT that was verified.
func keyID(raw string) (string, error) {
	head, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return "", err
	}
	var header struct {
		KeyID string `json:"kid"`
	}
	err = json.Unmarshal(text, &header)
	return header.KeyID, err
}
