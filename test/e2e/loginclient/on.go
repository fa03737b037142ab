// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// turn is a line of goOn and of untilRevoked.
type turn struct {
	Turn int `json:"turn"`
	// Pages is how many pages with a form the person saw: none while they are signed in.
	Pages int `json:"pages"`
	// Began is when the last request that was granted was sent.
	Began time.Time `json:"began"`
	// Refused is how often what was revoked was refused, once it was.
	Refused int `json:"refused,omitempty"`
}

const betweenTurns = 100 * time.Millisecond

// goOn logs the person in again and again, in the same browser, and refreshes the
// grant of the first login. Whatever is not answered as it should is lost.
func (a app) goOn(ctx context.Context, who person) error {
	provider, config, err := a.configure(ctx)
	if err != nil {
		return err
	}
	if who.jar, err = cookiejar.New(nil); err != nil {
		return err
	}
	var kept *oauth2.Token
	for n := 1; ; n++ {
		t := turn{Turn: n, Began: time.Now()}
		who.pages = &t.Pages
		token, _, err := a.authorize(ctx, config, &who)
		if err != nil {
			return over(ctx, n, "log in", err)
		}
		if kept == nil {
			kept = token
		}
		if kept, err = config.TokenSource(ctx, &oauth2.Token{RefreshToken: kept.RefreshToken}).Token(); err != nil {
			return over(ctx, n, "refresh", err)
		}
		if _, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(kept)); err != nil {
			return over(ctx, n, "userinfo", err)
		}
		if n > 1 && t.Pages > 0 {
			return fmt.Errorf("turn %d: the person was asked again: %d pages", n, t.Pages)
		}
		if err := say(t); err != nil {
			return err
		}
		if pause(ctx, betweenTurns) != nil {
			return nil
		}
	}
}

// over is nil if it is somebody's wish that it is over.
func over(ctx context.Context, n int, doing string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	return fmt.Errorf("turn %d: %s: %w", n, doing, err)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// attempts is how often what is revoked is tried, over a new connection each time, so
// that every replica is asked.
const attempts = 10

// untilRevoked uses what a login gave until it is refused. From then on nothing of it
// may be granted: neither a refresh, nor the access token, nor the code again.
func (a app) untilRevoked(ctx context.Context, who person) error {
	var pages int
	var code, verifier string
	a.redeemed = func(c, v string) { code, verifier = c, v }
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: transport})
	provider, config, err := a.configure(ctx)
	if err != nil {
		return err
	}
	who.pages = &pages
	token, _, err := a.authorize(ctx, config, &who)
	if err != nil {
		return err
	}
	last := turn{Pages: pages}
	for {
		began := time.Now()
		next, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
		if err != nil {
			if !refused(err) {
				return fmt.Errorf("turn %d: refresh: %w", last.Turn, err)
			}
			break
		}
		token, last.Began, last.Turn = next, began, last.Turn+1
		if err := say(last); err != nil {
			return err
		}
		if err := pause(ctx, betweenTurns); err != nil {
			return err
		}
	}
	for range attempts {
		_, refresh := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
		_, again := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
		if !refused(refresh) || !refused(again) {
			return errors.Join(errors.New("after the revocation, a refresh or the code is not refused"), refresh, again)
		}
		if err := a.unwelcome(ctx, provider, token); err != nil {
			return err
		}
		last.Refused++
	}
	return say(last)
}

// unwelcome checks that an access token is refused.
func (a app) unwelcome(ctx context.Context, provider *oidc.Provider, token *oauth2.Token) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, provider.UserInfoEndpoint(), nil)
	if err != nil {
		return err
	}
	token.SetAuthHeader(request)
	response, err := ctx.Value(oauth2.HTTPClient).(*http.Client).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("after the revocation, /userinfo answers %s", response.Status)
	}
	return nil
}

// refused reports whether the token endpoint has said that a grant is not valid.
func refused(err error) bool {
	var e *oauth2.RetrieveError
	return errors.As(err, &e) && e.ErrorCode == "invalid_grant"
}
