// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	storeguard "github.com/clientele-dev/clientele/authserver/store/guard"
)

// outcome is what came of a request.
type outcome struct {
	status int
	header http.Header
	// place is what a browser has come to, or an answer's error.
	place string
	body  string
	page  *page
}

func (a answer) outcome() outcome {
	place, _ := a.JSON["error"].(string)
	return outcome{status: a.status, header: a.header, place: place, body: a.body}
}

func (p page) outcome() outcome {
	o := outcome{status: p.status, header: p.header, body: p.body, page: &p}
	if p.location != nil {
		o.place = "code"
		if problem := p.location.Query().Get("error"); problem != "" {
			o.place = problem
		}
		return o
	}
	o.place = p.url.Path
	return o
}

// stage is a request that uses some verbs of the store, one after the other.
type stage struct {
	name  string
	verbs string
	// begin comes to just before the request, which may be made more than once.
	begin func(w *world) (request func() outcome)
	// want is the outcome when all goes well, and lost the one of the same request
	// after the answer of the last verb was lost; empty if that is the same.
	want, lost string
}

var stages = []stage{
	{"redeem a code", "Redeem", func(w *world) func() outcome {
		code := w.codeFor(validRequest())
		return func() outcome { return w.token(redemption(code)).outcome() }
		// Nobody knows who got the tokens: whoever it was has them no more.
	}, "200", "400 invalid_grant"},
	{"redeem it again", "Redeem Revoke", func(w *world) func() outcome {
		code := w.codeFor(validRequest())
		w.token(redemption(code)).ok()
		return func() outcome { return w.token(redemption(code)).outcome() }
	}, "400 invalid_grant", ""},
	{"refresh", "Advance", func(w *world) func() outcome {
		a := w.firstAnswer()
		return func() outcome { return w.token(refreshing(a.str("refresh_token"))).outcome() }
	}, "200", ""},
	{"refresh with an old token", "Advance Revoke", func(w *world) func() outcome {
		a := w.firstAnswer()
		w.token(refreshing(a.str("refresh_token"))).ok()
		w.clock.pass(time.Minute)
		return func() outcome { return w.token(refreshing(a.str("refresh_token"))).outcome() }
	}, "400 invalid_grant", ""},
	{"ask for userinfo", "Grant", func(w *world) func() outcome {
		a := w.firstAnswer()
		return func() outcome { return w.userinfo(a.str("access_token")).outcome() }
	}, "200", ""},
	{"introspect", "Grant", func(w *world) func() outcome {
		a := w.firstAnswer()
		return func() outcome { return w.introspect(a.str("access_token")).outcome() }
	}, "200", ""},
	{"revoke", "Revoke", func(w *world) func() outcome {
		a := w.firstAnswer()
		return func() outcome { return w.revoke(a.str("refresh_token")).outcome() }
	}, "200", ""},
	{"authorize", "Session Consent", func(w *world) func() outcome {
		b := w.newBrowser()
		b.codeFor(validRequest())
		return func() outcome { return b.begin(validRequest()).outcome() }
	}, "303 code", ""},
	{"see the login page", "Session Consent", func(w *world) func() outcome {
		b := w.newBrowser()
		b.codeFor(validRequest())
		p := b.begin(with(validRequest(), "prompt", "login")).is("login")
		return func() outcome { return b.get(p.url.String()).outcome() }
	}, "200 /login", ""},
	{"sign in", "CreateSession Consent", func(w *world) func() outcome {
		w.codeFor(validRequest())
		p := w.newBrowser().begin(validRequest()).is("login")
		return func() outcome { return p.loginAs("alice", alicePass).outcome() }
	}, "303 code", ""},
	{"sign in again", "Session RenewSession Consent", func(w *world) func() outcome {
		b := w.newBrowser()
		b.codeFor(validRequest())
		p := b.begin(with(validRequest(), "prompt", "login")).is("login")
		return func() outcome { return p.loginAs("alice", alicePass).outcome() }
	}, "303 code", ""},
	{"sign in as somebody else", "Session EndSession CreateSession Consent", func(w *world) func() outcome {
		w.newBrowser().begin(validRequest()).loginAs("bob", bobPass).decide("allow").is("code")
		b := w.newBrowser()
		b.codeFor(validRequest())
		p := b.begin(with(validRequest(), "prompt", "login")).is("login")
		return func() outcome { return p.loginAs("bob", bobPass).outcome() }
	}, "303 code", ""},
	{"see the consent page", "Session Consent", func(w *world) func() outcome {
		b := w.newBrowser()
		p := b.begin(validRequest()).loginAs("alice", alicePass).is("consent")
		return func() outcome { return b.get(p.url.String()).outcome() }
	}, "200 /consent", ""},
	{"consent", "Session Consent Allow", func(w *world) func() outcome {
		p := w.newBrowser().begin(validRequest()).loginAs("alice", alicePass).is("consent")
		return func() outcome { return p.decide("allow").outcome() }
	}, "303 code", ""},
	{"be turned away", "Session Consent", func(w *world) func() outcome {
		w.addClient("wiki", onlyUsers("bob"))
		b := w.newBrowser()
		p := b.begin(validRequest()).loginAs("alice", alicePass)
		return func() outcome { return b.get(p.url.String()).outcome() }
	}, "403 /denied", ""},
	{"ask to sign out", "Session", func(w *world) func() outcome {
		b := w.newBrowser()
		b.codeFor(validRequest())
		return func() outcome { return b.get(mainIssuer + "/end_session").outcome() }
	}, "200 /end_session", ""},
	{"sign out", "Session EndSession", func(w *world) func() outcome {
		b := w.newBrowser()
		b.codeFor(validRequest())
		p := b.get(mainIssuer + "/end_session")
		return func() outcome { return p.decide("leave").outcome() }
	}, "200 /signout", ""},
}

