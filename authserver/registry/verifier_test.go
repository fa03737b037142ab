// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// hashing is what a test compares with instead of argon2id: a hash names its text. It
// counts, and waits while there is a gate.
type hashing struct {
	slow atomic.Int64
	gate chan struct{}
}

func (h *hashing) compare(secret credential.Secret, hash string) bool {
	h.slow.Add(1)
	if h.gate != nil {
		<-h.gate
	}
	return strings.HasPrefix(hash, "hash of "+secret.Reveal()+" ")
}

// hashed is the digest of a text that somebody brought.
func hashed(text string) registration.Digest {
	return registration.Digest{Argon2id: "hash of " + text + " "}
}

func digests(all ...registration.Digest) func(*registration.Client) {
	return func(c *registration.Client) { c.Digests = all }
}

func TestAccepts_Argon2id(t *testing.T) {
	h := &hashing{}
	v := NewVerifier(h.compare)
	minted := registration.Digest{SHA256: credential.New("minted").Digest()}
	c := client(t, digests(hashed("older"), minted, hashed("newer")))
	for _, tt := range []struct {
		secret string
		want   string
		slow   int64 // how many slow comparisons it takes the first time
	}{
		{"minted", minted.ID(), 0},
		{"newer", hashed("newer").ID(), 1},
		{"older", hashed("older").ID(), 2},
		{"wrong", "", 2},
		{"", "", 0},
		{hashed("newer").Argon2id, "", 2},
		{strings.Repeat("x", credential.MaxBrought+1), "", 0},
	} {
		before := h.slow.Load()
		for range 3 {
			got, err := c.Accepts(t.Context(), credential.New(tt.secret), v)
			if got != tt.want || err != nil {
				t.Errorf("Accepts(%.10q) = %q, %v, want %q", tt.secret, got, err, tt.want)
			}
		}
		if n := h.slow.Load() - before; n != tt.slow {
			t.Errorf("Accepts(%.10q) took %d slow comparisons in three calls, want %d", tt.secret, n, tt.slow)
		}
	}
}

// TestAccepts_RealHash is the one that takes its time.
func TestAccepts_RealHash(t *testing.T) {
	secret := credential.New("correct horse battery staple")
	hash, err := secret.Hash(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	digest, v := registration.Digest{Argon2id: hash}, NewVerifier(nil)
	c := client(t, digests(digest))
	for text, want := range map[string]string{secret.Reveal(): digest.ID(), "correct horse battery stapl": "", hash: ""} {
		if got, err := c.Accepts(t.Context(), credential.New(text), v); got != want || err != nil {
			t.Errorf("Accepts(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
	broken := client(t, digests(registration.Digest{Argon2id: "x"}))
	if got, err := broken.Accepts(t.Context(), secret, v); got != "" || err != nil {
		t.Errorf("with a hash that cannot be read, Accepts = %q, %v", got, err)
	}
}

// TestAccepts_Together: an app whose replicas all start at once costs one comparison.
func TestAccepts_Together(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hashing{gate: make(chan struct{})}
		v, c := NewVerifier(h.compare), client(t, digests(hashed("right")))
		answers := make(chan string, 50)
		for range cap(answers) {
			go func() {
				id, err := c.Accepts(t.Context(), credential.New("right"), v)
				answers <- fmt.Sprint(id, err)
			}()
		}
		synctest.Wait()
		close(h.gate)
		for range cap(answers) {
			if got, want := <-answers, fmt.Sprint(hashed("right").ID(), nil); got != want {
				t.Errorf("Accepts = %s, want %s", got, want)
			}
		}
		if h.slow.Load() != 1 {
			t.Errorf("%d slow comparisons, want 1", h.slow.Load())
		}
	})
}

// TestAccepts_Flood: many wrong secrets of one client are sent away, and keep neither
// another client nor who is remembered from being served.
func TestAccepts_Flood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hashing{}
		v := NewVerifier(h.compare)
		attacked := client(t, digests(hashed("right")))
		other := client(t, digests(hashed("theirs")), func(c *registration.Client) { c.UID = "uid-2" })
		if id, _ := attacked.Accepts(t.Context(), credential.New("right"), v); id == "" {
			t.Fatal("the right one is refused")
		}
		h.slow.Store(0)
		h.gate = make(chan struct{})
		answers := make(chan error, 100)
		for i := range cap(answers) {
			go func() {
				_, err := attacked.Accepts(t.Context(), credential.New(fmt.Sprint("wrong ", i)), v)
				answers <- err
			}()
		}
		synctest.Wait()
		for range cap(answers) - pendingPerClient {
			if err := <-answers; !errors.Is(err, ErrBusy) {
				t.Errorf("one too many: %v, want ErrBusy", err)
			}
		}
		if id, err := attacked.Accepts(t.Context(), credential.New("right"), v); id == "" || err != nil {
			t.Errorf("who is remembered gets %q, %v", id, err)
		}
		waits := make(chan string)
		go func() {
			id, err := other.Accepts(t.Context(), credential.New("theirs"), v)
			waits <- fmt.Sprint(id, err)
		}()
		synctest.Wait()
		close(h.gate)
		if got, want := <-waits, fmt.Sprint(hashed("theirs").ID(), nil); got != want {
			t.Errorf("another client gets %s, want %s", got, want)
		}
		for range pendingPerClient {
			if err := <-answers; err != nil {
				t.Errorf("one that waited: %v", err)
			}
		}
		if n := h.slow.Load(); n != pendingPerClient+1 {
			t.Errorf("%d slow comparisons, want %d", n, pendingPerClient+1)
		}
		if len(v.flights) != 0 || len(v.pending) != 0 || v.total != 0 || len(v.turns) != 0 {
			t.Errorf("left behind: %d flights, %d clients, %d in all, %d turns", len(v.flights), len(v.pending), v.total, len(v.turns))
		}
	})
}

