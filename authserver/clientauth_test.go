// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// TestClientAuth changes one thing in a valid request of a client that is
// registered for client_secret_basic.
func TestClientAuth(t *testing.T) {
	w := newWorld(t)
	w.addClient("poster", func(r *registration.Client) { r.TokenEndpointAuthMethod = "client_secret_post" })
	w.addClient("spa", public)
	const (
		ok      = "invalid_grant" // authenticated: the code is what is wrong
		refused = "invalid_client"
	)
	good := basic("docs.wiki", wikiSecret)
	posterSecret := "poster" + wikiSecret[4:]
	for name, c := range map[string]struct {
		authorization string
		form          url.Values
		want          string
	}{
		"basic":                     {good, nil, ok},
		"scheme in lower case":      {"basic" + good[5:], nil, ok},
		"two spaces":                {"Basic  " + good[6:], nil, ok},
		"client_id beside":          {good, url.Values{"client_id": {"docs.wiki"}}, ok},
		"form-urlencoded in basic":  {basic("docs%2Ewiki", strings.ReplaceAll(wikiSecret, "-", "%2D")), nil, ok},
		"post":                      {"", url.Values{"client_id": {"docs.poster"}, "client_secret": {posterSecret}}, ok},
		"none":                      {"", url.Values{"client_id": {"docs.spa"}}, ok},
		"empty client_secret":       {"", url.Values{"client_id": {"docs.spa"}, "client_secret": {""}}, ok},
		"id as it is, twice":        {basic("docs.wiki", wikiSecret), url.Values{"client_id": {"docs.wiki"}}, ok},
		"basic with an empty other": {good, url.Values{"client_secret": {""}}, ok},

		"nothing":               {"", nil, refused},
		"unknown client":        {basic("docs.nobody", wikiSecret), nil, refused},
		"wrong secret":          {basic("docs.wiki", wikiSecret+"x"), nil, refused},
		"empty secret":          {basic("docs.wiki", ""), nil, refused},
		"another's secret":      {basic("docs.wiki", shopSecret), nil, refused},
		"digest for a secret":   {basic("docs.wiki", credential.New(wikiSecret).Digest()), nil, refused},
		"no colon":              {"Basic " + base64.StdEncoding.EncodeToString([]byte("docs.wiki")), nil, refused},
		"no client":             {basic("", wikiSecret), nil, refused},
		"not base64":            {"Basic !!!", nil, refused},
		"empty basic":           {"Basic", nil, refused},
		"bearer":                {"Bearer " + good[6:], nil, refused},
		"another client_id":     {good, url.Values{"client_id": {"docs.poster"}}, refused},
		"basic for post":        {basic("docs.poster", posterSecret), nil, refused},
		"post for basic":        {"", url.Values{"client_id": {"docs.wiki"}, "client_secret": {wikiSecret}}, refused},
		"none for basic":        {"", url.Values{"client_id": {"docs.wiki"}}, refused},
		"public with a secret":  {"", url.Values{"client_id": {"docs.spa"}, "client_secret": {"x"}}, refused},
		"public by basic":       {basic("docs.spa", "x"), nil, refused},
		"public by empty basic": {basic("docs.spa", ""), nil, refused},
		"basic with a bad %":    {basic("docs.wiki", wikiSecret+"%zz"), nil, refused},

		"basic and post":       {good, url.Values{"client_secret": {wikiSecret}}, "invalid_request"},
		"client_id twice":      {"", url.Values{"client_id": {"docs.spa", "docs.spa"}}, "invalid_request"},
		"client_secret twice":  {"", url.Values{"client_id": {"docs.poster"}, "client_secret": {posterSecret, "x"}}, "invalid_request"},
		"basic and id twice":   {good, url.Values{"client_id": {"docs.wiki", "docs.wiki"}}, "invalid_request"},
		"basic and two others": {good, url.Values{"client_secret": {"x", "y"}}, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			form := redemption("not-a-code")
			maps.Copy(form, c.form)
			r := w.tokenRequest(mainIssuer, "", "", form)
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			status := map[string]int{ok: 400, refused: 401, "invalid_request": 400}[c.want]
			a := w.call(r).refused(status, c.want)
			challenge := ""
			if c.want == refused && c.authorization != "" {
				challenge = `Basic realm="` + mainIssuer + `"`
			}
			if got := a.header.Get("WWW-Authenticate"); got != challenge {
				t.Errorf("WWW-Authenticate is %q, want %q", got, challenge)
			}
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" {
				t.Errorf("headers are %v", a.header)
			}
		})
	}
	t.Run("two headers", func(t *testing.T) {
		w := w.in(t)
		r := w.tokenRequest(mainIssuer, "docs.wiki", wikiSecret, redemption("x"))
		r.Header.Add("Authorization", good)
		w.call(r).refused(400, "invalid_request")
	})
}

