// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package process is for tests that run other programs.
package process

import (
	"net"
	"testing"
	"time"
)

// patience is for a machine that does much else.
const patience = time.Minute

// FreePort is a port of 127.0.0.1 that nobody listens on.
func FreePort(t testing.TB) int {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// Await calls f until it returns nil, and fails the test with what it returned last if
// that takes more than a minute. Another program gives no event to wait for, so it is
// asked again.
func Await(t testing.TB, f func() error) {
	t.Helper()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for deadline := time.After(patience); ; {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal(err)
		case <-retry.C:
		}
	}
}
