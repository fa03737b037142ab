// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build browser

package browser

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/inprocess"
	"github.com/clientele-dev/clientele/test/process"
)

// What stands on the pages.
const (
	linkSignIn = chromedp.CSS(`a[href="/login"]`)
	username   = chromedp.CSS(`input[name="username"]`)
	password   = chromedp.CSS(`input[name="password"]`)
	submit     = chromedp.CSS(`form button[type="submit"]`)
	allow      = chromedp.CSS(`button[value="allow"]`)
	deny       = chromedp.CSS(`button[value="deny"]`)
	leave      = chromedp.CSS(`button[value="leave"]`)
	stay       = chromedp.CSS(`button[value="stay"]`)
	refresh    = chromedp.CSS(`form[action="/refresh"] button`)
	signOut    = chromedp.CSS(`form[action="/signout"] button`)
	again      = chromedp.CSS(`a[href*="/authorize?"]`)
)

func TestPages(t *testing.T) {
	c, program := newChrome(t), buildApp(t)
	for _, l := range []look{
		{},
		{noScript: true},
		{dark: true},
		{phone: true},
		{noScript: true, dark: true, phone: true},
	} {
		t.Run(l.String(), func(t *testing.T) {
			story(c.newTab(t, l), newSite(t, program, nil))
		})
	}
	t.Run("keyboard", func(t *testing.T) { keyboard(c.newTab(t, look{noScript: true}), newSite(t, program, nil)) })
	for _, l := range []look{{}, {dark: true}, {phone: true}, {dark: true, phone: true}} {
		t.Run("settings "+l.String(), func(t *testing.T) { settings(c.newTab(t, l), program) })
	}
	t.Run("long words", func(t *testing.T) { longWords(t, c, program) })
}

// story is every page that a person can come to, in one visit.
func story(b *tab, s site) {
	b.goes(200, chromedp.Navigate(s.app))
	b.sees("Demo app", "Sign in")
	b.keep("app-home")

	b.goes(200, press(linkSignIn))
	b.sees("Team Wiki", "Example Works")
	b.keep("login")

	b.goes(403, fill(username, inprocess.Username), fill(password, "not it"), press(submit))
	b.sees("The username or the password is wrong")
	if got := ask(b, chromedp.Value(username)); got != inprocess.Username {
		b.t.Errorf("after a wrong password the username is %q", got)
	}
	b.keep("login-wrong")

	b.goes(200, fill(password, inprocess.Password), press(submit))
	b.sees("Allow Team Wiki?", "team", "see your email address", "keep its access while you are away", strings.TrimPrefix(s.app, "http://"))
	b.keep("consent")

	b.goes(403, press(deny))
	b.sees("You did not give access")
	b.keep("app-denied")

	b.goes(200, press(linkSignIn))
	b.sees("Allow Team Wiki?") // signed in still, and not asked for it again
	b.goes(200, press(allow))
	b.sees("Hello, "+inprocess.Name, inprocess.Email, "engineering", "200 OK")
	b.keep("app-signed-in")

	b.goes(200, press(refresh))
	b.sees("Hello, " + inprocess.Name)
	b.goes(200, chromedp.Navigate(s.app+"/login")) // neither login nor consent: both are remembered
	b.sees("Hello, " + inprocess.Name)

	b.goes(200, chromedp.Navigate(s.issuer+"/end_session"))
	b.sees("Sign out?", inprocess.Name)
	b.keep("sign-out")
	b.goes(200, press(stay))
	b.sees("You are still signed in")
	b.goes(200, chromedp.Navigate(s.app))
	b.goes(200, press(signOut)) // at the issuer, too, and back
	b.sees("Demo app")
	b.goes(200, press(linkSignIn))
	b.sees("Sign in with your account")
	b.goes(200, fill(username, inprocess.Username), fill(password, inprocess.Password), press(submit))
	b.sees("Hello, " + inprocess.Name)
	b.goes(200, chromedp.Navigate(s.issuer+"/end_session"))
	b.goes(200, press(leave))
	b.sees("You are signed out")
	b.keep("signed-out")
	b.goes(400, chromedp.Navigate(s.issuer+"/end_session?client_id=team.wiki&post_logout_redirect_uri=https://elsewhere.example/"))
	b.sees("You have not been signed out", "Sign out here")
	b.keep("sign-out-refused")

	b.goes(400, chromedp.Navigate(s.issuer+"/authorize?response_type=code&client_id=team.unknown"))
	b.keep("error")
	b.goes(404, chromedp.Navigate(s.issuer+"/nowhere"))
	b.keep("error-not-found")
}

