// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

// fleet is several replicas that share a store and the keys, and nothing else: each
// has a registry, identity providers and a clock of its own. Every request goes to
// the replica that pick names.
type fleet struct {
	*world
	replicas []*world
	// pick returns the replica for the nth request.
	pick func(n int) int
	// before is called before every request.
	before func()
	sent   int
}

// clockErrors are by how much the clocks of replicas are wrong: as far apart as they may
// be for a token that one has just signed to be good at another.
var clockErrors = []time.Duration{0, 3 * time.Second, -2 * time.Second}

func newFleet(t *testing.T, size int) *fleet {
	t.Helper()
	f := &fleet{world: newWorld(t), before: func() {}}
	f.pick = func(n int) int { return n % size }
	for i := range size {
		r := f.in(t)
		r.registry, r.users = registry.New(f.current.Load), newUsers(t)
		var err error
		r.server, err = New(Config{
			Registry: r.registry, Store: f.store, Log: slog.New(slog.NewJSONHandler(f.log, nil)),
			Now: func() time.Time { return f.clock.Now().Add(clockErrors[i%len(clockErrors)]) },
		})
		if err != nil {
			t.Fatal(err)
		}
		f.replicas = append(f.replicas, r)
	}
	// Later than the memory store's beginning, by the clock that is late as well.
	f.clock.pass(time.Minute)
	f.register()
	f.setKeys(*keysOf(t, "main"), nil)
	return f
}

// register makes the clients known to every replica.
func (f *fleet) register() {
	for _, r := range f.replicas {
		r.addClient("wiki", func(c *registration.Client) { c.PostLogoutRedirectURIs = []string{outURI} })
	}
}

// setKeys gives every replica the same keys, each from what is stored.
func (f *fleet) setKeys(set keys.Set, change func(*registration.Server)) {
	f.t.Helper()
	stored, err := set.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, r := range f.replicas {
		read, err := keys.Decode(stored)
		if err != nil {
			f.t.Fatal(err)
		}
		i, err := registry.NewIssuer(serverRecord("main", mainIssuer, change), r.users, &read)
		if err != nil {
			f.t.Fatal(err)
		}
		r.registry.SetIssuer(i)
	}
}

func (f *fleet) next() *world {
	f.before()
	f.sent++
	return f.replicas[f.pick(f.sent-1)]
}

// RoundTrip sends a browser's request to the replica whose turn it is.
func (f *fleet) RoundTrip(r *http.Request) (*http.Response, error) { return f.next().RoundTrip(r) }

// life is everything that can happen to a person and a client, from the first request
// to the last, with both the refusals and the successes.
func (f *fleet) life() {
	f.t.Helper()
	b := newBrowser(f.t, f)
	p := b.begin(validRequest()).is("login")
	p = p.loginAs("alice", "not her password").is("page Forbidden")
	p = p.loginAs("alice", alicePass).is("consent")
	code := p.decide("allow").is("code").param("code")
	first := f.next().token(redemption(code)).ok()
	f.next().userinfo(first.str("access_token")).ok()
	// The answer is lost, and the client asks again.
	f.next().token(refreshing(first.str("refresh_token"))).ok()
	second := f.next().token(refreshing(first.str("refresh_token"))).ok()
	f.next().userinfo(second.str("access_token")).ok()

	// Signed in, and everything was allowed: no page any more.
	silent := b.begin(with(validRequest(), "prompt", "none")).is("code").param("code")
	other := f.next().token(redemption(silent)).ok()
	if first.claims("id_token")["sub"] != other.claims("id_token")["sub"] {
		f.t.Error("a person has another sub at another replica")
	}

	// What one replica has revoked is over on all.
	f.next().token(redemption(code)).refused(400, "invalid_grant")
	for range f.replicas {
		f.next().userinfo(second.str("access_token")).refused(401, "invalid_token")
		f.next().token(refreshing(second.str("refresh_token"))).refused(400, "invalid_grant")
		f.next().token(redemption(code)).refused(400, "invalid_grant")
	}
	f.next().userinfo(other.str("access_token")).ok()
	f.next().introspect(other.str("access_token")).active()

	// Asked by a form, and then signed out on all.
	b.leave(url.Values{}).has("Alice Example").submit(url.Values{"decision": {"leave"}}).is("page OK")
	for range f.replicas {
		b.begin(with(validRequest(), "prompt", "none")).is("redirect login_required")
	}
	// Signed in again, and signed out at once by an ID token.
	b.begin(validRequest()).is("login").loginAs("alice", alicePass).is("code")
	b.leave(validLogout(other.str("id_token"))).is("redirect ")
	b.begin(with(validRequest(), "prompt", "none")).is("redirect login_required")
	// What an app may do while the person is away goes on, until the app has enough.
	last := f.next().token(refreshing(other.str("refresh_token"))).ok()
	f.next().introspect(last.str("refresh_token")).active()
	f.next().revoke(other.str("access_token")).ok()
	for range f.replicas {
		f.next().isOver(last)
	}
}

