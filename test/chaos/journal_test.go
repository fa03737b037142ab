// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/clientele-dev/clientele/test/chaos/audit"
)

// journal is what all clients write down.
type journal struct {
	mu sync.Mutex
	audit.Journal
}

func (j *journal) write(f func(*audit.Journal)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(&j.Journal)
}

func (j *journal) call(c audit.Call) {
	j.write(func(j *audit.Journal) { j.Calls = append(j.Calls, c) })
}

// wrong writes down that an answer, of which HTTP has nothing to say, was not right.
func (j *journal) wrong(what string, err error) {
	now := time.Now()
	j.call(audit.Call{Span: audit.Span{Began: now, Ended: now}, What: what, Status: http.StatusOK, Wrong: err.Error()})
}

// name is what the journal calls a secret.
func name(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:6])
}

// tap is an answer as it came, whatever the client makes of it.
type tap struct {
	drop   bool // the client gets no answer
	span   audit.Span
	status int // 0 if none came
	body   []byte
}

type tapKey struct{}

// errDropped is what a client gets instead of the answer that it drops.
var errDropped = errors.New("the answer got lost on its way")

// recorder writes down every request to the issuer.
type recorder struct {
	journal *journal
	next    http.RoundTripper
}

// maxAnswer is more than any answer has.
const maxAnswer = 1 << 20

// RoundTrip reads the whole answer: one that breaks off is none.
func (c recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != issuerHost {
		return c.next.RoundTrip(r)
	}
	call := audit.Call{What: r.Method + " " + r.URL.Path, Span: audit.Span{Began: time.Now()}}
	resp, body, err := c.whole(r)
	call.Ended = time.Now()
	if err == nil {
		call.Status, call.RetryAfter = resp.StatusCode, resp.Header.Get("Retry-After") != ""
		call.Wrong = wrong(r.URL.Path, resp.StatusCode, body)
		switch said := redirected(resp); said {
		case "", "login_required", "consent_required":
		case "temporarily_unavailable":
			// RFC 6749 section 4.1.2.1: what 503 is where there is a client to go back to.
			call.Status, call.RetryAfter = http.StatusServiceUnavailable, true
		default:
			call.Wrong = said
		}
	}
	c.journal.call(call)
	if t, ok := r.Context().Value(tapKey{}).(*tap); ok {
		t.span, t.status, t.body = call.Span, call.Status, body
		if t.drop {
			return nil, errDropped
		}
	}
	return resp, err
}

func (c recorder) whole(r *http.Request) (*http.Response, []byte, error) {
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	err = errors.Join(err, resp.Body.Close())
	if err != nil {
		return nil, nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, body, nil
}

// redirected is the error with which a browser is sent back to the client, if any.
func redirected(resp *http.Response) string {
	to, err := resp.Location()
	if err != nil {
		return "" // it goes nowhere
	}
	return to.Query().Get("error")
}

// wrong is what no client here should be told, whatever befalls the server.
func wrong(path string, status int, body []byte) string {
	switch {
	case status < http.StatusBadRequest, status >= http.StatusInternalServerError:
		return ""
	case path != "/token":
		_, title, _ := strings.Cut(string(body), "<h1>")
		title, _, _ = strings.Cut(title, "</h1>")
		return http.StatusText(status) + ": " + title
	}
	if said := errorOf(body); said != "invalid_grant" {
		return said
	}
	return ""
}

func errorOf(body []byte) string {
	var said struct{ Error string }
	if err := json.Unmarshal(body, &said); err != nil {
		return "not JSON"
	}
	return said.Error
}

// outcome is what an answer of the token endpoint comes to.
func (t *tap) outcome() audit.Outcome {
	switch t.status {
	case http.StatusOK:
		return audit.Granted
	case http.StatusBadRequest:
		return audit.Refused
	case http.StatusServiceUnavailable:
		return audit.Unavailable
	}
	return audit.Lost
}

// tapped returns a context whose next request is tapped.
func tapped(ctx context.Context, drop bool) (context.Context, *tap) {
	t := &tap{drop: drop}
	return context.WithValue(ctx, tapKey{}, t), t
}
