// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/internal/registration"
)

func TestParseClaims(t *testing.T) {
	for raw, want := range map[string]claimsRequest{
		``:   {},
		`{}`: {},
		` {"userinfo":{"email":null,"groups":{}},"id_token":null,"other":1}`:     {names: []string{"email", "groups"}},
		`{"UserInfo":{"email":null}}`:                                            {},
		`{"id_token":{"phone_number":{"essential":true,"x":[]}}}`:                {names: []string{"phone_number"}},
		`{"userinfo":{"sub":{"value":"a"}},"id_token":{"sub":{"values":["a"]}}}`: {names: []string{"sub", "sub"}, subject: "a"},
		`{"id_token":{"sub":null}}`:                                              {names: []string{"sub"}},
		`{"id_token":{"acr":{"essential":true,"values":["x","y"]}}}`:             {names: []string{"acr"}, classes: []string{"x", "y"}},
		`{"id_token":{"acr":{"essential":true,"value":"x"}}}`:                    {names: []string{"acr"}, classes: []string{"x"}},
		`{"id_token":{"acr":{"essential":true,"value":1}}}`:                      {names: []string{"acr"}, classes: []string{""}},
		`{"id_token":{"acr":{"essential":true}}}`:                                {names: []string{"acr"}},
		`{"id_token":{"acr":{"values":["x"]}}}`:                                  {names: []string{"acr"}},
		`{"userinfo":{"acr":{"essential":true,"values":["x"]}}}`:                 {names: []string{"acr"}},
		`{"userinfo":{"email":{"value":{"a":[1]}}}}`:                             {names: []string{"email"}},
	} {
		got, problem := parseClaims(raw)
		slices.Sort(got.names)
		got.idToken = nil // TestIDClaims
		if problem != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", raw, got, problem, want)
		}
	}
	for _, raw := range []string{
		`x`, `null`, `[]`, `"a"`, `{`, `{} {}`, `{"userinfo":[]}`, `{"userinfo":1}`, `{"id_token":{"email":true}}`,
		`{"id_token":{"email":{"essential":"yes"}}}`, `{"id_token":{"acr":{"values":"x"}}}`, "{\"userinfo\":{\"\xff\":null}}",
		`{"id_token":{"sub":{"value":""}}}`, `{"id_token":{"sub":{"value":1}}}`, `{"id_token":{"sub":{"values":["a","b"]}}}`,
		`{"userinfo":{"sub":{"value":"a"}},"id_token":{"sub":{"value":"b"}}}`,
		`{"id_token":{"sub":{"value":"` + strings.Repeat("x", maxSubject+1) + `"}}}`,
		`{"a":"` + strings.Repeat("x", maxClaims) + `"}`, strings.Repeat(`{"userinfo":`, 300) + strings.Repeat("}", 300),
		strings.Repeat("[", maxClaims),
	} {
		if got, problem := parseClaims(raw); problem == nil || problem.Code != oauth.InvalidRequest {
			t.Errorf("%.80s: %+v, %v, want invalid_request", raw, got, problem)
		}
	}
}

// TestClaimedScopes: a claim comes by its own scope, and only if that is registered.
func TestClaimedScopes(t *testing.T) {
	for _, s := range standardClaims {
		for _, claim := range s.claims {
			names := []string{"unknown", claim, claim}
			if got := claimedScopes(names, oauth.Scopes{"openid", s.scope}); !slices.Equal(got, oauth.Scopes{s.scope}) {
				t.Errorf("%s belongs to %v, want %s", claim, got, s.scope)
			}
			others := oauth.Scopes{"openid", "offline_access", claim + "x"}
			for _, o := range standardClaims {
				if o.scope != s.scope {
					others = append(others, o.scope)
				}
			}
			if got := claimedScopes(names, others); len(got) != 0 {
				t.Errorf("%s gives %v to a client without %s", claim, got, s.scope)
			}
		}
	}
	for _, name := range []string{"sub", "acr", "auth_time", "openid", "offline_access", "profiles", "Name", ""} {
		if got := claimedScopes([]string{name}, append(slices.Clone(allScopes), "api:read")); len(got) != 0 {
			t.Errorf("%q gives %v", name, got)
		}
	}
}

