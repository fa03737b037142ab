// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/clientele-dev/clientele/authserver/store"
)

// What is lost between a store and the API server must neither double a write nor
// make one of somebody else's one's own.

func TestRedeem_AnswerIsLost(t *testing.T) {
	w, c := &wire{}, newClock()
	ns := namespace(t)
	s, other := open(t, ns, c.now, w.over), open(t, ns, c.now)
	g := grant(c, "code")
	w.set(loseAnswers(http.MethodPost))
	if err := s.Redeem(t.Context(), g); err != nil {
		t.Errorf("Redeem = %v, want success: the grant is there", err)
	}
	w.wantSent(t, "Redeem", "POST oauthgrants", "GET oauthgrants")
	wantError(t, "Redeem of another", other.Redeem(t.Context(), g), store.ErrSpent)
	wantError(t, "second Redeem, with its answer lost too", s.Redeem(t.Context(), g), store.ErrSpent)
}

func TestRedeem_RequestIsLost(t *testing.T) {
	w, c := &wire{}, newClock()
	ns := namespace(t)
	s, other := open(t, ns, c.now, w.over), open(t, ns, c.now)
	w.set(loseRequests(http.MethodPost))
	wantUnknown(t, "Redeem", s.Redeem(t.Context(), grant(c, "code")))
	w.wantSent(t, "Redeem", "POST oauthgrants", "GET oauthgrants")
	must(t, other.Redeem(t.Context(), grant(c, "code")))
	wantError(t, "Redeem after another's", s.Redeem(t.Context(), grant(c, "code")), store.ErrSpent)
}

func TestRedeem_NothingAnswers(t *testing.T) {
	w, c := &wire{}, newClock()
	ns := namespace(t)
	s, other := open(t, ns, c.now, w.over), open(t, ns, c.now)
	w.set(loseAnswers(http.MethodPost, http.MethodGet))
	wantUnknown(t, "Redeem", s.Redeem(t.Context(), grant(c, "code")))
	wantError(t, "Redeem of another", other.Redeem(t.Context(), grant(c, "code")), store.ErrSpent)
}

// TestRedeem_RevokedMeanwhile: what was revoked before its answer could be found out
// gives nothing.
func TestRedeem_RevokedMeanwhile(t *testing.T) {
	w, c := &wire{}, newClock()
	ns := namespace(t)
	s, other := open(t, ns, c.now, w.over), open(t, ns, c.now)
	lose := loseAnswers(http.MethodPost)
	w.set(&fault{func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		answer, err := lose.do(r, next)
		if errors.Is(err, errCut) {
			must(t, other.Revoke(t.Context(), issuer, "code"))
		}
		return answer, err
	}})
	wantError(t, "Redeem", s.Redeem(t.Context(), grant(c, "code")), store.ErrSpent)
}

// TestRedeem_CallerIsGone: nothing more is asked for somebody who does not wait.
func TestRedeem_CallerIsGone(t *testing.T) {
	w, c := &wire{}, newClock()
	s := open(t, namespace(t), c.now, w.over)
	ctx, cancel := context.WithCancel(t.Context())
	w.set(&fault{func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		cancel()
		return hang(r, next)
	}})
	wantError(t, "Redeem", s.Redeem(ctx, grant(c, "code")), context.Canceled)
	w.wantSent(t, "Redeem", "POST oauthgrants")
}

// TestAdvance_AnswerIsLost: the client comes again with the same token, and is told
// that it was just used.
func TestAdvance_AnswerIsLost(t *testing.T) {
	w, c := &wire{}, newClock()
	s := open(t, namespace(t), c.now, w.over)
	must(t, s.Redeem(t.Context(), grant(c, "code")))
	c.pass(time.Hour)
	w.wantSent(t, "Redeem", "POST oauthgrants")
	w.set(loseAnswers(http.MethodPatch))
	_, err := s.Advance(t.Context(), issuer, "code", 0, c.now())
	wantUnknown(t, "Advance", err)
	w.wantSent(t, "Advance", "PATCH oauthgrants")
	w.set(nil)
	got, err := s.Advance(t.Context(), issuer, "code", 0, c.now())
	wantError(t, "second Advance", err, store.ErrReused)
	if want := c.now().Truncate(time.Microsecond); got.Counter != 1 || !got.AdvancedAt.Equal(want) {
		t.Errorf("the counter is %d since %v, want 1 since %v", got.Counter, got.AdvancedAt, want)
	}
}

