// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
)

// These are about the grants of a session.
var sessionGrantsChecks = []check{
	{"SessionGrants/OfTheSession", grantsOfTheSession},
	{"SessionGrants/KeepsEveryField", grantsKeepFields},
	{"SessionGrants/TheLiving", grantsLiving},
	{"SessionGrants/OfNoSession", grantsOfNoSession},
	{"SessionGrants/OutliveTheSession", grantsOutlive},
	{"SessionGrants/AtOnce", grantsAtOnce},
	{"SessionGrants/Most", grantsMost},
	{"SessionGrants/CopiesScopes", grantsCopy},
}

// grantOf is one of a session.
func (f *fixture) grantOf(session, id string) store.Grant {
	g := f.grant(id)
	g.SessionID = session
	return g
}

// wantGrantsOf compares all grants of a session, on every replica.
func (f *fixture) wantGrantsOf(ctx context.Context, issuer, session string, want ...store.Grant) error {
	var errs []error
	for _, s := range f.all {
		got, err := s.SessionGrants(ctx, issuer, session)
		if a, b := describeGrants(got), describeGrants(want); err != nil || a != b {
			errs = append(errs, fail("SessionGrants(%q, %q) = %s, %v, want %s", issuer, session, a, err, b))
		}
	}
	return errors.Join(errs...)
}

// describeGrants is the same for the same grants in any order.
func describeGrants(all []store.Grant) string {
	var out []string
	for _, g := range all {
		out = append(out, describeGrant(g))
	}
	slices.Sort(out)
	return fmt.Sprint(len(out), ": ", strings.Join(out, "; "))
}

func grantsOfTheSession(ctx context.Context, f *fixture) error {
	one, two := f.grantOf("session", "one"), f.grantOf("session", "two")
	another, there := f.grantOf("another", "three"), f.grantOf("session", "one")
	there.Issuer = other
	errs := []error{f.wantGrantsOf(ctx, issuer, "session")}
	for _, g := range []store.Grant{one, two, another, there} {
		_, err := f.redeemed(ctx, g)
		errs = append(errs, err)
	}
	return errors.Join(append(errs,
		f.wantGrantsOf(ctx, issuer, "session", one, two),
		f.wantGrantsOf(ctx, issuer, "another", another),
		f.wantGrantsOf(ctx, other, "session", there),
		f.wantGrantsOf(ctx, other, "another"),
		f.wantGrantsOf(ctx, issuer, "sessio"),
		f.wantGrantsOf(ctx, issuer, "Session"))...)
}

// grantsKeepFields compares with what Grant returns, also of one that has advanced.
func grantsKeepFields(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grantOf("session", "code"))
	before := errors.Join(f.wantGrant(ctx, g), f.wantGrantsOf(ctx, issuer, "session", g))
	f.clock.Advance(time.Minute)
	g, advanced := f.Advance(ctx, issuer, "code", 0, f.clock.Now())
	return errors.Join(err, before, advanced, f.wantGrantsOf(ctx, issuer, "session", g))
}

func grantsLiving(ctx context.Context, f *fixture) error {
	lives, ends, revoked, deleted := f.grantOf("session", "lives"), f.grantOf("session", "ends"), f.grantOf("session", "revoked"), f.grantOf("session", "deleted")
	ends.ExpiresAt = ends.IssuedAt.Add(codeLife / 2)
	var errs []error
	for _, g := range []store.Grant{lives, ends, revoked, deleted} {
		_, err := f.redeemed(ctx, g)
		errs = append(errs, err)
	}
	end := func(id string) error { return f.Revoke(ctx, issuer, id) }
	errs = append(errs, f.wantGrantsOf(ctx, issuer, "session", lives, ends, revoked, deleted), end(revoked.ID),
		f.wantGrantsOf(ctx, issuer, "session", lives, ends, deleted))
	if f.backend.DeleteByHand != nil {
		end = func(id string) error { return f.deleteByHand(issuer, id) }
	}
	errs = append(errs, end(deleted.ID), f.wantGrantsOf(ctx, issuer, "session", lives, ends))
	f.clock.Set(ends.ExpiresAt.Add(-justNot))
	errs = append(errs, f.wantGrantsOf(ctx, issuer, "session", lives, ends))
	f.clock.Set(ends.ExpiresAt)
	errs = append(errs, f.wantGrantsOf(ctx, issuer, "session", lives))
	f.clock.Set(lives.ExpiresAt)
	return errors.Join(append(errs, f.wantGrantsOf(ctx, issuer, "session"))...)
}

