// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import "syscall"

// endWithParent needs Linux.
func endWithParent(*syscall.SysProcAttr) {}
