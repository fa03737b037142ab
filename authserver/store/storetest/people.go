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

// session is one that begins now, with every field set.
func (f *fixture) session(id string) store.Session {
	now := f.clock.Now()
	return store.Session{
		ID: id, SignIn: "sign-in of " + id, Issuer: issuer, Subject: "subject of " + id, Provider: "staff", PersonID: "person of " + id,
		AuthTime: now, ExpiresAt: now.Add(sessionLife),
	}
}

func (f *fixture) wantSession(ctx context.Context, want store.Session) error {
	for _, s := range f.all {
		got, err := s.Session(ctx, want.Issuer, want.ID)
		if err != nil {
			return fail("Session(%q, %q) = %v, want the session", want.Issuer, want.ID, err)
		}
		if describeSession(got) != describeSession(want) {
			return fail("Session = %s, want %s", describeSession(got), describeSession(want))
		}
	}
	return nil
}

func (f *fixture) wantNoSession(ctx context.Context, s store.Session) error {
	var errs []error
	for _, replica := range f.all {
		_, err := replica.Session(ctx, s.Issuer, s.ID)
		errs = append(errs, wantError("Session", err, store.ErrNotFound))
	}
	return errors.Join(errs...)
}

var sessionChecks = []check{
	{"Session/KeepsEveryField", func(ctx context.Context, f *fixture) error {
		s := f.session("session")
		return errors.Join(f.wantNoSession(ctx, s), f.CreateSession(ctx, s), f.wantSession(ctx, s))
	}},
	{"Session/End", func(ctx context.Context, f *fixture) error {
		s, stays := f.session("session"), f.session("another")
		return errors.Join(
			wantError("EndSession of nothing", f.EndSession(ctx, issuer, "session"), nil),
			f.CreateSession(ctx, s), f.CreateSession(ctx, stays),
			f.EndSession(ctx, issuer, "session"),
			f.wantNoSession(ctx, s), f.wantSession(ctx, stays),
			wantError("second EndSession", f.EndSession(ctx, issuer, "session"), nil),
		)
	}},
	{"Session/Expires", func(ctx context.Context, f *fixture) error {
		s := f.session("session")
		err := f.CreateSession(ctx, s)
		f.clock.Set(s.ExpiresAt.Add(-justNot))
		before := f.wantSession(ctx, s)
		f.clock.Set(s.ExpiresAt)
		return errors.Join(err, before, f.wantNoSession(ctx, s))
	}},
	{"Session/IssuersAreSeparate", sessionIssuers},
	{"Session/IDIsTaken", sessionTaken},
	{"Session/OneOfACrowd", sessionRace},
	{"Session/EndOfACrowd", sessionEndRace},
	{"Session/ManyEndLivingStay", sessionsEnd},
}

func sessionIssuers(ctx context.Context, f *fixture) error {
	here, there := f.session("session"), f.session("session")
	there.Issuer, there.Subject = other, "somebody else"
	return errors.Join(
		f.CreateSession(ctx, here), f.wantNoSession(ctx, there),
		f.CreateSession(ctx, there), f.wantSession(ctx, here), f.wantSession(ctx, there),
		f.EndSession(ctx, issuer, "session"), f.wantNoSession(ctx, here), f.wantSession(ctx, there),
	)
}

func sessionTaken(ctx context.Context, f *fixture) error {
	s, again := f.session("session"), f.session("session")
	again.Subject = "somebody else"
	err := f.CreateSession(ctx, s)
	if f.CreateSession(ctx, again) == nil {
		return errors.New("CreateSession of an ID that is taken succeeded, want an error")
	}
	return errors.Join(err, f.wantSession(ctx, s))
}

func sessionRace(ctx context.Context, f *fixture) error {
	sessions := make([]store.Session, crowd)
	errs := race(func(i int) error {
		sessions[i] = f.session("session")
		sessions[i].Subject = fmt.Sprint("subject ", i)
		return f.CreateSession(ctx, sessions[i])
	})
	if err := oneWinner("CreateSession", errs, nil); err != nil {
		return err
	}
	return f.wantSession(ctx, sessions[slices.Index(errs, nil)])
}

// sessionEndRace: everyone wins, since everyone finds what they want.
func sessionEndRace(ctx context.Context, f *fixture) error {
	s, stays := f.session("session"), f.session("another")
	err := errors.Join(f.CreateSession(ctx, s), f.CreateSession(ctx, stays))
	errs := race(func(int) error {
		if err := f.EndSession(ctx, issuer, s.ID); err != nil {
			return fail("EndSession = %v, want success", err)
		}
		_, err := f.Session(ctx, issuer, s.ID)
		return wantError("Session", err, store.ErrNotFound)
	})
	return errors.Join(append(errs, err, f.wantNoSession(ctx, s), f.wantSession(ctx, stays))...)
}

