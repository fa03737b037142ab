// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/registry"
)

func TestLogin_Page(t *testing.T) {
	w := newWorld(t)
	p := w.newBrowser().begin(validRequest()).is("login")
	for _, want := range []string{
		`<html lang="en">`, `<label for="username">`, `<label for="password">`, `autocomplete="username"`,
		`autocomplete="current-password"`, `autofocus`, `method="post"`, `<title>Sign in to Team Wiki · Acme main</title>`,
		`name="viewport"`,
	} {
		if !strings.Contains(p.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	action, fields := p.form()
	if action != mainIssuer+"/login" || fields.Get("flow") == "" {
		t.Errorf("the form goes to %s with %v", action, fields)
	}
}

func TestLogin_Refused(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	start := b.begin(validRequest()).is("login")
	var texts []string
	for name, c := range map[string]struct{ username, password string }{
		"wrong password":   {"alice", "wrong"},
		"unknown user":     {"nobody-of-that-name", alicePass},
		"somebody else's":  {"bob", alicePass},
		"no password":      {"alice", ""},
		"no username":      {"", alicePass},
		"neither":          {"", ""},
		"a script":         {`"><script>alert(1)</script>`, "x"},
		"padded username":  {" alice", alicePass},
		"a long username":  {strings.Repeat("a", 5000), alicePass},
		"a long password":  {"alice", strings.Repeat("a", 20000)},
		"a zero byte":      {"alice\x00", alicePass},
		"not even unicode": {"\xff\xfe", alicePass},
	} {
		t.Run(name, func(t *testing.T) {
			p := start.loginAs(c.username, c.password).is("page Forbidden")
			if !strings.Contains(p.body, `role="alert"`) || !strings.Contains(p.body, `aria-describedby="problem"`) {
				t.Error("the refusal is not told to those who cannot see it")
			}
			_, fields := p.form()
			if want := strings.ToValidUTF8(c.username, "\uFFFD"); len(want) < 100 && !strings.Contains(want, "\x00") && !strings.Contains(want, "\uFFFD") &&
				fields.Get("username") != want {
				t.Errorf("username is %q, want %q", fields.Get("username"), want)
			}
			if fields.Get("password") != "" {
				t.Error("the password came back")
			}
			if p.header.Get("WWW-Authenticate") != "" || len(p.header.Values("Set-Cookie")) > 0 {
				t.Errorf("headers are %v", p.header)
			}
			texts = append(texts, p.text())
			if p.text() != texts[0] {
				t.Errorf("refusals differ: %q and %q", p.text(), texts[0])
			}
		})
	}
	if w.store.writes.Load() != 0 {
		t.Error("a refused login is written")
	}
	start.loginAs("alice", alicePass).is("consent")
}

func TestLogin_Session(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	start := b.begin(validRequest()).is("login")
	action, fields := start.form()
	fields.Set("username", "ALICE") // usernames are compared without regard to case
	fields.Set("password", alicePass)
	r := w.request(http.MethodPost, action, fields.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	p := b.send(r)
	if p.status != http.StatusSeeOther || !strings.HasPrefix(p.location.String(), mainIssuer+"/consent?flow=") {
		t.Fatalf("status %d to %s", p.status, p.location)
	}
	got := p.header.Get("Set-Cookie")
	if !strings.HasPrefix(got, "__Host-clientele-main-session=") ||
		!strings.HasSuffix(got, "; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("Set-Cookie is %s", got)
	}
	first := b.cookie(mainIssuer, "__Host-clientele-main-session")

	// Signing in again is a new session, and the end of the former one.
	b.begin(with(validRequest(), "prompt", "login")).is("login").loginAs("alice", alicePass).is("consent")
	second := b.cookie(mainIssuer, "__Host-clientele-main-session")
	if first == second {
		t.Error("the session was not rotated")
	}
	old := w.newBrowser()
	u, err := url.Parse(mainIssuer)
	if err != nil {
		t.Fatal(err)
	}
	old.client.Jar.SetCookies(u, []*http.Cookie{{Name: "__Host-clientele-main-session", Value: first, Secure: true}})
	old.begin(with(validRequest(), "prompt", "none")).is("redirect login_required")
}

func TestLogin_SessionEnds(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	w.clock.pass(12*time.Hour - time.Second)
	b.begin(with(validRequest(), "prompt", "none")).is("code")
	w.clock.pass(time.Second)
	b.begin(with(validRequest(), "prompt", "none")).is("redirect login_required")
}

// TestLogin_SessionOfNobody: a person who was removed is not signed in any more.
func TestLogin_SessionOfNobody(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	w.users.set(userList(t, "bob"), nil)
	b.begin(with(validRequest(), "prompt", "none")).is("redirect login_required")
	b.begin(validRequest()).is("login")
}

func TestLogin_BadCookies(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	b.codeFor(validRequest())
	good := b.cookie(mainIssuer, "__Host-clientele-main-session")
	u, err := url.Parse(mainIssuer)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"not sealed":       "x",
		"cut":              good[:len(good)-1],
		"another kind":     b.cookie(mainIssuer, "__Host-clientele-main-browser"),
		"a flow":           w.newBrowser().begin(validRequest()).url.Query().Get("flow"),
		"a code":           w.codeFor(validRequest()),
		"changed":          good[:20] + map[bool]string{true: "B", false: "A"}[good[20] == 'A'] + good[21:],
		"longer than much": strings.Repeat("A", 20<<10),
	} {
		b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "__Host-clientele-main-session", Value: value, Secure: true}})
		if p := b.begin(with(validRequest(), "prompt", "none")); p.param("error") != "login_required" {
			t.Errorf("%s: came to %s", name, p.location)
		}
	}
}

