// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package flood floods the authorization server, over HTTP and on each durable store,
// with what anybody may send who is not signed in: authorization requests that are
// valid, and logins that are wrong. Nothing must be left of it: no object and no row,
// no memory and no goroutine; and who has the right password still gets in.
package flood

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/guard"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/inprocess"
	"github.com/clientele-dev/clientele/test/person"
)

const (
	// size says how many authorization requests there are; wrong logins are a tenth of
	// them. FLOOD=100000 is what the server is made for.
	size        = "FLOOD"
	defaultSize = 5000
	workers     = 16
	clients     = 50
	appURL      = "https://app.example.com/"

	// Nothing of a request may stay: not even the few words that remembering one would
	// take. What the runtime and the stores' connections need differs by less than slack
	// from one time to the next.
	perRequest = 16
	slack      = 256 << 10
	// goroutines may differ by those of connections that open and close.
	goroutines = 10
)

// counted is a store, and how many objects or rows there are where it writes.
type counted struct {
	store store.Store
	count func(ctx context.Context) (map[string]int, error)
}

// site is the authorization server, and who floods it.
type site struct {
	counted

	issuer    string
	transport *http.Transport
}

func newSite(t *testing.T, c counted) *site {
	t.Helper()
	guarded, err := guard.New(c.store, guard.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	records := make([]registration.Client, clients)
	for i := range records {
		records[i] = inprocess.Client(clientName(i), appURL+clientName(i), credential.New(rand.Text()))
	}
	handler, err = inprocess.New(inprocess.Options{Issuer: server.URL, Clients: records, Store: guarded, SessionCache: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return &site{counted: c, issuer: server.URL, transport: &http.Transport{MaxIdleConnsPerHost: workers}}
}

func clientName(i int) string { return fmt.Sprintf("app-%d", i%clients) }

// browser is a new one, which knows nothing of the server.
func (s *site) browser() (*person.Browser, error) {
	return person.New(roundTripper(func(r *http.Request) (*http.Response, error) {
		if !strings.HasPrefix(r.URL.String(), appURL) {
			return s.transport.RoundTrip(r)
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}))
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// request is the URL of a valid authorization request, another one each time.
func (s *site) request(i int) string {
	return s.issuer + registration.PathAuthorize + "?" + url.Values{
		"client_id": {registration.ClientID("team", clientName(i))}, "redirect_uri": {appURL + clientName(i)},
		"response_type": {"code"}, "scope": {"openid profile email"}, "state": {rand.Text()}, "nonce": {rand.Text()},
		"login_hint": {rand.Text()}, "code_challenge_method": {"S256"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(oauth2.GenerateVerifier())},
	}.Encode()
}

// open begins a sign-in with a new browser, and returns it at the login page.
func (s *site) open(ctx context.Context, i int) (*person.Browser, person.Form, error) {
	b, err := s.browser()
	if err != nil {
		return nil, person.Form{}, err
	}
	page, err := b.Open(ctx, s.request(i))
	if err != nil {
		return nil, person.Form{}, err
	}
	form, ok := page.Form("password")
	if !ok || page.Status != http.StatusOK {
		return nil, form, fmt.Errorf("an authorization request ends with %d at %s", page.Status, page.URL.Path)
	}
	return b, form, nil
}

// refused logs in with what is wrong: half of the time it is the name of a person.
func (s *site) refused(ctx context.Context, i int) error {
	b, form, err := s.open(ctx, i)
	if err != nil {
		return err
	}
	username := inprocess.Username
	if i%2 == 0 {
		username = rand.Text()
	}
	page, err := b.Submit(ctx, form, map[string]string{"username": username, "password": rand.Text()})
	if err != nil {
		return err
	}
	if page.Status != http.StatusForbidden {
		return fmt.Errorf("a wrong login ends with %d at %s", page.Status, page.URL.Path)
	}
	return nil
}

// signIn is a proper login, up to the code.
func (s *site) signIn(ctx context.Context) error {
	b, err := s.browser()
	if err != nil {
		return err
	}
	page, err := b.SignIn(ctx, s.request(0), inprocess.Username, inprocess.Password)
	if err != nil {
		return err
	}
	if page.URL.Query().Get("code") == "" {
		return fmt.Errorf("a proper login ends with %d at %s", page.Status, page.URL.Path)
	}
	return nil
}

// flood is n authorization requests, and a tenth as many wrong logins among them.
func (s *site) flood(ctx context.Context, n int) error {
	failed := make(chan error, workers)
	for w := range workers {
		go func() {
			var err error
			for i := w; i < n && err == nil; i += workers {
				if _, _, err = s.open(ctx, i); err == nil && i/workers%10 == 0 {
					err = s.refused(ctx, i)
				}
			}
			failed <- err
		}()
	}
	var first error
	for range workers {
		if err := <-failed; first == nil {
			first = err
		}
	}
	return first
}

// usage is what this process, clients and server, keeps.
type usage struct{ heap, goroutines int }

// usage waits until connections and what they held are gone.
func (s *site) usage() usage {
	s.transport.CloseIdleConnections()
	var u usage
	for settled := 0; settled < 5; {
		was := u
		<-time.After(50 * time.Millisecond)
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		u = usage{int(m.HeapAlloc), runtime.NumGoroutine()}
		if u.goroutines >= was.goroutines && u.heap >= was.heap-was.heap/100 {
			settled++
		} else {
			settled = 0
		}
	}
	return u
}

func run(t *testing.T, c counted) {
	n := defaultSize
	if text := os.Getenv(size); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", size, err)
		}
	}
	s, ctx := newSite(t, c), t.Context()
	// What is made once is made now.
	if err := s.signIn(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.flood(ctx, min(n/5, 1000)); err != nil {
		t.Fatal(err)
	}
	kept, before := s.kept(t), s.usage()
	began := time.Now()
	if err := s.flood(ctx, n); err != nil {
		t.Fatal(err)
	}
	took, after := time.Since(began), s.usage()
	t.Logf("%d authorization requests and %d wrong logins took %s: heap %d KiB before and %d KiB after, goroutines %d and %d, kept %v",
		n, n/10, took.Round(time.Millisecond), before.heap>>10, after.heap>>10, before.goroutines, after.goroutines, kept)
	if got := s.kept(t); fmt.Sprint(got) != fmt.Sprint(kept) {
		t.Errorf("there are %v after the flood, and were %v before it", got, kept)
	}
	if grown := after.heap - before.heap; grown > slack+perRequest*n {
		t.Errorf("the heap grew by %d bytes, want at most %d", grown, slack+perRequest*n)
	}
	if grown := after.goroutines - before.goroutines; grown > goroutines {
		t.Errorf("%d goroutines were left", grown)
	}
	if err := s.signIn(ctx); err != nil {
		t.Errorf("after the flood: %v", err)
	}
	// And what is counted is where it is written.
	if got, was := total(s.kept(t)), total(kept); got != was+1 {
		t.Errorf("a proper login adds %d to what is kept, want the session", got-was)
	}
}

func (s *site) kept(t *testing.T) map[string]int {
	t.Helper()
	kept, err := s.count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func total(counts map[string]int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}