func sessionsEnd(ctx context.Context, f *fixture) error {
	var all []store.Session
	var errs []error
	for i := range crowd {
		s := f.session(fmt.Sprint("session ", i))
		s.ExpiresAt = s.AuthTime.Add(time.Duration(1+i*37%crowd) * time.Hour)
		all, errs = append(all, s), append(errs, f.CreateSession(ctx, s))
	}
	for i := 0; i < crowd; i += 3 {
		errs = append(errs, f.EndSession(ctx, issuer, all[i].ID))
	}
	f.clock.Advance(crowd / 2 * time.Hour)
	for i := range crowd { // of writes, which may sweep
		errs = append(errs, f.CreateSession(ctx, f.session(fmt.Sprint("later session ", i))))
	}
	for i, s := range all {
		if i%3 != 0 && f.clock.Now().Before(s.ExpiresAt) {
			errs = append(errs, f.wantSession(ctx, s))
		} else {
			errs = append(errs, f.wantNoSession(ctx, s))
		}
	}
	return errors.Join(errs...)
}

// consent is one that is given now.
func (f *fixture) consent(scopes ...string) store.Consent {
	return store.Consent{
		Issuer: issuer, Subject: "subject", Provider: "staff", PersonID: "person",
		ClientID: "docs.wiki", ClientUID: "uid-1", Scopes: scopes, GivenAt: f.clock.Now(),
	}
}

func (f *fixture) wantConsent(ctx context.Context, want store.Consent) error {
	for _, s := range f.all {
		got, err := s.Consent(ctx, want.Issuer, want.Subject, want.ClientID)
		if err != nil {
			return fail("Consent = %v, want %s", err, describeConsent(want))
		}
		if describeConsent(got) != describeConsent(want) {
			return fail("Consent = %s, want %s", describeConsent(got), describeConsent(want))
		}
	}
	return nil
}

func (f *fixture) wantNoConsent(ctx context.Context, c store.Consent) error {
	var errs []error
	for _, s := range f.all {
		_, err := s.Consent(ctx, c.Issuer, c.Subject, c.ClientID)
		errs = append(errs, wantError("Consent", err, store.ErrNotFound))
	}
	return errors.Join(errs...)
}

var consentChecks = []check{
	{"Consent/Merges", consentMerges},
	{"Consent/OtherUIDForgets", consentUID},
	{"Consent/Forget", func(ctx context.Context, f *fixture) error {
		c := f.consent("openid")
		return errors.Join(
			f.wantNoConsent(ctx, c),
			wantError("Forget of nothing", f.Forget(ctx, issuer, c.Subject, c.ClientID), nil),
			f.Allow(ctx, c), f.wantConsent(ctx, c),
			f.Forget(ctx, issuer, c.Subject, c.ClientID), f.wantNoConsent(ctx, c),
			f.Allow(ctx, f.consent("email")), f.wantConsent(ctx, f.consent("email")),
		)
	}},
	{"Consent/KeysAreSeparate", consentKeys},
	{"Consent/CopiesScopes", consentCopies},
	{"Consent/NothingOfACrowdIsLost", consentRace},
	{"Consent/UIDsOfACrowdAreNotMixed", consentUIDRace},
	{"Consent/ForgetOfACrowd", consentForgetRace},
	{"Consent/ForgetAgainstAllow", consentForgetAgainstAllow},
}

func consentMerges(ctx context.Context, f *fixture) error {
	err := f.Allow(ctx, f.consent("openid", "profile"))
	first := f.wantConsent(ctx, f.consent("openid", "profile"))
	f.clock.Advance(time.Minute)
	again := f.Allow(ctx, f.consent("email", "profile"))
	merged := f.wantConsent(ctx, f.consent("openid", "profile", "email"))
	f.clock.Advance(time.Minute)
	fewer := f.Allow(ctx, f.consent("openid"))
	return errors.Join(err, first, again, merged, fewer, f.wantConsent(ctx, f.consent("openid", "profile", "email")))
}

// consentUID: a client that was deleted and created anew is another client.
func consentUID(ctx context.Context, f *fixture) error {
	err := f.Allow(ctx, f.consent("openid", "profile"))
	anew := f.consent("email")
	anew.ClientUID = "uid-2"
	errAnew := f.Allow(ctx, anew)
	replaced := f.wantConsent(ctx, anew)
	// And the old one does not come back with what it had.
	back := f.Allow(ctx, f.consent("groups"))
	return errors.Join(err, errAnew, replaced, back, f.wantConsent(ctx, f.consent("groups")))
}

