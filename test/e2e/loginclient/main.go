// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Command loginclient is the app of the end-to-end test. It reads the files of the
// Secret that an OAuthClient got and signs a person in with stock libraries, playing
// the person's browser too. It prints lines of JSON, in which no secret and no token
// stands, and exits 0 if all went as it should.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	var (
		credentials = flag.String("credentials", "/credentials", "directory of the OAuthClient's mounted Secret")
		person      = flag.String("person", "/person", "directory with the files username and password")
		redirectURI = flag.String("redirect-uri", "", "a redirect URI of the OAuthClient; nothing needs to listen there")
		wait        = flag.Duration("wait", 0, "how long to wait for the issuer to answer")
		timeout     = flag.Duration("timeout", 30*time.Second, "how long the login may take")
		goOn        = flag.Bool("go-on", false, "log in and refresh again and again, with a line for each time, until told to stop or something is lost")
		revoked     = flag.Bool("until-revoked", false, "log in, and use what that gave until it is revoked; then check that it is, at all replicas")
	)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *wait+*timeout)
	defer cancel()

	do := app.once
	switch {
	case *goOn:
		do = app.goOn
	case *revoked:
		do = app.untilRevoked
	}
	if err := run(ctx, *credentials, *person, app{redirectURI: *redirectURI, wait: *wait}, do); err != nil {
		fmt.Fprintln(os.Stderr, "loginclient:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, credentials, patron string, a app, do func(app, context.Context, person) error) error {
	var err error
	if a.credentials, err = readFiles(credentials); err != nil {
		return err
	}
	who, err := readFiles(patron)
	if err != nil {
		return err
	}
	return do(a, ctx, person{username: who["username"], password: who["password"]})
}

// once is one login.
func (a app) once(ctx context.Context, who person) error {
	report, err := a.logIn(ctx, who.username, who.password)
	if err != nil {
		return err
	}
	return say(report)
}

// say prints a line.
func say(what any) error { return json.NewEncoder(os.Stdout).Encode(what) }

// readFiles reads a mounted Secret: a file for each key.
func readFiles(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") { // the kubelet's ..data
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		files[e.Name()] = string(content)
	}
	return files, nil
}
