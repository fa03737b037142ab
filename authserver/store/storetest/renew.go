// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
)

// These are about a session whose person signs in again.
var renewChecks = []check{
	{"Renew/GivesWhatIsNew", renewGives},
	{"Renew/LeavesTheRest", renewLeaves},
	{"Renew/OtherSubject", renewSubject},
	{"Renew/Unknown", func(ctx context.Context, f *fixture) error {
		s := f.session("session")
		return errors.Join(wantError("RenewSession of nothing", f.RenewSession(ctx, s), store.ErrNotFound), f.wantNoSession(ctx, s))
	}},
	{"Renew/Ended", renewEnded},
	{"Renew/Expired", renewExpired},
	{"Renew/LivesUntilItsNewEnd", renewLives},
	{"Renew/IssuersAreSeparate", renewIssuers},
	{"Renew/OfACrowd", renewRace},
	{"Renew/AgainstEnd", renewAgainstEnd},
}

// renewed is s as it is when its person signs in again now.
func (f *fixture) renewed(s store.Session, signIn string) store.Session {
	s.SignIn, s.AuthTime, s.ExpiresAt = signIn, f.clock.Now(), f.clock.Now().Add(sessionLife)
	return s
}

func renewGives(ctx context.Context, f *fixture) error {
	s, stays := f.session("session"), f.session("another")
	errs := []error{f.CreateSession(ctx, s), f.CreateSession(ctx, stays)}
	for i := range 3 {
		f.clock.Advance(time.Hour)
		s = f.renewed(s, fmt.Sprint("sign-in ", i))
		errs = append(errs, f.RenewSession(ctx, s), f.wantSession(ctx, s), f.wantSession(ctx, stays))
	}
	return errors.Join(errs...)
}

// renewLeaves: who signed in is who they were.
func renewLeaves(ctx context.Context, f *fixture) error {
	s := f.session("session")
	err := f.CreateSession(ctx, s)
	f.clock.Advance(time.Hour)
	want := f.renewed(s, "new")
	given := want
	given.Provider, given.PersonID = "another provider", "another name"
	return errors.Join(err, f.RenewSession(ctx, given), f.wantSession(ctx, want))
}

func renewSubject(ctx context.Context, f *fixture) error {
	s := f.session("session")
	err := f.CreateSession(ctx, s)
	f.clock.Advance(time.Hour)
	another := f.renewed(s, "new")
	another.Subject = "somebody else"
	return errors.Join(err, wantError("RenewSession for somebody else", f.RenewSession(ctx, another), store.ErrNotFound), f.wantSession(ctx, s))
}

func renewEnded(ctx context.Context, f *fixture) error {
	s := f.session("session")
	return errors.Join(f.CreateSession(ctx, s), f.EndSession(ctx, issuer, s.ID),
		wantError("RenewSession of an ended session", f.RenewSession(ctx, f.renewed(s, "new")), store.ErrNotFound), f.wantNoSession(ctx, s))
}

func renewExpired(ctx context.Context, f *fixture) error {
	over, inTime := f.session("over"), f.session("in time")
	errs := []error{f.CreateSession(ctx, over), f.CreateSession(ctx, inTime)}
	f.clock.Set(over.ExpiresAt.Add(-justNot))
	renewed := f.renewed(inTime, "new")
	errs = append(errs, f.RenewSession(ctx, renewed))
	f.clock.Set(over.ExpiresAt)
	return errors.Join(append(errs,
		wantError("RenewSession of what has expired", f.RenewSession(ctx, f.renewed(over, "new")), store.ErrNotFound),
		f.wantNoSession(ctx, over), f.wantSession(ctx, renewed))...)
}

