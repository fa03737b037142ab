// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxPages is more than any login needs: sign in, and consent.
const maxPages = 4

// person signs in with a browser that has no JavaScript.
type person struct {
	username, password string
	pages              *int
	// jar has the browser's cookies; nil means a new browser each time.
	jar http.CookieJar
}

// follow opens start, fills every form that comes, allows what is asked, and ends
// where the server sends the browser to redirectURI. It never goes there.
func (p *person) follow(ctx context.Context, start, redirectURI string) (*url.URL, error) {
	jar := p.jar
	if jar == nil {
		var err error
		if jar, err = cookiejar.New(nil); err != nil {
			return nil, err
		}
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(next *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(next.URL.String(), redirectURI) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, start, nil)
	for err == nil {
		var next *http.Request
		var callback *url.URL
		if next, callback, err = p.turn(client, request); callback != nil {
			return callback, nil
		}
		request = next
	}
	return nil, err
}

// turn sends one request. It returns the next one, which submits the page's form, or
// the callback.
func (p *person) turn(client *http.Client, request *http.Request) (*http.Request, *url.URL, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	if callback, err := response.Location(); err == nil {
		return nil, callback, nil
	}
	page, err := html.Parse(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s %s: %s: %s", request.Method, request.URL.Path, response.Status, text(find(page, atom.Body)))
	}
	if *p.pages++; *p.pages > maxPages {
		return nil, nil, fmt.Errorf("no end of pages; the last one says: %s", text(find(page, atom.Body)))
	}
	next, err := p.submit(response.Request, page)
	return next, nil, err
}

// submit fills the page's form as a person does, and presses the button that allows.
func (p *person) submit(at *http.Request, page *html.Node) (*http.Request, error) {
	form := find(page, atom.Form)
	if form == nil {
		return nil, fmt.Errorf("%s shows no form: %s", at.URL.Path, text(find(page, atom.Body)))
	}
	action, err := at.URL.Parse(attribute(form, "action"))
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(attribute(form, "method"), http.MethodPost) {
		return nil, errors.New("the form is not sent by POST")
	}
	body := strings.NewReader(p.fill(form).Encode())
	request, err := http.NewRequestWithContext(at.Context(), http.MethodPost, action.String(), body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", at.URL.Scheme+"://"+at.URL.Host) // as every browser does
	return request, nil
}

func (p *person) fill(form *html.Node) url.Values {
	values := url.Values{}
	var pressed *html.Node
	for n := range form.Descendants() {
		switch kind := attribute(n, "type"); {
		case n.DataAtom == atom.Button && kind != "button":
			if pressed == nil || strings.HasPrefix(text(n), "Allow") {
				pressed = n
			}
		case n.DataAtom != atom.Input:
		case attribute(n, "name") == "username":
			values.Set("username", p.username)
		case kind == "password":
			values.Set(attribute(n, "name"), p.password)
		case kind == "hidden" || kind == "checkbox" && has(n, "checked"):
			values.Add(attribute(n, "name"), attribute(n, "value"))
		}
	}
	if pressed != nil && attribute(pressed, "name") != "" {
		values.Set(attribute(pressed, "name"), attribute(pressed, "value"))
	}
	return values
}

func find(n *html.Node, tag atom.Atom) *html.Node {
	for d := range n.Descendants() {
		if d.DataAtom == tag {
			return d
		}
	}
	return nil
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

// text is what a person reads in n.
func text(n *html.Node) string {
	if n == nil {
		return ""
	}
	var words []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.DataAtom != atom.Style && d.Parent.DataAtom != atom.Script {
			words = append(words, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(words, " ")
}
