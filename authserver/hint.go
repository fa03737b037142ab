// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import "github.com/clientele-dev/clientele/authserver/oauth"

// parseHint reads id_token_hint: whom the client expects (OpenID Connect Core 1.0
// section 3.1.2.1). It may have expired. It must have been issued to this client: what
// is said in one client's tokens is nothing that another one should try out.
//
// One that cannot be verified names nobody, and so nobody can be the right one. With
// prompt=none that is what every client is prepared for, and its key may just be gone;
// otherwise it is an error in the client.
func (s *Server) parseHint(r *request, raw string, f *flow) *oauth.Error {
	if raw == "" {
		return nil
	}
	hint, err := r.issuer.Keys.VerifyHint(raw)
	switch {
	case err == nil && hint.ClientID == r.client.ID() && f.Expected != "" && f.Expected != hint.Subject:
		return oauth.Errorf(oauth.InvalidRequest, "id_token_hint is not of the person whose sub claims asks for")
	case err == nil && hint.ClientID == r.client.ID():
		f.Expected = hint.Subject
		return nil
	case err != nil && !s.registry.Current():
		return unavailable(errStale) // its key may be a new one
	case f.PromptNone:
		return oauth.Errorf(oauth.LoginRequired, "id_token_hint is not, or no longer, known as an ID token of this client").Because(err)
	}
	return oauth.Errorf(oauth.InvalidRequest, "id_token_hint is not, or no longer, known as an ID token of this client").Because(err)
}
