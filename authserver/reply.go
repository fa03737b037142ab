// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/pages"
	"github.com/clientele-dev/clientele/authserver/registry"
)

// Response modes (OAuth 2.0 Multiple Response Type Encoding Practices section 2.1,
// OAuth 2.0 Form Post Response Mode section 2).
const (
	modeQuery    = "query"
	modeFormPost = "form_post"
)

// reply is where the outcome of an authorization request goes, and how. Without a
// RedirectURI it goes nowhere.
type reply struct {
	to    registry.RedirectURI
	state string
	// post is whether the browser brings it in a form, and not in a query.
	post bool
	// app is the client's name, for a person who sees the form.
	app string
}

// reply is how the client of v hears of the outcome.
func (v visit) reply() reply {
	return reply{to: v.to, state: string(v.flow.State), post: v.flow.Post, app: v.client.DisplayName()}
}

// send lets the browser bring params to the client, with its state and iss (RFC 9207
// section 2). Those that are empty are left out.
func (a reply) send(w http.ResponseWriter, from *registry.Issuer, params [][2]string) error {
	params = append(params, [2]string{"state", a.state}, [2]string{"iss", from.Issuer})
	if !a.post {
		redirect(w, a.to, params)
		return nil
	}
	return sendForm(w, from, a, params)
}

// formPolicy is contentPolicy for a page whose form is sent by a script. It has no
// form-action either: Chromium would apply that to where the app leads on to from its
// redirect URI, which may be on another host. The page's one form goes to a checked
// RedirectURI, and the one script that may run is ours.
var formPolicy = contentPolicy + "; script-src 'sha256-" + pages.ScriptSHA256 + "'"

// sendForm renders a form whose action is the redirect URI, to the byte (OAuth 2.0
// Form Post Response Mode section 2). It must not be kept: no-store comes with browser.
func sendForm(w http.ResponseWriter, from *registry.Issuer, a reply, params [][2]string) error {
	page := pages.Post{Base: base(from), Client: a.app, Action: a.to.String()}
	for _, p := range params {
		if p[1] != "" {
			page.Fields = append(page.Fields, pages.Field{Name: p[0], Value: p[1]})
		}
	}
	h := w.Header()
	h.Set("Content-Security-Policy", formPolicy)
	// With same-origin the form would come with "Origin: null", and an app that looks
	// there could not tell us from anybody else. What this one shows is in iss anyway.
	h.Set("Referrer-Policy", "origin")
	return render(w, http.StatusOK, page)
}

// parseMode reads response_mode. The mode that is not supported leaves an error to go
// back in the query.
func (f *flow) parseMode(mode string, to registry.RedirectURI) *oauth.Error {
	switch {
	case mode == "" || mode == modeQuery:
		return nil
	case mode != modeFormPost:
		return oauth.Errorf(oauth.InvalidRequest, "response_mode must be query or form_post")
	case !to.TakesForms():
		// A browser hands an app's own scheme a URI, and nothing else.
		return oauth.Errorf(oauth.InvalidRequest, "response_mode form_post needs a redirect_uri of https or http")
	}
	f.Post = true
	return nil
}

// checkState refuses a state that cannot be sent back as it came, and forgets it.
func (f *flow) checkState() *oauth.Error {
	problem := badState(string(f.State), f.Post)
	if problem != nil {
		f.State = nil
	}
	return problem
}

// badState says why a state cannot travel. In a form a browser changes line ends, NUL
// and what is not UTF-8; RFC 6749 appendix A.5 has only printable ASCII in a state.
func badState(state string, post bool) *oauth.Error {
	control := func(c rune) bool { return c < ' ' || c == 0x7f }
	switch {
	case len(state) > maxState:
		return oauth.Errorf(oauth.InvalidRequest, "state is longer than %d bytes", maxState)
	case post && (!utf8.ValidString(state) || strings.ContainsFunc(state, control)):
		return oauth.Errorf(oauth.InvalidRequest, "state has a character that a form cannot carry")
	}
	return nil
}
