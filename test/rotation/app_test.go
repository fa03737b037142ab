// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/person"
)

// How an app comes by its secret.
const (
	// followed has it from a watch, as the kubelet's files are.
	followed = iota
	// readEarly reads it when a login begins, and uses it when that ends.
	readEarly
	// The others read the Secret just before each use.
	mountKinds = 3
)

// app is a relying party of golang.org/x/oauth2, and the person at its browser.
type app struct {
	w       *world
	kind    int
	key     client.ObjectKey
	browser *person.Browser

	logins, unavailable atomic.Int64

	mu      sync.Mutex
	mounted credential.Secret // as last read or followed; a Secret that is gone leaves it
	seen    []credential.Secret
	turn    int64 // logins at the last turnedOver
}

// newApp applies an OAuthClient and waits for its Secret.
func (w *world) newApp(kind int) *app {
	w.t.Helper()
	a := &app{w: w, kind: kind, key: client.ObjectKey{Namespace: appNamespace, Name: fmt.Sprintf("app-%d", kind)}, turn: -1}
	var err error
	if a.browser, err = person.New(w.balancer); err != nil {
		w.t.Fatal(err)
	}
	oc := &v1alpha1.OAuthClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: a.key.Namespace, Name: a.key.Name},
		Spec: v1alpha1.OAuthClientSpec{
			RedirectURIs: []v1alpha1.RedirectURI{v1alpha1.RedirectURI(a.redirectURI())},
			Scopes:       []v1alpha1.Scope{"openid"},
		},
	}
	if err := w.kube.Create(w.t.Context(), oc); err != nil {
		w.t.Fatal(err)
	}
	if kind == followed {
		a.follow()
	}
	w.await(func() error {
		if a.secret(w.t.Context()).IsZero() {
			return errors.New(a.key.Name + " has no Secret yet")
		}
		return nil
	})
	return a
}

func (a *app) clientID() string { return registration.ClientID(a.key.Namespace, a.key.Name) }

func (a *app) redirectURI() string { return "https://" + a.key.Name + ".example.com/callback" }

// secretKey is the Secret's, which has the OAuthClient's name.
func (a *app) secretKey() client.ObjectKey { return a.key }

// follow keeps mounted up to date by a watch until the test ends.
func (a *app) follow() {
	a.w.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(a.w.t.Context()))
	events, err := a.w.kube.Watch(ctx, &corev1.SecretList{}, client.InNamespace(a.key.Namespace),
		client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", a.secretKey().Name)})
	if err != nil {
		a.w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range events.ResultChan() {
			if s, ok := e.Object.(*corev1.Secret); ok && e.Type != watch.Deleted {
				a.mount(s)
			}
		}
	}()
	a.w.t.Cleanup(func() {
		events.Stop()
		cancel()
		<-done
	})
}

// mount takes what a Secret holds.
func (a *app) mount(s *corev1.Secret) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mounted = credential.New(string(s.Data["client_secret"]))
	if !slices.ContainsFunc(a.seen, func(o credential.Secret) bool { return o.Digest() == a.mounted.Digest() }) {
		a.seen = append(a.seen, a.mounted)
	}
}

// secret is what is mounted at this moment.
func (a *app) secret(ctx context.Context) credential.Secret {
	if a.kind != followed {
		return a.live(ctx)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mounted
}

// live reads the Secret. If it is not there, what was mounted stays so.
func (a *app) live(ctx context.Context) credential.Secret {
	s := &corev1.Secret{}
	if err := a.w.kube.Get(ctx, a.secretKey(), s); err == nil {
		a.mount(s)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mounted
}

// signInWithoutPause has the person sign in again and again until ctx ends, or a
// login fails.
func (a *app) signInWithoutPause(ctx context.Context) error {
	for {
		err := a.signIn(ctx)
		if errors.Is(context.Cause(ctx), errDone) {
			return nil
		}
		if err != nil {
			return err
		}
		a.logins.Add(1)
	}
}

// signIn is one authorization code flow with PKCE.
func (a *app) signIn(ctx context.Context) error {
	config := oauth2.Config{
		ClientID: a.clientID(), RedirectURL: a.redirectURI(), Scopes: []string{"openid"},
		Endpoint: oauth2.Endpoint{
			AuthURL: "https://" + issuerHost + "/authorize", TokenURL: "https://" + issuerHost + "/token",
			AuthStyle: oauth2.AuthStyleInHeader, // a guess that fails would hide a refusal
		},
	}
	config.ClientSecret = a.secret(ctx).Reveal()
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	page, err := a.browser.SignIn(ctx, config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier)), username, password)
	if err != nil {
		return err
	}
	q := page.URL.Query()
	if q.Get("code") == "" || q.Get("state") != state {
		_, title, _ := strings.Cut(page.Body, "<h1>")
		title, _, _ = strings.Cut(title, "</h1>")
		return fmt.Errorf("GET /authorize ends at %s with %d: %s", page.URL.Redacted(), page.Status, title)
	}
	return a.exchange(ctx, config, q.Get("code"), verifier)
}

// exchange trades the code for tokens, at whichever replica, and comes back if it is
// told to.
func (a *app) exchange(ctx context.Context, config oauth2.Config, code, verifier string) error {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: a.w.balancer, Timeout: patience})
	for range 10 {
		if a.kind != readEarly {
			config.ClientSecret = a.secret(ctx).Reveal()
		}
		tokens, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
		if err == nil {
			if tokens.Extra("id_token") == nil {
				return errors.New("there is no ID token")
			}
			return nil
		}
		refusal, is := errors.AsType[*oauth2.RetrieveError](err)
		if !is || refusal.Response.StatusCode != http.StatusServiceUnavailable {
			return fmt.Errorf("POST /token: %w", err)
		}
		seconds, err := strconv.Atoi(refusal.Response.Header.Get("Retry-After"))
		if err != nil {
			return fmt.Errorf("503 without Retry-After: %w", err)
		}
		a.unavailable.Add(1)
		if err := pause(ctx, time.Duration(seconds)*time.Second); err != nil {
			return err
		}
	}
	return errors.New("POST /token: 503 for ever")
}

// turnedOver is an error until every login that was under way when it was first
// called has ended.
func (a *app) turnedOver(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil // somebody else tells why
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.logins.Load()
	if a.turn < 0 {
		a.turn = now
	}
	if now < a.turn+2 {
		return errors.New(a.key.Name + " has not signed in twice since")
	}
	a.turn = -1
	return nil
}
