// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build browser

// Package browser drives the pages that people see, with headless Chromium: the
// real server in this process, and the demo app as a process of its own. It keeps a
// screenshot of each page under artefacts/browser.
package browser

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/memory"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/inprocess"
	"github.com/clientele-dev/clientele/test/process"
)

// site is what the browser visits.
type site struct {
	issuer, app string
	store       *fragile
}

// newSite starts the server and the app. The first of clients is the app's own
// registration, which change may alter.
func newSite(t *testing.T, program string, change func(*registration.Client)) site {
	t.Helper()
	appPort := process.FreePort(t)
	s := site{app: "http://localhost:" + strconv.Itoa(appPort), store: &fragile{Store: memory.New(nil)}}
	secret := credential.New("a-secret-of-256-bits-would-look-like-this-1")
	client := inprocess.Client("wiki", s.app+"/callback", secret)
	client.DisplayName = "Team Wiki"
	client.PostLogoutRedirectURIs = []string{s.app + "/"}
	if change != nil {
		change(&client)
	}
	s.issuer = serveIssuer(t, client, s.store)
	startApp(t, program, s, map[string]string{
		"client_id": client.ClientID, "client_secret": secret.Reveal(), "issuer": s.issuer, "jwks_uri": s.issuer + registration.PathJWKS,
	})
	return s
}

// serveIssuer starts the server, with one client, and returns its issuer.
func serveIssuer(t *testing.T, client registration.Client, kept store.Store) string {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	issuer := "http://localhost:" + strconv.Itoa(server.Listener.Addr().(*net.TCPAddr).Port)
	var err error
	handler, err = inprocess.New(inprocess.Options{
		Issuer: issuer, DisplayName: "Example Works", Clients: []registration.Client{client}, Store: kept,
	})
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

// buildApp builds the demo app.
func buildApp(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "webapp")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, "../../examples/webapp")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as the Makefile does, to share what is compiled
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the demo app: %v\n%s", err, out)
	}
	return program
}

// startApp runs the demo app until the test's end.
func startApp(t *testing.T, program string, s site, credentials map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, value := range credentials {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "--credentials-dir="+dir, "--url="+s.app, "--listen=127.0.0.1"+s.app[len("http://localhost"):])
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Cancel()
		_ = cmd.Wait()
	})
	process.Await(t, func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.app+"/healthz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	})
}

// chrome is a browser.
type chrome struct{ ctx context.Context }

// newChrome starts a browser for the whole test.
func newChrome(t *testing.T) chrome {
	t.Helper()
	path, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-component-update", true),
		// Nothing but the site is to be reached, whatever a browser would like to ask.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors", true), // of a client's picture, here in this process
		chromedp.WSURLReadTimeout(time.Minute),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to run as root with it
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // before its folder goes
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return chrome{ctx}
}

// chromium is the browser that $CHROMIUM names, or the first that is installed.
func chromium() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return exec.LookPath(path)
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no Chromium: install it (Debian: apt-get install chromium), or name one with CHROMIUM=…")
}
