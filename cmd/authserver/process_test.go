// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// fakeWatcher is a watcher whose fate a test decides.
type fakeWatcher struct {
	mu    sync.Mutex
	ready error
	fails chan error
	ended chan struct{}
}

func newFakeWatcher() *fakeWatcher {
	return &fakeWatcher{fails: make(chan error, 1), ended: make(chan struct{})}
}

func (f *fakeWatcher) Run(ctx context.Context) error {
	defer close(f.ended)
	select {
	case err := <-f.fails:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (f *fakeWatcher) Ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ready
}

func (f *fakeWatcher) become(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = err
}

// running is a process under test.
type running struct {
	t       *testing.T
	watcher *fakeWatcher
	// swept is closed once nothing is swept any more.
	swept chan struct{}
	at    map[string]string
	stop  context.CancelFunc
	done  chan error
}

func start(t *testing.T, o options, handler http.Handler) *running {
	t.Helper()
	r := &running{t: t, watcher: newFakeWatcher(), swept: make(chan struct{}), at: map[string]string{}, done: make(chan error, 1)}
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector())
	want := 2
	if o.serveTLS() {
		want++
	}
	opened := make(chan struct{}, want)
	p := &process{
		options: o, log: slog.New(slog.DiscardHandler), watcher: r.watcher, handler: handler, metrics: metrics,
		sweep: func(ctx context.Context) error {
			defer close(r.swept)
			<-ctx.Done()
			return nil
		},
		bound: func(name string, at net.Addr) {
			r.at[name] = at.String()
			opened <- struct{}{}
		},
	}
	go func() { r.done <- p.run(ctx) }()
	for range want {
		select {
		case <-opened:
		case err := <-r.done:
			t.Fatal(err)
		}
	}
	return r
}

// local are options for a process on free loopback ports.
func local() options {
	return options{httpAddress: "127.0.0.1:0", opsAddress: "127.0.0.1:0"}
}

func (r *running) get(raw string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, raw, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // the test made the certificate
		DisableKeepAlives: true,
	}}
	res, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(body))
}

func (r *running) ops(path string) (int, string) {
	r.t.Helper()
	return r.get("http://" + r.at["ops"] + path)
}

// ends waits for the process to end.
func (r *running) ends() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(30 * time.Second):
		r.t.Fatal("the process does not end")
		return nil
	}
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })

func TestProcess_Ops(t *testing.T) {
	r := start(t, local(), hello)
	r.watcher.become(errors.New("the registrations have not been loaded yet"))
	if status, body := r.ops("/readyz"); status != 503 || !strings.Contains(body, "not been loaded") {
		t.Errorf("readyz: %d %s", status, body)
	}
	if status, _ := r.ops("/healthz"); status != 200 {
		t.Errorf("healthz: %d", status)
	}
	r.watcher.become(nil)
	if status, body := r.ops("/readyz"); status != 200 || body != "ok" {
		t.Errorf("readyz: %d %s", status, body)
	}
	if status, body := r.ops("/metrics"); status != 200 || !strings.Contains(body, "go_goroutines") {
		t.Errorf("metrics: %d %.100s", status, body)
	}
	if status, body := r.get("http://" + r.at["http"] + "/"); status != 200 || body != "hello" {
		t.Errorf("http: %d %s", status, body)
	}
	// What is for the cluster is not for the public.
	if _, body := r.get("http://" + r.at["http"] + "/metrics"); body != "hello" {
		t.Errorf("metrics in public: %s", body)
	}
	r.stop()
	if err := r.ends(); err != nil {
		t.Error(err)
	}
}

// TestProcess_Stops: unready first, then no new connections, what is being served
// is finished, and the watcher goes last.
func TestProcess_Stops(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	o := local()
	o.shutdownDelay = 100 * time.Millisecond
	r := start(t, o, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		_, _ = io.WriteString(w, "late")
	}))
	served := make(chan string, 1)
	go func() {
		_, body := r.get("http://" + r.at["http"] + "/")
		served <- body
	}()
	<-entered
	r.stop()
	for status := 200; status == 200; { // until it has heard
		status, _ = r.ops("/readyz")
	}
	select {
	case <-r.watcher.ended:
		t.Error("the watcher ended while a request was being served")
	case <-r.swept:
		t.Error("the sweeper ended while a request was being served")
	case err := <-r.done:
		t.Errorf("the process ended while a request was being served: %v", err)
	default:
	}
	close(leave)
	if body := <-served; body != "late" {
		t.Errorf("the last request was answered %q", body)
	}
	if err := r.ends(); err != nil {
		t.Error(err)
	}
	<-r.watcher.ended
	<-r.swept
}

func TestProcess_WatcherFails(t *testing.T) {
	for name, err := range map[string]error{"with an error": errors.New("forbidden"), "without": nil} {
		t.Run(name, func(t *testing.T) {
			r := start(t, local(), hello)
			r.watcher.fails <- err
			if got := r.ends(); got == nil || !strings.Contains(got.Error(), "watch the system namespace") {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestProcess_AddressTaken(t *testing.T) {
	r := start(t, local(), hello)
	defer r.stop()
	o := local()
	o.httpAddress = r.at["http"]
	p := &process{options: o, log: slog.New(slog.DiscardHandler), watcher: newFakeWatcher(), metrics: prometheus.NewRegistry()}
	if err := p.run(t.Context()); err == nil || !strings.Contains(err.Error(), "--http-address") {
		t.Errorf("got %v", err)
	}
}

// TestProcess_TLS: https begins as soon as the certificate is there.
func TestProcess_TLS(t *testing.T) {
	dir := t.TempDir()
	o := local()
	o.httpsAddress = "127.0.0.1:0"
	o.certFile, o.keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	t.Run("missing", func(t *testing.T) {
		r := start(t, o, hello)
		defer r.stop()
		if status, _ := r.get("https://" + r.at["https"] + "/"); status != 0 {
			t.Errorf("status %d", status)
		}
		if status, _ := r.get("http://" + r.at["http"] + "/"); status != 200 {
			t.Errorf("status %d", status)
		}
	})
	t.Run("there", func(t *testing.T) {
		writePair(t, dir, "one")
		r := start(t, o, hello)
		if status, body := r.get("https://" + r.at["https"] + "/"); status != 200 || body != "hello" {
			t.Errorf("%d %s", status, body)
		}
		r.stop()
		if err := r.ends(); err != nil {
			t.Error(err)
		}
	})
}