// verbs are all of a store's, to be tried on one that cannot do any.
func verbs(ctx context.Context, s *Store, c *clock) map[string]error {
	errs := map[string]error{
		"CreateSession": s.CreateSession(ctx, session(c, "another")),
		"RenewSession":  s.RenewSession(ctx, session(c, "id")),
		"Spend":         s.Spend(ctx, issuer, "jti", c.now().Add(time.Minute)),
		"EndSession":    s.EndSession(ctx, issuer, "id"),
		"Redeem":        s.Redeem(ctx, grant(c, "another")),
		"Revoke":        s.Revoke(ctx, issuer, "code"),
		"Allow":         s.Allow(ctx, consent(c, "openid")),
		"Forget":        s.Forget(ctx, issuer, "subject-of-ann", "docs.wiki"),
	}
	_, errs["Session"] = s.Session(ctx, issuer, "id")
	_, errs["Grant"] = s.Grant(ctx, issuer, "code")
	_, errs["Advance"] = s.Advance(ctx, issuer, "code", 0, c.now())
	_, errs["SessionGrants"] = s.SessionGrants(ctx, issuer, "session-of-ann")
	_, errs["Consent"] = s.Consent(ctx, issuer, "subject-of-ann", "docs.wiki")
	_, errs["Sweep"] = s.Sweep(ctx, 10)
	return errs
}

// TestStore_NotTheAPIServersWord: a store that is down must never look like one that
// has nothing, or in which everything is revoked or spent.
func TestStore_NotTheAPIServersWord(t *testing.T) {
	const plain, status = "text/plain", "application/json"
	c := newClock()
	for _, tt := range []struct {
		name        string
		code        int
		contentType string
		body        string
	}{
		{"a path that nobody serves", 404, plain, "404 page not found"},
		{"a proxy's 404 in JSON", 404, status, `{"message": "no such route"}`},
		{"a proxy's 409", 409, plain, "conflict"},
		{"a proxy's 200", 200, "text/html", "<html>"},
		{"an empty 200", 200, status, ``},
		{"a namespace that is not there", 404, status, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":404,"reason":"NotFound",
			"message":"namespaces \"x\" not found","details":{"name":"x","kind":"namespaces"}}`},
		{"somebody who may not", 403, status, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,"reason":"Forbidden","message":"no"}`},
		{"too many requests", 429, plain, "try again"},
		{"a server that is busy", 500, status, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":500,"reason":"ServerTimeout",
			"message":"try again","details":{"retryAfterSeconds":1}}`},
		{"a server that is starting", 503, plain, "starting"},
		{"a write that was too slow", 504, status, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":504,"reason":"Timeout","message":"slow"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &wire{}
			w.set(say(tt.code, tt.contentType, tt.body))
			s := open(t, "anywhere", c.now, w.over)
			for verb, err := range verbs(t.Context(), s, c) {
				if tt.code == http.StatusOK && err == nil && verb != "Session" && verb != "Grant" && verb != "Advance" && verb != "Consent" {
					continue // a write of which only the success is looked at
				}
				wantUnknown(t, verb, err)
			}
		})
	}
}

// TestStore_SendsNothingTwice, not even what it is asked to send again.
func TestStore_SendsNothingTwice(t *testing.T) {
	w, c := &wire{}, newClock()
	w.set(say(http.StatusTooManyRequests, "text/plain", "try again"))
	s := open(t, "anywhere", c.now, w.over)
	wantUnknown(t, "CreateSession", s.CreateSession(t.Context(), session(c, "id")))
	w.wantSent(t, "CreateSession", "POST oauthsessions")
	_, err := s.Advance(t.Context(), issuer, "code", 0, c.now())
	wantUnknown(t, "Advance", err)
	w.wantSent(t, "Advance", "PATCH oauthgrants")
}

// TestStore_WaitsForABoundedTime for an API server that takes requests and is silent.
func TestStore_WaitsForABoundedTime(t *testing.T) {
	w, c := &wire{}, newClock()
	w.set(&fault{hang})
	config := rest.CopyConfig(server.Config)
	w.over(config)
	s, err := New(Config{REST: config, Namespace: "anywhere", Now: c.now, Timeout: 20 * time.Millisecond})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for verb, err := range verbs(ctx, s, c) {
		wantUnknown(t, verb, err)
	}
	if err := ctx.Err(); err != nil {
		t.Errorf("that took until %v", err)
	}
}

// TestStore_APIServerIsGone, and comes back.
func TestStore_APIServerIsGone(t *testing.T) {
	c := newClock()
	s := open(t, namespace(t), c.now)
	must(t, s.Redeem(t.Context(), grant(c, "code")), s.CreateSession(t.Context(), session(c, "id")), s.Allow(t.Context(), consent(c, "openid")))
	must(t, server.Halt())
	began := time.Now()
	for verb, err := range verbs(t.Context(), s, c) {
		wantUnknown(t, verb, err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it takes %v to find out that there is no API server", took)
	}
	must(t, server.Resume(), listable(t.Context()))
	_, err := s.Grant(t.Context(), issuer, "code")
	must(t, err)
	_, err = s.Session(t.Context(), issuer, "id")
	must(t, err)
	_, err = s.Advance(t.Context(), issuer, "code", 0, c.now())
	must(t, err, s.Redeem(t.Context(), grant(c, "another")))
}
