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

// session is one that begins now, with every field set.
func (f *fixture) session(id string) store.Session {
	now := f.clock.Now()
	return store.Session{
		ID: id, Issuer: issuer, Subject: "subject of " + id, Provider: "staff", PersonID: "person of " + id,
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
	errs := race(func(i int) error {
		s := f.session("session")
		s.Subject = fmt.Sprint("subject ", i)
		return f.CreateSession(ctx, s)
	})
	return oneWinner("CreateSession", errs, nil)
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
