// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"

	"github.com/clientele-dev/clientele/internal/registration"
)

// TestConformance_Basic and TestConformance_FormPost have the modules of the OpenID
// Foundation's plans for the Basic and the Form Post OP, by name: the same stories, in
// one response mode and the other.
func TestConformance_Basic(t *testing.T) { conform(t, modeQuery) }

// TestConformance_FormPost: every success and every error comes by form.
func TestConformance_FormPost(t *testing.T) { conform(t, modeFormPost) }

func conform(t *testing.T, mode string) {
	for _, name := range slices.Sorted(maps.Keys(basicModules)) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for _, client := range []string{"one", "two", "three"} {
				w.addClient(client, func(r *registration.Client) {
					r.PKCERequired = false // as the suite's clients are
					r.Scopes = append(slices.Clone(allScopes), "address", "phone")
					if client == "three" {
						r.TokenEndpointAuthMethod = registration.AuthMethodPost
					}
				})
			}
			basicModules[name](&relyingParty{world: w, name: "one", mode: mode, b: w.newBrowser()})
		})
	}
}

// relyingParty is the suite, as a client, and its person's browser.
type relyingParty struct {
	*world

	name, mode string
	b          *browser
}

var basicModules = map[string]func(*relyingParty){
	"oidcc-server":                                  serves,
	"oidcc-response-type-missing":                   func(p *relyingParty) { p.refused(p.visit("response_type", ""), "invalid_request") },
	"oidcc-idtoken-signature":                       signs,
	"oidcc-idtoken-unsigned":                        signsAlways,
	"oidcc-userinfo-get":                            func(p *relyingParty) { p.ask(http.MethodGet, true, p.happy()) },
	"oidcc-userinfo-post-header":                    func(p *relyingParty) { p.ask(http.MethodPost, true, p.happy()) },
	"oidcc-userinfo-post-body":                      func(p *relyingParty) { p.ask(http.MethodPost, false, p.happy()) },
	"oidcc-scope-profile":                           func(p *relyingParty) { p.releases("profile", claimsOf("profile")...) },
	"oidcc-scope-email":                             func(p *relyingParty) { p.releases("email", claimsOf("email")...) },
	"oidcc-scope-address":                           func(p *relyingParty) { p.releases("address", claimsOf("address")...) },
	"oidcc-scope-phone":                             func(p *relyingParty) { p.releases("phone", claimsOf("phone")...) },
	"oidcc-scope-all":                               scopeAll,
	"oidcc-alternate-happy-flow":                    func(p *relyingParty) { p.happy("scope", "email profile openid") },
	"oidcc-display-page":                            func(p *relyingParty) { p.happy("display", "page") },
	"oidcc-display-popup":                           func(p *relyingParty) { p.happy("display", "popup") },
	"oidcc-prompt-login":                            promptLogin,
	"oidcc-prompt-none-not-logged-in":               func(p *relyingParty) { p.refused(p.visit("prompt", "none"), "login_required") },
	"oidcc-prompt-none-logged-in":                   promptNone,
	"oidcc-max-age-1":                               maxAgeOne,
	"oidcc-max-age-10000":                           maxAgeMore,
	"oidcc-id-token-hint":                           idTokenHint,
	"oidcc-login-hint":                              func(p *relyingParty) { p.happy("login_hint", "alice") },
	"oidcc-ui-locales":                              func(p *relyingParty) { p.happy("ui_locales", "se") },
	"oidcc-claims-locales":                          func(p *relyingParty) { p.happy("claims_locales", "se") },
	"oidcc-codereuse":                               codeReuse,
	"oidcc-codereuse-30seconds":                     codeReuseLater,
	"oidcc-ensure-registered-redirect-uri":          registeredRedirect,
	"oidcc-ensure-post-request-succeeds":            byPost,
	"oidcc-server-client-secret-post":               func(p *relyingParty) { p.name = "three"; serves(p) },
	"oidcc-refresh-token":                           refreshes,
	"oidcc-claims-essential":                        claimsEssential,
	"oidcc-ensure-request-with-valid-pkce-succeeds": withPKCE,
	"oidcc-ensure-request-without-nonce-succeeds-for-code-flow": func(p *relyingParty) { p.happy("nonce", "") },
	"oidcc-ensure-request-with-unknown-parameter-succeeds":      func(p *relyingParty) { p.happy("extra", "foobar") },
	"oidcc-ensure-request-with-acr-values-succeeds":             acrValuesRequested,
	"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported": func(p *relyingParty) {
		p.refused(p.visit("request_uri", "https://one.example.com/request.jwt"), "request_uri_not_supported")
	},
	"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported": func(p *relyingParty) {
		p.refused(p.visit("request", unsignedRequest), "request_not_supported")
	},
	"oidcc-ensure-request-object-with-redirect-uri": func(p *relyingParty) {
		p.visit("request", unsignedRequest, "redirect_uri", "https://one.example.com/other").is("page Bad Request")
	},
}

