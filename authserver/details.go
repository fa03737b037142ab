// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/oauth"
)

// details are the standard claims of OpenID Connect Core 1.0 section 5.1 that userinfo
// alone tells. Tokens go without: an access token is in the header of every request,
// and an ID token may have to fit into a URL.
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
