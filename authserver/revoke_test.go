// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/internal/registration"
)

// revoke revokes a token as wiki.
func (w *world) revoke(token string) answer {
	w.t.Helper()
	return w.ask(revokePath, "docs.wiki", wikiSecret, about(token))
}

// lives fails the test unless everything of an answer of the token endpoint is good.
func (w *world) lives(a answer) {
	w.t.Helper()
	w.introspect(a.str("access_token")).active()
	w.introspect(a.str("refresh_token")).active()
	w.userinfo(a.str("access_token")).ok()
}

// isOver fails the test unless nothing of an answer of the token endpoint is good for
// anything.
func (w *world) isOver(a answer) {
	w.t.Helper()
	w.introspect(a.str("access_token")).inactive()
	w.introspect(a.str("refresh_token")).inactive()
	w.userinfo(a.str("access_token")).refused(401, "invalid_token")
	w.token(refreshing(a.str("refresh_token"))).refused(400, "invalid_grant")
}

// TestRevoke_Valid: whichever token of a grant it is, all of the grant is over.
func TestRevoke_Valid(t *testing.T) {
	for _, kind := range []string{"access_token", "refresh_token"} {
		for _, hint := range hints {
			t.Run(kind+" as "+hint, func(t *testing.T) {
				w := newWorld(t)
				b := w.newBrowser()
				first := w.token(redemption(b.codeFor(validRequest()))).ok()
				second := w.token(refreshing(first.str("refresh_token"))).ok()
				other := w.token(redemption(b.codeFor(validRequest()))).ok()
				w.lives(second)

				form := with(about(second.str(kind)), "token_type_hint", hint)
				a := w.ask(revokePath, "docs.wiki", wikiSecret, form).ok()
				if a.body != "{}" || a.header.Get("Cache-Control") != "no-store" {
					t.Errorf("got %v %s", a.header, a.body)
				}
				w.isOver(first)
				w.isOver(second)
				w.revoke(second.str(kind)).ok() // it is so already

				// The person's other grants live on, and so does the session.
				w.lives(other)
				b.begin(with(validRequest(), "prompt", "none")).is("code")
				w.wantMetric("clientele_grants_revoked_total", "client_request", 2)
			})
		}
	}
}

// TestRevoke_OldRefreshToken: a client may hold one whose successor went to somebody
// else, and that one's must end.
func TestRevoke_OldRefreshToken(t *testing.T) {
	for name, age := range map[string]time.Duration{
		"used just now": 0, "used a while ago": time.Hour, "expired": 169 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first := w.firstAnswer()
			w.clock.pass(age / 2)
			last := w.token(refreshing(first.str("refresh_token"))).ok()
			w.clock.pass(age / 2)
			last = w.token(refreshing(last.str("refresh_token"))).ok()
			w.lives(last)
			w.revoke(first.str("refresh_token")).ok()
			w.isOver(last)
		})
	}
}

// TestRevoke_Nothing: RFC 7009 section 2.2: what is no token is no error either, and
// costs nothing.
func TestRevoke_Nothing(t *testing.T) {
	w := newWorld(t)
	w.addIssuer("team", pathIssuer, nil)
	w.registry.SetClient(clientOf(t, clientRecord("wiki", func(r *registration.Client) { r.AuthorizationServer = "team" })))
	there := w.newBrowser().get(authorizeURL(pathIssuer, validRequest())).loginAs("alice", alicePass).decide("allow").is("code")
	other := w.call(w.tokenRequest(pathIssuer, "docs.wiki", wikiSecret, redemption(there.param("code")))).ok()
	old := w.firstAnswer()
	w.clock.pass(15*time.Minute + 5*time.Second)
	b := w.newBrowser()
	code := b.codeFor(validRequest())
	a := w.token(redemption(b.codeFor(validRequest()))).ok()
	writes := w.store.writes.Load()
	for name, token := range map[string]string{
		"nothing of ours":                "an-opaque-token-of-somebody",
		"an ID token":                    a.str("id_token"),
		"a code":                         code,
		"access token, cut":              a.str("access_token")[:len(a.str("access_token"))-2],
		"refresh token, cut":             a.str("refresh_token")[:len(a.str("refresh_token"))-2],
		"an expired access token":        old.str("access_token"),
		"another issuer's access token":  other.str("access_token"),
		"another issuer's refresh token": other.str("refresh_token"),
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			for _, hint := range hints {
				w.ask(revokePath, "docs.wiki", wikiSecret, with(about(token), "token_type_hint", hint)).ok()
			}
		})
	}
	if w.store.writes.Load() != writes {
		t.Error("nothing was written")
	}
	w.lives(a)
	w.token(refreshing(old.str("refresh_token"))).ok()
	w.token(redemption(code)).ok()
}

