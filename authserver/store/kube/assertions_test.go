// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/authserver/store"
)

// TestSpend_AnswerIsLost: an assertion whose answer was lost is used, wherever it was
// lost on its way, or may still be used, and nobody is told that it was used before.
func TestSpend_AnswerIsLost(t *testing.T) {
	w, c := &wire{}, newClock()
	ns := namespace(t)
	s, other := open(t, ns, c.now, w.over), open(t, ns, c.now)
	until := c.now().Add(time.Minute)
	w.set(loseAnswers(http.MethodPost))
	wantUnknown(t, "Spend", s.Spend(t.Context(), issuer, "arrived", until))
	w.wantSent(t, "Spend", "POST oauthassertions")
	wantError(t, "Spend of another", other.Spend(t.Context(), issuer, "arrived", until), store.ErrUsed)
	w.set(loseRequests(http.MethodPost))
	wantUnknown(t, "Spend", s.Spend(t.Context(), issuer, "lost", until))
	must(t, other.Spend(t.Context(), issuer, "lost", until))
	// That it was used is known, but not until when.
	w.set(loseAnswers(http.MethodGet))
	wantUnknown(t, "Spend", s.Spend(t.Context(), issuer, "lost", until))
}

// TestSpend_Object: there is nothing in it that tells of the assertion, and it does not
// change.
func TestSpend_Object(t *testing.T) {
	c, ns := newClock(), namespace(t)
	s := open(t, ns, c.now)
	until := c.now().Add(time.Minute)
	must(t, s.Spend(t.Context(), issuer, "uid-1 jti", until))
	o := get(t, ns, assertionKind, objectName(assertionKind, issuer, "uid-1 jti"))
	text, err := o.MarshalJSON()
	must(t, err)
	if strings.Contains(string(text), "jti") || strings.Contains(string(text), "uid-1") {
		t.Errorf("%s tells what was used", text)
	}
	if labels := o.GetLabels(); labels[v1alpha1.LabelExpires] != minute(until) || labels[v1alpha1.LabelExcludeFromBackup] != "true" {
		t.Errorf("labels are %q", labels)
	}
	err = patchByHand(t, ns, assertionKind, o.GetName(), `{"spec": {"expiresAt": "2020-01-01T00:00:00.000000Z"}}`)
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "does not change") {
		t.Errorf("editing an assertion: %v, want a refusal", err)
	}
}

// TestSpend_Foreign: a name that is taken is used, whatever has taken it.
func TestSpend_Foreign(t *testing.T) {
	c, ns := newClock(), namespace(t)
	s := open(t, ns, c.now)
	o := assertionObject("other", "jti", c.now().Add(time.Minute))
	o.Name = objectName(assertionKind, issuer, "jti")
	createByHand(t, ns, assertionKind, o)
	wantError(t, "Spend", s.Spend(t.Context(), issuer, "jti", c.now().Add(time.Hour)), store.ErrUsed)
	// So is one that somebody else's finalizer holds, be it over or not.
	must(t, patchByHand(t, ns, assertionKind, o.Name, `{"metadata": {"finalizers": ["example.com/held"]}}`))
	c.pass(2 * time.Hour)
	for range 2 {
		wantError(t, "Spend", s.Spend(t.Context(), issuer, "jti", c.now().Add(time.Hour)), store.ErrUsed)
	}
}

// TestSpend_Unreadable: whatever an API server may have stored by another schema.
func TestSpend_Unreadable(t *testing.T) {
	c := newClock()
	for _, body := range []string{`{}`, `null`, `{"spec": 7}`, `{"spec": {"expiresAt": "tomorrow"}}`} {
		w := &wire{}
		taken := say(http.StatusConflict, "application/json", `{"kind":"Status","apiVersion":"v1","status":"Failure","code":409,"reason":"AlreadyExists",
			"details":{"group":"clientele.dev","kind":"oauthassertions","name":"`+objectName(assertionKind, issuer, "jti")+`"}}`)
		found := say(http.StatusOK, "application/json", body)
		w.set(&fault{func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if r.Method == http.MethodPost {
				return taken.do(r, next)
			}
			return found.do(r, next)
		}})
		s := open(t, "anywhere", c.now, w.over)
		wantError(t, "Spend over "+body, s.Spend(t.Context(), issuer, "jti", c.now().Add(time.Hour)), store.ErrUsed)
		w.wantSent(t, "Spend", "POST oauthassertions", "GET oauthassertions")
	}
}

