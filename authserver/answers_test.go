// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

var (
	descriptionChars = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]*$`) // RFC 6749 section 5.2
	styleElement     = regexp.MustCompile(`(?s)<style>(.*)</style>`)
	scriptElement    = regexp.MustCompile(`(?s)<script>(.*)</script>`)
)

func (w *world) checkAnswer(res *http.Response, body string) {
	w.t.Helper()
	if len(res.Header.Get("X-Request-Id")) < 20 {
		w.t.Errorf("%s %s: no X-Request-Id", res.Request.Method, res.Request.URL.Path)
	}
	for _, c := range res.Cookies() {
		w.secrets.add("cookie", c.Value)
		w.checkCookie(c)
	}
	if to, err := res.Location(); err == nil {
		w.secrets.addParams(to.Query())
		if res.StatusCode != http.StatusSeeOther || !descriptionChars.MatchString(to.Query().Get("error_description")) {
			w.t.Errorf("redirect with status %d and description %q", res.StatusCode, to.Query().Get("error_description"))
		}
	}
	switch {
	case strings.HasPrefix(res.Header.Get("Content-Type"), "text/html"), res.StatusCode == http.StatusSeeOther:
		w.checkPage(res, body)
	default:
		w.checkJSON(res, body)
	}
}

func (w *world) checkCookie(c *http.Cookie) {
	w.t.Helper()
	secure := strings.HasPrefix(c.Name, "__Host-clientele-")
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Domain != "" || secure != c.Secure || secure && c.Path != "/" {
		w.t.Errorf("cookie has the wrong attributes: %s", c.Raw)
	}
}

func (w *world) checkPage(res *http.Response, body string) {
	w.t.Helper()
	want := map[string]string{
		"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "same-origin",
	}
	if scriptElement.MatchString(body) {
		want["Referrer-Policy"] = "origin" // of the one page whose form goes to an app
	}
	for name, value := range want {
		if got := res.Header.Get(name); got != value {
			w.t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	policy := res.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, part) {
			w.t.Errorf("Content-Security-Policy %q lacks %q", policy, part)
		}
	}
	if strings.Contains(policy, "form-action") || strings.Contains(policy, "unsafe") {
		w.t.Errorf("Content-Security-Policy is %q", policy)
	}
	if body == "" {
		return
	}
	style := styleElement.FindStringSubmatch(body)
	if style == nil {
		w.t.Fatalf("page without style: %s", body)
	}
	sum := sha256.Sum256([]byte(style[1]))
	if hash := base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(policy, "style-src 'sha256-"+hash+"'") {
		w.t.Errorf("the policy does not allow the page's style, %s", hash)
	}
	w.checkMarkup(body, policy)
	w.checkScript(body, policy)
}

// checkScript finds a script that the policy does not allow, and the other way round.
func (w *world) checkScript(body, policy string) {
	w.t.Helper()
	script := scriptElement.FindStringSubmatch(body)
	switch {
	case script == nil && strings.Contains(policy, "script-src"):
		w.t.Errorf("the policy of a page without a script is %q", policy)
	case script == nil:
	case strings.Count(body, "<script") != 1 || script[1] != "document.forms[0].submit();":
		w.t.Errorf("the page's script is %q", script[1])
	default:
		sum := sha256.Sum256([]byte(script[1]))
		if hash := base64.StdEncoding.EncodeToString(sum[:]); !strings.HasSuffix(policy, "; script-src 'sha256-"+hash+"'") {
			w.t.Errorf("the policy %q does not allow the page's script, %s, alone", policy, hash)
		}
	}
}

// checkMarkup finds what the policy would keep from working, or allows for nothing,
// and what would need a script.
func (w *world) checkMarkup(body, policy string) {
	w.t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	pictures := 0
	for n := range doc.Descendants() {
		switch n.Data {
		case "iframe", "base":
			w.t.Errorf("page has a %s element", n.Data)
		case "img":
			pictures++
			u, err := url.Parse(attr(n, "src"))
			if err != nil || !strings.HasSuffix(policy, "; img-src https://"+u.Host) || attr(n, "referrerpolicy") != "no-referrer" ||
				attr(n, "alt") == "" || attr(n, "width") == "" || attr(n, "height") == "" {
				w.t.Errorf("a picture has %v, with the policy %q", n.Attr, policy)
			}
		case "a":
			if attr(n, "target") != "" && attr(n, "rel") != "noopener noreferrer" {
				w.t.Errorf("a link has %v", n.Attr)
			}
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "http-equiv" {
				w.t.Errorf("page has the attribute %s on %s", a.Key, n.Data)
			}
		}
	}
	if pictures == 0 && strings.Contains(policy, "img-src") {
		w.t.Errorf("the policy of a page without pictures is %q", policy)
	}
}

func (w *world) checkJSON(res *http.Response, body string) {
	w.t.Helper()
	if res.StatusCode == http.StatusNoContent {
		return
	}
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		w.t.Errorf("Content-Type is %q", got)
	}
	if len(res.Cookies()) > 0 {
		w.t.Errorf("an api answer sets cookies")
	}
	for _, m := range regexp.MustCompile(`"(access_token|refresh_token|id_token)":"([^"]*)"`).FindAllStringSubmatch(body, -1) {
		w.secrets.add(m[1], m[2])
	}
	if res.StatusCode >= http.StatusBadRequest && res.Header.Get("Cache-Control") != "no-store" {
		w.t.Errorf("an error may be cached: %q", res.Header.Get("Cache-Control"))
	}
	if m := regexp.MustCompile(`"error_description":"([^"]*)"`).FindStringSubmatch(body); m != nil && !descriptionChars.MatchString(m[1]) {
		w.t.Errorf("error_description is %q", m[1])
	}
	if res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "" {
		w.t.Errorf("503 without Retry-After")
	}
}
