// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCertificate_Life goes through a Secret's life as the kubelet mounts it: the
// files are links through ..data, which is swapped for another folder.
func TestCertificate_Life(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	c := newCertificate(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), slog.New(slog.NewTextHandler(&log, nil)))
	now := time.Now()
	c.now = func() time.Time { return now }

	c.announce()
	if _, err := c.get(nil); err == nil || !strings.Contains(log.String(), "Waiting for the certificate") {
		t.Fatalf("without files: %v, log %s", err, log.String())
	}
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	mount(t, dir, "one")
	if _, err := c.get(nil); err == nil {
		t.Error("the files were looked at again at once")
	}
	now = now.Add(recheck)
	c.wants(t, "one")
	mount(t, dir, "two")
	c.wants(t, "one")
	now = now.Add(recheck)
	c.wants(t, "two")

	// What cannot be read leaves the former one in place, and is said once.
	if err := os.WriteFile(filepath.Join(dir, "..data", "tls.crt"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	log.Reset()
	for range 3 {
		now = now.Add(recheck)
		c.wants(t, "two")
	}
	if n := strings.Count(log.String(), "Reading the certificate"); n != 1 {
		t.Errorf("said %d times: %s", n, log.String())
	}
	mount(t, dir, "three")
	now = now.Add(recheck)
	c.wants(t, "three")
	if err := os.Remove(filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	now = now.Add(recheck)
	c.wants(t, "three")
}

func (c *certificate) wants(t *testing.T, name string) {
	t.Helper()
	got, err := c.get(nil)
	if err != nil || got.Leaf.Subject.CommonName != name {
		t.Fatalf("got %v, %v, want %s", got, err, name)
	}
}

// mount puts a certificate of a name in place as the kubelet does.
func mount(t *testing.T, dir, name string) {
	t.Helper()
	writePair(t, filepath.Join(dir, ".."+name), name)
	link := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(".."+name, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

func writePair(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: cert}, "tls.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
