// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build stock

package stock

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"testing"

	"github.com/clientele-dev/clientele/test/inprocess"
	"github.com/clientele-dev/clientele/test/person"
)

// settings are what a script is told: what an OAuthClient's Secret says, and how the
// client is registered.
type settings struct {
	Issuer        string `json:"issuer"`
	ClientID      string `json:"client_id"`
	ClientSecret  string `json:"client_secret,omitempty"`
	PrivateKey    string `json:"private_key,omitempty"` // PEM
	AuthMethod    string `json:"auth_method"`
	IDTokenAlg    string `json:"id_token_alg"`
	RedirectURI   string `json:"redirect_uri"`
	PostLogoutURI string `json:"post_logout_redirect_uri"`
	Scope         string `json:"scope"`
	ResponseMode  string `json:"response_mode,omitempty"`
	// Resource is an API besides the client's own.
	Resource string `json:"resource,omitempty"`
	// LogoutTokens says whether the app gets logout tokens.
	LogoutTokens bool `json:"logout_tokens"`
	// PKCE says whether to use it.
	PKCE bool `json:"pkce"`
}

// request is what a script asks for, one at a time.
type request struct {
	// Visit is a URL that the app sends its person to.
	Visit string `json:"visit"`
	// Rotate wants the issuer's keys to change.
	Rotate bool `json:"rotate"`
	// LogoutToken waits for one.
	LogoutToken bool `json:"logout_token"`
	// Done is what the app has got in the end.
	Done *outcome `json:"done"`
}

// arrival is how a person's browser came to the app.
type arrival struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Body   string `json:"body"`
}

// outcome is what a script has got.
type outcome struct {
	// IDToken, Refreshed and Rotated are the claims of ID tokens: of the first one, of
	// the one of a refresh, and of one that a new key has signed.
	IDToken, Refreshed, Rotated claims
	Userinfo                    claims
	// Introspection is of the access token, and Revoked after its revocation.
	Introspection, Revoked map[string]any
	// AccessToken is what an API finds in one.
	AccessToken map[string]any
}

type claims struct {
	Iss, Sub, Nonce, Name, Email string
	Groups                       []string
	Sid                          string
}

// app is where a client gets its person back. It leaves it to a script to make
// something of what comes.
type app struct {
	url      string
	arrivals chan arrival
	logouts  chan string
}

func newApp(t *testing.T, s *site) *app {
	t.Helper()
	a := &app{arrivals: make(chan arrival, 10), logouts: make(chan string, 10)}
	mux := http.NewServeMux()
	mux.HandleFunc("/callback", a.arrive)
	mux.HandleFunc("/bye", a.arrive)
	mux.HandleFunc("POST /logged-out", func(_ http.ResponseWriter, r *http.Request) { a.logouts <- r.FormValue("logout_token") })
	server := s.serve(t, mux)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	a.url = "https://localhost:" + at.Port()
	return a
}

func (a *app) arrive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.arrivals <- arrival{Method: r.Method, URL: a.url + r.URL.RequestURI(), Body: string(body)}
	_, _ = io.WriteString(w, "Back at the app")
}

// visit has a person, with a browser that is new, sign in for the app, and returns
// the response.
func (a *app) visit(t *testing.T, s *site, to string) url.Values {
	t.Helper()
	browser, err := person.New(s.transport(t))
	if err != nil {
		t.Fatal(err)
	}
	c := &script{app: a, browser: browser}
	back, err := c.visit(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(back.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// script is a client that runs as a process and says what it needs, line by line.
type script struct {
	site    *site
	app     *app
	browser *person.Browser
	in      *json.Encoder
	out     *bufio.Scanner
}

// run has a script play an app until it is done.
func run(t *testing.T, s *site, a *app, set settings, command ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+s.file, "REQUESTS_CA_BUNDLE="+s.file)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	browser, err := person.New(s.transport(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &script{site: s, app: a, browser: browser, in: json.NewEncoder(in), out: bufio.NewScanner(out)}
	c.out.Buffer(nil, 1<<20)
	got, err := c.play(ctx, t, set)
	_ = in.Close()
	if err = errors.Join(err, cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	return got
}

func (c *script) play(ctx context.Context, t *testing.T, set settings) (outcome, error) {
	t.Helper()
	if err := c.in.Encode(set); err != nil {
		return outcome{}, err
	}
	for c.out.Scan() {
		var want request
		if err := json.Unmarshal(c.out.Bytes(), &want); err != nil {
			return outcome{}, fmt.Errorf("the script says %q: %w", c.out.Text(), err)
		}
		if want.Done != nil {
			return *want.Done, nil
		}
		answer, err := c.answer(ctx, t, want)
		if err != nil {
			return outcome{}, err
		}
		if err := c.in.Encode(answer); err != nil {
			return outcome{}, err
		}
	}
	return outcome{}, errors.Join(errors.New("the script ended early"), c.out.Err())
}

func (c *script) answer(ctx context.Context, t *testing.T, want request) (any, error) {
	t.Helper()
	switch {
	case want.Rotate:
		c.site.rotate(t)
		return struct{}{}, nil
	case want.LogoutToken:
		select {
		case token := <-c.app.logouts:
			return map[string]string{"logout_token": token}, nil
		case <-ctx.Done():
			return nil, errors.New("no logout token came")
		}
	}
	return c.visit(ctx, want.Visit)
}

// visit has the person do what the pages ask for, until they are back at the app.
func (c *script) visit(ctx context.Context, to string) (arrival, error) {
	page, err := c.browser.SignIn(ctx, to, inprocess.Username, inprocess.Password)
	if err != nil {
		return arrival{}, err
	}
	if form, ok := page.Form("state"); ok { // form_post
		if page, err = c.browser.Submit(ctx, form, nil); err != nil {
			return arrival{}, err
		}
	}
	select {
	case a := <-c.app.arrivals:
		return a, nil
	default:
		return arrival{}, fmt.Errorf("the person ended at %s with %d: %s", page.URL.Redacted(), page.Status, page.Body)
	}
}