// unsignedRequest is {"alg":"none"} and {"redirect_uri":"https://one.example.com/callback"}.
const unsignedRequest = "eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL29uZS5leGFtcGxlLmNvbS9jYWxsYmFjayJ9."

func serves(p *relyingParty) {
	code := p.code(p.signIn(p.visit()))
	if len(code) < 32 {
		p.t.Errorf("a code of %d bytes", len(code))
	}
	a := p.redeem(code)
	if a.JSON["token_type"] != "Bearer" || a.JSON["expires_in"] != float64(900) || a.header.Get("Cache-Control") != "no-store" {
		p.t.Errorf("got %s", a.body)
	}
	for _, claims := range []map[string]any{a.claims("id_token"), p.ask(http.MethodGet, true, a).JSON} {
		for _, name := range []string{"name", "preferred_username", "email", "email_verified", "groups"} {
			if claims[name] != nil {
				p.t.Errorf("%s is released without its scope", name)
			}
		}
	}
}

func signs(p *relyingParty) {
	token := p.happy().str("id_token")
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		p.t.Fatal(err)
	}
	header := parsed.Header
	if header["alg"] != "RS256" || header["kid"] == "" || header["kid"] == nil {
		p.t.Errorf("header is %v", header)
	}
	all, _ := p.call(p.request(http.MethodGet, mainIssuer+"/jwks", "")).ok().JSON["keys"].([]any)
	if !slices.ContainsFunc(all, func(k any) bool { return k.(map[string]any)["kid"] == header["kid"] }) {
		p.t.Errorf("%v is not among %v", header["kid"], all)
	}
}

// signsAlways: the module is for servers that say they would do otherwise.
func signsAlways(p *relyingParty) {
	a := p.call(p.request(http.MethodGet, mainIssuer+"/.well-known/openid-configuration", "")).ok()
	if algs, _ := a.JSON["id_token_signing_alg_values_supported"].([]any); slices.Contains(algs, any("none")) || len(algs) == 0 {
		p.t.Errorf("algorithms are %v", algs)
	}
	signs(p)
}

// releases signs in with one more scope, and finds what it gives at userinfo.
func (p *relyingParty) releases(scope string, claims ...string) {
	p.t.Helper()
	a := p.ask(http.MethodGet, true, p.happy("scope", "openid "+scope))
	for _, name := range claims {
		if a.JSON[name] == nil {
			p.t.Errorf("no %s in %s", name, a.body)
		}
	}
	if len(a.JSON) != len(claims)+1 {
		p.t.Errorf("got %s", a.body)
	}
}

// claimsOf are the claims that OpenID Connect Core 1.0 section 5.4 has for scopes.
func claimsOf(scopes ...string) []string {
	var out []string
	for _, scope := range scopes {
		out = append(out, strings.Fields(map[string]string{
			"profile": "name family_name given_name middle_name nickname preferred_username profile picture website gender birthdate zoneinfo locale updated_at",
			"email":   "email email_verified",
			"address": "address",
			"phone":   "phone_number phone_number_verified",
		}[scope])...)
	}
	return out
}

