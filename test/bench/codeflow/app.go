// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package codeflow

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/clientele-dev/clientele/test/inprocess"
	"github.com/clientele-dev/clientele/test/person"
)

// verifyEvery is how many flows go by until one's ID token is verified: often
// enough to see that they are good, and seldom enough to leave the CPU to the server.
const verifyEvery = 20

// App drives flows as a client would, for a person who has signed in and consented.
type App struct {
	server *Server
	oauth  oauth2.Config
	// cookie is that of the person's browser.
	cookie   string
	verifier *oidc.IDTokenVerifier
	flows    atomic.Int64
}

// NewApp signs the person in, once. alg is what signs ID tokens.
func NewApp(s *Server, alg string, scopes ...string) (*App, error) {
	ctx := context.Background()
	provider, err := oidc.NewProvider(ctx, s.Issuer)
	if err != nil {
		return nil, err
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	a := &App{
		server: s,
		oauth: oauth2.Config{
			ClientID: "team.bench", ClientSecret: ClientSecret, Endpoint: endpoint, RedirectURL: redirectURI, Scopes: scopes,
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: "team.bench", SupportedSigningAlgs: []string{alg}}),
	}
	browser, err := person.New(stopAt(redirectURI))
	if err != nil {
		return nil, err
	}
	begin := a.oauth.AuthCodeURL("s", oidc.Nonce("n"), oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))
	page, err := browser.SignIn(ctx, begin, inprocess.Username, inprocess.Password)
	if err != nil {
		return nil, err
	}
	if page.URL.Query().Get("code") == "" {
		return nil, fmt.Errorf("the sign-in ends with %d at %s", page.Status, page.URL.Redacted())
	}
	a.cookie, err = browser.Cookies(s.Issuer)
	return a, err
}

// stopAt answers for the app, so that a browser ends there.
func stopAt(prefix string) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if !strings.HasPrefix(r.URL.String(), prefix) {
			return http.DefaultTransport.RoundTrip(r)
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Flow is a whole code flow: to the authorization endpoint and, with the code, to
// the token endpoint. It returns the refresh token, if there is one.
func (a *App) Flow() (string, error) {
	verifier, nonce := oauth2.GenerateVerifier(), rand.Text()
	code, err := a.authorize(verifier, nonce)
	if err != nil {
		return "", err
	}
	tokens, err := a.token(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
	})
	if err != nil {
		return "", err
	}
	if a.flows.Add(1)%verifyEvery == 1 {
		id, err := a.verifier.Verify(context.Background(), tokens.IDToken)
		if err != nil || id.Nonce != nonce {
			return "", fmt.Errorf("an ID token is not good: %w", err)
		}
	}
	return tokens.RefreshToken, nil
}

func (a *App) authorize(verifier, nonce string) (string, error) {
	to := a.oauth.AuthCodeURL(rand.Text(), oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, to, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Cookie", a.cookie)
	// The transport follows no redirect.
	resp, err := a.server.http.Transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	back, err := resp.Location()
	if err != nil || back.Query().Get("code") == "" {
		return "", fmt.Errorf("GET /authorize: %s: %v", resp.Status, back)
	}
	return back.Query().Get("code"), nil
}

// Refresh trades a refresh token for the next one.
func (a *App) Refresh(token string) (string, error) {
	tokens, err := a.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	return tokens.RefreshToken, err
}

type tokens struct {
	IDToken      string `json:"id_token"`
	RefreshToken string `json:"refresh_token"`
}

func (a *App) token(form url.Values) (tokens, error) {
	var t tokens
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, a.oauth.Endpoint.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return t, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(a.oauth.ClientID, a.oauth.ClientSecret)
	resp, err := a.server.http.Do(req)
	if err != nil {
		return t, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return t, fmt.Errorf("POST /token: %s: %s %w", resp.Status, body, err)
	}
	return t, json.Unmarshal(body, &t)
}
