// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"maps"
	"slices"
	"time"
)

// grant is what a code started, with all that was presented of it.
type grant struct {
	code        string
	stored      string // the store's name, once an answer has told it
	codes       []Presentation
	refreshes   []refresh
	revocations []Revocation
	inquiries   []Inquiry
}

// refresh is a refresh token that was presented. Its depth is how many came before it:
// it can only be good while the grant was refreshed as often.
type refresh struct {
	Presentation

	depth int
}

// link finds out which grant everything is of.
func (a *auditor) link() {
	type place struct {
		of    *grant
		depth int
	}
	a.grants = map[string]*grant{}
	places := map[string]place{}
	named := func(code string) *grant {
		if a.grants[code] == nil {
			a.grants[code] = &grant{code: code}
		}
		return a.grants[code]
	}
	// Nobody presents what they have not got yet.
	all := slices.SortedStableFunc(slices.Values(a.journal.Presentations), func(p, q Presentation) int { return p.Began.Compare(q.Began) })
	for _, p := range all {
		var here place
		if p.Code != "" {
			here = place{named(p.Code), 0}
			here.of.codes = append(here.of.codes, p)
		} else {
			presented, known := places[p.Token]
			if !known {
				a.violated(Incomplete, "refresh token %s came from nowhere", p.Token)
				continue
			}
			here = place{presented.of, presented.depth + 1}
			here.of.refreshes = append(here.of.refreshes, refresh{p, presented.depth})
		}
		if p.Got != "" {
			places[p.Got] = here
		}
		a.linkStored(here.of, p.Grant)
	}
	for _, r := range a.journal.Revocations {
		g := named(r.Code)
		g.revocations = append(g.revocations, r)
	}
	for _, q := range a.journal.Inquiries {
		g := named(q.Code)
		g.inquiries = append(g.inquiries, q)
	}
}

func (a *auditor) linkStored(g *grant, name string) {
	switch {
	case name == "", g.stored == name:
	case g.stored != "":
		a.violated(BadAnswer, "tokens of grant %s name two grants, %s and %s", g.code, g.stored, name)
	default:
		g.stored = name
	}
}

// grant judges one.
func (a *auditor) grant(g *grant) {
	a.redeemedOnce(g)
	a.neverForked(g)
	dead, isDead := g.dead()
	if isDead {
		a.restsInPeace(g, dead)
	}
	a.refusedForCause(g)
	if !g.acknowledged() {
		return
	}
	a.report.Grants++
	switch {
	case isDead:
		a.report.Dead++
	case g.lives(a.journal.Closing):
		a.report.Live++
	case g.cause(a.rules, time.Time{}) != "":
		a.report.Doubtful++
	default:
		a.violated(Incomplete, "grant %s was not used again at the end", g.code)
	}
}

// acknowledged reports whether a client knows that it has the grant.
func (g *grant) acknowledged() bool {
	return slices.ContainsFunc(g.codes, func(p Presentation) bool { return p.Outcome == Granted && !p.Dropped && !p.Foreign })
}

// lives reports whether the grant was good for something after a time.
func (g *grant) lives(after time.Time) bool {
	return slices.ContainsFunc(g.refreshes, func(r refresh) bool { return r.Outcome == Granted && r.Began.After(after) })
}

func (a *auditor) redeemedOnce(g *grant) {
	var before *Presentation
	for i, p := range g.codes {
		switch {
		case p.Outcome != Granted:
		case p.Foreign:
			a.violated(BadAnswer, "code %s was redeemed by another client, %v", g.code, p.Span)
		case before != nil:
			a.violated(CodeTwice, "code %s, %v and %v", g.code, before.Span, p.Span)
		default:
			before = &g.codes[i]
		}
	}
}

// neverForked holds that a refresh token is good until the next one was used, and for
// no longer than the grace after it was itself used first.
func (a *auditor) neverForked(g *grant) {
	for _, p := range g.refreshes {
		if p.Outcome != Granted {
			continue
		}
		if p.Foreign {
			a.violated(BadAnswer, "a refresh token of grant %s was honoured for another client, %v", g.code, p.Span)
		}
		for _, q := range g.refreshes {
			switch {
			case q.Outcome != Granted || !q.Ended.Before(p.Began):
			case q.depth > p.depth:
				a.violated(Forked, "grant %s: refresh token %d was honoured, %v, after number %d was, %v", g.code, p.depth, p.Span, q.depth, q.Span)
			case q.depth == p.depth && p.Began.Sub(q.Ended) >= a.rules.Grace:
				a.violated(Forked, "grant %s: refresh token %d was honoured again, %v, long after it was, %v", g.code, p.depth, p.Span, q.Span)
			}
		}
	}
}

// dead is when a client first knew that the grant had ended. Whatever is refused to its
// own client says so: a token of a grant that goes on is refused to nobody, but for one
// that is presented again, which ends the grant.
func (g *grant) dead() (time.Time, bool) {
	var known []time.Time
	for _, r := range g.revocations {
		if r.Done {
			known = append(known, r.Ended)
		}
	}
	for _, u := range g.uses() {
		if u.outcome == Refused {
			known = append(known, u.Ended)
		}
	}
	if len(known) == 0 {
		return time.Time{}, false
	}
	return slices.MinFunc(known, time.Time.Compare), true
}

