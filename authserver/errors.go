// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/clientele-dev/clientele/authserver/oauth"
)

// pageError is told to the person at the browser, who can neither cause it nor
// mend it: it says what to do, and what to tell the app's owner. It never becomes
// a redirect. Its texts are fixed, but for names that a registration holds.
type pageError struct {
	status int
	title  string
	text   string
	// owner is for whoever runs the app; it may be empty.
	owner string
	// sent is a value from the request, shown as text to the app's owner. Set it by
	// showable only.
	sent string
	// link is the words of a way on, and linkURL where it leads; both may be empty.
	link, linkURL string
	retry         time.Duration
	cause         error
}

// Error is for the log: it includes the cause.
func (e *pageError) Error() string {
	if e.cause == nil {
		return e.title
	}
	return e.title + ": " + e.cause.Error()
}

// Unwrap returns the cause.
func (e *pageError) Unwrap() error { return e.cause }

// redirectError goes back to the client, by redirect or by form.
type redirectError struct {
	err *oauth.Error
	reply
}

// Error is for the log.
func (e *redirectError) Error() string { return e.err.Error() }

// Unwrap returns the OAuth error.
func (e *redirectError) Unwrap() error { return e.err }

// statusError is an OAuth error with an HTTP status that its code does not imply.
type statusError struct {
	err    *oauth.Error
	status int
}

// Error is for the log.
func (e *statusError) Error() string { return e.err.Error() }

// Unwrap returns the OAuth error.
func (e *statusError) Unwrap() error { return e.err }

// unavailable is the answer where the same request may succeed a little later.
func unavailable(cause error) *oauth.Error {
	return oauth.Errorf(oauth.TemporarilyUnavailable, "the server cannot answer right now; try again").Because(cause)
}

// publicError is what may be told of err, and its status. Whatever is not an OAuth
// error is our own failure, of which nothing is told.
func publicError(err error) (*oauth.Error, int) {
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		e = oauth.Errorf(oauth.ServerError, "the server failed; its log tells more under this response's X-Request-Id")
	}
	if s, ok := errors.AsType[*statusError](err); ok {
		return e, s.status
	}
	return e, e.Code.Status()
}

// asPage is the page for err.
func asPage(err error) *pageError {
	if p, ok := errors.AsType[*pageError](err); ok {
		return p
	}
	e, status := publicError(err)
	switch {
	case e.Code == oauth.TemporarilyUnavailable:
		return &pageError{
			status: status, retry: retryAfter,
			title: "One moment, please",
			text:  "This server cannot answer right now, and you have done nothing wrong. Wait a few seconds and try again.",
		}
	case status >= http.StatusInternalServerError:
		return &pageError{
			status: status,
			title:  "Something went wrong here",
			text:   "This is not your fault. Go back to the app and try again. If it keeps happening, tell the people who run this server the number below.",
		}
	}
	return &pageError{
		status: status,
		title:  "This request cannot be answered",
		text:   "Go back to the app and start again.",
		owner:  "The server says: " + e.Description + ".",
	}
}

const linkAgain = "Try again"

// again is err with a way on for the person: to the page of ours from which the flow
// goes on. A form that is sent again would do as well, but people are asked whether
// they mean it.
func (r *request) again(v visit, path string, err error) error {
	if _, ok := errors.AsType[*redirectError](err); err == nil || ok {
		return err
	}
	if e, _ := publicError(err); e.Code != oauth.TemporarilyUnavailable {
		return err
	}
	sealed, problem := r.seal(v, "")
	if problem != nil {
		return err
	}
	p := asPage(err)
	p.cause, p.link, p.linkURL = err, linkAgain, r.issuer.Issuer+path+"?"+url.Values{"flow": {sealed}}.Encode()
	return p
}

// here is the page's own URL, as the browser has asked for it, or nothing if it was no
// question of a page.
func (r *request) here() string {
	path, ok := strings.CutPrefix(r.route, http.MethodGet+" ")
	switch {
	case !ok || r.issuer == nil:
		return ""
	case r.URL.RawQuery == "":
		return r.issuer.Issuer + path
	}
	return r.issuer.Issuer + path + "?" + r.URL.RawQuery
}

// showable is raw if it can stand on a page as text without harm: what looks like
// one URI, and not like a message to the reader.
func showable(raw string) string {
	const longest = 512
	if len(raw) > longest {
		return ""
	}
	for _, c := range []byte(raw) {
		if c <= ' ' || c > '~' {
			return ""
		}
	}
	return raw
}
