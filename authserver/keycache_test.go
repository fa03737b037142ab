// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/registry/kube"
	"github.com/clientele-dev/clientele/authserver/token"
	"github.com/clientele-dev/clientele/internal/registration"
)

// maxAgeOf is for how long an answer may be kept, by its Cache-Control.
func maxAgeOf(t *testing.T, cacheControl string) time.Duration {
	t.Helper()
	_, seconds, _ := strings.Cut(cacheControl, "max-age=")
	n, err := strconv.Atoi(seconds)
	if err != nil {
		t.Fatalf("Cache-Control is %q", cacheControl)
	}
	return time.Duration(n) * time.Second
}

// shortest changes keys as often as may be.
func shortest(r *registration.Server) {
	r.Signing.KeyRotationInterval = registration.MinKeyRotationInterval
}

// TestJWKS_AgeFitsTheSchedule: a key is published before it signs for twice as long as
// a copy of the set is kept, for a client's copy of a proxy's copy.
func TestJWKS_AgeFitsTheSchedule(t *testing.T) {
	lead := kube.DefaultSchedule(serverRecord("main", mainIssuer, shortest)).Lead
	if age := maxAgeOf(t, jwksAge); lead < 2*age {
		t.Errorf("keys are published %v before they sign, and copies live for %v", lead, age)
	}
}

// changing is an issuer whose keys change by the schedule as the clock goes.
type changing struct {
	*world
	set      keys.Set
	schedule keys.Schedule
	rotated  int
}

func newChanging(t *testing.T) *changing {
	t.Helper()
	c := &changing{world: newWorld(t), schedule: kube.DefaultSchedule(serverRecord("main", mainIssuer, shortest))}
	c.due()
	return c
}

// pass lets time go by in one step that is due no later than the next change.
func (c *changing) pass(d time.Duration) {
	c.t.Helper()
	c.clock.pass(d)
	c.due()
}

