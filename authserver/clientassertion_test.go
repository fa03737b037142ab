// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/clientele-dev/clientele/authserver/outbound"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// keyed is a client that has a key instead of a secret.
type keyed struct {
	*world
	id  string
	key *ecdsa.PrivateKey
	kid string
}

const keyedURI = "https://keyed.example.com/callback"

// newKeyed registers docs.keyed, with its keys in the record.
func newKeyed(w *world) *keyed {
	w.t.Helper()
	k := &keyed{world: w, id: "docs.keyed", key: newClientKey(w.t), kid: "one"}
	w.addClient("keyed", k.hasKeys)
	return k
}

func newClientKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// jwks are the client's public keys.
func (k *keyed) jwks() []byte {
	k.t.Helper()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k.key.Public(), KeyID: k.kid}}})
	if err != nil {
		k.t.Fatal(err)
	}
	return set
}

func (k *keyed) hasKeys(r *registration.Client) {
	r.TokenEndpointAuthMethod, r.Digests, r.JWKS = "private_key_jwt", nil, k.jwks()
}

// fetched has the client's keys fetched from ask instead.
func (k *keyed) fetched(ask func(*http.Request) (*http.Response, error)) {
	k.t.Helper()
	k.serve(func(c *Config) { c.Outbound = &http.Client{Transport: roundTripper(ask)} })
	k.addClient("keyed", func(r *registration.Client) {
		k.hasKeys(r)
		r.JWKS, r.JWKSURI = nil, "https://keyed.example.com/jwks"
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// claims are a valid assertion's.
func (k *keyed) claims() map[string]any {
	now := k.clock.Now()
	jti := rand.Text()
	k.secrets.add("jti", jti)
	return map[string]any{
		"iss": k.id, "sub": k.id, "aud": mainIssuer, "jti": jti,
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
}

// sign makes an assertion.
func (k *keyed) sign(claims map[string]any) string {
	k.t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	if k.kid != "" {
		options = options.WithHeader("kid", k.kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.key}, options)
	if err != nil {
		k.t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		k.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		k.t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		k.t.Fatal(err)
	}
	return raw
}

func asserting(form url.Values, assertion string) url.Values {
	return with(form, "client_assertion_type", assertionType, "client_assertion", assertion)
}

// asks calls an endpoint with a new assertion.
func (k *keyed) asks(path string, form url.Values) answer {
	k.t.Helper()
	return k.ask(path, "", "", asserting(form, k.sign(k.claims())))
}

// redeems is the token request of a person who has just signed in.
func (k *keyed) redeems() url.Values {
	k.t.Helper()
	code := k.codeFor(with(validRequest(), "client_id", k.id, "redirect_uri", keyedURI))
	return with(redemption(code), "redirect_uri", keyedURI)
}

// TestClientAssertion_WholeFlow: sign-in, refresh, introspection and revocation by
// assertions alone, each of which is used once.
func TestClientAssertion_WholeFlow(t *testing.T) {
	k := newKeyed(newWorld(t))
	first := k.asks("/token", k.redeems()).ok()
	k.userinfo(first.str("access_token")).ok()
	second := k.asks("/token", refreshing(first.str("refresh_token"))).ok()
	k.asks("/introspect", about(second.str("access_token"))).active()
	k.asks("/revoke", about(second.str("refresh_token"))).ok()
	k.asks("/introspect", about(second.str("access_token"))).inactive()
	k.userinfo(second.str("access_token")).refused(401, "invalid_token")
	if n := k.store.calls("Spend"); n != 5 {
		t.Errorf("%d assertions were spent, want 5", n)
	}
}

// TestClientAssertion changes one thing in a valid request.
func TestClientAssertion(t *testing.T) {
	k := newKeyed(newWorld(t))
	k.addIssuer("team", pathIssuer, nil)
	stranger := *k
	stranger.key = newClientKey(t)
	const ok, bad, twice = "invalid_grant", "invalid_client", "invalid_request"
	claim := func(name string, value any) func() url.Values {
		return func() url.Values {
			c := k.claims()
			if c[name] = value; value == nil {
				delete(c, name)
			}
			return asserting(nil, k.sign(c))
		}
	}
	good := func(changes ...string) func() url.Values {
		return func() url.Values { return with(asserting(nil, k.sign(k.claims())), changes...) }
	}
	hour := k.clock.Now().Add(time.Hour).Unix()
	for _, c := range []struct {
		name     string
		form     func() url.Values
		want     string
		mentions string
	}{
		{"as it is", good(), ok, ""},
		{"client_id beside", good("client_id", "docs.keyed"), ok, ""},
		{"for the token endpoint", claim("aud", mainIssuer+"/token"), ok, ""},
		{"for several", claim("aud", []string{"https://a.example", mainIssuer}), ok, ""},
		{"without iat", claim("iat", nil), ok, ""},
		{"without kid", func() url.Values { u := *k; u.kid = ""; return asserting(nil, u.sign(u.claims())) }, ok, ""},
		{"an empty client_secret", good("client_secret", ""), ok, ""},

		{"another client_id", good("client_id", "docs.wiki"), bad, "client_id is not the sub"},
		{"no client_assertion_type", good("client_assertion_type", ""), twice, "client_assertion_type is missing"},
		{"another client_assertion_type", good("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), bad, "client_assertion_type must be"},
		{"no client_assertion", good("client_assertion", ""), twice, "client_assertion is missing"},
		{"no JWT", good("client_assertion", "x.y.z"), bad, "not a JWT"},
		{"too large", good("client_assertion", strings.Repeat("x", 8193)), bad, "larger than 8192 bytes"},
		{"beside a client_secret", good("client_secret", "x"), twice, "in more than one way"},
		{"twice", func() url.Values {
			form := good()()
			form.Add("client_assertion", form.Get("client_assertion"))
			return form
		}, twice, "client_assertion is given more than once"},
		{"its type twice", func() url.Values {
			form := good()()
			form.Add("client_assertion_type", assertionType)
			return form
		}, twice, "client_assertion_type is given more than once"},

		{"for another issuer of this server", claim("aud", pathIssuer), bad, "aud must be the issuer"},
		{"for another endpoint", claim("aud", mainIssuer+"/introspect"), bad, "aud must be the issuer"},
		{"no aud", claim("aud", nil), bad, "aud must be the issuer"},
		{"another iss", claim("iss", "docs.wiki"), bad, "both iss and sub"},
		{"no exp", claim("exp", nil), bad, "has no exp"},
		{"expired", claim("exp", k.clock.Now().Add(-time.Minute).Unix()), bad, "has expired"},
		{"far ahead", claim("exp", hour+60), bad, "more than an hour ahead"},
		{"from the future", claim("iat", hour), bad, "not valid yet"},
		{"not before", claim("nbf", hour), bad, "not valid yet"},
		{"no jti", claim("jti", nil), bad, "has no jti"},
		{"a long jti", claim("jti", strings.Repeat("j", 257)), bad, "more than 256 bytes"},
		{"somebody else's key", func() url.Values { return asserting(nil, stranger.sign(k.claims())) }, bad, errBadClient.Description},
	} {
		t.Run(c.name, func(t *testing.T) {
			spent := k.store.calls("Spend")
			form := redemption("x")
			maps.Copy(form, c.form())
			a := k.in(t).ask("/token", "", "", form)
			a.refused(map[string]int{ok: 400, bad: 401, twice: 400}[c.want], c.want)
			if description, _ := a.JSON["error_description"].(string); !strings.Contains(description, c.mentions) {
				t.Errorf("it says %q, want %q", description, c.mentions)
			}
			if writes := k.store.calls("Spend") - spent; (writes == 1) != (c.want == ok) {
				t.Errorf("%d assertions were spent", writes)
			}
		})
	}
	t.Run("beside Basic", func(t *testing.T) {
		form := asserting(redemption("x"), k.sign(k.claims()))
		k.in(t).ask("/token", "docs.wiki", wikiSecret, form).refused(400, "invalid_request")
	})
	t.Run("at the endpoint that it names", func(t *testing.T) {
		k := keyed{world: k.in(t), id: k.id, key: k.key, kid: k.kid}
		claims := maps.Clone(k.claims())
		claims["aud"] = mainIssuer + "/introspect"
		k.ask("/introspect", "", "", asserting(about("x"), k.sign(claims))).inactive()
	})
}

// TestClientAssertion_Uniform: who is registered, and how, does not show.
func TestClientAssertion_Uniform(t *testing.T) {
	k := newKeyed(newWorld(t))
	k.addClient("spa", public)
	var bodies []string
	for _, id := range []string{"docs.keyed", "docs.nobody", "docs.wiki", "docs.spa"} {
		stranger := keyed{world: k.world, id: id, key: newClientKey(t), kid: k.kid}
		a := stranger.asks("/token", redemption("x")).refused(401, "invalid_client")
		bodies = append(bodies, a.body)
		if a.header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: a challenge for what was not used", id)
		}
	}
	for _, body := range bodies {
		if body != bodies[0] {
			t.Errorf("answers differ: %s and %s", bodies[0], body)
		}
	}
	// And the other way round: a client with a key is nobody by any other method.
	k.tokenAs("docs.keyed", wikiSecret, redemption("x")).refused(401, "invalid_client")
	k.ask("/token", "", "", with(redemption("x"), "client_id", "docs.keyed")).refused(401, "invalid_client")
	k.ask("/introspect", "", "", with(about("x"), "client_id", "docs.keyed")).refused(401, "invalid_client")
}

// TestClientAssertion_Methods: a client that gets a key has no secret any more, and the
// other way round.
func TestClientAssertion_Methods(t *testing.T) {
	k := newKeyed(newWorld(t))
	k.asks("/token", redemption("x")).refused(400, "invalid_grant")
	secret := "keyed" + wikiSecret[4:]
	k.addClient("keyed", func(r *registration.Client) {
		r.Digests = []registration.Digest{{SHA256: credential.New(secret).Digest()}}
	})
	k.asks("/token", redemption("x")).refused(401, "invalid_client")
	k.tokenAs("docs.keyed", secret, redemption("x")).refused(400, "invalid_grant")
}

// TestClientAssertion_Replay: used once, at whichever replica.
func TestClientAssertion_Replay(t *testing.T) {
	f := newFleet(t, 2)
	k := newKeyed(f.world)
	for _, r := range f.replicas {
		r.addClient("keyed", k.hasKeys)
	}
	form := asserting(redemption("x"), k.sign(k.claims()))
	for i, r := range []*world{f.replicas[0], f.replicas[1], f.replicas[0]} {
		a := r.ask("/token", "", "", form)
		if i == 0 {
			a.refused(400, "invalid_grant")
			continue
		}
		a.refused(401, "invalid_client")
		if a.JSON["error_description"] != errReplay.Description {
			t.Errorf("it says %s", a.body)
		}
	}
	// The jti is the client's own: another client may use the same, and so may one that
	// was created anew.
	claims := k.claims()
	k.ask("/token", "", "", asserting(redemption("x"), k.sign(claims))).refused(400, "invalid_grant")
	k.addClient("keyed", func(r *registration.Client) { k.hasKeys(r); r.UID = "another" })
	k.ask("/token", "", "", asserting(redemption("x"), k.sign(claims))).refused(400, "invalid_grant")
	k.ask("/token", "", "", asserting(redemption("x"), k.sign(claims))).refused(401, "invalid_client")
}

// TestClientAssertion_ReplayAtItsEnd: it is remembered for as long as it is accepted,
// also by a replica whose clock is late.
func TestClientAssertion_ReplayAtItsEnd(t *testing.T) {
	k := newKeyed(newWorld(t))
	form := asserting(redemption("x"), k.sign(k.claims()))
	k.ask("/token", "", "", form).refused(400, "invalid_grant")
	for _, d := range []time.Duration{time.Minute, 29 * time.Second} {
		k.clock.pass(d)
		a := k.ask("/token", "", "", form).refused(401, "invalid_client")
		if a.JSON["error_description"] != errReplay.Description {
			t.Errorf("it says %s", a.body)
		}
	}
}

// TestClientAssertion_Race: a hundred send one assertion at once, and one of them gets
// somewhere.
func TestClientAssertion_Race(t *testing.T) {
	k := newKeyed(newWorld(t))
	form := asserting(k.redeems(), k.sign(k.claims()))
	answers := make([]answer, 100)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			<-start
			answers[i] = k.ask("/token", "", "", form)
		})
	}
	close(start)
	all.Wait()
	wins := 0
	for _, a := range answers {
		if a.status == http.StatusOK {
			wins++
			k.userinfo(a.str("access_token")).ok()
			continue
		}
		a.refused(401, "invalid_client")
	}
	if wins != 1 {
		t.Errorf("%d won, want 1", wins)
	}
}

func TestClientAssertion_StoreFails(t *testing.T) {
	k := newKeyed(newWorld(t))
	form := asserting(redemption("x"), k.sign(k.claims()))
	k.store.fails("Spend")
	if a := k.ask("/token", "", "", form).refused(503, "temporarily_unavailable"); a.header.Get("Retry-After") != "5" {
		t.Errorf("headers are %v", a.header)
	}
	k.store.heals()
	k.ask("/token", "", "", form).refused(400, "invalid_grant") // nothing was spent
}

// TestClientAssertion_StaleRegistry: a replica that cannot prove that it is current
// refuses no key for good.
func TestClientAssertion_StaleRegistry(t *testing.T) {
	k := newKeyed(newWorld(t))
	k.current.Store(false)
	for _, id := range []string{"docs.keyed", "docs.new"} {
		newer := keyed{world: k.world, id: id, key: newClientKey(t), kid: "newer"}
		newer.asks("/token", redemption("x")).refused(503, "temporarily_unavailable")
	}
	k.asks("/token", k.redeems()).ok()
}

// TestClientAssertion_FetchedKeys: keys are fetched once, and again for a new kid.
func TestClientAssertion_FetchedKeys(t *testing.T) {
	k := newKeyed(newWorld(t))
	var asked atomic.Int64
	k.fetched(func(r *http.Request) (*http.Response, error) {
		asked.Add(1)
		if r.URL.String() != "https://keyed.example.com/jwks" {
			t.Errorf("asked for %s", r.URL)
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(k.jwks())))}, nil
	})
	first := k.asks("/token", k.redeems()).ok()
	k.asks("/introspect", about(first.str("access_token"))).active()
	if n := asked.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times, want 1", n)
	}
	k.clock.pass(time.Minute)
	k.key, k.kid = newClientKey(t), "two"
	k.asks("/introspect", about(first.str("access_token"))).active()
	stranger := keyed{world: k.world, id: k.id, key: newClientKey(t), kid: "three"}
	for range 3 {
		stranger.asks("/token", redemption("x")).refused(401, "invalid_client")
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the keys were fetched %d times, want 2", n)
	}
}

