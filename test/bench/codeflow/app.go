// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package codeflow

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/clientele-dev/clientele/internal/registration"
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
// the token endpoint.
func (a *App) Flow() (Tokens, error) {
	verifier, nonce := oauth2.GenerateVerifier(), rand.Text()
	code, err := a.authorize(verifier, nonce)
	if err != nil {
		return Tokens{}, err
	}
	tokens, err := a.token(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
	})
	if err != nil {
		return tokens, err
	}
	if a.flows.Add(1)%verifyEvery == 1 {
		id, err := a.verifier.Verify(context.Background(), tokens.IDToken)
		if err != nil || id.Nonce != nonce {
			return tokens, fmt.Errorf("an ID token is not good: %w", err)
		}
	}
	return tokens, nil
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

// Introspect asks the server of an access token.
func (a *App) Introspect(token string) error {
	var answer struct{ Active bool }
	err := a.post(a.server.Issuer+registration.PathIntrospect, url.Values{"token": {token}}, &answer)
	if err == nil && !answer.Active {
		err = errors.New("the access token is not active")
	}
	return err
}

// Userinfo asks the server of the person, by an access token.
func (a *App) Userinfo(token string) error {
	_, err := a.server.ask(http.MethodGet, a.server.Issuer+registration.PathUserinfo, http.Header{"Authorization": {"Bearer " + token}}, nil)
	return err
}

// Tokens are what a flow has given.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	IDToken      string `json:"id_token"`
	RefreshToken string `json:"refresh_token"`
}

func (a *App) token(form url.Values) (t Tokens, err error) {
	return t, a.post(a.oauth.Endpoint.TokenURL, form, &t)
}

func (a *App) post(to string, form url.Values, answer any) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(a.oauth.ClientID, a.oauth.ClientSecret)
	resp, err := a.server.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("POST %s: %s: %s %w", to, resp.Status, body, err)
	}
	return json.Unmarshal(body, answer)
}
