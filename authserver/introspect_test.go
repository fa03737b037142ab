// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/internal/registration"
)

// introspect asks of a token as wiki.
func (w *world) introspect(token string) answer {
	w.t.Helper()
	return w.ask(introspectPath, "docs.wiki", wikiSecret, about(token))
}

// active fails the test unless the answer is that of an active token.
func (a answer) active() answer {
	a.t.Helper()
	if a.ok().JSON["active"] != true {
		a.t.Errorf("not active: %s", a.body)
	}
	return a
}

// inactive fails the test unless the answer is that of an inactive token, and tells
// nothing more.
func (a answer) inactive() {
	a.t.Helper()
	if a.ok(); a.body != `{"active":false}` {
		a.t.Errorf("got %s", a.body)
	}
}

// hints are all that a client can say of a token, true or not.
var hints = []string{"", "access_token", "refresh_token", "id_token", "nonsense"}

func TestIntrospect_AccessToken(t *testing.T) {
	w := newWorld(t)
	first := w.firstAnswer()
	w.clock.pass(time.Minute)
	token := first.str("access_token")
	says := first.claims("access_token")
	want := map[string]any{
		"active": true, "scope": "openid profile email groups offline_access", "client_id": "docs.wiki",
		"username": "alice", "token_type": "Bearer", "exp": says["exp"], "iat": says["iat"], "sub": says["sub"],
		"aud": []any{"api://docs.wiki"}, "iss": mainIssuer, "jti": says["jti"],
	}
	for _, hint := range hints {
		a := w.ask(introspectPath, "docs.wiki", wikiSecret, with(about(token), "token_type_hint", hint)).ok()
		if !reflect.DeepEqual(a.JSON, want) {
			t.Errorf("with the hint %q: got %s, want %v", hint, a.body, want)
		}
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" ||
			a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("headers are %v", a.header)
		}
	}
}

// TestIntrospect_RefreshToken: it has no audience and no type, so that no API takes it
// for an access token.
func TestIntrospect_RefreshToken(t *testing.T) {
	w := newWorld(t)
	first := w.firstAnswer()
	w.clock.pass(time.Minute)
	now := float64(w.clock.Now().Unix())
	token := w.token(with(refreshing(first.str("refresh_token")), "scope", "openid")).ok().str("refresh_token")
	w.clock.pass(time.Minute)
	want := map[string]any{
		"active": true, "scope": "openid profile email groups offline_access", "client_id": "docs.wiki",
		"username": "alice", "exp": now + (168 * time.Hour).Seconds(), "iat": now,
		"sub": first.claims("access_token")["sub"], "iss": mainIssuer,
	}
	for _, hint := range hints {
		a := w.ask(introspectPath, "docs.wiki", wikiSecret, with(about(token), "token_type_hint", hint)).ok()
		if !reflect.DeepEqual(a.JSON, want) {
			t.Errorf("with the hint %q: got %s, want %v", hint, a.body, want)
		}
	}
}

// TestIntrospect_Username: who it is, is told by profile and by nothing else.
func TestIntrospect_Username(t *testing.T) {
	w := newWorld(t)
	for scope, want := range map[string]any{"openid": nil, "email groups": nil, "profile": "alice"} {
		token := w.token(redemption(w.codeFor(with(validRequest(), "scope", scope)))).ok().str("access_token")
		a := w.introspect(token).active()
		if a.JSON["username"] != want || a.JSON["scope"] != scope {
			t.Errorf("with %s: got %s", scope, a.body)
		}
		for _, name := range []string{"name", "email", "groups"} {
			if a.JSON[name] != nil {
				t.Errorf("with %s: got %s", scope, a.body)
			}
		}
	}
}

