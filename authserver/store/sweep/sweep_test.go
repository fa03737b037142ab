// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clientele-dev/clientele/authserver/store"
)

// dusty is a store with something to forget.
type dusty struct {
	store.Store
	mu sync.Mutex
	// grants are over; every page forgets as many as it may.
	grants int
	// takes is how long a page takes.
	takes time.Duration
	err   error
	// full is a store that forgets what it is told to, and fails at something else.
	full bool
	// at is when each page was asked for, since the first.
	at    []time.Duration
	began time.Time
}

func (d *dusty) Sweep(ctx context.Context, page int) (store.Swept, error) {
	d.mu.Lock()
	if d.began.IsZero() {
		d.began = time.Now()
	}
	d.at = append(d.at, time.Since(d.began))
	takes, err := d.takes, d.err
	d.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return store.Swept{}, ctx.Err()
	}
	if err != nil && !d.full {
		return store.Swept{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(page, d.grants)
	d.grants -= n
	return store.Swept{Grants: n, Spent: 2 * n, More: d.grants > 0}, err
}

func (d *dusty) asked() []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]time.Duration(nil), d.at...)
}

func (d *dusty) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// runs starts a Runner; stop ends it and says how long that took.
func runs(t *testing.T, d *dusty, c Config) (log *bytes.Buffer, metrics *prometheus.Registry, stop func() time.Duration) {
	t.Helper()
	log, metrics = new(bytes.Buffer), prometheus.NewRegistry()
	c.Store, c.Log, c.Registerer = d, slog.New(slog.NewTextHandler(log, nil)), metrics
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	return log, metrics, func() time.Duration {
		began := time.Now()
		cancel()
		<-done
		return time.Since(began)
	}
}

// pass lets time go by in a bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestRunner_PageAfterPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dusty{grants: 35, takes: 100 * time.Millisecond}
		log, metrics, stop := runs(t, d, Config{Page: 10, Pause: 300 * time.Millisecond, Every: time.Minute})
		pass(30 * time.Second)
		want := "[0s 400ms 800ms 1.2s]"
		if got := fmt.Sprint(d.asked()); got != want {
			t.Errorf("pages were asked for at %s, want %s", got, want)
		}
		if n := strings.Count(log.String(), "Swept what is over"); n != 1 || !strings.Contains(log.String(), "grants=35 assertions=70 pages=4") {
			t.Errorf("the log says %s", log)
		}
		wantMetrics(t, metrics, map[string]float64{
			"clientele_store_swept_total grants": 35, "clientele_store_swept_total sessions": 0,
			"clientele_store_swept_total assertions":        70,
			"clientele_store_sweep_duration_seconds ":       1,
			"clientele_store_last_sweep_timestamp_seconds ": float64(time.Now().Unix()) - 30 + 1.3,
		})

		// Then it comes again, in about a minute, and says nothing when there is nothing.
		log.Reset()
		pass(5 * time.Minute)
		times := d.asked()[3:]
		for i := range len(times) - 1 {
			if wait := times[i+1] - times[i] - 100*time.Millisecond; wait < 48*time.Second || wait > 72*time.Second {
				t.Errorf("it came again after %s", wait)
			}
		}
		if len(times) < 5 || len(times) > 8 || log.Len() > 0 {
			t.Errorf("it came %d times, and said %s", len(times)-1, log)
		}
		if took := stop(); took > 0 {
			t.Errorf("stopping took %s", took)
		}
	})
}

// TestRunner_SlowStore has at least half of its time for others.
func TestRunner_SlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dusty{grants: 30, takes: 4 * time.Second}
		_, _, stop := runs(t, d, Config{Page: 10})
		pass(20 * time.Second)
		if got, want := fmt.Sprint(d.asked()), "[0s 8s 16s]"; got != want {
			t.Errorf("pages were asked for at %s, want %s", got, want)
		}
		stop()
	})
}

