// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package postgres

import "syscall"

// endWithParent does nothing where the kernel cannot.
func endWithParent(*syscall.SysProcAttr) {}
