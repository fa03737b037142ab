// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/test/person"
)

func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a control plane")
	}
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set; make test sets it")
	}
	ctrl.SetLogger(logr.Discard())
	bin, at := build(t), ports(t)
	r := bin.start(t, filepath.Join(t.TempDir(), "run"), at)
	v := visit{r, r.env(), nil}
	v.Client = clientOf(t, v.env["KUBECONFIG"])

	for _, name := range []string{"KUBECONFIG", "ISSUER", "APP_URL", "DEMO_USERNAME", "DEMO_PASSWORD", "DEMO_USERNAME_2", "DEMO_PASSWORD_2"} {
		if value := v.env[name]; value == "" || !strings.Contains(r.out.String(), value) {
			t.Errorf("%s is %q in env, and not on the screen", name, value)
		}
	}
	t.Run("people sign in at the demo app", v.demoApp)
	t.Run("a further client", v.furtherClient)
	t.Run("the sample that the screen names", v.sample)
	t.Run("a further issuer behind a TLS proxy", v.furtherIssuer)
	t.Run("a deleted Secret comes back to the demo app", v.deletedSecret)
	t.Run("the server cannot read an app's Secret", v.confined)
	t.Run("a second one says what is in its way", func(t *testing.T) { second(t, bin, r, at) })
	t.Run("Ctrl-C ends everything", v.interrupted)
}

// visit is what somebody does with a `make run`.
type visit struct {
	*running

	env map[string]string
	client.Client
}

func (v visit) on(t *testing.T) visit {
	r := *v.running
	r.t = t
	v.running = &r
	return v
}

func (v visit) demoApp(t *testing.T) {
	for i, name := range []string{"Ada Lovelace", "Grace Hopper"} {
		suffix := []string{"", "_2"}[i]
		b, err := person.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		username, password := v.env["DEMO_USERNAME"+suffix], v.env["DEMO_PASSWORD"+suffix]
		page, err := b.SignIn(t.Context(), v.env["APP_URL"]+"/login", username, password)
		if err != nil {
			t.Fatal(err)
		}
		if !page.Has("Hello, "+name, username+"@example.com", "200 OK") {
			t.Errorf("at %s: %s", page.URL, page.Body)
		}
	}
}

func (v visit) furtherClient(t *testing.T) {
	v = v.on(t)
	key := client.ObjectKey{Namespace: "team", Name: "wiki"}
	app := newStock(func() map[string][]byte { return v.secret(key).Data }, http.DefaultClient)
	defer app.Close()
	if err := v.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: key.Namespace}}); err != nil {
		t.Fatal(err)
	}
	applied := time.Now()
	if err := v.Create(t.Context(), oauthClient(key, app.URL+"/callback", "")); err != nil {
		t.Fatal(err)
	}
	first := v.awaitSecret(key, nil)
	t.Logf("the Secret is there %s after the OAuthClient", time.Since(applied).Round(time.Millisecond))
	v.awaitReady(key)
	t.Logf("Ready %s after the OAuthClient", time.Since(applied).Round(time.Millisecond))
	if err := app.signIn(t.Context(), v.env["DEMO_USERNAME"], v.env["DEMO_PASSWORD"]); err != nil {
		t.Error(err)
	}

	deleted := time.Now()
	if err := v.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	second := v.awaitSecret(key, first)
	t.Logf("the Secret is back %s after it was deleted", time.Since(deleted).Round(time.Millisecond))
	if !bytes.Equal(second.Data["client_id"], first.Data["client_id"]) || bytes.Equal(second.Data["client_secret"], first.Data["client_secret"]) {
		t.Error("want the same client_id and a new client_secret")
	}
	// At once, not when the client is Ready: a mounted secret is always accepted.
	if err := app.signIn(t.Context(), v.env["DEMO_USERNAME_2"], v.env["DEMO_PASSWORD_2"]); err != nil {
		t.Error(err)
	}
}

func (v visit) sample(t *testing.T) {
	v = v.on(t)
	const file = "config/samples/oauthclient.yaml"
	if !strings.Contains(v.out.String(), file) {
		t.Errorf("the screen does not name %s", file)
	}
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	oc := &v1alpha1.OAuthClient{}
	if err := yaml.UnmarshalStrict(text, oc); err != nil {
		t.Fatal(err)
	}
	oc.Namespace = corev1.NamespaceDefault
	if err := v.Create(t.Context(), oc); err != nil {
		t.Fatal(err)
	}
	v.awaitReady(client.ObjectKeyFromObject(oc))
}

// The issuer's URL decides, not the scheme or the port that a proxy speaks to us.
func (v visit) furtherIssuer(t *testing.T) {
	v = v.on(t)
	to, err := url.Parse(v.env["ISSUER"])
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}})
	defer proxy.Close()
	server := &v1alpha1.AuthorizationServer{
		ObjectMeta: metav1.ObjectMeta{Name: "partners"},
		Spec: v1alpha1.AuthorizationServerSpec{
			Issuer: proxy.URL,
			IdentityProviders: []v1alpha1.IdentityProvider{{
				Name: "users", LocalUsers: &v1alpha1.LocalUsers{SecretRef: v1alpha1.SecretReference{Name: "demo-users"}},
			}},
		},
	}
	if err := v.Create(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	key := client.ObjectKey{Namespace: "team", Name: "shop"}
	app := newStock(func() map[string][]byte { return v.secret(key).Data }, proxy.Client())
	defer app.Close()
	if err := v.Create(t.Context(), oauthClient(key, app.URL+"/callback", server.Name)); err != nil {
		t.Fatal(err)
	}
	v.awaitReady(key)
	if err := app.signIn(t.Context(), v.env["DEMO_USERNAME"], v.env["DEMO_PASSWORD"]); err != nil {
		t.Error(err)
	}
}

