// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/clientele-dev/clientele/authserver/backchannel"
	"github.com/clientele-dev/clientele/internal/registration"
)

const tellURI = "https://wiki.example.com/backchannel"

// hearer is a client's back channel, which notes what it hears.
type hearer struct {
	heard chan *http.Request
	// status is what it answers.
	status atomic.Int64
}

func (b *hearer) RoundTrip(r *http.Request) (*http.Response, error) {
	err := r.ParseForm()
	b.heard <- r
	return &http.Response{StatusCode: int(b.status.Load()), Body: io.NopCloser(strings.NewReader(""))}, err
}

// tellingWorld is a world with a client that is told when people sign out.
func tellingWorld(t *testing.T) (*world, *hearer) {
	t.Helper()
	w := newRememberingWorld(t)
	b := &hearer{heard: make(chan *http.Request, 100)}
	b.status.Store(http.StatusOK)
	w.serve(func(c *Config) { c.SessionCache, c.Outbound = remember, &http.Client{Transport: b} })
	w.addClient("wiki", func(r *registration.Client) {
		r.BackchannelLogoutURI, r.PostLogoutRedirectURIs = tellURI, []string{outURI}
	})
	return w, b
}

// quiet fails the test if anybody else is told. Whoever is to be told has been, once all
// is drained; nobody is told by this server afterwards.
func (b *hearer) quiet(w *world) {
	w.t.Helper()
	w.server.Drain(w.t.Context())
	select {
	case r := <-b.heard:
		w.t.Errorf("%s was told", r.URL)
	default:
	}
}

// hears returns the claims of the next logout token, after it was verified as section
// 2.6 has it.
func (b *hearer) hears(w *world) jwt.MapClaims {
	w.t.Helper()
	r := <-b.heard
	raw := r.PostForm.Get("logout_token")
	w.secrets.add("logout token", raw)
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || len(r.PostForm) != 1 || raw == "" {
		w.t.Fatalf("%s with %v", r.Method, r.PostForm)
	}
	claims := jwt.MapClaims{}
	token, err := jwt.ParseWithClaims(raw, claims, w.keyOf, jwt.WithIssuer(mainIssuer), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithTimeFunc(w.clock.Now), jwt.WithValidMethods([]string{"RS256"}))
	if err != nil || token.Header["typ"] != "logout+jwt" {
		w.t.Fatalf("the logout token: %v, %v", err, token.Header)
	}
	events, _ := claims["events"].(map[string]any)
	event, ok := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any)
	if !ok || len(events) != 1 || len(event) != 0 || claims["nonce"] != nil || claims["jti"] == "" || claims["jti"] == nil {
		w.t.Errorf("the logout token says %v", claims)
	}
	if exp, iat := claims["exp"].(float64), claims["iat"].(float64); exp-iat != 120 {
		w.t.Errorf("it is good for %v seconds", exp-iat)
	}
	return claims
}

// keyOf is the key that a token was signed with, by the JWK set.
func (w *world) keyOf(t *jwt.Token) (any, error) {
	set := w.call(w.request(http.MethodGet, mainIssuer+"/jwks", "")).ok()
	for _, k := range set.JSON["keys"].([]any) {
		if key := k.(map[string]any); key["kid"] == t.Header["kid"] && key["alg"] == t.Header["alg"] {
			return rsaKey(key)
		}
	}
	return nil, errors.New("no such key")
}

func (b *browser) signOut() page {
	b.t.Helper()
	return b.leave(nil).submit(url.Values{"decision": {"leave"}})
}

// TestBackchannel: however a session ends here, its clients are told, of the person and
// the session that their ID tokens are of.
func TestBackchannel(t *testing.T) {
	for name, end := range map[string]func(*browser, answer){
		"by the app":             func(b *browser, a answer) { b.leave(validLogout(a.str("id_token"))).is("redirect ") },
		"by the person":          func(b *browser, _ answer) { b.signOut().has("Apps that sign out together with this page are told") },
		"somebody else signs in": func(b *browser, _ answer) { b.again("bob", bobPass).is("consent") },
	} {
		for _, scope := range []string{"openid", "openid offline_access"} {
			t.Run(name+", "+scope, func(t *testing.T) {
				w, back := tellingWorld(t)
				b := w.newBrowser()
				a := w.token(redemption(b.codeFor(with(validRequest(), "scope", scope)))).ok()
				w.token(redemption(b.codeFor(with(validRequest(), "scope", scope)))).ok() // another grant, and the same client
				end(b, a)
				heard, id := back.hears(w), a.claims("id_token")
				if heard["sub"] != id["sub"] || heard["sid"] != id["sid"] || heard["sid"] == nil {
					t.Errorf("the ID token says %v, the logout token %v", id, heard)
				}
				if aud, _ := heard.GetAudience(); len(aud) != 1 || aud[0] != "docs.wiki" {
					t.Errorf("aud is %v", aud)
				}
				back.quiet(w)
			})
		}
	}
}

