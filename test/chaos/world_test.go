// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/apiserver"
)

const (
	systemNamespace = "clientele-system"
	issuerName      = "main"
	issuerHost      = "login.example.com"
	password        = "correct-horse"

	// grace is how long a refresh token may be used again: longer than any misfortune.
	grace = 20 * time.Second
	// sessionCache is the replicas' --session-cache.
	sessionCache = 2 * time.Second
	// shutdownDelay is for the balancer to take notice.
	shutdownDelay = 1200 * time.Millisecond
	// recovery is how soon after a misfortune everything works again.
	recovery = 15 * time.Second
	// patience is for a machine that does much else.
	patience = time.Minute

	apps    = 2
	workers = 6
	// replicas is how many are running when nothing happens.
	replicas = 3
)

// durable is a store that outlives replicas, as the world sees it.
type durable interface {
	// args are a replica's flags, and its ways to the store that are not to the API
	// server.
	args(w *world, replica string) ([]string, []*line)
	// revoke ends all grants of a person at a client, as an administrator would.
	revoke(ctx context.Context, w *world, person, client string) error
	// open returns the store as it is, without anything between.
	open(w *world) (store.Store, error)
	// live counts the grants that live.
	live(ctx context.Context, w *world) (int, error)
	// misfortunes are those that befall it alone.
	misfortunes() []misfortune
}

// world is an installation of Clientele in a cluster, and those who use it.
type world struct {
	t        *testing.T
	seed     uint64
	store    durable
	api      *apiserver.Server
	kube     client.Client
	binary   string
	balancer *balancer
	journal  *journal

	apps     []*app
	workers  []*worker
	replicas []*replica
	born     int // replicas so far
}

func newWorld(t *testing.T, kept durable, s setting) *world {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, seed: s.seed, store: kept, binary: binary, balancer: newBalancer(), journal: &journal{}}
	if w.api, err = apiserver.New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.api.End(); err != nil {
			t.Error(err)
		}
	})
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	if w.kube, err = client.New(w.api.Config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	for i := range apps {
		a, err := newApp(w, i)
		if err != nil {
			t.Fatal(err)
		}
		w.apps = append(w.apps, a)
	}
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: systemNamespace}})
	w.authorize()
	w.createRecords(s.duration)
	return w
}

// binaries is where build puts what it makes. TestMain removes it.
var binaries string

