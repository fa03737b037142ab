// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"

	"github.com/clientele-dev/clientele/authserver/pages"
)

// deniedPage tells a person that the client is not for them, and lets them choose
// another account. Only then does the client hear of it: an app that is told at once
// sends its person here again, where they would be signed in as before.
func (s *Server) deniedPage(w http.ResponseWriter, r *request) error {
	return s.onPage(w, r, stepTurnAway, func(v visit, who *visitor) error {
		sealed, err := r.seal(v, "")
		if err != nil {
			return err
		}
		r.code = "not_admitted" // for the log: no client has heard of it yet
		return render(w, http.StatusForbidden, pages.Denied{
			Base:      base(r.issuer),
			Client:    v.client.DisplayName(),
			Username:  who.person.Username,
			Action:    r.issuer.Issuer + pathDenied,
			Flow:      sealed,
			SwitchURL: r.loginURL(sealed),
		})
	})
}

// deniedPost sends the person back to the client. Whoever is signed in by now,
// nothing is given away.
func (s *Server) deniedPost(_ http.ResponseWriter, r *request) error {
	p := &params{values: r.PostForm}
	v, err := s.openVisit(r, p.one("flow"))
	if err != nil {
		return err
	}
	return v.refuse(errNotAdmitted)
}
