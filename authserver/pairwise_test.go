// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

// publicSub is the sub of alice at clients that are not pairwise.
var publicSub = identity.Subject(mainIssuer, "staff", "id-alice")

func isPairwise(r *registration.Client) { r.Pairwise = true }

// pairwiseWorld is a world in which wiki and shop are pairwise, and twin is of wiki's
// sector.
func pairwiseWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.addClient("wiki", func(r *registration.Client) { r.Pairwise, r.PostLogoutRedirectURIs = true, []string{outURI} })
	w.addClient("shop", isPairwise)
	w.addClient("twin", func(r *registration.Client) {
		r.Pairwise, r.RedirectURIs = true, []string{"https://wiki.example.com/twin"}
	})
	w.addClient("open", nil)
	return w
}

// tokensOf signs alice in at a browser to a client of the world, and returns what it got.
func (w *world) tokensOf(b *browser, name string) answer {
	w.t.Helper()
	uri := "https://" + name + ".example.com/callback"
	if name == "twin" {
		uri = "https://wiki.example.com/twin"
	}
	code := b.codeFor(with(validRequest(), "client_id", "docs."+name, "redirect_uri", uri))
	return w.tokenAs("docs."+name, name+wikiSecret[4:], with(redemption(code), "redirect_uri", uri)).ok()
}

func (a answer) sub(token string) string {
	a.t.Helper()
	sub, _ := a.claims(token)["sub"].(string)
	return sub
}

// TestPairwise_OneSubEverywhere: whatever a client is told of a person, it is by the
// one sub that its sector alone knows.
func TestPairwise_OneSubEverywhere(t *testing.T) {
	w := pairwiseWorld(t)
	b := w.newBrowser()
	a := w.tokensOf(b, "wiki")
	sub := a.sub("id_token")
	if sub == "" || sub == publicSub {
		t.Fatalf("sub is %q", sub)
	}
	w.clock.pass(time.Minute)
	fresh := w.token(refreshing(a.str("refresh_token"))).ok()
	for name, got := range map[string]string{
		"access token":           a.sub("access_token"),
		"userinfo":               w.userinfo(a.str("access_token")).ok().str("sub"),
		"introspection":          w.introspect(a.str("access_token")).active().str("sub"),
		"refreshed ID token":     fresh.sub("id_token"),
		"refreshed access token": fresh.sub("access_token"),
		"refresh token":          w.introspect(fresh.str("refresh_token")).active().str("sub"),
		"another sign-in":        w.tokensOf(w.newBrowser(), "wiki").sub("id_token"),
		"the same sector":        w.tokensOf(b, "twin").sub("id_token"),
	} {
		if got != sub {
			t.Errorf("%s: sub is %s, not %s", name, got, sub)
		}
	}
	for _, token := range []string{"id_token", "access_token"} {
		if said := fmt.Sprint(a.claims(token)); strings.Contains(said, publicSub) {
			t.Errorf("the %s shows the public sub: %s", token, said)
		}
	}
	shop, open := w.tokensOf(b, "shop").sub("id_token"), w.tokensOf(b, "open").sub("id_token")
	if shop == sub || shop == publicSub || open != publicSub {
		t.Errorf("shop knows alice as %s, wiki as %s, a public client as %s", shop, sub, open)
	}
	bob := w.newBrowser()
	p := bob.begin(validRequest()).loginAs("bob", bobPass).decide("allow").is("code")
	if got := w.token(redemption(p.param("code"))).ok().sub("id_token"); got == sub {
		t.Error("alice and bob are one")
	}
}

// TestPairwise_StoreIsPublic: what is stored and what is remembered goes by the public
// sub, so that a change of the client's type leaves grants and consents to whom they are of.
func TestPairwise_StoreIsPublic(t *testing.T) {
	w := pairwiseWorld(t)
	b := w.newBrowser()
	a := w.tokensOf(b, "wiki")
	jti, _ := a.claims("access_token")["jti"].(string)
	grant, err := w.store.Grant(t.Context(), "main", grantID(jti))
	if err != nil || grant.Subject != publicSub {
		t.Errorf("the grant is of %s, %v", grant.Subject, err)
	}
	if _, err := w.store.Consent(t.Context(), "main", publicSub, "docs.wiki"); err != nil {
		t.Errorf("consent: %v", err)
	}
	w.addClient("wiki", nil)
	if got := w.userinfo(a.str("access_token")).ok().str("sub"); got != publicSub {
		t.Errorf("as a public client, wiki knows alice as %s", got)
	}
	b.begin(with(validRequest(), "prompt", "none")).is("code")
}

