// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// app is the web app and its API.
type app struct {
	config

	// api is the root of the app's own API, as the app itself reaches it.
	api      string
	log      *slog.Logger
	http     *http.Client
	sessions *sessions
	now      func() time.Time

	mu        sync.Mutex
	providers map[string]*oidc.Provider // by issuer
	guarding  identity
	guarded   *resourceServer
}

func newApp(c config, api string, log *slog.Logger) *app {
	return &app{
		config: c, api: api, log: log,
		http:      &http.Client{Timeout: 10 * time.Second},
		sessions:  newSessions(),
		now:       time.Now,
		providers: map[string]*oidc.Provider{},
	}
}

// routes is every URL of the app, and who renders its errors.
func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", a.page(a.home))
	mux.Handle("GET /login", a.page(a.login))
	mux.Handle("GET "+callbackPath, a.page(a.callback))
	mux.Handle("POST /refresh", a.page(a.refresh))
	mux.Handle("POST /signout", a.page(a.signOut))
	mux.HandleFunc("GET /api/me", a.me) // errors become RFC 6750 section 3 challenges
	mux.HandleFunc("GET /style.css", serve("style.css"))
	mux.HandleFunc("GET /icon.svg", serve("icon.svg"))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	// Other sites cannot make a person's browser post here.
	return secured(http.NewCrossOriginProtection().Handler(mux))
}

// party is this app in its part as a client of the issuer.
type party struct {
	credentials
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
}

// party reads the mounted Secret anew and prepares a client from it.
func (a *app) party(ctx context.Context) (party, error) {
	c, err := readCredentials(a.credentials)
	if err != nil {
		return party{}, err
	}
	provider, err := a.provider(ctx, c.issuer)
	if err != nil {
		return party{}, err
	}
	endpoint := provider.Endpoint()
	// client_secret_basic, as registered. Without this, x/oauth2 would try out both
	// ways and so send a refused code a second time.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	return party{
		credentials: c,
		oauth: oauth2.Config{
			ClientID: c.clientID, ClientSecret: c.clientSecret, Endpoint: endpoint,
			RedirectURL: a.url + callbackPath, Scopes: a.scopes,
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: c.clientID}),
	}, nil
}

// provider discovers an issuer's endpoints, once.
func (a *app) provider(ctx context.Context, issuer string) (*oidc.Provider, error) {
	a.mu.Lock()
	known := a.providers[issuer]
	a.mu.Unlock()
	if known != nil {
		return known, nil
	}
	found, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.providers[issuer] = found
	return found, nil
}

// secureCookies reports whether browsers reach the app by https.
func (a *app) secureCookies() bool { return strings.HasPrefix(a.url, "https:") }

// secured sets the headers of every response. There is no form-action: Chromium
// applies that to the redirect which follows a form as well, and so would keep people
// from being signed out at the issuer.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
