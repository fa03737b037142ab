// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// validRequest is an authorization request of wiki to which nothing is amiss.
func validRequest() url.Values {
	return url.Values{
		"response_type": {"code"}, "client_id": {"docs.wiki"}, "redirect_uri": {wikiURI},
		"scope": {"openid profile email groups offline_access"}, "state": {"state-of-the-client"},
		"nonce": {"nonce-of-the-client"}, "code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"},
	}
}

// with is v after some changes to a copy: name, value, name, value.
func with(v url.Values, changes ...string) url.Values {
	out := url.Values{}
	for name, values := range v {
		out[name] = append([]string(nil), values...)
	}
	for i := 0; i+1 < len(changes); i += 2 {
		out.Set(changes[i], changes[i+1])
	}
	return out
}

func without(v url.Values, names ...string) url.Values {
	out := with(v)
	for _, name := range names {
		out.Del(name)
	}
	return out
}

func authorizeURL(issuer string, v url.Values) string { return issuer + "/authorize?" + v.Encode() }

// begin opens an authorization request at the main issuer.
func (b *browser) begin(v url.Values) page {
	b.t.Helper()
	return b.get(authorizeURL(mainIssuer, v))
}

func (p page) loginAs(username, password string) page {
	p.b.t.Helper()
	return p.submit(url.Values{"username": {username}, "password": {password}})
}

func (p page) decide(decision string) page {
	p.b.t.Helper()
	return p.submit(url.Values{"decision": {decision}})
}

// codeFor signs alice in, who allows everything, and returns the code.
func (w *world) codeFor(v url.Values) string {
	w.t.Helper()
	return w.newBrowser().codeFor(v)
}

func (b *browser) codeFor(v url.Values) string {
	b.t.Helper()
	p := b.begin(v)
	if strings.HasSuffix(p.url.Path, "/login") && p.location == nil {
		p = p.loginAs("alice", alicePass)
	}
	if strings.HasSuffix(p.url.Path, "/consent") && p.location == nil {
		p = p.decide("allow")
	}
	return p.is("code").param("code")
}

// answer is what an api endpoint said.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
	JSON   map[string]any
}

// call makes a request without a browser.
func (w *world) call(r *http.Request) answer {
	w.t.Helper()
	res, err := w.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{t: w.t, status: res.StatusCode, header: res.Header, body: string(body)}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(body, &a.JSON); err != nil {
			w.t.Fatalf("not JSON: %s", body)
		}
	}
	return a
}

func (w *world) request(method, raw, body string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, raw, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// token calls the main issuer's token endpoint as wiki.
func (w *world) token(form url.Values) answer {
	w.t.Helper()
	return w.tokenAs("docs.wiki", wikiSecret, form)
}

func (w *world) tokenAs(id, secret string, form url.Values) answer {
	w.t.Helper()
	return w.call(w.tokenRequest(mainIssuer, id, secret, form))
}

func (w *world) tokenRequest(issuer, id, secret string, form url.Values) *http.Request {
	w.t.Helper()
	r := w.request(http.MethodPost, issuer+"/token", form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		r.SetBasicAuth(id, secret)
	}
	return r
}

// redemption is a valid token request for a code.
func redemption(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {wikiURI}, "code_verifier": {verifier},
	}
}

func refreshing(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

// userinfo calls the main issuer's userinfo endpoint.
func (w *world) userinfo(accessToken string) answer {
	w.t.Helper()
	r := w.request(http.MethodGet, mainIssuer+"/userinfo", "")
	r.Header.Set("Authorization", "Bearer "+accessToken)
	return w.call(r)
}

// ok fails the test unless the answer is 200.
func (a answer) ok() answer {
	a.t.Helper()
	if a.status != http.StatusOK {
		a.t.Fatalf("status %d: %s", a.status, a.body)
	}
	return a
}

// refused fails the test unless the answer is an error of a status and code.
func (a answer) refused(status int, code string) answer {
	a.t.Helper()
	if a.status != status || a.JSON["error"] != code || a.JSON["error_description"] == "" {
		a.t.Errorf("status %d: %s, want %d with %s", a.status, a.body, status, code)
	}
	return a
}

func (a answer) str(name string) string {
	a.t.Helper()
	s, ok := a.JSON[name].(string)
	if !ok || s == "" {
		a.t.Fatalf("no %s in %s", name, a.body)
	}
	return s
}

// claims are a JWT's, unverified.
func (a answer) claims(name string) jwt.MapClaims {
	a.t.Helper()
	c := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(a.str(name), c); err != nil {
		a.t.Fatal(err)
	}
	return c
}

func clientOf(t testing.TB, r registration.Client) *registry.Client {
	t.Helper()
	c, err := registry.NewClient(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What can happen to a client's registration.

func recreated(r registration.Client) registration.Client {
	r.UID += "-2"
	return r
}

func moved(r registration.Client) registration.Client {
	r.RedirectURIs = []string{"https://elsewhere.example.com/callback"}
	return r
}

func narrowed(r registration.Client) registration.Client {
	r.Scopes = []string{"openid", "profile", "offline_access"}
	return r
}

func renamed(r registration.Client) registration.Client {
	r.DisplayName = "Team Wiki, renamed"
	return r
}
