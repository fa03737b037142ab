// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
)

// These are about what may be used once.
var spendChecks = []check{
	{"Spend/Once", spendOnce},
	{"Spend/OneOfACrowd", spendRace},
	{"Spend/UntilItsTime", spendUntil},
	{"Spend/ItsTimeHasCome", spendLate},
	{"Spend/AgainByACrowd", spendAgain},
	{"Spend/IssuersAreSeparate", spendIssuers},
	{"Spend/AnyText", spendAnyText},
	{"Spend/NoOtherRecord", spendNoOther},
	{"Spend/AfterRestart", spendRestart},
	{"Spend/SweepsLeaveIt", sweeping(spendSwept)},
	{"Spend/AgainstSweep", sweeping(spendAgainstSweep)},
}

const spentLife = 5 * time.Minute

func (f *fixture) spend(ctx context.Context, id string) error {
	return f.Spend(ctx, issuer, id, f.clock.Now().Add(spentLife))
}

// wantUsed is for what was spent, on every replica.
func (f *fixture) wantUsed(ctx context.Context, issuer, id string) error {
	var errs []error
	for _, s := range f.all {
		errs = append(errs, wantError(fmt.Sprintf("Spend(%q, %q) again", issuer, short(id)), s.Spend(ctx, issuer, id, f.clock.Now().Add(time.Hour)), store.ErrUsed))
	}
	return errors.Join(errs...)
}

// short is what of a text fits into a report.
func short(text string) string { return text[:min(len(text), 40)] }

func (f *fixture) wantSpent(ctx context.Context, id string) error {
	if err := f.spend(ctx, id); err != nil {
		return fail("Spend(%q) = %v, want success", short(id), err)
	}
	return f.wantUsed(ctx, issuer, id)
}

func spendOnce(ctx context.Context, f *fixture) error {
	return errors.Join(f.wantSpent(ctx, "one"), f.wantSpent(ctx, "another"), f.wantUsed(ctx, issuer, "one"))
}

func spendRace(ctx context.Context, f *fixture) error {
	errs := race(func(i int) error {
		return f.Spend(ctx, issuer, "id", f.clock.Now().Add(spentLife+time.Duration(i)*time.Second))
	})
	return errors.Join(oneWinner("Spend", errs, store.ErrUsed), f.wantUsed(ctx, issuer, "id"))
}

// spendUntil: it is the first one's time that counts, to the instant, whatever those who
// come later want.
func spendUntil(ctx context.Context, f *fixture) error {
	until := f.clock.Now().Add(spentLife)
	errs := []error{f.wantSpent(ctx, "id")}
	f.clock.Set(until.Add(-justNot))
	errs = append(errs, f.wantUsed(ctx, issuer, "id"))
	f.clock.Set(until)
	errs = append(errs, f.wantSpent(ctx, "id"))
	f.clock.Advance(spentLife - justNot)
	errs = append(errs, f.wantUsed(ctx, issuer, "id"))
	f.clock.Advance(1000 * time.Hour)
	return errors.Join(append(errs, f.wantSpent(ctx, "id"))...)
}

// spendLate: nobody remembers what is over, so it counts as used.
func spendLate(ctx context.Context, f *fixture) error {
	now := f.clock.Now()
	return errors.Join(
		wantError("Spend at its time", f.Spend(ctx, issuer, "at", now), store.ErrUsed),
		wantError("Spend after its time", f.Spend(ctx, issuer, "after", now.Add(-time.Hour)), store.ErrUsed),
		wantError("Spend just before its time", f.Spend(ctx, issuer, "before", now.Add(justNot)), nil),
		f.wantSpent(ctx, "at"), f.wantSpent(ctx, "after"))
}

// spendAgain: what is over may be in the way of a crowd, and may not let two through.
func spendAgain(ctx context.Context, f *fixture) error {
	var errs []error
	for range 3 {
		errs = append(errs,
			oneWinner("Spend", race(func(int) error { return f.spend(ctx, "id") }), store.ErrUsed),
			f.wantUsed(ctx, issuer, "id"))
		f.clock.Advance(spentLife)
	}
	return errors.Join(errs...)
}

