// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
)

var redeemChecks = []check{
	{"Redeem/KeepsEveryField", func(ctx context.Context, f *fixture) error {
		g, err := f.redeemed(ctx, f.grant("code"))
		return errors.Join(err, f.wantGrant(ctx, g))
	}},
	{"Redeem/UnknownGrant", func(ctx context.Context, f *fixture) error {
		return f.wantNoGrant(ctx, f.grant("code"), store.ErrNotFound)
	}},
	{"Redeem/Twice", redeemTwice},
	{"Redeem/OneOfACrowd", redeemRace},
	{"Redeem/ReplayRevokes", redeemReplay},
	{"Redeem/CodeEnds", redeemAtCodeEnd},
	{"Redeem/SpentOutlivesGrant", redeemShortGrant},
	{"Redeem/IssuersAreSeparate", redeemAtIssuers},
	{"Redeem/CopiesScopes", redeemCopies},
	{"Redeem/GrantEnds", grantEnds},
	{"Redeem/ManyEndLivingStay", manyEnd},
}

func redeemTwice(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	if err != nil {
		return err
	}
	thief := f.grant("code")
	thief.Subject, thief.ClientID, thief.Scopes = "thief", "thief", []string{"everything"}
	return errors.Join(
		wantError("second Redeem", f.Redeem(ctx, thief), store.ErrSpent),
		wantError("third Redeem", f.Redeem(ctx, g), store.ErrSpent),
		f.wantGrant(ctx, g),
	)
}

func redeemRace(ctx context.Context, f *fixture) error {
	errs := race(func(i int) error {
		g := f.grant("code")
		g.Subject = fmt.Sprint("subject ", i)
		return f.Redeem(ctx, g)
	})
	if err := oneWinner("Redeem", errs, store.ErrSpent); err != nil {
		return err
	}
	for i, err := range errs {
		if err == nil {
			g := f.grant("code")
			g.Subject = fmt.Sprint("subject ", i)
			return f.wantGrant(ctx, g)
		}
	}
	return nil
}

// redeemReplay is what a server does: whoever loses revokes what the winner has.
func redeemReplay(ctx context.Context, f *fixture) error {
	g := f.grant("code")
	errs := race(func(int) error {
		err := f.Redeem(ctx, g)
		if errors.Is(err, store.ErrSpent) {
			err = errors.Join(err, f.Revoke(ctx, g.Issuer, g.ID))
		}
		return err
	})
	return errors.Join(
		oneWinner("Redeem", errs, store.ErrSpent),
		f.wantNoGrant(ctx, g, store.ErrRevoked),
	)
}

func redeemAtCodeEnd(ctx context.Context, f *fixture) error {
	inTime, late, later := f.grant("in time"), f.grant("late"), f.grant("later")
	f.clock.Set(inTime.CodeExpiresAt.Add(-justNot))
	_, err := f.redeemed(ctx, inTime)
	f.clock.Set(late.CodeExpiresAt)
	atEnd := wantError("Redeem at the code's end", f.Redeem(ctx, late), store.ErrSpent)
	f.clock.Advance(time.Minute)
	after := wantError("Redeem after the code's end", f.Redeem(ctx, later), store.ErrSpent)
	return errors.Join(err, atEnd, after,
		f.wantNoGrant(ctx, late, store.ErrNotFound), f.wantNoGrant(ctx, later, store.ErrNotFound))
}

// redeemShortGrant is for a grant that ends while its code could be presented.
func redeemShortGrant(ctx context.Context, f *fixture) error {
	g := f.grant("code")
	g.ExpiresAt = g.IssuedAt.Add(time.Second)
	if _, err := f.redeemed(ctx, g); err != nil {
		return err
	}
	f.clock.Set(g.CodeExpiresAt.Add(-justNot))
	again := g
	again.ExpiresAt = g.IssuedAt.Add(grantLife)
	return errors.Join(
		f.wantNoGrant(ctx, g, store.ErrNotFound),
		wantError("second Redeem", f.Redeem(ctx, again), store.ErrSpent),
		f.wantNoGrant(ctx, g, store.ErrNotFound),
	)
}

func redeemAtIssuers(ctx context.Context, f *fixture) error {
	here, there := f.grant("code"), f.grant("code")
	there.Issuer, there.Subject = other, "somebody else"
	_, errHere := f.redeemed(ctx, here)
	_, errThere := f.redeemed(ctx, there)
	_, errAdvance := f.Advance(ctx, other, "code", 0, f.clock.Now())
	there.Counter, there.AdvancedAt = 1, f.clock.Now()
	return errors.Join(errHere, errThere, errAdvance,
		f.wantGrant(ctx, here),
		f.wantGrant(ctx, there),
		f.Revoke(ctx, issuer, "code"),
		f.wantNoGrant(ctx, here, store.ErrRevoked),
		f.wantGrant(ctx, there),
	)
}

// redeemCopies changes every slice that went in or came out.
func redeemCopies(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	if err != nil {
		return err
	}
	want := f.grant("code")
	g.Scopes[0] = "changed after Redeem"
	read, err := f.Grant(ctx, issuer, "code")
	if err != nil {
		return err
	}
	same := sameGrant("Grant after Redeem's scopes were changed", read, want)
	read.Scopes[0] = "changed after Grant"
	advanced, err := f.Advance(ctx, issuer, "code", 0, f.clock.Now())
	if err != nil || len(advanced.Scopes) == 0 {
		return fail("Advance = %+v, %v, want scopes", advanced, err)
	}
	advanced.Scopes[0] = "changed after Advance"
	reused, err := f.Advance(ctx, issuer, "code", 0, f.clock.Now())
	if !errors.Is(err, store.ErrReused) || len(reused.Scopes) == 0 {
		return fail("Advance again = %+v, %v, want scopes and ErrReused", reused, err)
	}
	reused.Scopes[0] = "changed after ErrReused"
	want.Counter, want.AdvancedAt = 1, f.clock.Now()
	return errors.Join(same, f.wantGrant(ctx, want))
}

