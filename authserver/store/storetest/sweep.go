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

// These are for a store that is a store.Sweeper. Any other one passes, unless it is
// durable: such a store would grow for ever.
var sweepChecks = []check{
	{"Sweep/DurableStoresSweep", func(_ context.Context, f *fixture) error {
		if f.backend.Durable && !f.sweeps() {
			return fail("%T is no store.Sweeper", f.on(0))
		}
		return nil
	}},
	{"Sweep/Nothing", sweeping(sweepNothing)},
	{"Sweep/LivingStay", sweeping(sweepLiving)},
	{"Sweep/NotBeforeSkew", sweeping(sweepAhead)},
	{"Sweep/TombstoneStays", sweeping(sweepTombstone)},
	{"Sweep/SweptCodeIsSpent", sweeping(sweepSpent)},
	{"Sweep/AfterCodeEnd", sweeping(sweepYoung)},
	{"Sweep/Pages", sweeping(sweepPages)},
	{"Sweep/NothingRemains", sweeping(sweepRemains)},
	{"Sweep/OfACrowd", sweeping(sweepRace)},
	{"Sweep/AgainstRedeem", sweeping(sweepAgainstRedeem)},
}

// longOver is for how long something must have been over to be swept for sure.
const longOver = 2 * time.Hour

func sweeping(run func(context.Context, *fixture) error) func(context.Context, *fixture) error {
	return func(ctx context.Context, f *fixture) error {
		if !f.sweeps() {
			return nil
		}
		return run(ctx, f)
	}
}

func (f *fixture) sweeps() bool {
	_, ok := f.on(0).(store.Sweeper)
	return ok
}

func (f *fixture) sweep(ctx context.Context, page int) (store.Swept, error) {
	swept, err := f.any().(store.Sweeper).Sweep(ctx, page)
	if err != nil {
		return swept, fail("Sweep(%d) = %v, want success", page, err)
	}
	return swept, nil
}

// sweepAll sweeps until there is no more, and returns what went in all.
func (f *fixture) sweepAll(ctx context.Context) (store.Swept, error) {
	const page = 10
	var all store.Swept
	for range patience {
		swept, err := f.sweep(ctx, page)
		if err != nil {
			return all, err
		}
		if max(swept.Sessions, swept.Grants, swept.Spent) > 2*page {
			return all, fail("Sweep(%d) = %+v, want about a page of each at the most", page, swept)
		}
		all.Sessions, all.Grants, all.Spent = all.Sessions+swept.Sessions, all.Grants+swept.Grants, all.Spent+swept.Spent
		if swept.More {
			continue
		}
		if again, err := f.sweep(ctx, page); err != nil || again != (store.Swept{}) {
			return all, fail("Sweep after one that said that there is no more = %+v, %v, want nothing", again, err)
		}
		return all, nil
	}
	return all, fail("Sweep says for ever that there is more")
}

// wantSwept sweeps everything and compares what went. Where records can be counted,
// what is left is compared as well.
func (f *fixture) wantSwept(ctx context.Context, want store.Swept, left int) error {
	got, err := f.sweepAll(ctx)
	if err == nil && got != want {
		err = fail("Sweep, page by page = %+v, want %+v", got, want)
	}
	return errors.Join(err, f.wantCount(left))
}

func (f *fixture) wantCount(want int) error {
	if f.backend.Count == nil {
		return nil
	}
	if got := f.backend.Count(f.t, f.any()); got != want {
		return fail("%d records are kept, want %d", got, want)
	}
	return nil
}

func sweepNothing(ctx context.Context, f *fixture) error {
	empty := f.wantSwept(ctx, store.Swept{}, 0)
	g, err := f.redeemed(ctx, f.grant("code"))
	s, c := f.session("session"), f.consent("openid")
	errs := []error{
		empty, err, f.CreateSession(ctx, s), f.Allow(ctx, c),
		f.wantSwept(ctx, store.Swept{}, 2),
		f.wantGrant(ctx, g), f.wantSession(ctx, s), f.wantConsent(ctx, c),
	}
	f.clock.Advance(10000 * time.Hour)
	return errors.Join(append(errs,
		f.wantSwept(ctx, store.Swept{Sessions: 1, Grants: 1}, 0),
		f.wantConsent(ctx, c))...)
}

