// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build stock

// Package stock has programs that others wrote sign somebody in, unmodified and as
// their own documentation has it: the authorization server in this process over TLS,
// and each client as a process of its own. A client that is not installed is left
// out, and with CI=true is a failure.
package stock

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/memory"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/inprocess"
)

// patience is for a machine that does much else.
const patience = time.Minute

// authority is a throwaway certificate authority.
type authority struct {
	key  *ecdsa.PrivateKey
	root *x509.Certificate
	// dir is open to whoever a client runs as.
	dir string
	// file holds the root, and pool too.
	file string
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: openDir(t), pool: x509.NewCertPool()}
	a.file = filepath.Join(a.dir, "ca.crt")
	a.key, a.root = a.certify(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "root of a test"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	a.pool.AddCert(a.root)
	write(t, a.file, &pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
	return a
}

// openDir is a folder that everybody may look into, until the test's end.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "stock-*") //nolint:usetesting // nobody else can look into t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path string, block *pem.Block) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o644); err != nil {
		t.Fatal(err)
	}
}

// certify makes a key and its certificate: the authority's own if it has none yet.
func (a *authority) certify(t *testing.T, c x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parentKey, parent := a.key, a.root
	if parent == nil {
		parentKey, parent = key, &c
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, made
}

// leaf makes a certificate for this machine.
func (a *authority) leaf(t *testing.T) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	return a.certify(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// serve starts a server over TLS.
func (a *authority) serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	key, leaf := a.leaf(t)
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// transport trusts the authority.
func (a *authority) transport(t *testing.T) *http.Transport {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// site is an authorization server, which clients come to.
type site struct {
	*authority

	// issuer has a host of its own: those of clients are another site to a browser.
	issuer  string
	handler atomic.Pointer[http.Handler]
	clients []registration.Client
	store   store.Store
	keys    keys.Set

	mu     sync.Mutex
	visits map[string]int // by path
}

// ServeHTTP is the server that runs now.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.visits[r.URL.Path]++
	s.mu.Unlock()
	(*s.handler.Load()).ServeHTTP(w, r)
}

// asked is how often clients have asked for a path.
func (s *site) asked(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.visits[path]
}

func newSite(t *testing.T) *site {
	t.Helper()
	set, err := soonRotated()
	if err != nil {
		t.Fatal(err)
	}
	set.Keys = slices.Clone(set.Keys)
	s := &site{authority: newAuthority(t), store: memory.New(nil), keys: set, visits: map[string]int{}}
	s.issuer = s.serve(t, s).URL + "/main"
	s.restart(t)
	return s
}

// register makes the clients those of the issuer.
func (s *site) register(t *testing.T, clients ...registration.Client) {
	t.Helper()
	s.clients = clients
	s.restart(t)
}

// restart has a new server take over, with what was stored.
func (s *site) restart(t *testing.T) {
	t.Helper()
	h, err := inprocess.New(inprocess.Options{Issuer: s.issuer, Clients: s.clients, Store: s.store, Keys: &s.keys, RootCAs: s.pool})
	if err != nil {
		t.Fatal(err)
	}
	s.handler.Store(&h)
}

// soonRotated are keys whose successors are published, and are not used yet. They are
// made once for all tests: RSA keys are slow to make.
var soonRotated = sync.OnceValues(func() (keys.Set, error) {
	schedule := keys.Schedule{Interval: 720 * time.Hour, Lead: time.Hour, KeepSigning: time.Hour, KeepSealing: 720 * time.Hour}
	now := time.Now()
	set, _, err := keys.Set{}.Rotate(now.Add(-schedule.Interval), schedule, nil)
	if err != nil {
		return set, err
	}
	set, _, err = set.Rotate(now, schedule, nil)
	return set, err
})

// rotate has the successors of all keys take over, as if two hours had passed.
func (s *site) rotate(t *testing.T) {
	t.Helper()
	before, _ := s.keys.Active(keys.RS256, time.Now())
	for i := range s.keys.Keys {
		s.keys.Keys[i].Starts = s.keys.Keys[i].Starts.Add(-2 * time.Hour)
	}
	if after, ok := s.keys.Active(keys.RS256, time.Now()); !ok || after.ID == before.ID {
		t.Fatal("the key is the same")
	}
	s.restart(t)
}