func scopeAll(p *relyingParty) {
	p.releases("profile email address phone", claimsOf("profile", "email", "address", "phone")...)
}

func claimsEssential(p *relyingParty) {
	a := p.ask(http.MethodGet, true, p.happy("claims", `{"userinfo":{"name":{"essential":true}}}`))
	if a.JSON["name"] != "Alice Example" {
		p.t.Errorf("got %s", a.body)
	}
}

// acrValuesRequested: the suite asks for a value of the metadata, or else for "1 2".
func acrValuesRequested(p *relyingParty) {
	a := p.call(p.request(http.MethodGet, mainIssuer+"/.well-known/openid-configuration", "")).ok()
	offered, _ := a.JSON["acr_values_supported"].([]any)
	if len(offered) != 1 {
		p.t.Fatalf("acr_values_supported is %v", offered)
	}
	for _, asked := range []string{offered[0].(string), "1 2"} { // the latter is voluntary: Core section 3.1.2.1
		claims := p.happy("acr_values", asked).claims("id_token")
		if amr, _ := claims["amr"].([]any); claims["acr"] != offered[0] || !slices.Equal(amr, []any{"pwd"}) {
			p.t.Errorf("acr_values %q: acr is %v, amr %v", asked, claims["acr"], claims["amr"])
		}
	}
}

func promptLogin(p *relyingParty) {
	first := p.happy()
	p.clock.pass(time.Second)
	p.wantNewer(first, p.redeem(p.code(p.signIn(p.visit("prompt", "login").is("login")))))
}

func promptNone(p *relyingParty) {
	first := p.happy()
	p.clock.pass(time.Second)
	p.wantSameLogin(first, p.redeem(p.code(p.visit("prompt", "none"))))
}

func maxAgeOne(p *relyingParty) {
	first := p.happy()
	p.clock.pass(2 * time.Second)
	p.wantNewer(first, p.redeem(p.code(p.signIn(p.visit("max_age", "1").is("login")))))
}

func maxAgeMore(p *relyingParty) {
	first := p.happy()
	p.clock.pass(2 * time.Second)
	p.wantSameLogin(first, p.redeem(p.code(p.visit("max_age", "10000"))))
}

func idTokenHint(p *relyingParty) {
	first := p.happy()
	p.clock.pass(time.Second)
	p.wantSameLogin(first, p.redeem(p.code(p.visit("prompt", "none", "id_token_hint", first.str("id_token")))))
}

func codeReuse(p *relyingParty) {
	code := p.code(p.signIn(p.visit()))
	p.redeem(code)
	p.exchange(p.redemption(code)).refused(400, "invalid_grant")
}

func codeReuseLater(p *relyingParty) {
	code := p.code(p.signIn(p.visit()))
	a := p.redeem(code)
	p.clock.pass(30 * time.Second)
	p.exchange(p.redemption(code)).refused(400, "invalid_grant")
	p.userinfo(a.str("access_token")).refused(401, "invalid_token")
}

func registeredRedirect(p *relyingParty) {
	page := p.visit("redirect_uri", "https://one.example.com/callback/other").is("page Bad Request").has("redirect_uri")
	if page.header.Get("Location") != "" || strings.Contains(page.body, "<form") {
		p.t.Error("the page leads somewhere")
	}
}

func byPost(p *relyingParty) {
	p.redeem(p.code(p.signIn(p.b.post(mainIssuer+"/authorize", p.valid(), "cross-site"))))
}

func withPKCE(p *relyingParty) {
	code := p.code(p.signIn(p.visit("code_challenge", challengeOf(verifier), "code_challenge_method", "S256")))
	p.exchange(with(p.redemption(code), "code_verifier", verifier)).ok()
}