// TestAccepts_FloodOfAll: all clients together have a bound, too.
func TestAccepts_FloodOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hashing{gate: make(chan struct{})}
		v := NewVerifier(h.compare)
		limit := cap(v.turns) * pendingPerTurn
		answers := make(chan error, limit+10)
		for i := range cap(answers) {
			c := client(t, digests(hashed("right")), func(c *registration.Client) { c.UID = fmt.Sprint(i) })
			go func() {
				_, err := c.Accepts(t.Context(), credential.New("wrong"+c.UID()), v)
				answers <- err
			}()
		}
		synctest.Wait()
		for range 10 {
			if err := <-answers; !errors.Is(err, ErrBusy) {
				t.Errorf("one too many: %v, want ErrBusy", err)
			}
		}
		close(h.gate)
		for range limit {
			if err := <-answers; err != nil {
				t.Errorf("one that waited: %v", err)
			}
		}
	})
}

// TestAccepts_Impatient: who gives up leaves the others who wait for the same secret
// what they need, and nothing behind.
func TestAccepts_Impatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hashing{gate: make(chan struct{})}
		v, c := NewVerifier(h.compare), client(t, digests(hashed("right")))
		for range cap(v.turns) {
			v.turns <- struct{}{}
		}
		ask := func(ctx context.Context) chan string {
			answer := make(chan string)
			go func() {
				id, err := c.Accepts(ctx, credential.New("right"), v)
				answer <- fmt.Sprint(id, errors.Is(err, context.Canceled))
			}()
			synctest.Wait()
			return answer
		}
		leads, leave := context.WithCancel(t.Context())
		follows, leaveToo := context.WithCancel(t.Context())
		first, second, third := ask(leads), ask(follows), ask(t.Context())
		leaveToo()
		leave()
		if got := []string{<-first, <-second}; !slices.Equal(got, []string{"true", "true"}) {
			t.Errorf("who gave up got %q", got)
		}
		close(h.gate)
		<-v.turns
		if got, want := <-third, hashed("right").ID()+"false"; got != want {
			t.Errorf("who waited got %q, want %q", got, want)
		}
	})
}