// sweepLiving lets very many end at very many times.
func sweepLiving(ctx context.Context, f *fixture) error {
	var errs []error
	var grants []store.Grant
	var sessions []store.Session
	for i := range crowd {
		g, s := f.grant(fmt.Sprint("code ", i)), f.session(fmt.Sprint("session ", i))
		end := time.Duration(1+i*37%crowd) * time.Hour
		g.ExpiresAt, s.ExpiresAt = g.IssuedAt.Add(end), s.AuthTime.Add(end)
		_, err := f.redeemed(ctx, g)
		errs = append(errs, err, f.CreateSession(ctx, s))
		grants, sessions = append(grants, g), append(sessions, s)
	}
	for range 4 {
		f.clock.Advance(crowd / 4 * time.Hour)
		_, err := f.sweepAll(ctx)
		errs = append(errs, err)
		for i := range crowd {
			g, s := grants[i], sessions[i]
			if f.clock.Now().Before(g.ExpiresAt) {
				errs = append(errs, f.wantGrant(ctx, g), f.wantSession(ctx, s))
				continue
			}
			errs = append(errs, f.wantNoGrant(ctx, g, store.ErrNotFound), f.wantNoSession(ctx, s))
		}
	}
	return errors.Join(errs...)
}

// sweepAhead sweeps by a clock that is ahead of another replica's.
func sweepAhead(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	s := f.session("session")
	s.ExpiresAt = g.ExpiresAt
	errs := []error{err, f.CreateSession(ctx, s)}
	f.clock.Set(g.ExpiresAt.Add(store.Skew - justNot))
	errs = append(errs, f.wantSwept(ctx, store.Swept{}, 2))
	f.clock.Set(g.ExpiresAt.Add(-justNot))
	return errors.Join(append(errs, f.wantGrant(ctx, g), f.wantSession(ctx, s))...)
}

// sweepTombstone is the hazard of a tombstone that is swept by a clock that is ahead,
// while another replica still takes its code, or has taken it and is late.
func sweepTombstone(ctx context.Context, f *fixture) error {
	short := f.grant("short")
	short.ExpiresAt = short.IssuedAt.Add(time.Second)
	_, errShort := f.redeemed(ctx, short)
	g, err := f.redeemed(ctx, f.grant("revoked"))
	errs := []error{errShort, err, f.Revoke(ctx, issuer, g.ID)}
	ended := []store.Grant{g}
	if f.backend.DeleteByHand != nil {
		g, err := f.redeemed(ctx, f.grant("by hand"))
		errs = append(errs, err, f.deleteByHand(issuer, g.ID))
		ended = append(ended, g)
	}
	for _, at := range []time.Time{g.IssuedAt, short.ExpiresAt.Add(store.Skew), g.CodeExpiresAt.Add(store.Skew + store.Late - justNot)} {
		f.clock.Set(at)
		_, err := f.sweepAll(ctx)
		f.clock.Set(g.CodeExpiresAt.Add(-justNot))
		errs = append(errs, err,
			wantError("Redeem of a short grant", f.Redeem(ctx, short), store.ErrSpent),
			f.wantNoGrant(ctx, short, store.ErrNotFound))
		for _, g := range ended {
			errs = append(errs,
				wantError("Redeem of an ended grant", f.Redeem(ctx, g), store.ErrSpent),
				f.wantNoGrant(ctx, g, store.ErrRevoked))
		}
	}
	return errors.Join(errs...)
}

// sweepSpent: of what is forgotten nobody knows, and nobody has to.
func sweepSpent(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grant("code"))
	f.clock.Set(g.ExpiresAt.Add(longOver))
	return errors.Join(err,
		f.wantSwept(ctx, store.Swept{Grants: 1}, 0),
		wantError("Redeem of a swept code", f.Redeem(ctx, g), store.ErrSpent),
		wantError("Revoke of a swept grant", f.Revoke(ctx, issuer, g.ID), nil),
		f.wantNoGrant(ctx, g, store.ErrNotFound),
		f.wantCount(0),
	)
}

// sweepYoung sweeps when codes are over and their grants are not: grants go on, and
// can be revoked.
func sweepYoung(ctx context.Context, f *fixture) error {
	lives, err := f.redeemed(ctx, f.grant("lives"))
	ends, errEnds := f.redeemed(ctx, f.grant("ends"))
	f.clock.Set(lives.CodeExpiresAt.Add(30 * time.Minute))
	errs := []error{
		err, errEnds, f.wantSwept(ctx, store.Swept{}, 2),
		f.wantGrant(ctx, lives), f.wantGrant(ctx, ends),
		f.Revoke(ctx, issuer, ends.ID), f.wantNoGrant(ctx, ends, anyEnd...),
	}
	_, err = f.sweepAll(ctx)
	_, advanced := f.Advance(ctx, issuer, lives.ID, 0, f.clock.Now())
	lives.Counter, lives.AdvancedAt = 1, f.clock.Now()
	return errors.Join(append(errs, err, advanced,
		f.wantGrant(ctx, lives), f.wantNoGrant(ctx, ends, anyEnd...),
		wantError("Redeem of a swept grant", f.Redeem(ctx, ends), store.ErrSpent))...)
}

func sweepPages(ctx context.Context, f *fixture) error {
	errs := []error{f.endCrowd(ctx)}
	g, err := f.redeemed(ctx, f.grant("lives"))
	return errors.Join(append(errs, err,
		f.wantSwept(ctx, store.Swept{Sessions: crowd, Grants: crowd, Spent: crowd}, 1),
		f.wantGrant(ctx, g))...)
}