// TestClientAssertion_FetchFails: that is no proof against the client.
func TestClientAssertion_FetchFails(t *testing.T) {
	k := newKeyed(newWorld(t))
	k.fetched(func(*http.Request) (*http.Response, error) { return nil, errors.New("nobody is there") })
	a := k.asks("/token", redemption("x")).refused(503, "temporarily_unavailable")
	if description, _ := a.JSON["error_description"].(string); a.header.Get("Retry-After") != "5" || !strings.Contains(description, "jwks_uri") {
		t.Errorf("it says %s with %v", a.body, a.header)
	}
	if k.store.calls("Spend") != 0 {
		t.Error("an assertion that nobody could verify was spent")
	}
}

// TestClientAssertion_FetchesForFew: nothing is fetched for what cannot be an assertion of
// a client whose keys are to be fetched.
func TestClientAssertion_FetchesForFew(t *testing.T) {
	k := newKeyed(newWorld(t))
	k.fetched(func(*http.Request) (*http.Response, error) {
		t.Error("the keys were fetched")
		return nil, errors.New("nobody is there")
	})
	for name, value := range map[string]any{"aud": "https://other.example", "exp": 1, "jti": "", "iss": "docs.wiki", "sub": "docs.wiki", "nbf": 9e9} {
		claims := k.claims()
		claims[name] = value
		k.ask("/token", "", "", asserting(redemption("x"), k.sign(claims))).refused(401, "invalid_client")
	}
	claims := k.claims()
	claims["iss"], claims["sub"] = "docs.wiki", "docs.wiki"
	k.ask("/token", "", "", asserting(redemption("x"), k.sign(claims))).refused(401, "invalid_client")
}

