// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/clientele-dev/clientele/authserver/store"
)

// These are about what requests of a crowd have to do with each other: nothing, also
// where a store puts many of them into one write.
var crowdChecks = []check{
	{"Crowd/EveryoneHasTheirOwnAnswer", crowdAnswers},
	{"Crowd/SomeGiveUp", crowdGivesUp},
	{"Crowd/EndedContext", endedContext},
	{"Crowd/EndedContextOfPeople", endedContextOfPeople},
}

// crowdAnswers lets everyone do everything, right and wrong, with what is their own,
// each beginning at another step.
func crowdAnswers(ctx context.Context, f *fixture) error {
	errs := race(func(i int) error {
		name := fmt.Sprint("of ", i)
		steps := []func(context.Context, *fixture, string) error{ownGrant, ownReplay, ownSession, ownConsent, ownName}
		var errs []error
		for k := range steps {
			errs = append(errs, steps[(i+k)%len(steps)](ctx, f, name))
		}
		return errors.Join(errs...)
	})
	return errors.Join(errs...)
}

func ownGrant(ctx context.Context, f *fixture, name string) error {
	g := f.grant("grant " + name)
	_, early := f.Advance(ctx, issuer, g.ID, 0, f.clock.Now())
	_, err := f.redeemed(ctx, g)
	_, first := f.Advance(ctx, issuer, g.ID, 0, f.clock.Now())
	g.Counter = 1
	reused, again := f.Advance(ctx, issuer, g.ID, 0, f.clock.Now())
	got, read := f.Grant(ctx, issuer, g.ID)
	return errors.Join(err, first, read,
		wantError("Advance of nothing", early, store.ErrNotFound),
		wantError("second Advance", again, store.ErrReused),
		sameGrant("second Advance", reused, g), sameGrant("Grant", got, g))
}

func ownReplay(ctx context.Context, f *fixture, name string) error {
	g := f.grant("replay " + name)
	_, err := f.redeemed(ctx, g)
	replayed := f.Redeem(ctx, g)
	revoked := f.Revoke(ctx, issuer, g.ID)
	_, advanced := f.Advance(ctx, issuer, g.ID, 0, f.clock.Now())
	return errors.Join(err, revoked,
		wantError("second Redeem", replayed, store.ErrSpent),
		wantError("Advance of a revoked grant", advanced, store.ErrRevoked),
		wantError("third Redeem", f.Redeem(ctx, g), store.ErrSpent))
}

func ownSession(ctx context.Context, f *fixture, name string) error {
	s := f.session("session " + name)
	err := f.CreateSession(ctx, s)
	if f.CreateSession(ctx, s) == nil {
		err = errors.New("CreateSession of an ID that is taken succeeded, want an error")
	}
	renewed := f.renewed(s, "new sign-in of "+name)
	return errors.Join(err, f.wantSession(ctx, s), f.RenewSession(ctx, renewed), f.wantSession(ctx, renewed),
		f.EndSession(ctx, issuer, s.ID), f.wantNoSession(ctx, s))
}

func ownName(ctx context.Context, f *fixture, name string) error {
	return f.wantSpent(ctx, "name "+name)
}

func ownConsent(ctx context.Context, f *fixture, name string) error {
	c := f.consent("openid")
	c.Subject = "subject " + name
	more := c
	more.Scopes = []string{"email"}
	both := c
	both.Scopes = []string{"openid", "email"}
	return errors.Join(f.Allow(ctx, c), f.Allow(ctx, more), f.wantConsent(ctx, both),
		f.Forget(ctx, issuer, c.Subject, c.ClientID), f.wantNoConsent(ctx, c))
}

// crowdGivesUp lets half of a crowd give up, before or at any moment. They may not know
// what has become of their verbs, but can find out; the others notice nothing.
func crowdGivesUp(ctx context.Context, f *fixture) error {
	errs := race(func(i int) error {
		own, cancel := context.WithCancel(ctx)
		defer cancel()
		switch i % 4 {
		case 0:
			cancel()
		case 2:
			go cancel()
		}
		g := f.grant(fmt.Sprint("code ", i))
		redeemed := f.Redeem(own, g)
		_, advanced := f.Advance(own, issuer, g.ID, 0, f.clock.Now())
		if i%2 == 1 {
			return errors.Join(redeemed, advanced, f.Revoke(own, issuer, g.ID))
		}
		return f.findOut(ctx, g, redeemed, advanced)
	})
	for i := 1; i < crowd; i += 2 {
		errs = append(errs, f.wantNoGrant(ctx, f.grant(fmt.Sprint("code ", i)), store.ErrRevoked))
	}
	return errors.Join(errs...)
}

