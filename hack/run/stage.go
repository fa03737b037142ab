// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	systemNamespace = "clientele-system"
	demoNamespace   = "demo"
	demoName        = "webapp"
	demoSecret      = "webapp-oauth"
	usersSecret     = "demo-users"

	stopGrace = 10 * time.Second
)

// stage is everything that runs, and what is needed to end it.
type stage struct {
	config

	fail  context.CancelCauseFunc
	began time.Time

	env      *envtest.Environment
	rest     *rest.Config
	client   client.WithWatch
	people   []person
	children []*child
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

func (s *stage) issuer() string { return "http://localhost:" + strconv.Itoa(s.serverPort) }
func (s *stage) appURL() string { return "http://localhost:" + strconv.Itoa(s.appPort) }

// loopback is the address of a port. Everything here listens on 127.0.0.1 and is
// reached as localhost: checkFree has seen that nobody else has ::1.
func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// claim takes dir for this run, empties it and makes it ready. What an earlier run
// left there is of no use: its processes are gone.
func claim(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("another make run is using %s: end it with Ctrl-C, or use its demo app", dir)
	}
	all, err := os.ReadDir(dir)
	for _, e := range all {
		if e.Name() != "lock" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return func() { _ = lock.Close() }, err
}

// startControlPlane starts etcd and kube-apiserver and makes a kubeconfig for
// whoever administers them.
func (s *stage) startControlPlane(context.Context) error {
	no := false
	s.env = &envtest.Environment{
		UseExistingCluster:      &no, // whatever the environment says
		ErrorIfCRDPathMissing:   true,
		CRDDirectoryPaths:       []string{filepath.Join("config", "crd", "bases")},
		BinaryAssetsDirectory:   os.Getenv("KUBEBUILDER_ASSETS"),
		ControlPlaneStopTimeout: stopGrace,
	}
	data := s.path("control-plane")
	etcd, apiserver := &envtest.Etcd{DataDir: filepath.Join(data, "etcd")}, &envtest.APIServer{CertDir: filepath.Join(data, "apiserver")}
	for _, dir := range []string{etcd.DataDir, apiserver.CertDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	var err error
	if etcd.Out, err = s.log("etcd"); err != nil {
		return err
	}
	if apiserver.Out, err = s.log("kube-apiserver"); err != nil {
		return err
	}
	etcd.Err, apiserver.Err = etcd.Out, apiserver.Out
	s.env.ControlPlane.Etcd, s.env.ControlPlane.APIServer = etcd, apiserver
	if s.rest, err = s.env.Start(); err != nil {
		return err
	}
	admin, err := s.env.AddUser(envtest.User{Name: "admin", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return err
	}
	kubeconfig, err := admin.KubeConfig()
	if err != nil {
		return err
	}
	return os.WriteFile(s.path("kubeconfig"), kubeconfig, 0o600)
}

func (s *stage) log(name string) (io.Writer, error) {
	return os.OpenFile(s.path(name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// watchAPIServer returns when ctx ends, and ends everything when the API server,
// whose process is envtest's, no longer answers.
func (s *stage) watchAPIServer(ctx context.Context) {
	httpClient, err := rest.HTTPClientFor(s.rest)
	if err != nil {
		s.fail(err)
		return
	}
	httpClient.Timeout = 5 * time.Second
	for misses := 0; misses < 3; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Second):
		}
		misses++
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.rest.Host+"/livez", nil)
		if err != nil {
			s.fail(err)
			return
		}
		if resp, err := httpClient.Do(req); err == nil {
			_ = resp.Body.Close()
			misses = 0
		}
	}
	s.fail(&died{name: "kube-apiserver", log: s.path("kube-apiserver.log"), how: "no longer answers"})
}

// end stops everything, in the reverse order of its start.
func (s *stage) end() error {
	// Who waits for this file should not find it of something that has ended.
	_ = os.Remove(s.path("env"))
	if s.env == nil {
		return nil
	}
	_, _ = fmt.Fprintln(s.out, "\nStopping.")
	var errs []error
	for i := range s.children {
		errs = append(errs, s.children[len(s.children)-1-i].stop(stopGrace))
	}
	errs = append(errs, s.env.Stop(), os.RemoveAll(s.path("control-plane")))
	return errors.Join(errs...)
}