func spendIssuers(ctx context.Context, f *fixture) error {
	return errors.Join(f.wantSpent(ctx, "id"),
		wantError("Spend at another issuer", f.Spend(ctx, other, "id", f.clock.Now().Add(spentLife)), nil),
		f.wantUsed(ctx, other, "id"), f.wantUsed(ctx, issuer, "id"))
}

// spendAnyText: a client chooses its own names, and each is a name of its own.
func spendAnyText(ctx context.Context, f *fixture) error {
	var errs []error
	texts := []string{
		"", " ", "a", "A", "a ", " a", "a\n", "a\x00", "a\x00b", "\xff\xfe", "\xff", "é", "e\u0301", "安 👩‍💻", "%61", "a%", "a_", `a\`, "a'", `{"a":1}`,
		"'; DROP TABLE x; --", "../../a", "uid-1 a", "uid-1", "null", "0", "00", strings.Repeat("x", 300), strings.Repeat("x", 301), strings.Repeat("安", 1<<15),
	}
	for _, text := range texts {
		errs = append(errs, f.wantSpent(ctx, text))
	}
	for _, text := range texts {
		errs = append(errs, f.wantUsed(ctx, issuer, text))
	}
	return errors.Join(errs...)
}

// spendNoOther: a name of a session, a code or a person is another thing.
func spendNoOther(ctx context.Context, f *fixture) error {
	s, c := f.session("name"), f.consent("openid")
	g, err := f.redeemed(ctx, f.grant("name"))
	return errors.Join(err, f.CreateSession(ctx, s), f.Allow(ctx, c), f.wantSpent(ctx, "name"),
		f.wantGrant(ctx, g), f.wantSession(ctx, s), f.wantConsent(ctx, c),
		f.EndSession(ctx, issuer, "name"), f.Revoke(ctx, issuer, "name"), f.Forget(ctx, issuer, c.Subject, c.ClientID),
		f.wantUsed(ctx, issuer, "name"))
}

func spendRestart(ctx context.Context, f *fixture) error {
	if !f.backend.Durable {
		return nil
	}
	err := f.wantSpent(ctx, "id")
	f.restart()
	return errors.Join(err, f.wantUsed(ctx, issuer, "id"))
}

// spendSwept: sweeps leave it to those whose clocks are behind, and who are late.
func spendSwept(ctx context.Context, f *fixture) error {
	begin := f.clock.Now()
	until := begin.Add(spentLife)
	errs := []error{f.wantSpent(ctx, "id")}
	for _, at := range []time.Time{begin, until, until.Add(store.Skew), until.Add(store.Skew + store.Late - justNot)} {
		f.clock.Set(at)
		errs = append(errs, f.wantSwept(ctx, store.Swept{}, 1))
		f.clock.Set(until.Add(-justNot))
		errs = append(errs, f.wantUsed(ctx, issuer, "id"))
	}
	f.clock.Set(until.Add(longOver))
	for i := range crowd {
		errs = append(errs, f.spend(ctx, fmt.Sprint("young ", i)))
	}
	errs = append(errs, f.wantSwept(ctx, store.Swept{Spent: 1}, crowd))
	for i := range crowd {
		errs = append(errs, f.wantUsed(ctx, issuer, fmt.Sprint("young ", i)))
	}
	f.clock.Advance(spentLife + longOver)
	return errors.Join(append(errs, f.wantSwept(ctx, store.Swept{Spent: crowd}, 0))...)
}

// spendAgainstSweep lets a sweep find what is over while somebody uses the name again.
func spendAgainstSweep(ctx context.Context, f *fixture) error {
	var errs []error
	for range 5 {
		errs = append(errs, f.wantSpent(ctx, "id"))
		f.clock.Advance(spentLife + longOver)
		var spent []error
		for i, err := range race(func(i int) error {
			if i%4 == 0 {
				_, err := f.sweep(ctx, 7)
				return err
			}
			return f.spend(ctx, "id")
		}) {
			if i%4 != 0 {
				spent = append(spent, err)
			} else {
				errs = append(errs, err)
			}
		}
		_, err := f.sweepAll(ctx)
		errs = append(errs, err, oneWinner("Spend", spent, store.ErrUsed), f.wantUsed(ctx, issuer, "id"))
		f.clock.Advance(spentLife + longOver)
	}
	return errors.Join(errs...)
}
