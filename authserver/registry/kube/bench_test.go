// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/clientele-dev/clientele/authserver/registry"
)

const many = 10_000

func manyClients(n int) []any {
	out := make([]any, 0, n)
	for i := range n {
		o := clientSecret(clientRecord(fmt.Sprint("client-", i), fmt.Sprint("secret-", i)))
		o.ResourceVersion = strconv.Itoa(i + 1)
		out = append(out, o)
	}
	return out
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkStore_Load is what a load costs without the API server: time, and the
// memory that stays, registry included.
func BenchmarkStore_Load(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		items := manyClients(many)
		s := newStore(Config{Registry: registry.New(nil), NewProvider: newListed, Now: time.Now, Log: slog.Default()}, newMetrics())
		f := s.begin()
		before := heap()
		b.StartTimer()
		_ = f.Replace(items, "20000")
		b.StopTimer()
		with := heap()
		b.ReportMetric((float64(with)-float64(before))/many, "B/client")
		runtime.KeepAlive(items)
		runtime.KeepAlive(s)
		b.StartTimer()
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/many*1e9, "ns/client")
}

// BenchmarkStore_Reload is a load that brings nothing new, as each replica does
// once when it joins.
func BenchmarkStore_Reload(b *testing.B) {
	items := manyClients(many)
	s := newStore(Config{Registry: registry.New(nil), NewProvider: newListed, Now: time.Now, Log: slog.Default()}, newMetrics())
	_ = s.begin().Replace(items, "20000")
	for b.Loop() {
		_ = s.begin().Replace(items, "20000")
	}
}

// BenchmarkReal_Load is from the start of a replica to ready, with a real API server.
func BenchmarkReal_Load(b *testing.B) {
	by, inNamespace := realAdmin(b)
	work := make(chan *corev1.Secret)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for o := range work {
				by.create(o)
			}
		})
	}
	for _, o := range manyClients(many) {
		secret := o.(*corev1.Secret)
		secret.ResourceVersion = ""
		work <- secret
	}
	close(work)
	writers.Wait()
	for b.Loop() {
		r := newReplica(b, "one", kubernetes.NewForConfigOrDie(realAPI(b)), inNamespace)
		before := heap()
		r.start(b)
		eventually(b, time.Minute, "ready", func() bool { return r.Ready() == nil })
		b.StopTimer()
		b.ReportMetric((float64(heap())-float64(before))/many, "B/client")
		r.halt(b)
		b.StartTimer()
	}
}
