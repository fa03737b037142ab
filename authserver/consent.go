// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/pages"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/store"
)

// consentPage asks whether the client may have what it asks for.
func (s *Server) consentPage(w http.ResponseWriter, r *request) error {
	return s.onPage(w, r, stepConsent, func(v visit, who *visitor) error {
		page, err := r.newConsentPage(v, who)
		if err != nil {
			return err
		}
		allowPicture(w, v.client.LogoOrigin())
		return render(w, http.StatusOK, page)
	})
}

// consentPost takes the answer: back to the client, with a code or without.
func (s *Server) consentPost(w http.ResponseWriter, r *request) error {
	p := &params{values: r.PostForm}
	v, err := s.openVisit(r, p.one("flow"))
	if err != nil {
		return err
	}
	decision := p.one("decision")
	if problem := p.err(); problem != nil {
		return problem
	}
	switch decision {
	case "allow":
		return r.again(v, pathConsent, s.allow(w, r, v))
	case "deny":
		// RFC 6749 section 4.1.2.1. Whoever is signed in by now, nothing is given away.
		return v.refuse(oauth.Errorf(oauth.AccessDenied, "the person denied the request"))
	}
	return r.again(v, pathConsent, s.proceed(w, r, v))
}

// allow gives the client what it asked for, if who is signed in is who was asked:
// in another tab, somebody else may have signed in since, or the session may have
// ended, or become too old for max_age, or the client no longer be for this person.
func (s *Server) allow(w http.ResponseWriter, r *request, v visit) error {
	who, err := s.visitor(r)
	if err != nil {
		return err
	}
	do, err := s.decide(r, v, who)
	if err != nil {
		return err
	}
	if do != stepConsent && do != stepIssue || v.flow.Asked != who.Subject {
		return s.proceedAs(w, r, v, who)
	}
	if err := s.store.Allow(r.Context(), store.Consent{
		Issuer: r.issuer.Name, Subject: who.Subject, Provider: who.Provider, PersonID: who.PersonID,
		ClientID: v.client.ID(), ClientUID: v.client.UID(), Scopes: v.flow.Scopes, GivenAt: r.now,
	}); err != nil {
		return unavailable(fmt.Errorf("keep consent: %w", err))
	}
	return s.issueCode(w, r, v, who)
}

func (r *request) newConsentPage(v visit, who *visitor) (pages.Consent, error) {
	here, err := r.seal(v, "")
	if err != nil {
		return pages.Consent{}, err
	}
	sealed, err := r.seal(v, who.Subject)
	page := pages.Consent{
		Base:        base(r.issuer),
		Client:      v.client.DisplayName(),
		Namespace:   v.client.Namespace(),
		Destination: destination(v.to),
		Username:    who.person.Username,
		PersonName:  who.person.Name,
		Action:      r.issuer.Issuer + pathConsent,
		SwitchURL:   r.loginURL(here),
		Flow:        sealed,
		LogoURL:     v.client.LogoURI(),
		HomeURL:     v.client.HomeURI(),
		PolicyURL:   v.client.PolicyURI(),
		TermsURL:    v.client.TermsURI(),
	}
	for _, scope := range v.flow.Scopes {
		page.Scopes = append(page.Scopes, r.issuer.Describe(scope))
	}
	for _, resource := range v.flow.Resources {
		if resource != ownAudience(v.client) {
			page.Audiences = append(page.Audiences, resource)
		}
	}
	return page, err
}

// loginURL is the way to another account.
func (r *request) loginURL(flow string) string {
	return r.issuer.Issuer + pathLogin + "?" + url.Values{"flow": {flow}}.Encode()
}

// destination is what tells a person where a redirect URI leads.
func destination(to registry.RedirectURI) pages.Destination {
	u, err := url.Parse(to.String())
	switch {
	case err != nil:
		return pages.Destination{}
	case u.Scheme == "https":
		return pages.Destination{Host: u.Host}
	case u.Scheme == "http":
		// Only loopback addresses are registered with http.
		return pages.Destination{Host: u.Host, Local: true}
	}
	return pages.Destination{Scheme: u.Scheme}
}
