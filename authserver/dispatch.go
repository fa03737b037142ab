// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/internal/registration"
)

// step is what a flow needs next.
type step int

const (
	stepLogin step = iota
	stepConsent
	stepIssue
	// stepTurnAway is for a person whom the client is not for.
	stepTurnAway
)

// errNotAdmitted tells a client that the person is not among those whom its
// registration names.
var errNotAdmitted = oauth.Errorf(oauth.AccessDenied, "the person may not use this client")

// facts are what decides a flow's next step.
type facts struct {
	now time.Time
	// signedIn is whether somebody is signed in at this browser.
	signedIn bool
	authTime time.Time
	// fresh is whether they signed in within this very flow.
	fresh bool
	// other is whether the client expects somebody else.
	other bool
	// admitted is whether the client is for them at all.
	admitted bool
	// covered is whether they have allowed the client all that it asks for.
	covered bool
	// native is whether another program could pose as the client.
	native bool
	// consent is one of registration's constants, when the client has people asked;
	// empty means ConsentOnce.
	consent string
}

// next decides and does no I/O: the prompt, session and consent matrix is one table
// test. Approval is not among its facts: who approves gets the code at once.
func next(f flow, k facts) (step, *oauth.Error) {
	needLogin := !k.signedIn || !k.fresh && (f.PromptLogin || tooOld(f, k) || k.other)
	needConsent := mustAsk(f, k)
	switch {
	case needLogin && f.PromptNone: // OpenID Connect Core 1.0 section 3.1.2.6
		return 0, oauth.Errorf(oauth.LoginRequired, "the person must sign in")
	case needLogin:
		return stepLogin, nil
	case k.other:
		// OpenID Connect Core 1.0 section 3.1.2.1: an error, once somebody else has
		// signed in than the id_token_hint is of.
		return 0, oauth.Errorf(oauth.LoginRequired, "the person is not the one whom the client expects")
	case !k.admitted && f.PromptNone: // RFC 6749 section 4.1.2.1
		return 0, errNotAdmitted
	case !k.admitted:
		return stepTurnAway, nil
	case needConsent && f.PromptNone: // OpenID Connect Core 1.0 section 3.1.2.6
		return 0, oauth.Errorf(oauth.ConsentRequired, "the person must consent")
	case needConsent:
		return stepConsent, nil
	}
	return stepIssue, nil
}

// mustAsk reports whether the person is asked for consent now.
func mustAsk(f flow, k facts) bool {
	switch {
	// The consent page is where somebody who is signed in sees as whom, and can
	// choose another account.
	case f.PromptConsent, f.PromptAccount && !k.fresh:
		return true
	// RFC 8252 section 8.6: another program can pose as a native app, so without
	// interaction it gets nothing.
	case k.native, k.consent == registration.ConsentAlways:
		return true
	case k.consent == registration.ConsentNever:
		return false
	}
	return !k.covered
}

// tooOld reports whether more than max_age has passed since the person signed in
// (OpenID Connect Core 1.0 section 3.1.2.1). A max_age of 0 asks for a new login.
func tooOld(f flow, k facts) bool {
	if f.MaxAge == nil {
		return false
	}
	age := time.Duration(*f.MaxAge) * time.Second
	return age == 0 || k.now.Sub(k.authTime) > age
}

// proceed gathers the facts, lets next decide, and acts.
func (s *Server) proceed(w http.ResponseWriter, r *request, v visit) error {
	who, err := s.visitor(r)
	if err != nil {
		return err
	}
	return s.proceedAs(w, r, v, who)
}

func (s *Server) proceedAs(w http.ResponseWriter, r *request, v visit, who *visitor) error {
	do, err := s.decide(r, v, who)
	if err != nil {
		return err
	}
	if do == stepIssue {
		return s.issueCode(w, r, v, who)
	}
	s.bind(w, r, &v.flow)
	return r.goTo(w, do.page(), v)
}

// page is where a person is asked, or told, what the step is about.
func (s step) page() string {
	switch s {
	case stepConsent:
		return pathConsent
	case stepTurnAway:
		return pathDenied
	case stepLogin, stepIssue: // the client gets a code without a page
	}
	return pathLogin
}

// onPage takes up a flow at one of our pages and shows that, if the page is for the
// step that the flow is at. Otherwise the flow goes on from where it is.
func (s *Server) onPage(w http.ResponseWriter, r *request, at step, show func(visit, *visitor) error) error {
	p := &params{values: r.Form}
	v, err := s.openVisit(r, p.one("flow"))
	if err != nil {
		return err
	}
	who, err := s.visitor(r)
	if err != nil {
		return err
	}
	do, err := s.decide(r, v, who)
	if err != nil {
		return err
	}
	if do != at {
		return s.proceedAs(w, r, v, who)
	}
	return show(v, who)
}

// decide is next, with its facts looked up. who may be nil.
func (s *Server) decide(r *request, v visit, who *visitor) (step, error) {
	k := facts{now: r.now}
	if who != nil {
		covered, err := s.covered(r, v, who)
		if err != nil {
			return 0, err
		}
		k = facts{
			now: r.now, signedIn: true, authTime: who.AuthTime,
			fresh: who.signIn != "" && who.signIn == v.flow.SignIn, other: v.expectsOther(r.issuer, who), covered: covered,
			admitted: v.client.Admits(who.person), native: v.native(), consent: v.client.Consent(),
		}
	}
	do, problem := next(v.flow, k)
	denied := do == stepTurnAway || problem != nil && problem.Code == oauth.AccessDenied
	if denied && !s.registry.Current() {
		// The registration may have come to name them.
		return 0, unavailable(errStale)
	}
	if problem != nil {
		return 0, v.refuse(problem)
	}
	return do, nil
}

// expectsOther reports whether the client has said, by an ID token or a sub, that it
// expects somebody else. It does so by the sub that it knows the person by.
func (v visit) expectsOther(by *registry.Issuer, who *visitor) bool {
	return v.flow.Expected != "" && v.flow.Expected != v.client.Subject(by, who.Subject)
}

// native reports whether another program could pose as the client. A secret proves
// who it is, and so does an https redirect.
func (v visit) native() bool {
	return v.client.Public() && !strings.HasPrefix(v.to.String(), "https://")
}

// covered reports whether the person has allowed the client all that it asks for.
func (s *Server) covered(r *request, v visit, who *visitor) (bool, error) {
	if v.client.Consent() != registration.ConsentOnce {
		return false, nil // what was allowed before does not count
	}
	// A client that was deleted and created anew is another client.
	covers := func(c store.Consent) bool {
		return c.ClientUID == v.client.UID() && oauth.Scopes(c.Scopes).Covers(v.flow.Scopes)
	}
	at := consentKey{r.issuer.Name, who.Subject, v.client.ID()}
	c, asked, ok := s.consents.get(at, s.now())
	if ok && covers(c) {
		return true, nil
	}
	c, err := s.store.Consent(r.Context(), r.issuer.Name, who.Subject, v.client.ID())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, unavailable(fmt.Errorf("read consent: %w", err))
	}
	s.consents.put(at, c, asked)
	return covers(c), nil
}
