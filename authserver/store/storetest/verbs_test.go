// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/storetest"
)

// renewSabotages are mistakes with sessions whose person signs in again.
var renewSabotages = []shelfSabotage{
	{"renewing changes nothing", []string{"Renew/GivesWhatIsNew"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.renew = func(ctx context.Context, s store.Session) error {
			_, err := b.Store.Session(ctx, s.Issuer, s.ID)
			return err
		}
	}},
	{"renewing replaces everything", []string{"Renew/LeavesTheRest"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		b.renew = func(ctx context.Context, s store.Session) error {
			err := b.Store.RenewSession(ctx, s)
			if err == nil {
				b.putSession(s)
			}
			return err
		}
	}},
	{"anybody renews", []string{"Renew/OtherSubject"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.renew = func(ctx context.Context, s store.Session) error {
			if old, err := b.Store.Session(ctx, s.Issuer, s.ID); err == nil {
				s.Subject = old.Subject
			}
			return b.Store.RenewSession(ctx, s)
		}
	}},
	{"renewing creates", []string{"Renew/Unknown", "Renew/Ended"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.renew = func(ctx context.Context, s store.Session) error {
			err := b.Store.RenewSession(ctx, s)
			if errors.Is(err, store.ErrNotFound) {
				err = b.Store.CreateSession(ctx, s)
			}
			return err
		}
	}},
	{"what has expired is renewed", []string{"Renew/Expired"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.renew = func(ctx context.Context, s store.Session) error {
			if old, ok := b.getSession(s); ok && old.Subject == s.Subject {
				b.putSession(s)
				return nil
			}
			return b.Store.RenewSession(ctx, s)
		}
	}},
	{"the end stays as it was", []string{"Renew/LivesUntilItsNewEnd"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.renew = func(ctx context.Context, s store.Session) error {
			if old, ok := b.getSession(s); ok {
				s.ExpiresAt = old.ExpiresAt
			}
			return b.Store.RenewSession(ctx, s)
		}
	}},
	{"an issuer renews another's", []string{"Renew/IssuersAreSeparate"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.renew = func(ctx context.Context, s store.Session) error {
			err := b.Store.RenewSession(ctx, s)
			for _, another := range []string{"default", "other"} {
				if s.Issuer = another; errors.Is(err, store.ErrNotFound) {
					err = b.Store.RenewSession(ctx, s)
				}
			}
			return err
		}
	}},
	{"renewing is two writes", []string{"Renew/OfACrowd"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		meet := meeting()
		b.renew = func(ctx context.Context, s store.Session) error {
			first, ok := b.getSession(s)
			if !ok {
				return store.ErrNotFound
			}
			signIn := s.SignIn
			first.SignIn = signIn
			err := b.Store.RenewSession(ctx, first)
			meet()
			now, _ := b.getSession(s)
			s.SignIn = now.SignIn
			return errors.Join(err, b.Store.RenewSession(ctx, s))
		}
	}},
	{"renewing brings back what has ended", []string{"Renew/AgainstEnd"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		meet := meeting()
		b.renew = func(ctx context.Context, s store.Session) error {
			err := b.Store.RenewSession(ctx, s)
			if err == nil {
				meet()
				b.putSession(s)
			}
			return err
		}
	}},
}

