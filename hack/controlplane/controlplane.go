// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package controlplane pins what the tests' control plane is built from; see
// the script assets beside it. It is a module of its own, so that nothing of
// Kubernetes' servers reaches Clientele's go.mod.
package controlplane

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
)
