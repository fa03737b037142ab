// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package link

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// served is a server that counts requests, and a client to it over a link. Its /watch
// says a line at once and then goes on for ever.
func served(t *testing.T) (*Link, *http.Client, string, *atomic.Int64) {
	t.Helper()
	requests := &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(append(body, '\n'))
		if r.URL.Path == "/watch" {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	l := New()
	client, err := rest.HTTPClientFor(l.Through(&rest.Config{Host: server.URL}))
	if err != nil {
		t.Fatal(err)
	}
	return l, client, server.URL, requests
}

func request(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLink_Cut(t *testing.T) {
	l, client, url, requests := served(t)
	watch, err := client.Do(request(t, http.MethodGet, url+"/watch", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = watch.Body.Close() }()
	lines := bufio.NewReader(watch.Body)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	l.Cut()
	if _, err := lines.ReadString('\n'); err == nil {
		t.Error("the watch goes on over a link that is cut")
	}
	if resp, err := client.Do(request(t, http.MethodGet, url, nil)); err == nil {
		_ = resp.Body.Close()
		t.Error("a request passes a link that is cut")
	}
	if got := requests.Load(); got != 1 {
		t.Errorf("%d requests arrived, want 1", got)
	}
	l.Mend()
	resp, err := client.Do(request(t, http.MethodGet, url, nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

func TestLink_Hold(t *testing.T) {
	l, client, url, requests := served(t)
	held := l.Hold(func(r *http.Request) bool { return r.Method == http.MethodPost })
	answered := make(chan error, 1)
	go func() {
		resp, err := client.Do(request(t, http.MethodPost, url, http.NoBody))
		if err == nil {
			err = resp.Body.Close()
		}
		answered <- err
	}()
	h := <-held
	l.Cut()
	if err := <-answered; err == nil {
		t.Error("who made the request hears an answer")
	}
	if got := requests.Load(); got != 0 {
		t.Errorf("%d requests arrived before Deliver, want 0", got)
	}
	if status, err := h.Deliver(t.Context()); err != nil || status != http.StatusOK {
		t.Errorf("Deliver: got %d, %v", status, err)
	}
	if got := requests.Load(); got != 1 {
		t.Errorf("%d requests arrived, want 1", got)
	}
}

func TestLink_Lag(t *testing.T) {
	l, client, url, _ := served(t)
	const lag = 50 * time.Millisecond
	l.Lag(func() time.Duration { return lag })
	began := time.Now()
	resp, err := client.Do(request(t, http.MethodGet, url+"/watch?watch=true", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < lag {
		t.Errorf("the watch has brought something within %s, want %s", took, lag)
	}
}