// build makes the program as it ships, once for all tests.
var build = sync.OnceValues(func() (path string, err error) {
	if binaries, err = os.MkdirTemp("", "chaos-*"); err != nil {
		return "", err
	}
	path = filepath.Join(binaries, "authserver")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/authserver")
	cmd.Dir = apiserver.Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return path, fmt.Errorf("build: %w: %s", err, out)
	}
	return path, nil
})

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.kube.Create(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

// authorize gives the replicas what an installation gives them, and no more.
func (w *world) authorize() {
	w.t.Helper()
	for file, o := range map[string]client.Object{"authserver_role.yaml": &rbacv1.Role{}, "authserver_role_binding.yaml": &rbacv1.RoleBinding{}} {
		text, err := os.ReadFile(filepath.Join(apiserver.Root(), "config", "rbac", file))
		if err != nil {
			w.t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(text, o); err != nil {
			w.t.Fatal(err)
		}
		o.SetNamespace(systemNamespace)
		w.create(o)
	}
}

// kubeconfig is a replica's way to the API server, over a line of its own.
func (w *world) kubeconfig(replica string) (string, *line) {
	w.t.Helper()
	c := w.api.Config
	target, err := net.ResolveTCPAddr("tcp", strings.Trim(strings.TrimPrefix(c.Host, "https:"), "/"))
	if err != nil {
		w.t.Fatal(err)
	}
	l := newLine(w.t, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, target)
	path := filepath.Join(w.t.TempDir(), replica+".kubeconfig")
	err = clientcmd.WriteToFile(clientcmdapi.Config{
		CurrentContext: "it",
		Contexts:       map[string]*clientcmdapi.Context{"it": {Cluster: "it", AuthInfo: "it"}},
		Clusters: map[string]*clientcmdapi.Cluster{"it": {
			Server: "https://" + l.Addr().String(), CertificateAuthorityData: c.CAData,
		}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"it": {
			ClientCertificateData: c.CertData, ClientKeyData: c.KeyData,
			Impersonate: "system:serviceaccount:" + systemNamespace + ":authserver",
		}},
	}, path)
	if err != nil {
		w.t.Fatal(err)
	}
	return path, l
}

// createRecords writes what a manager would have written, and the keys.
func (w *world) createRecords(duration time.Duration) {
	w.t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		w.t.Fatal(err)
	}
	var users strings.Builder
	for i := range workers {
		fmt.Fprintf(&users, "- username: %s\n  passwordHash: %s\n", username(i), hash)
	}
	server := registration.Server{
		UID: "uid-" + issuerName, Name: issuerName, Issuer: "https://" + issuerHost, DisplayName: "Sign in",
		Scopes: registration.StandardScopes(),
		Lifetimes: registration.Lifetimes{
			AuthorizationCode: time.Minute, AccessToken: 15 * time.Minute, IDToken: 15 * time.Minute,
			RefreshToken: 24 * time.Hour, RefreshTokenIdle: 24 * time.Hour, RefreshTokenRetryGrace: grace, Session: 12 * time.Hour,
		},
		Signing:           registration.Signing{IDTokenAlg: keys.ES256, AccessTokenAlg: keys.ES256, KeyRotationInterval: 720 * time.Hour},
		IdentityProviders: []registration.IdentityProvider{{Name: "local", UsersSecret: "users"}},
	}
	data, err := server.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	set, err := rotating(duration).Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	w.createSecret("users", "", registration.KeyUsers, []byte(users.String()))
	w.createSecret(registration.ServerRecordName(issuerName), registration.RecordServer, registration.KeyServer, data)
	keySecret := record(registration.KeysName(issuerName), registration.RecordKeys, "keys.json", set)
	keySecret.Annotations = map[string]string{registration.AnnotationServer: issuerName}
	keySecret.OwnerReferences = []metav1.OwnerReference{{APIVersion: "clientele.dev/v1alpha1", Kind: "AuthorizationServer", Name: issuerName, UID: "uid-" + issuerName}}
	w.create(keySecret)
	for _, a := range w.apps {
		if data, err = a.record().Encode(); err != nil {
			w.t.Fatal(err)
		}
		w.createSecret(registration.ClientRecordName("team", a.name), registration.RecordClient, registration.KeyClient, data)
	}
}

func (w *world) createSecret(name, kind, key string, data []byte) {
	w.t.Helper()
	w.create(record(name, kind, key, data))
}

func record(name, kind, key string, data []byte) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: name},
		Data:       map[string][]byte{key: data},
	}
	if kind != "" {
		s.Labels = map[string]string{registration.LabelRecord: kind}
	}
	return s
}

// turnover is how often another key comes into use.
const turnover = 7 * time.Second

// rotating returns keys of which every kind is replaced again and again, for twice as
// long as the test takes. All are published before, as the schedule of an installation
// has it, only sooner.
func rotating(duration time.Duration) keys.Set {
	schedule := keys.Schedule{Interval: turnover, Lead: turnover, KeepSigning: 24 * time.Hour, KeepSealing: 24 * time.Hour}
	var set keys.Set
	for i := range int(math.Ceil(2*float64(duration)/float64(turnover))) + 2 {
		next, _, err := set.Rotate(time.Now().Add(time.Duration(max(0, i-1))*(turnover+time.Second)), schedule, rand.Reader)
		if err != nil {
			panic(err)
		}
		set = next
	}
	return set
}

// await calls f until it returns nil.
func (w *world) await(f func() error) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("not within %s: %w", patience, err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func username(i int) string { return fmt.Sprintf("person-%d", i) }

// mintSecret is a client's.
func mintSecret() (credential.Secret, error) { return credential.Mint(rand.Reader) }