func grantEnds(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	if err != nil {
		return err
	}
	f.clock.Set(g.ExpiresAt.Add(-justNot))
	before := f.wantGrant(ctx, g)
	f.clock.Set(g.ExpiresAt)
	return errors.Join(before,
		f.wantNoGrant(ctx, g, store.ErrNotFound),
		wantError("Redeem after the grant's end", f.Redeem(ctx, g), store.ErrSpent),
		wantError("Revoke after the grant's end", f.Revoke(ctx, g.Issuer, g.ID), nil),
		f.wantNoGrant(ctx, g, anyEnd...),
	)
}

// manyEnd is for stores that sweep: it must take what has ended and nothing else.
func manyEnd(ctx context.Context, f *fixture) error {
	var all []store.Grant
	for i := range crowd {
		g := f.grant(fmt.Sprint("code ", i))
		g.ExpiresAt = g.IssuedAt.Add(time.Duration(1+i*37%crowd) * time.Hour)
		if _, err := f.redeemed(ctx, g); err != nil {
			return err
		}
		all = append(all, g)
	}
	var errs []error
	f.clock.Advance(crowd / 2 * time.Hour)
	for round := range crowd { // of writes, which may sweep
		_, err := f.redeemed(ctx, f.grant(fmt.Sprint("later code ", round)))
		errs = append(errs, err)
	}
	for _, g := range all {
		if f.clock.Now().Before(g.ExpiresAt) {
			errs = append(errs, f.wantGrant(ctx, g))
		} else {
			errs = append(errs, f.wantNoGrant(ctx, g, store.ErrNotFound))
		}
	}
	return errors.Join(errs...)
}

var advanceChecks = []check{
	{"Advance/Counts", advanceCounts},
	{"Advance/Reused", advanceReused},
	{"Advance/OneOfACrowd", advanceRace},
	{"Advance/ChainOfACrowd", advanceChain},
	{"Advance/GrantEnds", advanceEnds},
}

func advanceCounts(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	if err != nil {
		return err
	}
	for from := range 3 {
		f.clock.Advance(time.Minute)
		got, err := f.Advance(ctx, issuer, "code", from, f.clock.Now())
		g.Counter, g.AdvancedAt = from+1, f.clock.Now()
		if err != nil {
			return fail("Advance(%d) = %v, want success", from, err)
		}
		if err := errors.Join(sameGrant("Advance", got, g), f.wantGrant(ctx, g)); err != nil {
			return err
		}
	}
	return nil
}

func advanceReused(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	if err != nil {
		return err
	}
	g.Counter, g.AdvancedAt = 1, f.clock.Now()
	if _, err = f.Advance(ctx, issuer, "code", 0, f.clock.Now()); err != nil {
		return fail("Advance(0) = %v, want success", err)
	}
	f.clock.Advance(time.Minute)
	var errs []error
	// One behind is a token used twice; ahead is one of a store that was restored.
	for _, from := range []int{0, 2, 7, -1} {
		got, err := f.Advance(ctx, issuer, "code", from, f.clock.Now())
		verb := fmt.Sprintf("Advance(%d) of 1", from)
		errs = append(errs, wantError(verb, err, store.ErrReused), sameGrant(verb, got, g))
	}
	return errors.Join(append(errs, f.wantGrant(ctx, g))...)
}

func advanceRace(ctx context.Context, f *fixture) error {
	want, err := f.redeemed(ctx, f.grant("code"))
	if err != nil {
		return err
	}
	want.Counter, want.AdvancedAt = 1, f.clock.Now()
	results := make([]store.Grant, crowd)
	errs := race(func(i int) (err error) {
		results[i], err = f.Advance(ctx, issuer, "code", 0, f.clock.Now())
		return err
	})
	if err := oneWinner("Advance", errs, store.ErrReused); err != nil {
		return err
	}
	for _, got := range results {
		if err := sameGrant("Advance, of winner and losers,", got, want); err != nil {
			return err
		}
	}
	return f.wantGrant(ctx, want)
}

// advanceChain lets everyone go on from wherever the grant is: each step is one
// goroutine's, and none is lost.
func advanceChain(ctx context.Context, f *fixture) error {
	want, err := f.redeemed(ctx, f.grant("code"))
	if err != nil {
		return err
	}
	errs := race(func(int) error {
		from := 0
		for range patience {
			got, err := f.Advance(ctx, issuer, "code", from, f.clock.Now())
			if !errors.Is(err, store.ErrReused) {
				return err
			}
			if got.Counter <= from {
				return fail("Advance(%d) = ErrReused with counter %d, want a later one", from, got.Counter)
			}
			from = got.Counter
		}
		return errors.New("Advance never wins")
	})
	want.Counter, want.AdvancedAt = crowd, f.clock.Now()
	return errors.Join(errors.Join(errs...), f.wantGrant(ctx, want))
}

func advanceEnds(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	if err != nil {
		return err
	}
	f.clock.Set(g.ExpiresAt.Add(-justNot))
	_, before := f.Advance(ctx, issuer, "code", 0, f.clock.Now())
	f.clock.Set(g.ExpiresAt)
	_, at := f.Advance(ctx, issuer, "code", 1, f.clock.Now())
	_, reused := f.Advance(ctx, issuer, "code", 0, f.clock.Now())
	return errors.Join(
		wantError("Advance before the end", before, nil),
		wantError("Advance at the end", at, store.ErrNotFound),
		wantError("Advance with an old counter at the end", reused, store.ErrNotFound),
	)
}
