// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apiserver starts a real kube-apiserver, and the etcd that it needs, for
// tests. The CRDs are installed. There is no other controller in it: nothing
// collects garbage, and no namespace goes away.
package apiserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// stopTimeout is how long a process that is told to stop may take until it is killed:
// an API server would wait for whoever watches it.
const stopTimeout = 2 * time.Second

// Start returns a way to the API server, as its administrator, and what ends it.
func Start() (config *rest.Config, stop func() error, err error) {
	s, err := New()
	if err != nil {
		return nil, nil, err
	}
	return s.Config, s.End, nil
}

// Server is an API server that can go away and come back.
type Server struct {
	// Config is a way to it, as its administrator. It stays valid.
	Config *rest.Config

	env *envtest.Environment
	dir string
}

// Option makes a Server other than usual.
type Option func(*envtest.Environment)

// Durable makes etcd wait for the disk before it says that something is written, as it
// does in production, and gives it room for a million objects.
func Durable(env *envtest.Environment) {
	env.ControlPlane.Etcd.Configure().Disable("unsafe-no-fsync").Set("quota-backend-bytes", "8589934592")
}

// New starts one.
func New(options ...Option) (*Server, error) {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS does not say where etcd and kube-apiserver are: run the tests with `make test`, or set it to what hack/controlplane/assets prints")
	}
	// A directory that envtest made it would also remove whenever the API server stops.
	dir, err := os.MkdirTemp("", "apiserver-*")
	if err != nil {
		return nil, err
	}
	start, err := writeStart(dir, filepath.Join(assets, "kube-apiserver"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	no := false
	s := &Server{dir: dir, env: &envtest.Environment{
		UseExistingCluster:      &no, // whatever the environment says
		BinaryAssetsDirectory:   assets,
		CRDDirectoryPaths:       []string{filepath.Join(Root(), "config", "crd", "bases")},
		ErrorIfCRDPathMissing:   true,
		ControlPlaneStopTimeout: stopTimeout,
	}}
	s.env.ControlPlane.APIServer = &envtest.APIServer{CertDir: dir, Path: start}
	s.env.ControlPlane.Etcd = &envtest.Etcd{}
	for _, o := range options {
		o(s.env)
	}
	if s.Config, err = s.env.Start(); err != nil {
		return nil, errors.Join(err, s.End())
	}
	s.Config.QPS = -1
	return s, nil
}

// End ends it for good, and etcd.
func (s *Server) End() error {
	return errors.Join(end(s.env.ControlPlane.APIServer.Stop), end(s.env.Stop), os.RemoveAll(s.dir))
}

// Halt ends the API server's process, whatever it is doing. etcd keeps what was
// written.
func (s *Server) Halt() error {
	if err := end(s.env.ControlPlane.APIServer.Stop); err != nil {
		return fmt.Errorf("halt the API server: %w", err)
	}
	return nil
}

// Kill is Halt without a warning: whatever the API server was doing stays half done.
func (s *Server) Kill() error {
	text, err := os.ReadFile(filepath.Join(s.dir, pidFile))
	if err != nil {
		return fmt.Errorf("kill the API server: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("kill the API server: %w", err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the API server: %w", err)
	}
	return s.Halt() // envtest takes notice
}

// pidFile holds the API server's process number. envtest does not tell it.
const pidFile = "pid"

// writeStart writes a program that becomes the API server and says under which number.
func writeStart(dir, binary string) (string, error) {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	program := "#!/bin/sh\necho $$ >" + quote(filepath.Join(dir, pidFile)) + "\nexec " + quote(binary) + " \"$@\"\n"
	path := filepath.Join(dir, "start")
	return path, os.WriteFile(path, []byte(program), 0o700)
}

// end stops a process until it is gone. The first error says only that it had to be
// killed.
func end(stop func() error) error {
	err := stop()
	for range 5 {
		if err == nil {
			return nil
		}
		err = stop()
	}
	return err
}

// Resume starts the API server again, where it was and with the certificates that it
// had, and returns when it is well.
func (s *Server) Resume() error {
	if err := s.env.ControlPlane.APIServer.Start(); err != nil {
		return fmt.Errorf("resume the API server: %w", err)
	}
	return nil
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
