// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apiserver starts a real kube-apiserver, and the etcd that it needs, for
// tests. The CRDs are installed. There is no other controller in it: nothing
// collects garbage, and no namespace goes away.
package apiserver

import (
	"errors"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Start returns a way to the API server, as its administrator, and what ends it.
func Start() (config *rest.Config, stop func() error, err error) {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		return nil, nil, errors.New("KUBEBUILDER_ASSETS does not say where etcd and kube-apiserver are: run the tests with `make test`, or set it to what hack/controlplane/assets prints")
	}
	no := false
	env := &envtest.Environment{
		UseExistingCluster:    &no, // whatever the environment says
		BinaryAssetsDirectory: assets,
		CRDDirectoryPaths:     []string{filepath.Join(Root(), "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
	}
	config, err = env.Start()
	if err != nil {
		return nil, nil, errors.Join(err, env.Stop())
	}
	config.QPS = -1
	return config, env.Stop, nil
}

// Root is the repository's directory: the one above a test's that has a go.mod.
func Root() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, found := os.Stat(filepath.Join(dir, "go.mod")); found == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir
}
