// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/authserver/registry"
)

// possessions are all that an issuer has given to alice's browser and to the client
// wiki, by what it is.
type possessions map[string]string

// collect signs alice in at an issuer, where nobody was, and returns all that she and
// wiki get.
func (b *browser) collect(w *world, issuer string) possessions {
	b.t.Helper()
	name := w.issuer(issuer).Name
	silent := authorizeURL(issuer, with(validRequest(), "prompt", "none"))
	code := b.get(authorizeURL(issuer, validRequest())).is("login").loginAs("alice", alicePass).is("consent").decide("allow").is("code")
	tokens := w.call(w.tokenRequest(issuer, "docs.wiki", wikiSecret, redemption(code.param("code")))).ok()
	consent := b.get(authorizeURL(issuer, with(validRequest(), "prompt", "consent"))).is("consent")
	_, form := consent.form()
	_, leaving := b.get(issuer + "/end_session").has("Sign out?").form()
	return possessions{
		"code": b.get(silent).is("code").param("code"), "refresh token": tokens.str("refresh_token"),
		"access token": tokens.str("access_token"), "ID token": tokens.str("id_token"),
		"session": b.cookie(issuer, "__Host-clientele-"+name+"-session"), "browser": b.cookie(issuer, "__Host-clientele-"+name+"-browser"),
		"flow": consent.url.Query().Get("flow"), "consent form": form.Get("flow"), "logout form": leaving.Get("logout"),
	}
}

// issuer is one of the world's, by its URL.
func (w *world) issuer(raw string) *registry.Issuer {
	w.t.Helper()
	for _, i := range w.registry.Issuers() {
		if i.Issuer == raw {
			return i
		}
	}
	w.t.Fatalf("there is no %s", raw)
	return nil
}

// door is where something of an issuer's is taken.
type door struct {
	// opens are the kinds of possessions that it is for.
	opens string
	// try reports whether a value opens it.
	try func(value string) bool
}

// doors are all of an issuer's, for somebody who has the client's credentials and, for
// pages, a browser.
func (w *world) doors(issuer string, b *browser) map[string]door {
	api := func(path string, form url.Values) answer {
		r := w.tokenRequest(issuer, "docs.wiki", wikiSecret, form)
		r.URL.Path = strings.TrimSuffix(r.URL.Path, "/token") + path
		return w.call(r)
	}
	page := func(raw string) page { return b.get(issuer + raw) }
	name := w.issuer(issuer).Name
	planted := func(kind, value string) *browser {
		u, err := url.Parse(issuer)
		if err != nil {
			w.t.Fatal(err)
		}
		other := w.newBrowser()
		other.client.Jar.SetCookies(u, []*http.Cookie{{Name: "__Host-clientele-" + name + "-" + kind, Value: value, Secure: true, Path: "/"}})
		return other
	}
	silent := with(validRequest(), "prompt", "none")
	return map[string]door{
		"code at /token":          {"code", func(v string) bool { return api("/token", redemption(v)).status == http.StatusOK }},
		"refresh_token at /token": {"refresh token", func(v string) bool { return api("/token", refreshing(v)).status == http.StatusOK }},
		"client_assertion at /token": {"assertion", func(v string) bool {
			return w.call(w.tokenRequest(issuer, "", "", asserting(redemption("x"), v))).JSON["error"] == "invalid_grant"
		}},
		"client_secret at /token": {"", func(v string) bool {
			return w.call(w.tokenRequest(issuer, "docs.wiki", v, redemption("x"))).status != http.StatusUnauthorized
		}},
		"/introspect": {"access token, refresh token", func(v string) bool { return api("/introspect", about(v)).ok().JSON["active"] == true }},
		"/revoke": {"access token, refresh token", func(v string) bool {
			before := w.store.writes.Load()
			api("/revoke", about(v)).ok()
			return w.store.writes.Load() != before
		}},
		"/userinfo": {"access token", func(v string) bool {
			r := w.request(http.MethodGet, issuer+"/userinfo", "")
			r.Header.Set("Authorization", "Bearer "+v)
			return w.call(r).status == http.StatusOK
		}},
		"session cookie": {"session", func(v string) bool {
			return planted("session", v).get(authorizeURL(issuer, silent)).param("code") != ""
		}},
		"browser cookie": {"browser", func(v string) bool {
			flow := b.get(authorizeURL(issuer, with(validRequest(), "prompt", "login"))).is("login").url.Query().Get("flow")
			return planted("browser", v).get(issuer+"/login?flow="+flow).status == http.StatusOK
		}},
		"/login":    {"flow, consent form", func(v string) bool { return page("/login?flow="+v).status == http.StatusOK }},
		"/consent":  {"flow, consent form", func(v string) bool { return page("/consent?flow="+v).status == http.StatusOK }},
		"/denied":   {"flow, consent form", func(v string) bool { return page("/denied?flow="+v).status == http.StatusOK }},
		"/continue": {"flow, consent form", func(v string) bool { return page("/continue?flow="+v).status == http.StatusOK }},
		"allow at /consent": {"consent form", func(v string) bool {
			return b.post(issuer+"/consent", url.Values{"flow": {v}, "decision": {"allow"}}, "same-origin").location != nil
		}},
		"/signout": {"logout form", func(v string) bool { return page("/signout?logout="+v).status == http.StatusOK }},
		"leave at /signout": {"logout form", func(v string) bool {
			p := b.post(issuer+"/signout", url.Values{"logout": {v}, "decision": {"leave"}}, "same-origin")
			return strings.Contains(p.text(), "You are signed out")
		}},
		"id_token_hint at /authorize": {"ID token", func(v string) bool {
			return b.get(authorizeURL(issuer, with(silent, "id_token_hint", v))).param("code") != ""
		}},
		"id_token_hint at /end_session": {"ID token", func(v string) bool {
			return w.newBrowser().get(issuer+"/end_session?"+validLogout(v).Encode()).location != nil
		}},
	}
}

