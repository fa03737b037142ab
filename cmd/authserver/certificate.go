// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// recheck is how often, at most, the files are looked at.
const recheck = time.Second

// certificate is a certificate that is read again when its files change, as they do
// when a Secret that is mounted gets a new one. The files may be missing at first:
// then handshakes fail until they appear. Files that cannot be used leave the
// former certificate in place.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	checked time.Time
	// seen is what the files looked like when they were last read.
	seen [2]os.FileInfo
	// problem is the last one that was logged, so that each is logged once.
	problem string
}

func newCertificate(certFile, keyFile string, log *slog.Logger) *certificate {
	return &certificate{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
}

// announce reads the files, so that the log tells from the start how things stand.
func (c *certificate) announce() {
	if _, err := c.get(nil); err != nil {
		c.log.Warn("Waiting for the certificate; https fails until it is there", "file", c.certFile)
	}
}

// get implements tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); c.checked.IsZero() || now.Sub(c.checked) >= recheck {
		c.checked = now
		c.reload()
	}
	if c.current == nil {
		return nil, errors.New("no certificate yet")
	}
	return c.current, nil
}

func (c *certificate) reload() {
	seen, err := c.look()
	if err == nil && c.unchanged(seen) {
		return
	}
	var loaded tls.Certificate
	if err == nil {
		loaded, err = tls.LoadX509KeyPair(c.certFile, c.keyFile)
	}
	if err != nil {
		// Between the two files of a pair being replaced this passes; seen stays as it
		// was, so that the next look tries again.
		// A file that is not there is normal behind a proxy that terminates TLS.
		expected := c.current == nil && errors.Is(err, fs.ErrNotExist)
		if c.problem != err.Error() && !expected {
			c.problem = err.Error()
			c.log.Error("Reading the certificate failed", "err", err)
		}
		return
	}
	c.current, c.seen, c.problem = &loaded, seen, ""
	attrs := []any{"file", c.certFile}
	if loaded.Leaf != nil {
		attrs = append(attrs, "notAfter", loaded.Leaf.NotAfter)
	}
	c.log.Info("Using a new certificate", attrs...)
}

// look follows links: the kubelet swaps one to replace all files of a Secret.
func (c *certificate) look() (seen [2]os.FileInfo, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if seen[i], err = os.Stat(name); err != nil {
			return seen, fmt.Errorf("look at certificate: %w", err)
		}
	}
	return seen, nil
}

func (c *certificate) unchanged(now [2]os.FileInfo) bool {
	for i, was := range c.seen {
		if was == nil || !os.SameFile(was, now[i]) || !was.ModTime().Equal(now[i].ModTime()) || was.Size() != now[i].Size() {
			return false
		}
	}
	return true
}
