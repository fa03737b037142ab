// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// TestMain takes client-go's brake on errors away: it is global, and would carry the
// clock of one bubble into the next.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = nil
	// As Config.Client has it, and faster still.
	os.Setenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "1")
	os.Setenv("HTTP2_PING_TIMEOUT_SECONDS", "1")
	code := m.Run()
	stopControlPlane()
	os.Exit(code)
}

const systemNamespace = "clientele-system"

// listed is a provider that remembers which list it was made of.
type listed struct{ list string }

func (listed) Authenticate(context.Context, string, credential.Secret) (identity.Person, error) {
	return identity.Person{}, identity.ErrRefused
}

func (listed) Means() identity.Means { return identity.Password() }

func (listed) Lookup(context.Context, string) (identity.Person, error) {
	return identity.Person{}, identity.ErrUnknown
}

func newListed(users []byte) (identity.Provider, error) {
	if strings.Contains(string(users), "malformed") {
		return nil, errors.New("user 1 is malformed")
	}
	return &listed{string(users)}, nil
}

// logBuffer collects what is logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// replica is a Watcher under test and what it talks to.
type replica struct {
	*Watcher
	name     string
	config   Config
	link     *link
	registry *registry.Registry
	log      *logBuffer
	stop     context.CancelFunc
	done     chan error
}

func newReplica(t testing.TB, name string, client kubernetes.Interface, change ...func(*Config)) *replica {
	t.Helper()
	r := &replica{name: name, log: &logBuffer{}, done: make(chan error, 1), stop: func() {}}
	r.registry = registry.New(func() bool { return r.Current() })
	r.config = Config{
		Client: client, Namespace: systemNamespace, Replica: name, Registry: r.registry, NewProvider: newListed,
		Log: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	for _, f := range change {
		f(&r.config)
	}
	r.config = r.config.withDefaults()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, r.log)
		}
	})
	var err error
	if r.Watcher, err = New(r.config); err != nil {
		t.Fatal(err)
	}
	return r
}

// replica returns one that talks to a.
func (a *api) replica(t testing.TB, name string, change ...func(*Config)) *replica {
	l := a.link()
	r := newReplica(t, name, l.client(t), change...)
	r.link = l
	return r
}

// start runs the replica until the test ends or halt is called.
func (r *replica) start(t testing.TB) *replica {
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	r.stop = stop
	go func() { r.done <- r.Run(ctx); close(r.done) }()
	t.Cleanup(r.end)
	return r
}

// end is halt where the replica may have lost its connection.
func (r *replica) end() {
	r.stop()
	if err := <-r.done; err != nil {
		r.config.Log.Info("Run ended", "err", err)
	}
}

func (r *replica) halt(t testing.TB) {
	t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func (r *replica) client(clientID string) *registry.Client {
	i := r.registry.Issuers()["default"]
	if i == nil {
		return nil
	}
	c, _ := r.registry.Client(i, clientID)
	return c
}

func (r *replica) accepts(clientID string, secret string) bool {
	c := r.client(clientID)
	if c == nil {
		return false
	}
	id, _ := c.Accepts(context.Background(), credential.New(secret), nil)
	return id != ""
}

func serverRecord(name string, change ...func(*registration.Server)) registration.Server {
	r := registration.Server{
		Version: registration.Version, UID: "uid-of-" + name, Name: name, Issuer: "https://" + name + ".example.com",
		DisplayName: "Sign in", Scopes: registration.StandardScopes(),
		Lifetimes: registration.Lifetimes{
			AuthorizationCode: time.Minute, AccessToken: 15 * time.Minute, IDToken: 15 * time.Minute,
			RefreshToken: 720 * time.Hour, RefreshTokenIdle: 168 * time.Hour, RefreshTokenRetryGrace: 10 * time.Second,
			Session: 12 * time.Hour,
		},
		Signing:           registration.Signing{IDTokenAlg: "RS256", AccessTokenAlg: "ES256", KeyRotationInterval: 720 * time.Hour},
		IdentityProviders: []registration.IdentityProvider{{Name: "local", UsersSecret: "people"}},
	}
	for _, f := range change {
		f(&r)
	}
	return r
}

func serverSecret(r registration.Server) *corev1.Secret {
	data, err := r.Encode()
	if err != nil {
		panic(err)
	}
	return secretWith(registration.ServerRecordName(r.Name), registration.RecordServer, registration.KeyServer, data)
}

func clientRecord(name string, secrets ...string) registration.Client {
	r := registration.Client{
		Version: registration.Version, UID: "uid-of-" + name, Namespace: "shop", Name: name,
		AuthorizationServer: "default", ClientID: registration.ClientID("shop", name), DisplayName: "The " + name,
		RedirectURIs: []string{"https://" + name + ".example.com/callback"}, Scopes: []string{"openid", "profile", "email"},
		GrantTypes:              []string{registration.GrantAuthorizationCode, registration.GrantRefreshToken},
		TokenEndpointAuthMethod: registration.AuthMethodBasic, PKCERequired: true,
	}
	for _, s := range secrets {
		r.Digests = append(r.Digests, registration.Digest{SHA256: credential.New(s).Digest(), Since: time.Unix(1700000000, 0).UTC()})
	}
	return r
}

func clientSecret(r registration.Client) *corev1.Secret {
	data, err := r.Encode()
	if err != nil {
		panic(err)
	}
	return secretWith(registration.ClientRecordName(r.Namespace, r.Name), registration.RecordClient, registration.KeyClient, data)
}

func usersSecret(name, list string) *corev1.Secret {
	return secretWith(name, "", registration.KeyUsers, []byte(list))
}

// keysSecret holds the shared keys.
func keysSecret() *corev1.Secret {
	data, err := sharedKeys().Encode()
	if err != nil {
		panic(err)
	}
	return secretWith(registration.KeysName("default"), registration.RecordKeys, keyKeys, data)
}

func secretWith(name, label, key string, data []byte) *corev1.Secret {
	o := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: systemNamespace}, Data: map[string][]byte{key: data}}
	if label != "" {
		o.Labels = map[string]string{registration.LabelRecord: label}
	}
	return o
}

