// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
)

var revokeChecks = []check{
	{"Revoke/ThenRedeem", revokeThenRedeem},
	{"Revoke/AfterCodeEnd", revokeLate},
	{"Revoke/StaysUntilCodeEnd", revokeStays},
	{"Revoke/Twice", revokeTwice},
	{"Revoke/NotRedeemed", revokeUnknown},
	{"Revoke/AgainstAdvance", revokeAgainstAdvance},
	{"Revoke/AgainstRedeem", revokeAgainstRedeem},
	{"Revoke/OfACrowd", revokeRace},
}

// anyEnd is what a store may say of a revoked grant once its code is over: it may
// remember, or have forgotten.
var anyEnd = []error{store.ErrRevoked, store.ErrNotFound}

// revokeThenRedeem is the hazard of a store in which revoking is deleting: the
// third redemption of a code would create the grant anew.
func revokeThenRedeem(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	return errors.Join(err,
		wantError("Revoke", f.Revoke(ctx, issuer, "code"), nil),
		f.wantNoGrant(ctx, g, store.ErrRevoked),
		wantError("Redeem of a revoked grant", f.Redeem(ctx, g), store.ErrSpent),
		f.wantNoGrant(ctx, g, store.ErrRevoked),
	)
}

// revokeLate is the usual case: nobody can present the code any more.
func revokeLate(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	f.clock.Set(g.CodeExpiresAt.Add(time.Minute))
	return errors.Join(err,
		wantError("Revoke", f.Revoke(ctx, issuer, "code"), nil),
		f.wantNoGrant(ctx, g, anyEnd...),
		wantError("Redeem of a revoked grant", f.Redeem(ctx, g), store.ErrSpent),
		f.wantNoGrant(ctx, g, anyEnd...),
	)
}

func revokeStays(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	errs := []error{err, f.Revoke(ctx, issuer, "code")}
	f.clock.Set(g.CodeExpiresAt.Add(-justNot))
	errs = append(errs,
		wantError("Redeem just before the code's end", f.Redeem(ctx, g), store.ErrSpent),
		f.wantNoGrant(ctx, g, store.ErrRevoked))
	f.clock.Set(g.CodeExpiresAt)
	errs = append(errs,
		wantError("Redeem at the code's end", f.Redeem(ctx, g), store.ErrSpent),
		f.wantNoGrant(ctx, g, anyEnd...))
	f.clock.Set(g.ExpiresAt)
	errs = append(errs,
		wantError("Redeem at the grant's end", f.Redeem(ctx, g), store.ErrSpent),
		f.wantNoGrant(ctx, g, anyEnd...))
	return errors.Join(errs...)
}

func revokeTwice(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	return errors.Join(err,
		wantError("Revoke", f.Revoke(ctx, issuer, "code"), nil),
		wantError("second Revoke", f.Revoke(ctx, issuer, "code"), nil),
		f.wantNoGrant(ctx, g, store.ErrRevoked),
	)
}

// revokeUnknown: a store cannot know of a code that was not redeemed, and must not
// write for one.
func revokeUnknown(ctx context.Context, f *fixture) error {
	g := f.grant("code")
	return errors.Join(
		wantError("Revoke of nothing", f.Revoke(ctx, issuer, "code"), nil),
		f.wantNoGrant(ctx, g, store.ErrNotFound),
		wantError("Redeem after it", f.Redeem(ctx, g), nil),
		f.wantGrant(ctx, g),
	)
}

func revokeAgainstAdvance(ctx context.Context, f *fixture) error {
	return f.endAgainstAdvance(ctx, func(issuer, id string) error { return f.Revoke(ctx, issuer, id) })
}

// endAgainstAdvance lets a crowd advance a grant until it is ended: nothing may bring
// it back.
func (f *fixture) endAgainstAdvance(ctx context.Context, end func(issuer, id string) error) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	if err != nil {
		return err
	}
	var revoked atomic.Bool
	errs := race(func(i int) error {
		if i == crowd/2 {
			defer revoked.Store(true)
			return end(issuer, "code")
		}
		for from := 0; ; {
			over := revoked.Load()
			got, err := f.Advance(ctx, issuer, "code", from, f.clock.Now())
			switch {
			case errors.Is(err, store.ErrRevoked):
				return nil
			case over || err != nil && !errors.Is(err, store.ErrReused):
				return wantError("Advance after Revoke", err, store.ErrRevoked)
			}
			from = got.Counter
		}
	})
	return errors.Join(errors.Join(errs...), f.wantNoGrant(ctx, g, store.ErrRevoked))
}

