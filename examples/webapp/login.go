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
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	callbackPath    = "/callback"
	pendingLifetime = 10 * time.Minute
)

// pending is a sign-in that has begun. The browser keeps it in a cookie: the server
// stores nothing for somebody who has not signed in. Its name has the state in it,
// so that two tabs can sign in side by side.
type pending struct {
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
}

func pendingCookie(state string) string { return "webapp_login_" + state }

// login sends the person to the issuer.
func (a *app) login(w http.ResponseWriter, r *http.Request) error {
	p, err := a.party(a.context(r))
	if err != nil {
		return err
	}
	state := rand.Text()
	begun := pending{Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	value, err := json.Marshal(begun)
	if err != nil {
		return err
	}
	http.SetCookie(w, a.cookie(pendingCookie(state), base64.RawURLEncoding.EncodeToString(value), callbackPath, pendingLifetime))
	http.Redirect(w, r, p.oauth.AuthCodeURL(state,
		oidc.Nonce(begun.Nonce),
		oauth2.S256ChallengeOption(begun.Verifier),
	), http.StatusSeeOther)
	return nil
}

// callback is where the issuer sends the person back to.
func (a *app) callback(w http.ResponseWriter, r *http.Request) error {
	ctx, query := a.context(r), r.URL.Query()
	begun, err := a.takePending(w, r, query.Get("state"))
	if err != nil {
		return err
	}
	p, err := a.party(ctx)
	if err != nil {
		return err
	}
	if err := checkResponse(query, p.issuer); err != nil {
		return err
	}
	token, err := p.oauth.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(begun.Verifier))
	if err != nil {
		return explain(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.verifier.Verify(ctx, raw)
	if err != nil {
		return fmt.Errorf("verify the ID token: %w", err)
	}
	// OpenID Connect Core 1.0 section 3.1.3.7: this ID token answers this sign-in.
	if id.Nonce != begun.Nonce {
		return errors.New("verify the ID token: its nonce is not the one of this sign-in")
	}
	started := a.sessions.start(a.now(), session{token: token, idToken: raw})
	http.SetCookie(w, a.cookie(sessionCookie, started, "/", sessionLifetime))
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// takePending returns the sign-in that state belongs to, if this browser began it:
// otherwise somebody may be trying to sign the person in to a foreign account
// (RFC 6749 section 10.12).
func (a *app) takePending(w http.ResponseWriter, r *http.Request, state string) (pending, error) {
	var begun pending
	c, err := r.Cookie(pendingCookie(state))
	if err != nil {
		return begun, &problem{
			status: http.StatusBadRequest, title: "This sign-in was not begun here",
			text: "Perhaps it took longer than ten minutes, or was finished before. Please sign in again.",
		}
	}
	http.SetCookie(w, a.cookie(c.Name, "", callbackPath, 0))
	value, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return begun, fmt.Errorf("read the sign-in's cookie: %w", err)
	}
	if err := json.Unmarshal(value, &begun); err != nil {
		return begun, fmt.Errorf("read the sign-in's cookie: %w", err)
	}
	return begun, nil
}

// checkResponse refuses what is not a code from the issuer that was asked.
func checkResponse(query url.Values, issuer string) error {
	// RFC 9207 section 2.4: a response of another issuer is a mix-up attack.
	if iss := query.Get("iss"); iss != "" && iss != issuer {
		return errors.New("the response is another issuer's")
	}
	switch code := query.Get("error"); {
	case code == "access_denied":
		return &problem{
			status: http.StatusForbidden, title: "You did not give access",
			text: "That is fine: this app has learnt nothing about you. Sign in again if you change your mind.",
		}
	case code != "":
		return refusal(code, query.Get("error_description"))
	}
	return nil
}

// refresh gets new tokens for a session.
func (a *app) refresh(w http.ResponseWriter, r *http.Request) error {
	id, old, ok := a.current(r)
	if !ok {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	ctx := a.context(r)
	p, err := a.party(ctx)
	if err != nil {
		return err
	}
	// A token that has only a refresh token counts as expired, whatever time it is.
	token, err := p.oauth.TokenSource(ctx, &oauth2.Token{RefreshToken: old.token.RefreshToken}).Token()
	if err != nil {
		return explain(err)
	}
	next := session{token: token, idToken: old.idToken}
	if raw, ok := token.Extra("id_token").(string); ok {
		if err := sameSubject(ctx, p.verifier, old.idToken, raw); err != nil {
			return err
		}
		next.idToken = raw
	}
	a.sessions.replace(id, next)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// sameSubject verifies an ID token that a refresh gave: it must be of the person
// who signed in (OpenID Connect Core 1.0 section 12.2).
func sameSubject(ctx context.Context, v *oidc.IDTokenVerifier, old, raw string) error {
	id, err := v.Verify(ctx, raw)
	if err != nil {
		return fmt.Errorf("verify the ID token of the refresh: %w", err)
	}
	if id.Subject != claims(old)["sub"] {
		return errors.New("verify the ID token of the refresh: it is another person's")
	}
	return nil
}

// signOut ends the session here and then the one at the issuer, which sends the
// person back. What keeps the issuer from being asked is no reason not to end the
// session here.
func (a *app) signOut(w http.ResponseWriter, r *http.Request) error {
	to := "/"
	if id, s, ok := a.current(r); ok {
		a.sessions.end(id)
		leave, err := a.issuersSignOut(a.context(r), s.idToken)
		if err != nil {
			a.log.Error("Asking the issuer to sign out", "error", err)
		} else if leave != "" {
			to = leave
		}
	}
	http.SetCookie(w, a.cookie(sessionCookie, "", "/", 0))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// issuersSignOut is where the issuer ends its own session and sends the browser back
// from (OpenID Connect RP-Initiated Logout 1.0 section 2), or empty if it has no such
// place. The URI to come back to stands in spec.postLogoutRedirectURIs.
func (a *app) issuersSignOut(ctx context.Context, idToken string) (string, error) {
	c, err := readCredentials(a.credentials)
	if err != nil {
		return "", err
	}
	provider, err := a.provider(ctx, c.issuer)
	if err != nil {
		return "", err
	}
	var found struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&found); err != nil || found.EndSession == "" {
		return "", err
	}
	return found.EndSession + "?" + url.Values{
		// client_id as well: the key that signed the ID token may be gone by now.
		"id_token_hint": {idToken}, "client_id": {c.clientID}, "post_logout_redirect_uri": {a.url + "/"},
	}.Encode(), nil
}

// context makes the libraries use the app's HTTP client.
func (a *app) context(r *http.Request) context.Context {
	return oidc.ClientContext(r.Context(), a.http)
}

// explain turns the token endpoint's refusal into words.
func explain(err error) error {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refused.ErrorCode != "" {
		return refusal(refused.ErrorCode, refused.ErrorDescription)
	}
	return fmt.Errorf("ask for tokens: %w", err)
}

func refusal(code, description string) *problem {
	return &problem{
		status: http.StatusBadGateway, title: "The sign-in did not work",
		text: "The authorization server said: " + code, detail: description,
	}
}
