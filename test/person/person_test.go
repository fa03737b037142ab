// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package person_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/clientele-dev/clientele/test/person"
)

// pages is a site that asks for a password and then for consent.
func pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1", Path: "/"})
		_, _ = fmt.Fprint(w, `<html><form action="/search"><input name="q"></form>
			<form method="post" action="login?x=1"><input type="hidden" name="flow" value="f&amp;1">
			<input name="username"><p><input name="password" type="password"></p><button>Sign in</button></form></html>`)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("flow") != "f&1" || r.FormValue("password") != "secret" || r.FormValue("x") != "1" {
			_, _ = fmt.Fprint(w, `<form method="post"><input name="password"></form>`)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, `<form method="post" action="/consent">
			<button name="decision" value="allow">Allow</button><button name="decision" value="deny">Deny</button></form>`)
	})
	mux.HandleFunc("POST /consent", func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("seen"); err != nil || c.Value != "1" || r.FormValue("decision") != "allow" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		http.Redirect(w, r, "/done", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /done", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "Hello") })
	return mux
}

func TestBrowser_SignIn(t *testing.T) {
	site := httptest.NewServer(pages())
	defer site.Close()
	for password, want := range map[string]string{"secret": "/done", "wrong": "/login"} {
		b, err := person.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		page, err := b.SignIn(t.Context(), site.URL, "ada", password)
		if err != nil {
			t.Fatal(err)
		}
		if page.URL.Path != want || page.Status != http.StatusOK {
			t.Errorf("%s: got %s with %d, want %s", password, page.URL, page.Status, want)
		}
		if got, err := b.Cookies(site.URL); err != nil || got != "seen=1" {
			t.Errorf("cookies: got %q, %v", got, err)
		}
	}
}

func TestBrowser_SubmitsByGet(t *testing.T) {
	site := httptest.NewServer(pages())
	defer site.Close()
	b, err := person.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := b.Open(t.Context(), site.URL)
	if err != nil {
		t.Fatal(err)
	}
	search, ok := page.Form("q")
	if !ok {
		t.Fatalf("got forms %+v", page.Forms)
	}
	page, err = b.Submit(t.Context(), search, map[string]string{"q": "x y"})
	if err != nil || page.URL.RequestURI() != "/search?q=x+y" {
		t.Errorf("got %v, %v", page.URL, err)
	}
}