func refreshes(p *relyingParty) {
	first := p.happy("scope", "openid offline_access")
	again := p.exchange(refreshing(first.str("refresh_token"))).ok()
	p.wantSameLogin(first, again)
	p.ask(http.MethodGet, true, again)
	p.name = "two"
	p.exchange(refreshing(again.str("refresh_token"))).refused(400, "invalid_grant")
	p.name = "one"
	p.exchange(refreshing(again.str("refresh_token"))).ok() // the other one has spoiled nothing
}

// valid is a request to which nothing is amiss.
func (p *relyingParty) valid() url.Values {
	q := url.Values{
		"response_type": {"code"}, "client_id": {"docs." + p.name}, "redirect_uri": {p.callback()}, "scope": {"openid"},
		"state": {"state-of-the-suite"}, "nonce": {"nonce-of-the-suite"},
	}
	if p.mode != modeQuery {
		q.Set("response_mode", p.mode)
	}
	return q
}

func (p *relyingParty) callback() string { return "https://" + p.name + ".example.com/callback" }

// visit sends a valid request after some changes; an empty value leaves a parameter out.
func (p *relyingParty) visit(changes ...string) page {
	p.t.Helper()
	q := with(p.valid(), changes...)
	maps.DeleteFunc(q, func(_ string, v []string) bool { return v[0] == "" })
	return p.b.begin(q)
}

// signIn does what the pages ask for.
func (p *relyingParty) signIn(at page) page {
	p.t.Helper()
	if at.location == nil && strings.HasSuffix(at.url.Path, "/login") {
		at = at.is("login").loginAs("alice", alicePass)
	}
	if at.location == nil && strings.HasSuffix(at.url.Path, "/consent") {
		at = at.is("consent").decide("allow")
	}
	return at
}

// answered checks how an outcome came.
func (p *relyingParty) answered(at page) page {
	p.t.Helper()
	if at.location == nil || (at.posted != nil) != (p.mode == modeFormPost) || !strings.HasPrefix(at.location.String(), p.callback()) {
		p.t.Fatalf("%s: came to %v with %d: %s", p.mode, at.location, at.status, at.text())
	}
	if at.param("iss") != mainIssuer || at.param("state") != "state-of-the-suite" || at.posted != nil && at.location.RawQuery != "" {
		p.t.Errorf("%s gets %v", at.location, at.posted)
	}
	return at
}

func (p *relyingParty) code(at page) string {
	p.t.Helper()
	if code := p.answered(at).param("code"); code != "" {
		return code
	}
	p.t.Fatalf("no code, but %s: %s", at.param("error"), at.param("error_description"))
	return ""
}

func (p *relyingParty) refused(at page, want string) {
	p.t.Helper()
	if got := p.answered(at).param("error"); got != want || at.param("code") != "" || at.param("error_description") == "" {
		p.t.Errorf("error is %q, want %q", got, want)
	}
}

// happy is the whole flow, after some changes to the request.
func (p *relyingParty) happy(changes ...string) answer {
	p.t.Helper()
	a := p.redeem(p.code(p.signIn(p.visit(changes...))))
	var want any = "nonce-of-the-suite"
	if slices.Contains(changes, "nonce") {
		want = nil
	}
	if got := a.claims("id_token")["nonce"]; got != want {
		p.t.Errorf("nonce is %v, want %v", got, want)
	}
	return a
}

// redemption is a valid token request.
func (p *relyingParty) redemption(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.callback()}}
}

// exchange calls the token endpoint as the client is registered to.
func (p *relyingParty) exchange(form url.Values) answer {
	p.t.Helper()
	id, secret := "docs."+p.name, p.name+wikiSecret[4:]
	if p.name == "three" {
		return p.tokenAs("", "", with(form, "client_id", id, "client_secret", secret))
	}
	return p.tokenAs(id, secret, form)
}