// TestClientAuth_Uniform: an unknown client and a wrong secret look the same.
func TestClientAuth_Uniform(t *testing.T) {
	w := newWorld(t)
	one := w.tokenAs("docs.wiki", "wrong-secret-0123456789", redemption("x")).refused(401, "invalid_client")
	two := w.tokenAs("docs.nobody", "wrong-secret-0123456789", redemption("x")).refused(401, "invalid_client")
	w.addClient("spa", public)
	three := w.tokenAs("docs.spa", "wrong-secret-0123456789", redemption("x")).refused(401, "invalid_client")
	if one.body != two.body || two.body != three.body {
		t.Errorf("%s, %s and %s", one.body, two.body, three.body)
	}
	for _, a := range []*answer{&one, &two} {
		a.header.Del("X-Request-Id")
	}
	if !reflect.DeepEqual(one.header, two.header) {
		t.Errorf("%v and %v", one.header, two.header)
	}
}

// TestClientAuth_Rotation: while two secrets overlap, both are good.
func TestClientAuth_Rotation(t *testing.T) {
	w := newWorld(t)
	w.addClient("wiki", func(r *registration.Client) {
		r.Digests = append(r.Digests, registration.Digest{SHA256: credential.New(shopSecret).Digest()})
	})
	for _, secret := range []string{wikiSecret, shopSecret} {
		w.tokenAs("docs.wiki", secret, redemption("x")).refused(400, "invalid_grant")
	}
	w.addClient("wiki", func(r *registration.Client) { r.Digests[0].SHA256 = credential.New(shopSecret).Digest() })
	w.tokenAs("docs.wiki", wikiSecret, redemption("x")).refused(401, "invalid_client")
}

// TestClientAuth_StaleRegistry: a replica that cannot prove that it is current
// refuses no secret for good.
func TestClientAuth_StaleRegistry(t *testing.T) {
	w := newWorld(t)
	w.current.Store(false)
	for _, id := range []string{"docs.wiki", "docs.new"} {
		a := w.tokenAs(id, "a-secret-that-is-newer-than-the-replica", redemption("x")).refused(503, "temporarily_unavailable")
		if a.header.Get("Retry-After") != "5" || a.header.Get("WWW-Authenticate") != "" {
			t.Errorf("headers are %v", a.header)
		}
	}
	w.token(redemption(w.codeFor(validRequest()))).ok()
}

func TestClientAuth_CORS(t *testing.T) {
	w := newWorld(t)
	w.addClient("spa", public)
	ask := func(client, origin string) http.Header {
		form := with(redemption("x"), "client_id", client)
		r := w.tokenRequest(mainIssuer, "", "", form)
		r.Header.Set("Origin", origin)
		return w.call(r).header
	}
	h := ask("docs.spa", "https://spa.example.com")
	if h.Get("Access-Control-Allow-Origin") != "https://spa.example.com" || h.Get("Vary") != "Origin" ||
		h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("headers are %v", h)
	}
	for client, origin := range map[string]string{
		"docs.spa": "https://evil.example", "docs.wiki": "https://wiki.example.com", "docs.nobody": "https://evil.example",
	} {
		if got := ask(client, origin).Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s may be read from %s: %q", client, origin, got)
		}
	}
	for _, path := range []string{"/token", "/userinfo"} {
		a := w.call(w.request(http.MethodOptions, mainIssuer+path, ""))
		if a.status != http.StatusNoContent || a.header.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type" {
			t.Errorf("%s: status %d, %v", path, a.status, a.header)
		}
	}
}

func FuzzBasicAuth(f *testing.F) {
	f.Add(basic("docs.wiki", wikiSecret), "", "")
	f.Add(basic("docs%2Ewiki", "a%20b+c"), "docs.wiki", "")
	f.Add("Basic", "docs.spa", "x")
	f.Add("basic  Og==", "", "")
	f.Fuzz(func(t *testing.T, header, id, secret string) {
		p := &params{values: url.Values{"client_id": {id}, "client_secret": {secret}}}
		c, problem := parseCredentials([]string{header}, p)
		if problem != nil {
			return
		}
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(header[len("basic "):]))
		sent, _, _ := strings.Cut(string(raw), ":")
		switch {
		case err != nil || !strings.EqualFold(header[:6], "basic "):
			t.Errorf("accepted %q", header)
		case c.method != registration.AuthMethodBasic || secret != "":
			t.Errorf("method %s with a client_secret of %q", c.method, secret)
		case id != "" && id != c.id:
			t.Errorf("took %q for %q", c.id, id)
		case c.unencoded != nil && (id == c.unencoded.id && id != c.id || c.unencoded.unencoded != nil || c.unencoded.id != sent):
			t.Errorf("read %q and %q of %q beside %q", c.id, c.unencoded.id, raw, id)
		case c.id != sent && c.id != unescape(sent):
			t.Errorf("read %q of %q", c.id, raw)
		}
	})
}