// findOut does again what somebody did who gave up at some moment.
func (f *fixture) findOut(ctx context.Context, g store.Grant, redeemed, advanced error) error {
	again := wantError("second Redeem", f.Redeem(ctx, g), store.ErrSpent)
	if redeemed != nil {
		again = wantError("Redeem after one that was given up", f.Redeem(ctx, g), nil, store.ErrSpent)
	}
	_, err := f.Advance(ctx, issuer, g.ID, 0, f.clock.Now())
	once := wantError("second Advance", err, store.ErrReused)
	if advanced != nil {
		once = wantError("Advance after one that was given up", err, nil, store.ErrReused)
	}
	g.Counter = 1
	return errors.Join(again, once, f.wantGrant(ctx, g))
}

// wantGivenUp is for a verb whose context has ended before: it is no answer.
func wantGivenUp(verb string, got error) error {
	for _, answer := range []error{nil, store.ErrNotFound, store.ErrSpent, store.ErrRevoked, store.ErrReused, store.ErrUsed} {
		if errors.Is(got, answer) {
			return fail("%s with an ended context = %v, want an error that is no answer", verb, got)
		}
	}
	return nil
}

// endedContext: nothing may happen for somebody who is told that it failed.
func endedContext(ctx context.Context, f *fixture) error {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	unspent, lives := f.grant("unspent"), f.grant("lives")
	errs := []error{
		f.Redeem(ctx, lives),
		wantGivenUp("Redeem", f.Redeem(ended, unspent)),
		wantGivenUp("Revoke", f.Revoke(ended, issuer, lives.ID)),
	}
	_, err := f.Advance(ended, issuer, lives.ID, 0, f.clock.Now())
	errs = append(errs, wantGivenUp("Advance", err))
	_, err = f.SessionGrants(ended, issuer, lives.SessionID)
	errs = append(errs, wantGivenUp("SessionGrants", err), wantGivenUp("Spend", f.Spend(ended, issuer, "id", f.clock.Now().Add(spentLife))))
	_, err = f.Grant(ended, issuer, lives.ID)
	errs = append(errs, wantGivenUp("Grant", err))
	if f.sweeps() {
		_, err = f.any().(store.Sweeper).Sweep(ended, 10)
		errs = append(errs, wantGivenUp("Sweep", err))
	}
	return errors.Join(append(errs,
		f.wantNoGrant(ctx, unspent, store.ErrNotFound), f.wantGrant(ctx, lives),
		wantError("Redeem after one with an ended context", f.Redeem(ctx, unspent), nil), f.wantGrant(ctx, unspent),
		f.wantSpent(ctx, "id"))...)
}

func endedContextOfPeople(ctx context.Context, f *fixture) error {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	lives, never := f.session("lives"), f.session("never")
	c := f.consent("openid")
	errs := []error{
		f.CreateSession(ctx, lives), f.Allow(ctx, c),
		wantGivenUp("CreateSession", f.CreateSession(ended, never)),
		wantGivenUp("RenewSession", f.RenewSession(ended, f.renewed(lives, "new"))),
		wantGivenUp("EndSession", f.EndSession(ended, issuer, lives.ID)),
		wantGivenUp("Allow", f.Allow(ended, f.consent("email"))),
		wantGivenUp("Forget", f.Forget(ended, issuer, c.Subject, c.ClientID)),
	}
	_, err := f.Session(ended, issuer, lives.ID)
	_, errConsent := f.Consent(ended, issuer, c.Subject, c.ClientID)
	return errors.Join(append(errs, wantGivenUp("Session", err), wantGivenUp("Consent", errConsent),
		f.wantSession(ctx, lives), f.wantNoSession(ctx, never), f.wantConsent(ctx, c))...)
}
