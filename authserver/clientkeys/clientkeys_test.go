// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package clientkeys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/clientele-dev/clientele/authserver/outbound"
	"github.com/clientele-dev/clientele/internal/registration"
)

const (
	wikiURI = "https://wiki.example.com/jwks?token=secret-of-the-query"
	set     = `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"%s","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
)

// world is a cache, a clock, and a host that answers as it is told.
type world struct {
	*Cache
	metrics *prometheus.Registry

	mu     sync.Mutex
	now    time.Time
	asked  int
	answer func(*http.Request) (*http.Response, error)
	log    bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), metrics: prometheus.NewRegistry()}
	w.publishes("one", "")
	var err error
	w.Cache, err = New(Config{
		Client: &http.Client{
			Transport:     w,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Now: w.clock, Log: slog.New(slog.NewTextHandler(w, nil)), Registerer: w.metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if log := w.logged(); strings.Contains(log, "secret") {
			t.Errorf("the log has the query: %s", log)
		}
	})
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Write takes the log.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// RoundTrip is the host.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.asked++
	answer := w.answer
	w.mu.Unlock()
	return answer(r)
}

func (w *world) answers(f func(*http.Request) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

func response(status int, body, cacheControl string) *http.Response {
	h := http.Header{}
	if cacheControl != "" {
		h.Set("Cache-Control", cacheControl)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func (w *world) publishes(kid, cacheControl string) {
	w.answers(func(*http.Request) (*http.Response, error) {
		return response(http.StatusOK, fmt.Sprintf(set, kid), cacheControl), nil
	})
}

func (w *world) fails() {
	w.answers(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") })
}

// askedOnce checks that the host was asked once since the last time.
func (w *world) askedOnce(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked != 1 {
		t.Errorf("the host was asked %d times, want once", w.asked)
	}
	w.asked = 0
}

// has is enough for whoever wants a kid.
func has(kid string) func([]registration.PublicKey) bool {
	return func(keys []registration.PublicKey) bool { return len(keys) == 1 && keys[0].ID == kid }
}

func (w *world) expect(t *testing.T, wants, gets string) {
	t.Helper()
	keys, err := w.Keys(t.Context(), wikiURI, has(wants))
	if err != nil || !has(gets)(keys) {
		t.Errorf("got %+v, %v, want %s", keys, err, gets)
	}
}

func (w *world) expectNothing(t *testing.T) {
	t.Helper()
	if keys, err := w.Keys(t.Context(), wikiURI, has("one")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %+v, %v, want ErrUnavailable", keys, err)
	}
}

func TestCache_FreshKeysAreKept(t *testing.T) {
	w := newWorld(t)
	w.expect(t, "one", "one")
	w.pass(minAge - time.Second)
	w.expect(t, "one", "one")
	w.askedOnce(t)
	w.publishes("two", "max-age=3600")
	w.pass(time.Second)
	w.expect(t, "one", "two")
	w.pass(time.Hour - time.Second)
	w.expect(t, "two", "two")
	w.askedOnce(t)
	w.pass(time.Second)
	w.expect(t, "two", "two")
	w.askedOnce(t)
}

func TestCache_UnknownKey(t *testing.T) {
	w := newWorld(t)
	w.expect(t, "one", "one")
	w.publishes("two", "")
	for range 5 {
		w.expect(t, "two", "one")
	}
	w.askedOnce(t)
	w.pass(pause)
	w.expect(t, "two", "two")
	for range 5 {
		w.expect(t, "invented", "two")
	}
	w.askedOnce(t)
	w.pass(pause)
	w.expect(t, "invented", "two")
	w.askedOnce(t)
}

func TestCache_StaleKeysServeWhileTheHostIsDown(t *testing.T) {
	w := newWorld(t)
	w.expect(t, "one", "one")
	w.askedOnce(t)
	w.fails()
	w.pass(minAge)
	for range 5 {
		w.expect(t, "one", "one")
	}
	w.askedOnce(t)
	w.pass(staleFor - time.Second)
	w.expect(t, "one", "one")
	w.pass(pause)
	w.expectNothing(t)
	w.publishes("two", "")
	w.pass(pauseWithout)
	w.expect(t, "two", "two")
}

// A client that wants none of its keys used any more publishes an empty set.
func TestCache_AnEmptySetIsObeyed(t *testing.T) {
	w := newWorld(t)
	w.expect(t, "one", "one")
	w.answers(func(*http.Request) (*http.Response, error) { return response(http.StatusOK, `{"keys":[]}`, ""), nil })
	w.pass(minAge)
	if keys, err := w.Keys(t.Context(), wikiURI, has("one")); err != nil || len(keys) != 0 {
		t.Errorf("got %+v, %v, want no key", keys, err)
	}
}

func TestCache_AHostThatFailsIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.fails()
	for range 5 {
		w.expectNothing(t)
	}
	w.askedOnce(t)
	w.pass(pauseWithout)
	w.publishes("one", "")
	w.expect(t, "one", "one")
	w.askedOnce(t)
}

func TestCache_WhatIsNoAnswer(t *testing.T) {
	for _, c := range []struct {
		name, result string
		answer       func(*http.Request) (*http.Response, error)
	}{
		{"a failure", resultUnreachable, func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }},
		{"a refused address", resultRefused, func(*http.Request) (*http.Response, error) {
			return nil, &outbound.RefusedError{Address: netip.MustParseAddr("10.0.0.1")}
		}},
		{"a redirect", resultStatus, func(*http.Request) (*http.Response, error) {
			r := response(http.StatusFound, fmt.Sprintf(set, "one"), "")
			r.Header.Set("Location", "https://elsewhere.example/jwks")
			return r, nil
		}},
		{"not found", resultStatus, func(*http.Request) (*http.Response, error) { return response(404, fmt.Sprintf(set, "one"), ""), nil }},
		{"no JSON", resultInvalid, func(*http.Request) (*http.Response, error) { return response(200, "<html>", ""), nil }},
		{"a private key", resultInvalid, func(*http.Request) (*http.Response, error) {
			return response(200, strings.Replace(fmt.Sprintf(set, "one"), `"kty"`, `"d":"secret","kty"`, 1), ""), nil
		}},
		{"too large", resultInvalid, func(*http.Request) (*http.Response, error) {
			return response(200, fmt.Sprintf(set, "one")+strings.Repeat(" ", registration.MaxJWKS), ""), nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.answers(c.answer)
			w.expectNothing(t)
			w.askedOnce(t)
			if n := testutil.ToFloat64(w.fetches.WithLabelValues(c.result)); n != 1 {
				t.Errorf("%g fetches ended with %s, want 1", n, c.result)
			}
			if log := w.logged(); !strings.Contains(log, "uri=https://wiki.example.com/jwks result="+c.result) {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

func TestCache_ManyAskAtOnce(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if keys, err := w.Keys(t.Context(), wikiURI, has("one")); err != nil || len(keys) != 1 {
				t.Errorf("got %+v, %v", keys, err)
			}
		})
	}
	all.Wait()
	w.askedOnce(t)
}

func TestCache_WhoAskedFirstGoesAway(t *testing.T) {
	w := newWorld(t)
	begun, release := make(chan struct{}), make(chan struct{})
	w.answers(func(*http.Request) (*http.Response, error) {
		close(begun)
		<-release
		return response(http.StatusOK, fmt.Sprintf(set, "one"), ""), nil
	})
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := w.Keys(ctx, wikiURI, has("one"))
		gone <- err
	}()
	<-begun
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(release)
	w.expect(t, "one", "one")
	w.askedOnce(t)
}

func TestCache_FewHostsAtATime(t *testing.T) {
	w := newWorld(t)
	begun, release := make(chan struct{}), make(chan struct{})
	w.answers(func(*http.Request) (*http.Response, error) {
		begun <- struct{}{}
		<-release
		return response(http.StatusOK, fmt.Sprintf(set, "one"), ""), nil
	})
	var all sync.WaitGroup
	for i := range maxFetches {
		all.Go(func() {
			if _, err := w.Keys(t.Context(), fmt.Sprintf("https://slow.example/%d", i), has("one")); err != nil {
				t.Error(err)
			}
		})
		<-begun
	}
	w.expectNothing(t)
	if n := testutil.ToFloat64(w.fetches.WithLabelValues(resultBusy)); n != 1 {
		t.Errorf("%g were turned away, want 1", n)
	}
	close(release)
	all.Wait()
	w.publishes("one", "")
	w.expect(t, "one", "one") // nothing was held against it
}

func TestCache_KeepsSoManyURIs(t *testing.T) {
	w := newWorld(t)
	for i := range maxURIs + 10 {
		if _, err := w.Keys(t.Context(), fmt.Sprintf("https://app.example/%d", i), has("one")); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			w.pass(time.Second) // the first one is the oldest
		}
	}
	if n := len(w.all); n != maxURIs {
		t.Errorf("%d are kept, want %d", n, maxURIs)
	}
	if _, kept := w.all["https://app.example/0"]; kept {
		t.Error("the oldest was kept")
	}
	w.pass(minAge + staleFor)
	w.expect(t, "one", "one")
	if n := len(w.all); n != 1 {
		t.Errorf("%d are kept once all others are of no more use, want 1", n)
	}
}

func TestFreshness(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":                            minAge,
		"no-store":                    minAge,
		"max-age=0":                   minAge,
		"max-age=299":                 minAge,
		"max-age=301":                 301 * time.Second,
		"public, Max-Age=\"600\"":     10 * time.Minute,
		"public,max-age=600,no-cache": 10 * time.Minute,
		"max-age=86400":               maxAge,
		"max-age=31536000":            maxAge,
		"max-age=99999999999999999":   minAge,
		"max-age=-1":                  minAge,
		"max-age":                     minAge,
		"s-maxage=3600":               minAge,
		"max-age=x, max-age=3600":     time.Hour,
	} {
		if got := freshness([]string{header}); got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
	}
}