// ofSessionSabotages are mistakes with the grants of a session.
var ofSessionSabotages = []shelfSabotage{
	{"all grants are a session's", []string{"SessionGrants/OfTheSession"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.ofOne = func(_ context.Context, issuer, _ string) ([]store.Grant, error) {
			return b.list(func(g *kept) bool { return g.Issuer == issuer && !g.revoked && clock.Now().Before(g.ExpiresAt) }), nil
		}
	}},
	{"a session's grants have no ids", []string{"SessionGrants/KeepsEveryField"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.ofOne = func(ctx context.Context, issuer, sessionID string) ([]store.Grant, error) {
			all, err := b.Store.SessionGrants(ctx, issuer, sessionID)
			for i := range all {
				all[i].ID = ""
			}
			return all, err
		}
	}},
	{"what is revoked is a session's", []string{"SessionGrants/TheLiving"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.ofOne = func(_ context.Context, issuer, sessionID string) ([]store.Grant, error) {
			return b.list(func(g *kept) bool { return g.Issuer == issuer && g.SessionID == sessionID }), nil
		}
	}},
	{"no session is a session", []string{"SessionGrants/OfNoSession"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		b.ofOne = func(ctx context.Context, issuer, sessionID string) ([]store.Grant, error) {
			if sessionID == "" {
				return b.list(func(g *kept) bool { return g.Issuer == issuer && g.SessionID == "" }), nil
			}
			return b.Store.SessionGrants(ctx, issuer, sessionID)
		}
	}},
	{"a session takes its grants along", []string{"SessionGrants/OutliveTheSession"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		b.end = func(ctx context.Context, issuer, id string) error {
			for _, g := range b.list(func(g *kept) bool { return g.Issuer == issuer && g.SessionID == id }) {
				g.SessionID = ""
				b.put(&kept{Grant: g})
			}
			return b.Store.EndSession(ctx, issuer, id)
		}
	}},
	{"lists are from a while ago", []string{"SessionGrants/AtOnce"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		var last sync.Map
		b.ofOne = func(ctx context.Context, issuer, sessionID string) ([]store.Grant, error) {
			now, err := b.Store.SessionGrants(ctx, issuer, sessionID)
			if before, ok := last.Swap(name{issuer, sessionID}, now); ok {
				return before.([]store.Grant), err
			}
			return now, err
		}
	}},
	{"a list has no bound", []string{"SessionGrants/Most"}, false, func(b *brokenShelf, clock *storetest.Clock) {
		b.ofOne = func(_ context.Context, issuer, sessionID string) ([]store.Grant, error) {
			return b.list(func(g *kept) bool {
				return g.Issuer == issuer && g.SessionID == sessionID && sessionID != "" && !g.revoked && clock.Now().Before(g.ExpiresAt)
			}), nil
		}
	}},
	{"lists share scopes", []string{"SessionGrants/CopiesScopes"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		var shared sync.Map
		b.ofOne = func(ctx context.Context, issuer, sessionID string) ([]store.Grant, error) {
			all, err := b.Store.SessionGrants(ctx, issuer, sessionID)
			for i := range all {
				first, _ := shared.LoadOrStore(name{issuer, all[i].ID}, all[i].Scopes)
				all[i].Scopes = first.([]string)
			}
			return all, err
		}
	}},
}