// TestReplicas_EveryRotation: no step of anything needs the replica of the step
// before.
func TestReplicas_EveryRotation(t *testing.T) {
	for size := 1; size <= 3; size++ {
		for offset := range size {
			for stride := range size {
				t.Run(fmt.Sprintf("%d replicas, from %d by %d", size, offset, stride), func(t *testing.T) {
					f := newFleet(t, size)
					f.pick = func(n int) int { return (offset + n*stride) % size }
					f.life()
				})
			}
		}
	}
}

// TestReplicas_AnyAssignment: nor in any other order.
func TestReplicas_AnyAssignment(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			dice := mathrand.New(mathrand.NewPCG(seed, 0))
			f := newFleet(t, 3)
			f.pick = func(int) int { return dice.IntN(3) }
			f.life()
		})
	}
}

// TestReplicas_OneGoes: whatever was begun at a replica goes on at the others when it
// is gone.
func TestReplicas_OneGoes(t *testing.T) {
	f := newFleet(t, 2)
	f.pick = func(int) int { return 0 }
	b := newBrowser(t, f)
	p := b.begin(validRequest()).is("login")
	code := newBrowser(t, f).codeFor(validRequest())
	a := f.next().token(redemption(newBrowser(t, f).codeFor(validRequest()))).ok()

	f.pick = func(int) int { return 1 }
	p.loginAs("alice", alicePass).is("code")
	f.next().token(redemption(code)).ok()
	f.next().userinfo(a.str("access_token")).ok()
	f.next().token(refreshing(a.str("refresh_token"))).ok()
}

// addSealingKey is set with a sealing key that is in use from now on. The replica
// whose clock is late goes on with the one before for a while.
func addSealingKey(t *testing.T, set keys.Set, now time.Time) keys.Set {
	t.Helper()
	k := keys.Key{ID: rand.Text()[:12], Kind: keys.Seal, Secret: make([]byte, 32), Starts: now}
	if _, err := io.ReadFull(rand.Reader, k.Secret); err != nil {
		t.Fatal(err)
	}
	set.Keys = append(slices.Clone(set.Keys), k)
	return set
}

// TestReplicas_SealingKeysRotate: a new sealing key between any two requests ends
// nothing.
func TestReplicas_SealingKeysRotate(t *testing.T) {
	f := newFleet(t, 3)
	set := *keysOf(t, "main")
	f.before = func() {
		f.clock.pass(time.Second / 4)
		set = addSealingKey(t, set, f.clock.Now())
		f.setKeys(set, nil)
	}
	f.life()
	if n := len(set.Of(keys.Seal)); n < 30 {
		t.Errorf("only %d sealing keys", n)
	}
}

// TestReplicas_OutlivesSealingKeys: a session and a refresh token are good to their
// very end, which many sealing keys do not see, and the keys go once nothing can need them.
func TestReplicas_OutlivesSealingKeys(t *testing.T) {
	const day = 24 * time.Hour
	schedule := keys.Schedule{Interval: day, Lead: 6 * time.Hour, KeepSigning: 2 * time.Hour, KeepSealing: 10*day + time.Hour}
	long := func(r *registration.Server) {
		r.Signing.KeyRotationInterval = day
		r.Lifetimes.Session, r.Lifetimes.RefreshToken, r.Lifetimes.RefreshTokenIdle = 10*day, 10*day, 10*day
	}
	f := newFleet(t, 3)
	set, _, err := keys.Set{}.Rotate(f.clock.Now(), schedule, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.setKeys(set, long)
	b := newBrowser(t, f)
	a := f.next().token(redemption(b.codeFor(validRequest()))).ok()
	began := f.clock.Now()
	// An app that the person comes back to once, at the end, and one that refreshes.
	idle := f.next().token(redemption(b.codeFor(validRequest()))).ok()
	firstKeys := set.Of(keys.Seal)
	for at := set.Next(f.clock.Now(), schedule); at.Before(began.Add(10*day - time.Minute)); at = set.Next(f.clock.Now(), schedule) {
		f.clock.pass(at.Sub(f.clock.Now()))
		if set, _, err = set.Rotate(f.clock.Now(), schedule, nil); err != nil {
			t.Fatal(err)
		}
		f.setKeys(set, long)
		b.begin(with(validRequest(), "prompt", "none")).is("code")
		a = f.next().token(refreshing(a.str("refresh_token"))).ok()
	}
	f.clock.pass(began.Add(10*day - time.Minute).Sub(f.clock.Now()))
	b.begin(with(validRequest(), "prompt", "none")).is("code")
	f.next().token(refreshing(idle.str("refresh_token"))).ok()
	f.next().token(refreshing(a.str("refresh_token"))).ok()
	if n := len(set.Of(keys.Seal)); n < 9 {
		t.Errorf("there were only %d sealing keys", n)
	}

	f.clock.pass(time.Minute + clockErrors[1])
	b.begin(with(validRequest(), "prompt", "none")).is("redirect login_required")
	f.clock.pass(2 * day)
	if set, _, err = set.Rotate(f.clock.Now(), schedule, nil); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(set.Keys, func(k keys.Key) bool { return k.ID == firstKeys[0].ID }) {
		t.Error("the first sealing key is still there")
	}
}