// TestIntrospect_Inactive: RFC 7662 section 2.2: all look the same.
func TestIntrospect_Inactive(t *testing.T) {
	w := newWorld(t)
	w.addIssuer("team", pathIssuer, nil)
	w.registry.SetClient(clientOf(t, clientRecord("wiki", func(r *registration.Client) { r.AuthorizationServer = "team" })))
	b := w.newBrowser()
	code := b.codeFor(validRequest())
	a := w.token(redemption(b.codeFor(validRequest()))).ok()
	access, refresh := a.str("access_token"), a.str("refresh_token")
	there := w.newBrowser().get(authorizeURL(pathIssuer, validRequest())).loginAs("alice", alicePass).decide("allow").is("code")
	other := w.call(w.tokenRequest(pathIssuer, "docs.wiki", wikiSecret, redemption(there.param("code")))).ok()
	sealed := func(kind seal.Kind) string {
		issuer := w.registry.Issuers()["main"]
		text, err := issuer.Box.Seal(kind, refreshToken{Grant: "x", ClientID: "docs.wiki"}, w.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	mid := len(access) - 40 // within the signature
	for name, token := range map[string]string{
		"nothing of ours":                  "an-opaque-token-of-somebody",
		"a code":                           code,
		"an ID token":                      a.str("id_token"),
		"a session":                        sealed(seal.Session),
		"a refresh token of no grant":      sealed(seal.RefreshToken),
		"access token, cut":                access[:len(access)-2],
		"access token, changed":            access[:mid] + flip(access[mid]) + access[mid+1:],
		"access token, unsigned":           access[:strings.LastIndex(access, ".")+1],
		"access token with a space":        access + " ",
		"refresh token, cut":               refresh[:len(refresh)-2],
		"refresh token, changed":           refresh[:60] + flip(refresh[60]) + refresh[61:],
		"refresh token with a line break":  refresh[:60] + "\n" + refresh[60:],
		"another issuer's access token":    other.str("access_token"),
		"another issuer's refresh token":   other.str("refresh_token"),
		"both in one":                      access + refresh,
		"as long as a request can make it": strings.Repeat("A.", 30<<10),
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			for _, hint := range hints {
				w.ask(introspectPath, "docs.wiki", wikiSecret, with(about(token), "token_type_hint", hint)).inactive()
			}
		})
	}
	w.introspect(access).active()
	w.introspect(refresh).active()
}

// TestIntrospect_OthersTokens: a client learns nothing of what is not its own, whatever
// state that or the server is in.
func TestIntrospect_OthersTokens(t *testing.T) {
	w := newWorld(t)
	w.addClient("shop", nil)
	a := w.firstAnswer()
	both := []string{a.str("access_token"), a.str("refresh_token")}
	asShop := func(token string) { w.ask(introspectPath, "docs.shop", shopSecret, about(token)).inactive() }
	for _, token := range both {
		asShop(token)
		w.store.fails()
		asShop(token)
		w.store.heals()
		w.current.Store(false)
		asShop(token)
		w.current.Store(true)
		w.introspect(token).active()
	}
}

// TestConcerns is the rule of who may learn of a token.
func TestConcerns(t *testing.T) {
	own := issued{clientID: "docs.wiki", audience: []string{"api://docs.wiki"}}
	for _, c := range []struct {
		name, caller string
		token        issued
		want         bool
	}{
		{"issued to it", "docs.wiki", own, true},
		{"its refresh token", "docs.wiki", issued{clientID: "docs.wiki"}, true},
		{"another's", "docs.shop", own, false},
		{"another's refresh token", "docs.shop", issued{clientID: "docs.wiki"}, false},
		{"meant for it", "docs.api", issued{clientID: "docs.wiki", audience: []string{"api://docs.api"}}, true},
		{"meant for several", "docs.api", issued{clientID: "docs.wiki", audience: []string{"api://x", "api://docs.api"}}, true},
		{"issued to it, meant for another", "docs.wiki", issued{clientID: "docs.wiki", audience: []string{"api://docs.api"}}, true},
		{"a bare client_id", "docs.api", issued{clientID: "docs.wiki", audience: []string{"docs.api"}}, false},
		{"the beginning of it", "docs.api", issued{clientID: "docs.wiki", audience: []string{"api://docs.api2"}}, false},
		{"nobody", "", issued{clientID: "docs.wiki", audience: []string{""}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := concerns(c.caller, c.token); got != c.want {
				t.Errorf("concerns(%q, %v) = %v, want %v", c.caller, c.token, got, c.want)
			}
		})
	}
}

