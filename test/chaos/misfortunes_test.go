// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/clientele-dev/clientele/test/chaos/audit"
)

// misfortune is something that happens to an installation, and passes.
type misfortune struct {
	name string
	// disturbs says that clients may be told to come back later.
	disturbs bool
	strike   func(*world, *rand.Rand) error
}

// everywhere are those that are no store's own.
func everywhere(needsAPI bool) []misfortune {
	return []misfortune{
		{"replica killed", false, killReplica},
		{"replica updated", false, updateReplica},
		{"busy replica updated", true, updateBusyReplica},
		{"API server killed", needsAPI, killAPIServer},
		{"connections cut", true, cutConnections},
		{"writes delayed", true, delayWrites},
	}
}

// suffer lets each misfortune happen once, in some order, and all again until the time
// is over. It returns how often each of them did.
func (w *world) suffer(ctx context.Context, deck []misfortune, until time.Time) (map[string]int, error) {
	random := rand.New(rand.NewPCG(w.seed, 0))
	struck := map[string]int{}
	for first := true; first || time.Now().Before(until); first = false {
		for _, i := range random.Perm(len(deck)) {
			m := deck[i]
			if err := pause(ctx, between(random, 300*time.Millisecond, time.Second)); err != nil {
				return struck, err
			}
			began := time.Now()
			if err := m.strike(w, random); err != nil {
				return struck, fmt.Errorf("%s: %w", m.name, err)
			}
			struck[m.name]++
			w.befell(audit.Misfortune{Name: m.name, Disturbs: m.disturbs, Span: audit.Span{Began: began, Ended: time.Now()}})
		}
	}
	return struck, nil
}

func (w *world) befell(m audit.Misfortune) {
	w.journal.write(func(j *audit.Journal) { j.Misfortunes = append(j.Misfortunes, m) })
}

func between(random *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(random.Int64N(int64(most-least)))
}

func (w *world) last(d time.Duration) error { return pause(w.t.Context(), d) }

// join starts a replica and returns when it gets requests.
func (w *world) join() error {
	r, err := w.start()
	if err != nil {
		return err
	}
	go w.balancer.watch(r)
	w.replicas = append(w.replicas, r)
	return w.await(func() error {
		if !w.balancer.has(r) {
			return errors.New(r.name + " is not ready")
		}
		return nil
	})
}

// choose takes a replica out of those that are to run.
func (w *world) choose(random *rand.Rand) *replica {
	i := random.IntN(len(w.replicas))
	r := w.replicas[i]
	w.replicas = slices.Delete(slices.Clone(w.replicas), i, i+1)
	return r
}

// killReplica ends one in the middle of what it does, and starts another one. Until
// the balancer has noticed, answers get lost.
func killReplica(w *world, random *rand.Rand) error {
	r := w.choose(random)
	began := time.Now()
	r.kill()
	err := w.await(func() error {
		if w.balancer.has(r) {
			return errors.New("the balancer does not notice")
		}
		return nil
	})
	w.befell(audit.Misfortune{Name: "replica gone", Loses: true, Span: audit.Span{Began: began, Ended: time.Now()}})
	if err != nil {
		return err
	}
	if err := w.last(between(random, 0, 500*time.Millisecond)); err != nil {
		return err
	}
	return w.join()
}

// updateReplica has another one take a replica's place, as a rolling update does.
// Nobody notices.
func updateReplica(w *world, random *rand.Rand) error {
	if err := w.join(); err != nil {
		return err
	}
	r := w.choose(random)
	if err := r.tell(); err != nil {
		return err
	}
	return r.leave()
}

// updateBusyReplica does so with one whose writes take longer than the balancer is given
// to take notice: what it has accepted by then, it answers.
func updateBusyReplica(w *world, random *rand.Rand) error {
	if err := w.join(); err != nil {
		return err
	}
	r := w.choose(random)
	late := func(most time.Duration) {
		for _, l := range r.lines {
			l.delay(most)
		}
	}
	late(2 * shutdownDelay)
	if err := errors.Join(w.last(shutdownDelay/2), r.tell(), w.last(shutdownDelay)); err != nil {
		return err
	}
	late(0) // for those that follow
	return r.leave()
}

// killAPIServer ends the API server in the middle of what it does. etcd keeps what was
// written.
func killAPIServer(w *world, random *rand.Rand) error {
	if err := w.api.Kill(); err != nil {
		return err
	}
	if err := w.last(between(random, 0, time.Second)); err != nil {
		return err
	}
	return w.api.Resume()
}

// cutConnections takes the ways to everything from one replica, or from all.
func cutConnections(w *world, random *rand.Rand) error {
	struck := w.replicas
	if random.IntN(2) == 0 {
		i := random.IntN(len(struck))
		struck = struck[i : i+1]
	}
	for _, r := range struck {
		for _, l := range r.lines {
			l.Cut()
		}
	}
	err := w.last(between(random, 100*time.Millisecond, 2*time.Second))
	for _, r := range struck {
		for _, l := range r.lines {
			l.Mend()
		}
	}
	return err
}

// delayWrites makes all that replicas send arrive later.
func delayWrites(w *world, random *rand.Rand) error {
	most := between(random, 50*time.Millisecond, 700*time.Millisecond)
	for _, r := range w.replicas {
		for _, l := range r.lines {
			l.delay(most)
		}
	}
	err := w.last(between(random, 1500*time.Millisecond, 3*time.Second))
	for _, r := range w.replicas {
		for _, l := range r.lines {
			l.delay(0)
		}
	}
	return err
}