// TestClaims_Scopes: the person is asked for what claims ask for, as for scopes, and
// what the client is not registered for it does not get.
func TestClaims_Scopes(t *testing.T) {
	w := newWorld(t)
	w.addClient("wiki", func(r *registration.Client) { r.Scopes = []string{"openid", "email", "phone", "offline_access"} })
	b := w.newBrowser()
	q := with(validRequest(), "scope", "openid offline_access", "claims",
		`{"userinfo":{"phone_number":{"essential":true},"name":{"essential":true}},"id_token":{"email":null,"groups":null,"address":null}}`)
	page := b.begin(q).loginAs("alice", alicePass).is("consent").has("see your email address").has("see your phone number")
	for _, other := range []string{"see your profile", "see which groups", "postal"} {
		if strings.Contains(page.body, other) {
			t.Errorf("the page asks for %q", other)
		}
	}
	a := w.token(redemption(page.decide("allow").is("code").param("code"))).ok()
	for _, a := range []answer{a, w.token(refreshing(a.str("refresh_token"))).ok()} {
		if a.JSON["scope"] != "openid offline_access email phone" {
			t.Errorf("scope is %v", a.JSON["scope"])
		}
		info := w.userinfo(a.str("access_token")).ok().JSON
		if info["phone_number"] == nil || info["email"] == nil || a.claims("id_token")["email"] == nil {
			t.Errorf("userinfo %v, ID token %v", info, a.claims("id_token"))
		}
		for _, name := range []string{"name", "preferred_username", "groups", "address"} {
			if info[name] != nil || a.claims("id_token")[name] != nil || a.claims("access_token")[name] != nil {
				t.Errorf("%s was released", name)
			}
		}
	}
	b.begin(q).is("code") // it is remembered

	// Nobody has allowed another person's.
	other := w.newBrowser()
	other.begin(with(q, "claims", "")).loginAs("bob", bobPass).is("consent").decide("allow").is("code")
	other.begin(with(q, "prompt", "none")).is("redirect consent_required")
	other.begin(with(q, "claims", "{")).is("redirect invalid_request")

	// Without openid, claims mean nothing.
	page = w.newBrowser().begin(with(q, "scope", "email", "claims", "{")).loginAs("alice", alicePass).is("code")
	if a := w.token(redemption(page.param("code"))).ok(); a.JSON["scope"] != "email" {
		t.Errorf("scope is %v", a.JSON["scope"])
	}
}

// TestClaims_Subject: OpenID Connect Core 1.0 section 5.5.1, as with an id_token_hint.
func TestClaims_Subject(t *testing.T) {
	w := newWorld(t)
	b, hint := w.hinted()
	claims := func(id string) string {
		return `{"id_token":{"sub":{"value":"` + identity.Subject(mainIssuer, "staff", "id-"+id) + `"}}}`
	}
	b.begin(with(validRequest(), "claims", claims("alice"), "prompt", "none")).is("code")
	b.begin(with(validRequest(), "claims", claims("bob"), "prompt", "none")).is("redirect login_required")
	b.begin(with(validRequest(), "claims", claims("bob"))).is("login").loginAs("alice", alicePass).is("redirect login_required")
	b.begin(expecting(hint, "claims", claims("alice"), "prompt", "none")).is("code")
	b.begin(expecting(hint, "claims", claims("bob"))).is("redirect invalid_request")
	b.begin(with(validRequest(), "claims", claims("bob"))).is("login").loginAs("bob", bobPass).is("consent").decide("allow").is("code")
}

// TestClaims_Class: section 5.5.1.1.
func TestClaims_Class(t *testing.T) {
	w := newWorld(t)
	b, _ := w.hinted()
	ours := identity.Password().Class
	for claims, want := range map[string]string{
		`{"id_token":{"acr":{"essential":true,"values":["x","` + ours + `"]}}}`: "code",
		`{"id_token":{"acr":{"essential":true}}}`:                               "code",
		`{"id_token":{"acr":{"values":["x"]}}}`:                                 "code",
		`{"id_token":{"auth_time":{"essential":true}}}`:                         "code",
		`{"id_token":{"acr":{"essential":true,"values":["x"]}}}`:                "redirect unmet_authentication_requirements",
		`{"id_token":{"acr":{"essential":true,"value":"x"}}}`:                   "redirect unmet_authentication_requirements",
	} {
		b.begin(with(validRequest(), "claims", claims)).is(want)
	}
}

// FuzzParseClaims: whatever is sent, it is read within its bounds or refused, and gives
// no scope that is not registered.
func FuzzParseClaims(f *testing.F) {
	for _, raw := range []string{
		`{"userinfo":{"name":{"essential":true},"email":null},"id_token":{"sub":{"value":"a"}}}`,
		`{"id_token":{"acr":{"essential":true,"values":["1","2"]},"auth_time":{"essential":true}}}`,
		`{"userinfo":{"address":{"value":{"a":[1]}},"phone_number#de":{}}}`, `{"userinfo":[]}`, `null`, "{\"\xff\":0}",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, problem := parseClaims(raw)
		if problem != nil {
			if problem.Code != oauth.InvalidRequest || !descriptionChars.MatchString(problem.Description) {
				t.Errorf("%q: %v", raw, problem)
			}
			return
		}
		if len(raw) > maxClaims || len(got.subject) > maxSubject || len(got.names) > maxClaims {
			t.Errorf("%q became %+v", raw, got)
		}
		registered := oauth.Scopes{"openid", "email", "address"}
		if scopes := claimedScopes(got.names, registered); !registered.Covers(scopes) || scopes.Has("openid") {
			t.Errorf("%q gives %q", raw, scopes)
		}
		again, problem := parseClaims(raw)
		for _, names := range [][]string{got.names, again.names, got.idToken, again.idToken} {
			slices.Sort(names) // an object's members have no order
		}
		if problem != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%q became %+v and then %+v", raw, got, again)
		}
	})
}