func TestRunner_BacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dusty{err: errors.New("no connection"), grants: 5}
		log, metrics, stop := runs(t, d, Config{Backoff: time.Second, MostBackoff: 4 * time.Second, Every: time.Minute})
		pass(20 * time.Second)
		if got, want := fmt.Sprint(d.asked()), "[0s 1s 3s 7s 11s 15s 19s]"; got != want {
			t.Errorf("it tried at %s, want %s", got, want)
		}
		if !strings.Contains(log.String(), "no connection") {
			t.Errorf("the log says %s", log)
		}
		wantMetrics(t, metrics, map[string]float64{"clientele_store_last_sweep_timestamp_seconds ": 0})
		d.set(func() { d.err = nil })
		pass(4 * time.Second)
		wantMetrics(t, metrics, map[string]float64{"clientele_store_swept_total grants": 5})
		// And begins anew with its patience.
		d.set(func() { d.err, d.at = errors.New("again"), nil })
		pass(73 * time.Second)
		if at := d.asked(); len(at) < 2 || at[1]-at[0] != time.Second {
			t.Errorf("it tried at %s", at)
		}
		stop()
	})
}

// TestRunner_Hangs: a page that does not end is given up.
// TestRunner_FullStore: what a store that is full can still forget makes room, so it is
// not left alone for ever longer while that goes on.
func TestRunner_FullStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dusty{grants: 5, err: errors.New("full"), full: true}
		_, _, stop := runs(t, d, Config{Page: 1, Backoff: time.Second, MostBackoff: time.Minute})
		pass(12 * time.Second)
		stop()
		want := "[0s 1s 2s 3s 4s 5s 7s 11s]"
		if got := fmt.Sprint(d.asked()); got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
	})
}

func TestRunner_Hangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dusty{takes: time.Hour}
		log, _, stop := runs(t, d, Config{Timeout: 10 * time.Second, Backoff: time.Second})
		pass(20 * time.Second)
		if got, want := fmt.Sprint(d.asked()), "[0s 11s]"; got != want {
			t.Errorf("it tried at %s, want %s", got, want)
		}
		if !strings.Contains(log.String(), "deadline exceeded") {
			t.Errorf("the log says %s", log)
		}
		log.Reset()
		if took := stop(); took > 0 || log.Len() > 0 {
			t.Errorf("stopping took %s, and the log says %s", took, log)
		}
	})
}

// TestRunner_Stops in the middle, and at once.
func TestRunner_Stops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dusty{grants: 1 << 20, takes: time.Second}
		_, _, stop := runs(t, d, Config{})
		pass(10500 * time.Millisecond)
		if took := stop(); took > 0 {
			t.Errorf("stopping took %s", took)
		}
	})
}

func TestNew(t *testing.T) {
	log, taken := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	for name, c := range map[string]Config{"no store": {Log: log}, "no log": {Store: &dusty{}}} {
		if _, err := New(c); err == nil {
			t.Errorf("%s is fine", name)
		}
	}
	for i, want := range []bool{true, false} {
		if _, err := New(Config{Store: &dusty{}, Log: log, Registerer: taken}); (err == nil) != want {
			t.Errorf("registered %d times: %v", i+1, err)
		}
	}
	if r, err := New(Config{Store: &dusty{}, Log: log}); err != nil || r.Every != 45*time.Second || r.Page != 500 {
		t.Errorf("got %+v, %v", r, err)
	}
}

// wantMetrics compares values, or counts of histograms, by name and label.
func wantMetrics(t *testing.T, from *prometheus.Registry, want map[string]float64) {
	t.Helper()
	all, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			name := f.GetName() + " "
			for _, l := range m.GetLabel() {
				name += l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for name, value := range want {
		if v, ok := got[name]; !ok || v-value > 0.001 || value-v > 0.001 {
			t.Errorf("%s is %v, want %v", name, v, value)
		}
	}
}
