// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/chaos/audit"
)

// app is a relying party of golang.org/x/oauth2 and go-oidc.
type app struct {
	w        *world
	name     string
	secret   credential.Secret
	http     *http.Client
	config   oauth2.Config
	verifier *oidc.IDTokenVerifier
}

func newApp(w *world, i int) (*app, error) {
	a := &app{w: w, name: fmt.Sprintf("app-%d", i)}
	var err error
	if a.secret, err = mintSecret(); err != nil {
		return nil, err
	}
	a.http = &http.Client{Transport: recorder{w.journal, w.balancer}, Timeout: patience}
	a.config = oauth2.Config{
		ClientID: registration.ClientID("team", a.name), ClientSecret: a.secret.Reveal(),
		RedirectURL: a.url("callback"), Scopes: []string{"openid", "profile", "offline_access"},
	}
	return a, nil
}

func (a *app) url(path string) string { return "https://" + a.name + ".example.com/" + path }

// record is what a manager would write of it.
func (a *app) record() registration.Client {
	return registration.Client{
		UID: "uid-" + a.name, Namespace: "team", Name: a.name, AuthorizationServer: issuerName,
		ClientID: a.config.ClientID, DisplayName: a.name, RedirectURIs: []string{a.url("callback")},
		PostLogoutRedirectURIs: []string{a.url("goodbye")}, Scopes: a.config.Scopes,
		GrantTypes:              []string{registration.GrantAuthorizationCode, registration.GrantRefreshToken},
		TokenEndpointAuthMethod: registration.AuthMethodBasic, PKCERequired: true,
		Digests: []registration.Digest{{SHA256: a.secret.Digest(), Since: time.Now()}},
	}
}

// discover learns from the issuer where everything is.
func (a *app) discover(ctx context.Context) error {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, a.http), "https://"+issuerHost)
	if err != nil {
		return err
	}
	a.config.Endpoint = provider.Endpoint()
	a.config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader // a guess that fails would hide a refusal
	a.verifier = provider.VerifierContext(oidc.ClientContext(context.WithoutCancel(ctx), a.http), &oidc.Config{ClientID: a.config.ClientID})
	return nil
}

// login is what an app remembers of one until it has tokens.
type login struct {
	app                    *app
	state, nonce, verifier string
	code                   string
}

// presentCode presents the login's code. The token is nil if the app got none.
func (l *login) present(ctx context.Context, as *app, drop bool) (audit.Presentation, *oauth2.Token) {
	ctx, t := tapped(context.WithValue(ctx, oauth2.HTTPClient, as.http), drop)
	// What another app knows of a code is where it was sent to.
	sentTo := oauth2.SetAuthURLParam("redirect_uri", l.app.config.RedirectURL)
	tokens, err := as.config.Exchange(ctx, l.code, oauth2.VerifierOption(l.verifier), sentTo)
	p := audit.Presentation{Code: name(l.code), Foreign: as != l.app, Dropped: drop}
	return as.presented(p, t, tokens, err), tokens
}

// refresh presents a refresh token of an app's. The token is nil if nothing came.
func (a *app) refresh(ctx context.Context, token string, owner *app, drop bool) (audit.Presentation, *oauth2.Token) {
	ctx, t := tapped(context.WithValue(ctx, oauth2.HTTPClient, a.http), drop)
	tokens, err := a.config.TokenSource(ctx, &oauth2.Token{RefreshToken: token}).Token()
	p := audit.Presentation{Token: name(token), Foreign: a != owner, Dropped: drop}
	return a.presented(p, t, tokens, err), tokens
}

// inquire asks what has become of an access token, as a resource server would.
func (a *app) inquire(ctx context.Context, h *holding) {
	t := a.post(ctx, "/introspect", h.access)
	q := audit.Inquiry{Span: t.span, Code: name(h.code), Outcome: t.outcome()}
	if q.Outcome == audit.Granted {
		var answer struct{ Active bool }
		if err := json.Unmarshal(t.body, &answer); err != nil {
			a.w.journal.wrong("POST /introspect", err)
		}
		if !answer.Active {
			q.Outcome = audit.Refused
		}
	}
	a.w.journal.write(func(j *audit.Journal) { j.Inquiries = append(j.Inquiries, q) })
}

// hangUp asks for a grant's end, and reports whether that was answered.
func (a *app) hangUp(ctx context.Context, h *holding) bool {
	t := a.post(ctx, "/revoke", h.token)
	r := audit.Revocation{Span: t.span, Code: name(h.code), Done: t.status == http.StatusOK}
	a.w.journal.write(func(j *audit.Journal) { j.Revocations = append(j.Revocations, r) })
	return r.Done
}

// post sends a token to an endpoint of the app's own authentication.
func (a *app) post(ctx context.Context, path, token string) *tap {
	ctx, t := tapped(ctx, false)
	t.span.Began = time.Now()
	form := url.Values{"token": {token}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+issuerHost+path, strings.NewReader(form.Encode()))
	if err != nil {
		a.w.journal.wrong("POST "+path, err)
		return t
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(a.config.ClientID), url.QueryEscape(a.config.ClientSecret))
	if resp, err := a.http.Do(req); err == nil {
		_ = resp.Body.Close() // it has been read
	}
	return t
}

// presented completes what is written down of a presentation, and writes it.
func (a *app) presented(p audit.Presentation, t *tap, tokens *oauth2.Token, err error) audit.Presentation {
	p.Span, p.Outcome = t.span, t.outcome()
	if p.Outcome == audit.Granted {
		var answer struct {
			RefreshToken string `json:"refresh_token"`
			AccessToken  string `json:"access_token"`
		}
		if err := json.Unmarshal(t.body, &answer); err != nil || answer.RefreshToken == "" {
			a.w.journal.wrong("POST /token", errors.New("there is no refresh token"))
		}
		p.Got, p.Grant = name(answer.RefreshToken), grantOf(answer.AccessToken)
		if !t.drop && (err != nil || tokens == nil) {
			a.w.journal.wrong("POST /token", fmt.Errorf("the client does not understand it: %w", err))
		}
	}
	a.w.journal.write(func(j *audit.Journal) { j.Presentations = append(j.Presentations, p) })
	return p
}

// grantOf is the store's name for the grant of an access token, which stands in its jti.
func grantOf(accessToken string) string {
	_, rest, _ := strings.Cut(accessToken, ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return ""
	}
	var claims struct {
		JTI string `json:"jti"`
	}
	if err := json.Unmarshal(raw, &claims); err != nil {
		return ""
	}
	grant, _, _ := strings.Cut(claims.JTI, ".")
	return grant
}

// check verifies the ID token that came with tokens. An empty nonce is none.
func (a *app) check(ctx context.Context, tokens *oauth2.Token, nonce string) {
	raw, _ := tokens.Extra("id_token").(string)
	err := errors.New("there is none")
	for raw != "" {
		var id *oidc.IDToken
		id, err = a.verifier.Verify(ctx, raw)
		if err == nil && id.Nonce != nonce {
			err = errors.New("the nonce is another one")
		}
		// The keys could not be read now. That is written down already.
		if err == nil || !strings.Contains(err.Error(), "fetching keys") || pause(ctx, retryPause) != nil {
			break
		}
	}
	if err != nil {
		a.w.journal.wrong("ID token", err)
	}
}