// spendSabotages are mistakes with what may be used once.
var spendSabotages = []shelfSabotage{
	{"nothing is ever used", []string{"Spend/Once"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.spend = func(context.Context, string, string, time.Time) error { return nil }
	}},
	{"spending looks before it writes", []string{"Spend/OneOfACrowd"}, false, func(b *brokenShelf, clock *storetest.Clock) {
		meet := meeting()
		b.spend = func(_ context.Context, issuer, id string, until time.Time) error {
			if now := clock.Now(); now.Before(b.getSpent(issuer, id)) || !now.Before(until) {
				return store.ErrUsed
			}
			meet()
			b.putSpent(issuer, id, until)
			return nil
		}
	}},
	{"the last one's time counts", []string{"Spend/UntilItsTime"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.spend = func(ctx context.Context, issuer, id string, until time.Time) error {
			err := b.Store.Spend(ctx, issuer, id, until)
			if errors.Is(err, store.ErrUsed) && clock.Now().Before(until) {
				b.putSpent(issuer, id, until)
			}
			return err
		}
	}},
	{"what is over may be spent", []string{"Spend/ItsTimeHasCome"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.spend = func(ctx context.Context, issuer, id string, until time.Time) error {
			if now := clock.Now(); !now.Before(until) && !now.Before(b.getSpent(issuer, id)) {
				return nil
			}
			return b.Store.Spend(ctx, issuer, id, until)
		}
	}},
	{"everyone makes room", []string{"Spend/AgainByACrowd"}, false, func(b *brokenShelf, clock *storetest.Clock) {
		meet := meeting()
		b.spend = func(ctx context.Context, issuer, id string, until time.Time) error {
			if end := b.getSpent(issuer, id); !end.IsZero() && !clock.Now().Before(end) {
				meet()
				b.putSpent(issuer, id, time.Time{})
			}
			return b.Store.Spend(ctx, issuer, id, until)
		}
	}},
	{"issuers share what is spent", []string{"Spend/IssuersAreSeparate"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.spend = func(ctx context.Context, _, id string, until time.Time) error {
			return b.Store.Spend(ctx, "", id, until)
		}
	}},
	{"names are trimmed", []string{"Spend/AnyText"}, false, func(b *brokenShelf, _ *storetest.Clock) {
		b.spend = func(ctx context.Context, issuer, id string, until time.Time) error {
			return b.Store.Spend(ctx, issuer, strings.TrimSpace(id), until)
		}
	}},
	{"a session takes what is spent along", []string{"Spend/NoOtherRecord"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.end = func(ctx context.Context, issuer, id string) error {
			b.putSpent(issuer, id, time.Time{})
			return b.Store.EndSession(ctx, issuer, id)
		}
	}},
	{"a crash loses what is spent", []string{"Spend/AfterRestart"}, true, func(b *brokenShelf, _ *storetest.Clock) {
		b.afterCrash(func() { clear(b.spent) })
	}},
	{"a sweep trusts its clock with what is spent", []string{"Spend/SweepsLeaveIt"}, true, func(b *brokenShelf, clock *storetest.Clock) {
		b.sweeping(func() { clearOver(b.spent, clock.Now()) })
	}},
	{"a sweep forgets who spends late", []string{"Spend/SweepsLeaveIt"}, false, func(b *brokenShelf, clock *storetest.Clock) {
		b.sweeping(func() { clearOver(b.spent, clock.Now().Add(-store.Skew)) })
	}},
	{"a sweep deletes what it found a while ago", []string{"Spend/AgainstSweep"}, false, func(b *brokenShelf, clock *storetest.Clock) {
		meet, sweep := meeting(), b.sweep
		b.sweep = func(ctx context.Context, page int) (store.Swept, error) {
			var found []name
			b.mu.Lock()
			for k, until := range b.spent {
				if !clock.Now().Before(until.Add(store.Skew + store.Late)) {
					found = append(found, k)
				}
			}
			b.mu.Unlock()
			if len(found) > 0 {
				meet()
				meet()
			}
			for _, k := range found {
				b.putSpent(k.issuer, k.id, time.Time{})
			}
			return sweep(ctx, page)
		}
		b.spend = func(ctx context.Context, issuer, id string, until time.Time) error {
			over := !b.getSpent(issuer, id).IsZero()
			if over {
				meet()
			}
			err := b.Store.Spend(ctx, issuer, id, until)
			if over {
				meet()
			}
			return err
		}
	}},
}

func clearOver(spent map[name]time.Time, at time.Time) {
	for k, until := range spent {
		if !at.Before(until) {
			delete(spent, k)
		}
	}
}

func (s *shelf) getSession(like store.Session) (store.Session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.sessions[name{like.Issuer, like.ID}]
	return n, ok
}

func (s *shelf) putSession(n store.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[name{n.Issuer, n.ID}] = n
}

// list returns the grants for which is is true.
func (s *shelf) list(is func(*kept) bool) (out []store.Grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.grants {
		if is(g) {
			out = append(out, g.copy())
		}
	}
	return out
}

func (s *shelf) getSpent(issuer, id string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spent[name{issuer, id}]
}

// putSpent notes that an id is spent, or, with the zero time, that it is not.
func (s *shelf) putSpent(issuer, id string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until.IsZero() {
		delete(s.spent, name{issuer, id})
		return
	}
	s.spent[name{issuer, id}] = until
}
