// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/clientele-dev/clientele/test/chaos/audit"
	"github.com/clientele-dev/clientele/test/person"
)

// browser is a person's, and what they write down of their session.
type browser struct {
	w      *world
	who    string
	person *person.Browser
	// session names the session that the browser holds.
	session string
	// hint is an ID token of the person's, or nil, and hintOf the app that got it.
	hint   any
	hintOf *app
}

// errAgain means that something was not answered, or not now. It is written down; the
// person starts again.
var errAgain = errors.New("no answer, or none now")

func newBrowser(w *world, who string) (*browser, error) {
	p, err := person.New(recorder{w.journal, w.balancer})
	return &browser{w: w, who: who, person: p}, err
}

// cookies are those that the browser would send.
func (b *browser) cookies() string {
	cookies, err := b.person.Cookies("https://" + issuerHost + "/")
	if err != nil {
		return "" // the URL is good
	}
	return cookies
}

// look notices that the browser was given another session, or none.
func (b *browser) look() (changed bool) {
	before := b.session
	b.session = ""
	for c := range strings.SplitSeq(b.cookies(), "; ") {
		key, value, _ := strings.Cut(c, "=")
		if strings.HasSuffix(key, "-session") && value != "" {
			b.session = name(value)
		}
	}
	return b.session != before
}

// signIn has the person sign in to an app, with the session that there is if prompt is
// empty, and returns with a code.
func (b *browser) signIn(ctx context.Context, a *app, prompt string) (*login, error) {
	l := &login{app: a, state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier()}
	options := []oauth2.AuthCodeOption{oidc.Nonce(l.nonce), oauth2.S256ChallengeOption(l.verifier)}
	if prompt != "" {
		options = append(options, oauth2.SetAuthURLParam("prompt", prompt))
	}
	session, began := b.session, time.Now()
	page, err := b.person.Open(ctx, a.config.AuthCodeURL(l.state, options...))
	if session != "" && prompt == "" {
		b.visited(session, began, page, err)
	}
	allowed := false
	for range 4 {
		if err != nil || page.Status == http.StatusServiceUnavailable {
			return nil, errAgain
		}
		asksWho, who := page.Form("password")
		asksConsent, consent := page.Form("decision")
		switch {
		case page.URL.Host != issuerHost:
			if allowed && page.URL.Query().Has("code") {
				b.w.journal.write(func(j *audit.Journal) {
					j.Allowed = append(j.Allowed, audit.Consent{Span: audit.Span{Began: began, Ended: time.Now()}, Person: b.who, Client: a.name})
				})
			}
			return l, l.callback(page.URL)
		case who:
			page, err = b.enter(ctx, asksWho)
		case consent:
			now := time.Now()
			b.w.journal.write(func(j *audit.Journal) {
				j.Asked = append(j.Asked, audit.Consent{Span: audit.Span{Began: began, Ended: now}, Person: b.who, Client: a.name})
			})
			allowed = true
			page, err = b.person.Submit(ctx, asksConsent, map[string]string{"decision": "allow"})
		default:
			return nil, errAgain // the recorder knows why
		}
	}
	return nil, errors.New("the pages ask for ever")
}

// visited writes down what became of a session that the browser came with.
func (b *browser) visited(session string, began time.Time, page *person.Page, err error) {
	v := audit.Visit{Session: session, Span: audit.Span{Began: began, Ended: time.Now()}, Outcome: audit.Granted}
	switch {
	case err != nil:
		v.Outcome = audit.Lost
	case page.Status == http.StatusServiceUnavailable, page.URL.Query().Get("error") == "temporarily_unavailable":
		v.Outcome = audit.Unavailable
	default:
		if _, asks := page.Form("password"); asks {
			v.Outcome = audit.Refused
		}
	}
	b.w.journal.write(func(j *audit.Journal) { j.Visits = append(j.Visits, v) })
}

// enter fills in username and password. The session that there was ends with the
// one that begins.
func (b *browser) enter(ctx context.Context, f person.Form) (*person.Page, error) {
	before, began := b.session, time.Now()
	page, err := b.person.Submit(ctx, f, map[string]string{"username": b.who, "password": password})
	changed := b.look()
	if before != "" {
		b.departed(before, began, changed)
	}
	return page, err
}

func (b *browser) departed(session string, began time.Time, done bool) {
	d := audit.Departure{Session: session, Span: audit.Span{Began: began, Ended: time.Now()}, Done: done}
	b.w.journal.write(func(j *audit.Journal) { j.Departures = append(j.Departures, d) })
}

// callback takes the code out of the URL at which the browser has come back.
func (l *login) callback(at *url.URL) error {
	q := at.Query()
	if q.Get("error") == "temporarily_unavailable" {
		return errAgain
	}
	if l.code = q.Get("code"); l.code == "" || q.Get("state") != l.state {
		return fmt.Errorf("the browser comes back with error %q", q.Get("error"))
	}
	return nil
}

// signOut has the person sign out at an app, until they have.
func (b *browser) signOut(ctx context.Context) {
	session := b.session
	hint, _ := b.hint.(string)
	q := url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {b.hintOf.url("goodbye")}, "state": {"bye"}}
	for ctx.Err() == nil {
		began := time.Now()
		page, err := b.person.Open(ctx, "https://"+issuerHost+"/end_session?"+q.Encode())
		done := err == nil && page.URL.Host != issuerHost
		b.departed(session, began, done)
		if done {
			b.look()
			return
		}
		_ = pause(ctx, retryPause)
	}
}

// idle is a session whose cookies somebody has kept.
type idle struct {
	session, cookies string
	app              *app
}

// visit uses the session without anybody at the browser.
func (s idle) visit(ctx context.Context) audit.Outcome {
	w := s.app.w
	to := s.app.config.AuthCodeURL("state", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()), oauth2.SetAuthURLParam("prompt", "none"))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return audit.Lost
	}
	req.Header.Set("Cookie", s.cookies)
	v := audit.Visit{Session: s.session, Span: audit.Span{Began: time.Now()}, Outcome: audit.Lost}
	resp, err := recorder{w.journal, w.balancer}.RoundTrip(req)
	v.Ended = time.Now()
	if err == nil {
		_ = resp.Body.Close() // it has been read
		v.Outcome = silent(resp)
	}
	w.journal.write(func(j *audit.Journal) { j.Visits = append(j.Visits, v) })
	return v.Outcome
}

// silent is what an answer to prompt=none says of the session.
func silent(resp *http.Response) audit.Outcome {
	said := redirected(resp)
	switch {
	case resp.StatusCode == http.StatusServiceUnavailable, said == "temporarily_unavailable":
		return audit.Unavailable
	case said == "login_required":
		return audit.Refused
	case resp.StatusCode == http.StatusSeeOther:
		return audit.Granted
	}
	return audit.Lost // the recorder knows why
}
