// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
)

// me is the app's API: it serves the person's data to whoever brings an access
// token for it. It knows nothing of the app's sessions and could run anywhere.
func (a *app) me(w http.ResponseWriter, r *http.Request) {
	guard, err := a.guard()
	if err != nil {
		a.log.Error("Preparing the API", "error", err)
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable"})
		return
	}
	c, refused := guard.check(r.Context(), r.Header.Get("Authorization"), "profile")
	if refused != nil {
		a.log.Info("Refusing an API call", "code", refused.code, "cause", refused.cause)
		refused.write(w)
		return
	}
	writeJSON(w, http.StatusOK, c)
}

// identity is what the API is to its callers: a name at an issuer.
type identity struct{ issuer, jwksURI, audience string }

// guard returns the API's resource server. It is kept for as long as the mounted
// Secret says the same, because it caches the issuer's keys.
func (a *app) guard() (*resourceServer, error) {
	c, err := readCredentials(a.credentials)
	if err != nil {
		return nil, err
	}
	want := identity{issuer: c.issuer, jwksURI: c.jwksURI, audience: "api://" + c.clientID}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.guarding != want {
		keys := oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), a.http), want.jwksURI)
		a.guarding, a.guarded = want, newResourceServer(want.issuer, want.audience, keys, a.now)
	}
	return a.guarded, nil
}
