// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"os"
	"testing"

	"github.com/clientele-dev/clientele/test/apiserver"
)

// server is a real API server. One test halts and resumes it; no test runs in parallel.
var server *apiserver.Server

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	var err error
	if server, err = apiserver.New(); err != nil {
		return 0, err
	}
	code := m.Run()
	return code, server.End()
}
