// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/internal/registration"
)

func claiming(claims string, changes ...string) url.Values {
	return with(with(validRequest(), "scope", "openid offline_access", "claims", claims), changes...)
}

// TestIDClaims: what is asked for by name in id_token is in the ID token, after a refresh
// too, if its scope is the client's; and nothing else of that scope is.
func TestIDClaims(t *testing.T) {
	w := newWorld(t)
	w.addClient("wiki", func(r *registration.Client) { r.Scopes = append(slices.Clone(allScopes), "address", "phone") })
	for name, row := range map[string]struct {
		claims string
		want   []string // of all that could be
	}{
		"none":              {`{}`, nil},
		"for userinfo":      {`{"userinfo":{"phone_number":null,"given_name":null}}`, nil},
		"one":               {`{"id_token":{"phone_number":{"essential":true}}}`, []string{"phone_number"}},
		"of three scopes":   {`{"id_token":{"locale":null,"address":null,"phone_number_verified":null}}`, []string{"locale", "address", "phone_number_verified"}},
		"in both places":    {`{"id_token":{"locale":null},"userinfo":{"birthdate":null}}`, []string{"locale"}},
		"what is no claim":  {`{"id_token":{"exp":null,"iss":{"value":"x"},"more":null,"locale ":null}}`, nil},
		"one of every kind": {`{"id_token":{"updated_at":null,"name":null,"email":null}}`, []string{"updated_at"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			a := w.token(redemption(w.codeFor(claiming(row.claims)))).ok()
			info := w.userinfo(a.str("access_token")).ok()
			for _, a := range []answer{a, w.token(refreshing(a.str("refresh_token"))).ok()} {
				id, access := a.claims("id_token"), a.claims("access_token")
				for _, s := range standardClaims {
					for _, claim := range s.claims {
						if slices.Contains(inEveryIDToken, claim) {
							continue
						}
						if _, is := id[claim]; is != slices.Contains(row.want, claim) {
							t.Errorf("%s: in the ID token: %t", claim, is)
						}
						if _, is := access[claim]; is {
							t.Errorf("%s is in the access token", claim)
						}
					}
				}
				if id["iss"] != mainIssuer || id["sub"] != info.JSON["sub"] {
					t.Errorf("the ID token is of %v, %v", id["iss"], id["sub"])
				}
			}
			for _, claim := range row.want {
				if info.JSON[claim] == nil {
					t.Errorf("%s is not at /userinfo", claim)
				}
			}
		})
	}
}

// TestIDClaims_NotGranted: by its name, a claim comes no more than by its scope.
func TestIDClaims_NotGranted(t *testing.T) {
	w := newWorld(t) // wiki is registered for neither address nor phone
	a := w.token(redemption(w.codeFor(claiming(`{"id_token":{"address":null,"phone_number":null,"locale":null}}`)))).ok()
	if id := a.claims("id_token"); id["address"] != nil || id["phone_number"] != nil || id["locale"] != "de-AT" {
		t.Errorf("the ID token says %v", id)
	}
	// Without profile, the same ID claims are worth nothing.
	fresh := w.token(with(refreshing(a.str("refresh_token")), "scope", "openid")).ok()
	if id := fresh.claims("id_token"); id["locale"] != nil {
		t.Errorf("with openid alone, the ID token says %v", id)
	}
	w.addClient("wiki", func(r *registration.Client) { r.Scopes = []string{"openid", "offline_access"} })
	if id := w.token(refreshing(fresh.str("refresh_token"))).ok().claims("id_token"); id["locale"] != nil {
		t.Errorf("after the registration has lost profile, the ID token says %v", id)
	}
	w.token(refreshing(a.str("refresh_token"))).refused(http.StatusBadRequest, "invalid_grant")
}

func TestDetailNames(t *testing.T) {
	got := detailNames([]string{"locale", "name", "locale", "email", "given_name", "acr", "Locale", "groups"})
	if !slices.Equal(got, []string{"given_name", "locale"}) {
		t.Errorf("got %v", got)
	}
	var all []string
	for _, s := range standardClaims {
		all = append(all, s.claims...)
		if s.scope != oauth.ScopeEmail && s.scope != oauth.ScopeGroups && len(detailNames(s.claims)) == 0 {
			t.Errorf("%s has no details", s.scope)
		}
	}
	if got := detailNames(all); len(got) != len(all)-len(inEveryIDToken) {
		t.Errorf("%d of %d", len(got), len(all))
	}
}
