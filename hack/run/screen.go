// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed screen.txt
var screenText string

var screen = template.Must(template.New("screen").Parse(screenText))

// show prints what there is and what to do with it.
func (s *stage) show() error {
	type user struct{ Username, Password string }
	v := struct {
		App, Issuer, Dir, Kubeconfig, Namespace, Secret string
		Users                                           []user
	}{
		App: s.appURL(), Issuer: s.issuer(), Dir: shorten(s.dir), Kubeconfig: s.path("kubeconfig"),
		Namespace: demoNamespace, Secret: demoSecret,
	}
	for _, p := range s.people {
		v.Users = append(v.Users, user{p.username, p.password})
	}
	return screen.Execute(s.out, v)
}

// shorten is a path as it is seen from here, if that is shorter.
func shorten(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && len(rel) < len(path) {
		return rel
	}
	return path
}

// writeEnv writes, in one step, what scripts want to know. That the file is there
// says that everything is ready.
func (s *stage) writeEnv() error {
	var b strings.Builder
	for _, line := range [][2]string{
		{"KUBECONFIG", s.path("kubeconfig")},
		{"ISSUER", s.issuer()},
		{"APP_URL", s.appURL()},
		{"DEMO_USERNAME", s.people[0].username},
		{"DEMO_PASSWORD", s.people[0].password},
		{"DEMO_USERNAME_2", s.people[1].username},
		{"DEMO_PASSWORD_2", s.people[1].password},
	} {
		b.WriteString(line[0] + "=" + line[1] + "\n")
	}
	next := s.path("env.tmp")
	if err := os.WriteFile(next, []byte(b.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(next, s.path("env"))
}