// TestBackchannel_Nobody: who has not signed anybody in by this session is not told, nor
// who does not want to be, and nothing is told of a session that goes on.
func TestBackchannel_Nobody(t *testing.T) {
	for name, run := range map[string]func(*world, *browser){
		"another session":  func(w *world, b *browser) { w.newBrowser().online(w); b.codeFor(validRequest()); b.signOut() },
		"a code, no grant": func(_ *world, b *browser) { b.codeFor(validRequest()); b.signOut() },
		"revoked before": func(w *world, b *browser) {
			w.revoke(b.online(w).str("refresh_token")).ok()
			b.signOut()
		},
		"another client": func(w *world, b *browser) {
			b.online(w)
			w.addClient("wiki", nil)
			b.signOut()
		},
		"created anew": func(w *world, b *browser) {
			b.online(w)
			w.addClient("wiki", func(r *registration.Client) { *r = recreated(*r); r.BackchannelLogoutURI = tellURI })
			b.signOut()
		},
		"signed in again":      func(w *world, b *browser) { b.online(w); b.again("alice", alicePass) },
		"stays":                func(w *world, b *browser) { b.online(w); b.leave(nil).submit(url.Values{"decision": {"stay"}}) },
		"nobody was signed in": func(_ *world, b *browser) { b.leave(nil) },
		"an old cookie signs out": func(w *world, b *browser) {
			b.online(w)
			old := w.copied(b)
			b.again("alice", alicePass)
			old.leave(nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, back := tellingWorld(t)
			run(w, w.newBrowser())
			back.quiet(w)
		})
	}
}

// TestBackchannel_EachClient: each by its own name of the session, and of the person
// where it has one.
func TestBackchannel_EachClient(t *testing.T) {
	w, back := tellingWorld(t)
	w.addClient("shop", func(r *registration.Client) {
		r.BackchannelLogoutURI, r.Pairwise = "https://shop.example.com/backchannel", true
	})
	b := w.newBrowser()
	ids := map[string]jwt.MapClaims{"docs.wiki": b.online(w).claims("id_token")}
	code := b.codeFor(onlineRequest("client_id", "docs.shop", "redirect_uri", "https://shop.example.com/callback"))
	ids["docs.shop"] = w.tokenAs("docs.shop", shopSecret, with(redemption(code), "redirect_uri", "https://shop.example.com/callback")).ok().claims("id_token")
	b.signOut()
	for range len(ids) {
		heard := back.hears(w)
		aud, _ := heard.GetAudience()
		if id := ids[aud[0]]; heard["sub"] != id["sub"] || heard["sid"] != id["sid"] {
			t.Errorf("%s: the ID token says %v, the logout token %v", aud, id, heard)
		}
		delete(ids, aud[0])
	}
	if len(ids) > 0 {
		t.Errorf("not told: %v", ids)
	}
	back.quiet(w)
}

// TestBackchannel_LongAfter: a client whose tokens are long over is told at the very end
// of the session.
func TestBackchannel_LongAfter(t *testing.T) {
	w, back := tellingWorld(t)
	w.addClient("wiki", func(r *registration.Client) {
		r.BackchannelLogoutURI, r.GrantTypes = tellURI, []string{"authorization_code"}
	})
	b := w.newBrowser()
	b.online(w)
	w.clock.pass(12*time.Hour - time.Second)
	b.signOut()
	back.hears(w)
}

// TestBackchannel_CodeAfterSignOut: an app that would not be told does not begin.
func TestBackchannel_CodeAfterSignOut(t *testing.T) {
	w, back := tellingWorld(t)
	b := w.newBrowser()
	code := b.codeFor(validRequest()) // with offline_access
	b.signOut()
	w.token(redemption(code)).refused(400, "invalid_grant")
	back.quiet(w)
}

