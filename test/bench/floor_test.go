// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"sync"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/test/bench/codeflow"
)

// floors are the CPU costs of what no authorization server can do without.
type floors struct {
	// exchange is a bare net/http request and response at c=8, on the server's side.
	exchange time.Duration
	es256    time.Duration
	sign     map[string]time.Duration
}

// floor measures the floors once, on the machine and in the minute of the rest.
var floor = sync.OnceValue(func() floors {
	es256, rs256 := per(signature(keys.ES256)), per(signature(keys.RS256))
	return floors{exchange: exchange(), es256: es256, sign: map[string]time.Duration{keys.ES256: es256, keys.RS256: rs256}}
})

// BenchmarkFloor shows what flows are compared with, and two parts that are too
// small to matter there.
func BenchmarkFloor(b *testing.B) {
	b.Run("http", func(b *testing.B) {
		s := newServer(b, keys.ES256)
		measure(b, s, work{
			unit: "request", units: "requests", workers: 8, floor: floor().exchange,
			do: func(int) error { _, err := s.Fetch(s.Control + "/bare"); return err },
		})
	})
	for _, f := range []struct {
		name string
		do   func() error
	}{
		{"RS256", signature(keys.RS256)}, {"ES256", signature(keys.ES256)}, {"SHA256", digest}, {"seal", sealing()},
	} {
		b.Run(f.name, func(b *testing.B) {
			before := codeflow.Used()
			for range b.N {
				if err := f.do(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(1000*milliseconds(codeflow.Used()-before)/float64(b.N), "µs")
		})
	}
}

// signature is one signature of a JWT's size.
func signature(alg string) func() error {
	var key crypto.Signer
	var err error
	if alg == keys.RS256 {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	message := bytes.Repeat([]byte("x"), 600)
	return func() error {
		if err != nil {
			return err
		}
		sum := sha256.Sum256(message)
		_, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
		return err
	}
}

// digest is the check of a client secret.
func digest() error {
	sink = sha256.Sum256([]byte(codeflow.ClientSecret))
	return nil
}

var sink [32]byte

// sealing is one sealed code.
func sealing() func() error {
	set, _, err := keys.Set{}.Rotate(time.Now(), keys.Schedule{Interval: time.Hour}, nil)
	if err != nil {
		return func() error { return err }
	}
	box, err := seal.NewBox("https://login.example.com", set, nil)
	code := string(bytes.Repeat([]byte("x"), 400))
	now := time.Now()
	return func() error {
		if err != nil {
			return err
		}
		_, err := box.Seal(seal.Code, code, now)
		return err
	}
}

// per is the CPU that f takes: on a busy machine it takes longer than that. It is
// not a benchmark, since one cannot run in another.
func per(f func() error) time.Duration {
	const long = 300 * time.Millisecond
	n, before := 0, codeflow.Used()
	for codeflow.Used()-before < long {
		if err := f(); err != nil {
			panic(err)
		}
		n++
	}
	return (codeflow.Used() - before) / time.Duration(n)
}

// exchange measures the server's CPU for bare requests, eight at a time.
func exchange() time.Duration {
	const requests = 20_000
	s, err := start(keys.ES256)
	if err != nil {
		panic(err)
	}
	defer func() { _ = s.Stop() }()
	w := work{workers: 8, do: func(int) error { _, err := s.Fetch(s.Control + "/bare"); return err }}
	if _, err := w.run(requests / 10); err != nil { // warm up
		panic(err)
	}
	before, err1 := s.CPU()
	_, err2 := w.run(requests)
	after, err3 := s.CPU()
	if err1 != nil || err2 != nil || err3 != nil {
		panic("measuring bare requests failed")
	}
	return (after - before) / requests
}
