// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/test/bench/codeflow"
)

// BenchmarkCodeFlow is a sign-in at an app by a person who has signed in and
// consented before: two requests, one write, two signatures, of which the access
// token's is ES256.
func BenchmarkCodeFlow(b *testing.B) {
	each(b, func(b *testing.B, s *codeflow.Server, alg string, c int) {
		a, err := codeflow.NewApp(s, alg, "openid", "profile", "email", "groups")
		if err != nil {
			b.Fatal(err)
		}
		measure(b, s, work{
			unit: "flow", units: "flows", workers: c, floor: 2*floor().exchange + floor().es256 + floor().sign[alg],
			do: func(int) error { _, err := a.Flow(); return err },
		})
	})
}

// BenchmarkRefresh rotates refresh tokens, one grant for each worker.
func BenchmarkRefresh(b *testing.B) {
	each(b, func(b *testing.B, s *codeflow.Server, alg string, c int) {
		a, err := codeflow.NewApp(s, alg, "openid", "profile", "email", "groups", "offline_access")
		if err != nil {
			b.Fatal(err)
		}
		latest := make([]string, c)
		for i := range latest {
			if latest[i], err = a.Flow(); err != nil {
				b.Fatal(err)
			}
		}
		measure(b, s, work{
			unit: "refresh", units: "refreshes", workers: c, floor: floor().exchange + floor().es256 + floor().sign[alg],
			do: func(worker int) (err error) {
				latest[worker], err = a.Refresh(latest[worker])
				return err
			},
		})
	})
}

// BenchmarkDiscovery is what clients ask for when they start.
func BenchmarkDiscovery(b *testing.B) {
	s := newServer(b, keys.ES256)
	for _, c := range concurrency {
		b.Run(fmt.Sprintf("c=%d", c), func(b *testing.B) {
			measure(b, s, work{
				unit: "request", units: "requests", workers: c, floor: floor().exchange,
				do: func(int) error { _, err := s.Fetch(s.Issuer + "/.well-known/openid-configuration"); return err },
			})
		})
	}
}

var concurrency = []int{1, 8, 32}

// each runs f for both algorithms of ID tokens, at each concurrency.
func each(b *testing.B, f func(b *testing.B, s *codeflow.Server, alg string, c int)) {
	for _, alg := range []string{keys.RS256, keys.ES256} {
		b.Run("idToken="+alg, func(b *testing.B) {
			s := newServer(b, alg)
			for _, c := range concurrency {
				b.Run(fmt.Sprintf("c=%d", c), func(b *testing.B) { f(b, s, alg, c) })
			}
		})
	}
}

func newServer(b *testing.B, alg string) *codeflow.Server {
	b.Helper()
	s, err := start(alg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Stop(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// work is something to do again and again.
type work struct {
	unit, units string
	workers     int
	// floor is the CPU that one cannot do without.
	floor time.Duration
	do    func(worker int) error
}

// measure does w b.N times and reports the rate, the server's CPU, that CPU in
// multiples of the floor, and the time that 99 of 100 stay within.
func measure(b *testing.B, s *codeflow.Server, w work) {
	before, err := s.CPU()
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	took, err := w.run(b.N)
	elapsed := b.Elapsed()
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	after, err := s.CPU()
	if err != nil {
		b.Fatal(err)
	}
	cpu := (after - before) / time.Duration(b.N)
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(b.N)/elapsed.Seconds(), w.units+"/s")
	b.ReportMetric(milliseconds(cpu), "server-ms/"+w.unit)
	b.ReportMetric(milliseconds(took[len(took)*99/100]), "p99-ms")
	b.ReportMetric(float64(cpu)/float64(w.floor), "x-floor")
}

// run does n of w, and returns how long each took.
func (w work) run(n int) ([]time.Duration, error) {
	took := make([]time.Duration, n)
	failed := make([]error, w.workers)
	var next atomic.Int64
	var all sync.WaitGroup
	for worker := range w.workers {
		all.Go(func() {
			for failed[worker] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				began := time.Now()
				failed[worker] = w.do(worker)
				took[i] = time.Since(began)
			}
		})
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	return took, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
