// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/oauth"
)

// details are the standard claims of OpenID Connect Core 1.0 section 5.1 that userinfo
// tells, and an ID token only where the client asks for them by name. Tokens go without
// otherwise: an access token is in the header of every request, and an ID token may have
// to fit into a URL.
type details struct {
	aboutPerson
	UpdatedAt           int64    `json:"updated_at,omitempty"`
	Address             *address `json:"address,omitempty"`
	PhoneNumber         string   `json:"phone_number,omitempty"`
	PhoneNumberVerified *bool    `json:"phone_number_verified,omitempty"`
}

// aboutPerson is an identity.About as section 5.1 names it.
type aboutPerson struct {
	GivenName  string `json:"given_name,omitempty"`
	FamilyName string `json:"family_name,omitempty"`
	MiddleName string `json:"middle_name,omitempty"`
	Nickname   string `json:"nickname,omitempty"`
	Profile    string `json:"profile,omitempty"`
	Picture    string `json:"picture,omitempty"`
	Website    string `json:"website,omitempty"`
	Gender     string `json:"gender,omitempty"`
	Birthdate  string `json:"birthdate,omitempty"`
	Zoneinfo   string `json:"zoneinfo,omitempty"`
	Locale     string `json:"locale,omitempty"`
}

// address is an identity.Address as section 5.1.1 names it.
type address struct {
	Formatted     string `json:"formatted,omitempty"`
	StreetAddress string `json:"street_address,omitempty"`
	Locality      string `json:"locality,omitempty"`
	Region        string `json:"region,omitempty"`
	PostalCode    string `json:"postal_code,omitempty"`
	Country       string `json:"country,omitempty"`
}

// standardClaims are those of a person, by the scope that releases them (section 5.4;
// groups is a convention of the field).
var standardClaims = []struct {
	scope  string
	claims []string
}{
	{oauth.ScopeProfile, []string{
		"name", "preferred_username", "given_name", "family_name", "middle_name", "nickname", "profile", "picture",
		"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
	}},
	{oauth.ScopeEmail, []string{"email", "email_verified"}},
	{oauth.ScopeAddress, []string{"address"}},
	{oauth.ScopePhone, []string{"phone_number", "phone_number_verified"}},
	{oauth.ScopeGroups, []string{"groups"}},
}

// releaseDetails is release for what userinfo alone tells.
func releaseDetails(p identity.Person, scopes oauth.Scopes) details {
	var out details
	if scopes.Has(oauth.ScopeProfile) {
		out.aboutPerson = aboutPerson(p.About)
		if !p.UpdatedAt.IsZero() {
			out.UpdatedAt = p.UpdatedAt.Unix()
		}
	}
	if scopes.Has(oauth.ScopeAddress) && p.Address != (identity.Address{}) {
		out.Address = new(address(p.Address))
	}
	if scopes.Has(oauth.ScopePhone) && p.PhoneNumber != "" {
		out.PhoneNumber, out.PhoneNumberVerified = p.PhoneNumber, &p.PhoneNumberVerified
	}
	return out
}

// inEveryIDToken are the claims of a person that need not be asked for by name.
var inEveryIDToken = []string{"name", "preferred_username", "email", "email_verified", "groups"}

// detailNames are those of names that are details, each once and in one order, so that no
// more is remembered than there are.
func detailNames(names []string) []string {
	var out []string
	for _, s := range standardClaims {
		for _, claim := range s.claims {
			if slices.Contains(names, claim) && !slices.Contains(inEveryIDToken, claim) {
				out = append(out, claim)
			}
		}
	}
	return out
}

// only are the details of these names.
func (d details) only(names []string) (map[string]json.RawMessage, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	out, _ := jsonObject(body)
	maps.DeleteFunc(out, func(name string, _ json.RawMessage) bool { return !slices.Contains(names, name) })
	return out, nil
}