// admin writes as the manager and people do, whatever a replica's link suffers.
type admin struct {
	t         testing.TB
	client    kubernetes.Interface
	namespace string
}

func (a admin) create(o *corev1.Secret) *corev1.Secret {
	a.t.Helper()
	o.Namespace = a.namespace
	created, err := a.client.CoreV1().Secrets(a.namespace).Create(a.t.Context(), o, metav1.CreateOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	return created
}

func (a admin) update(o *corev1.Secret) *corev1.Secret {
	a.t.Helper()
	o.Namespace = a.namespace
	updated, err := a.client.CoreV1().Secrets(a.namespace).Update(a.t.Context(), o, metav1.UpdateOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	return updated
}

func (a admin) delete(name string) {
	a.t.Helper()
	if err := a.client.CoreV1().Secrets(a.namespace).Delete(a.t.Context(), name, metav1.DeleteOptions{}); err != nil {
		a.t.Fatal(err)
	}
}

func (a admin) secret(name string) *corev1.Secret {
	a.t.Helper()
	o, err := a.client.CoreV1().Secrets(a.namespace).Get(a.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	return o
}

// lease returns the Lease of replica one, or nil.
func (a admin) lease() *coordinationv1.Lease {
	o, err := a.client.CoordinationV1().Leases(a.namespace).Get(context.WithoutCancel(a.t.Context()), registration.LeaseName("one"), metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return o
}

// acknowledged reports whether the Lease of replica one includes o.
func (a admin) acknowledged(o *corev1.Secret) bool {
	l := a.lease()
	return l != nil && atLeast(l.Annotations[registration.AnnotationLoaded], o.ResourceVersion)
}

// bubble runs f in a synctest bubble with an API server that has one issuer with
// keys, one client and one list of people.
func bubble(t *testing.T, f func(t *testing.T, a *api, by admin)) {
	t.Helper()
	secret := keysSecret()
	bubbleWithoutKeys(t, func(t *testing.T, a *api, by admin) {
		by.create(secret)
		f(t, a, by)
	})
}

func bubbleWithoutKeys(t *testing.T, f func(t *testing.T, a *api, by admin)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { settle(time.Minute) }) // for reflectors that do not listen while they wait
		a := newAPI()
		by := admin{t, a.link().client(t), systemNamespace}
		by.create(serverSecret(serverRecord("default")))
		by.create(usersSecret("people", "ada"))
		by.create(clientSecret(clientRecord("wiki", "first")))
		f(t, a, by)
	})
}

// sharedKeys come into use when every bubble's clock begins. Minting is slow.
var sharedKeys = sync.OnceValue(func() keys.Set {
	set, _, err := keys.Set{}.Rotate(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), DefaultSchedule(serverRecord("default")), nil)
	if err != nil {
		panic(err)
	}
	return set
})

// settle lets d pass, and then everything that is due happen.
func settle(d time.Duration) {
	<-time.After(d) // of the bubble's clock
	synctest.Wait()
}
