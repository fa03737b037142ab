// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

const (
	ownAPI   = "api://docs.wiki"
	shopAPI  = "api://docs.shop"
	otherAPI = "https://api.example.com/orders?tenant=1"
)

// apiWorld is a world in which wiki may ask for tokens for the API of shop, and for one
// that is no client here.
func apiWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.addClient("wiki", audiences(shopAPI, otherAPI))
	w.addClient("shop", nil)
	w.addClient("blog", nil)
	return w
}

func audiences(all ...string) func(*registration.Client) {
	return func(r *registration.Client) { r.Audiences = all }
}

// naming is a valid request that names resources.
func naming(v url.Values, resources ...string) url.Values {
	out := with(v)
	out["resource"] = resources
	return out
}

// aud is the audience of the access token.
func (a answer) aud() []string {
	a.t.Helper()
	var out []string
	all, _ := a.ok().claims("access_token")["aud"].([]any)
	for _, one := range all {
		out = append(out, fmt.Sprint(one))
	}
	return out
}

// TestResource_Audience: the access token is for what was asked for, once each, and
// otherwise for the client's own API.
func TestResource_Audience(t *testing.T) {
	w := apiWorld(t)
	for name, row := range map[string]struct{ authorize, token, want []string }{
		"none":                 {nil, nil, []string{ownAPI}},
		"without a value":      {[]string{""}, []string{"", ""}, []string{ownAPI}},
		"its own":              {[]string{ownAPI}, nil, []string{ownAPI}},
		"its own, at /token":   {nil, []string{ownAPI}, []string{ownAPI}},
		"another":              {[]string{shopAPI}, nil, []string{shopAPI}},
		"another, repeated":    {[]string{shopAPI}, []string{shopAPI}, []string{shopAPI}},
		"twice the same":       {[]string{otherAPI, otherAPI}, nil, []string{otherAPI}},
		"all":                  {[]string{otherAPI, ownAPI, shopAPI}, nil, []string{otherAPI, ownAPI, shopAPI}},
		"one of them":          {[]string{otherAPI, ownAPI, shopAPI}, []string{shopAPI}, []string{shopAPI}},
		"two of them, doubled": {[]string{otherAPI, ownAPI, shopAPI}, []string{shopAPI, otherAPI, shopAPI}, []string{shopAPI, otherAPI}},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			b := w.newBrowser()
			a := w.token(naming(redemption(b.codeFor(naming(validRequest(), row.authorize...))), row.token...))
			if got := a.aud(); !slices.Equal(got, row.want) {
				t.Errorf("aud is %v, want %v", got, row.want)
			}
			if got := a.claims("id_token")["aud"]; !reflect.DeepEqual(got, []any{"docs.wiki"}) {
				t.Errorf("the ID token's aud is %v", got)
			}
			p := b.post(mainIssuer+"/authorize", naming(validRequest(), row.authorize...), "cross-site").is("code")
			a = w.token(naming(redemption(p.param("code")), row.token...))
			if got := a.aud(); !slices.Equal(got, row.want) {
				t.Errorf("by POST, aud is %v, want %v", got, row.want)
			}
		})
	}
}

// TestResource_RefusedAtAuthorize changes one thing in a request that names an API.
func TestResource_RefusedAtAuthorize(t *testing.T) {
	w := apiWorld(t)
	w.addClient("odd", func(r *registration.Client) { r.ClientID = "https://billing.example.com" })
	w.addClient("wiki", func(r *registration.Client) {
		r.Audiences = []string{shopAPI, "https://billing.example.com", "https://api.example.com"}
		for i := range maxResources {
			r.Audiences = append(r.Audiences, fmt.Sprintf("api://n.%d", i))
		}
	})
	most := make([]string, maxResources)
	for i := range most {
		most[i] = fmt.Sprintf("api://n.%d", i)
	}
	b := w.newBrowser()
	b.codeFor(naming(validRequest(), shopAPI))
	b.begin(naming(validRequest(), most...)).is("code")
	b.begin(naming(validRequest(), append(most, most...)...)).is("code") // each counts once
	for name, resources := range map[string][]string{
		"not registered":         {"api://docs.blog"},
		"not registered, beside": {shopAPI, "api://docs.blog"},
		"no URI":                 {"orders"},
		"relative":               {"/orders"},
		"a fragment":             {shopAPI + "#x"},
		"an empty fragment":      {shopAPI + "#"},
		"another case":           {"api://docs.SHOP"},
		"a slash more":           {"https://api.example.com/"},
		"a path below":           {"https://api.example.com/orders"},
		"a space":                {shopAPI + " "},
		"two in one":             {shopAPI + " " + ownAPI},
		"too long":               {"api://" + strings.Repeat("x", 251)},
		"not UTF-8":              {"api://\xff"},
		"the client's own id":    {"docs.wiki"},
		"a client_id":            {"https://billing.example.com"},
		"too many":               append(most, shopAPI),
	} {
		p := b.begin(naming(validRequest(), resources...)).is("redirect invalid_target")
		if p.param("state") != validRequest().Get("state") || !strings.Contains(p.param("error_description"), "resource") {
			t.Errorf("%s: came to %s", name, p.location)
		}
		b.begin(with(naming(validRequest(), resources...), "prompt", "none")).is("redirect invalid_target")
	}
	// Every other parameter stays single.
	v := naming(validRequest(), shopAPI, ownAPI)
	v.Add("scope", "openid")
	b.begin(v).is("redirect invalid_request")
}