func (c *changing) due() {
	c.t.Helper()
	set, changed, err := c.set.Rotate(c.clock.Now(), c.schedule, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if changed {
		c.use(set)
	}
}

func (c *changing) use(set keys.Set) {
	c.t.Helper()
	i, err := registry.NewIssuer(serverRecord("main", mainIssuer, shortest), c.users, &set)
	if err != nil {
		c.t.Fatal(err)
	}
	if len(set.Of(keys.ES256)) > len(c.set.Of(keys.ES256)) {
		c.rotated++
	}
	c.set = set
	c.registry.SetIssuer(i)
}

// revoke is what a replica does when a person asks for it.
func (c *changing) revoke(ids ...string) {
	c.t.Helper()
	r, err := c.set.Revoke(c.clock.Now(), c.schedule, ids, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.use(r.Set)
}

func (c *changing) inUse(kind string) string {
	k, _ := c.set.Active(kind, c.clock.Now())
	return k.ID
}

// sign makes an access token as the server does now.
func (c *changing) sign(alg string) string {
	c.t.Helper()
	now := c.clock.Now()
	signed, err := c.registry.Issuers()["main"].Keys.SignAccess(alg, token.Access{
		Subject: "ada", ClientID: "docs.wiki", Audience: []string{"api://docs.wiki"}, IssuedAt: now, Expires: now.Add(15 * time.Minute), AuthTime: now,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return signed
}

// strictCache keeps an answer for as long as it may and asks for nothing in between,
// whatever it meets. It stands before the server, or before another one, and does not
// say how old its answer is.
type strictCache struct {
	now   func() time.Time
	fetch func() (body []byte, cacheControl string)
	t     *testing.T

	body         []byte
	cacheControl string
	until        time.Time
	fetched      int
}

func (s *strictCache) get() ([]byte, string) {
	if !s.now().Before(s.until) {
		s.body, s.cacheControl = s.fetch()
		s.until = s.now().Add(maxAgeOf(s.t, s.cacheControl))
		s.fetched++
	}
	return s.body, s.cacheControl
}

// verify is what a library does that knows the set and nothing else.
func (s *strictCache) verify(text string) error {
	body, _ := s.get()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		return err
	}
	var algs []jose.SignatureAlgorithm
	for _, alg := range keys.Algs() {
		algs = append(algs, jose.SignatureAlgorithm(alg))
	}
	jws, err := jose.ParseSigned(text, algs)
	if err != nil {
		return err
	}
	for _, k := range set.Key(jws.Signatures[0].Header.KeyID) {
		if _, err := jws.Verify(k); err == nil && k.Algorithm == jws.Signatures[0].Header.Algorithm {
			return nil
		}
	}
	return fmt.Errorf("no key of %d verifies what %s has signed", len(set.Keys), jws.Signatures[0].Header.KeyID)
}

func (c *changing) fetchJWKS() ([]byte, string) {
	c.t.Helper()
	a := c.call(c.request(http.MethodGet, mainIssuer+"/jwks", "")).ok()
	return []byte(a.body), a.header.Get("Cache-Control")
}

// TestKeyCache_StrictClient: through several scheduled rotations, nobody who keeps the
// set for as long as it may be kept, nor who keeps the copy of such a one for as long
// again, ever fails to verify a token that has not expired.
func TestKeyCache_StrictClient(t *testing.T) {
	c := newChanging(t)
	proxy := &strictCache{t: t, now: c.clock.Now, fetch: c.fetchJWKS}
	client := &strictCache{t: t, now: c.clock.Now, fetch: proxy.get}
	proxy.get()
	c.pass(proxy.until.Sub(c.clock.Now()) - time.Second) // so that their ages add up
	type made struct {
		text  string
		until time.Time
	}
	var live []made
	users := map[string]bool{}
	for began := c.clock.Now(); c.clock.Now().Sub(began) < 3*24*time.Hour; c.pass(5 * time.Minute) {
		for _, alg := range keys.Algs() {
			live = append(live, made{c.sign(alg), c.clock.Now().Add(15 * time.Minute)})
			users[c.inUse(alg)] = true
		}
		for len(live) > 0 && !c.clock.Now().Before(live[0].until) {
			live = live[1:]
		}
		for _, m := range live {
			if err := client.verify(m.text); err != nil {
				t.Fatalf("after %v: %v", c.clock.Now().Sub(began), err)
			}
		}
	}
	if c.rotated < 4 || len(users) < 3*len(keys.Algs()) || client.fetched < 400 {
		t.Errorf("%d rotations, %d keys, %d fetches: not what this test is about", c.rotated, len(users), client.fetched)
	}
}

// stockKeys is go-oidc's key set, as one long-lived client has it.
func (c *changing) stockKeys() (verifier *oidc.IDTokenVerifier, fetched *int) {
	fetched = new(int)
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		*fetched++
		return c.RoundTrip(r)
	})}
	set := oidc.NewRemoteKeySet(oidc.ClientContext(context.WithoutCancel(c.t.Context()), client), mainIssuer+"/jwks")
	return oidc.NewVerifier(mainIssuer, set, &oidc.Config{
		ClientID: "api://docs.wiki", SupportedSigningAlgs: keys.Algs(), Now: c.clock.Now,
	}), fetched
}

// TestKeyCache_GoOIDC: rotations by the schedule cost a client that keeps keys for ever
// one look at the set each, and no verification.
func TestKeyCache_GoOIDC(t *testing.T) {
	c := newChanging(t)
	verifier, fetched := c.stockKeys()
	var before string
	for began := c.clock.Now(); c.clock.Now().Sub(began) < 3*24*time.Hour; c.pass(10 * time.Minute) {
		for _, alg := range keys.Algs() {
			signed := c.sign(alg)
			if _, err := verifier.Verify(t.Context(), signed); err != nil {
				t.Fatalf("after %v: %s: %v", c.clock.Now().Sub(began), alg, err)
			}
			if alg == keys.ES256 && before != "" {
				if _, err := verifier.Verify(t.Context(), before); err != nil {
					t.Fatalf("after %v: a token of ten minutes ago: %v", c.clock.Now().Sub(began), err)
				}
			}
			if alg == keys.ES256 {
				before = signed
			}
		}
	}
	if c.rotated < 4 || *fetched > c.rotated {
		t.Errorf("%d rotations and %d looks at the set", c.rotated, *fetched)
	}
}

