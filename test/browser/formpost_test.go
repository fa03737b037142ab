// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build browser

package browser

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/inprocess"
)

// next is the button of the page that brings the outcome to the app.
const next = chromedp.CSS(`form button.primary`)

// TestFormPost signs in to an app that takes its codes by form_post, and leads people
// on from its redirect URI to another origin, as one for many apps does.
func TestFormPost(t *testing.T) {
	c := newChrome(t)
	for _, l := range []look{{}, {noScript: true}, {noScript: true, dark: true, phone: true}} {
		t.Run(l.String(), func(t *testing.T) { formPost(c.newTab(t, l), newReceiver(t)) })
	}
}

func formPost(b *tab, r *receiver) {
	// lands is what a person does, or need not do, after the last page.
	lands := func(actions ...chromedp.Action[chromedp.Void]) {
		b.t.Helper()
		if b.noScript {
			b.goes(200, actions...)
			b.sees("Back to Team Wiki", "press the button")
			b.keep("form-post")
			actions = []chromedp.Action[chromedp.Void]{press(next)}
		}
		b.do(actions...)
		b.arrives(r.home + "/home")
	}
	lands(chromedp.Navigate(r.request("prompt", "none")))
	r.got(b.t, "error", "login_required")

	b.goes(200, chromedp.Navigate(r.request("", "")))
	b.goes(200, fill(username, inprocess.Username), fill(password, inprocess.Password), press(submit))
	b.sees("Allow Team Wiki?")
	lands(press(deny))
	r.got(b.t, "error", "access_denied")

	b.goes(200, chromedp.Navigate(r.request("", "")))
	lands(press(allow))
	b.sees("Thank you")
	r.got(b.t, "code", "")
	lands(chromedp.Navigate(r.request("prompt", "none")))
	r.got(b.t, "code", "")

	if b.noScript {
		return
	}
	// The page that sent the form is not among those that a person goes back to.
	b.goes(200, chromedp.Navigate(r.issuer+"/end_session"))
	lands(chromedp.Navigate(r.request("prompt", "none")))
	r.got(b.t, "code", "")
	ask(b, chromedp.Evaluate[bool](`history.back() || true`))
	b.arrives(r.issuer + "/end_session")
	if n := len(r.forms); n != 0 {
		b.t.Errorf("going back has sent %d forms more", n)
	}
}

// receiver is an app that takes forms. Its state has what HTML and forms could spoil.
type receiver struct {
	issuer, callback, home string
	forms                  chan *http.Request
}

const strangeState = `a"b'<c>&amp;d+e%41 ü 🙂`

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{forms: make(chan *http.Request, 10)}
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><p>Thank you</p>`)
	}))
	t.Cleanup(home.Close)
	// Of one site, or Chromium takes who leads people on at once for a tracker.
	atHost := func(s *httptest.Server) string { return strings.Replace(s.URL, "127.0.0.1", "localhost", 1) }
	r.home = atHost(home)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if err := q.ParseForm(); err != nil || q.Method != http.MethodPost || q.URL.RawQuery != "a=b&c=(d)" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		r.forms <- q
		http.Redirect(w, q, r.home+"/home", http.StatusSeeOther)
	}))
	t.Cleanup(app.Close)
	r.callback = atHost(app) + "/call(back)?a=b&c=(d)"
	client := inprocess.Client("wiki", r.callback, credential.New("a-secret-of-256-bits-would-look-like-this-1"))
	client.DisplayName, client.PKCERequired = "Team Wiki", false
	r.issuer = serveIssuer(t, client, nil)
	return r
}

// request is the URL of an authorization request, with one parameter more.
func (r *receiver) request(name, value string) string {
	q := url.Values{
		"response_type": {"code"}, "response_mode": {"form_post"}, "client_id": {registration.ClientID("team", "wiki")},
		"redirect_uri": {r.callback}, "scope": {"openid profile"}, "state": {strangeState},
	}
	if name != "" {
		q.Set(name, value)
	}
	return r.issuer + registration.PathAuthorize + "?" + q.Encode()
}

// got expects one form, with that value, or with any.
func (r *receiver) got(t *testing.T, name, value string) {
	t.Helper()
	select {
	case q := <-r.forms:
		f := q.PostForm
		if !f.Has(name) || value != "" && f.Get(name) != value || f.Get("state") != strangeState || f.Get("iss") != r.issuer {
			t.Errorf("the app gets %v, want %s %s", f, name, value)
		}
		if origin := q.Header.Get("Origin"); origin != r.issuer {
			t.Errorf("the form comes from %q", origin)
		}
		if referer := q.Header.Get("Referer"); referer != "" && referer != r.issuer+"/" {
			t.Errorf("the app is told of %s", referer)
		}
		if len(f) > 4 || len(f["state"]) != 1 || len(r.forms) != 0 {
			t.Errorf("the app gets %v, and %d forms more", f, len(r.forms))
		}
	default:
		t.Error("the app gets no form")
	}
}
