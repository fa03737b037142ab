// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/authserver/outbound"
)

func TestOptions_Outbound(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.crt")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	get := func(args ...string) error {
		t.Helper()
		o, err := parseOptions(args, os.Getenv, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		c, err := o.outbound()
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(r)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	if err := get("--outbound-ca-file=" + file); !isRefused(err) {
		t.Errorf("by default: got %v, want a refusal of the loopback address", err)
	}
	if err := get("--outbound-allow=127.0.0.0/8"); err == nil || isRefused(err) {
		t.Errorf("without the CA: got %v, want that the certificate is not trusted", err)
	}
	if err := get("--outbound-allow=10.96.0.0/12, 127.0.0.0/8", "--outbound-ca-file="+file); err != nil {
		t.Errorf("with both: %v", err)
	}
}

func isRefused(err error) bool {
	_, ok := errors.AsType[*outbound.RefusedError](err)
	return ok
}

func TestOptions_OutboundRefused(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ arg, want string }{
		{"--outbound-allow=10.96.0.10", "10.96.0.10/32"},
		{"--outbound-allow=10.96.0.0/33", "10.96.0.0/33"},
		{"--outbound-allow=cluster", `"cluster"`},
		{"--outbound-allow=10.96.0.0/12,", `""`},
		{"--outbound-allow=10.96.0.1/12", "did you mean 10.96.0.0/12?"},
		{"--outbound-allow=::ffff:10.96.0.0/108", "IPv4"},
		{"--outbound-ca-file=" + filepath.Join(dir, "none"), "no such file"},
		{"--outbound-ca-file=" + empty, "no certificate"},
	} {
		o := options{}
		flag, value, _ := strings.Cut(c.arg, "=")
		if flag == "--outbound-allow" {
			o.outboundAllow = value
		} else {
			o.outboundCAFile = value
		}
		if _, err := o.outbound(); err == nil || !strings.Contains(err.Error(), flag) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.arg, err, c.want)
		}
		// It is said before anything else is begun.
		if err := run(t.Context(), []string{"--kubeconfig=/does/not/exist", c.arg}, io.Discard); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: the process said %v", c.arg, err)
		}
	}
}
