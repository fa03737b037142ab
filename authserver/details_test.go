// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/internal/registration"
)

// wholePerson is somebody of whom everything is known.
var wholePerson = identity.Person{
	ID: "id", Username: "ada", Name: "Ada Lovelace", Email: "ada@example.com", Groups: []string{"staff"},
	About: identity.About{
		GivenName: "Ada", FamilyName: "Lovelace", MiddleName: "King", Nickname: "A.", Profile: "https://a.example/p",
		Picture: "https://a.example/i", Website: "https://a.example/w", Gender: "female", Birthdate: "1815-12-10",
		Zoneinfo: "Europe/London", Locale: "en-GB",
	},
	UpdatedAt: time.Unix(1700000000, 0), PhoneNumber: "+4315552368", PhoneNumberVerified: true,
	Address: identity.Address{
		Formatted: "a\nb", StreetAddress: "a", Locality: "b", Region: "c", PostalCode: "d", Country: "e",
	},
}

// told is what userinfo says of a person.
func told(t *testing.T, p identity.Person, scopes oauth.Scopes) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, part := range []any{release(p, scopes), releaseDetails(p, scopes)} {
		b, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestRelease_ByScope: each claim comes with its own scope and with no other, by the
// name and as the kind of OpenID Connect Core 1.0 section 5.1.
func TestRelease_ByScope(t *testing.T) {
	for _, s := range standardClaims {
		got := told(t, wholePerson, oauth.Scopes{oauth.ScopeOpenID, s.scope})
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, slices.Sorted(slices.Values(s.claims))) {
			t.Errorf("%s releases %v, want %v", s.scope, names, s.claims)
		}
	}
	if got := told(t, wholePerson, oauth.Scopes{oauth.ScopeOpenID, oauth.ScopeOfflineAccess, "api:read"}); len(got) != 0 {
		t.Errorf("other scopes release %v", got)
	}
	got := told(t, wholePerson, oauth.Scopes{"profile", "phone", "address"})
	for name, want := range map[string]any{
		"given_name": "Ada", "family_name": "Lovelace", "middle_name": "King", "nickname": "A.", "profile": "https://a.example/p",
		"picture": "https://a.example/i", "website": "https://a.example/w", "gender": "female", "birthdate": "1815-12-10",
		"zoneinfo": "Europe/London", "locale": "en-GB", "updated_at": 1.7e9, "phone_number": "+4315552368", "phone_number_verified": true,
		"address": map[string]any{
			"formatted": "a\nb", "street_address": "a", "locality": "b", "region": "c", "postal_code": "d", "country": "e",
		},
	} {
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

// TestRelease_Unknown: what is not known is left out, and not empty (section 5.3.2).
func TestRelease_Unknown(t *testing.T) {
	got := told(t, identity.Person{ID: "id", Username: "ada"}, oauth.Scopes{"profile", "email", "address", "phone", "groups"})
	if want := map[string]any{"preferred_username": "ada"}; !reflect.DeepEqual(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// TestDetails_AtUserinfoOnly: tokens do not grow by them.
func TestDetails_AtUserinfoOnly(t *testing.T) {
	w := newWorld(t)
	w.addClient("wiki", func(r *registration.Client) { r.Scopes = []string{"openid", "profile", "address", "phone"} })
	a := w.token(redemption(w.codeFor(with(validRequest(), "scope", "openid profile address phone")))).ok()
	info := w.userinfo(a.str("access_token")).ok().JSON
	for _, name := range []string{"given_name", "birthdate", "picture", "updated_at", "address", "phone_number", "phone_number_verified"} {
		if info[name] == nil || a.claims("access_token")[name] != nil || a.claims("id_token")[name] != nil {
			t.Errorf("%s: userinfo %v, access token %v, ID token %v", name, info[name], a.claims("access_token")[name], a.claims("id_token")[name])
		}
	}
}
