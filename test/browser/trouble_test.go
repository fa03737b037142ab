// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build browser

package browser

import (
	"context"
	"errors"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/inprocess"
)

// fragile is a store that a test can break.
type fragile struct {
	store.Store

	broken atomic.Bool
}

func (f *fragile) Session(ctx context.Context, issuer, id string) (store.Session, error) {
	if f.broken.Load() {
		return store.Session{}, errors.New("the test has broken it")
	}
	return f.Store.Session(ctx, issuer, id)
}

func TestTrouble(t *testing.T) {
	c, program := newChrome(t), buildApp(t)
	for _, l := range []look{{}, {dark: true}, {noScript: true, phone: true}, {dark: true, phone: true}} {
		t.Run(l.String(), func(t *testing.T) { trouble(c.newTab(t, l), newSite(t, program, nil)) })
	}
}

// trouble is a person who is signed in, while the app expects another one, and while the
// server cannot answer.
func trouble(b *tab, s site) {
	b.goes(200, chromedp.Navigate(s.app+"/login"))
	b.goes(200, fill(username, inprocess.Username), fill(password, inprocess.Password), press(submit))
	b.sees("Allow Team Wiki?")
	request := s.issuer + registration.PathAuthorize + "?" + url.Values{
		"response_type": {"code"}, "client_id": {registration.ClientID("team", "wiki")}, "redirect_uri": {s.app + "/callback"},
		"scope": {"openid"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode()
	b.goes(200, chromedp.Navigate(request+"&"+url.Values{"claims": {`{"id_token":{"sub":{"value":"somebody-else"}}}`}}.Encode()))
	b.sees("You are signed in as " + inprocess.Username + ", but Team Wiki expects another account")
	b.keep("login-another")

	s.store.broken.Store(true)
	b.goes(503, chromedp.Navigate(request))
	b.sees("One moment, please", "you have done nothing wrong", "Try again")
	b.keep("error-unavailable")
	b.goes(503, press(again))
	s.store.broken.Store(false)
	b.goes(200, press(again))
	b.sees("Allow Team Wiki?")
}