// grantsOfNoSession: what came from no session is nobody's.
func grantsOfNoSession(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grantOf("", "code"))
	return errors.Join(err, f.wantGrant(ctx, g), f.wantGrantsOf(ctx, issuer, ""))
}

// grantsOutlive: the session need not be there, or no more, and what sweeps do to a grant
// that lives changes nothing.
func grantsOutlive(ctx context.Context, f *fixture) error {
	s := f.session("session")
	errs := []error{f.CreateSession(ctx, s)}
	g, err := f.redeemed(ctx, f.grantOf(s.ID, "code"))
	errs = append(errs, err, f.EndSession(ctx, issuer, s.ID), f.wantGrantsOf(ctx, issuer, s.ID, g))
	f.clock.Set(g.CodeExpiresAt.Add(30 * time.Minute))
	if f.sweeps() {
		_, err := f.sweepAll(ctx)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, f.wantGrantsOf(ctx, issuer, s.ID, g))...)
}

// grantsAtOnce: whoever has redeemed a code finds its grant, whatever others do.
func grantsAtOnce(ctx context.Context, f *fixture) error {
	errs := race(func(i int) error {
		session := fmt.Sprint("session ", i%7)
		g, err := f.redeemed(ctx, f.grantOf(session, fmt.Sprint("code ", i)))
		if err != nil {
			return err
		}
		found, err := f.SessionGrants(ctx, issuer, session)
		if err != nil || !slices.ContainsFunc(found, func(o store.Grant) bool { return sameGrant("", o, g) == nil }) {
			return fail("SessionGrants after Redeem(%q) = %s, %v, want it among them", g.ID, describeGrants(found), err)
		}
		return nil
	})
	return errors.Join(errs...)
}

// grantsMost: there is a bound, and what is over or revoked does not count. However many
// grants one client has, every other one is found.
func grantsMost(ctx context.Context, f *fixture) error {
	const each = 1 + store.MaxSessionGrants/crowd
	errs := race(func(i int) error {
		var errs []error
		for k := range each {
			_, err := f.redeemed(ctx, f.grantOf("session", fmt.Sprint("code ", i, " ", k)))
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	var left []store.Grant
	for i := range crowd {
		g := f.grantOf("session", fmt.Sprint("code of another client ", i))
		g.ClientID = fmt.Sprint("docs.other-", i)
		left = append(left, g)
	}
	errs = append(errs, race(func(i int) error {
		_, err := f.redeemed(ctx, left[i])
		return err
	})...)
	seen, clients := map[string]bool{}, map[string]bool{}
	found, err := f.SessionGrants(ctx, issuer, "session")
	for _, g := range found {
		seen[g.ID], clients[g.ClientID] = true, true
	}
	if len(clients) != 1+crowd {
		err = errors.Join(err, fail("SessionGrants returns grants of %d clients, want %d", len(clients), 1+crowd))
	}
	if len(found) != store.MaxSessionGrants || len(seen) != len(found) {
		err = errors.Join(err, fail("SessionGrants returns %d grants, %d of them different, of %d, want %d", len(found), len(seen), (each+1)*crowd, store.MaxSessionGrants))
	}
	errs = append(errs, err)
	ended := race(func(i int) error {
		var errs []error
		for k := range each - 1 {
			errs = append(errs, f.Revoke(ctx, issuer, fmt.Sprint("code ", i, " ", k)))
		}
		return errors.Join(errs...)
	})
	for i := range crowd {
		left = append(left, f.grantOf("session", fmt.Sprint("code ", i, " ", each-1)))
	}
	return errors.Join(append(errs, errors.Join(ended...), f.wantGrantsOf(ctx, issuer, "session", left...))...)
}

func grantsCopy(ctx context.Context, f *fixture) error {
	g, err := f.redeemed(ctx, f.grantOf("session", "code"))
	if err != nil {
		return err
	}
	found, err := f.SessionGrants(ctx, issuer, "session")
	if err != nil || len(found) != 1 || len(found[0].Scopes) == 0 {
		return fail("SessionGrants = %s, %v, want one with scopes", describeGrants(found), err)
	}
	found[0].Scopes[0] = "changed after SessionGrants"
	return errors.Join(f.wantGrant(ctx, g), f.wantGrantsOf(ctx, issuer, "session", g))
}
