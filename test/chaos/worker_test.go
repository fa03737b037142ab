// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/clientele-dev/clientele/test/chaos/audit"
)

const (
	// retryPause is how soon somebody tries again. It is less than Retry-After says,
	// which clients may ignore: a test has no time.
	retryPause = 250 * time.Millisecond
	// codeLife is within the life of a code: one that is presented later is refused
	// without anybody looking whether it was used.
	codeLife = 30 * time.Second
	// accessLife is within the life of an access token.
	accessLife = 10 * time.Minute
	// mostLive is how many live grants a worker keeps.
	mostLive = 40
)

// worker is a person, the apps' sessions of that person, and a thief who has seen all
// that they have. Whatever it begins it ends: it tries again until it is answered.
type worker struct {
	w       *world
	who     string
	random  *rand.Rand
	browser *browser
	// live are grants that go on as far as the worker knows, and dead those that do not.
	live, dead []*holding
	// idle are sessions that nobody has ended, and ended those that somebody has.
	idle, ended []idle
}

// holding is a grant, from the client's point of view.
type holding struct {
	*login

	redeemed time.Time
	token    string   // the newest refresh token
	older    []string // those before it, in order
	access   string   // the newest access token
	used     time.Time
}

// take keeps what a refresh gave.
func (h *holding) take(t *oauth2.Token) {
	h.older = append(h.older, h.token)
	h.token, h.access, h.used = t.RefreshToken, t.AccessToken, time.Now()
}

func newWorker(w *world, i int) (*worker, error) {
	b, err := newBrowser(w, username(i))
	return &worker{w: w, who: username(i), browser: b, random: rand.New(rand.NewPCG(w.seed, uint64(i)))}, err
}

// deed is something that a worker does now and then.
type deed struct {
	weight int
	do     func(context.Context)
}

// work does what people and thieves do until enough is closed.
func (k *worker) work(ctx context.Context, enough <-chan struct{}) {
	deeds := []deed{
		{30, k.signIn}, {60, k.goOn}, {4, k.signOut}, {4, k.switchBrowser}, {4, k.useIdle}, {4, k.useEnded},
		{4, k.replayCode}, {5, k.replayToken}, {3, k.replayLate}, {4, k.raceToken}, {6, k.inquire}, {2, k.hangUp}, {2, k.revoke},
	}
	total := 0
	for _, d := range deeds {
		total += d.weight
	}
	for ctx.Err() == nil {
		at := k.random.IntN(total)
		for _, d := range deeds {
			if at -= d.weight; at < 0 {
				d.do(ctx)
				break
			}
		}
		select {
		case <-enough:
			return
		case <-time.After(time.Duration(5+k.random.IntN(60)) * time.Millisecond):
		}
	}
}

func (k *worker) chance(percent int) bool { return k.random.IntN(100) < percent }

func (k *worker) app() *app { return k.w.apps[k.random.IntN(len(k.w.apps))] }

// pick is one of the live grants that fits, or nil.
func (k *worker) pick(fits func(*holding) bool) *holding {
	for _, i := range k.random.Perm(len(k.live)) {
		if fits(k.live[i]) {
			return k.live[i]
		}
	}
	return nil
}

// bury notes that a grant has ended.
func (k *worker) bury(h *holding) {
	k.live = slices.DeleteFunc(k.live, func(other *holding) bool { return other == h })
	k.dead = append(k.dead, h)
}

// signIn gets a code and redeems it. Now and then, somebody else is faster.
func (k *worker) signIn(ctx context.Context) {
	if len(k.live) >= mostLive {
		k.goOn(ctx)
		return
	}
	a, prompt := k.app(), ""
	if k.chance(10) {
		prompt = "login"
	}
	l, err := k.browser.signIn(ctx, a, prompt)
	switch {
	case errors.Is(err, errAgain):
		_ = pause(ctx, retryPause)
	case err != nil:
		k.w.journal.wrong("sign in", err)
	case k.chance(5):
		k.raceCode(ctx, l)
	default:
		if k.chance(10) {
			other := k.w.apps[(slices.Index(k.w.apps, a)+1)%len(k.w.apps)]
			l.present(ctx, other, false)
		}
		k.redeem(ctx, l)
	}
}

