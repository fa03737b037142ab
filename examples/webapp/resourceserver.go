// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// resourceServer decides who may call an API. It needs the issuer's URL, its JWK
// set and the API's own name, which is the audience; it asks the issuer for nothing
// else, and shares no secret with it.
type resourceServer struct {
	verifier *oidc.IDTokenVerifier
}

// newResourceServer returns a guard for the API of that audience. nil for now means
// time.Now.
func newResourceServer(issuer, audience string, keys oidc.KeySet, now func() time.Time) *resourceServer {
	// go-oidc's verifier checks signature, iss, aud and exp, which is all that access
	// tokens and ID tokens have in common. ClientID is what it looks for in aud.
	return &resourceServer{oidc.NewVerifier(issuer, keys, &oidc.Config{
		ClientID:             audience,
		SupportedSigningAlgs: []string{oidc.ES256, oidc.RS256, oidc.PS256, oidc.EdDSA},
		Now:                  now,
	})}
}

// caller is whom an access token speaks for, and what it allows.
type caller struct {
	Subject  string   `json:"sub"`
	ClientID string   `json:"client_id"`
	Scope    string   `json:"scope"`
	Name     string   `json:"name,omitempty"`
	Username string   `json:"preferred_username,omitempty"`
	Email    string   `json:"email,omitempty"`
	Groups   []string `json:"groups,omitempty"`
}

// check returns the caller of a request with that Authorization header, if its
// token allows scope. An empty scope asks for none.
func (s *resourceServer) check(ctx context.Context, authorization, scope string) (caller, *challenge) {
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		// RFC 6750 section 3.1: no credentials, no error code.
		return caller{}, &challenge{status: http.StatusUnauthorized}
	}
	verified, err := s.verifier.Verify(ctx, token)
	if err != nil {
		return caller{}, invalidToken("the token is not valid", err)
	}
	// RFC 9068 section 4: an ID token has a valid signature too, and is not for APIs.
	if typ := headerType(token); typ != "at+jwt" && typ != "application/at+jwt" {
		return caller{}, invalidToken("the token is not an access token", fmt.Errorf("typ is %q", typ))
	}
	var c caller
	if err := verified.Claims(&c); err != nil {
		return caller{}, invalidToken("the token is not valid", err)
	}
	if scope != "" && !slices.Contains(strings.Fields(c.Scope), scope) {
		return caller{}, &challenge{
			status: http.StatusForbidden, code: "insufficient_scope", description: "the token does not allow this", scope: scope,
		}
	}
	return c, nil
}

// headerType is the typ of a JWT's header, in lower case.
func headerType(token string) string {
	encoded, _, _ := strings.Cut(token, ".")
	var header struct {
		Type string `json:"typ"`
	}
	if raw, err := base64.RawURLEncoding.DecodeString(encoded); err != nil || json.Unmarshal(raw, &header) != nil {
		return ""
	}
	return strings.ToLower(header.Type)
}

// challenge is a refusal in the words of RFC 6750 section 3.
type challenge struct {
	status                   int
	code, description, scope string
	// cause is for the log. It may repeat what the token says and stays here.
	cause error
}

func invalidToken(description string, cause error) *challenge {
	return &challenge{status: http.StatusUnauthorized, code: "invalid_token", description: description, cause: cause}
}

// write sends c as the answer.
func (c *challenge) write(w http.ResponseWriter) {
	var value strings.Builder
	value.WriteString(`Bearer realm="webapp"`)
	for _, p := range []struct{ name, text string }{
		{"error", c.code}, {"error_description", c.description}, {"scope", c.scope},
	} {
		if p.text != "" {
			fmt.Fprintf(&value, ", %s=%q", p.name, p.text)
		}
	}
	w.Header().Set("WWW-Authenticate", value.String())
	writeJSON(w, c.status, map[string]string{"error": c.code, "error_description": c.description})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the connection is gone, or all is well
}
