// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Command loginclient is the app of the end-to-end test. It reads the files of the
// Secret that an OAuthClient got and signs a person in with stock libraries, playing
// the person's browser too. It exits 0 after printing one line of JSON, in which no
// secret and no token stands.
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
	)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *wait+*timeout)
	defer cancel()

	report, err := run(ctx, *credentials, *person, app{redirectURI: *redirectURI, wait: *wait})
	if err != nil {
		fmt.Fprintln(os.Stderr, "loginclient:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		os.Exit(1)
	}
}

func run(ctx context.Context, credentials, person string, a app) (*report, error) {
	var err error
	if a.credentials, err = readFiles(credentials); err != nil {
		return nil, err
	}
	who, err := readFiles(person)
	if err != nil {
		return nil, err
	}
	return a.logIn(ctx, who["username"], who["password"])
}

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