// The demo app reads its Secret as files, as a Pod does.
func (v visit) deletedSecret(t *testing.T) {
	v = v.on(t)
	old := v.secret(client.ObjectKey{Namespace: "demo", Name: "webapp-oauth"})
	if err := v.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(v.dir, "credentials", "client_secret")
	v.await(10*time.Second, func() error {
		now, err := os.ReadFile(file)
		if err == nil && bytes.Equal(now, old.Data["client_secret"]) {
			err = errors.New("the old secret is mounted still")
		}
		return err
	})
	v.demoApp(t)
}

func (v visit) confined(t *testing.T) {
	server := clientOf(t, filepath.Join(v.dir, "authserver.kubeconfig"))
	err := server.Get(t.Context(), client.ObjectKey{Namespace: "demo", Name: "webapp-oauth"}, &corev1.Secret{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("got %v, want Forbidden", err)
	}
	if err := server.Get(t.Context(), client.ObjectKey{Namespace: "clientele-system", Name: "demo-users"}, &corev1.Secret{}); err != nil {
		t.Errorf("its own namespace: %v", err)
	}
}

// second starts another one where the first one is.
func second(t *testing.T, bin programs, first *running, at []string) {
	for name, tc := range map[string]struct {
		dir  string
		env  []string
		want string
	}{
		"port in use":   {t.TempDir(), at, "CLIENTELE_PORT=…"},
		"folder in use": {first.dir, ports(t), "another make run"},
	} {
		r := bin.start(t, tc.dir, tc.env)
		select {
		case <-r.exited:
		case <-time.After(endsWithin):
			t.Fatalf("%s: it goes on", name)
		}
		if code := r.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(r.out.String(), tc.want) {
			t.Errorf("%s: got exit code %d and %q, want %q", name, code, r.out, tc.want)
		}
	}
	if _, err := os.Stat(filepath.Join(first.dir, "env")); err != nil {
		t.Errorf("the first one has lost its env: %v", err)
	}
}

func (v visit) interrupted(t *testing.T) {
	v = v.on(t)
	if code := v.interrupt(); code != 0 {
		t.Errorf("got exit code %d: %s", code, v.out)
	}
	if _, err := os.Stat(filepath.Join(v.dir, "env")); err == nil {
		t.Error("env is still there")
	}
	for _, name := range []string{"ISSUER", "APP_URL"} {
		u, err := url.Parse(v.env[name])
		if err != nil {
			t.Fatal(err)
		}
		dialer := net.Dialer{Timeout: time.Second}
		if conn, err := dialer.DialContext(t.Context(), "tcp", u.Host); err == nil {
			_ = conn.Close()
			t.Errorf("%s: somebody still listens", name)
		}
	}
}

func oauthClient(key client.ObjectKey, redirectURI, server string) *v1alpha1.OAuthClient {
	oc := &v1alpha1.OAuthClient{
		ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: key.Namespace},
		Spec: v1alpha1.OAuthClientSpec{
			RedirectURIs: []v1alpha1.RedirectURI{v1alpha1.RedirectURI(redirectURI)},
			Scopes:       []v1alpha1.Scope{"openid", "profile", "email"},
		},
	}
	if server != "" {
		oc.Spec.AuthorizationServerRef = &v1alpha1.AuthorizationServerReference{Name: server}
	}
	return oc
}

// secret is a Secret that must be there.
func (v visit) secret(key client.ObjectKey) *corev1.Secret {
	v.t.Helper()
	s := &corev1.Secret{}
	if err := v.Get(v.t.Context(), key, s); err != nil {
		v.t.Error(err)
	}
	return s
}

// awaitSecret waits for a Secret that is not old.
func (v visit) awaitSecret(key client.ObjectKey, old *corev1.Secret) *corev1.Secret {
	v.t.Helper()
	s := &corev1.Secret{}
	v.await(10*time.Second, func() error {
		if err := v.Get(v.t.Context(), key, s); err != nil {
			return err
		}
		if old != nil && s.UID == old.UID {
			return errors.New("it is the old one still")
		}
		return nil
	})
	return s
}

func (v visit) awaitReady(key client.ObjectKey) {
	v.t.Helper()
	v.await(10*time.Second, func() error {
		oc := &v1alpha1.OAuthClient{}
		if err := v.Get(v.t.Context(), key, oc); err != nil {
			return err
		}
		if !meta.IsStatusConditionTrue(oc.Status.Conditions, v1alpha1.ConditionReady) {
			return fmt.Errorf("%s has the conditions %+v", key, oc.Status.Conditions)
		}
		return nil
	})
}
