// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/pages"
	"github.com/clientele-dev/clientele/internal/credential"
)

// loginPage asks for username and password. It does so even when somebody is
// signed in: this is also the way to another account.
func (s *Server) loginPage(w http.ResponseWriter, r *request) error {
	p := &params{values: r.Form}
	v, err := s.openVisit(r, p.one("flow"))
	if err != nil {
		return err
	}
	page, err := r.newLoginPage(v)
	if err != nil {
		return err
	}
	who, err := s.visitor(r)
	if err != nil {
		return err
	}
	if who == nil {
		return render(w, http.StatusOK, page)
	}
	if page.Username == "" && v.flow.PromptLogin {
		page.Username = who.person.Username
	}
	if v.expectsOther(r.issuer, who) {
		page.Other = who.person.Username
	}
	do, err := s.decide(r, v, who)
	if err != nil {
		return err
	}
	if do == stepConsent || do == stepIssue {
		page.Current = who.person.Username
		page.CurrentURL = r.issuer.Issuer + pathConsent + "?" + url.Values{"flow": {page.Flow}}.Encode()
	}
	return render(w, http.StatusOK, page)
}

// loginPost verifies a person, begins their session and goes on with the flow.
func (s *Server) loginPost(w http.ResponseWriter, r *request) error {
	p := &params{values: r.PostForm}
	v, err := s.openVisit(r, p.one("flow"))
	if err != nil {
		return err
	}
	username, password := p.one("username"), credential.New(p.one("password"))
	if problem := p.err(); problem != nil {
		return problem
	}
	person, err := s.authenticate(r, username, password)
	switch {
	case errors.Is(err, identity.ErrRefused):
		return r.loginAgain(w, v, username)
	case err != nil:
		return r.again(v, pathLogin, err)
	}
	who, err := s.signIn(w, r, person)
	if err != nil {
		return r.again(v, pathLogin, err)
	}
	// From here on they are signed in, whatever follows: a page that asks again would
	// make them do it twice.
	v.flow.SignIn = who.signIn
	return r.again(v, pathConsent, s.proceedAs(w, r, v, who))
}

// authenticate returns the person, or identity.ErrRefused, or what to answer.
func (s *Server) authenticate(r *request, username string, password credential.Secret) (identity.Person, error) {
	if r.issuer.Provider == nil {
		s.metrics.login("unavailable")
		return identity.Person{}, unavailable(errNoProvider)
	}
	person, err := r.issuer.Provider.Authenticate(r.Context(), username, password)
	switch {
	case err == nil:
		s.metrics.login("success")
		return person, nil
	case errors.Is(err, identity.ErrRefused):
		s.metrics.login("refused")
		return identity.Person{}, err
	case errors.Is(err, identity.ErrBusy):
		s.metrics.login("busy")
	default:
		s.metrics.login("unavailable")
	}
	return identity.Person{}, unavailable(err)
}

// loginAgain shows the page again after a refusal, in words that are the same
// whether there is such a user or not. The status is 403: 401 would need a
// challenge (RFC 9110 section 15.5.2), and 200 makes a browser offer to save a
// password that was wrong.
func (r *request) loginAgain(w http.ResponseWriter, v visit, username string) error {
	page, err := r.newLoginPage(v)
	if err != nil {
		return err
	}
	page.Username, page.Failed = username, true
	return render(w, http.StatusForbidden, page)
}

func (r *request) newLoginPage(v visit) (pages.Login, error) {
	sealed, err := r.seal(v, "")
	return pages.Login{
		Base:     base(r.issuer),
		Client:   v.client.DisplayName(),
		Action:   r.issuer.Issuer + pathLogin,
		Flow:     sealed,
		Username: v.flow.Hint,
	}, err
}
