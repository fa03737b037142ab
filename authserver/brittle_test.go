// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
)

// brittleStore is a store that counts, and goes wrong when it is told to.
type brittleStore struct {
	store.Store
	// writes and reads count the verbs of each kind.
	writes, reads atomic.Int64

	mu    sync.Mutex
	fault fault
	// verbs are those with the fault; none means all.
	verbs []string
	// then, by verb, is called once, between what the verb does and its answer.
	then map[string]func()
	// called counts, by verb.
	called map[string]int
}

// fault is how a verb goes wrong.
type fault int

const (
	none fault = iota
	// failing does nothing and says so.
	failing
	// hanging does nothing until whoever asked loses patience.
	hanging
	// losing does what it is asked, and nobody hears of it.
	losing
)

func (f fault) String() string {
	return [...]string{"none", "fails", "hangs", "loses its answer"}[f]
}

var errBroken = errors.New("the store is broken")

// goes makes verbs, or all, go wrong.
func (b *brittleStore) goes(how fault, verbs ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault, b.verbs = how, verbs
}

// calls is how often a verb was called.
func (b *brittleStore) calls(verb string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.called[verb]
}

func (b *brittleStore) fails(verbs ...string) { b.goes(failing, verbs...) }
func (b *brittleStore) heals()                { b.goes(none) }

// onAnswer has f called once, when a verb is done and has not answered yet.
func (b *brittleStore) onAnswer(verb string, f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.then = map[string]func(){verb: f}
}

// now is how a verb goes, and what is to be done before it answers.
func (b *brittleStore) now(verb string) (fault, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.called == nil {
		b.called = map[string]int{}
	}
	b.called[verb]++
	then := b.then[verb]
	delete(b.then, verb)
	if then == nil {
		then = func() {}
	}
	if len(b.verbs) > 0 && !slices.Contains(b.verbs, verb) {
		return none, then
	}
	return b.fault, then
}

func (b *brittleStore) do(ctx context.Context, verb string, run func() error) error {
	how, then := b.now(verb)
	switch how {
	case failing:
		return errBroken
	case hanging:
		<-ctx.Done()
		return ctx.Err()
	case none, losing:
	}
	err := run()
	then()
	if how == losing {
		return errBroken
	}
	return err
}

func (b *brittleStore) write(ctx context.Context, verb string, run func() error) error {
	b.writes.Add(1)
	return b.do(ctx, verb, run)
}

func brittleRead[T any](ctx context.Context, b *brittleStore, verb string, run func() (T, error)) (T, error) {
	b.reads.Add(1)
	var out T
	err := b.do(ctx, verb, func() (err error) {
		out, err = run()
		return err
	})
	return out, err
}

func (b *brittleStore) CreateSession(ctx context.Context, s store.Session) error {
	return b.write(ctx, "CreateSession", func() error { return b.Store.CreateSession(ctx, s) })
}

func (b *brittleStore) RenewSession(ctx context.Context, s store.Session) error {
	return b.write(ctx, "RenewSession", func() error { return b.Store.RenewSession(ctx, s) })
}

func (b *brittleStore) Session(ctx context.Context, issuer, id string) (store.Session, error) {
	return brittleRead(ctx, b, "Session", func() (store.Session, error) { return b.Store.Session(ctx, issuer, id) })
}

func (b *brittleStore) EndSession(ctx context.Context, issuer, id string) error {
	return b.write(ctx, "EndSession", func() error { return b.Store.EndSession(ctx, issuer, id) })
}

func (b *brittleStore) Redeem(ctx context.Context, g store.Grant) error {
	return b.write(ctx, "Redeem", func() error { return b.Store.Redeem(ctx, g) })
}

func (b *brittleStore) Grant(ctx context.Context, issuer, id string) (store.Grant, error) {
	return brittleRead(ctx, b, "Grant", func() (store.Grant, error) { return b.Store.Grant(ctx, issuer, id) })
}

func (b *brittleStore) Advance(ctx context.Context, issuer, id string, from int, now time.Time) (out store.Grant, err error) {
	err = b.write(ctx, "Advance", func() (err error) {
		out, err = b.Store.Advance(ctx, issuer, id, from, now)
		return err
	})
	return out, err
}

func (b *brittleStore) Revoke(ctx context.Context, issuer, id string) error {
	return b.write(ctx, "Revoke", func() error {
		if err := ctx.Err(); err != nil {
			return err // as a store would that has a network in between
		}
		return b.Store.Revoke(ctx, issuer, id)
	})
}

func (b *brittleStore) SessionGrants(ctx context.Context, issuer, sessionID string) ([]store.Grant, error) {
	return brittleRead(ctx, b, "SessionGrants", func() ([]store.Grant, error) { return b.Store.SessionGrants(ctx, issuer, sessionID) })
}

func (b *brittleStore) Spend(ctx context.Context, issuer, id string, until time.Time) error {
	return b.write(ctx, "Spend", func() error { return b.Store.Spend(ctx, issuer, id, until) })
}

func (b *brittleStore) Allow(ctx context.Context, c store.Consent) error {
	return b.write(ctx, "Allow", func() error { return b.Store.Allow(ctx, c) })
}

func (b *brittleStore) Consent(ctx context.Context, issuer, subject, clientID string) (store.Consent, error) {
	return brittleRead(ctx, b, "Consent", func() (store.Consent, error) { return b.Store.Consent(ctx, issuer, subject, clientID) })
}