// TestRevoke_AnotherClient: RFC 7009 section 2.1: it is refused, and nothing happens.
func TestRevoke_AnotherClient(t *testing.T) {
	w := newWorld(t)
	w.addClient("shop", nil)
	w.addClient("spa", public)
	a := w.firstAnswer()
	writes := w.store.writes.Load()
	for _, token := range []string{a.str("access_token"), a.str("refresh_token")} {
		w.ask(revokePath, "docs.shop", shopSecret, about(token)).refused(400, "invalid_grant")
		w.ask(revokePath, "", "", with(about(token), "client_id", "docs.spa")).refused(400, "invalid_grant")
	}
	w.lives(a)
	if w.store.writes.Load() != writes {
		t.Error("a refusal was written")
	}
}

// TestRevoke_ClientAuth: who cannot authenticate cannot revoke, whatever they hold.
func TestRevoke_ClientAuth(t *testing.T) {
	w := newWorld(t)
	a := w.firstAnswer()
	for _, token := range []string{a.str("access_token"), a.str("refresh_token"), "an-opaque-token-of-somebody"} {
		got := w.ask(revokePath, "docs.wiki", "a-wrong-secret-of-a-stranger", about(token)).refused(401, "invalid_client")
		if got.header.Get("WWW-Authenticate") != `Basic realm="`+mainIssuer+`"` {
			t.Errorf("headers are %v", got.header)
		}
		w.ask(revokePath, "docs.nobody", wikiSecret, about(token)).refused(401, "invalid_client")
		w.ask(revokePath, "", "", with(about(token), "client_id", "docs.wiki")).refused(401, "invalid_client")
		w.ask(revokePath, "", "", about(token)).refused(401, "invalid_client")
		w.current.Store(false)
		w.ask(revokePath, "docs.new", wikiSecret, about(token)).refused(503, "temporarily_unavailable")
		w.current.Store(true)
	}
	w.lives(a)
}

// TestRevoke_PublicClient: it says who it is, as at the token endpoint, and its pages
// may read the answer.
func TestRevoke_PublicClient(t *testing.T) {
	w := newWorld(t)
	w.addClient("spa", public)
	const uri = "https://spa.example.com/callback"
	code := w.codeFor(with(validRequest(), "client_id", "docs.spa", "redirect_uri", uri))
	a := w.tokenAs("", "", with(redemption(code), "client_id", "docs.spa", "redirect_uri", uri)).ok()
	w.ask(revokePath, "", "", about(a.str("refresh_token"))).refused(401, "invalid_client")
	w.userinfo(a.str("access_token")).ok()

	asked := w.call(w.request(http.MethodOptions, mainIssuer+revokePath, ""))
	if asked.status != http.StatusNoContent || asked.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("status %d, %v", asked.status, asked.header)
	}
	send := func(origin string) answer {
		r := w.tokenRequest(mainIssuer, "", "", with(about(a.str("refresh_token")), "client_id", "docs.spa"))
		r.URL.Path = revokePath
		r.Header.Set("Origin", origin)
		return w.call(r).ok()
	}
	if h := send("https://spa.example.com").header; h.Get("Access-Control-Allow-Origin") != "https://spa.example.com" || h.Get("Vary") != "Origin" {
		t.Errorf("headers are %v", h)
	}
	if h := send("https://evil.example").header; h.Get("Access-Control-Allow-Origin") != "" || h.Get("Vary") != "Origin" {
		t.Errorf("headers are %v", h)
	}
	w.userinfo(a.str("access_token")).refused(401, "invalid_token")
	w.tokenAs("", "", with(refreshing(a.str("refresh_token")), "client_id", "docs.spa")).refused(400, "invalid_grant")
}

