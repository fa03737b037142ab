// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"strings"
	"testing"
)

// TestRoom: when there is no place for more, pages and clients are told so at once,
// each for themselves, and what is answered from memory still is.
func TestRoom(t *testing.T) {
	w := newWorld(t)
	w.serve(func(c *Config) { c.MaxRequests = 1 })
	code := w.codeFor(validRequest())
	begun, goOn := make(chan struct{}), make(chan struct{})
	w.store.onAnswer("Redeem", func() { close(begun); <-goOn })
	first := make(chan answer)
	go func() { first <- w.token(redemption(code)) }()
	<-begun

	a := w.token(redemption(code))
	a.refused(http.StatusServiceUnavailable, "temporarily_unavailable")
	if got := a.header.Get("Retry-After"); got != "5" {
		t.Errorf("Retry-After is %q", got)
	}
	w.userinfo("whatever").refused(http.StatusServiceUnavailable, "temporarily_unavailable")
	w.newBrowser().begin(validRequest()).is("login") // people have their own
	for _, path := range []string{"/jwks", "/.well-known/openid-configuration"} {
		w.call(w.request(http.MethodGet, mainIssuer+path, "")).ok()
	}
	w.wantMetric("clientele_http_requests_in_flight", "clients", 1)
	w.wantMetric("clientele_http_requests_shed_total", "clients", 2)
	close(goOn)
	(<-first).ok()
	w.wantMetric("clientele_http_requests_in_flight", "clients", 0)
	w.userinfo("whatever").refused(http.StatusUnauthorized, "invalid_token")
}

func TestRoom_Pages(t *testing.T) {
	w := newWorld(t)
	w.serve(func(c *Config) { c.MaxRequests = 1 })
	signedIn := w.newBrowser()
	signedIn.codeFor(validRequest())
	begun, goOn := make(chan struct{}), make(chan struct{})
	w.store.onAnswer("Session", func() { close(begun); <-goOn })
	first := make(chan page)
	go func() { first <- signedIn.begin(validRequest()) }()
	<-begun

	p := w.newBrowser().begin(validRequest()).has("One moment, please")
	if p.status != http.StatusServiceUnavailable || p.header.Get("Retry-After") != "5" {
		t.Errorf("status %d, Retry-After %q", p.status, p.header.Get("Retry-After"))
	}
	w.userinfo("whatever").refused(http.StatusUnauthorized, "invalid_token") // clients have their own
	w.wantMetric("clientele_http_requests_shed_total", "pages", 1)
	if !strings.Contains(w.log.String(), errFull.Error()) {
		t.Error("the log does not say why")
	}
	close(goOn)
	(<-first).is("code")
}