// TestPairwise_Hint: at /authorize, a client's own ID token is a hint, with prompt=none
// too. Nobody else's is, nor one of before the client became pairwise.
func TestPairwise_Hint(t *testing.T) {
	w := pairwiseWorld(t)
	b := w.newBrowser()
	own := w.tokensOf(b, "wiki").str("id_token")
	for _, prompt := range []string{"", "none"} {
		b.begin(expecting(own, "prompt", prompt)).is("code")
		b.post(mainIssuer+"/authorize", expecting(own, "prompt", prompt), "cross-site").is("code")
	}
	b.begin(expecting(own, "prompt", "login")).is("login").loginAs("alice", alicePass).is("code")
	for _, name := range []string{"shop", "twin", "open"} {
		hint := w.tokensOf(b, name).str("id_token")
		b.begin(expecting(hint)).is("redirect invalid_request")
		b.begin(expecting(hint, "prompt", "none")).is("redirect login_required")
	}
	other := w.newBrowser()
	other.begin(validRequest()).loginAs("bob", bobPass).decide("allow").is("code")
	other.begin(expecting(own, "prompt", "none")).is("redirect login_required")
	other.begin(expecting(own)).is("login").has("expects another account")

	w.addClient("wiki", nil)
	b.begin(expecting(own, "prompt", "none")).is("redirect login_required")
}

// TestPairwise_ClaimedSub: claims names a person by the sub that the client knows.
func TestPairwise_ClaimedSub(t *testing.T) {
	w := pairwiseWorld(t)
	b := w.newBrowser()
	a := w.tokensOf(b, "wiki")
	shop := w.tokensOf(b, "shop").sub("id_token")
	asking := func(sub string) url.Values {
		return with(validRequest(), "prompt", "none", "claims", `{"id_token":{"sub":{"value":"`+sub+`"}}}`)
	}
	b.begin(asking(a.sub("id_token"))).is("code")
	b.begin(with(asking(a.sub("id_token")), "id_token_hint", a.str("id_token"))).is("code")
	b.begin(asking(publicSub)).is("redirect login_required")
	b.begin(asking(shop)).is("redirect login_required")
	b.begin(with(asking(shop), "id_token_hint", a.str("id_token"))).is("redirect invalid_request")
}

// TestPairwise_EndSession: a client's own ID token signs its person out at once.
func TestPairwise_EndSession(t *testing.T) {
	w := pairwiseWorld(t)
	b := w.newBrowser()
	own := w.tokensOf(b, "wiki").str("id_token")
	other := w.newBrowser()
	other.begin(validRequest()).loginAs("bob", bobPass).decide("allow").is("code")
	other.leave(validLogout(own)).is("page OK").has("Sign out?")
	if !other.signedIn() {
		t.Error("alice's ID token has signed bob out")
	}
	b.leave(validLogout(own)).is("redirect ")
	if b.signedIn() {
		t.Error("still signed in")
	}
}

// unsalt takes the salt from the main issuer, as if an older version had made its keys.
func (w *world) unsalt() {
	w.t.Helper()
	set := *keysOf(w.t, "main")
	set.Keys = slices.DeleteFunc(slices.Clone(set.Keys), func(k keys.Key) bool { return k.Kind == keys.Pairwise })
	i, err := registry.NewIssuer(serverRecord("main", mainIssuer, nil), w.users, &set)
	if err != nil {
		w.t.Fatal(err)
	}
	w.registry.SetIssuer(i)
}

// TestPairwise_NoSaltYet: until the salt is there, nobody is told anything of anybody,
// and other clients do not notice.
func TestPairwise_NoSaltYet(t *testing.T) {
	w := pairwiseWorld(t)
	b := w.newBrowser()
	a := w.tokensOf(b, "wiki")
	hint := a.str("id_token")
	code := b.codeFor(validRequest())
	waiting := w.newBrowser().begin(validRequest()).is("login")
	w.unsalt()

	b.begin(validRequest()).is("page Service Unavailable")
	b.begin(with(validRequest(), "prompt", "none")).is("redirect temporarily_unavailable")
	b.begin(expecting(hint, "prompt", "none")).is("redirect temporarily_unavailable")
	waiting.loginAs("alice", alicePass).is("page Service Unavailable")
	w.token(redemption(code)).refused(http.StatusServiceUnavailable, "temporarily_unavailable")
	w.token(refreshing(a.str("refresh_token"))).refused(http.StatusServiceUnavailable, "temporarily_unavailable")
	w.userinfo(a.str("access_token")).refused(http.StatusServiceUnavailable, "temporarily_unavailable")
	w.introspect(a.str("access_token")).refused(http.StatusServiceUnavailable, "temporarily_unavailable")
	b.leave(validLogout(hint)).is("page OK").has("Sign out?")
	b.get(mainIssuer + "/end_session").is("page OK").has("Sign out?")
	if got := w.tokensOf(b, "open").sub("id_token"); got != publicSub {
		t.Errorf("a public client knows alice as %s", got)
	}

	// Nothing was spent meanwhile.
	w.addIssuer("main", mainIssuer, nil)
	w.token(redemption(code)).ok()
	w.token(refreshing(a.str("refresh_token"))).ok()
}

// TestPairwise_GoneClientsHint: nobody can say any more whose it was.
func TestPairwise_GoneClientsHint(t *testing.T) {
	w := pairwiseWorld(t)
	b := w.newBrowser()
	own := w.tokensOf(b, "wiki").str("id_token")
	w.registry.DeleteClient("main", "docs.wiki")
	b.leave(url.Values{"id_token_hint": {own}}).is("page OK").has("Sign out?")
}
