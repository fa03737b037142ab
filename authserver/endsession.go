// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/pages"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/internal/registration"
)

// logout is a request to sign out that was understood. It travels sealed, as a flow
// does: nothing is stored for it.
type logout struct {
	ClientID string `json:"c,omitempty"`
	// URI is where the client wants the browser to go afterwards.
	URI   string `json:"r,omitempty"`
	State []byte `json:"st,omitempty"`
	// Subject is whom a verified id_token_hint is of.
	Subject   string    `json:"sub,omitempty"`
	ExpiresAt time.Time `json:"e"`
	// Asked is the hash of the session that a form asks to end. Only the form holds
	// one, never a URL, so it also is the form's secret against forgery.
	Asked string `json:"as,omitempty"`
}

// departure is a logout, with its client and destination as they are registered now.
type departure struct {
	logout logout
	// client is who asks, or nil.
	client *registry.Client
	// to is where to go afterwards; it may be none.
	to registry.PostLogoutURI
}

// endSession is the logout endpoint (OpenID Connect RP-Initiated Logout 1.0 section 2).
func (s *Server) endSession(w http.ResponseWriter, r *request) error {
	d, err := s.parseLogout(r)
	if err != nil {
		return err
	}
	return s.depart(w, r, d)
}

// endSessionPost takes the request by POST and goes on by GET, as authorizePost does:
// a POST from the client's site comes without our SameSite=Lax cookies, and whoever is
// signed in would look as if they were not.
func (s *Server) endSessionPost(w http.ResponseWriter, r *request) error {
	if !r.hasForm() {
		return &pageError{
			status: http.StatusUnsupportedMediaType,
			title:  "This request to sign out is not complete",
			text:   "You have not been signed out.",
			owner:  "The body of the logout request is not application/x-www-form-urlencoded.",
			link:   linkSignOut, linkURL: r.issuer.Issuer + registration.PathEndSession,
		}
	}
	d, err := s.parseLogout(r)
	if err != nil {
		return err
	}
	// Sealed, since an ID token may be too long for a URL, and should be in none.
	sealed, err := r.sealLogout(d, "")
	if err != nil {
		return err
	}
	seeOwn(w, r.issuer, pathSignOut, url.Values{"logout": {sealed}})
	return nil
}

// signOutPage goes on with a logout that came by POST.
func (s *Server) signOutPage(w http.ResponseWriter, r *request) error {
	d, err := s.openLogout(r, &params{values: r.Form})
	if err != nil {
		return err
	}
	return s.depart(w, r, d)
}

// signOutPost takes the person's answer.
func (s *Server) signOutPost(w http.ResponseWriter, r *request) error {
	p := &params{values: r.PostForm}
	d, err := s.openLogout(r, p)
	if err != nil {
		return err
	}
	decision := p.one("decision")
	if problem := p.err(); problem != nil {
		return problem
	}
	kept, err := s.session(r)
	if err != nil {
		return err
	}
	switch {
	case kept == nil:
		return s.signOut(w, r, d, nil)
	case decision == "stay":
		return render(w, http.StatusOK, pages.Notice{
			Base: base(r.issuer), Title: "You are still signed in", Text: "Nothing has changed. You can close this page.",
		})
	case decision != "leave" || !sameSession(d.logout.Asked, kept):
		return s.askToLeave(w, r, d, kept)
	}
	return s.signOut(w, r, d, kept)
}

// depart signs out whoever is signed in, at once if an ID token of theirs came with
// the request, and otherwise if they say so: any site can send a person here.
func (s *Server) depart(w http.ResponseWriter, r *request, d departure) error {
	kept, err := s.session(r)
	switch {
	case err != nil:
		return err
	case kept != nil && !d.isOf(r.issuer, kept):
		return s.askToLeave(w, r, d, kept)
	}
	return s.signOut(w, r, d, kept)
}

// isOf reports whether the request has proven, by an ID token, that it is of the person
// who is signed in. Its sub is the one that its client knows them by.
func (d departure) isOf(by *registry.Issuer, kept *store.Session) bool {
	return d.client != nil && d.logout.Subject != "" && d.logout.Subject == d.client.Subject(by, kept.Subject)
}

// signOut ends the session, which may be nil, and leads on. What was issued with
// offline_access goes on, which is for the time while a person is away.
func (s *Server) signOut(w http.ResponseWriter, r *request, d departure, kept *store.Session) error {
	if kept != nil {
		if err := s.endFor(r, kept); err != nil {
			return unavailable(fmt.Errorf("end session: %w", err))
		}
	}
	if r.cookie(sessionCookie) != "" {
		r.dropCookie(w, sessionCookie)
	}
	if d.to != (registry.PostLogoutURI{}) {
		redirectAfterLogout(w, d.to, string(d.logout.State))
		return nil
	}
	return render(w, http.StatusOK, pages.Notice{
		Base: base(r.issuer), Title: "You are signed out",
		Text: "Apps that sign out together with this page are told. Another one that you have used may still know you, until you sign out there, too.",
	})
}

