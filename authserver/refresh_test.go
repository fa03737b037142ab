// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/internal/registration"
)

// firstRefresh signs alice in and returns the token endpoint's first answer.
func (w *world) firstAnswer() answer {
	w.t.Helper()
	return w.token(redemption(w.codeFor(validRequest()))).ok()
}

func TestRefresh_Rotation(t *testing.T) {
	w := newWorld(t)
	first := w.firstAnswer()
	w.clock.pass(time.Hour)
	second := w.token(refreshing(first.str("refresh_token"))).ok()
	now := float64(w.clock.Now().Unix())
	access, id := second.claims("access_token"), second.claims("id_token")
	if access["auth_time"] != now-3600 || id["auth_time"] != now-3600 || id["iat"] != now {
		t.Errorf("tokens say %v and %v", access, id)
	}
	for _, name := range []string{"acr", "amr"} {
		if before := first.claims("id_token")[name]; before == nil || !reflect.DeepEqual(id[name], before) {
			t.Errorf("%s is %v, and was %v", name, id[name], before)
		}
	}
	if id["nonce"] != nil || id["sub"] != first.claims("id_token")["sub"] || id["at_hash"] == nil {
		t.Errorf("ID token says %v", id)
	}
	if second.str("refresh_token") == first.str("refresh_token") || access["jti"] == first.claims("access_token")["jti"] {
		t.Error("something is not new")
	}
	w.userinfo(second.str("access_token")).ok()
	w.token(refreshing(second.str("refresh_token"))).ok()
}

func TestRefresh_Scopes(t *testing.T) {
	w := newWorld(t)
	token := w.firstAnswer().str("refresh_token")
	refresh := func(scope string) answer {
		a := w.token(with(refreshing(token), "scope", scope)).ok()
		token = a.str("refresh_token")
		return a
	}
	// Some clients repeat the full scope, and in another order.
	refresh("offline_access openid profile email groups")
	a := refresh("openid email")
	if a.JSON["scope"] != "openid email" || a.claims("access_token")["name"] != nil || a.claims("id_token")["email"] == nil {
		t.Errorf("got %s", a.body)
	}
	if a := refresh("email"); a.JSON["id_token"] != nil {
		t.Errorf("got %s", a.body)
	}
	// Narrowing is of one access token, not of the grant.
	if a := refresh(""); a.JSON["scope"] != "openid profile email groups offline_access" {
		t.Errorf("got %s", a.body)
	}
	w.token(with(refreshing(token), "scope", "openid admin")).refused(400, "invalid_scope")

	less := w.newBrowser().codeFor(with(validRequest(), "scope", "openid offline_access"))
	token = w.token(redemption(less)).ok().str("refresh_token")
	w.token(with(refreshing(token), "scope", "openid email")).refused(400, "invalid_scope")
}

// TestRefresh_RegistrationNarrowed: what a client may no longer have it does not get.
func TestRefresh_RegistrationNarrowed(t *testing.T) {
	w := newWorld(t)
	first := w.firstAnswer()
	w.registry.SetClient(clientOf(t, narrowed(clientRecord("wiki", nil))))
	info := w.userinfo(first.str("access_token")).ok()
	if info.JSON["email"] != nil || info.JSON["name"] == nil {
		t.Errorf("userinfo says %s", info.body)
	}
	a := w.token(with(refreshing(first.str("refresh_token")), "scope", "openid profile email groups offline_access")).ok()
	if a.JSON["scope"] != "openid profile offline_access" || a.claims("access_token")["email"] != nil {
		t.Errorf("got %s", a.body)
	}
	w.token(with(refreshing(a.str("refresh_token")), "scope", "email groups")).refused(400, "invalid_scope")
	w.addClient("wiki", func(r *registration.Client) { r.Scopes = []string{"wiki:edit"} })
	w.token(refreshing(a.str("refresh_token"))).refused(400, "invalid_grant")
	w.addClient("wiki", nil)
	w.token(refreshing(a.str("refresh_token"))).ok()
}

func TestRefresh_Refused(t *testing.T) {
	w := newWorld(t)
	w.addClient("shop", nil)
	first := w.firstAnswer()
	token := first.str("refresh_token")
	writes := w.store.writes.Load()
	for name, bad := range map[string]string{
		"cut":             token[:len(token)-2],
		"changed":         token[:60] + flip(token[60]) + token[61:],
		"an access token": first.str("access_token"),
		"an ID token":     first.str("id_token"),
		"long":            strings.Repeat("A", 30<<10),
	} {
		t.Run(name, func(t *testing.T) { w.in(t).token(refreshing(bad)).refused(400, "invalid_grant") })
	}
	t.Run("another client", func(t *testing.T) {
		w := w.in(t)
		w.tokenAs("docs.shop", shopSecret, refreshing(token)).refused(400, "invalid_grant")
	})
	t.Run("twice", func(t *testing.T) {
		w := w.in(t)
		form := refreshing(token)
		form.Add("refresh_token", token)
		w.token(form).refused(400, "invalid_request")
	})
	t.Run("as code", func(t *testing.T) { w.in(t).token(redemption(token)).refused(400, "invalid_grant") })
	t.Run("person gone", func(t *testing.T) {
		w := w.in(t)
		w.users.set(userList(t, "bob"), nil)
		w.token(refreshing(token)).refused(400, "invalid_grant")
		w.users.set(userList(t, "alice"), nil)
	})
	if w.store.writes.Load() != writes {
		t.Error("a refusal was written")
	}
	w.token(refreshing(token)).ok()
}