// TestRevoke_CannotTell: 200 means that it is over. Otherwise a client must try again.
func TestRevoke_CannotTell(t *testing.T) {
	w := newWorld(t)
	a := w.firstAnswer()
	for _, token := range []string{a.str("access_token"), a.str("refresh_token")} {
		w.store.fails("Revoke")
		got := w.revoke(token).refused(503, "temporarily_unavailable")
		if got.header.Get("Retry-After") != "5" || strings.Contains(got.body, "broken") {
			t.Errorf("got %v %s", got.header, got.body)
		}
		w.store.heals()
		w.lives(a)
		// A key that this replica has yet to hear of could have made this.
		w.current.Store(false)
		w.revoke(token[:len(token)-3]+"AAA").refused(503, "temporarily_unavailable")
		w.current.Store(true)
	}
	w.wantMetric("clientele_grants_revoked_total", "client_request", 0)
	if !strings.Contains(w.log.String(), "revoke grant: the store is broken") {
		t.Error("the log does not tell why")
	}
	// Who is registered is beside the point once the token is known.
	w.current.Store(false)
	w.revoke(a.str("access_token")).ok()
	w.current.Store(true)
	w.isOver(a)
}

// TestRevoke_AnswerLost: where the store did it and could not say so, trying again
// says so.
func TestRevoke_AnswerLost(t *testing.T) {
	w := newWorld(t)
	a := w.firstAnswer()
	w.store.goes(losing, "Revoke")
	w.revoke(a.str("refresh_token")).refused(503, "temporarily_unavailable")
	w.store.heals()
	w.isOver(a)
	w.revoke(a.str("refresh_token")).ok()
}

// TestRevoke_PersonGone: it takes neither the person nor their identity provider.
func TestRevoke_PersonGone(t *testing.T) {
	w := newWorld(t)
	a := w.firstAnswer()
	w.users.set(nil, errBroken)
	w.revoke(a.str("access_token")).ok()
	w.users.set(userList(t, "alice"), nil)
	w.isOver(a)
}

// TestRevoke_HangsUp: a client that does not wait for the answer is obeyed.
func TestRevoke_HangsUp(t *testing.T) {
	w := newWorld(t)
	a := w.firstAnswer()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := w.tokenRequest(mainIssuer, "docs.wiki", wikiSecret, about(a.str("access_token")))
	r.URL.Path = revokePath
	w.call(r.WithContext(gone)).ok()
	w.isOver(a)
}

// TestRevoke_ClientRecreated: the tokens of the one before are worth nothing, and what
// is revoked stays so even for one that takes the grants over.
func TestRevoke_ClientRecreated(t *testing.T) {
	w := newWorld(t)
	one, two := w.firstAnswer(), w.firstAnswer()
	w.registry.SetClient(clientOf(t, recreated(clientRecord("wiki", nil))))
	w.isOver(one)
	w.revoke(one.str("access_token")).ok()
	w.addClient("wiki", func(r *registration.Client) { r.UID, r.GrantUID = "uid-of-the-next", "uid-wiki" })
	w.isOver(one)
	w.lives(two)
}

// TestStory_RevokedEverywhere: what one replica has revoked is inactive at the others
// at once, by whichever token, and whoever asks.
func TestStory_RevokedEverywhere(t *testing.T) {
	for _, kind := range []string{"access_token", "refresh_token"} {
		t.Run(kind, func(t *testing.T) {
			f := newFleet(t, 3)
			first := f.next().token(redemption(newBrowser(t, f).codeFor(validRequest()))).ok()
			second := f.next().token(refreshing(first.str("refresh_token"))).ok()
			for _, r := range f.replicas {
				r.introspect(first.str("access_token")).active()
				r.introspect(first.str("refresh_token")).inactive()
				r.lives(second)
			}
			f.next().revoke(second.str(kind)).ok()
			for _, r := range f.replicas {
				r.isOver(first)
				r.isOver(second)
			}
		})
	}
}

// TestStory_RevokedByReuse: a refresh token that comes twice is one revocation more
// that whoever asks hears of.
func TestStory_RevokedByReuse(t *testing.T) {
	f := newFleet(t, 2)
	first := f.next().token(redemption(newBrowser(t, f).codeFor(validRequest()))).ok()
	second := f.next().token(refreshing(first.str("refresh_token"))).ok()
	f.clock.pass(time.Minute)
	f.next().token(refreshing(first.str("refresh_token"))).refused(400, "invalid_grant")
	for _, r := range f.replicas {
		r.introspect(second.str("access_token")).inactive()
		r.introspect(second.str("refresh_token")).inactive()
	}
}