// TestResource_RefusedAtToken: nothing that was not granted, and nothing is spent by asking.
func TestResource_RefusedAtToken(t *testing.T) {
	w := apiWorld(t)
	code := w.codeFor(naming(validRequest(), shopAPI))
	for name, asked := range map[string][]string{
		"not granted":         {otherAPI},
		"not granted, beside": {shopAPI, otherAPI},
		"its own, not asked":  {ownAPI},
		"not registered":      {"api://docs.blog"},
		"no URI":              {"orders"},
		"a fragment":          {shopAPI + "#x"},
		"too many":            {"api://1", "api://2", "api://3", "api://4", "api://5", "api://6", "api://7", "api://8", "api://9"},
	} {
		a := w.in(t).token(naming(redemption(code), asked...)).refused(http.StatusBadRequest, "invalid_target")
		if !strings.Contains(a.str("error_description"), "resource") {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	a := w.token(redemption(code)).ok()
	refresh := a.str("refresh_token")
	w.token(naming(refreshing(refresh), otherAPI)).refused(http.StatusBadRequest, "invalid_target")
	if got := w.token(refreshing(refresh)).aud(); !slices.Equal(got, []string{shopAPI}) {
		t.Errorf("refreshed, aud is %v", got)
	}
	// Without a resource at /authorize, none but its own.
	code = w.codeFor(validRequest())
	w.token(naming(redemption(code), shopAPI)).refused(http.StatusBadRequest, "invalid_target")
	w.token(naming(redemption(code), ownAPI)).ok()
}

// TestResource_Refresh: each refresh gives a token for what it asks for of the grant's
// resources, and the grant keeps all of them.
func TestResource_Refresh(t *testing.T) {
	w := apiWorld(t)
	a := w.token(naming(redemption(w.codeFor(naming(validRequest(), shopAPI, otherAPI, ownAPI))), shopAPI)).ok()
	for _, row := range []struct{ asked, want []string }{
		{[]string{otherAPI}, []string{otherAPI}},
		{[]string{ownAPI, ownAPI}, []string{ownAPI}},
		{nil, []string{shopAPI, otherAPI, ownAPI}},
		{[]string{shopAPI}, []string{shopAPI}},
	} {
		w.clock.pass(time.Minute)
		a = w.token(naming(refreshing(a.str("refresh_token")), row.asked...))
		if got := a.aud(); !slices.Equal(got, row.want) {
			t.Errorf("asked for %v, aud is %v", row.asked, got)
		}
	}
}

// TestResource_RegistrationShrinks: what is no longer registered is lost at the next
// token, and back when it is registered again.
func TestResource_RegistrationShrinks(t *testing.T) {
	w := apiWorld(t)
	b := w.newBrowser()
	code := b.codeFor(naming(validRequest(), shopAPI, otherAPI))
	waiting := w.newBrowser().begin(naming(validRequest(), shopAPI)).is("login")
	a := w.token(redemption(code)).ok()
	code = b.codeFor(naming(validRequest(), shopAPI, otherAPI))

	w.addClient("wiki", audiences(otherAPI))
	waiting.loginAs("alice", alicePass).is("redirect invalid_target")
	w.token(naming(redemption(code), shopAPI)).refused(http.StatusBadRequest, "invalid_target")
	if got := w.token(naming(redemption(code), shopAPI, otherAPI)).aud(); !slices.Equal(got, []string{otherAPI}) {
		t.Errorf("redeemed for %v", got)
	}
	a = w.token(refreshing(a.str("refresh_token")))
	if got := a.aud(); !slices.Equal(got, []string{otherAPI}) {
		t.Errorf("refreshed for %v", got)
	}
	w.addClient("wiki", nil)
	w.token(refreshing(a.str("refresh_token"))).refused(http.StatusBadRequest, "invalid_target")
	w.addClient("wiki", audiences(shopAPI, otherAPI))
	if got := w.token(refreshing(a.str("refresh_token"))).aud(); !slices.Equal(got, []string{shopAPI, otherAPI}) {
		t.Errorf("refreshed again for %v", got)
	}
}

// TestResource_Introspect: an API learns of tokens that are for it, whoever's they are,
// for as long as their client may have them.
func TestResource_Introspect(t *testing.T) {
	w := apiWorld(t)
	code := w.codeFor(naming(validRequest(), shopAPI, ownAPI))
	a := w.token(redemption(code)).ok()
	raw := a.str("access_token")
	as := func(name, token string) answer {
		return w.ask(introspectPath, "docs."+name, name+wikiSecret[4:], about(token))
	}
	got := as("shop", raw).active()
	if got.JSON["client_id"] != "docs.wiki" || !reflect.DeepEqual(got.JSON["aud"], []any{shopAPI, ownAPI}) || got.JSON["sub"] != publicSub {
		t.Errorf("shop is told %s", got.body)
	}
	as("wiki", raw).active()
	as("blog", raw).inactive()
	as("shop", a.str("refresh_token")).inactive() // that is its client's alone

	w.addClient("wiki", nil)
	as("shop", raw).inactive()
	if got := as("wiki", raw).active(); !reflect.DeepEqual(got.JSON["aud"], []any{ownAPI}) {
		t.Errorf("wiki is told %s", got.body)
	}
	w.current.Store(false)
	as("shop", raw).refused(http.StatusServiceUnavailable, "temporarily_unavailable")
	w.current.Store(true)
	w.addClient("wiki", audiences(shopAPI))
	as("shop", raw).active()
}

// TestResource_IntrospectPairwise: an API is told the sub that is in the token, not one
// of its own.
func TestResource_IntrospectPairwise(t *testing.T) {
	w := apiWorld(t)
	w.addClient("wiki", func(r *registration.Client) { r.Pairwise, r.Audiences = true, []string{shopAPI} })
	w.addClient("shop", isPairwise)
	a := w.token(redemption(w.codeFor(naming(validRequest(), shopAPI)))).ok()
	got := w.ask(introspectPath, "docs.shop", shopSecret, about(a.str("access_token"))).active()
	if sub := got.str("sub"); sub != a.sub("access_token") || sub == publicSub {
		t.Errorf("shop is told of %s", sub)
	}
}

// TestResource_Userinfo: an API that is sent a token cannot read the person's profile
// with it. The client can, with a token for its own API.
func TestResource_Userinfo(t *testing.T) {
	w := apiWorld(t)
	for _, resources := range [][]string{{shopAPI}, {otherAPI}, {ownAPI, shopAPI}, {shopAPI, ownAPI}} {
		a := w.token(redemption(w.codeFor(naming(validRequest(), resources...)))).ok()
		got := w.userinfo(a.str("access_token")).refused(http.StatusUnauthorized, "invalid_token")
		if !strings.Contains(got.header.Get("WWW-Authenticate"), `error="invalid_token"`) || got.JSON["sub"] != nil {
			t.Errorf("%v: %s", resources, got.body)
		}
		if slices.Contains(resources, ownAPI) {
			own := w.token(naming(refreshing(a.str("refresh_token")), ownAPI)).ok()
			w.userinfo(own.str("access_token")).ok()
		}
	}
	for _, resources := range [][]string{nil, {ownAPI}} {
		w.userinfo(w.token(redemption(w.codeFor(naming(validRequest(), resources...)))).ok().str("access_token")).ok()
	}
}

// TestResource_Consent: a person is told where else the app can use what they allow.
// What is remembered is the scopes.
func TestResource_Consent(t *testing.T) {
	w := apiWorld(t)
	b := w.newBrowser()
	p := b.begin(naming(validRequest(), ownAPI, shopAPI, otherAPI)).loginAs("alice", alicePass).is("consent")
	p.has("At these services, too").has(shopAPI).has(otherAPI)
	if strings.Contains(p.body, ownAPI) {
		t.Error("the app's own API is among the others")
	}
	p.decide("allow").is("code")
	b.begin(naming(validRequest(), shopAPI)).is("code")

	p = w.newBrowser().begin(naming(validRequest(), ownAPI)).loginAs("alice", alicePass).is("code")
	p = b.begin(with(naming(validRequest(), ownAPI), "prompt", "consent")).is("consent")
	if strings.Contains(p.body, "At these services") {
		t.Error("an app that asks for its own API alone is said to go further")
	}
}

// TestResource_StockClient: golang.org/x/oauth2 names resources as any parameter, and
// go-oidc verifies the token as the API does.
func TestResource_StockClient(t *testing.T) {
	w := apiWorld(t)
	w.clock.pass(time.Since(w.clock.Now()))
	ctx := oidc.ClientContext(t.Context(), &http.Client{Transport: w})
	provider, err := oidc.NewProvider(ctx, mainIssuer)
	if err != nil {
		t.Fatal(err)
	}
	config := &oauth2.Config{
		ClientID: "docs.wiki", ClientSecret: wikiSecret, RedirectURL: wikiURI, Endpoint: provider.Endpoint(), Scopes: allScopes,
	}
	verifier, resource := oauth2.GenerateVerifier(), oauth2.SetAuthURLParam("resource", shopAPI)
	p := w.newBrowser().get(config.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier), resource)).
		is("login").loginAs("alice", alicePass).is("consent").decide("allow").is("code")
	tokens, err := config.Exchange(ctx, p.param("code"), oauth2.VerifierOption(verifier), resource)
	if err != nil {
		t.Fatal(err)
	}
	tokens.Expiry = time.Now().Add(-time.Minute)
	fresh, err := config.TokenSource(ctx, tokens).Token()
	if err != nil {
		t.Fatal(err)
	}
	for audience, good := range map[string]bool{shopAPI: true, ownAPI: false, "docs.wiki": false, "docs.shop": false} {
		api := provider.Verifier(&oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{"ES256"}})
		for _, raw := range []string{tokens.AccessToken, fresh.AccessToken} {
			if _, err := api.Verify(ctx, raw); (err == nil) != good {
				t.Errorf("as %s: %v", audience, err)
			}
		}
	}
	if _, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(fresh)); err == nil {
		t.Error("the API's token is good at /userinfo")
	}
}

