// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package codeflow drives whole code flows through the authorization server, over
// loopback HTTP. The server runs in a process of its own, so that its CPU is told
// from that of the clients: it is the program that imports this package, started
// once more, which has to call ServeIfAsked before anything else.
package codeflow

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/guard"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/inprocess"
)

const (
	// asServer makes a program the server, by its value.
	asServer    = "CODEFLOW_SERVER"
	redirectURI = "https://app.example.com/callback"
	// sessionCache is what --session-cache of the authserver is by default.
	sessionCache = 5 * time.Second
	// ClientSecret is the app's.
	ClientSecret = "a-secret-of-256-bits-would-look-like-this-1"
)

// Spec says what server to start.
type Spec struct {
	// IDTokenAlg signs ID tokens.
	IDTokenAlg string
	// Store is where grants are kept.
	Store StoreSpec
}

// ServeIfAsked makes this process the server if it was started to be it, until it is
// told to end, and reports whether it was.
func ServeIfAsked() (bool, error) {
	text := os.Getenv(asServer)
	if text == "" {
		return false, nil
	}
	var spec Spec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return true, err
	}
	return true, serve(spec)
}

// addresses is what the server says once it listens.
type addresses struct{ Issuer, Control string }

// serve is the server's process. It ends when its standard input does, and so
// never outlives the program that started it.
func serve(spec Spec) error {
	var config net.ListenConfig
	public, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	control, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	kept, end, err := spec.Store.Open()
	if err != nil {
		return err
	}
	defer end()
	// As the authserver has it, with more patience.
	guarded, err := guard.New(kept, guard.Config{Wait: patience, Timeout: patience})
	if err != nil {
		return err
	}
	at := addresses{"http://" + public.Addr().String(), "http://" + control.Addr().String()}
	// A record of each request is written, as JSON, to where it costs the server's part
	// and nothing else.
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = nowhere.Close() }()
	handler, err := inprocess.New(inprocess.Options{
		Issuer: at.Issuer, IDTokenAlg: spec.IDTokenAlg, Store: guarded, SessionCache: sessionCache,
		Log:     slog.New(slog.NewJSONHandler(nowhere, nil)),
		Clients: []registration.Client{inprocess.Client("bench", redirectURI, credential.New(ClientSecret))},
	})
	if err != nil {
		return err
	}
	w, err := newWorker()
	if err != nil {
		return err
	}
	for l, h := range map[net.Listener]http.Handler{public: handler, control: controls(kept, w)} {
		server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = server.Serve(l) }()
	}
	if err := json.NewEncoder(os.Stdout).Encode(at); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// controls are what a program asks the server's process, beside its work.
func controls(kept store.Store, w *worker) http.Handler {
	mux := http.NewServeMux()
	s := &sweeping{store: kept}
	mux.HandleFunc("GET /sweep", s.begin)
	mux.HandleFunc("GET /swept", s.tell)
	b := &bare{worker: w}
	mux.HandleFunc("POST /learn", b.learn)
	mux.HandleFunc("/bare/{at}", b.answer)
	mux.HandleFunc("GET /cpu", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("gc") {
			runtime.GC() // nobody pays for what others have left
		}
		_, _ = fmt.Fprint(w, Used().Nanoseconds())
	})
	mux.HandleFunc("GET /profile", func(w http.ResponseWriter, r *http.Request) {
		long, err := time.ParseDuration(r.FormValue("long"))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if err := pprof.StartCPUProfile(w); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		defer pprof.StopCPUProfile()
		select {
		case <-time.After(long):
		case <-r.Context().Done():
		}
	})
	return mux
}

// Used is the CPU that this process has used so far.
func Used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Server is the server's process as others see it.
type Server struct {
	addresses

	// PID is its process's.
	PID int

	http *http.Client
	// Stop ends it.
	Stop func() error
}

// Start starts a server.
func Start(spec Spec) (*Server, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self) //nolint:noctx // it ends with its standard input
	cmd.Env = append(os.Environ(), asServer+"="+string(text))
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
	s := &Server{
		PID:  cmd.Process.Pid,
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}},
		Stop: func() error { return errors.Join(in.Close(), cmd.Wait()) },
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s.addresses)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server does not start: %w", err), s.Stop())
	}
	return s, nil
}

// CPU is what the server's process has used so far. With collect, it first collects
// its garbage.
func (s *Server) CPU(collect bool) (time.Duration, error) {
	to := s.Control + "/cpu"
	if collect {
		to += "?gc"
	}
	body, err := s.Fetch(to)
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(string(body), 10, 64)
	return time.Duration(ns), err
}

// Fetch gets a URL.
func (s *Server) Fetch(to string) ([]byte, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, to, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", to, resp.Status)
	}
	return body, err
}
