// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

// issuer is just enough of an OpenID Provider for this app: a person who always
// agrees, and a token endpoint. Tests change what it answers.
type issuer struct {
	*httptest.Server

	t      *testing.T
	key    *ecdsa.PrivateKey
	secret string
	// asked is the authorization request that the code belongs to.
	asked url.Values
	// id changes the ID token's claims, and refuse answers with an error.
	id     func(map[string]any)
	refuse string
	// endSession is the end_session_endpoint; empty means that there is none.
	endSession string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{t: t, key: newECKey(t), secret: "s1", id: func(map[string]any) {}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{
			"end_session_endpoint": i.endSession,
			"issuer":               i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
			"jwks_uri": i.URL + "/jwks", "id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "k1", Algorithm: "ES256"}}})
	})
	mux.HandleFunc("GET /bye", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.RawQuery) })
	mux.HandleFunc("POST /token", i.token)
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	verified := r.FormValue("grant_type") == "refresh_token" && strings.HasPrefix(r.FormValue("refresh_token"), "r") ||
		r.FormValue("code") == "c1" && oauth2.S256ChallengeFromVerifier(r.FormValue("code_verifier")) == i.asked.Get("code_challenge")
	switch {
	case i.refuse != "":
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": i.refuse, "error_description": "<b>because</b>"})
		return
	case id != "team.app" || secret != i.secret:
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	case !verified:
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	now := time.Now()
	claims := map[string]any{
		"iss": i.URL, "sub": "ada", "aud": "team.app", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"name": "Ada Lovelace", "email": "ada@example.com", "groups": []string{"engineering"}, "nonce": i.asked.Get("nonce"),
	}
	i.id(claims)
	access := accessClaims()
	access["iss"], access["iat"], access["exp"] = i.URL, now.Unix(), now.Add(time.Minute).Unix()
	writeJSON(w, http.StatusOK, map[string]any{
		"token_type": "Bearer", "expires_in": 60, "refresh_token": "r" + now.String(),
		"access_token": mint(i.t, i.key, "at+jwt", access), "id_token": mint(i.t, i.key, "JWT", claims),
	})
}

// mount writes a Secret's files as the kubelet does.
func (i *issuer) mount(dir, version string) {
	i.t.Helper()
	data := filepath.Join(dir, version)
	if err := os.MkdirAll(data, 0o700); err != nil {
		i.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"client_id": "team.app", "client_secret": i.secret, "issuer": i.URL, "jwks_uri": i.URL + "/jwks",
	} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(value), 0o600); err != nil {
			i.t.Fatal(err)
		}
		link := filepath.Join(dir, name)
		if _, err := os.Lstat(link); err != nil {
			if err := os.Symlink(filepath.Join("..data", name), link); err != nil {
				i.t.Fatal(err)
			}
		}
	}
	next := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(version, next); err != nil {
		i.t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
		i.t.Fatal(err)
	}
}

// browser is a person's browser in front of the app.
type browser struct {
	t *testing.T
	*http.Client

	app string
}

// page gets or posts and returns status and body of where it ends.
func (b *browser) page(method, path string) (int, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.app+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := b.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// begin starts a sign-in and returns the authorization request.
func (b *browser) begin() url.Values {
	b.t.Helper()
	once := *b.Client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.app+"/login", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := once.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	to, err := resp.Location()
	if err != nil || !strings.HasSuffix(to.Path, "/authorize") {
		b.t.Fatalf("GET /login: got %s to %v", resp.Status, to)
	}
	return to.Query()
}

// start runs the app with credentials of i and returns a browser in front of it.
func start(t *testing.T, i *issuer) (*browser, string) {
	t.Helper()
	dir := t.TempDir()
	i.mount(dir, "..v1")
	a := newApp(config{credentials: dir, scopes: []string{"openid", "profile"}}, "", discard)
	server := httptest.NewServer(a.routes())
	t.Cleanup(server.Close)
	a.api, a.url = server.URL, server.URL
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Jar: jar}, server.URL}, dir
}
