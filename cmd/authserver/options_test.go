// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseOptions_Defaults(t *testing.T) {
	o, err := parseOptions(nil, func(string) string { return "" }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := options{
		namespace: "clientele-system", replica: host, httpAddress: ":8080", httpsAddress: ":8443", opsAddress: ":8081",
		store: "kubernetes", sessionCache: 5 * time.Second, maxRequests: 1000,
		shutdownDelay: 5 * time.Second, logLevel: "info", logFormat: "json",
	}
	if o != want || o.serveTLS() {
		t.Errorf("got %+v, want %+v", o, want)
	}
	env := map[string]string{"POD_NAME": "authserver-0", "KUBECONFIG": "/k"}
	o, err = parseOptions(nil, func(name string) string { return env[name] }, io.Discard)
	if err != nil || o.replica != "authserver-0" || o.kubeconfig != "/k" {
		t.Errorf("got %+v, %v", o, err)
	}
}

func TestParseOptions_Refused(t *testing.T) {
	for args, want := range map[string]string{
		"--namespace=":                          "--namespace",
		"--ops-address=":                        "--ops-address",
		"--tls-cert-file=/c":                    "--tls-key-file",
		"--tls-key-file=/k":                     "--tls-cert-file",
		"--http-address=":                       "--http-address",
		"--http-address= --https-address=":      "--http-address",
		"--shutdown-delay=-1s":                  "--shutdown-delay",
		"--shutdown-delay=soon":                 "shutdown-delay",
		"--replica-name=x serve":                `"serve"`,
		"--nothing":                             "nothing",
		"--http-address= --tls-cert-file=/c":    "go together",
		"--store=etcd":                          "--store",
		"--store=":                              "--store",
		"--store=postgres":                      "--postgres-uri-file",
		"--store=memory --postgres-uri-file=/u": "--postgres-uri-file",
		"--session-cache=-1s":                   "--session-cache",
		"--session-cache=1h":                    "--session-cache",
		"--max-requests=0":                      "--max-requests",
	} {
		if _, err := parseOptions(strings.Fields(args), os.Getenv, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", args, err, want)
		}
	}
	if _, err := parseOptions([]string{"-h"}, os.Getenv, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
	args := []string{"--http-address=", "--tls-cert-file=/c", "--tls-key-file=/k"}
	if o, err := parseOptions(args, os.Getenv, io.Discard); err != nil || !o.serveTLS() {
		t.Errorf("https alone: %v", err)
	}
	args = []string{"--store=postgres", "--postgres-uri-file=/u", "--session-cache=0"}
	if o, err := parseOptions(args, os.Getenv, io.Discard); err != nil || o.postgresURIFile != "/u" || o.sessionCache != 0 {
		t.Errorf("postgres: %+v, %v", o, err)
	}
}

func TestOptions_Logger(t *testing.T) {
	for _, c := range []struct{ level, format, want string }{
		{"info", "json", `"level":"INFO","msg":"Saying","k":1`},
		{"debug", "text", `level=INFO msg=Saying k=1`},
		{"error", "json", ""},
	} {
		var b bytes.Buffer
		log, err := (&options{logLevel: c.level, logFormat: c.format}).logger(&b)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("Saying", slog.Int("k", 1))
		if !strings.Contains(b.String(), c.want) || c.want == "" && b.Len() > 0 {
			t.Errorf("%s %s: %s", c.level, c.format, b.String())
		}
	}
	for _, o := range []options{{logLevel: "loud", logFormat: "json"}, {logLevel: "info", logFormat: "xml"}} {
		if _, err := o.logger(io.Discard); err == nil || !strings.Contains(err.Error(), "--log-") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestRun_RefusesAtOnce(t *testing.T) {
	for args, want := range map[string]string{
		"--namespace=":                    "--namespace",
		"--log-format=xml":                "--log-format",
		"--kubeconfig=/does/not/exist":    "--kubeconfig",
		"--log-level=x --kubeconfig=none": "--log-level",
	} {
		if err := run(t.Context(), strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", args, err)
		}
	}
}