// revokeAgainstRedeem lets half of a crowd redeem a code, and half revoke what it
// gives. Whoever redeems first wins, whatever the others do; what has been revoked by
// then nobody can know of.
func revokeAgainstRedeem(ctx context.Context, f *fixture) error {
	g := f.grant("code")
	var redeemed []error
	errs := race(func(i int) error {
		if i%2 == 0 {
			return f.Redeem(ctx, g)
		}
		return f.Revoke(ctx, issuer, g.ID)
	})
	for i, err := range errs {
		if i%2 == 0 {
			redeemed = append(redeemed, err)
		} else if err != nil {
			return fail("Revoke = %v, want success", err)
		}
	}
	same := f.wantGrant
	if _, err := f.Grant(ctx, issuer, g.ID); err != nil {
		same = func(ctx context.Context, g store.Grant) error { return f.wantNoGrant(ctx, g, store.ErrRevoked) }
	}
	return errors.Join(oneWinner("Redeem", redeemed, store.ErrSpent), same(ctx, g),
		f.Revoke(ctx, issuer, g.ID), f.wantNoGrant(ctx, g, store.ErrRevoked),
		wantError("Redeem of a revoked grant", f.Redeem(ctx, g), store.ErrSpent))
}

// revokeRace: everyone wins, since everyone finds what they want.
func revokeRace(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	errs := race(func(int) error {
		if err := f.Revoke(ctx, issuer, g.ID); err != nil {
			return fail("Revoke = %v, want success", err)
		}
		_, err := f.Grant(ctx, issuer, g.ID)
		return wantError("Grant", err, store.ErrRevoked)
	})
	return errors.Join(append(errs, err, f.wantNoGrant(ctx, g, store.ErrRevoked))...)
}

var restartChecks = []check{
	{"Restart/SpentStaysSpent", restartSpent},
	{"Restart/RevokedStaysRevoked", restartRevoked},
	{"Restart/FreshCode", restartFresh},
	{"Restart/WhatIsDurableStays", restartDurable},
}

func restartSpent(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	f.restart()
	return errors.Join(err, wantError("Redeem after a restart", f.Redeem(ctx, g), store.ErrSpent))
}

func restartRevoked(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	errRevoke := f.Revoke(ctx, issuer, "code")
	f.restart()
	ended := []error{store.ErrRevoked}
	if !f.backend.Durable {
		ended = anyEnd
	}
	return errors.Join(err, errRevoke,
		f.wantNoGrant(ctx, g, ended...),
		wantError("Redeem after a restart", f.Redeem(ctx, g), store.ErrSpent),
		f.wantNoGrant(ctx, g, ended...),
	)
}

// restartFresh: codes issued after a restart work, and those from before where the
// store can know that they are fresh.
func restartFresh(ctx context.Context, f *fixture) error {
	before := f.grant("issued before")
	f.restart()
	after, err := f.redeemed(ctx, f.grant("issued after"))
	errs := []error{err, f.wantGrant(ctx, after)}
	if f.backend.Durable {
		errs = append(errs, wantError("Redeem of a fresh code after a restart", f.Redeem(ctx, before), nil))
	} else {
		errs = append(errs, wantError("Redeem of a code that may be spent", f.Redeem(ctx, before), store.ErrSpent))
	}
	return errors.Join(errs...)
}

func restartDurable(ctx context.Context, f *fixture) error {
	if !f.backend.Durable {
		return nil
	}
	g, err := f.redeemed(ctx, f.grant("code"))
	s, c := f.session("session"), f.consent("openid")
	errs := []error{err, f.CreateSession(ctx, s), f.Allow(ctx, c)}
	_, err = f.Advance(ctx, issuer, "code", 0, f.clock.Now())
	g.Counter, g.AdvancedAt = 1, f.clock.Now()
	s = f.renewed(s, "new")
	errs = append(errs, f.RenewSession(ctx, s))
	f.restart()
	errs = append(errs, f.wantGrantsOf(ctx, issuer, g.SessionID, g))
	return errors.Join(append(errs, err,
		f.wantGrant(ctx, g), f.wantSession(ctx, s), f.wantConsent(ctx, c))...)
}
