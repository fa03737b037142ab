// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// checkFree says whether localhost:port is free. Browsers try both loopback
// addresses: whoever listens on only one of them would get half of the requests.
func checkFree(variable string, port int) error {
	for _, host := range []string{"127.0.0.1", "::1"} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port))) //nolint:noctx // it returns at once
		switch {
		case err == nil:
			_ = l.Close()
		case errors.Is(err, syscall.EADDRINUSE):
			return fmt.Errorf("port %d is in use on %s: end what listens there, or choose another port with %s=…", port, host, variable)
		case host == "::1": // a machine without IPv6
		default:
			return fmt.Errorf("cannot listen on port %d (choose another one with %s=…): %w", port, variable, err)
		}
	}
	return nil
}
