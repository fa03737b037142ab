// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
)

// api is the surface for clients: JSON and its errors (RFC 6749 section 5.2). It
// neither reads nor sets cookies.
func (s *Server) api(w *response, r *request, h handler) {
	apiHeaders(w.Header())
	if err := guard(prepared(h), w, r); err != nil {
		writeAPIError(w, r, err)
	}
}

// resource is the surface for holders of access tokens: api, with the challenges
// of RFC 6750 section 3.
func (s *Server) resource(w *response, r *request, h handler) {
	apiHeaders(w.Header())
	err := guard(prepared(h), w, r)
	if err == nil {
		return
	}
	e, status := publicError(err)
	// A request without a token is told what is wanted, and no error code.
	challenge := `Bearer realm="` + realm(r) + `"`
	if !errors.Is(err, errNoToken) {
		challenge += `, error="` + string(e.Code) + `", error_description="` + e.Description + `"`
	}
	if e.Code == oauth.InsufficientScope {
		challenge += `, scope="` + oauth.ScopeOpenID + `"`
	}
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		w.Header().Set("WWW-Authenticate", challenge)
	}
	writeAPIError(w, r, err)
}

func apiHeaders(h http.Header) {
	// RFC 6749 section 5.1.
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
}

// errorBody is RFC 6749 section 5.2's.
type errorBody struct {
	Error       oauth.Code `json:"error"`
	Description string     `json:"error_description,omitempty"`
}

// writeAPIError is the one place that tells a client of an error.
func writeAPIError(w *response, r *request, err error) {
	e, status := publicError(err)
	r.code, r.cause = string(e.Code), err
	if w.status != 0 {
		return // too late: something was sent already
	}
	if e.Code == oauth.TemporarilyUnavailable {
		w.Header().Set("Retry-After", seconds(retryAfter))
	}
	// What was made cacheable before the error is so no more.
	w.Header().Set("Cache-Control", "no-store")
	if err := writeJSON(w, status, errorBody{Error: e.Code, Description: e.Description}); err != nil {
		r.cause = errors.Join(r.cause, err)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeBytes(w, status, body)
}

func writeBytes(w http.ResponseWriter, status int, body []byte) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// varies says, of every answer alike, that it depends on whose page asks: only some
// having it would tell who is registered.
func varies(w http.ResponseWriter) { w.Header().Set("Vary", "Origin") }

// realm is the issuer, which has no character that a quoted-string would escape.
func realm(r *request) string { return r.issuer.Issuer }

// preflight lets a page of any origin ask. Whether it may read the answer is
// decided there, by allowOrigin: without a cookie, asking alone does nothing.
func preflight(w http.ResponseWriter, _ *request) error {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// allowOrigin lets the pages of a public client read what it is answered. A
// confidential client runs on a server and has no use for it.
func allowOrigin(w http.ResponseWriter, r *request, c *registry.Client) {
	if origin := r.Header.Get("Origin"); origin != "" && c.RunsAt(origin) {
		readableAt(w, origin)
	}
}

func readableAt(w http.ResponseWriter, origin string) {
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After, X-Request-Id")
}

// toPages is h for an endpoint that browser apps call. Of an error, not even the client
// may be known: that there was no place, or that an access token is not good. An app
// must be able to tell that from a network that fails, and so pages of any client of
// the issuer may read it. It holds nothing of anybody.
func (s *Server) toPages(h handler) handler {
	return func(w http.ResponseWriter, r *request) error {
		varies(w)
		err := h(w, r)
		if origin := r.Header.Get("Origin"); err != nil && origin != "" && s.registry.AnyRunsAt(r.issuer, origin) {
			readableAt(w, origin)
		}
		return err
	}
}