// TestKeyCache_Revocation: after a key was revoked, what is signed from then on is good
// at the next look at the set; what the revoked key had signed is good to nobody who has
// looked since, and to us not for a moment.
func TestKeyCache_Revocation(t *testing.T) {
	for name, ids := range map[string]func(*changing) string{
		"one key": func(c *changing) string { return c.inUse(keys.ES256) },
		"all":     func(*changing) string { return keys.All },
	} {
		t.Run(name, func(t *testing.T) {
			c := newChanging(t)
			verifier, fetched := c.stockKeys()
			strict := &strictCache{t: t, now: c.clock.Now, fetch: c.fetchJWKS}
			b := c.newBrowser()
			tokens := c.token(redemption(b.codeFor(validRequest()))).ok()
			stolen := tokens.str("access_token")
			c.userinfo(stolen).ok()
			if _, err := verifier.Verify(t.Context(), stolen); err != nil || strict.verify(stolen) != nil {
				t.Fatalf("before: %v", err)
			}
			c.revoke(ids(c))
			c.userinfo(stolen).refused(401, "invalid_token")
			if c.introspect(stolen).ok().JSON["active"] != false {
				t.Error("active, though its key was revoked")
			}
			// A thief shows it to an API that has not looked since. It takes it still.
			if _, err := verifier.Verify(t.Context(), stolen); err != nil || *fetched != 1 {
				t.Fatalf("%v after %d looks at the set: not the situation that this test is about", err, *fetched)
			}
			signed := c.sign(keys.ES256)
			if _, err := verifier.Verify(t.Context(), signed); err != nil || *fetched != 2 {
				t.Errorf("what is signed now: %v after %d looks at the set, want the second to help", err, *fetched)
			}
			refused := func() bool { _, err := verifier.Verify(t.Context(), stolen); return err != nil }
			// go-oidc answers with the new set a moment before it keeps that.
			for until := time.Now().Add(10 * time.Second); !refused(); runtime.Gosched() {
				if time.Now().After(until) {
					t.Fatal("go-oidc takes what the revoked key signed after another look at the set")
				}
			}
			c.clock.pass(maxAgeOf(t, jwksAge))
			if err := strict.verify(stolen); err == nil {
				t.Error("a copy of the set outlives its max-age")
			}
			if err := strict.verify(c.sign(keys.ES256)); err != nil {
				t.Errorf("after max-age: %v", err)
			}
			c.whatIsLeft(b, tokens, name == "all")
		})
	}
}

// whatIsLeft looks at what was sealed: it is good, unless the sealing keys went as well.
func (c *changing) whatIsLeft(b *browser, tokens answer, sealingToo bool) {
	c.t.Helper()
	if !sealingToo {
		b.begin(with(validRequest(), "prompt", "none")).is("code")
		c.userinfo(c.token(refreshing(tokens.str("refresh_token"))).ok().str("access_token")).ok()
		return
	}
	c.token(refreshing(tokens.str("refresh_token"))).refused(400, "invalid_grant")
	b.begin(with(validRequest(), "prompt", "none")).is("redirect login_required")
	again := c.token(redemption(b.codeFor(validRequest()))).ok()
	c.userinfo(again.str("access_token")).ok()
	if again.claims("id_token")["sub"] != tokens.claims("id_token")["sub"] {
		c.t.Error("a person has another sub")
	}
}

// TestKeyCache_RotatedAndThenRevoked is the way without a gap: a client that keeps the
// set for as long as it may verifies all that is signed, before and after.
func TestKeyCache_RotatedAndThenRevoked(t *testing.T) {
	c := newChanging(t)
	client := &strictCache{t: t, now: c.clock.Now, fetch: c.fetchJWKS}
	for _, alg := range keys.Algs() {
		if err := client.verify(c.sign(alg)); err != nil {
			t.Fatal(err)
		}
	}
	set, added, err := c.set.Renew(c.clock.Now(), c.schedule, nil)
	if err != nil || len(added) == 0 {
		t.Fatal(added, err)
	}
	var old []string
	for _, kind := range keys.Kinds() {
		old = append(old, c.inUse(kind))
	}
	c.use(set)
	c.pass(maxAgeOf(t, jwksAge))
	c.revoke(old...)
	for range 20 {
		for _, alg := range keys.Algs() {
			if err := client.verify(c.sign(alg)); err != nil {
				t.Fatalf("at %v: %v", c.clock.Now(), err)
			}
		}
		c.pass(time.Minute)
	}
}