func TestRefresh_Expiry(t *testing.T) {
	w := newWorld(t)
	const idle, all = 168 * time.Hour, 720 * time.Hour
	t.Run("idle", func(t *testing.T) {
		w := w.in(t)
		token := w.firstAnswer().str("refresh_token")
		w.clock.pass(idle - time.Second)
		token = w.token(refreshing(token)).ok().str("refresh_token")
		w.clock.pass(idle)
		w.token(refreshing(token)).refused(400, "invalid_grant")
	})
	t.Run("absolute", func(t *testing.T) {
		w := w.in(t)
		token := w.firstAnswer().str("refresh_token")
		start := w.clock.Now()
		for w.clock.Now().Sub(start) < all-idle {
			w.clock.pass(idle - time.Hour)
			token = w.token(refreshing(token)).ok().str("refresh_token")
		}
		w.clock.pass(start.Add(all - time.Second).Sub(w.clock.Now()))
		last := w.token(refreshing(token)).ok()
		w.clock.pass(time.Second)
		w.token(refreshing(last.str("refresh_token"))).refused(400, "invalid_grant")
		// The last access token lives on to its own end.
		w.clock.pass(14 * time.Minute)
		w.userinfo(last.str("access_token")).ok()
	})
}

// TestRefresh_Retry: an answer that was lost is given again, for a short while, and
// the chain does not fork.
func TestRefresh_Retry(t *testing.T) {
	w := newWorld(t)
	first := w.firstAnswer().str("refresh_token")
	second := w.token(refreshing(first)).ok()
	w.clock.pass(9 * time.Second)
	again := w.token(refreshing(first)).ok()
	w.userinfo(second.str("access_token")).ok()
	w.userinfo(again.str("access_token")).ok()
	// Both answers hold the same next token of the chain: one use, then a retry.
	third := w.token(refreshing(again.str("refresh_token"))).ok()
	w.token(refreshing(second.str("refresh_token"))).ok()
	// The first one is two steps back now: that is no retry, however soon.
	w.token(refreshing(first)).refused(400, "invalid_grant")
	w.token(refreshing(third.str("refresh_token"))).refused(400, "invalid_grant")
	w.userinfo(third.str("access_token")).refused(401, "invalid_token")
}

func TestRefresh_ReuseRevokes(t *testing.T) {
	w := newWorld(t)
	first := w.firstAnswer()
	second := w.token(refreshing(first.str("refresh_token"))).ok()
	w.clock.pass(10 * time.Second)
	w.token(refreshing(first.str("refresh_token"))).refused(400, "invalid_grant")
	for _, a := range []answer{first, second} {
		w.userinfo(a.str("access_token")).refused(401, "invalid_token")
		w.token(refreshing(a.str("refresh_token"))).refused(400, "invalid_grant")
	}
	// Other grants of the same person and client live on.
	w.userinfo(w.firstAnswer().str("access_token")).ok()
	w.wantMetric("clientele_grants_revoked_total", "refresh_reuse", 1)
}

func TestRefresh_NoGrace(t *testing.T) {
	w := newWorld(t)
	w.addIssuer("main", mainIssuer, func(r *registration.Server) { r.Lifetimes.RefreshTokenRetryGrace = 0 })
	first := w.firstAnswer().str("refresh_token")
	w.token(refreshing(first)).ok()
	w.token(refreshing(first)).refused(400, "invalid_grant")

	// Nor at a replica whose clock is behind, or in a request that began before and has
	// taken its time.
	first = w.firstAnswer().str("refresh_token")
	next := w.token(refreshing(first)).ok()
	w.clock.pass(-time.Second)
	w.token(refreshing(first)).refused(400, "invalid_grant")
	w.token(refreshing(next.str("refresh_token"))).refused(400, "invalid_grant")
}

// TestRefresh_RevokeFails: a theft that could not be answered is not forgotten.
func TestRefresh_RevokeFails(t *testing.T) {
	w := newWorld(t)
	first := w.firstAnswer().str("refresh_token")
	second := w.token(refreshing(first)).ok().str("refresh_token")
	w.clock.pass(time.Minute)
	w.store.fails("Revoke")
	w.token(refreshing(first)).refused(503, "temporarily_unavailable")
	w.store.heals()
	w.token(refreshing(first)).refused(400, "invalid_grant")
	w.token(refreshing(second)).refused(400, "invalid_grant")
}
