// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/clientele-dev/clientele/authserver/oauth"
)

const (
	// maxClaims is how long a claims parameter may be, in bytes. It bounds its depth, too.
	maxClaims = 4096
	// maxSubject is OpenID Connect Core 1.0 section 2's.
	maxSubject = 255
)

// claimsRequest is what a claims parameter asks for (OpenID Connect Core 1.0 section
// 5.5), as far as it means something here.
type claimsRequest struct {
	// names are those of all claims, for userinfo and for the ID token.
	names []string
	// idToken are those for the ID token.
	idToken []string
	// subject is the only person that the client wants to hear of, or empty.
	subject string
	// classes are those of which one is essential, as acr; nil if none is.
	classes []string
}

// wantedClaim is one member (section 5.5.1).
type wantedClaim struct {
	essential bool
	// values are those of value or of values.
	values []string
}

var errClaims = oauth.Errorf(oauth.InvalidRequest, "claims is not the JSON object of OpenID Connect Core 1.0 section 5.5")

// parseClaims reads a claims parameter. Members that it does not know are ignored.
func parseClaims(raw string) (claimsRequest, *oauth.Error) {
	var out claimsRequest
	switch {
	case raw == "":
		return out, nil
	case len(raw) > maxClaims:
		return out, oauth.Errorf(oauth.InvalidRequest, "claims is longer than %d bytes", maxClaims)
	case !utf8.ValidString(raw):
		return out, errClaims
	}
	places, ok := jsonObject([]byte(raw))
	if !ok || places == nil {
		return out, errClaims
	}
	for _, place := range []string{"userinfo", "id_token"} {
		members, ok := jsonObject(places[place])
		if !ok {
			return out, errClaims
		}
		for name, member := range members {
			wanted, ok := parseWanted(member)
			if !ok {
				return out, errClaims
			}
			if problem := out.add(place, name, wanted); problem != nil {
				return out, problem
			}
		}
	}
	return out, nil
}

func (c *claimsRequest) add(place, name string, wanted wantedClaim) *oauth.Error {
	c.names = append(c.names, name)
	if place == "id_token" {
		c.idToken = append(c.idToken, name)
	}
	switch {
	case name == "sub" && len(wanted.values) > 0:
		only := wanted.values[0]
		if len(wanted.values) > 1 || only == "" || len(only) > maxSubject || c.subject != "" && c.subject != only {
			return oauth.Errorf(oauth.InvalidRequest, "claims asks for no sub that one person can have")
		}
		c.subject = only
	case name == "acr" && place == "id_token" && wanted.essential && len(wanted.values) > 0:
		c.classes = wanted.values
	}
	return nil
}

// jsonObject returns an object's members by their exact names, and nil for what is
// missing or null.
func jsonObject(raw []byte) (map[string]json.RawMessage, bool) {
	if raw == nil {
		return nil, true
	}
	var out map[string]json.RawMessage
	err := json.Unmarshal(raw, &out)
	return out, err == nil
}

func parseWanted(raw []byte) (wantedClaim, bool) {
	var out wantedClaim
	members, ok := jsonObject(raw)
	if !ok {
		return out, false
	}
	if m, is := members["essential"]; is && json.Unmarshal(m, &out.essential) != nil {
		return out, false
	}
	if m, is := members["values"]; is {
		var all []any
		if json.Unmarshal(m, &all) != nil {
			return out, false
		}
		out.values = texts(all)
	}
	if m, is := members["value"]; is {
		var one any
		if json.Unmarshal(m, &one) != nil {
			return out, false
		}
		out.values = append(out.values, texts([]any{one})...)
	}
	return out, true
}

// texts are the strings among values. Something else is the empty string, which no sub
// and no acr is.
func texts(values []any) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i], _ = v.(string)
	}
	return out
}

// claimedScopes are the scopes that claims belong to, of those that a client is
// registered for. A claim is asked for by its scope, and so never comes to a client
// that is not registered for it, or without the person's consent to it.
func claimedScopes(names []string, registered oauth.Scopes) oauth.Scopes {
	var out oauth.Scopes
	for _, s := range standardClaims {
		asked := slices.ContainsFunc(s.claims, func(claim string) bool { return slices.Contains(names, claim) })
		if asked && registered.Has(s.scope) {
			out = append(out, s.scope)
		}
	}
	return out
}

// readClaims takes a claims parameter into a flow that has read everything else but
// the hint.
func (r *request) readClaims(raw string, f *flow) *oauth.Error {
	if !f.Scopes.Has(oauth.ScopeOpenID) {
		return nil // the parameter is OpenID Connect's
	}
	asked, problem := parseClaims(raw)
	if problem != nil {
		return problem
	}
	switch {
	case asked.classes != nil && r.issuer.Provider == nil:
		return unavailable(errNoProvider)
	case asked.classes != nil && !slices.Contains(asked.classes, r.issuer.Provider.Means().Class):
		// Section 5.5.1.1: MUST be treated as a failed authentication.
		return oauth.Errorf(oauth.UnmetAuthenticationRequirements, "claims has an essential acr that cannot be had here")
	}
	f.Scopes = f.Scopes.Union(claimedScopes(asked.names, r.client.Scopes()))
	f.IDClaims = detailNames(asked.idToken)
	// Section 5.5.1: only for the person of this sub.
	f.Expected = asked.subject
	return nil
}
