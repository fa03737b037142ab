// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/seal"
)

const (
	// flowLifetime is how long a person may take to sign in and consent.
	flowLifetime = time.Hour
	// maxFlow is how long a sealed flow may be: with our own path before it, a URL stays
	// below the 8 KiB that common proxies take.
	maxFlow = 7680
)

// flow is an authorization request that was accepted, on its way through our
// pages. It travels sealed, in URLs and forms, so that nothing is stored for a
// person who has not signed in. Its names are short because URLs are.
type flow struct {
	ClientID    string `json:"c"`
	ClientUID   string `json:"u"`
	RedirectURI string `json:"r"`
	// RedirectSent is whether the request named the redirect URI: if so, the token
	// request must too.
	RedirectSent bool         `json:"rs,omitempty"`
	Scopes       oauth.Scopes `json:"s"`
	// Resources are those of RFC 8707 that the request names.
	Resources []string `json:"rr,omitempty"`
	// State is bytes so that it comes back as it came, whatever it is.
	State []byte `json:"st,omitempty"`
	// Post is whether the client wants to hear of the outcome by form_post.
	Post      bool   `json:"fp,omitempty"`
	Nonce     string `json:"n,omitempty"`
	Challenge string `json:"ch,omitempty"`
	Hint      string `json:"h,omitempty"`
	// Expected is whose ID token the client sent as a hint, or whose sub it claims: the
	// sub that this client knows the person by.
	Expected string `json:"x,omitempty"`
	// IDClaims are the details that are asked for in the ID token.
	IDClaims []string `json:"ic,omitempty"`
	// MaxAge is in seconds; nil means none.
	MaxAge        *int64    `json:"ma,omitempty"`
	PromptNone    bool      `json:"pn,omitempty"`
	PromptLogin   bool      `json:"pl,omitempty"`
	PromptConsent bool      `json:"pc,omitempty"`
	PromptAccount bool      `json:"pa,omitempty"`
	ExpiresAt     time.Time `json:"e"`

	// Browser is the hash of a random cookie of the browser that the flow began in.
	// Another browser cannot go on with it: an attacker cannot have a victim finish
	// what the attacker began, or sign in as the attacker.
	Browser string `json:"b,omitempty"`
	// SignIn is the store.Session's of a login in this very flow. It is how prompt and
	// max_age see that their login has happened: comparing times would not do between
	// replicas whose clocks differ.
	SignIn string `json:"si,omitempty"`
	// Asked is the subject that a consent form was shown to. Only the form holds a
	// flow with it, never a URL, so it also is the form's secret against forgery.
	Asked string `json:"as,omitempty"`
}

var (
	errStale        = errors.New("the registry may not be up to date")
	errOtherBrowser = errors.New("the flow began in another browser")
	errExpired      = errors.New("the flow has expired")
	errNoSalt       = errors.New("there is no key for pairwise subjects yet")
)

// seal returns v's flow as it travels. asked is who is asked for consent, and only
// for the form that asks them; it is empty for everything that becomes a URL.
func (r *request) seal(v visit, asked string) (string, error) {
	v.flow.Asked = asked
	sealed, err := r.issuer.Box.Seal(seal.Flow, v.flow, r.now)
	if errors.Is(err, seal.ErrTooLarge) || len(sealed) > maxFlow {
		return "", v.refuse(oauth.Errorf(oauth.InvalidRequest, "the request is too large: shorten state, nonce, scope or resource"))
	}
	return sealed, err
}

// goTo goes on with v on another page.
func (r *request) goTo(w http.ResponseWriter, path string, v visit) error {
	sealed, err := r.seal(v, "")
	if err != nil {
		return err
	}
	seeOwn(w, r.issuer, path, url.Values{"flow": {sealed}})
	return nil
}

// openVisit takes up a flow that comes back to one of our pages.
func (s *Server) openVisit(r *request, sealed string) (visit, error) {
	return s.open(r, sealed, r.isBrowser)
}

// openPosted takes up a flow that no page of ours has seen: nobody could tell yet
// which browser it began in, and it is worth no more than the request that it is of.
func (s *Server) openPosted(r *request, sealed string) (visit, error) {
	return s.open(r, sealed, func(bound string) bool { return bound == "" || r.isBrowser(bound) })
}

// open takes up a flow that may go on in this browser, by what it is bound to. What it
// names is looked up again: the registration may have changed since, and only a fresh
// comparison makes a RedirectURI.
func (s *Server) open(r *request, sealed string, here func(bound string) bool) (visit, error) {
	var f flow
	switch err := r.issuer.Box.Open(seal.Flow, sealed, &f); {
	case errors.Is(err, seal.ErrInvalid):
		return visit{}, startAgain(http.StatusBadRequest, err)
	case err != nil:
		return visit{}, err
	case !r.now.Before(f.ExpiresAt):
		return visit{}, startAgain(http.StatusBadRequest, errExpired)
	}
	client, ok := s.registry.Client(r.issuer, f.ClientID)
	if !ok || client.UID() != f.ClientUID {
		return visit{}, s.gone()
	}
	r.client = client
	if !client.KnowsPeople(r.issuer) {
		return visit{}, unavailable(errNoSalt)
	}
	if !here(f.Browser) {
		return visit{}, otherBrowser(client.DisplayName())
	}
	to, ok := client.Redirect(f.RedirectURI)
	if !ok {
		return visit{}, s.gone()
	}
	v := visit{flow: f, client: client, to: to}
	problem := checkScopes(f.Scopes, client)
	if problem == nil {
		problem = s.checkResources(r, client, f.Resources)
	}
	if problem != nil {
		return visit{}, v.refuse(problem)
	}
	return v, nil
}

// gone is the answer when a flow no longer fits its client's registration.
func (s *Server) gone() error {
	if !s.registry.Current() {
		return unavailable(errStale)
	}
	return startAgain(http.StatusBadRequest, errors.New("the registration has changed"))
}

func startAgain(status int, cause error) *pageError {
	return &pageError{
		status: status, cause: cause,
		title: "This sign-in page is no longer valid",
		text:  "It may be too old, or a bookmark. Go back to the app that you want to use and sign in from there.",
	}
}

func otherBrowser(app string) *pageError {
	return &pageError{
		status: http.StatusForbidden, cause: errOtherBrowser,
		title: "This sign-in began in another browser",
		text: "To protect your account, it can only be finished where it began. Open " + app + " in this browser and sign in from there. " +
			"If you see this again, let your browser accept cookies from this site.",
	}
}

// bind ties a flow to the browser before its first page is shown.
func (s *Server) bind(w http.ResponseWriter, r *request, f *flow) {
	if f.Browser != "" {
		return
	}
	value := r.cookie(browserCookie)
	if value == "" {
		value = s.newID()
		r.setCookie(w, browserCookie, value, 0)
	}
	f.Browser = hash(value)
}

// isBrowser reports whether this is the browser of a flow.
func (r *request) isBrowser(bound string) bool {
	value := r.cookie(browserCookie)
	return value != "" && subtle.ConstantTimeCompare([]byte(hash(value)), []byte(bound)) == 1
}

func hash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
