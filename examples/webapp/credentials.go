// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// credentials are what the mounted Secret says.
type credentials struct {
	clientID     string
	clientSecret string
	issuer       string
	jwksURI      string
	// changed is when the files were written.
	changed time.Time
}

// readCredentials reads the Secret's files. The app calls it whenever it needs them
// and never keeps them: a Secret's files change under a running Pod, and a restart
// for each new secret would be one that nobody needs.
func readCredentials(dir string) (credentials, error) {
	c, err := readOnce(dir)
	if err != nil {
		// The version that was there may just have been swapped for a newer one.
		c, err = readOnce(dir)
	}
	return c, err
}

func readOnce(dir string) (credentials, error) {
	// The kubelet swaps all files at once, by the symlink ..data. Following it first
	// keeps the client_id of one moment from meeting the client_secret of another.
	if version, err := os.Readlink(filepath.Join(dir, "..data")); err == nil {
		dir = filepath.Join(dir, version)
	}
	var c credentials
	for name, field := range map[string]*string{
		"client_id":     &c.clientID,
		"client_secret": &c.clientSecret,
		"issuer":        &c.issuer,
		"jwks_uri":      &c.jwksURI,
	} {
		value, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // the folder is the operator's choice, the names are fixed
		if err != nil {
			return credentials{}, fmt.Errorf("read the mounted Secret: %w", err)
		}
		*field = strings.TrimSpace(string(value))
	}
	info, err := os.Stat(filepath.Join(dir, "client_secret"))
	if err != nil {
		return credentials{}, fmt.Errorf("read the mounted Secret: %w", err)
	}
	c.changed = info.ModTime()
	return c, nil
}