// TestIntrospect_Callers: RFC 7662 section 2.1: whoever tries out tokens must prove
// who they are.
func TestIntrospect_Callers(t *testing.T) {
	w := newWorld(t)
	w.addClient("poster", func(r *registration.Client) { r.TokenEndpointAuthMethod = "client_secret_post" })
	w.addClient("spa", public)
	uri := "https://spa.example.com/callback"
	form := with(redemption(w.codeFor(with(validRequest(), "client_id", "docs.spa", "redirect_uri", uri))), "client_id", "docs.spa", "redirect_uri", uri)
	token := w.tokenAs("", "", form).ok().str("access_token")
	const challenge = `Basic realm="` + mainIssuer + `"`
	for name, c := range map[string]struct {
		authorization string
		form          url.Values
		status        int
		challenge     string
	}{
		"basic":                {basic("docs.wiki", wikiSecret), nil, 200, ""},
		"post":                 {"", url.Values{"client_id": {"docs.poster"}, "client_secret": {"poster" + wikiSecret[4:]}}, 200, ""},
		"nobody":               {"", nil, 401, ""},
		"a public client":      {"", url.Values{"client_id": {"docs.spa"}}, 401, ""},
		"public by basic":      {basic("docs.spa", "x"), nil, 401, challenge},
		"client_id alone":      {"", url.Values{"client_id": {"docs.wiki"}}, 401, ""},
		"a wrong secret":       {basic("docs.wiki", shopSecret), nil, 401, challenge},
		"an unknown client":    {basic("docs.nobody", wikiSecret), nil, 401, challenge},
		"another method":       {"", url.Values{"client_id": {"docs.wiki"}, "client_secret": {wikiSecret}}, 401, ""},
		"the token as bearer":  {"Bearer " + token, nil, 401, challenge},
		"two ways":             {basic("docs.wiki", wikiSecret), url.Values{"client_secret": {wikiSecret}}, 400, ""},
		"client_id with basic": {basic("docs.wiki", wikiSecret), url.Values{"client_id": {"docs.wiki"}}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			form := about(token)
			maps.Copy(form, c.form)
			r := w.tokenRequest(mainIssuer, "", "", form)
			r.URL.Path = introspectPath
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			a := w.call(r)
			switch c.status {
			case 200:
				a.inactive() // it is another client's
			case 401:
				a.refused(401, "invalid_client")
			default:
				a.refused(c.status, "invalid_request")
			}
			if got := a.header.Get("WWW-Authenticate"); got != c.challenge {
				t.Errorf("WWW-Authenticate is %q, want %q", got, c.challenge)
			}
		})
	}
}

func TestIntrospect_Expiry(t *testing.T) {
	w := newWorld(t)
	a := w.firstAnswer()
	w.clock.pass(15*time.Minute - time.Second)
	w.introspect(a.str("access_token")).active()
	// At exp it is over, although /userinfo allows for a clock that is wrong.
	w.clock.pass(time.Second)
	w.introspect(a.str("access_token")).inactive()
	w.userinfo(a.str("access_token")).ok()
	w.clock.pass(168*time.Hour - 15*time.Minute - time.Second)
	w.introspect(a.str("refresh_token")).active()
	w.clock.pass(time.Second)
	w.introspect(a.str("refresh_token")).inactive()
}

// TestIntrospect_Rotation: only the newest refresh token is active, also while the one
// before it may be sent again.
func TestIntrospect_Rotation(t *testing.T) {
	w := newWorld(t)
	first := w.firstAnswer()
	second := w.token(refreshing(first.str("refresh_token"))).ok()
	w.introspect(first.str("refresh_token")).inactive()
	again := w.token(refreshing(first.str("refresh_token"))).ok()
	for _, a := range []answer{second, again} {
		w.introspect(a.str("refresh_token")).active()
	}
	third := w.token(refreshing(second.str("refresh_token"))).ok()
	for _, a := range []answer{first, second, again} {
		w.introspect(a.str("refresh_token")).inactive()
		w.introspect(a.str("access_token")).active()
	}
	w.introspect(third.str("refresh_token")).active()
	// Asking is no use: it neither spends a token nor revokes anything.
	w.token(refreshing(third.str("refresh_token"))).ok()
}

// TestIntrospect_Person: it is about the person as they are now.
func TestIntrospect_Person(t *testing.T) {
	w := newWorld(t)
	a := w.firstAnswer()
	for _, token := range []string{a.str("access_token"), a.str("refresh_token")} {
		w.introspect(token).active()
		w.users.set(userList(t, "bob"), nil)
		w.introspect(token).inactive()
		w.users.set(userList(t, "alice"), nil)
		w.introspect(token).active()
		w.addClient("wiki", onlyGroups("docs-admins"))
		w.introspect(token).inactive()
		w.addClient("wiki", onlyUsers("alice"))
		w.introspect(token).active()
		w.addIssuer("main", mainIssuer, func(r *registration.Server) { r.IdentityProviders[0].Name = "customers" })
		w.introspect(token).inactive()
		w.addIssuer("main", mainIssuer, nil)
		w.introspect(token).active()
	}
}