// use is anything of a grant that its own client has used.
type use struct {
	Span

	outcome Outcome
}

func (g *grant) uses() []use {
	var all []use
	add := func(p Presentation) {
		if !p.Foreign {
			all = append(all, use{p.Span, p.Outcome})
		}
	}
	for _, p := range g.codes {
		add(p)
	}
	for _, r := range g.refreshes {
		add(r.Presentation)
	}
	for _, q := range g.inquiries {
		all = append(all, use{q.Span, q.Outcome})
	}
	return all
}

func (a *auditor) restsInPeace(g *grant, dead time.Time) {
	for _, u := range g.uses() {
		if u.outcome == Granted && u.Began.After(dead) {
			a.violated(RevokedHonoured, "grant %s, which had ended by %s, %v", g.code, at(dead), u.Span)
		}
	}
}

// refusedForCause holds that nothing is refused to its own client unless somebody has
// given cause.
func (a *auditor) refusedForCause(g *grant) {
	for _, u := range g.uses() {
		if u.outcome == Refused && g.cause(a.rules, u.Ended) == "" {
			a.violated(GrantLost, "grant %s was refused, %v", g.code, u.Span)
		}
	}
}

// cause is what, until some time, may have ended the grant by the rules: a person, or
// the reuse of something that is to be used once. A zero time is the end of all.
func (g *grant) cause(rules Rules, until time.Time) string {
	early := func(s Span) bool { return until.IsZero() || s.Began.Before(until) }
	if slices.ContainsFunc(g.revocations, func(r Revocation) bool { return early(r.Span) }) {
		return "revoked on purpose"
	}
	for i, p := range g.codes {
		for _, q := range g.codes[i+1:] {
			if early(q.Span) && replays(p, q) {
				return "code presented again"
			}
		}
	}
	for i, p := range g.refreshes {
		for j, q := range g.refreshes {
			if i != j && early(p.Span) && reuses(p, q, rules.Grace) {
				return "refresh token presented again"
			}
		}
	}
	return ""
}

// replays reports whether q, which began after p did, may count as the second use of a
// code.
func replays(p, q Presentation) bool {
	if p.Foreign || q.Foreign {
		return false // refused before anybody looks whether the code was used
	}
	// A code that was not redeemed may be presented again. Whether it was, is only known
	// if the server has said so and the second attempt then had success.
	return p.Outcome != Unavailable || !p.Ended.Before(q.Began) || q.Outcome == Refused
}

// reuses reports whether p may have come too late, because of q.
func reuses(p, q refresh, grace time.Duration) bool {
	switch {
	case p.Foreign || q.Foreign:
		return false
	case q.depth > p.depth:
		return q.Began.Before(p.Ended)
	case q.depth == p.depth:
		return p.Ended.Sub(q.Began) >= grace && !p.Began.Before(q.Began)
	}
	return false
}

// stored compares the store with what the clients know.
func (a *auditor) stored() {
	held := map[string]Stored{}
	unknown := a.journal.StoredLive
	for _, s := range a.journal.Stored {
		held[s.Grant] = s
	}
	mayBe := 0 // grants that nobody may know of
	for _, code := range slices.Sorted(maps.Keys(a.grants)) {
		g := a.grants[code]
		if g.stored == "" {
			mayBe += g.mayExist()
			continue
		}
		s, ok := held[g.stored]
		if s.Live {
			unknown--
		}
		_, isDead := g.dead()
		least, most := g.refreshed()
		switch {
		case isDead && s.Live:
			a.violated(StoreDiffers, "grant %s has ended and lives", g.code)
		case isDead || !g.acknowledged() || g.cause(a.rules, time.Time{}) != "":
		case !ok || !s.Live:
			a.violated(StoreDiffers, "grant %s is not there", g.code)
		case s.Refreshes < least || s.Refreshes > most:
			a.violated(StoreDiffers, "grant %s was refreshed %d times, want %d to %d", g.code, s.Refreshes, least, most)
		}
	}
	if unknown > mayBe {
		a.violated(StoreDiffers, "%d live grants are of no client, at most %d may be", unknown, mayBe)
	}
}

// mayExist is 1 if the code may have been redeemed although no answer says so.
func (g *grant) mayExist() int {
	for _, p := range g.codes {
		if !p.Foreign && (p.Outcome == Lost || p.Outcome == Unavailable) {
			return 1
		}
	}
	return 0
}

// refreshed is how often the grant was refreshed, at least and at most.
func (g *grant) refreshed() (least, most int) {
	for _, r := range g.refreshes {
		if r.Foreign {
			continue
		}
		if r.Outcome == Granted {
			least = max(least, r.depth+1)
		}
		most = max(most, r.depth+1)
	}
	return least, most
}