// redeem presents a code until there is an answer. Whether one that was not answered
// may be presented again, a client cannot know; half of them try.
func (k *worker) redeem(ctx context.Context, l *login) {
	for until := time.Now().Add(codeLife); time.Now().Before(until) && ctx.Err() == nil; _ = pause(ctx, retryPause) {
		p, tokens := l.present(ctx, l.app, k.chance(3))
		switch {
		case p.Outcome == audit.Granted && !p.Dropped:
			k.hold(ctx, l, p, tokens)
			return
		case p.Outcome == audit.Refused,
			p.Outcome != audit.Unavailable && k.chance(50):
			return
		}
	}
}

// hold keeps what a code gave.
func (k *worker) hold(ctx context.Context, l *login, p audit.Presentation, tokens *oauth2.Token) {
	if tokens == nil {
		return // that is written down
	}
	l.app.check(ctx, tokens, l.nonce)
	k.browser.hint, k.browser.hintOf = tokens.Extra("id_token"), l.app
	k.live = append(k.live, &holding{login: l, redeemed: p.Began, token: tokens.RefreshToken, access: tokens.AccessToken, used: time.Now()})
}

// raceCode has a thief present a code at the same time.
func (k *worker) raceCode(ctx context.Context, l *login) {
	var theirs audit.Presentation
	var racing sync.WaitGroup
	racing.Go(func() { theirs, _ = l.present(ctx, l.app, false) })
	ours, tokens := l.present(ctx, l.app, false)
	racing.Wait()
	if ours.Outcome == audit.Granted && theirs.Outcome != audit.Refused {
		k.hold(ctx, l, ours, tokens)
	}
}

// goOn refreshes a grant a few times.
func (k *worker) goOn(ctx context.Context) {
	h := k.pick(func(*holding) bool { return true })
	if h == nil {
		return
	}
	if k.chance(5) {
		other := k.w.apps[(slices.Index(k.w.apps, h.app)+1)%len(k.w.apps)]
		other.refresh(ctx, h.token, h.app, false)
	}
	for range 1 + k.random.IntN(4) {
		if !k.refresh(ctx, h, 12) {
			return
		}
	}
}

// refresh gets the next refresh token, and reports whether the grant goes on. So often,
// in a hundred, the answer gets lost, and the client presents its token again.
func (k *worker) refresh(ctx context.Context, h *holding, lost int) bool {
	for ; ctx.Err() == nil; _ = pause(ctx, retryPause) {
		p, tokens := h.app.refresh(ctx, h.token, h.app, k.chance(lost))
		switch {
		case p.Outcome == audit.Granted && !p.Dropped && tokens != nil:
			h.app.check(ctx, tokens, "")
			h.take(tokens)
			return true
		case p.Outcome == audit.Refused && !p.Dropped:
			k.bury(h)
			return false
		}
	}
	return false
}

// raceToken has two replicas refresh the same grant at the same time: a client that
// was too impatient. Both get the same next token, or one none.
func (k *worker) raceToken(ctx context.Context) {
	h := k.pick(func(*holding) bool { return true })
	if h == nil {
		return
	}
	var answers [2]*oauth2.Token
	var outcomes [2]audit.Outcome
	var racing sync.WaitGroup
	for i := range answers {
		racing.Go(func() {
			p, tokens := h.app.refresh(ctx, h.token, h.app, false)
			answers[i], outcomes[i] = tokens, p.Outcome
		})
	}
	racing.Wait()
	if slices.Contains(outcomes[:], audit.Refused) {
		k.bury(h)
		return
	}
	for _, tokens := range answers {
		if tokens != nil {
			h.take(tokens)
			return
		}
	}
	k.refresh(ctx, h, 0)
}

// replayCode presents a code that was redeemed, until it is refused. That ends its
// grant.
func (k *worker) replayCode(ctx context.Context) {
	h := k.pick(func(h *holding) bool { return time.Since(h.redeemed) < codeLife/2 })
	if h == nil {
		return
	}
	k.steal(ctx, h, func() audit.Presentation {
		p, _ := h.present(ctx, h.app, false)
		return p
	})
}

// replayToken presents a refresh token that is older than the last but one.
func (k *worker) replayToken(ctx context.Context) {
	h := k.pick(func(h *holding) bool { return len(h.older) > 1 })
	if h == nil {
		return
	}
	old := h.older[k.random.IntN(len(h.older)-1)]
	k.steal(ctx, h, func() audit.Presentation {
		p, _ := h.app.refresh(ctx, old, h.app, false)
		return p
	})
}