// TestIntrospect_Registration: it is about the client as it is now.
func TestIntrospect_Registration(t *testing.T) {
	w := newWorld(t)
	a := w.firstAnswer()
	access, refresh := a.str("access_token"), a.str("refresh_token")
	wiki := func(change func(*registration.Client)) { w.addClient("wiki", change) }

	w.registry.SetClient(clientOf(t, narrowed(clientRecord("wiki", nil))))
	for _, token := range []string{access, refresh} {
		if got := w.introspect(token).active().JSON["scope"]; got != "openid profile offline_access" {
			t.Errorf("scope is %v", got)
		}
	}
	wiki(func(r *registration.Client) { r.Scopes = []string{"openid", "profile"} })
	w.introspect(access).active()
	w.introspect(refresh).active() // as long as the person is signed in
	wiki(func(r *registration.Client) { r.GrantTypes = []string{"authorization_code"} })
	w.introspect(access).active()
	w.introspect(refresh).inactive()
	wiki(func(r *registration.Client) { r.Scopes = []string{"wiki:edit"} })
	w.introspect(access).inactive()

	// Deleted and created anew, it is another client; one that takes its grants over is not.
	w.registry.SetClient(clientOf(t, recreated(clientRecord("wiki", nil))))
	w.introspect(access).inactive()
	w.introspect(refresh).inactive()
	wiki(func(r *registration.Client) { r.UID, r.GrantUID = "uid-of-the-next", "uid-wiki" })
	w.introspect(access).active()
	w.introspect(refresh).active()
}

// TestIntrospect_CannotTell: what may be active is never called inactive.
func TestIntrospect_CannotTell(t *testing.T) {
	w := newWorld(t)
	a := w.firstAnswer()
	for _, token := range []string{a.str("access_token"), a.str("refresh_token")} {
		unsure := func(why string) {
			t.Helper()
			got := w.introspect(token).refused(503, "temporarily_unavailable")
			if got.header.Get("Retry-After") != "5" || got.JSON["active"] != nil || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: got %v %s", why, got.header, got.body)
			}
		}
		w.store.fails()
		unsure("the store is broken")
		w.store.heals()
		w.users.set(nil, errBroken)
		unsure("the identity provider is broken")
		w.users.set(userList(t, "alice"), nil)

		w.current.Store(false)
		w.introspect(token).active() // known for sure all the same
		w.registry.SetClient(clientOf(t, recreated(clientRecord("wiki", nil))))
		unsure("the client may be this one")
		w.registry.SetClient(clientOf(t, narrowed(clientRecord("wiki", nil))))
		unsure("the client may have more scopes")
		w.addClient("wiki", onlyUsers("bob"))
		unsure("the person may be admitted")
		w.addClient("wiki", nil)
		token = token[:len(token)-3] + "AAA"
		unsure("it may be of a newer key")
		w.current.Store(true)
		w.introspect(token).inactive()
	}
	if !strings.Contains(w.log.String(), "read grant: the store is broken") {
		t.Error("the log does not tell why")
	}
}

// TestIntrospect_Pages: no page may ask, of whatever origin.
func TestIntrospect_Pages(t *testing.T) {
	w := newWorld(t)
	if a := w.call(w.request(http.MethodOptions, mainIssuer+introspectPath, "")); a.status != http.StatusMethodNotAllowed {
		t.Errorf("status %d", a.status)
	}
	r := w.tokenRequest(mainIssuer, "docs.wiki", wikiSecret, about(w.firstAnswer().str("access_token")))
	r.URL.Path = introspectPath
	r.Header.Set("Origin", "https://wiki.example.com")
	if a := w.call(r).active(); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("headers are %v", a.header)
	}
}

// TestIntrospect_Log: why a token is not active stands there, and nowhere else.
func TestIntrospect_Log(t *testing.T) {
	w := newWorld(t)
	w.introspect("an-opaque-token-of-somebody").inactive()
	if want := `"route":"POST /introspect","status":200`; !strings.Contains(w.log.String(), want) {
		t.Errorf("the log lacks %s", want)
	}
	if want := `"cause":"invalid_token: `; !strings.Contains(w.log.String(), want) {
		t.Errorf("the log lacks %s", want)
	}
}