// endCrowd makes many sessions and grants, spends many names, and lets them be over for
// long.
func (f *fixture) endCrowd(ctx context.Context) error {
	var errs []error
	for i := range crowd {
		_, err := f.redeemed(ctx, f.grant(fmt.Sprint("over ", i)))
		errs = append(errs, err, f.CreateSession(ctx, f.session(fmt.Sprint("over ", i))), f.spend(ctx, fmt.Sprint("over ", i)))
	}
	f.clock.Advance(sessionLife + longOver)
	return errors.Join(errs...)
}

// sweepRemains ends grants and sessions in every way.
func sweepRemains(ctx context.Context, f *fixture) error {
	var errs []error
	do := func(err error) { errs = append(errs, err) }
	for i := range crowd {
		g, s := f.grant(fmt.Sprint("code ", i)), f.session(fmt.Sprint("session ", i))
		if i%5 == 4 { // over before its code is
			g.ExpiresAt = g.IssuedAt.Add(time.Duration(i) * time.Second / 2)
		}
		_, err := f.redeemed(ctx, g)
		do(err)
		do(f.CreateSession(ctx, s))
		if i%2 == 0 {
			do(f.EndSession(ctx, issuer, s.ID))
		}
		switch {
		case i%5 == 1:
			do(f.Revoke(ctx, issuer, g.ID))
		case i%5 == 2 && f.backend.DeleteByHand != nil:
			do(f.deleteByHand(issuer, g.ID))
		case i%5 == 3:
			_, err := f.Advance(ctx, issuer, g.ID, 0, f.clock.Now())
			do(err)
		}
	}
	// Some are revoked when their codes are over, before and after a sweep.
	f.clock.Advance(codeLife + 10*time.Minute)
	do(f.Revoke(ctx, issuer, "code 0"))
	_, err := f.sweepAll(ctx)
	do(err)
	do(f.Revoke(ctx, issuer, "code 5"))
	f.clock.Advance(sessionLife + longOver)
	_, err = f.sweepAll(ctx)
	do(err)
	do(f.wantCount(0))
	return errors.Join(errs...)
}

// sweepRace lets some sweep while others begin grants and sessions, go on with them
// and end them.
func sweepRace(ctx context.Context, f *fixture) error {
	if err := f.endCrowd(ctx); err != nil {
		return err
	}
	chain, err := f.redeemed(ctx, f.grant("chain"))
	lives, revoked := f.grant("lives"), f.grant("revoked")
	s := f.session("session")
	errs := race(func(i int) error {
		g := lives
		g.ID = fmt.Sprint(g.ID, i)
		switch i % 5 {
		case 0:
			return f.Redeem(ctx, g)
		case 1:
			g := revoked
			g.ID = fmt.Sprint(g.ID, i)
			return errors.Join(f.Redeem(ctx, g), f.Revoke(ctx, issuer, g.ID),
				wantError("Redeem of a revoked grant", f.Redeem(ctx, g), store.ErrSpent))
		case 2:
			_, err := f.Advance(ctx, issuer, chain.ID, 0, f.clock.Now())
			return wantError("Advance", err, nil, store.ErrReused)
		case 3:
			s := s
			s.ID = fmt.Sprint(s.ID, i)
			return f.CreateSession(ctx, s)
		}
		_, err := f.sweep(ctx, 7)
		return err
	})
	errs = append(errs, err)
	_, err = f.sweepAll(ctx)
	chain.Counter, chain.AdvancedAt = 1, f.clock.Now()
	errs = append(errs, err, f.wantGrant(ctx, chain), f.wantCount(1+3*crowd/5))
	for i := 0; i < crowd; i += 5 {
		lives.ID, revoked.ID, s.ID = fmt.Sprint("lives", i), fmt.Sprint("revoked", i+1), fmt.Sprint("session", i+3)
		errs = append(errs, f.wantGrant(ctx, lives), f.wantNoGrant(ctx, revoked, store.ErrRevoked), f.wantSession(ctx, s))
	}
	return errors.Join(errs...)
}

// sweepAgainstRedeem redeems codes at their last moment by one clock, and sweeps at
// the same time by it.
func sweepAgainstRedeem(ctx context.Context, f *fixture) error {
	g := f.grant("code")
	f.clock.Set(g.CodeExpiresAt.Add(-justNot))
	var redeemed []error
	errs := race(func(i int) error {
		if i%2 == 0 {
			_, err := f.sweep(ctx, 7)
			return err
		}
		return f.Redeem(ctx, g)
	})
	for i, err := range errs {
		if i%2 == 1 {
			redeemed = append(redeemed, err)
		} else if err != nil {
			return err
		}
	}
	return errors.Join(oneWinner("Redeem", redeemed, store.ErrSpent), f.wantGrant(ctx, g))
}
