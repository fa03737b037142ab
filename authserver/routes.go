// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"slices"
	"strings"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/internal/registration"
)

// Paths, below the issuer's, of what registration.Endpoints does not name.
const (
	pathContinue = "/continue"
	pathLogin    = "/login"
	pathConsent  = "/consent"
	pathDenied   = "/denied"
	pathSignOut  = "/signout"
	pathOpenID   = "/.well-known/openid-configuration"
	pathMetadata = "/.well-known/oauth-authorization-server"
)

// handler serves one endpoint. What it returns is rendered by its surface.
type handler func(w http.ResponseWriter, r *request) error

// surface runs a handler among a kind of reader's rules, and is the one place
// that writes errors for that reader.
type surface func(w *response, r *request, h handler)

type endpoint struct {
	surface surface
	handle  handler
}

// methods are the endpoints at one path, by method.
type methods map[string]endpoint

// routes are the paths below an issuer. They are few and fixed, and a path that is
// not exactly one of them is nothing: no cleaning, no redirect to a similar one.
type routes map[string]methods

func (s *Server) table() routes {
	t := routes{}
	page, client := s.pages.in, s.clients.in
	t.add("GET "+registration.PathAuthorize, s.browser, page(s.authorize))      // errors become a page or a 303
	t.add("POST "+registration.PathAuthorize, s.browser, page(s.authorizePost)) // comes from other origins
	t.add("GET "+pathContinue, s.browser, page(s.authorizeOn))
	t.add("GET "+pathLogin, s.browser, page(s.loginPage))
	t.add("POST "+pathLogin, s.form, page(s.loginPost)) // form is browser, for our own pages' forms only
	t.add("GET "+pathConsent, s.browser, page(s.consentPage))
	t.add("POST "+pathConsent, s.form, page(s.consentPost))
	t.add("GET "+pathDenied, s.browser, page(s.deniedPage))
	t.add("POST "+pathDenied, s.form, page(s.deniedPost))
	t.add("GET "+registration.PathEndSession, s.browser, page(s.endSession))
	t.add("POST "+registration.PathEndSession, s.browser, page(s.endSessionPost)) // comes from other origins
	t.add("GET "+pathSignOut, s.browser, page(s.signOutPage))
	t.add("POST "+pathSignOut, s.form, page(s.signOutPost))
	t.add("POST "+registration.PathToken, s.api, s.toPages(client(s.token))) // errors become RFC 6749 section 5.2 JSON
	t.add("OPTIONS "+registration.PathToken, s.api, preflight)
	t.add("POST "+registration.PathIntrospect, s.api, client(s.introspect)) // for servers: no page may read it
	t.add("POST "+registration.PathRevoke, s.api, s.toPages(client(s.revocation)))
	t.add("OPTIONS "+registration.PathRevoke, s.api, preflight)
	t.add("GET "+registration.PathUserinfo, s.resource, s.toPages(client(s.userinfo))) // errors become RFC 6750 section 3 challenges
	t.add("POST "+registration.PathUserinfo, s.resource, s.toPages(client(s.userinfo)))
	t.add("OPTIONS "+registration.PathUserinfo, s.resource, preflight)
	t.add("GET "+registration.PathJWKS, s.api, s.jwks)
	t.add("GET "+pathOpenID, s.api, s.discovery)
	t.add("GET "+pathMetadata, s.api, s.discovery)
	return t
}

func (t routes) add(pattern string, in surface, h handler) {
	method, path, _ := strings.Cut(pattern, " ")
	if t[path] == nil {
		t[path] = methods{}
	}
	t[path][method] = endpoint{surface: in, handle: h}
}

// other is an endpoint of the same path, whose surface speaks for the path.
func (m methods) other() endpoint {
	if e, ok := m[http.MethodGet]; ok {
		return e
	}
	return m[http.MethodPost]
}

func (m methods) methodNotAllowed(w http.ResponseWriter, _ *request) error {
	var allow []string
	for method := range m {
		allow = append(allow, method)
	}
	slices.Sort(allow)
	w.Header().Set("Allow", strings.Join(allow, ", "))
	return &statusError{
		err:    oauth.Errorf(oauth.InvalidRequest, "this endpoint does not take the request's method"),
		status: http.StatusMethodNotAllowed,
	}
}

// noIssuer answers where no issuer is. A registry that may lag behind cannot know.
func (s *Server) noIssuer(http.ResponseWriter, *request) error {
	if !s.registry.Current() {
		return unavailable(nil)
	}
	return &pageError{
		status: http.StatusNotFound,
		title:  "No authorization server is at this address",
		text:   "Check the address. It begins with the issuer of an AuthorizationServer, byte for byte.",
	}
}

func (s *Server) notFound(_ http.ResponseWriter, r *request) error {
	return &pageError{
		status: http.StatusNotFound,
		title:  "There is no page at this address",
		text:   "This is the authorization server of the apps that sign you in here. To sign in, start at the app that you want to use.",
		owner:  "Clients find every endpoint of this server at " + r.issuer.Issuer + pathOpenID + ".",
	}
}
