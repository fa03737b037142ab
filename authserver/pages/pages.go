// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pages renders what people see: login, consent, logout and errors, as HTML
// that needs no JavaScript and loads nothing but, for consent, the app's picture. It
// decides nothing, and escapes every value that it is given.
package pages

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html"
	"html/template"
	"io"
	"strings"
)

//go:embed templates
var files embed.FS

//go:embed style.css
var style string

// script is the only one there is, and of Post alone.
//
//go:embed post.js
var script string

// StyleSHA256 is the hash by which a Content-Security-Policy allows the pages'
// style, and no other.
var StyleSHA256 = hash(style)

// ScriptSHA256 is the hash by which a Content-Security-Policy allows the script of Post,
// and no other.
var ScriptSHA256 = hash(script)

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Page is any of the types below that have a Base.
type Page interface{ template() *template.Template }

// Base is what all pages have.
type Base struct {
	// Name is the installation's.
	Name string
}

// Login asks for a username and a password.
type Login struct {
	Base
	// Client is the app's name.
	Client string
	// Action is where the form goes, with Flow in it.
	Action, Flow string
	// Username is filled in.
	Username string
	// Failed is whether an attempt was just refused.
	Failed bool
	// Other is who is signed in already, where the app expects somebody else; it may be
	// empty.
	Other string
	// Current is who is signed in already, and CurrentURL the way on as them. Both
	// may be empty.
	Current, CurrentURL string
}

// Consent asks whether an app may have what it asks for.
type Consent struct {
	Base
	// Client is the app's name, and Namespace the team's that owns it.
	Client, Namespace string
	// Scopes are in words: "see your name".
	Scopes      []string
	Destination Destination
	// Audiences are the APIs, as URIs, at which it can use what is allowed, beyond its
	// own.
	Audiences []string
	// Username and PersonName say who is signed in; the name may be empty.
	Username, PersonName string
	// Action is where the form goes, with Flow in it.
	Action, Flow string
	// SwitchURL is the way to another account.
	SwitchURL string
	// LogoURL is the app's picture, and the others are pages of its own. All may be
	// empty.
	LogoURL, HomeURL, PolicyURL, TermsURL string
}

// Denied tells somebody who is signed in that an app is not for them.
type Denied struct {
	Base
	// Client is the app's name.
	Client string
	// Username says who is signed in.
	Username string
	// Action is where the form back to the app goes, with Flow in it.
	Action, Flow string
	// SwitchURL is the way to another account.
	SwitchURL string
}

// SignOut asks whether somebody wants to be signed out.
type SignOut struct {
	Base
	// Client is the name of the app that asks for it; it may be empty.
	Client string
	// Username and PersonName say who is signed in; both may be empty.
	Username, PersonName string
	// Action is where the form goes, with Logout in it.
	Action, Logout string
}

// Post is what an app is told, in a form that sends itself where there is JavaScript.
type Post struct {
	Base
	// Client is the app's name.
	Client string
	// Action is the app's, and gets Fields.
	Action string
	Fields []Field
}

// Field is a hidden one.
type Field struct{ Name, Value string }

// Notice says that something has been done.
type Notice struct {
	Base
	Title, Text string
}

// Destination is where a person will be sent: Host, or the program on their own
// device that has Scheme.
type Destination struct {
	Host, Scheme string
	// Local is whether Host is the person's own device.
	Local bool
}

// Error says what went wrong.
type Error struct {
	Base
	// Title and Text are for the person, and Owner, which may be empty, for whoever
	// runs the app. Sent is a value that the app sent; it may be empty.
	Title, Text, Owner, Sent string
	// RequestID finds the request in the log.
	RequestID string
	// Link is the words of a way on, and LinkURL where it leads; both may be empty.
	Link, LinkURL string
}

var (
	loginTemplate   = parse("login.html")
	consentTemplate = parse("consent.html")
	deniedTemplate  = parse("denied.html")
	signOutTemplate = parse("signout.html")
	postTemplate    = parse("post.html")
	noticeTemplate  = parse("notice.html")
	errorTemplate   = parse("error.html")
)

func parse(name string) *template.Template {
	funcs := template.FuncMap{
		// As values of these types they stay as they are, to the byte: their hashes must fit.
		"style":  func() template.CSS { return template.CSS(style) }, //nolint:gosec // our own file
		"script": func() template.JS { return template.JS(script) },  //nolint:gosec // our own file
		"action": action,
	}
	return template.Must(template.New("layout.html").Funcs(funcs).
		ParseFS(files, "templates/layout.html", "templates/"+name))
}

// action is the attribute of a form that goes to uri, to the byte: the template would
// percent-encode some of what a URI may have. Only the web has places for forms.
func action(uri string) template.HTMLAttr {
	if !strings.HasPrefix(uri, "https://") && !strings.HasPrefix(uri, "http://") {
		uri = ""
	}
	return template.HTMLAttr(`action="` + html.EscapeString(uri) + `"`) //nolint:gosec // escaped
}

func (Login) template() *template.Template   { return loginTemplate }
func (Consent) template() *template.Template { return consentTemplate }
func (Denied) template() *template.Template  { return deniedTemplate }
func (SignOut) template() *template.Template { return signOutTemplate }
func (Post) template() *template.Template    { return postTemplate }
func (Notice) template() *template.Template  { return noticeTemplate }
func (Error) template() *template.Template   { return errorTemplate }

// Write renders p.
func Write(w io.Writer, p Page) error { return p.template().Execute(w, p) }