// FuzzResources: whatever is sent, no token is for more than the client is registered for.
func FuzzResources(f *testing.F) {
	for _, seed := range []string{
		"", "resource=", "resource=" + url.QueryEscape(otherAPI), "resource=api://docs.wiki&resource=api://docs.shop",
		"resource=%ff", "resource=api://docs.shop%23x", "resource=docs.shop", "resource=https://billing.example.com",
		strings.Repeat("resource=api://docs.shop&", 20), strings.Repeat("resource=&", 20), "Resource=x", "resource%20=x",
		"resource=api:%0a//docs.shop", "resource=1&resource=2&resource=3&resource=4&resource=5&resource=6&resource=7&resource=8&resource=9",
	} {
		f.Add(seed)
	}
	issuer, err := registry.NewIssuer(serverRecord("main", mainIssuer, nil), nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	s, r := &Server{registry: registry.New(nil)}, &request{issuer: issuer}
	wiki := clientOf(f, clientRecord("wiki", audiences(shopAPI, otherAPI, "https://billing.example.com")))
	s.registry.SetClient(clientOf(f, clientRecord("billing", func(r *registration.Client) { r.ClientID = "https://billing.example.com" })))
	allowed := []string{ownAPI, shopAPI, otherAPI}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		got := (&params{values: values}).resources()
		sent := slices.DeleteFunc(slices.Clone(values["resource"]), func(one string) bool { return one == "" })
		slices.Sort(sent)
		sent = slices.Compact(sent)
		read := slices.Sorted(slices.Values(got))
		if len(sent) <= maxResources && !slices.Equal(read, sent) || len(got) != min(len(sent), maxResources+1) {
			t.Fatalf("read %q of %q", got, sent)
		}
		if s.checkResources(r, wiki, got) != nil {
			if len(got) <= maxResources && !slices.ContainsFunc(got, func(one string) bool { return !slices.Contains(allowed, one) }) {
				t.Fatalf("%q is refused", got)
			}
			return
		}
		audience, problem := s.audience(r, wiki, got, got)
		if problem != nil || len(audience) == 0 {
			t.Fatalf("%q gives %q, %v", got, audience, problem)
		}
		for _, one := range audience {
			if !slices.Contains(allowed, one) {
				t.Fatalf("a token for %q", one)
			}
		}
	})
}
