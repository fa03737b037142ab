// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/memory"
	"github.com/clientele-dev/clientele/controllers"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/apiserver"
	"github.com/clientele-dev/clientele/test/link"
)

const (
	systemNamespace = "clientele-system"
	appNamespace    = "team"
	issuerHost      = "login.example.com"
	username        = "ada"
	password        = "correct-horse"

	// patience is for a machine that does much else.
	patience = time.Minute
)

// TestMain silences what client-go says of links that are cut.
func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// world is a cluster with an installation of Clientele.
type world struct {
	t      *testing.T
	config *rest.Config
	kube   client.WithWatch
	clock  *aheadClock
	// store is what the replicas share.
	store    store.Store
	balancer *balancer

	apps     []*app
	manager  *manager
	replicas []*replica
	born     int // replicas so far
	struck   int // misfortunes so far

	// rotated are asked for, and mounted those of them that an app has got.
	rotated, mounted, deleted atomic.Int64
	kills, replaced, cut      int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	config, stop, err := apiserver.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, config: config, clock: &aheadClock{}, store: memory.New(nil), balancer: newBalancer()}
	scheme, err := controllers.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	if w.kube, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: systemNamespace}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: appNamespace}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "users"},
			StringData: map[string]string{registration.KeyUsers: fmt.Sprintf("- username: %s\n  passwordHash: %s\n", username, hash)},
		},
		authorizationServer(),
	} {
		if err := w.kube.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func authorizationServer() *v1alpha1.AuthorizationServer {
	return &v1alpha1.AuthorizationServer{
		ObjectMeta: metav1.ObjectMeta{Name: "main"},
		Spec: v1alpha1.AuthorizationServerSpec{
			Issuer: "https://" + issuerHost, Default: true,
			Signing: v1alpha1.Signing{IDTokenAlg: v1alpha1.SigningAlgES256}, // cheap, for more logins
			IdentityProviders: []v1alpha1.IdentityProvider{{
				Name: "local", LocalUsers: &v1alpha1.LocalUsers{SecretRef: v1alpha1.SecretReference{Name: "users"}},
			}},
		},
	}
}

// aheadClock is the clock of managers and replicas. It is ahead of the machine's, by
// more and more.
type aheadClock struct {
	clock.RealClock

	ahead atomic.Int64
}

// Now is the machine's, and what was passed.
func (c *aheadClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Since is by Now.
func (c *aheadClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func (c *aheadClock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

// manager is one manager process, as far as the cluster can tell.
type manager struct {
	link *link.Link
	kill func()
}

func (w *world) startManager() {
	w.t.Helper()
	scheme, err := controllers.Scheme()
	if err != nil {
		w.t.Fatal(err)
	}
	cache, err := controllers.CacheOptions(systemNamespace)
	if err != nil {
		w.t.Fatal(err)
	}
	l := link.New()
	mgr, err := ctrl.NewManager(l.Through(w.config), ctrl.Options{
		Scheme: scheme, Cache: cache, Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"},
		GracefulShutdownTimeout: new(time.Duration(0)), // what is killed finishes nothing
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	if err := controllers.Setup(ctx, mgr, controllers.Options{
		Namespace: systemNamespace, MaxConcurrentReconciles: 4, Clock: w.clock, Random: rand.Reader,
		Registerer: prometheus.NewRegistry(), SkipNameValidation: true,
	}); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = mgr.Start(ctx) // what a cut link makes it say is of no interest
	}()
	w.manager = &manager{link: l, kill: func() {
		l.Cut() // nothing that it still does has an effect
		cancel()
	}}
	w.t.Cleanup(func() {
		l.Cut()
		cancel()
		<-ended
	})
}

// killManager ends the manager in the middle of whatever it does.
func (w *world) killManager() { w.manager.kill() }

// await calls f until it returns nil.
func (w *world) await(f func() error) {
	w.t.Helper()
	if err := await(w.t.Context(), f); err != nil {
		w.t.Fatalf("after %s: %v", w.tally(), err)
	}
}

// await calls f until it returns nil, or patience is over.
func await(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		if pause(ctx, 10*time.Millisecond) != nil {
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

// awaitReady waits until an app's OAuthClient is Ready.
func (w *world) awaitReady(a *app) {
	w.t.Helper()
	w.await(func() error {
		oc := &v1alpha1.OAuthClient{}
		if err := w.kube.Get(w.t.Context(), a.key, oc); err != nil {
			return err
		}
		ready := apimeta.FindStatusCondition(oc.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != oc.Generation {
			return fmt.Errorf("%s has the conditions %+v", a.key.Name, oc.Status.Conditions)
		}
		return nil
	})
}

// awaitDigests waits until every app's record has as many digests that go on and that
// end as it should.
func (w *world) awaitDigests(good func(live, ending int) bool) {
	w.t.Helper()
	for _, a := range w.apps {
		w.await(func() error {
			record := &corev1.Secret{}
			key := client.ObjectKey{Namespace: systemNamespace, Name: registration.ClientRecordName(a.key.Namespace, a.key.Name)}
			if err := w.kube.Get(w.t.Context(), key, record); err != nil {
				return err
			}
			c, err := registration.DecodeClient(record.Data[registration.KeyClient])
			if err != nil {
				return err
			}
			live, ending := 0, 0
			for _, d := range c.Digests {
				if d.Until.IsZero() {
					live++
				} else {
					ending++
				}
			}
			if !good(live, ending) {
				return errors.New(a.key.Name + " has digests that should have ended")
			}
			return nil
		})
	}
}