// replayLate presents the last refresh token but one, after the grace.
func (k *worker) replayLate(ctx context.Context) {
	h := k.pick(func(h *holding) bool { return len(h.older) > 0 && time.Since(h.used) > grace })
	if h == nil {
		return
	}
	old := h.older[len(h.older)-1]
	k.steal(ctx, h, func() audit.Presentation {
		p, _ := h.app.refresh(ctx, old, h.app, false)
		return p
	})
}

// steal replays something until that has an answer, and then looks whether the grant
// still gives anything.
func (k *worker) steal(ctx context.Context, h *holding, replay func() audit.Presentation) {
	k.bury(h)
	for ; ctx.Err() == nil; _ = pause(ctx, retryPause) {
		if p := replay(); p.Outcome == audit.Refused || p.Outcome == audit.Granted {
			break
		}
	}
	k.mourn(ctx, h)
}

// mourn looks whether anything of a dead grant is still good.
func (k *worker) mourn(ctx context.Context, h *holding) {
	h.app.refresh(ctx, h.token, h.app, false)
	h.app.inquire(ctx, h)
}

// inquire asks of a live grant.
func (k *worker) inquire(ctx context.Context) {
	if h := k.pick(func(h *holding) bool { return time.Since(h.used) < accessLife }); h != nil {
		h.app.inquire(ctx, h)
	}
}

// hangUp has an app end a grant.
func (k *worker) hangUp(ctx context.Context) {
	h := k.pick(func(*holding) bool { return true })
	if h == nil {
		return
	}
	k.bury(h)
	for !h.app.hangUp(ctx, h) && pause(ctx, retryPause) == nil {
	}
	k.mourn(ctx, h)
}

// revoke has an administrator take all that the person has allowed an app away.
func (k *worker) revoke(ctx context.Context) {
	a := k.app()
	var taken []*holding
	for _, h := range slices.Clone(k.live) {
		if h.app == a {
			taken = append(taken, h)
			k.bury(h)
		}
	}
	for ; ctx.Err() == nil; _ = pause(ctx, retryPause) {
		began := time.Now()
		err := k.w.store.revoke(ctx, k.w, k.who, a.config.ClientID)
		span := audit.Span{Began: began, Ended: time.Now()}
		k.w.journal.write(func(j *audit.Journal) {
			for _, h := range taken {
				j.Revocations = append(j.Revocations, audit.Revocation{Span: span, Code: name(h.code), Done: err == nil})
			}
		})
		if err == nil {
			break
		}
	}
	for _, h := range taken {
		k.mourn(ctx, h)
	}
}

// signOut ends the browser's session. A thief has its cookies.
func (k *worker) signOut(ctx context.Context) {
	b := k.browser
	if b.session == "" || b.hint == nil {
		return
	}
	s := idle{session: b.session, cookies: b.cookies(), app: k.app()}
	b.signOut(ctx)
	k.ended = append(k.ended, s)
	s.visit(ctx)
}

// switchBrowser leaves a browser alone, with its session.
func (k *worker) switchBrowser(context.Context) {
	b, err := newBrowser(k.w, k.who)
	if err != nil {
		k.w.journal.wrong("browser", err)
		return
	}
	if k.browser.session != "" {
		k.idle = append(k.idle, idle{session: k.browser.session, cookies: k.browser.cookies(), app: k.app()})
	}
	k.browser = b
}

func (k *worker) useIdle(ctx context.Context) {
	if len(k.idle) > 0 {
		k.idle[k.random.IntN(len(k.idle))].visit(ctx)
	}
}

func (k *worker) useEnded(ctx context.Context) {
	if len(k.ended) > 0 {
		k.ended[k.random.IntN(len(k.ended))].visit(ctx)
	}
}

// close uses all once more.
func (k *worker) close(ctx context.Context) {
	for _, h := range slices.Clone(k.live) {
		if k.refresh(ctx, h, 0) {
			h.app.inquire(ctx, h)
		}
	}
	for _, h := range k.dead {
		k.mourn(ctx, h)
	}
	for _, s := range append(k.idle, k.ended...) {
		for s.visit(ctx) == audit.Unavailable && pause(ctx, retryPause) == nil {
		}
	}
}