// renewLives gives one session a later end, and one an earlier one. Sweeps must know.
func renewLives(ctx context.Context, f *fixture) error {
	longer, shorter := f.session("longer"), f.session("shorter")
	errs := []error{f.CreateSession(ctx, longer), f.CreateSession(ctx, shorter)}
	f.clock.Advance(time.Hour)
	begin := longer.ExpiresAt
	longer, shorter = f.renewed(longer, "new"), f.renewed(shorter, "new")
	longer.ExpiresAt, shorter.ExpiresAt = begin.Add(10*sessionLife), f.clock.Now().Add(time.Minute)
	errs = append(errs, f.RenewSession(ctx, longer), f.RenewSession(ctx, shorter))
	steps := []struct {
		at           time.Time
		long, short  func(context.Context, store.Session) error
		kept, sweeps int
	}{
		{shorter.ExpiresAt.Add(-justNot), f.wantSession, f.wantSession, 2, 0},
		{shorter.ExpiresAt, f.wantSession, f.wantNoSession, 2, 0},
		{shorter.ExpiresAt.Add(longOver), f.wantSession, f.wantNoSession, 1, 1},
		{longer.ExpiresAt.Add(-justNot), f.wantSession, f.wantNoSession, 1, 0},
		{longer.ExpiresAt, f.wantNoSession, f.wantNoSession, 1, 0},
		{longer.ExpiresAt.Add(longOver), f.wantNoSession, f.wantNoSession, 0, 1},
	}
	for _, step := range steps {
		f.clock.Set(step.at)
		if f.sweeps() {
			errs = append(errs, f.wantSwept(ctx, store.Swept{Sessions: step.sweeps}, step.kept))
		}
		errs = append(errs, step.long(ctx, longer), step.short(ctx, shorter))
	}
	return errors.Join(errs...)
}

func renewIssuers(ctx context.Context, f *fixture) error {
	here, there := f.session("session"), f.session("session")
	there.Issuer = other
	errs := []error{f.CreateSession(ctx, here)}
	f.clock.Advance(time.Hour)
	return errors.Join(append(errs,
		wantError("RenewSession at another issuer", f.RenewSession(ctx, f.renewed(there, "new")), store.ErrNotFound),
		f.CreateSession(ctx, there),
		f.RenewSession(ctx, f.renewed(there, "new")),
		f.wantSession(ctx, here), f.wantSession(ctx, f.renewed(there, "new")))...)
}

// renewRace: everyone wins, and what is kept is all of one of them.
func renewRace(ctx context.Context, f *fixture) error {
	s := f.session("session")
	err := f.CreateSession(ctx, s)
	of := func(i int) store.Session {
		s := f.renewed(s, fmt.Sprint("sign-in ", i))
		s.AuthTime, s.ExpiresAt = s.AuthTime.Add(time.Duration(i)*time.Second), s.ExpiresAt.Add(time.Duration(i)*time.Second)
		return s
	}
	errs := race(func(i int) error { return f.RenewSession(ctx, of(i)) })
	if err := errors.Join(append(errs, err)...); err != nil {
		return fail("RenewSession of a crowd = %v, want success for all", err)
	}
	for i := range crowd {
		if err = f.wantSession(ctx, of(i)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("the session is none of those that it was renewed with: %w", err)
}

// persistent is how many of a crowd go on.
const persistent = 4

// renewAgainstEnd lets a crowd renew a session, and a few of it until it is ended:
// nothing may bring it back. All of it without end would leave a store no turn for the
// end.
func renewAgainstEnd(ctx context.Context, f *fixture) error {
	s := f.session("session")
	if err := f.CreateSession(ctx, s); err != nil {
		return err
	}
	var ended atomic.Bool
	errs := race(func(i int) error {
		if i == crowd/2 {
			defer ended.Store(true)
			return f.EndSession(ctx, issuer, s.ID)
		}
		for {
			over := ended.Load()
			err := f.RenewSession(ctx, f.renewed(s, fmt.Sprint("sign-in ", i)))
			switch {
			case errors.Is(err, store.ErrNotFound):
				return nil
			case over || err != nil:
				return wantError("RenewSession after EndSession", err, store.ErrNotFound)
			case i >= persistent:
				return nil
			}
		}
	})
	return errors.Join(append(errs, f.wantNoSession(ctx, s))...)
}