// TestBackchannel_Outage: whatever the store says, the clients of a person who wants to
// be signed out are told; and a person is signed out although nobody knows whom to tell.
func TestBackchannel_Outage(t *testing.T) {
	for _, how := range []fault{failing, losing} {
		t.Run("EndSession "+how.String(), func(t *testing.T) {
			w, back := tellingWorld(t)
			b := w.newBrowser()
			b.online(w)
			p := b.leave(nil)
			w.store.goes(how, "EndSession")
			p.submit(url.Values{"decision": {"leave"}}).is("page Service Unavailable")
			back.hears(w)
		})
	}
	t.Run("SessionGrants", func(t *testing.T) {
		w, back := tellingWorld(t)
		b := w.newBrowser()
		b.online(w)
		w.store.fails("SessionGrants")
		b.signOut().has("You are signed out")
		back.quiet(w)
		w.store.heals()
		if b.signedIn() {
			t.Error("still signed in")
		}
		want := `
# HELP clientele_backchannel_logouts_total Clients that were to be told of a sign-out, by result: delivered, refused, failed, gone, dropped, abandoned; and unlisted for sign-outs of which nobody could find out whom to tell.
# TYPE clientele_backchannel_logouts_total counter
clientele_backchannel_logouts_total{result="abandoned"} 0
clientele_backchannel_logouts_total{result="delivered"} 0
clientele_backchannel_logouts_total{result="dropped"} 0
clientele_backchannel_logouts_total{result="failed"} 0
clientele_backchannel_logouts_total{result="gone"} 0
clientele_backchannel_logouts_total{result="refused"} 0
clientele_backchannel_logouts_total{result="unlisted"} 1
`
		if err := testutil.GatherAndCompare(w.metrics, strings.NewReader(want), "clientele_backchannel_logouts_total"); err != nil {
			t.Error(err)
		}
	})
}

// TestBackchannel_Registration: what is registered when it is told counts, and a replica
// that may lag behind tries again.
func TestBackchannel_Registration(t *testing.T) {
	w, _ := tellingWorld(t)
	b := w.newBrowser()
	b.online(w)
	grants, err := w.store.SessionGrants(t.Context(), "main", w.sessionOf(b).ID)
	if err != nil || len(grants) != 1 {
		t.Fatalf("%d grants, %v", len(grants), err)
	}
	tell := func() (string, error) {
		to, _, err := w.server.logoutToken("main", grants[0])
		return to, err
	}
	if to, err := tell(); to != tellURI || err != nil {
		t.Errorf("%s, %v", to, err)
	}
	w.addClient("wiki", func(r *registration.Client) { r.BackchannelLogoutURI = tellURI + "2" })
	if to, err := tell(); to != tellURI+"2" || err != nil {
		t.Errorf("%s, %v", to, err)
	}
	w.addClient("wiki", nil)
	if _, err := tell(); !errors.Is(err, backchannel.ErrGone) {
		t.Errorf("got %v, want gone", err)
	}
	w.current.Store(false)
	if _, err := tell(); !errors.Is(err, errStale) {
		t.Errorf("got %v, want stale", err)
	}
}

// TestBackchannel_NotHeardYet: a replica that may lag behind does not take it for granted
// that no client wants to be told.
func TestBackchannel_NotHeardYet(t *testing.T) {
	w, _ := tellingWorld(t)
	b := w.newBrowser()
	b.online(w)
	w.addClient("wiki", nil)
	w.current.Store(false)
	notices, err := w.server.notices(t.Context(), "main", w.sessionOf(b))
	if err != nil || len(notices) != 1 {
		t.Fatalf("%d notices, %v, want one that waits", len(notices), err)
	}
	w.addClient("wiki", func(r *registration.Client) { r.BackchannelLogoutURI = tellURI })
	if to, _, err := notices[0].Prepare(); to != tellURI || err != nil {
		t.Errorf("told at %q, %v", to, err)
	}
}

// TestBackchannel_NotAnotherToken: a logout token passes for nothing else here.
func TestBackchannel_NotAnotherToken(t *testing.T) {
	w, back := tellingWorld(t)
	b := w.newBrowser()
	b.online(w)
	b.signOut()
	r := <-back.heard
	raw := r.PostForm.Get("logout_token")
	w.secrets.add("logout token", raw)
	w.userinfo(raw).refused(401, "invalid_token")
	w.introspect(raw).inactive()
	b.codeFor(onlineRequest())
	b.leave(validLogout(raw)).is("page Bad Request")
	b.begin(onlineRequest("id_token_hint", raw)).is("redirect invalid_request")
}

func rsaKey(jwk map[string]any) (*rsa.PublicKey, error) {
	n, err := base64.RawURLEncoding.DecodeString(jwk["n"].(string))
	if err != nil {
		return nil, err
	}
	e, err := base64.RawURLEncoding.DecodeString(jwk["e"].(string))
	if err != nil {
		return nil, err
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
}
