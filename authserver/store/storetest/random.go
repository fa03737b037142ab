// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
)

// op is one random operation. It stands for itself: any subset of a run is a run,
// too, so that a failing one can be made small.
type op struct {
	verb   string
	issuer string
	// id names a code, grant or session; subject and client a consent.
	id              string
	subject, client string
	uid             string
	scopes          []string
	// from is relative to the counter that the model knows.
	from int
	// on is the replica that does it, of however many there are.
	on int
	// wait is a time to let pass; codeLife and life are of what begins.
	wait, codeLife, life time.Duration
}

// String is how a failing run is reported.
func (o op) String() string {
	switch o.verb {
	case "wait", "sweep":
		return fmt.Sprintf("%s(%v)", o.verb, o.wait)
	case "restart":
		return "restart()"
	case "issue":
		return fmt.Sprintf("%s(%s/%s, of %s, %v, %v)", o.verb, o.issuer, o.id, o.session(), o.codeLife, o.life)
	case "create", "renew", "spend":
		return fmt.Sprintf("%s(%s/%s, %v, %v)", o.verb, o.issuer, o.id, o.codeLife, o.life)
	case "advance":
		return fmt.Sprintf("advance(%s/%s, counter%+d)", o.issuer, o.id, o.from)
	case "of-session":
		return fmt.Sprintf("%s(%s/%s)", o.verb, o.issuer, o.session())
	case "allow", "consent", "forget":
		return fmt.Sprintf("%s(%s/%s/%s, %s, %v)", o.verb, o.issuer, o.subject, o.client, o.uid, o.scopes)
	}
	return fmt.Sprintf("%s(%s/%s)", o.verb, o.issuer, o.id)
}

// verbs are what may happen, each as often as it is likely.
var verbs = strings.Fields(`issue issue issue redeem redeem redeem redeem grant grant grant
	advance advance advance advance advance revoke revoke end-code end-grant wait wait
	create create session session session renew renew end-session of-session of-session spend spend spend allow allow allow consent consent forget
	sweep sweep delete`)

// generate returns n operations. Names wander slowly through an endless space, so
// that something is done to the living most of the time.
func generate(seed uint64, n int) []op {
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a run must be repeatable
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	seconds := func(most int) time.Duration { return time.Duration(r.IntN(most)) * time.Second }
	ops := make([]op, n)
	for i := range ops {
		o := op{
			verb: pick(verbs...), issuer: pick(issuer, issuer, other), id: fmt.Sprint(i/60 + r.IntN(4)),
			subject: pick("ann", "bob"), client: pick("docs.wiki", "docs.shop"), uid: pick("uid-1", "uid-1", "uid-2"),
			from: [...]int{0, 0, 0, -1, 1}[r.IntN(5)], on: r.IntN(6),
			wait: seconds(6), codeLife: seconds([...]int{6, 60}[r.IntN(2)]), life: seconds([...]int{40, 600}[r.IntN(2)]),
		}
		for _, s := range []string{"openid", "profile", "email", "groups"} {
			if r.IntN(3) == 0 {
				o.scopes = append(o.scopes, s)
			}
		}
		switch r.IntN(300) {
		case 0, 1:
			o.verb = "restart"
		case 2: // long enough for any sweep
			o.verb, o.wait = "wait", o.life*100
		}
		ops[i] = o
	}
	return ops
}

// runModel tries random operations on a store and on the model, and makes a run in
// which they differ as small as it can.
func runModel(t testing.TB, b Backend) error {
	seed := cmp.Or(b.Seed, rand.Uint64()) //nolint:gosec // nobody guesses at tests
	ops := generate(seed, cmp.Or(b.Steps, 5000))
	failed, err := replay(t, b, ops)
	if err == nil {
		return nil
	}
	ops, err = shrink(t, b, ops[:failed+1], err)
	var text strings.Builder
	for _, o := range ops {
		fmt.Fprintf(&text, "\n\t%v", o)
	}
	return fail("seed %d, %d operations:%s\n%v", seed, len(ops), text.String(), err)
}