// TestClientAssertion_FetchesWhatIsAllowed: the keys of an app in the cluster, which is
// asked once the operator has allowed its network, and never before.
func TestClientAssertion_FetchesWhatIsAllowed(t *testing.T) {
	k := newKeyed(newWorld(t))
	var asked atomic.Int64
	app := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write(k.jwks())
	}))
	defer app.Close()
	k.addClient("keyed", func(r *registration.Client) {
		k.hasKeys(r)
		r.JWKS, r.JWKSURI = nil, app.URL+"/jwks?secret=in-the-query"
	})
	roots := x509.NewCertPool()
	roots.AddCert(app.Certificate())
	k.serve(func(c *Config) { c.Outbound = outbound.New(outbound.Config{RootCAs: roots}) })
	k.asks("/token", redemption("x")).refused(503, "temporarily_unavailable")
	if log := k.log.String(); asked.Load() != 0 || !strings.Contains(log, "--outbound-allow") || strings.Contains(log, "in-the-query") {
		t.Errorf("asked %d times; the log says %s", asked.Load(), log)
	}
	k.wantMetric("clientele_client_key_fetches_total", "refused", 1)
	k.serve(func(c *Config) {
		c.Outbound = outbound.New(outbound.Config{RootCAs: roots, Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	})
	k.asks("/token", redemption("x")).refused(400, "invalid_grant")
	k.wantMetric("clientele_client_key_fetches_total", "ok", 1)
}
