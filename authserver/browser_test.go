// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// browser is a person's browser: it keeps cookies, follows redirects within our
// issuers and stops where it would leave for a client.
type browser struct {
	t      *testing.T
	client *http.Client
	hosts  map[string]bool
}

func (w *world) newBrowser() *browser { return newBrowser(w.t, w) }

func newBrowser(t *testing.T, transport http.RoundTripper) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{
		t: t,
		client: &http.Client{
			Transport: transport, Jar: jar,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		hosts: map[string]bool{"login.example.com": true, "id.other.example": true},
	}
}

// page is where a browser has come to: a page of ours, or, if location is set, a
// redirect to a client, or, if posted is set, a form that goes to location by itself.
type page struct {
	b        *browser
	url      *url.URL
	status   int
	header   http.Header
	body     string
	location *url.URL
	posted   url.Values
}

// get opens a URL.
func (b *browser) get(raw string) page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, raw, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

// post sends a form, as a page of the same origin does if site is "same-origin".
func (b *browser) post(raw string, form url.Values, site string) page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, raw, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", site)
	return b.do(r)
}

func (b *browser) do(r *http.Request) page {
	b.t.Helper()
	const enough = 10
	for range enough {
		p := b.send(r)
		if p.location == nil || !b.hosts[p.location.Host] {
			return p
		}
		var err error
		if r, err = http.NewRequestWithContext(b.t.Context(), http.MethodGet, p.location.String(), nil); err != nil {
			b.t.Fatal(err)
		}
	}
	b.t.Fatal("too many redirects")
	return page{}
}

// send makes one request and follows nothing.
func (b *browser) send(r *http.Request) page {
	b.t.Helper()
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	p := page{b: b, url: r.URL, status: res.StatusCode, header: res.Header, body: string(body)}
	if to, err := res.Location(); err == nil {
		p.location = to
	}
	if scriptElement.MatchString(p.body) {
		p.becomesPosted()
	}
	return p
}

// becomesPosted takes up the form of a page that goes to a client by itself.
func (p *page) becomesPosted() {
	p.b.t.Helper()
	action, fields := p.form()
	to, err := url.Parse(action)
	if err != nil || p.b.hosts[to.Host] || p.status != http.StatusOK {
		p.b.t.Fatalf("a form that is sent by itself, with status %d, goes to %s", p.status, action)
	}
	p.location, p.posted = to, fields
}

// cookie is the value of a cookie that the browser would send to a URL.
func (b *browser) cookie(raw, name string) string {
	b.t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// form is the one form of a page: where it goes, and with what.
func (p page) form() (action string, fields url.Values) {
	p.b.t.Helper()
	doc, err := html.Parse(strings.NewReader(p.body))
	if err != nil {
		p.b.t.Fatal(err)
	}
	fields = url.Values{}
	for n := range doc.Descendants() {
		switch {
		case n.Data == "form" && attr(n, "method") == "post":
			to, err := p.url.Parse(attr(n, "action"))
			if err != nil {
				p.b.t.Fatal(err)
			}
			action = to.String()
		case n.Data == "input":
			fields.Add(attr(n, "name"), attr(n, "value"))
		}
	}
	if action == "" {
		p.b.t.Fatalf("status %d, and no form in: %s", p.status, p.text())
	}
	return action, fields
}

// submit sends the page's form with some fields filled in.
func (p page) submit(fill url.Values) page {
	p.b.t.Helper()
	action, fields := p.form()
	maps.Copy(fields, fill)
	return p.b.post(action, fields, "same-origin")
}

// link is the target of the link with a text.
func (p page) link(text string) string {
	p.b.t.Helper()
	doc, err := html.Parse(strings.NewReader(p.body))
	if err != nil {
		p.b.t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Data == "a" && n.FirstChild != nil && strings.Contains(n.FirstChild.Data, text) {
			return attr(n, "href")
		}
	}
	p.b.t.Fatalf("no link %q in: %s", text, p.text())
	return ""
}

// text is what a person reads.
func (p page) text() string {
	doc, err := html.Parse(strings.NewReader(p.body))
	if err != nil {
		p.b.t.Fatal(err)
	}
	var out strings.Builder
	for n := range doc.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" {
			out.WriteString(n.Data)
		}
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// is fails the test unless the page has come to what is wanted.
func (p page) is(want string) page {
	p.b.t.Helper()
	got := ""
	switch {
	case p.posted != nil:
		got = "posted " + p.param("error")
		if p.param("code") != "" {
			got = "posted code"
		}
	case p.location != nil:
		got = "redirect " + p.param("error")
		if p.param("code") != "" {
			got = "code"
		}
	case strings.HasSuffix(p.url.Path, "/login") && p.status == http.StatusOK:
		got = "login"
	case strings.HasSuffix(p.url.Path, "/consent") && p.status == http.StatusOK:
		got = "consent"
	default:
		got = "page " + http.StatusText(p.status)
	}
	if got != want {
		p.b.t.Fatalf("came to %q, want %q (at %s: %s)", got, want, p.url.Path, p.text())
	}
	return p
}

// has fails the test unless the person reads something.
func (p page) has(text string) page {
	p.b.t.Helper()
	if !strings.Contains(p.text(), text) {
		p.b.t.Errorf("the page does not say %q: %s", text, p.text())
	}
	return p
}

// param is a parameter that the client gets.
func (p page) param(name string) string {
	p.b.t.Helper()
	if p.location == nil {
		p.b.t.Fatalf("no redirect, but status %d: %s", p.status, p.text())
	}
	if p.posted != nil {
		return p.posted.Get(name)
	}
	return p.location.Query().Get(name)
}
