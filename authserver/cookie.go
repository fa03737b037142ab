// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"time"
)

// The cookies, by what they are for.
const (
	// browserCookie ties flows to the browser that they began in.
	browserCookie = "browser"
	// sessionCookie holds the sealed name of a session.
	sessionCookie = "session"
)

// cookieName is a cookie's name at the request's issuer. The AuthorizationServer's
// name in it keeps issuers apart that share a host. With __Host- a browser accepts
// the cookie from this very host alone, so that a neighbouring subdomain cannot
// plant one (RFC 6265bis section 4.1.3.2).
func (r *request) cookieName(kind string) string {
	name := "clientele-" + r.issuer.Name + "-" + kind
	if r.issuer.Secure {
		return "__Host-" + name
	}
	return name
}

// cookie is the value of a cookie of ours, or empty.
func (r *request) cookie(kind string) string {
	c, err := r.Cookie(r.cookieName(kind))
	if err != nil {
		return ""
	}
	return c.Value
}

// dropCookie has the browser forget a cookie of ours.
func (r *request) dropCookie(w http.ResponseWriter, kind string) {
	r.setCookie(w, kind, "", -time.Second)
}

// setCookie sets a cookie of ours, for lifetime or, if that is zero, until the
// browser closes.
func (r *request) setCookie(w http.ResponseWriter, kind, value string, lifetime time.Duration) {
	c := &http.Cookie{ //nolint:gosec // Secure follows the issuer: http is for loopback alone
		Name: r.cookieName(kind), Value: value,
		// __Host- demands this path. Plain http, which is for development on loopback
		// only, has no prefix and so can be narrower.
		Path:   "/",
		MaxAge: int(lifetime / time.Second),
		// The issuer's scheme, whatever a proxy speaks to us.
		Secure:   r.issuer.Secure,
		HttpOnly: true,
		// Lax, since people come here by links and redirects from other sites.
		SameSite: http.SameSiteLaxMode,
	}
	if !r.issuer.Secure && r.issuer.Path != "" {
		c.Path = r.issuer.Path
	}
	http.SetCookie(w, c)
}