// TestOutage goes through every verb of every request, and lets it fail, hang, and do
// what it is asked without an answer.
func TestOutage(t *testing.T) {
	for _, s := range stages {
		for verb := range strings.FieldsSeq(s.verbs) {
			for _, how := range []fault{failing, hanging, losing} {
				t.Run(s.name+"/"+verb+" "+how.String(), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { s.run(t, verb, how) })
				})
			}
		}
	}
}

func (s *stage) run(t *testing.T, verb string, how fault) {
	w := newWorld(t)
	guarded, err := storeguard.New(w.store, storeguard.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w.serve(func(c *Config) { c.Store = guarded })
	request := s.begin(w)

	w.store.goes(how, verb)
	before, began := w.store.calls(verb), time.Now()
	first := request()
	s.refuses(t, first)
	if got, most := w.store.calls(verb)-before, 1; got != most && (verb != "Revoke" || got != 3) {
		t.Errorf("%s was called %d times", verb, got)
	}
	if took := time.Since(began); took > 16*time.Second {
		t.Errorf("it took %s", took)
	}
	for _, path := range []string{"/jwks", "/.well-known/openid-configuration"} {
		w.call(w.request(http.MethodGet, mainIssuer+path, "")).ok()
	}
	w.store.heals()

	want := s.want
	if verbs := strings.Fields(s.verbs); how == losing && s.lost != "" && verb == verbs[len(verbs)-1] {
		want = s.lost
	}
	if first.page != nil {
		s.followsLink(t, first.page, want)
	}
	second := request()
	if got := second.String(); got != want {
		t.Errorf("afterwards it came to %s, want %s: %s", got, want, second.body)
	}
}

func (o outcome) String() string {
	return strings.TrimSpace(strconv.Itoa(o.status) + " " + o.place)
}

// refuses checks what is told while the store does not answer.
func (s *stage) refuses(t *testing.T, o outcome) {
	t.Helper()
	if o.status != http.StatusServiceUnavailable || o.header.Get("Retry-After") != "5" {
		t.Errorf("status %d, Retry-After %q: %s", o.status, o.header.Get("Retry-After"), o.body)
	}
	if strings.Contains(o.body, "broken") || strings.Contains(o.body, "deadline") {
		t.Errorf("it tells of what is inside: %s", o.body)
	}
	if o.page == nil && o.place != "temporarily_unavailable" {
		t.Errorf("the error is %q", o.place)
	}
}

// followsLink: the page has a way on that works, unless it asks to send a form again.
func (s *stage) followsLink(t *testing.T, p *page, want string) {
	t.Helper()
	if p.url.Path == "/signout" {
		return
	}
	to := p.link(linkAgain)
	u, err := url.Parse(to)
	if err != nil || !strings.HasPrefix(to, mainIssuer+"/") || strings.Contains(want, "/") && !strings.HasSuffix(want, u.Path) {
		t.Errorf("the way on is %q, %v", to, err)
	}
	next := p.b.get(to).outcome()
	if next.status != http.StatusOK && next.String() != want {
		t.Errorf("the way on comes to %s: %s", next, next.body)
	}
}
