// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"testing"
	"time"
)

func TestClientLifetimes_Over(t *testing.T) {
	base := Lifetimes{
		AuthorizationCode: 1, AccessToken: 2, IDToken: 3, RefreshToken: 4, RefreshTokenIdle: 5,
		RefreshTokenRetryGrace: 6, Session: 7,
	}
	if got := (ClientLifetimes{}).Over(base); got != base {
		t.Errorf("got %+v, want the server's", got)
	}
	for name, c := range map[string]struct {
		own    ClientLifetimes
		change func(*Lifetimes)
	}{
		"accessToken":      {ClientLifetimes{AccessToken: time.Hour}, func(l *Lifetimes) { l.AccessToken = time.Hour }},
		"idToken":          {ClientLifetimes{IDToken: time.Hour}, func(l *Lifetimes) { l.IDToken = time.Hour }},
		"refreshToken":     {ClientLifetimes{RefreshToken: time.Hour}, func(l *Lifetimes) { l.RefreshToken = time.Hour }},
		"refreshTokenIdle": {ClientLifetimes{RefreshTokenIdle: time.Hour}, func(l *Lifetimes) { l.RefreshTokenIdle = time.Hour }},
		"shorter":          {ClientLifetimes{AccessToken: 1}, func(l *Lifetimes) { l.AccessToken = 1 }},
	} {
		want := base
		c.change(&want)
		if got := c.own.Over(base); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestClientLifetimes_Longest(t *testing.T) {
	a := ClientLifetimes{AccessToken: 9, IDToken: 1, RefreshToken: 9, RefreshTokenIdle: 1}
	b := ClientLifetimes{AccessToken: 1, IDToken: 9, RefreshToken: 1, RefreshTokenIdle: 9}
	want := ClientLifetimes{AccessToken: 9, IDToken: 9, RefreshToken: 9, RefreshTokenIdle: 9}
	if a.Longest(b) != want || b.Longest(a) != want {
		t.Errorf("got %+v and %+v, want %+v", a.Longest(b), b.Longest(a), want)
	}
}
