// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package person plays somebody at a browser without JavaScript: it follows
// redirects, keeps cookies, and fills in and submits the forms that it is shown. It
// knows a page by what stands on it, not by its URL.
package person

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// Browser is a browser with its cookies.
type Browser struct{ http *http.Client }

// New returns a browser without cookies. A nil transport means net/http's.
func New(transport http.RoundTripper) (*Browser, error) {
	jar, err := cookiejar.New(nil)
	return &Browser{&http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second}}, err
}

// Cookies are those that the browser would send to a URL, as a Cookie header.
func (b *Browser) Cookies(to string) (string, error) {
	u, err := url.Parse(to)
	if err != nil {
		return "", err
	}
	var all []string
	for _, c := range b.http.Jar.Cookies(u) {
		all = append(all, c.Name+"="+c.Value)
	}
	return strings.Join(all, "; "), nil
}

// Page is what a browser shows.
type Page struct {
	URL    *url.URL
	Status int
	Body   string
	Forms  []Form
}

// Has reports whether all of texts stand in the page's HTML.
func (p *Page) Has(texts ...string) bool {
	for _, t := range texts {
		if !strings.Contains(p.Body, t) {
			return false
		}
	}
	return true
}

// Form returns the first form with a field or button of that name.
func (p *Page) Form(with string) (Form, bool) {
	for _, f := range p.Forms {
		if f.Fields.Has(with) || f.Buttons.Has(with) {
			return f, true
		}
	}
	return Form{}, false
}

// Form is a form of a page.
type Form struct {
	Method, Action string
	// Fields are the inputs as they are filled in. Buttons are those that have a
	// name: one of them counts if it is pressed.
	Fields, Buttons url.Values
}

// Open goes to a URL.
func (b *Browser) Open(ctx context.Context, to string) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return nil, err
	}
	return b.do(req)
}

// Submit sends a form with those values filled in, and of buttons the one pressed.
func (b *Browser) Submit(ctx context.Context, f Form, fill map[string]string) (*Page, error) {
	values := url.Values{}
	for name := range f.Fields {
		values.Set(name, f.Fields.Get(name))
	}
	for name, value := range fill {
		values.Set(name, value)
	}
	if f.Method != http.MethodPost {
		to, _, _ := strings.Cut(f.Action, "?")
		return b.Open(ctx, to+"?"+values.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.Action, strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

// SignIn opens a URL and does what the pages ask for, until one asks for nothing
// more: username and password once, and consent.
func (b *Browser) SignIn(ctx context.Context, to, username, password string) (*Page, error) {
	page, err := b.Open(ctx, to)
	for range 4 {
		if err != nil {
			return nil, err
		}
		login, asksWho := page.Form("password")
		consent, asksConsent := page.Form("decision")
		switch {
		case asksWho && password != "":
			page, err = b.Submit(ctx, login, map[string]string{"username": username, "password": password})
			password = "" // not twice: it is wrong, or somebody asks for what they have
		case asksConsent:
			page, err = b.Submit(ctx, consent, map[string]string{"decision": "allow"})
		default:
			return page, nil
		}
	}
	return page, errors.Join(err, errors.New("the pages ask for ever"))
}

func (b *Browser) do(req *http.Request) (*Page, error) {
	req.Header.Set("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8") // some apps show nobody else a login
	resp, err := b.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", resp.Request.URL.Redacted(), err)
	}
	p := &Page{URL: resp.Request.URL, Status: resp.StatusCode, Body: string(body)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		root, err := html.Parse(strings.NewReader(p.Body))
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", p.URL.Redacted(), err)
		}
		p.collect(root, nil)
	}
	return p, nil
}

// collect finds the forms below n.
func (p *Page) collect(n *html.Node, in *Form) {
	if n.Type == html.ElementNode {
		switch n.Data {
		case "form":
			p.Forms = append(p.Forms, p.form(n))
			in = &p.Forms[len(p.Forms)-1]
		case "input", "button":
			if in != nil {
				in.add(n)
			}
		}
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		p.collect(c, in)
	}
}

func (p *Page) form(n *html.Node) Form {
	f := Form{Method: strings.ToUpper(attribute(n, "method")), Action: p.URL.String(), Fields: url.Values{}, Buttons: url.Values{}}
	if to, err := p.URL.Parse(attribute(n, "action")); err == nil {
		f.Action = to.String()
	}
	return f
}

func (f *Form) add(n *html.Node) {
	name := attribute(n, "name")
	switch {
	case name == "":
	case n.Data == "button" || attribute(n, "type") == "submit":
		f.Buttons.Add(name, attribute(n, "value"))
	default:
		f.Fields.Set(name, attribute(n, "value"))
	}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
