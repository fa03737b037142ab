// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pages renders what people see: login, consent and errors, as HTML that
// needs no JavaScript and loads nothing. It decides nothing, and html/template
// escapes every value that it is given.
package pages

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io"
)

//go:embed templates
var files embed.FS

//go:embed style.css
var style string

// StyleSHA256 is the hash by which a Content-Security-Policy allows the pages'
// style, and no other.
var StyleSHA256 = func() string {
	sum := sha256.Sum256([]byte(style))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

// Page is a Login, a Consent or an Error.
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
	// Username and PersonName say who is signed in; the name may be empty.
	Username, PersonName string
	// Action is where the form goes, with Flow in it.
	Action, Flow string
	// SwitchURL is the way to another account.
	SwitchURL string
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
}

var (
	loginTemplate   = parse("login.html")
	consentTemplate = parse("consent.html")
	errorTemplate   = parse("error.html")
)

func parse(name string) *template.Template {
	// As a value of type CSS the style stays as it is, to the byte: its hash must fit.
	funcs := template.FuncMap{"style": func() template.CSS { return template.CSS(style) }} //nolint:gosec // our own file
	return template.Must(template.New("layout.html").Funcs(funcs).
		ParseFS(files, "templates/layout.html", "templates/"+name))
}

func (Login) template() *template.Template   { return loginTemplate }
func (Consent) template() *template.Template { return consentTemplate }
func (Error) template() *template.Template   { return errorTemplate }

// Write renders p.
func Write(w io.Writer, p Page) error { return p.template().Execute(w, p) }