// settings is a client with everything that a person can see of it, which then is no
// longer for them.
func settings(b *tab, program string) {
	logo := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" {
			b.t.Errorf("the picture's server is told of %s", r.Header.Get("Referer"))
		}
		w.Header().Set("Content-Type", "image/svg+xml")
		_, _ = io.WriteString(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><rect width="48" height="48" fill="#4455aa"/><circle cx="24" cy="24" r="13" fill="#ffd34d"/></svg>`)
	}))
	b.t.Cleanup(logo.Close)
	s := newSite(b.t, program, func(c *registration.Client) {
		c.LogoURI = "https://127.0.0.1:" + strconv.Itoa(logo.Listener.Addr().(*net.TCPAddr).Port) + "/logo.svg"
		c.ClientURI, c.PolicyURI, c.TOSURI = "https://wiki.example.com/", "https://wiki.example.com/privacy", "https://wiki.example.com/terms"
	})
	b.goes(200, chromedp.Navigate(s.app+"/login"))
	b.goes(200, fill(username, inprocess.Username), fill(password, inprocess.Password), press(submit))
	b.sees("Home page", "Privacy policy", "Terms of service")
	process.Await(b.t, func() error {
		if ask(b, chromedp.Evaluate[bool](`document.images.length == 1 && document.images[0].complete && document.images[0].naturalWidth > 0`)) {
			return nil
		}
		return errors.New("the picture is not shown")
	})
	b.keep("consent-settings")

	s = newSite(b.t, program, func(c *registration.Client) { c.AllowedUsers = []string{"grace"} })
	b.goes(200, chromedp.Navigate(s.app+"/login"))
	b.goes(403, fill(username, inprocess.Username), fill(password, inprocess.Password), press(submit))
	b.sees("Your account "+inprocess.Username+" may not use Team Wiki", "Use another account")
	b.keep("denied")
	b.goes(403, press(submit))
	b.sees("You did not give access")
	b.goes(404, chromedp.Navigate(s.issuer+"/nowhere")) // the app is about to end
}

// keyboard signs in without a mouse.
func keyboard(b *tab, s site) {
	b.goes(200, chromedp.Navigate(s.app))
	b.focus("Sign in")
	b.goes(200, chromedp.KeyEvent(kb.Enter))
	// The username gets the focus by itself: a person can type at once.
	process.Await(b.t, func() error {
		if got := ask(b, chromedp.Evaluate[string](`document.activeElement.name || ""`)); got != "username" {
			return fmt.Errorf("the focus is on %q", got)
		}
		return nil
	})
	b.goes(200, chromedp.KeyEvent(inprocess.Username+kb.Tab+inprocess.Password+kb.Enter))
	b.focus("Allow")
	b.goes(200, chromedp.KeyEvent(kb.Enter))
	b.sees("Hello, " + inprocess.Name)
}

// focus presses Tab until the focus is on what has that text, where it must be seen.
func (b *tab) focus(text string) {
	b.t.Helper()
	for range 12 {
		b.do(chromedp.KeyEvent(kb.Tab))
		if ask(b, chromedp.Evaluate[string](`(document.activeElement.innerText || "").trim()`)) != text {
			continue
		}
		if ask(b, chromedp.Evaluate[string](`getComputedStyle(document.activeElement).outlineStyle`)) == "none" {
			b.t.Errorf("nobody sees that %q has the focus", text)
		}
		return
	}
	b.t.Fatalf("Tab does not lead to %q\nat %s", text, b.where())
}

// longWords is a consent page with the longest names there can be, on a phone.
func longWords(t *testing.T, c chrome, program string) {
	s := newSite(t, program, func(c *registration.Client) {
		c.DisplayName = strings.Repeat("Wide", 16)
		c.Namespace = strings.Repeat("n", 63)
		c.ClientID = registration.ClientID(c.Namespace, c.Name)
	})
	b := c.newTab(t, look{phone: true})
	b.goes(200, chromedp.Navigate(s.app))
	b.goes(200, press(linkSignIn))
	b.keep("login-long")
	b.goes(200, fill(username, inprocess.Username), fill(password, inprocess.Password), press(submit))
	b.keep("consent-long")
	b.goes(200, press(allow))
	b.sees("Hello, " + inprocess.Name)
	b.keep("app-long")
}