// ending are doors after which what opened them is worth nothing any more: to be tried
// last, in this order.
var ending = []string{"code at /token", "refresh_token at /token", "/revoke", "leave at /signout"}

// inOrder are the names of doors, with those that end something last.
func inOrder(all map[string]door) []string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(name string) bool { return slices.Contains(ending, name) })
	for _, name := range ending {
		if _, ok := all[name]; ok {
			names = append(names, name)
		}
	}
	return names
}

// wantClosed tries things at doors that none of them may open.
func wantClosed(t *testing.T, doors map[string]door, things possessions) {
	t.Helper()
	for _, name := range inOrder(doors) {
		for what, value := range things {
			if doors[name].try(value) {
				t.Errorf("%s: it takes what elsewhere is a %s", name, what)
			}
		}
	}
}

// wantOpen tries things at the doors that they are for.
func wantOpen(t *testing.T, doors map[string]door, things possessions) {
	t.Helper()
	for _, name := range inOrder(doors) {
		for what := range strings.SplitSeq(doors[name].opens, ", ") {
			if what == "refresh token" && name == "/revoke" {
				continue // that of the same grant is revoked already
			}
			if value, ok := things[what]; ok && !doors[name].try(value) {
				t.Errorf("%s: a %s does not open it", name, what)
			}
		}
	}
}

// TestConfusion: each thing that the server gives out is taken where it is for, and
// nowhere else, whatever else its holder has.
func TestConfusion(t *testing.T) {
	w := outWorld(t)
	b := w.newBrowser()
	things := b.collect(w, mainIssuer)
	keyed := newKeyed(w)
	things["assertion"] = keyed.sign(keyed.claims())
	doors := w.doors(mainIssuer, b)
	for name, d := range doors {
		others := maps.Clone(things)
		for what := range strings.SplitSeq(d.opens, ", ") {
			delete(others, what)
		}
		wantClosed(t, map[string]door{name: d}, others)
	}
	wantOpen(t, doors, things)
}
