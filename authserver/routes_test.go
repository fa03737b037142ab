// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/store/memory"
)

func TestNew_Validates(t *testing.T) {
	good := Config{Registry: registry.New(nil), Store: memory.New(nil), Log: slog.New(slog.DiscardHandler)}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]Config{
		"Registry": {Store: good.Store, Log: good.Log},
		"Store":    {Registry: good.Registry, Log: good.Log},
		"Log":      {Registry: good.Registry, Store: good.Store},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestRoutes_NoIssuer(t *testing.T) {
	w := newWorld(t)
	w.addIssuer("other", hostIssuer+"/x", nil)
	b := w.newBrowser()
	for _, raw := range []string{
		"https://unknown.example/authorize", hostIssuer + "/authorize", hostIssuer + "/", hostIssuer + "/xy/token",
	} {
		b.get(raw).is("page Not Found").has("No authorization server is at this address")
	}
	w.current.Store(false)
	b.get("https://unknown.example/authorize").is("page Service Unavailable")
}

func TestRoutes_NotFound(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	for _, path := range []string{
		"", "/", "/nothing", "/authorize/", "//authorize", "/token/x", "/./token", "/healthz", "/metrics",
		"/.well-known/jwks.json", "/favicon.ico", "/AUTHORIZE",
	} {
		b.get(mainIssuer + path).is("page Not Found").has("There is no page at this address")
	}
}

func TestRoutes_Host(t *testing.T) {
	w := newWorld(t)
	w.addIssuer("local", "http://127.0.0.1:9096", nil)
	for _, host := range []string{"login.example.com", "login.example.com:443", "LOGIN.example.com", "127.0.0.1:9096"} {
		r := w.request(http.MethodGet, mainIssuer+"/jwks", "")
		r.Host = host
		w.call(r).ok()
	}
	for _, host := range []string{"login.example.com:80", "login.example.com:8443", "127.0.0.1", "127.0.0.1:80", ""} {
		r := w.request(http.MethodGet, "https://nobody.example/jwks", "")
		r.URL.Host, r.Host = "x", host
		if a := w.call(r); a.status != http.StatusNotFound {
			t.Errorf("%q: status %d", host, a.status)
		}
	}
}

func TestRoutes_Methods(t *testing.T) {
	w := newWorld(t)
	for path, allow := range map[string]string{
		"/authorize": "GET, POST", "/login": "GET, POST", "/consent": "GET, POST", "/denied": "GET, POST", "/continue": "GET",
		"/end_session": "GET, POST", "/signout": "GET, POST", "/token": "OPTIONS, POST",
		"/introspect": "POST", "/revoke": "OPTIONS, POST",
		"/userinfo": "GET, OPTIONS, POST", "/jwks": "GET", "/.well-known/openid-configuration": "GET",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"} {
			if slices.Contains(strings.Split(allow, ", "), method) {
				continue
			}
			a := w.call(w.request(method, mainIssuer+path, ""))
			if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != allow {
				t.Errorf("%s %s: status %d, Allow %q", method, path, a.status, a.header.Get("Allow"))
			}
		}
	}
	if strings.Contains(w.log.String(), "BREW") {
		t.Error("the log repeats a stranger's words")
	}
}

func TestRoutes_NoKeys(t *testing.T) {
	w := newWorld(t)
	i, err := registry.NewIssuer(serverRecord("main", mainIssuer, nil), w.users, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.registry.SetIssuer(i)
	if p := w.newBrowser().begin(validRequest()).is("page Service Unavailable"); p.header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After is %q", p.header.Get("Retry-After"))
	}
	w.token(redemption("x")).refused(503, "temporarily_unavailable")
	w.userinfo("x").refused(503, "temporarily_unavailable")
	w.introspect("x").refused(503, "temporarily_unavailable")
	w.revoke("x").refused(503, "temporarily_unavailable")
	for _, path := range []string{"/jwks", "/.well-known/openid-configuration"} {
		w.call(w.request(http.MethodGet, mainIssuer+path, "")).refused(503, "temporarily_unavailable")
	}
}

// TestRoutes_Panic: a bug in a handler is a 500 with a fixed text.
func TestRoutes_Panic(t *testing.T) {
	w := newWorld(t)
	w.server.routes.add("GET /index", w.server.browser, func(http.ResponseWriter, *request) error {
		return []error{}[len(mainIssuer)]
	})
	w.server.routes.add("GET /value", w.server.api, func(http.ResponseWriter, *request) error {
		panic("the password is " + alicePass)
	})
	w.server.routes.add("GET /late", w.server.api, func(rw http.ResponseWriter, _ *request) error {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write([]byte(`{}`))
		panic("late")
	})
	w.secrets.add("password", alicePass)
	p := w.newBrowser().get(mainIssuer + "/index").is("page Internal Server Error").has("Something went wrong here")
	if strings.Contains(p.body, "index out of range") || !strings.Contains(w.log.String(), "index out of range") {
		t.Error("the cause belongs in the log and nowhere else")
	}
	w.call(w.request(http.MethodGet, mainIssuer+"/value", "")).refused(500, "server_error")
	if a := w.call(w.request(http.MethodGet, mainIssuer+"/late", "")); a.body != "{}" {
		t.Errorf("got %s", a.body)
	}
	w.server.routes.add("GET /abort", w.server.api, func(http.ResponseWriter, *request) error { panic(http.ErrAbortHandler) })
	defer func() {
		if recover() != http.ErrAbortHandler { //nolint:errorlint // the very value
			t.Error("net/http does not hear of the abort")
		}
	}()
	w.call(w.request(http.MethodGet, mainIssuer+"/abort", ""))
}

func TestRoutes_LogAndMetrics(t *testing.T) {
	w := newWorld(t)
	w.userinfo(w.firstAnswer().str("access_token")).ok()
	w.token(redemption("x"))
	w.newBrowser().begin(validRequest()).loginAs("alice", "wrong")
	w.newBrowser().get("https://unknown.example/x")
	for _, want := range []string{
		`"level":"INFO","msg":"Serving request","method":"POST","route":"POST /token","status":200`,
		`"issuer":"main","clientID":"docs.wiki"`, `"route":"other","status":404`, `"error":"invalid_grant"`,
	} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	w.tokenAs("somebody-or-other", "a-secret-for-nothing", redemption("x"))
	if strings.Contains(w.log.String(), "somebody-or-other") {
		t.Error("the log repeats a client_id that nobody has")
	}
	w.wantMetric("clientele_logins_total", "success", 1)
	w.wantMetric("clientele_logins_total", "refused", 1)
	w.wantMetric("clientele_tokens_issued_total", "authorization_code", 1)
	w.wantMetric("clientele_token_errors_total", "invalid_grant", 1)
	w.wantMetric("clientele_token_errors_total", "invalid_client", 1)
	w.wantMetric("clientele_http_request_duration_seconds", "POST /token", 3)
	w.wantMetric("clientele_http_request_duration_seconds", "4xx", 4)
}

// wantMetric wants the sum over a metric's series that have a label's value.
func (w *world) wantMetric(name, label string, want float64) {
	w.t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	got := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetValue() == label }) {
				got += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	if got != want {
		w.t.Errorf("%s of %s is %v, want %v", name, label, got, want)
	}
}
