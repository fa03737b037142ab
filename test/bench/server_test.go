// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package bench measures whole flows through the authorization server, over
// loopback HTTP with the memory store. The server runs in a process of its own, so
// that its CPU is told from that of the clients. In the same run it measures what a
// flow cannot do without (bare HTTP exchanges and signatures), and says how many
// times that a flow costs.
package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/pprof"
	"strconv"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/inprocess"
)

const (
	// asServer makes the test binary the server, with ID tokens signed by its value.
	asServer     = "BENCH_SERVER"
	redirectURI  = "https://app.example.com/callback"
	clientSecret = "a-secret-of-256-bits-would-look-like-this-1"
)

func TestMain(m *testing.M) {
	if alg := os.Getenv(asServer); alg != "" {
		if err := serve(alg); err != nil {
			fmt.Fprintln(os.Stderr, "server:", err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if code == 0 && flag.Lookup("test.bench").Value.String() != "" {
		if err := explain(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "where the time goes:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// addresses is what the server says once it listens.
type addresses struct{ Issuer, Control string }

// serve is the server's process. It ends when its standard input does, and so
// never outlives the benchmarks.
func serve(alg string) error {
	var config net.ListenConfig
	public, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	control, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	at := addresses{"http://" + public.Addr().String(), "http://" + control.Addr().String()}
	handler, err := inprocess.New(inprocess.Options{
		Issuer: at.Issuer, IDTokenAlg: alg,
		Clients: []registration.Client{inprocess.Client("bench", redirectURI, credential.New(clientSecret))},
	})
	if err != nil {
		return err
	}
	for l, h := range map[net.Listener]http.Handler{public: handler, control: controls()} {
		server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = server.Serve(l) }()
	}
	if err := json.NewEncoder(os.Stdout).Encode(at); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// controls are what the benchmarks ask the server's process, beside its work.
func controls() http.Handler {
	mux := http.NewServeMux()
	body := bytes.Repeat([]byte("x"), 1000)
	mux.HandleFunc("GET /bare", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	mux.HandleFunc("GET /cpu", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, used().Nanoseconds())
	})
	mux.HandleFunc("GET /profile", func(w http.ResponseWriter, r *http.Request) {
		if err := pprof.StartCPUProfile(w); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		defer pprof.StopCPUProfile()
		select {
		case <-time.After(5 * time.Second):
		case <-r.Context().Done():
		}
	})
	return mux
}

// server is the server's process as the benchmarks see it.
type server struct {
	addresses

	http *http.Client
	stop func() error
}

// start runs a server that signs ID tokens with alg.
func start(alg string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self) //nolint:noctx // it ends with its standard input
	cmd.Env = append(os.Environ(), asServer+"="+alg)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}},
		stop: func() error { return errors.Join(in.Close(), cmd.Wait()) },
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s.addresses)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server does not start: %w", err), s.stop())
	}
	return s, nil
}

// cpu is what the server's process has used so far.
func (s *server) cpu() (time.Duration, error) {
	body, err := s.fetch(s.Control + "/cpu")
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(string(body), 10, 64)
	return time.Duration(ns), err
}