// shrink leaves out ever smaller parts of a failing run for as long as what is left
// still fails. It stops early where a store is slow.
func shrink(t testing.TB, b Backend, ops []op, err error) ([]op, error) {
	attempts, started := 1000, time.Now()
	enough := func() bool { return attempts == 0 || time.Since(started) > time.Minute }
	for size := len(ops) / 2; size > 0 && !enough(); size /= 2 {
		for at := 0; at+size <= len(ops) && !enough(); attempts-- {
			fewer := slices.Concat(ops[:at], ops[at+size:])
			if failed, e := replay(t, b, fewer); e != nil {
				ops, err = fewer[:failed+1], e
			} else {
				at += size
			}
		}
	}
	return ops, err
}

// replay runs ops on an empty store, and returns the first that differs from the
// model.
func replay(t testing.TB, b Backend, ops []op) (int, error) {
	f := newFixture(t, b)
	r := &run{fixture: f, model: newModel(b.Durable, f.clock.Now()), codes: map[string]store.Grant{}, used: map[string]bool{}}
	for i, o := range ops {
		got, want := r.do(t.Context(), o)
		if !slices.Contains(want, got) {
			return i, fail("%v = %s\nwant %s", o, got, strings.Join(want, " or "))
		}
	}
	return 0, nil
}

// run is a store beside the model.
type run struct {
	*fixture

	model *model
	codes map[string]store.Grant // that were issued
	used  map[string]bool        // session IDs
}

var done = []string{""}

// do does one operation on both, and returns what the store did and what it may
// do.
func (r *run) do(ctx context.Context, o op) (got string, want []string) {
	switch o.verb {
	case "issue":
		r.issue(o)
	case "wait":
		r.clock.Advance(o.wait)
	case "end-code", "end-grant":
		r.goToEnd(o)
	case "restart":
		r.clock.Advance(time.Second)
		r.restartOne(o.on)
		r.model.restart(r.clock.Now())
	case "sweep":
		return r.doSweep(ctx, o)
	case "delete":
		return r.doDelete(o)
	case "redeem", "grant", "advance", "revoke":
		return r.doGrant(ctx, o)
	case "of-session":
		found, err := r.on(o.on).SessionGrants(ctx, o.issuer, o.session())
		return outcome(err, describeGrants(found)), []string{r.model.sessionGrants(o.issuer, o.session(), r.clock.Now())}
	case "spend":
		now := r.clock.Now()
		until := now.Add(o.codeLife)
		return outcome(r.on(o.on).Spend(ctx, o.issuer, o.id, until), ""), []string{r.model.spend(o.key(), until, now)}
	case "create", "session", "renew", "end-session":
		return r.doSession(ctx, o)
	case "allow", "consent", "forget":
		return r.doConsent(ctx, o)
	}
	return "", done
}

// doSweep sweeps on a replica whose clock is ahead by as much as it may be. For those
// who use the store it is as if nothing had happened.
func (r *run) doSweep(ctx context.Context, o op) (got string, want []string) {
	sweeper, ok := r.on(o.on).(store.Sweeper)
	if !ok {
		return "", done
	}
	now := r.clock.Now()
	r.clock.Set(now.Add(store.Skew - justNot))
	_, err := sweeper.Sweep(ctx, 1+int(o.wait/time.Second))
	r.clock.Set(now)
	return outcome(err, ""), []string{outcomeOK}
}

func (r *run) doDelete(o op) (got string, want []string) {
	if r.backend.DeleteByHand == nil {
		return "", done
	}
	r.model.revoke(o.key())
	return outcome(r.backend.DeleteByHand(r.t, r.on(o.on), o.issuer, o.id), ""), []string{outcomeOK}
}

func (o op) key() string { return o.issuer + "/" + o.id }

// session is one of a few, for a grant to be of.
func (o op) session() string { return "session of " + o.subject }

