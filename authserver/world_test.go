// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/identity/users"
	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/store/memory"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/internal/userfile"
)

const (
	mainIssuer = "https://login.example.com"
	pathIssuer = "https://login.example.com/team"
	hostIssuer = "https://id.other.example"

	wikiSecret  = "wiki-secret-0123456789abcdefghijklmnopqrstu"
	shopSecret  = "shop-secret-0123456789abcdefghijklmnopqrstu"
	verifier    = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	alicePass   = "correct horse battery staple"
	bobPass     = "hunter2-hunter2"
	wikiURI     = "https://wiki.example.com/callback"
	requestTime = "2026-03-01T12:00:00Z"
)

var allScopes = []string{"openid", "profile", "email", "groups", "offline_access"}

// world is a server with everything around it, on a clock of its own.
type world struct {
	t        *testing.T
	server   *Server
	registry *registry.Registry
	store    *brittleStore
	metrics  *prometheus.Registry
	clock    *clock
	current  *atomic.Bool
	log      *safeBuffer
	secrets  *secrets
	users    *switchable
}

func newWorld(t *testing.T) *world {
	t.Helper()
	start, err := time.Parse(time.RFC3339, requestTime)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, clock: &clock{now: start}, current: new(atomic.Bool), log: new(safeBuffer),
		secrets: new(secrets), users: newUsers(t),
	}
	w.current.Store(true)
	w.registry = registry.New(w.current.Load)
	w.store = &brittleStore{Store: memory.New(w.clock.Now)}
	w.serve(func(*Config) {})
	w.addIssuer("main", mainIssuer, nil)
	w.addClient("wiki", nil)
	t.Cleanup(func() { w.secrets.check(t, w.log.String()) })
	return w
}

// serve puts a new server, with a change to its configuration, in place of the former
// one.
func (w *world) serve(change func(*Config)) {
	w.t.Helper()
	w.metrics = prometheus.NewRegistry()
	c := Config{
		Registry: w.registry, Store: w.store, Now: w.clock.Now, Registerer: w.metrics,
		Log: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	change(&c)
	var err error
	if w.server, err = New(c); err != nil {
		w.t.Fatal(err)
	}
}

// in is the same world, whose failures are those of a subtest.
func (w *world) in(t *testing.T) *world {
	other := *w
	other.t = t
	return &other
}

// serverRecord is a valid record of an issuer, for change to change.
func serverRecord(name, issuer string, change func(*registration.Server)) registration.Server {
	r := registration.Server{
		Version: registration.Version, UID: "uid-" + name, Name: name, Issuer: issuer,
		DisplayName: "Acme " + name, Scopes: registration.StandardScopes(),
		Lifetimes: registration.Lifetimes{
			AuthorizationCode: time.Minute, AccessToken: 15 * time.Minute, IDToken: 10 * time.Minute,
			RefreshToken: 720 * time.Hour, RefreshTokenIdle: 168 * time.Hour,
			RefreshTokenRetryGrace: 10 * time.Second, Session: 12 * time.Hour,
		},
		Signing: registration.Signing{
			IDTokenAlg: "RS256", AccessTokenAlg: "ES256", KeyRotationInterval: 720 * time.Hour,
		},
		IdentityProviders: []registration.IdentityProvider{{Name: "staff", UsersSecret: "users"}},
	}
	if change != nil {
		change(&r)
	}
	return r
}

func (w *world) addIssuer(name, issuer string, change func(*registration.Server)) *registry.Issuer {
	w.t.Helper()
	i, err := registry.NewIssuer(serverRecord(name, issuer, change), w.users, keysOf(w.t, name))
	if err != nil {
		w.t.Fatal(err)
	}
	w.registry.SetIssuer(i)
	return i
}

// clientRecord is a valid record of a confidential client, for change to change.
func clientRecord(name string, change func(*registration.Client)) registration.Client {
	r := registration.Client{
		Version: registration.Version, UID: "uid-" + name, Namespace: "docs", Name: name,
		AuthorizationServer: "main", ClientID: "docs." + name, DisplayName: "Team " + strings.ToUpper(name[:1]) + name[1:],
		RedirectURIs:            []string{"https://" + name + ".example.com/callback"},
		Scopes:                  allScopes,
		GrantTypes:              []string{"authorization_code", "refresh_token"},
		TokenEndpointAuthMethod: "client_secret_basic",
		PKCERequired:            true,
		Digests:                 []registration.Digest{{SHA256: credential.New(name + wikiSecret[4:]).Digest()}},
	}
	if change != nil {
		change(&r)
	}
	return r
}

// public makes a client public.
func public(r *registration.Client) {
	r.Public, r.TokenEndpointAuthMethod, r.Digests = true, "none", nil
}

func (w *world) addClient(name string, change func(*registration.Client)) *registry.Client {
	w.t.Helper()
	c, err := registry.NewClient(clientRecord(name, change))
	if err != nil {
		w.t.Fatal(err)
	}
	w.registry.SetClient(c)
	return c
}

// keysOf makes the keys of an issuer, once for all tests: RSA keys are slow to make.
func keysOf(t testing.TB, name string) *keys.Set {
	t.Helper()
	testKeys.Lock()
	defer testKeys.Unlock()
	if set, ok := testKeys.byIssuer[name]; ok {
		return set
	}
	schedule := keys.Schedule{
		Interval: 8760 * time.Hour, Lead: 6 * time.Hour, KeepSigning: time.Hour, KeepSealing: 720 * time.Hour,
	}
	set, _, err := keys.Set{}.Rotate(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), schedule, nil)
	if err != nil {
		t.Fatal(err)
	}
	testKeys.byIssuer[name] = &set
	return &set
}

