// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// host serves on 127.0.0.1, and counts.
type host struct {
	*httptest.Server
	asked atomic.Int64
}

func newHost(t *testing.T, h http.HandlerFunc) *host {
	t.Helper()
	s := &host{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (h *host) port() string {
	_, port, _ := net.SplitHostPort(h.Listener.Addr().String())
	return port
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

// answer is what a request has brought.
type answer struct {
	status int
	body   string
}

// get asks by a connection of its own, and reads as many bytes as `hello` has.
func get(t *testing.T, c *http.Client, u string) (answer, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	resp, err := c.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := Read(resp, 5)
	return answer{resp.StatusCode, string(body)}, err
}

// itself allows the address of the tests' own servers, and no other of the loopback.
var itself = prefixes("127.0.0.1/32")

func TestClient_RefusesWhatIsNotAllowed(t *testing.T) {
	h := newHost(t, hello)
	for _, u := range []string{
		"http://127.0.0.1:" + h.port(),
		"http://[::ffff:127.0.0.1]:" + h.port(),
		"http://localhost:" + h.port(),
		"http://0.0.0.0:" + h.port(),
	} {
		_, err := get(t, New(Config{}), u)
		if refused, ok := errors.AsType[*RefusedError](err); !ok || !strings.Contains(refused.Error(), "--outbound-allow") {
			t.Errorf("%s: got %v, want a RefusedError", u, err)
		}
	}
	if n := h.asked.Load(); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
	if got, err := get(t, New(Config{Allowed: itself}), h.URL); err != nil || got != (answer{200, "hello"}) {
		t.Errorf("allowed: got %v, %v", got, err)
	}
}

func TestClient_NameThatResolvesToARefusedAddress(t *testing.T) {
	h := newHost(t, hello)
	dns := newDNS(t, "169.254.169.254")
	_, err := get(t, New(Config{Allowed: itself, resolver: dns.resolver()}), "http://keys.example.com:"+h.port())
	if refused, ok := errors.AsType[*RefusedError](err); !ok || refused.Address != netip.MustParseAddr("169.254.169.254") {
		t.Errorf("got %v, want a RefusedError", err)
	}
}

// The name is good when it is first looked at, and turns.
func TestClient_Rebinding(t *testing.T) {
	h := newHost(t, hello)
	dns := newDNS(t, "127.0.0.1", "127.0.0.2")
	c := New(Config{Allowed: itself, resolver: dns.resolver()})
	u := "http://keys.example.com:" + h.port()
	if _, err := get(t, c, u); err != nil {
		t.Fatalf("the first address: %v", err)
	}
	_, err := get(t, c, u)
	if refused, ok := errors.AsType[*RefusedError](err); !ok || refused.Address != netip.MustParseAddr("127.0.0.2") {
		t.Errorf("got %v, want a RefusedError", err)
	}
	if n := h.asked.Load(); n != 1 {
		t.Errorf("%d requests arrived, want 1", n)
	}
}

func TestClient_FollowsNoRedirect(t *testing.T) {
	target := newHost(t, hello)
	h := newHost(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", target.URL)
		w.WriteHeader(http.StatusFound)
	})
	if got, err := get(t, New(Config{Allowed: itself}), h.URL); err != nil || got.status != http.StatusFound {
		t.Errorf("got %v, %v, want 302", got, err)
	}
	if n := target.asked.Load(); n != 0 {
		t.Errorf("the redirect was followed %d times", n)
	}
}

func TestClient_UsesNoProxyOfTheEnvironment(t *testing.T) {
	proxy := newHost(t, hello)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	h := newHost(t, hello)
	dns := newDNS(t, "127.0.0.1")
	// net/http never takes a proxy for localhost, hence the name.
	if _, err := get(t, New(Config{Allowed: itself, resolver: dns.resolver()}), "http://keys.example.com:"+h.port()); err != nil {
		t.Fatal(err)
	}
	if proxied, direct := proxy.asked.Load(), h.asked.Load(); proxied != 0 || direct != 1 {
		t.Errorf("%d requests by the proxy and %d direct, want 0 and 1", proxied, direct)
	}
}

func TestClient_TLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(hello))
	s.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	if _, err := get(t, New(Config{Allowed: itself, RootCAs: roots}), s.URL); err != nil {
		t.Errorf("a certificate of RootCAs: %v", err)
	}
	_, err := get(t, New(Config{Allowed: itself}), s.URL)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("a certificate of nobody's: %v", err)
	}
	old := httptest.NewUnstartedServer(http.HandlerFunc(hello))
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.StartTLS()
	defer old.Close()
	roots.AddCert(old.Certificate())
	if _, err := get(t, New(Config{Allowed: itself, RootCAs: roots}), old.URL); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
}

func TestClient_Bounds(t *testing.T) {
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/header" {
			w.Header().Set("X-Long", strings.Repeat("x", maxHeader))
		}
		if r.Header.Get("Accept-Encoding") != "" {
			t.Error("a compressed response was asked for")
		}
		_, _ = io.WriteString(w, strings.TrimPrefix(r.URL.Path, "/"))
	})
	c := New(Config{Allowed: itself})
	if _, err := get(t, c, h.URL+"/header"); err == nil {
		t.Error("a header of any length was read")
	}
	if got, err := get(t, c, h.URL+"/12345"); err != nil || got.body != "12345" {
		t.Errorf("as large as may be: got %v, %v", got, err)
	}
	if _, err := get(t, c, h.URL+"/123456"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a byte more: got %v, want ErrTooLarge", err)
	}
	if c.Timeout != Timeout {
		t.Errorf("the timeout is %s", c.Timeout)
	}
}

func TestCause_HasNoURL(t *testing.T) {
	_, err := get(t, New(Config{}), "http://127.0.0.1:1/path-secret?query=secret")
	if _, ok := errors.AsType[*url.Error](err); !ok || !strings.Contains(err.Error(), "secret") {
		t.Fatalf("got %v, want an error that the test is about", err)
	}
	if got := Cause(err); got == nil || strings.Contains(got.Error(), "secret") || !strings.Contains(got.Error(), "127.0.0.1") {
		t.Errorf("got %v", got)
	}
	if got := Cause(io.EOF); !errors.Is(got, io.EOF) {
		t.Errorf("got %v, want EOF", got)
	}
}

// dns answers every question for an IPv4 address with the next of its addresses, and
// with the last one from then on.
type dns struct {
	at      string
	answers []netip.Addr
	asked   int
}

func newDNS(t *testing.T, answers ...string) *dns {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &dns{at: conn.LocalAddr().String()}
	for _, a := range answers {
		d.answers = append(d.answers, netip.MustParseAddr(a))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.serve(conn)
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return d
}

func (d *dns) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", d.at)
	}}
}

func (d *dns) serve(conn net.PacketConn) {
	b := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return
		}
		if reply, err := d.reply(b[:n]); err == nil {
			_, _ = conn.WriteTo(reply, from)
		}
	}
}

func (d *dns) reply(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		a := d.answers[min(d.asked, len(d.answers)-1)]
		d.asked++
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
			Body:   &dnsmessage.AResource{A: a.As4()},
		}}
	}
	return m.Pack()
}
