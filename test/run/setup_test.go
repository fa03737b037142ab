// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package run checks what `make run` promises: that all of Clientele comes up on
// this machine, that people can sign in at the demo app, that what somebody applies
// with the printed kubeconfig works like on a cluster, and that Ctrl-C ends it.
package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

const (
	// readyWithin is far more than it takes, for a machine that does much else.
	readyWithin = 3 * time.Minute
	endsWithin  = time.Minute
)

// programs are the binaries that make run needs.
type programs struct{ dir string }

func build(t *testing.T) programs {
	t.Helper()
	p := programs{t.TempDir()}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", p.dir, "./cmd/manager", "./cmd/authserver", "./examples/webapp", "./hack/run")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as the Makefile does, to share what is compiled
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return p
}

// root is the repository's, where make runs things.
var root = filepath.Join("..", "..")

// ports are a server's and an app's that are free.
func ports(t *testing.T) []string {
	t.Helper()
	var out []string
	var config net.ListenConfig
	for _, variable := range []string{"CLIENTELE_PORT", "CLIENTELE_APP_PORT"} {
		l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }() // all at once, so that they differ
		out = append(out, variable+"="+strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	return out
}

// running is a `make run`.
type running struct {
	t   *testing.T
	cmd *exec.Cmd
	dir string
	// out is what it has printed so far.
	out *output
	// exited is closed once it has ended.
	exited chan struct{}
}

// output can be read while a process writes it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start does what make run does once everything is built.
func (p programs) start(t *testing.T, dir string, env []string) *running {
	t.Helper()
	r := &running{t: t, dir: dir, out: &output{}, exited: make(chan struct{})}
	r.cmd = exec.Command(filepath.Join(p.dir, "run"), "--dir", dir, "--bin", p.dir) //nolint:noctx // it is interrupted, not killed
	r.cmd.Dir = root
	r.cmd.Env = append(os.Environ(), env...)
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait()
		close(r.exited)
	}()
	t.Cleanup(func() {
		r.interrupt()
		if t.Failed() {
			t.Logf("%s\n%s", r.out, r.logs())
		}
	})
	return r
}

// logs are the last words of everything that ran.
func (r *running) logs() string {
	var b strings.Builder
	for _, name := range []string{"manager", "authserver", "app"} {
		text, err := os.ReadFile(filepath.Join(r.dir, name+".log"))
		fmt.Fprintf(&b, "--- %s %v\n%s\n", name, err, text[max(0, len(text)-4000):])
	}
	return b.String()
}

// env waits until everything is ready, and returns what .run/env says.
func (r *running) env() map[string]string {
	r.t.Helper()
	values := map[string]string{}
	r.await(readyWithin, func() error {
		select {
		case <-r.exited:
			r.t.Fatal("make run has ended before it was ready")
		default:
		}
		text, err := os.ReadFile(filepath.Join(r.dir, "env"))
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			values[name] = value
		}
		return err
	})
	return values
}

// interrupt is Ctrl-C, and returns what the process ends with.
func (r *running) interrupt() int {
	r.t.Helper()
	_ = r.cmd.Process.Signal(os.Interrupt) // it may have ended
	select {
	case <-r.exited:
	case <-time.After(endsWithin):
		_ = r.cmd.Process.Kill()
		r.t.Errorf("make run has not ended %s after Ctrl-C", endsWithin)
		<-r.exited
	}
	return r.cmd.ProcessState.ExitCode()
}

// await calls f until it returns nil.
func (r *running) await(limit time.Duration, f func() error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), limit)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			r.t.Fatalf("not within %s: %v", limit, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// clientOf returns a client for the cluster of a kubeconfig.
func clientOf(t *testing.T, kubeconfig string) client.Client {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