// askToLeave asks the person. Who they are is for their information: it must be
// possible to sign out while the identity provider does not answer.
func (s *Server) askToLeave(w http.ResponseWriter, r *request, d departure, kept *store.Session) error {
	sealed, err := r.sealLogout(d, hash(kept.ID))
	if err != nil {
		return err
	}
	page := pages.SignOut{Base: base(r.issuer), Action: r.issuer.Issuer + pathSignOut, Logout: sealed}
	if d.client != nil {
		page.Client = d.client.DisplayName()
	}
	l := login{Provider: kept.Provider, PersonID: kept.PersonID}
	if person, err := lookUp(r.Context(), r.issuer, l); err == nil {
		page.Username, page.PersonName = person.Username, person.Name
	}
	return render(w, http.StatusOK, page)
}

func sameSession(asked string, kept *store.Session) bool {
	return subtle.ConstantTimeCompare([]byte(asked), []byte(hash(kept.ID))) == 1
}

// parseLogout reads a logout request. logout_hint and ui_locales mean nothing here.
func (s *Server) parseLogout(r *request) (departure, error) {
	// Form, not PostForm: one parameter in the query and again in the body is a
	// repeated one.
	p := &params{values: r.Form}
	l := logout{
		ClientID: p.one("client_id"), URI: p.one("post_logout_redirect_uri"), State: []byte(p.one("state")),
		ExpiresAt: r.now.Add(flowLifetime),
	}
	raw := p.one("id_token_hint")
	problem := p.err()
	if problem == nil && len(l.State) > maxState {
		problem = oauth.Errorf(oauth.InvalidRequest, "state is longer than %d bytes", maxState)
	}
	if problem != nil {
		return departure{}, r.stays("The logout request is not valid: " + problem.Description + ".")
	}
	// OpenID Connect RP-Initiated Logout 1.0 section 4: what does not validate is not
	// used. It may be an ID token whose key is no longer kept.
	if hint, err := r.issuer.Keys.VerifyHint(raw); err == nil {
		// Section 2: client_id, if given, MUST be whom the ID token was issued to.
		if l.ClientID != "" && l.ClientID != hint.ClientID {
			return departure{}, r.stays("The parameter client_id is not the client that the id_token_hint was issued to.")
		}
		l.ClientID, l.Subject = hint.ClientID, hint.Subject
	}
	return s.checkLogout(r, l)
}

// checkLogout looks up what a logout names. Only a registered URI of a client that the
// request identifies becomes a destination (OpenID Connect RP-Initiated Logout 1.0
// section 3).
func (s *Server) checkLogout(r *request, l logout) (departure, error) {
	client, known := s.registry.Client(r.issuer, l.ClientID)
	if l.ClientID != "" && !known && !s.registry.Current() {
		return departure{}, unavailable(errStale)
	}
	switch {
	case !known && l.URI != "":
		return departure{}, r.stays("A logout request with post_logout_redirect_uri needs an id_token_hint that this server " +
			"has issued, or the parameter client_id, of a client that is registered here.")
	case !known:
		l.Subject = "" // what was issued to a client that is gone proves nothing
		return departure{logout: l}, nil
	}
	r.client = client
	to, ok := client.PostLogout(l.URI)
	switch {
	case l.URI == "" || ok:
		return departure{logout: l, client: client, to: to}, nil
	case !s.registry.Current():
		return departure{}, unavailable(errStale)
	}
	problem := r.stays("The parameter post_logout_redirect_uri is none of the client's, byte for byte. Correct it in the app, or add it to " +
		"spec.postLogoutRedirectURIs of the OAuthClient. Its client_id is " + client.ID() + ", in the namespace " + client.Namespace() + ".")
	problem.sent = showable(l.URI)
	return departure{}, problem
}

const linkSignOut = "Sign out here"

// stays is the page for a logout request that is not obeyed. The person can go on
// without what was wrong in it.
func (r *request) stays(owner string) *pageError {
	return &pageError{
		status: http.StatusBadRequest,
		title:  "You have not been signed out",
		text:   "The app has asked for it in a way that is not valid. Tell the app's owner what stands below.",
		owner:  owner,
		link:   linkSignOut, linkURL: r.issuer.Issuer + registration.PathEndSession,
	}
}

// sealLogout returns d as it travels. asked is of the form alone; see logout.Asked.
func (r *request) sealLogout(d departure, asked string) (string, error) {
	d.logout.Asked = asked
	return r.issuer.Box.Seal(seal.Logout, d.logout, r.now)
}

// openLogout takes up a logout that comes back to one of our pages.
func (s *Server) openLogout(r *request, p *params) (departure, error) {
	var l logout
	err := r.issuer.Box.Open(seal.Logout, p.one("logout"), &l)
	if err == nil && !r.now.Before(l.ExpiresAt) {
		err = errExpired
	}
	switch {
	case errors.Is(err, seal.ErrInvalid), errors.Is(err, errExpired):
		return departure{}, &pageError{
			status: http.StatusBadRequest, cause: err,
			title: "This page is no longer valid",
			text:  "It may be too old, or a bookmark. You have not been signed out by it.",
			link:  linkSignOut, linkURL: r.issuer.Issuer + registration.PathEndSession,
		}
	case err != nil:
		return departure{}, err
	}
	return s.checkLogout(r, l)
}
