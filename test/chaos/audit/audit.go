// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// The rules that can be violated.
const (
	// CodeTwice: one code gave tokens twice.
	CodeTwice = "code redeemed twice"
	// Forked: a refresh token was honoured after its grant had moved on from it.
	Forked = "refresh chain forked"
	// RevokedHonoured: something of a grant was honoured after that had ended.
	RevokedHonoured = "revoked grant honoured"
	// GrantLost: a grant that was acknowledged was refused, and nobody had given cause.
	GrantLost = "acknowledged grant lost"
	// SessionLost: a person had to sign in again who had not signed out.
	SessionLost = "session lost"
	// EndedHonoured: a session was honoured after it had ended.
	EndedHonoured = "ended session honoured"
	// ConsentLost: a person was asked again for what they had allowed.
	ConsentLost = "consent lost"
	// AnswerLost: a request got no answer, and nothing explains it.
	AnswerLost = "answer lost"
	// BadAnswer: an answer that no client should ever get.
	BadAnswer = "bad answer"
	// NotRecovered: a client was told to come back later, and nothing explains it any
	// more.
	NotRecovered = "not recovered"
	// StoreDiffers: the store holds something else than the clients were told.
	StoreDiffers = "store differs"
	// Incomplete: the journal does not show what it should.
	Incomplete = "journal incomplete"
)

// Violation is a promise that was broken.
type Violation struct {
	Rule string
	What string
}

// String is for people.
func (v Violation) String() string { return v.Rule + ": " + v.What }

// Report is what an audit finds.
type Report struct {
	Violations []Violation
	// Grants were acknowledged. Of these, Dead were refused or revoked, Live were used
	// again at the end, and Doubtful may be either by the rules: their clients cannot
	// tell.
	Grants, Dead, Live, Doubtful int
}

// Audit judges.
func Audit(rules Rules, j Journal) Report {
	a := &auditor{rules: rules, journal: j}
	a.link()
	for _, name := range slices.Sorted(maps.Keys(a.grants)) {
		a.grant(a.grants[name])
	}
	a.stored()
	a.sessions()
	a.consents()
	a.calls()
	return a.report
}

type auditor struct {
	rules   Rules
	journal Journal
	grants  map[string]*grant
	report  Report
}

func (a *auditor) violated(rule, format string, args ...any) {
	a.report.Violations = append(a.report.Violations, Violation{rule, fmt.Sprintf(format, args...)})
}

// at is a time as people look for it in logs.
func at(t time.Time) string { return t.Format("15:04:05.000") }

func (s Span) String() string { return at(s.Began) + " to " + at(s.Ended) }

func (s Span) overlaps(from, to time.Time) bool { return !s.Ended.Before(from) && !s.Began.After(to) }

// sessions holds that sessions live until they end, and no longer.
func (a *auditor) sessions() {
	departures := map[string][]Departure{}
	for _, d := range a.journal.Departures {
		departures[d.Session] = append(departures[d.Session], d)
	}
	for _, v := range a.journal.Visits {
		all := departures[v.Session]
		switch v.Outcome {
		case Refused:
			if !slices.ContainsFunc(all, func(d Departure) bool { return d.Began.Before(v.Ended) }) {
				a.violated(SessionLost, "session %s, %v", v.Session, v.Span)
			}
		case Granted:
			if slices.ContainsFunc(all, func(d Departure) bool { return d.Done && d.Ended.Add(a.rules.SessionCache).Before(v.Began) }) {
				a.violated(EndedHonoured, "session %s, %v", v.Session, v.Span)
			}
		case Unavailable, Lost:
		}
	}
}

// consents holds that nobody is asked twice.
func (a *auditor) consents() {
	for _, asked := range a.journal.Asked {
		before := func(c Consent) bool {
			return c.Person == asked.Person && c.Client == asked.Client && c.Ended.Before(asked.Began)
		}
		if slices.ContainsFunc(a.journal.Allowed, before) {
			a.violated(ConsentLost, "%s at %s, %v", asked.Person, asked.Client, asked.Span)
		}
	}
}

// calls holds that requests are answered, as they should be.
func (a *auditor) calls() {
	for _, c := range a.journal.Calls {
		switch {
		case c.Wrong != "":
			a.violated(BadAnswer, "%s, %v: %s", c.What, c.Span, c.Wrong)
		case c.Status == 0 && !a.struck(c.Span, 0, func(m Misfortune) bool { return m.Loses }):
			a.violated(AnswerLost, "%s, %v", c.What, c.Span)
		case c.Status == 503 && !c.RetryAfter, c.Status >= 500 && c.Status != 503:
			a.violated(BadAnswer, "%s, %v: status %d, Retry-After %t", c.What, c.Span, c.Status, c.RetryAfter)
		case c.Status == 503 && !a.struck(c.Span, a.rules.Recovery, func(m Misfortune) bool { return m.Disturbs }):
			a.violated(NotRecovered, "%s, %v: status 503", c.What, c.Span)
		}
	}
}

// struck reports whether a misfortune that fits may have met what happened in s, up to
// so long after it.
func (a *auditor) struck(s Span, after time.Duration, fits func(Misfortune) bool) bool {
	return slices.ContainsFunc(a.journal.Misfortunes, func(m Misfortune) bool {
		return fits(m) && s.overlaps(m.Began, m.Ended.Add(after))
	})
}