// consentKeys changes one part of a consent's key at a time.
func consentKeys(ctx context.Context, f *fixture) error {
	base := f.consent("openid")
	errs := []error{f.Allow(ctx, base)}
	for i, change := range []func(*store.Consent){
		func(c *store.Consent) { c.Issuer = other },
		func(c *store.Consent) { c.Subject = "another subject" },
		func(c *store.Consent) { c.ClientID = "docs.another" },
	} {
		c := f.consent(fmt.Sprint("scope-", i))
		change(&c)
		errs = append(errs, f.wantNoConsent(ctx, c), f.Allow(ctx, c), f.wantConsent(ctx, c), f.wantConsent(ctx, base),
			f.Forget(ctx, c.Issuer, c.Subject, c.ClientID), f.wantNoConsent(ctx, c), f.wantConsent(ctx, base))
	}
	return errors.Join(errs...)
}

func consentCopies(ctx context.Context, f *fixture) error {
	c := f.consent("openid", "profile")
	if err := f.Allow(ctx, c); err != nil {
		return err
	}
	c.Scopes[0] = "changed after Allow"
	got, err := f.Consent(ctx, issuer, c.Subject, c.ClientID)
	if err != nil || len(got.Scopes) == 0 {
		return fail("Consent = %+v, %v, want scopes", got, err)
	}
	got.Scopes[0] = "changed after Consent"
	return f.wantConsent(ctx, f.consent("openid", "profile"))
}

func consentRace(ctx context.Context, f *fixture) error {
	var all []string
	for i := range crowd {
		all = append(all, fmt.Sprint("scope-", i))
	}
	errs := race(func(i int) error { return f.Allow(ctx, f.consent(all[i])) })
	return errors.Join(errors.Join(errs...), f.wantConsent(ctx, f.consent(all...)))
}

// consentUIDRace: half of a crowd asks for a client that was created anew.
func consentUIDRace(ctx context.Context, f *fixture) error {
	errs := race(func(i int) error {
		c := f.consent(fmt.Sprint("scope-", i%2, "-", i))
		c.ClientUID = fmt.Sprint("uid-", i%2)
		return f.Allow(ctx, c)
	})
	got, err := f.Consent(ctx, issuer, "subject", "docs.wiki")
	mine := "scope-" + strings.TrimPrefix(got.ClientUID, "uid-") + "-"
	for _, scope := range got.Scopes {
		if !strings.HasPrefix(scope, mine) {
			return fail("Consent = %s, want no scope that another client had", describeConsent(got))
		}
	}
	return errors.Join(append(errs, err, f.wantConsent(ctx, got))...)
}

// consentForgetRace: everyone wins, since everyone finds what they want.
func consentForgetRace(ctx context.Context, f *fixture) error {
	c := f.consent("openid")
	err := f.Allow(ctx, c)
	errs := race(func(int) error {
		if err := f.Forget(ctx, c.Issuer, c.Subject, c.ClientID); err != nil {
			return fail("Forget = %v, want success", err)
		}
		_, err := f.Consent(ctx, c.Issuer, c.Subject, c.ClientID)
		return wantError("Consent", err, store.ErrNotFound)
	})
	return errors.Join(append(errs, err, f.wantNoConsent(ctx, c))...)
}

// consentForgetAgainstAllow: whoever allows something after the last Forget finds it.
func consentForgetAgainstAllow(ctx context.Context, f *fixture) error {
	before := f.Allow(ctx, f.consent("before"))
	errs := race(func(i int) error {
		c := f.consent(fmt.Sprint("scope-", i))
		if i%2 == 0 {
			return f.Allow(ctx, c)
		}
		return f.Forget(ctx, c.Issuer, c.Subject, c.ClientID)
	})
	got, err := f.Consent(ctx, issuer, "subject", "docs.wiki")
	if slices.Contains(got.Scopes, "before") {
		err = fail("Consent = %s, want nothing from before Forget", describeConsent(got))
	}
	return errors.Join(append(errs, before, wantError("Consent", err, nil, store.ErrNotFound),
		f.Forget(ctx, issuer, "subject", "docs.wiki"), f.wantNoConsent(ctx, f.consent()),
		f.Allow(ctx, f.consent("after")), f.wantConsent(ctx, f.consent("after")))...)
}
