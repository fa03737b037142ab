// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/clientele-dev/clientele/authserver/pages"
	"github.com/clientele-dev/clientele/authserver/registry"
)

// contentPolicy lets a page load nothing but its own style, and nobody frame it
// (RFC 9700 section 4.16). It has no form-action: Chromium applies that to the
// redirect which follows a form as well, and so would stop people on their way
// back to the app.
var contentPolicy = "default-src 'none'; style-src 'sha256-" + pages.StyleSHA256 + "'; base-uri 'none'; frame-ancestors 'none'"

// allowPicture lets the page that is rendered next load a picture from origin, and
// from nowhere else. An empty one is none.
func allowPicture(w http.ResponseWriter, origin string) {
	if origin != "" {
		w.Header().Set("Content-Security-Policy", contentPolicy+"; img-src "+origin)
	}
}

// browser is the surface for people: pages, redirects, cookies.
func (s *Server) browser(w *response, r *request, h handler) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	// RFC 9700 section 4.2.4: no other site learns our URLs. Stricter, no-referrer,
	// would make browsers send "Origin: null" with our own forms, and that is what
	// CrossOriginProtection goes by where there is no Sec-Fetch-Site.
	header.Set("Referrer-Policy", "same-origin")
	if err := guard(prepared(h), w, r); err != nil {
		s.writeBrowserError(w, r, err)
	}
}

// form is browser for the forms of our own pages: a form of another site is
// refused.
func (s *Server) form(w *response, r *request, h handler) {
	s.browser(w, r, func(w http.ResponseWriter, r *request) error {
		if err := s.csrf.Check(r.Request); err != nil {
			return &pageError{
				status: http.StatusForbidden, cause: err,
				title: "This form was sent from another site",
				text:  "Nothing has happened. Go back to the app that you want to use and start again there.",
			}
		}
		return h(w, r)
	})
}

// prepared is h after what every surface does first.
func prepared(h handler) handler {
	return func(w http.ResponseWriter, r *request) error {
		if r.issuer != nil && !r.issuer.Ready() {
			return unavailable(errNoKeys)
		}
		if err := r.parse(); err != nil {
			return err
		}
		return h(w, r)
	}
}

var errNoKeys = errors.New("the issuer has no keys yet")

// writeBrowserError is the one place that tells a person, or a client by redirect,
// of an error.
func (s *Server) writeBrowserError(w *response, r *request, err error) {
	e, _ := publicError(err)
	r.code, r.cause = string(e.Code), err
	if w.status != 0 {
		return // too late: something was sent already
	}
	if back, ok := errors.AsType[*redirectError](err); ok {
		// RFC 6749 section 4.1.2.1.
		err = back.send(w, r.issuer, [][2]string{
			{"error", string(back.err.Code)},
			{"error_description", back.err.Description},
		})
		if err == nil || w.status != 0 {
			r.cause = errors.Join(r.cause, err)
			return
		}
	}
	p := asPage(err)
	if _, ok := errors.AsType[*pageError](err); ok {
		r.code = "page"
	}
	if p.retry > 0 {
		w.Header().Set("Retry-After", seconds(p.retry))
	}
	if p.retry > 0 && p.link == "" && r.here() != "" {
		p.link, p.linkURL = linkAgain, r.here()
	}
	page := pages.Error{
		Base:  base(r.issuer),
		Title: p.title, Text: p.text, Owner: p.owner, Sent: p.sent, RequestID: r.id,
		Link: p.link, LinkURL: p.linkURL,
	}
	if err := render(w, p.status, page); err != nil {
		r.cause = errors.Join(r.cause, err)
		if w.status == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}
}

// render sends a page, or nothing if it cannot be made.
func render(w http.ResponseWriter, status int, page pages.Page) error {
	var body bytes.Buffer
	if err := pages.Write(&body, page); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write(body.Bytes())
	return err
}

// redirect sends the browser back to the client, with those of params that are not
// empty.
func redirect(w http.ResponseWriter, to registry.RedirectURI, params [][2]string) {
	leaveTo(w, to.String(), params)
}

// redirectAfterLogout sends the browser to where the client wants it after a logout,
// with the client's state (OpenID Connect RP-Initiated Logout 1.0 section 3).
func redirectAfterLogout(w http.ResponseWriter, to registry.PostLogoutURI, state string) {
	leaveTo(w, to.String(), [][2]string{{"state", state}})
}

// leaveTo is for the two redirects above alone, which take checked types: nothing
// else may become a Location outside of the issuer. Empty params are left out.
func leaveTo(w http.ResponseWriter, target string, params [][2]string) {
	// RFC 6749 section 3.1.2: a query of the redirect URI's own MUST be retained. It
	// has no fragment, so what is added stands at its end.
	between := "&"
	switch {
	case !strings.Contains(target, "?"):
		between = "?"
	case strings.HasSuffix(target, "?") || strings.HasSuffix(target, "&"):
		between = ""
	}
	parts := []string{target}
	for _, p := range params {
		if p[1] != "" {
			parts = append(parts, between, p[0], "=", url.QueryEscape(p[1]))
			between = "&"
		}
	}
	// Not http.Redirect, which would tidy up the URI. 303 makes a form's POST a GET,
	// so that a password is never sent on (RFC 9700 section 4.12).
	w.Header().Set("Location", strings.Join(parts, ""))
	w.WriteHeader(http.StatusSeeOther)
}

// seeOwn sends the browser to another page of ours.
func seeOwn(w http.ResponseWriter, from *registry.Issuer, path string, query url.Values) {
	w.Header().Set("Location", from.Issuer+path+"?"+query.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

func base(issuer *registry.Issuer) pages.Base {
	if issuer == nil {
		return pages.Base{}
	}
	return pages.Base{Name: issuer.DisplayName}
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