// redeem gets tokens for a code, and has another library verify the ID token.
func (p *relyingParty) redeem(code string) answer {
	p.t.Helper()
	a := p.exchange(p.redemption(code)).ok()
	ctx := oidc.ClientContext(p.t.Context(), &http.Client{Transport: p.world})
	provider, err := oidc.NewProvider(ctx, mainIssuer)
	if err != nil {
		p.t.Fatal(err)
	}
	id, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: "docs." + p.name, Now: p.clock.Now}).Verify(ctx, a.str("id_token"))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := id.VerifyAccessToken(a.str("access_token")); err != nil {
		p.t.Errorf("at_hash: %v", err)
	}
	return a
}

// ask calls userinfo with an answer's access token, in the header or in the body.
func (p *relyingParty) ask(method string, inHeader bool, a answer) answer {
	p.t.Helper()
	token := a.str("access_token")
	r := p.request(method, mainIssuer+"/userinfo", "")
	if !inHeader {
		r = p.request(method, mainIssuer+"/userinfo", url.Values{"access_token": {token}}.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	told := p.call(r).ok()
	if told.JSON["sub"] != a.claims("id_token")["sub"] {
		p.t.Errorf("userinfo is of %v", told.JSON["sub"])
	}
	return told
}

func (p *relyingParty) wantNewer(first, second answer) {
	p.t.Helper()
	one, two := first.claims("id_token"), second.claims("id_token")
	before, _ := one["auth_time"].(float64)
	after, _ := two["auth_time"].(float64)
	if before == 0 || after <= before || one["sub"] != two["sub"] {
		p.t.Errorf("got %v after %v", two, one)
	}
}

func (p *relyingParty) wantSameLogin(first, second answer) {
	p.t.Helper()
	one, two := first.claims("id_token"), second.claims("id_token")
	if one["auth_time"] == nil || one["auth_time"] != two["auth_time"] || one["sub"] != two["sub"] {
		p.t.Errorf("got %v after %v", two, one)
	}
}

var configModules = map[string]func(w *world, issuer string, a answer){
	"oidcc-discovery-endpoint-verification": discovers,
}

// TestConformance_Config has the module of the OpenID Foundation's plan for the Config
// OP, for an issuer with a path and one without.
func TestConformance_Config(t *testing.T) {
	for name, check := range configModules {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.addIssuer("team", pathIssuer, nil)
			for _, issuer := range []string{mainIssuer, pathIssuer} {
				check(w, issuer, w.call(w.request(http.MethodGet, issuer+"/.well-known/openid-configuration", "")).ok())
			}
		})
	}
}

func discovers(w *world, issuer string, a answer) {
	if a.JSON["issuer"] != issuer || a.header.Get("Content-Type") != "application/json" {
		w.t.Errorf("%s: %s", a.header.Get("Content-Type"), a.body)
	}
	for name, want := range map[string]string{
		"response_types_supported": "code", "subject_types_supported": "public", "scopes_supported": "openid",
		"id_token_signing_alg_values_supported": "RS256", "grant_types_supported": "authorization_code",
		"code_challenge_methods_supported": "S256", "claims_supported": "sub", "response_modes_supported": modeFormPost,
		"token_endpoint_auth_methods_supported": "client_secret_basic",
	} {
		if all, _ := a.JSON[name].([]any); !slices.Contains(all, any(want)) {
			w.t.Errorf("%s is %v, without %s", name, a.JSON[name], want)
		}
	}
	for name, value := range a.JSON {
		if to, ok := value.(string); ok && name != "issuer" && !strings.HasPrefix(to, issuer+"/") {
			w.t.Errorf("%s is %s", name, to)
		}
	}
	all, _ := w.call(w.request(http.MethodGet, a.str("jwks_uri"), "")).ok().JSON["keys"].([]any)
	kinds := map[any]bool{}
	for _, key := range all {
		kinds[key.(map[string]any)["kty"]] = true
	}
	if !kinds["RSA"] || kinds["oct"] {
		w.t.Errorf("keys are of %v", kinds)
	}
}
