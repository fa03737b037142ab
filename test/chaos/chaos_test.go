// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package chaos lets people, apps and thieves use an installation without pause, while
// one misfortune after another befalls it: replicas, the API server and PostgreSQL are
// killed, connections cut, and writes delayed. Nothing is played: the replicas are
// processes of the program as it ships, with the rights that an installation gives
// them, the stores and the API server are the real ones, and so are the clients'
// libraries. At the end, package audit judges by what the clients wrote down.
//
// As it stands, each misfortune happens to each store once or twice. CHAOS_TIME, such
// as 10m, lets them happen again and again for so long, and CHAOS_SEED lets them happen
// in the order in which they did in a run that has printed it.
package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/test/chaos/audit"
)

// TestMain silences what client-go says of an API server that is gone.
func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	code := m.Run()
	if binaries != "" {
		_ = os.RemoveAll(binaries)
	}
	os.Exit(code)
}

// setting is what can be chosen of a run.
type setting struct {
	seed     uint64
	duration time.Duration
}

func newSetting(t *testing.T) setting {
	t.Helper()
	s := setting{seed: rand.Uint64()}
	var err, err2 error
	if v := os.Getenv("CHAOS_SEED"); v != "" {
		s.seed, err = strconv.ParseUint(v, 10, 64)
	}
	if v := os.Getenv("CHAOS_TIME"); v != "" {
		s.duration, err2 = time.ParseDuration(v)
	}
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	t.Logf("CHAOS_SEED=%d", s.seed)
	return s
}

func TestKubernetes(t *testing.T) { run(t, objects{}) }

func run(t *testing.T, kept durable) {
	s := newSetting(t)
	w := newWorld(t, kept, s)
	w.open()
	enough := make(chan struct{})
	var working sync.WaitGroup
	for _, k := range w.workers {
		working.Go(func() { k.work(t.Context(), enough) })
	}
	struck, err := w.suffer(t.Context(), kept.misfortunes(), time.Now().Add(s.duration))
	close(enough)
	working.Wait()
	if err != nil {
		t.Fatal(err)
	}
	w.closing()
	w.audit(struck)
}

// open starts the replicas, and brings everybody before them.
func (w *world) open() {
	w.t.Helper()
	for range replicas {
		if err := w.join(); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, a := range w.apps {
		if err := a.discover(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	for i := range workers {
		k, err := newWorker(w, i)
		if err != nil {
			w.t.Fatal(err)
		}
		w.workers = append(w.workers, k)
	}
	// What has begun well may fail later; what has not shows nothing.
	err := w.await(func() error {
		k := w.workers[0]
		k.signIn(w.t.Context())
		if len(k.live) == 0 {
			return errors.New("nobody can sign in")
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.journal.write(func(j *audit.Journal) { j.Calls = nil })
}

// closing lets everybody use once more what they have.
func (w *world) closing() {
	w.journal.write(func(j *audit.Journal) { j.Closing = time.Now() })
	var closing sync.WaitGroup
	for _, k := range w.workers {
		closing.Go(func() { k.close(w.t.Context()) })
	}
	closing.Wait()
	for _, r := range w.replicas {
		select {
		case <-r.ended:
			w.t.Errorf("%s has ended: %v", r.name, r.err)
		default:
		}
		if r.log.panic != "" {
			w.t.Errorf("%s: %s", r.name, r.log.panic)
		}
	}
}

// audit judges.
func (w *world) audit(struck map[string]int) {
	w.t.Helper()
	if err := w.ask(); err != nil {
		w.t.Fatal(err)
	}
	j := w.journal.Journal
	report := audit.Audit(audit.Rules{Grace: grace, SessionCache: sessionCache, Recovery: recovery}, j)
	n := tallyOf(j)
	w.t.Logf("%s; %v", n, struck)
	w.t.Logf("%d grants: %d live, %d dead, %d doubtful", report.Grants, report.Live, report.Dead, report.Doubtful)
	const most = 50
	for i, v := range report.Violations {
		if i == most {
			w.t.Errorf("and %d more", len(report.Violations)-most)
			break
		}
		w.t.Error(v)
	}
	n.check(w.t)
}

// ask asks the store what it holds.
func (w *world) ask() error {
	kept, err := w.store.open(w)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, p := range w.journal.Presentations {
		if p.Grant == "" || seen[p.Grant] {
			continue
		}
		seen[p.Grant] = true
		g, err := kept.Grant(w.t.Context(), issuerName, p.Grant)
		if err != nil && !errors.Is(err, store.ErrRevoked) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		w.journal.Stored = append(w.journal.Stored, audit.Stored{Grant: p.Grant, Live: err == nil, Refreshes: g.Counter})
	}
	w.journal.StoredLive, err = w.store.live(w.t.Context(), w)
	return err
}

// tally is how much happened.
type tally struct {
	requests, logins, refreshes, refused, foreign, dropped int
	revoked, inquiries, departed                           int
	visits, unavailable, lost                              int
}

func tallyOf(j audit.Journal) tally {
	n := tally{requests: len(j.Calls), visits: len(j.Visits), inquiries: len(j.Inquiries)}
	for _, p := range j.Presentations {
		switch {
		case p.Foreign:
			n.foreign++
		case p.Dropped:
			n.dropped++
		case p.Outcome == audit.Granted && p.Code != "":
			n.logins++
		case p.Outcome == audit.Granted:
			n.refreshes++
		case p.Outcome == audit.Refused:
			n.refused++
		}
	}
	for _, r := range j.Revocations {
		if r.Done {
			n.revoked++
		}
	}
	for _, d := range j.Departures {
		if d.Done {
			n.departed++
		}
	}
	for _, c := range j.Calls {
		switch c.Status {
		case 0:
			n.lost++
		case http.StatusServiceUnavailable:
			n.unavailable++
		}
	}
	return n
}

// String is for people.
func (n tally) String() string {
	var b strings.Builder
	for _, f := range []struct {
		n    int
		what string
	}{
		{n.requests, "requests"}, {n.logins, "logins"}, {n.refreshes, "refreshes"}, {n.refused, "refused"},
		{n.foreign, "by another client"}, {n.dropped, "answers dropped"}, {n.revoked, "grants revoked on purpose"}, {n.inquiries, "introspections"},
		{n.departed, "sessions ended"}, {n.visits, "visits"}, {n.unavailable, "answers 503"}, {n.lost, "answers lost"},
	} {
		fmt.Fprintf(&b, "%d %s, ", f.n, f.what)
	}
	return strings.TrimSuffix(b.String(), ", ")
}

// check fails if too little happened to prove anything.
func (n tally) check(t *testing.T) {
	t.Helper()
	if n.logins < 50 || n.refreshes < 200 || n.refused < 20 || n.foreign < 5 || n.dropped < 10 || n.revoked < 3 || n.inquiries < 20 || n.departed < 5 || n.visits < 20 {
		t.Errorf("too little happened: %s", n)
	}
}
