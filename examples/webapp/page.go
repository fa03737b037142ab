// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
)

//go:embed pages
var files embed.FS

var pages = template.Must(template.ParseFS(files, "pages/*.html"))

// problem is what a person may read of an error. Everything else goes to the log.
type problem struct {
	status              int
	title, text, detail string
}

func (p *problem) Error() string { return fmt.Sprintf("%s %s %s", p.title, p.text, p.detail) }

// page renders a handler's error as a page.
func (a *app) page(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		a.log.Error("Answering a request", "path", r.URL.Path, "error", err)
		p, ok := errors.AsType[*problem](err)
		if !ok {
			p = &problem{
				status: http.StatusInternalServerError, title: "Something went wrong",
				text: "The app's log says what. Please try again.",
			}
		}
		a.render(w, p.status, "problem.html", map[string]string{"Title": p.title, "Text": p.text, "Detail": p.detail})
	})
}

// render writes a page once it is known to be whole.
func (a *app) render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		a.log.Error("Rendering a page", "page", name, "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

// serve serves an embedded file.
func serve(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeFileFS(w, r, files, "pages/"+name)
	}
}
