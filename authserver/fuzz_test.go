// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/store/memory"
)

// fuzzed is a server that a stranger may send anything, and what it is made of.
type fuzzed struct {
	*Server
	issuer *registry.Issuer
	store  *brittleStore
	now    time.Time
}

func newFuzzed(f *testing.F) *fuzzed {
	f.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	x := &fuzzed{now: now, store: &brittleStore{Store: memory.New(func() time.Time { return now })}}
	known := registry.New(nil)
	var err error
	if x.issuer, err = registry.NewIssuer(serverRecord("main", mainIssuer, nil), newUsers(f), keysOf(f, "main")); err != nil {
		f.Fatal(err)
	}
	known.SetIssuer(x.issuer)
	known.SetClient(clientOf(f, clientRecord("wiki", nil)))
	known.SetClient(clientOf(f, clientRecord("spa", public)))
	x.Server, err = New(Config{
		Registry: known, Store: x.store, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	})
	if err != nil {
		f.Fatal(err)
	}
	return x
}

// FuzzServe: whatever somebody sends who has no credentials, nothing fails, nothing is
// stored, no token is given, and no redirect leads to where nobody has registered.
func FuzzServe(f *testing.F) {
	x := newFuzzed(f)
	const form = "application/x-www-form-urlencoded"
	f.Add("GET", "/authorize?"+validRequest().Encode(), "", "", "", "")
	f.Add("POST", "/authorize", form, "", "", validRequest().Encode())
	f.Add("GET", "/continue?flow=x", "", "", "__Host-clientele-main-browser=x", "")
	f.Add("POST", "/login", form, "", "__Host-clientele-main-session=x", "flow=x&username=alice&password=x")
	f.Add("POST", "/consent", form, "", "", "flow=x&decision=allow")
	f.Add("POST", "/token", form, basic("docs.wiki", "x"), "", redemption("x").Encode())
	f.Add("POST", "/token", form, "", "", with(refreshing("x"), "client_id", "docs.spa").Encode())
	f.Add("POST", "/introspect", form, basic("docs.wiki", "x"), "", "token=x")
	f.Add("POST", "/revoke", form, "", "", "token=x&client_id=docs.spa")
	f.Add("GET", "/userinfo", "", "Bearer x.y.z", "", "")
	f.Add("POST", "/userinfo", form, "", "", "access_token=x")
	f.Add("GET", "/endsession?post_logout_redirect_uri=https://evil.example&client_id=docs.wiki", "", "", "", "")
	f.Add("POST", "/signout", form, "", "", "logout=x")
	f.Add("HEAD", "/.well-known/openid-configuration", "", "", "", "")
	f.Add("OPTIONS", "//evil.example/..%2f/token?a=b", "", "", "", "%zz")
	f.Fuzz(func(t *testing.T, method, target, contentType, authorization, cookie, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, mainIssuer+"/", strings.NewReader(body))
		r.Method, r.URL = method, &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
		for name, value := range map[string]string{"Content-Type": contentType, "Authorization": authorization, "Cookie": cookie} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		x.ServeHTTP(w, r)
		to := w.Header().Get("Location")
		switch {
		case w.Code >= http.StatusInternalServerError:
			t.Errorf("status %d", w.Code)
		case to != "" && !slices.ContainsFunc([]string{mainIssuer + "/", wikiURI + "?", "https://spa.example.com/callback?"},
			func(known string) bool { return strings.HasPrefix(to, known) }):
			t.Errorf("leads to %q", to)
		case strings.ContainsAny(to, "\r\n"):
			t.Errorf("Location %q", to)
		case strings.Contains(w.Body.String(), `"access_token"`), strings.Contains(w.Body.String(), `"active":true`):
			t.Errorf("answered %s", w.Body)
		case x.store.writes.Load() != 0:
			t.Errorf("%d writes", x.store.writes.Load())
		}
	})
}

// FuzzBearer: an access token is what came in one of two ways, alone and unchanged.
func FuzzBearer(f *testing.F) {
	f.Add("Bearer a.b.c", "", false)
	f.Add("bearer  a.b.c ", "access_token=x", false)
	f.Add("", "access_token=x&access_token=y", false)
	f.Add("Basic eDp5", "access_token=x", true)
	f.Add("Bearer", "access_token=", true)
	f.Fuzz(func(t *testing.T, header, body string, twice bool) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		hr := &http.Request{Header: http.Header{}, PostForm: form}
		if header != "" {
			hr.Header.Add("Authorization", header)
		}
		if twice {
			hr.Header.Add("Authorization", header)
		}
		got, err := parseBearer(&request{Request: hr})
		if err != nil {
			if e, _ := publicError(err); got != "" || !descriptionChars.MatchString(e.Description) {
				t.Errorf("%q with the description %q", got, e.Description)
			}
			return
		}
		scheme, rest, _ := strings.Cut(header, " ")
		bearer := strings.EqualFold(scheme, "Bearer") && rest != ""
		sent := form.Get("access_token")
		switch {
		case bearer && (sent != "" || got != strings.TrimSpace(rest)):
			t.Errorf("%q of %q beside %q", got, header, sent)
		case !bearer && (got != strings.TrimSpace(sent) || len(form["access_token"]) != 1):
			t.Errorf("%q of %q", got, body)
		case twice && len(hr.Header.Values("Authorization")) > 1:
			t.Errorf("%q of two headers", got)
		}
	})
}

// FuzzCookies: only a cookie that was sealed here names a session, and only the cookie
// of the browser that a flow began in takes it up.
func FuzzCookies(f *testing.F) {
	x := newFuzzed(f)
	sealed, err := x.issuer.Box.Seal(seal.Session, sealedSession{ID: "session-of-alice", SignIn: "first"}, x.now)
	if err != nil {
		f.Fatal(err)
	}
	const secret = "what-only-the-browser-of-alice-has"
	own := func(kind string) string { return (&request{issuer: x.issuer}).cookieName(kind) }
	f.Add(own(sessionCookie) + "=" + sealed + "; " + own(browserCookie) + "=" + secret)
	f.Add(own(sessionCookie) + "=\"" + sealed + "\"; " + own(browserCookie) + "=" + secret + "x")
	f.Add(own(sessionCookie) + "=x; " + own(sessionCookie) + "=" + sealed)
	f.Add("clientele-main-session=" + sealed + ";;=; " + own(browserCookie) + "=")
	f.Fuzz(func(t *testing.T, header string) {
		r := &request{issuer: x.issuer, now: x.now, Request: (&http.Request{Header: http.Header{"Cookie": {header}}}).WithContext(t.Context())}
		held, ok := r.sessionHeld()
		if ok && (held != sealedSession{ID: "session-of-alice", SignIn: "first"} || !strings.Contains(header, own(sessionCookie)+"=") || !strings.Contains(header, sealed)) {
			t.Errorf("%q names the session %q", header, held.ID)
		}
		if r.isBrowser(hash(secret)) && (!strings.Contains(header, own(browserCookie)+"=") || !strings.Contains(header, secret)) {
			t.Errorf("%q is the browser of somebody else", header)
		}
		if r.isBrowser("") || r.isBrowser(hash("")) {
			t.Errorf("%q is the browser of nobody", header)
		}
	})
}