// between calls do once, before the next request of a method goes on.
func between(method string, do func()) *fault {
	var once sync.Once
	return &fault{func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.Method == method {
			once.Do(do)
		}
		return next.RoundTrip(r)
	}}
}

// TestSpend_RoomIsMadeOnce: of two that find the same leftover only one makes room, and
// neither a slow one nor a slow sweep takes what the other has put there.
func TestSpend_RoomIsMadeOnce(t *testing.T) {
	for name, do := range map[string]func(s *Store, until time.Time) error{
		"spend": func(s *Store, until time.Time) error {
			return but(s.Spend(t.Context(), issuer, "jti", until), store.ErrUsed)
		},
		"sweep": func(s *Store, _ time.Time) error {
			swept, err := s.Sweep(t.Context(), 10)
			if swept.Spent != 0 {
				err = errors.New("it counts what another has deleted")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, c, ns := &wire{}, newClock(), namespace(t)
			slow, other := open(t, ns, c.now, w.over), open(t, ns, c.now)
			must(t, other.Spend(t.Context(), issuer, "jti", c.now().Add(time.Minute)))
			c.pass(time.Hour)
			until := c.now().Add(time.Minute)
			// Sweep deletes other kinds first, in bulk and by no name.
			used := between(http.MethodDelete, func() { must(t, other.Spend(t.Context(), issuer, "jti", until)) })
			w.set(&fault{func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
				if !strings.Contains(r.URL.Path, "/oauthassertions/") {
					return next.RoundTrip(r)
				}
				return used.do(r, next)
			}})
			must(t, do(slow, until))
			wantError(t, "Spend after it", other.Spend(t.Context(), issuer, "jti", until), store.ErrUsed)
		})
	}
}

// TestRenewSession_AnswerIsLost: it may be renewed, and whoever renews it again wins.
func TestRenewSession_AnswerIsLost(t *testing.T) {
	w, c := &wire{}, newClock()
	s := open(t, namespace(t), c.now, w.over)
	must(t, s.CreateSession(t.Context(), session(c, "id")))
	c.pass(time.Hour)
	renewed := session(c, "id")
	for _, lose := range []*fault{loseRequests(http.MethodPatch), loseAnswers(http.MethodPatch), loseAnswers(http.MethodGet)} {
		w.set(lose)
		wantUnknown(t, "RenewSession", s.RenewSession(t.Context(), renewed))
	}
	w.set(nil)
	renewed.SignIn = "again"
	must(t, s.RenewSession(t.Context(), renewed))
	got, err := s.Session(t.Context(), issuer, "id")
	if err != nil || got.SignIn != "again" || !got.AuthTime.Equal(c.now().Truncate(time.Microsecond)) {
		t.Errorf("Session = %+v, %v", got, err)
	}
}

// TestRenewSession_Ended between the look at it and the patch, whatever has ended it.
func TestRenewSession_Ended(t *testing.T) {
	for name, held := range map[string]string{"deleted": `{}`, "held by a finalizer": `{"metadata": {"finalizers": ["example.com/held"]}}`} {
		t.Run(name, func(t *testing.T) {
			w, c, ns := &wire{}, newClock(), namespace(t)
			s := open(t, ns, c.now, w.over)
			must(t, s.CreateSession(t.Context(), session(c, "id")))
			w.set(between(http.MethodPatch, func() {
				object := objectName(sessionKind, issuer, "id")
				must(t, patchByHand(t, ns, sessionKind, object, held), deleteByHand(t, ns, sessionKind, object))
			}))
			wantError(t, "RenewSession", s.RenewSession(t.Context(), session(c, "id")), store.ErrNotFound)
			_, err := s.Session(t.Context(), issuer, "id")
			wantError(t, "Session", err, store.ErrNotFound)
		})
	}
}

