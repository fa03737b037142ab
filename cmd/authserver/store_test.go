// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/clientele-dev/clientele/authserver/store"
)

// around are surroundings of a store, and its log.
func around(o options) (*surroundings, *bytes.Buffer) {
	var log bytes.Buffer
	o.namespace, o.replica = "default", "one"
	return &surroundings{
		options: o, cluster: &rest.Config{Host: "http://127.0.0.1:1"},
		log: slog.New(slog.NewTextHandler(&log, nil)), metrics: prometheus.NewRegistry(),
	}, &log
}

// TestOpenStore: no store needs to be reachable, and the log says which one it is.
func TestOpenStore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "uri")
	if err := os.WriteFile(file, []byte("postgres://clientele:hidden-word@127.0.0.1:1/clientele\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, sweeps := range map[string]bool{storeKubernetes: true, storePostgres: true, storeMemory: false} {
		t.Run(name, func(t *testing.T) {
			s, log := around(options{store: name, postgresURIFile: file})
			k, err := s.openStore()
			if err != nil {
				t.Fatal(err)
			}
			_, err = k.guarded.Session(t.Context(), "issuer", "id")
			if absent := errors.Is(err, store.ErrNotFound); err == nil || absent == sweeps {
				t.Errorf("a store that cannot be reached says %v", err)
			}
			if (k.sweep != nil) != sweeps {
				t.Errorf("sweeps: %t", k.sweep != nil)
			}
			k.close()
			if !strings.Contains(log.String(), "store="+name) || strings.Contains(log.String(), "hidden-word") {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

func TestOpenStore_Refused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "uri")
	if err := os.WriteFile(file, []byte("hidden-word"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, file + "-missing"} {
		s, _ := around(options{store: storePostgres, postgresURIFile: name})
		_, err := s.openStore()
		if err == nil || !strings.Contains(err.Error(), "--postgres-uri-file") || strings.Contains(err.Error(), "hidden-word") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