var testKeys = struct {
	sync.Mutex
	byIssuer map[string]*keys.Set
}{byIssuer: map[string]*keys.Set{}}

// switchable is a provider that a test can put another one in place of, or break.
type switchable struct {
	mu    sync.Mutex
	inner identity.Provider
	err   error
}

func newUsers(t testing.TB) *switchable {
	t.Helper()
	return &switchable{inner: userList(t, "alice", "bob")}
}

var hashes = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for name, password := range map[string]string{"alice": alicePass, "bob": bobPass} {
		h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			panic(err)
		}
		out[name] = string(h)
	}
	return out
})

func userList(t testing.TB, names ...string) identity.Provider {
	t.Helper()
	var list []userfile.User
	for _, name := range names {
		list = append(list, userfile.User{
			ID: "id-" + name, Username: name, PasswordHash: hashes()[name], Name: strings.ToUpper(name[:1]) + name[1:] + " Example",
			Email: name + "@example.com", EmailVerified: true, Groups: []string{"staff", "docs-editors"},
			About: userfile.About{
				GivenName: name, FamilyName: "Example", MiddleName: "P.", Nickname: name, Profile: "https://example.com/" + name,
				Picture: "https://example.com/" + name + ".png", Website: "https://" + name + ".example.com", Gender: "other",
				Birthdate: "0000-12-10", Zoneinfo: "Europe/Vienna", Locale: "de-AT",
			},
			UpdatedAt: "2026-01-01T00:00:00Z", PhoneNumber: "+43 1 5552368",
			Address: userfile.Address{Formatted: "Ring 1\nWien", StreetAddress: "Ring 1", Locality: "Wien", Region: "W", PostalCode: "1010", Country: "AT"},
		})
	}
	p, err := users.New(list, users.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *switchable) set(inner identity.Provider, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inner, s.err = inner, err
}

func (s *switchable) get() (identity.Provider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inner, s.err
}

func (s *switchable) Authenticate(ctx context.Context, username string, password credential.Secret) (identity.Person, error) {
	inner, err := s.get()
	if err != nil {
		return identity.Person{}, err
	}
	return inner.Authenticate(ctx, username, password)
}

func (s *switchable) Means() identity.Means { return identity.Password() }

func (s *switchable) Lookup(ctx context.Context, id string) (identity.Person, error) {
	inner, err := s.get()
	if err != nil {
		return identity.Person{}, err
	}
	return inner.Lookup(ctx, id)
}

// clock is a time that only a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// secrets are all values of a test that no log may show.
type secrets struct {
	mu  sync.Mutex
	all map[string]string // value to what it is
}

// add notes a value, unless it is too short to be told apart by chance.
func (s *secrets) add(kind, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]string{}
	}
	if len(value) >= 8 {
		s.all[value] = kind
	}
}

// secretParams are the parameters whose values are secret, or not a log's business.
var secretParams = []string{
	"client_assertion", "code", "state", "nonce", "code_challenge", "code_verifier", "client_secret", "refresh_token", "access_token",
	"token", "password", "username", "flow", "redirect_uri", "login_hint", "logout", "id_token_hint", "post_logout_redirect_uri",
}

func (s *secrets) addParams(v url.Values) {
	for _, name := range secretParams {
		for _, value := range v[name] {
			s.add(name, value)
		}
	}
}

func (s *secrets) check(t *testing.T, log string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range slices.Sorted(maps.Keys(s.all)) {
		for _, form := range []string{value, url.QueryEscape(value)} {
			if strings.Contains(log, form) {
				t.Errorf("the log shows a %s: %q", s.all[value], value)
			}
		}
	}
}

// RoundTrip serves a request without a network, and checks what holds for every
// answer that there is.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.Host = r.URL.Host
	if r.Host != "" {
		in.Host = r.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	// Behind a proxy that ends TLS: nothing tells the server of the scheme.
	in.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	w.note(r)
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, in)
	res := rec.Result()
	res.Request = r
	w.checkAnswer(res, rec.Body.String())
	return res, nil
}

// note collects the secrets of a request.
func (w *world) note(r *http.Request) {
	w.secrets.addParams(r.URL.Query())
	for _, c := range r.Cookies() {
		w.secrets.add("cookie", c.Value)
	}
	w.secrets.add("Authorization header", r.Header.Get("Authorization"))
	if _, secret, ok := r.BasicAuth(); ok {
		w.secrets.add("client secret", secret)
	}
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err == nil {
			var b bytes.Buffer
			_, _ = b.ReadFrom(body)
			if v, err := url.ParseQuery(b.String()); err == nil {
				w.secrets.addParams(v)
			}
		}
	}
}
