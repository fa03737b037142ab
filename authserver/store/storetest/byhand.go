// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
)

// These are for a store whose grants an administrator can delete. It must be as if
// they had been revoked.
var byHandChecks = []check{
	{"ByHand/CodeStaysSpent", byHand(byHandSpent)},
	{"ByHand/AfterCodeEnd", byHand(byHandLate)},
	{"ByHand/AfterRestart", byHand(byHandRestart)},
	{"ByHand/Nothing", byHand(byHandNothing)},
	{"ByHand/OfACrowd", byHand(byHandRace)},
	{"ByHand/AgainstAdvance", byHand(byHandAgainstAdvance)},
}

func byHand(run func(context.Context, *fixture) error) func(context.Context, *fixture) error {
	return func(ctx context.Context, f *fixture) error {
		if f.backend.DeleteByHand == nil {
			return nil
		}
		return run(ctx, f)
	}
}

// byHandSpent: neither the second nor the third redemption makes the grant anew, and
// no sweep helps before the code is over.
func byHandSpent(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	stays, errStays := f.redeemed(ctx, f.grant("stays"))
	errs := []error{err, errStays, f.deleteByHand(issuer, g.ID), f.wantNoGrant(ctx, g, store.ErrRevoked)}
	for _, at := range []time.Time{g.IssuedAt, g.CodeExpiresAt.Add(-justNot)} {
		f.clock.Set(at)
		for range 3 {
			errs = append(errs,
				wantError("Redeem of a grant deleted by hand", f.Redeem(ctx, g), store.ErrSpent),
				f.wantNoGrant(ctx, g, store.ErrRevoked),
				wantError("Revoke of a grant deleted by hand", f.Revoke(ctx, issuer, g.ID), nil),
				f.deleteByHand(issuer, g.ID))
			if f.sweeps() {
				_, err := f.sweepAll(ctx)
				errs = append(errs, err)
			}
		}
	}
	for _, at := range []time.Time{g.CodeExpiresAt, g.CodeExpiresAt.Add(30 * time.Minute)} {
		f.clock.Set(at)
		if f.sweeps() {
			_, err := f.sweepAll(ctx)
			errs = append(errs, err)
		}
		errs = append(errs, wantError("Redeem after the code's end", f.Redeem(ctx, g), store.ErrSpent), f.wantNoGrant(ctx, g, anyEnd...))
	}
	return errors.Join(append(errs, f.wantGrant(ctx, stays))...)
}

// byHandLate deletes when nobody can present the code any more: once after a sweep,
// and once without.
func byHandLate(ctx context.Context, f *fixture) error {
	first, err := f.redeemed(ctx, f.grant("first"))
	second, errSecond := f.redeemed(ctx, f.grant("second"))
	f.clock.Set(first.CodeExpiresAt.Add(30 * time.Minute))
	errs := []error{err, errSecond, f.deleteByHand(issuer, first.ID), f.wantNoGrant(ctx, first, anyEnd...)}
	if f.sweeps() {
		_, err := f.sweepAll(ctx)
		errs = append(errs, err)
	}
	errs = append(errs, f.wantGrant(ctx, second), f.deleteByHand(issuer, second.ID))
	for _, g := range []store.Grant{first, second} {
		errs = append(errs, f.wantNoGrant(ctx, g, anyEnd...),
			wantError("Redeem of a grant deleted by hand", f.Redeem(ctx, g), store.ErrSpent), f.wantNoGrant(ctx, g, anyEnd...))
	}
	return errors.Join(errs...)
}

func byHandRestart(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	errDelete := f.deleteByHand(issuer, g.ID)
	f.restart()
	return errors.Join(err, errDelete, f.wantNoGrant(ctx, g, store.ErrRevoked),
		wantError("Redeem of a grant deleted by hand", f.Redeem(ctx, g), store.ErrSpent))
}

// byHandNothing: what is not there cannot be deleted, and its code stays good.
func byHandNothing(ctx context.Context, f *fixture) error {
	g := f.grant("code")
	deleted := f.deleteByHand(issuer, g.ID)
	_, err := f.redeemed(ctx, g)
	return errors.Join(deleted, err, f.deleteByHand(other, g.ID), f.wantGrant(ctx, g))
}

// byHandRace: everyone deletes and revokes the same grant, and some present its code.
func byHandRace(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	errs := race(func(i int) error {
		switch i % 3 {
		case 0:
			return f.deleteByHand(issuer, g.ID)
		case 1:
			return f.Revoke(ctx, issuer, g.ID)
		}
		return wantError("Redeem", f.Redeem(ctx, g), store.ErrSpent)
	})
	return errors.Join(append(errs, err, f.wantNoGrant(ctx, g, store.ErrRevoked),
		wantError("Redeem of a grant deleted by hand", f.Redeem(ctx, g), store.ErrSpent))...)
}

func byHandAgainstAdvance(ctx context.Context, f *fixture) error {
	return f.endAgainstAdvance(ctx, f.deleteByHand)
}
