// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

const evil = `"><script>alert(1)</script><a href="javascript:alert(1)">`

// TestWrite_Escapes: whatever stands in a value, the page has the same elements.
func TestWrite_Escapes(t *testing.T) {
	for name, c := range map[string]struct{ calm, hostile Page }{
		"login": {
			Login{Base{"n"}, "c", "/a", "f", "u", true, "o", "c", "/u"},
			Login{Base{evil}, evil, evil, evil, evil, true, evil, evil, "javascript:alert(1)"},
		},
		"consent": {
			Consent{Base{"n"}, "c", "n", []string{"s"}, Destination{"h", "s", true}, []string{"api://a"}, "u", "p", "/a", "f", "/s", "/l", "/h", "/p", "/t"},
			Consent{Base{evil}, evil, evil, []string{evil}, Destination{evil, evil, true}, []string{evil}, evil, evil, "javascript:1", evil, "javascript:1", "javascript:1", "javascript:1", "javascript:1", "javascript:1"},
		},
		"denied": {
			Denied{Base{"n"}, "c", "u", "/a", "f", "/s"},
			Denied{Base{evil}, evil, evil, "javascript:1", evil, "javascript:1"},
		},
		"sign out": {
			SignOut{Base{"n"}, "c", "u", "p", "/a", "l"},
			SignOut{Base{evil}, evil, evil, evil, "javascript:1", evil},
		},
		"post": {
			Post{Base{"n"}, "c", "https://c.example/cb", []Field{{"n", "v"}}},
			Post{Base{evil}, evil, evil, []Field{{evil, evil}}},
		},
		"post, elsewhere": {
			Post{Base{"n"}, "c", "https://c.example/cb", []Field{{"n", "v"}}},
			Post{Base{evil}, evil, "javascript:1", []Field{{"n", "</input></form>"}}},
		},
		"notice": {Notice{Base{"n"}, "t", "t"}, Notice{Base{evil}, evil, evil}},
		"error": {
			Error{Base{"n"}, "t", "t", "o", "s", "r", "l", "/u"},
			Error{Base{evil}, evil, evil, evil, evil, evil, evil, "javascript:1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			calm, hostile := elements(t, c.calm), elements(t, c.hostile)
			if !slices.Equal(calm, hostile) {
				t.Errorf("elements are %v, want %v", hostile, calm)
			}
			if strings.Contains(render(t, c.hostile), `="javascript:`) {
				t.Error("the page leads to a script")
			}
		})
	}
}

// TestWrite_Accessible: every field has a label, every page a language and one
// heading, and what is told of an error is tied to the fields.
func TestWrite_Accessible(t *testing.T) {
	for _, p := range []Page{
		Login{Client: "Wiki"}, Login{Client: "Wiki", Failed: true, Username: "alice"},
		Consent{Client: "Wiki", Scopes: []string{"see"}}, Error{Title: "No"}, Error{Title: "No", Link: "On"},
		Consent{Client: "Wiki", LogoURL: "https://wiki.example/l", PolicyURL: "https://wiki.example/p"},
		Denied{Client: "Wiki", Username: "alice"}, Denied{Client: "Wiki"},
		SignOut{Client: "Wiki", Username: "alice"}, SignOut{}, Notice{Title: "Out"},
		Post{Client: "Wiki", Action: "https://wiki.example/cb", Fields: []Field{{"code", "c"}}},
	} {
		doc := parseHTML(t, p)
		ids, labels, described, headings := map[string]bool{}, map[string]bool{}, []string{}, 0
		for n := range doc.Descendants() {
			for _, a := range n.Attr {
				switch a.Key {
				case "id":
					ids[a.Val] = true
				case "for":
					labels[a.Val] = true
				case "aria-describedby", "aria-labelledby":
					described = append(described, a.Val)
				case "lang":
					if a.Val != "en" || n.Data != "html" {
						t.Errorf("lang is %q on %s", a.Val, n.Data)
					}
				}
			}
			if n.Data == "h1" {
				headings++
			}
		}
		for _, id := range described {
			if !ids[id] {
				t.Errorf("%T: nothing has the id %s", p, id)
			}
		}
		if _, login := p.(Login); login && (!labels["username"] || !labels["password"]) {
			t.Error("a field has no label")
		}
		if headings != 1 || !strings.Contains(render(t, p), `<html lang="en">`) {
			t.Errorf("%T: %d headings", p, headings)
		}
	}
}

func TestWrite_Fails(t *testing.T) {
	if err := Write(full{}, Login{}); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func render(t *testing.T, p Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func parseHTML(t *testing.T, p Page) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(render(t, p)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func elements(t *testing.T, p Page) []string {
	t.Helper()
	var out []string
	for n := range parseHTML(t, p).Descendants() {
		if n.Type == html.ElementNode {
			out = append(out, n.Data)
		}
	}
	return out
}

// TestWrite_ActionStays: an app's redirect URI is compared byte for byte, and so must
// come out: nothing is percent-encoded, added or taken away.
func TestWrite_ActionStays(t *testing.T) {
	const uri = `https://app.example/a'b(c)*[d]/../e?f=g&amp=h;i='j'&%2e`
	for n := range parseHTML(t, Post{Action: uri}).Descendants() {
		if n.Data != "form" {
			continue
		}
		for _, a := range n.Attr {
			if a.Key == "action" && a.Val == uri {
				return
			}
		}
		t.Errorf("the form has %v", n.Attr)
	}
	t.Error("no form goes to the URI")
}