// issue makes a code; an id is never used for two.
func (r *run) issue(o op) {
	if _, ok := r.codes[o.key()]; ok {
		return
	}
	g := r.grant(o.id)
	g.Issuer, g.Scopes, g.SessionID = o.issuer, o.scopes, o.session()
	g.CodeExpiresAt, g.ExpiresAt = g.IssuedAt.Add(o.codeLife), g.IssuedAt.Add(o.life)
	r.codes[o.key()] = g
}

// goToEnd moves the clock to where a code or grant ends, or to just before it.
func (r *run) goToEnd(o op) {
	g := r.codes[o.key()]
	end := g.ExpiresAt
	if o.verb == "end-code" {
		end = g.CodeExpiresAt
	}
	if o.from < 0 {
		end = end.Add(-justNot)
	}
	if end.After(r.clock.Now()) {
		r.clock.Set(end)
	}
}

func (r *run) doGrant(ctx context.Context, o op) (got string, want []string) {
	now := r.clock.Now()
	switch o.verb {
	case "redeem":
		g, ok := r.codes[o.key()]
		if !ok {
			return "", done
		}
		return outcome(r.on(o.on).Redeem(ctx, g), ""), []string{r.model.redeem(g, now)}
	case "grant":
		g, err := r.on(o.on).Grant(ctx, o.issuer, o.id)
		return outcome(err, describeGrant(g)), r.model.grant(o.key(), now)
	case "revoke":
		r.model.revoke(o.key())
		return outcome(r.on(o.on).Revoke(ctx, o.issuer, o.id), ""), []string{outcomeOK}
	}
	from := o.from
	if g := r.model.grants[o.key()]; g != nil {
		from += g.Counter
	}
	g, err := r.on(o.on).Advance(ctx, o.issuer, o.id, from, now)
	return outcome(err, describeGrant(g)), r.model.advance(o.key(), from, now)
}

func (r *run) doSession(ctx context.Context, o op) (got string, want []string) {
	now := r.clock.Now()
	switch o.verb {
	case "create":
		if r.model.session(o.key(), now) == outcomeNotFound && r.used[o.key()] {
			return "", done // the ID must be new
		}
		r.used[o.key()] = true
		s := r.session(o.id)
		s.Issuer, s.ExpiresAt = o.issuer, now.Add(o.life)
		return outcome(r.on(o.on).CreateSession(ctx, s), ""), []string{r.model.createSession(s, now)}
	case "renew":
		s := r.session(o.id)
		s.Issuer, s.SignIn, s.ExpiresAt = o.issuer, fmt.Sprint("sign-in ", o.life, o.codeLife), now.Add(o.life)
		if o.from < 0 {
			s.Subject = "somebody else"
		}
		return outcome(r.on(o.on).RenewSession(ctx, s), ""), []string{r.model.renewSession(s, now)}
	case "end-session":
		delete(r.model.sessions, o.key())
		return outcome(r.on(o.on).EndSession(ctx, o.issuer, o.id), ""), []string{outcomeOK}
	}
	s, err := r.on(o.on).Session(ctx, o.issuer, o.id)
	return outcome(err, describeSession(s)), []string{r.model.session(o.key(), now)}
}

func (r *run) doConsent(ctx context.Context, o op) (got string, want []string) {
	c := store.Consent{
		Issuer: o.issuer, Subject: o.subject, Provider: "staff", PersonID: "person " + o.subject,
		ClientID: o.client, ClientUID: o.uid, Scopes: o.scopes, GivenAt: r.clock.Now(),
	}
	switch o.verb {
	case "allow":
		r.model.allow(c)
		return outcome(r.on(o.on).Allow(ctx, c), ""), []string{outcomeOK}
	case "forget":
		delete(r.model.consents, consentKey(c))
		return outcome(r.on(o.on).Forget(ctx, o.issuer, o.subject, o.client), ""), []string{outcomeOK}
	}
	kept, err := r.on(o.on).Consent(ctx, o.issuer, o.subject, o.client)
	return outcome(err, describeConsent(kept)), []string{r.model.consent(consentKey(c))}
}
