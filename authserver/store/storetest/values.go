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

// These are about what may be in a record.
var valueChecks = []check{
	{"Values/CloseNames", closeNames},
	{"Values/AnyText", anyText},
	{"Values/NoScopes", noScopes},
	{"Values/FinerTimesAreCutOff", finerTimes},
}

// closeNames are all different, however a store may put them together or spell them.
func closeNames(ctx context.Context, f *fixture) error {
	names := [][2]string{
		{"a", "b-c"}, {"a-b", "c"}, {"a", "b/c"}, {"a/b", "c"}, {"a", "bc"}, {"ab", "c"}, {"a", "b c"}, {"a", "b.c"},
		{"a", "B-C"}, {"A", "b-c"}, {"", "ab-c"}, {"a", ""}, {"", "a"}, {"a", "b"}, {"a", "b "}, {"a", " b"}, {"a", "\tb"},
		{"a", "é"}, {"a", "e\u0301"}, {"a", "%62"}, {"a", "b%"}, {"a", "b_c"}, {"a", `b\c`}, {"a", `b'c`},
	}
	var errs []error
	for round := range 2 {
		for i, n := range names {
			g, s, c := f.grant(n[1]), f.session(n[1]), f.consent(fmt.Sprint("scope-", i))
			g.Issuer, s.Issuer, c.Issuer = n[0], n[0], n[0]
			g.SessionID = "s" + n[1]
			c.Subject, c.ClientID = n[1], n[1]
			g.ClientID, s.Provider = fmt.Sprint("client ", i), fmt.Sprint("provider ", i)
			if round == 0 {
				errs = append(errs, f.Redeem(ctx, g), f.CreateSession(ctx, s), f.Allow(ctx, c),
					f.Spend(ctx, n[0], n[1], f.clock.Now().Add(spentLife)))
			}
			errs = append(errs, f.wantGrant(ctx, g), f.wantSession(ctx, s), f.wantConsent(ctx, c),
				f.wantGrantsOf(ctx, n[0], g.SessionID, g), f.wantUsed(ctx, n[0], n[1]))
		}
	}
	return errors.Join(errs...)
}

// anyText is in what comes from outside: an identity provider's names above all.
func anyText(ctx context.Context, f *fixture) error {
	var errs []error
	for i, text := range []string{
		"", " ", "Ann O'Neill", `cn=Ann,ou="R&D",dc=example`, "安 👩‍💻", "line\nbreak", `{"$ne":null}`, "'; DROP TABLE grants; --",
		strings.Repeat("x", 255), "null", "0", "2026-03-01T12:00:00Z", "yes",
	} {
		g, s, c := f.grant(fmt.Sprint("code ", i)), f.session(fmt.Sprint("session ", i)), f.consent("openid")
		g.PersonID, g.Subject, s.PersonID, s.Subject, c.PersonID = text, text, text, text, text
		c.Subject = fmt.Sprint("subject ", i)
		errs = append(errs, f.Redeem(ctx, g), f.wantGrant(ctx, g), f.CreateSession(ctx, s), f.wantSession(ctx, s),
			f.RenewSession(ctx, f.renewed(s, "new")), f.wantSession(ctx, f.renewed(s, "new")),
			f.Allow(ctx, c), f.wantConsent(ctx, c))
	}
	return errors.Join(errs...)
}

func noScopes(ctx context.Context, f *fixture) error {
	g, c := f.grant("code"), f.consent()
	g.Scopes = nil
	_, err := f.redeemed(ctx, g)
	_, advanced := f.Advance(ctx, issuer, g.ID, 0, f.clock.Now())
	g.Counter = 1
	return errors.Join(err, advanced, f.wantGrant(ctx, g), f.Allow(ctx, c), f.wantConsent(ctx, c))
}

// finerTimes: what a store cannot keep it may cut off. Rounding up would let something
// live longer than it should.
func finerTimes(ctx context.Context, f *fixture) error {
	const fine = 999 * time.Nanosecond
	want := f.grant("code")
	g := want
	for _, t := range []*time.Time{&g.AuthTime, &g.AdvancedAt, &g.IssuedAt, &g.CodeExpiresAt, &g.ExpiresAt} {
		*t = t.Add(fine)
	}
	f.clock.Advance(fine)
	if err := f.Redeem(ctx, g); err != nil {
		return fail("Redeem = %v, want success", err)
	}
	got, err := f.Grant(ctx, issuer, g.ID)
	if err != nil {
		return fail("Grant = %v, want the grant", err)
	}
	for _, t := range []*time.Time{&got.AuthTime, &got.AdvancedAt, &got.IssuedAt, &got.CodeExpiresAt, &got.ExpiresAt} {
		*t = t.Truncate(time.Microsecond)
	}
	f.clock.Set(g.ExpiresAt)
	return errors.Join(sameGrant("Grant, to the microsecond,", got, want), f.wantNoGrant(ctx, g, store.ErrNotFound))
}