// TestRenewSession_Labels: what is swept by it says when it ends now, and what an older
// version has made gets a sign-in.
func TestRenewSession_Labels(t *testing.T) {
	c, ns := newClock(), namespace(t)
	s := open(t, ns, c.now)
	old := sessionObject(session(c, "id"))
	old.Spec.SignIn = ""
	createByHand(t, ns, sessionKind, old)
	c.pass(7 * time.Hour)
	renewed := session(c, "id")
	must(t, s.RenewSession(t.Context(), renewed))
	labels := get(t, ns, sessionKind, old.Name).GetLabels()
	if labels[v1alpha1.LabelExpires] != hour(renewed.ExpiresAt) || labels[v1alpha1.LabelExcludeFromBackup] != "true" {
		t.Errorf("labels are %q", labels)
	}
	got, err := s.Session(t.Context(), issuer, "id")
	if err != nil || got.SignIn != renewed.SignIn {
		t.Errorf("Session = %+v, %v", got, err)
	}
}

// TestSessionGrants_Labels: kubectl finds a session's grants by the session's name. What
// an older version made, and what was put there by hand, is no session's.
func TestSessionGrants_Labels(t *testing.T) {
	c, ns := newClock(), namespace(t)
	s := open(t, ns, c.now)
	must(t, s.Redeem(t.Context(), grant(c, "code")))
	labels := get(t, ns, grantKind, objectName(grantKind, issuer, "code")).GetLabels()
	if labels[v1alpha1.LabelSession] != objectName(sessionKind, issuer, "session-of-ann") {
		t.Errorf("labels are %q", labels)
	}
	for i, change := range []func(o *v1alpha1.OAuthGrant){
		func(o *v1alpha1.OAuthGrant) { o.Spec.Session = "another" },
		func(o *v1alpha1.OAuthGrant) { o.Spec.CodeID = "another" },
		func(o *v1alpha1.OAuthGrant) { o.Spec.AuthorizationServer = "other" },
		func(o *v1alpha1.OAuthGrant) { o.Spec.Session, o.Spec.CodeID = "", "" },
		func(o *v1alpha1.OAuthGrant) { delete(o.Labels, v1alpha1.LabelSession) },
	} {
		o := grantObject(grant(c, strings.Repeat("x", 1+i)), "by hand")
		change(o)
		createByHand(t, ns, grantKind, o)
	}
	got, err := s.SessionGrants(t.Context(), issuer, "session-of-ann")
	if err != nil || len(got) != 1 || got[0].ID != "code" {
		t.Errorf("SessionGrants = %+v, %v, want the one that was redeemed", got, err)
	}
}

// TestSessionGrants_Pages: a session of more grants than one request is about.
func TestSessionGrants_Pages(t *testing.T) {
	w, c := &wire{}, newClock()
	s := open(t, namespace(t), c.now, w.over)
	const n = 2*sessionPage + 1
	seen := map[string]bool{}
	for i := range n {
		must(t, s.Redeem(t.Context(), grant(c, strings.Repeat("x", 1+i%250)+strings.Repeat("y", i/250))))
	}
	w.mu.Lock()
	w.sent = nil
	w.mu.Unlock()
	got, err := s.SessionGrants(t.Context(), issuer, "session-of-ann")
	for _, g := range got {
		seen[g.ID] = true
	}
	if err != nil || len(seen) != n {
		t.Errorf("SessionGrants = %d different grants, %v, want %d", len(seen), err, n)
	}
	w.wantSent(t, "SessionGrants", "GET oauthgrants", "GET oauthgrants", "GET oauthgrants")
}