// TestLogin_CSRF: nobody can sign a browser in, or use its flow, from outside.
func TestLogin_CSRF(t *testing.T) {
	w := newWorld(t)
	attacker := w.newBrowser().begin(validRequest()).is("login")
	action, fields := attacker.form()
	fields.Set("username", "bob")
	fields.Set("password", bobPass)

	victim := w.newBrowser()
	victim.begin(validRequest()).is("login")
	for _, site := range []string{"cross-site", "same-site"} {
		victim.post(action, fields, site).is("page Forbidden").has("another site")
	}
	// Old browsers do not say where a form comes from, but whose page it is on.
	r := w.request(http.MethodPost, action, fields.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://evil.example")
	victim.send(r).is("page Forbidden").has("another site")
	// Even as a form of our own, the attacker's flow is not the victim's.
	victim.post(action, fields, "same-origin").is("page Forbidden").has("began in another browser").has("Team Wiki")
	victim.get(attacker.url.String()).is("page Forbidden").has("began in another browser")
	w.newBrowser().post(action, fields, "same-origin").is("page Forbidden").has("accept cookies")
	if w.store.writes.Load() != 0 {
		t.Error("something was written")
	}
}

func TestLogin_BadFlows(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	p := b.begin(validRequest()).is("login")
	good := p.url.Query().Get("flow")
	for name, flow := range map[string]string{
		"none":    "",
		"cut":     good[1:],
		"another": strings.Repeat("A", 300),
		"a code":  b.codeFor(validRequest()),
		"cookie":  b.cookie(mainIssuer, "__Host-clientele-main-session"),
	} {
		for _, path := range []string{"/login", "/consent"} {
			if p := b.get(mainIssuer + path + "?flow=" + flow); p.status != http.StatusBadRequest {
				t.Errorf("GET %s with %s: status %d", path, name, p.status)
			}
			form := url.Values{"flow": {flow}, "username": {"alice"}, "password": {alicePass}, "decision": {"allow"}}
			if p := b.post(mainIssuer+path, form, "same-origin"); p.status != http.StatusBadRequest {
				t.Errorf("POST %s with %s: status %d", path, name, p.status)
			}
		}
	}
	// Twice the same parameter, and parameters in the wrong place.
	form := url.Values{"flow": {good}, "username": {"alice", "bob"}, "password": {alicePass}}
	b.post(mainIssuer+"/login", form, "same-origin").is("page Bad Request")
	b.post(mainIssuer+"/login?flow="+good, url.Values{"username": {"alice"}, "password": {alicePass}}, "same-origin").is("page Bad Request")
}

func TestLogin_Unavailable(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	start := b.begin(validRequest()).is("login")
	for name, breaks := range map[string]func(){
		"too many logins": func() { w.users.set(nil, identity.ErrBusy) },
		"a broken provider": func() {
			w.users.set(nil, errors.New("the directory says: password "+alicePass[:0]+"unknown"))
		},
		"a broken store": func() { w.store.fails() },
		"no provider": func() {
			i, err := registry.NewIssuer(serverRecord("main", mainIssuer, nil), nil, keysOf(t, "main"))
			if err != nil {
				t.Fatal(err)
			}
			w.registry.SetIssuer(i)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			breaks()
			p := start.loginAs("alice", alicePass).is("page Service Unavailable").has("One moment")
			if p.header.Get("Retry-After") != "5" || len(p.header.Values("Set-Cookie")) > 0 {
				t.Errorf("headers are %v", p.header)
			}
			w.users.set(userList(t, "alice"), nil)
			w.store.heals()
			w.addIssuer("main", mainIssuer, nil)
		})
	}
	start.loginAs("alice", alicePass).is("consent")
}

// TestLogin_ClientChanges: the registration may change while somebody signs in.
func TestLogin_ClientChanges(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change func()
		want   string
	}{
		"deleted":             {func() { w.registry.DeleteClient("main", "docs.wiki") }, "page Bad Request"},
		"created anew":        {func() { w.registry.SetClient(clientOf(t, recreated(clientRecord("wiki", nil)))) }, "page Bad Request"},
		"redirect URI gone":   {func() { w.registry.SetClient(clientOf(t, moved(clientRecord("wiki", nil)))) }, "page Bad Request"},
		"scope gone":          {func() { w.registry.SetClient(clientOf(t, narrowed(clientRecord("wiki", nil)))) }, "redirect invalid_scope"},
		"nothing that counts": {func() { w.registry.SetClient(clientOf(t, renamed(clientRecord("wiki", nil)))) }, "consent"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			w.addClient("wiki", nil)
			p := w.newBrowser().begin(validRequest()).is("login")
			c.change()
			if c.want == "page Bad Request" {
				w.current.Store(false)
				p.loginAs("alice", alicePass).is("page Service Unavailable")
				w.current.Store(true)
			}
			p.loginAs("alice", alicePass).is(c.want)
		})
	}
}

func TestLogin_ContinueAs(t *testing.T) {
	w := newWorld(t)
	b := w.newBrowser()
	consent := b.begin(validRequest()).is("login").loginAs("alice", alicePass).is("consent")
	login := b.get(consent.link("Use another account")).is("login").has("You are signed in as alice")
	b.get(login.link("Continue as alice")).is("consent")
	login.loginAs("bob", bobPass).is("consent").has("Bob Example")
	// Who has to sign in again is not offered to go on without.
	p := b.begin(with(validRequest(), "prompt", "login")).is("login")
	if strings.Contains(p.body, "Continue as") {
		t.Error("prompt=login can be passed by")
	}
	if _, fields := p.form(); fields.Get("username") != "bob" {
		t.Errorf("username is %q", fields.Get("username"))
	}
}