// TestStory_RefreshAgainstRevoke: whatever refreshes got that ran while a client
// revoked, nothing of it lives when the revocation was answered.
func TestStory_RefreshAgainstRevoke(t *testing.T) {
	t.Run("one token refreshed by many", func(t *testing.T) {
		f := newFleet(t, 3)
		first := f.next().token(redemption(newBrowser(t, f).codeFor(validRequest()))).ok()
		got := f.crowd(100, func(r *world, i int) []answer {
			if i%20 == 10 {
				r.revoke(first.str("access_token")).ok()
				return nil
			}
			// All within the grace, so that it is never reuse that revokes.
			return r.refreshes(first, 1)
		})
		f.allOver(append(got, first))
	})
	t.Run("many chains", func(t *testing.T) {
		f := newFleet(t, 3)
		f.setKeys(*keysOf(t, "main"), func(r *registration.Server) { r.Signing.IDTokenAlg = "ES256" }) // quick to sign
		var chains []answer
		b := newBrowser(t, f)
		for range 50 {
			chains = append(chains, f.next().token(redemption(b.codeFor(validRequest()))).ok())
		}
		got := f.crowd(100, func(r *world, i int) []answer {
			first := chains[i/2]
			if i%2 == 0 {
				const endless = 10_000
				return r.refreshes(first, endless)
			}
			r.revoke(first.str([]string{"access_token", "refresh_token"}[i/2%2])).ok()
			return nil
		})
		f.allOver(append(got, chains...))
	})
}

// refreshes goes on along a chain until it is refused, or was steps long, and returns
// what it got.
func (w *world) refreshes(a answer, steps int) []answer {
	w.t.Helper()
	var got []answer
	for range steps {
		a = w.token(refreshing(a.str("refresh_token")))
		if a.status != http.StatusOK {
			a.refused(400, "invalid_grant")
			return got
		}
		got = append(got, a)
	}
	return got
}

// crowd does n things at once, at replica after replica, and returns what all got.
func (f *fleet) crowd(n int, do func(r *world, i int) []answer) []answer {
	f.t.Helper()
	got := make([][]answer, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			got[i] = do(f.replicas[i%len(f.replicas)], i)
		})
	}
	close(start)
	all.Wait()
	return slices.Concat(got...)
}

// allOver fails the test unless nothing of any answer is good at any replica.
func (f *fleet) allOver(answers []answer) {
	f.t.Helper()
	for i, a := range answers {
		f.replicas[i%len(f.replicas)].isOver(a)
	}
}

// TestStory_IntrospectAgainstRevoke: once it is inactive it never is active again.
func TestStory_IntrospectAgainstRevoke(t *testing.T) {
	f := newFleet(t, 3)
	a := f.next().token(redemption(newBrowser(t, f).codeFor(validRequest()))).ok()
	revoked := make(chan struct{})
	var all sync.WaitGroup
	for i := range 30 {
		r := f.replicas[i%len(f.replicas)]
		all.Go(func() {
			var seen []any
			for range 10 {
				over := false
				select {
				case <-revoked:
					over = true
				default:
				}
				active := r.introspect(a.str("access_token")).ok().JSON["active"]
				if seen = append(seen, active); over && active != false {
					t.Error("active after the revocation was answered")
				}
			}
			if i := slices.Index(seen, any(false)); i >= 0 && slices.Contains(seen[i:], any(true)) {
				t.Errorf("one replica said %v", seen)
			}
		})
	}
	all.Go(func() {
		f.replicas[1].revoke(a.str("refresh_token")).ok()
		close(revoked)
	})
	all.Wait()
	for _, r := range f.replicas {
		r.isOver(a)
	}
}

// TestStory_Strangers: who is no client makes nobody write, whatever they send.
func TestStory_Strangers(t *testing.T) {
	w := newWorld(t)
	w.addClient("spa", public)
	a := w.firstAnswer()
	writes := w.store.writes.Load()
	for _, path := range []string{introspectPath, revokePath} {
		for _, form := range []url.Values{
			about(a.str("access_token")), about(a.str("refresh_token")), about("an-opaque-token-of-somebody"),
			with(about(a.str("refresh_token")), "client_id", "docs.spa"),
			with(about(a.str("refresh_token")), "client_id", "docs.wiki"),
		} {
			w.ask(path, "", "", form)
			w.ask(path, "docs.wiki", "a-wrong-secret-of-a-stranger", form)
		}
	}
	if n := w.store.writes.Load(); n != writes {
		t.Errorf("%d writes", n-writes)
	}
	w.lives(a)
}
