// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// readyWithin is far more than Ready takes, so that a slow machine passes.
const readyWithin = time.Minute

// person is a demo user and their password.
type person struct {
	username, name, password string
	groups                   []string
	// more are further fields of the users file, by their names there.
	more map[string]any
}

// invite makes up this run's passwords: they stand on the screen, so none is worth
// keeping.
func invite() []person {
	people := []person{
		{username: "ada", name: "Ada Lovelace", groups: []string{"engineering", "admins"}, more: map[string]any{
			"givenName": "Ada", "familyName": "Lovelace", "birthdate": "1815-12-10", "phoneNumber": "+44 20 7946 0123",
			"address": map[string]any{"streetAddress": "12 St James's Square", "locality": "London", "postalCode": "SW1Y 4JH", "country": "United Kingdom"},
		}},
		{username: "grace", name: "Grace Hopper", groups: []string{"engineering"}},
	}
	for i := range people {
		text := strings.ToLower(rand.Text())
		people[i].password = text[:4] + "-" + text[4:8] + "-" + text[8:12]
	}
	return people
}

// usersFile is what an identity provider's Secret holds under users.yaml.
func usersFile(people []person) (string, error) {
	var users []map[string]any
	for _, p := range people {
		hash, err := bcrypt.GenerateFromPassword([]byte(p.password), bcrypt.DefaultCost)
		if err != nil {
			return "", err
		}
		user := map[string]any{
			"username": p.username, "passwordHash": string(hash), "name": p.name,
			"email": p.username + "@example.com", "emailVerified": true, "groups": p.groups,
		}
		maps.Copy(user, p.more)
		users = append(users, user)
	}
	text, err := yaml.Marshal(users)
	return string(text), err
}

// apply creates what a platform team and an app team would.
func (s *stage) apply(ctx context.Context) error {
	s.people = invite()
	users, err := usersFile(s.people)
	if err != nil {
		return err
	}
	for _, o := range s.manifests(users) {
		if err := s.create(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// create is patient with an API server that has yet to take up its admission policy,
// which forbids everything until then.
func (s *stage) create(ctx context.Context, o client.Object) error {
	var final error
	err := poll(ctx, readyWithin, func() error {
		err := s.client.Create(ctx, o)
		if apierrors.IsForbidden(err) {
			return err
		}
		final = err
		return nil
	})
	return errors.Join(final, err)
}

func (s *stage) manifests(users string) []client.Object {
	return []client.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: usersSecret, Namespace: systemNamespace},
			StringData: map[string]string{"users.yaml": users},
		},
		&v1alpha1.AuthorizationServer{
			ObjectMeta: metav1.ObjectMeta{Name: "default"},
			Spec: v1alpha1.AuthorizationServerSpec{
				Issuer: s.issuer(), DisplayName: "Clientele demo", Default: true,
				IdentityProviders: []v1alpha1.IdentityProvider{{
					Name: "demo", LocalUsers: &v1alpha1.LocalUsers{SecretRef: v1alpha1.SecretReference{Name: usersSecret}},
				}},
			},
		},
		&v1alpha1.OAuthClient{
			ObjectMeta: metav1.ObjectMeta{Name: demoName, Namespace: demoNamespace},
			Spec: v1alpha1.OAuthClientSpec{
				DisplayName:            "Demo app",
				RedirectURIs:           []v1alpha1.RedirectURI{v1alpha1.RedirectURI(s.appURL() + "/callback")},
				PostLogoutRedirectURIs: []v1alpha1.RedirectURI{v1alpha1.RedirectURI(s.appURL() + "/")},
				Scopes:                 []v1alpha1.Scope{"openid", "profile", "email", "groups", "offline_access"},
				Secret:                 &v1alpha1.SecretSpec{Name: demoSecret},
			},
		},
	}
}

// awaitReady waits until both objects say that they are Ready.
func (s *stage) awaitReady(ctx context.Context) error {
	server, oauthClient := &v1alpha1.AuthorizationServer{}, &v1alpha1.OAuthClient{}
	for _, o := range []struct {
		client.Object
		key        client.ObjectKey
		conditions func() []metav1.Condition
	}{
		{server, client.ObjectKey{Name: "default"}, func() []metav1.Condition { return server.Status.Conditions }},
		{oauthClient, client.ObjectKey{Namespace: demoNamespace, Name: demoName}, func() []metav1.Condition { return oauthClient.Status.Conditions }},
	} {
		err := poll(ctx, readyWithin, func() error {
			if err := s.client.Get(ctx, o.key, o.Object); err != nil {
				return err
			}
			return unready(o.conditions())
		})
		if err != nil {
			return fmt.Errorf("%T %s: %w", o.Object, o.key, err)
		}
	}
	return nil
}

// unready says what an object is not Ready for; nil when it is.
func unready(conditions []metav1.Condition) error {
	if meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady) {
		return nil
	}
	var reasons []error
	for _, c := range conditions {
		if c.Status != metav1.ConditionTrue {
			reasons = append(reasons, fmt.Errorf("%s is %s: %s: %s", c.Type, c.Status, c.Reason, c.Message))
		}
	}
	if len(reasons) == 0 {
		return errors.New("it has no conditions yet")
	}
	return errors.Join(reasons...)
}

// poll calls f until it returns nil, and returns its last error after the limit.
func poll(ctx context.Context, limit time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", limit, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// startApp mounts the demo app's Secret and starts the app beside it.
func (s *stage) startApp(ctx context.Context) error {
	credentials := s.path("credentials")
	if err := s.mount(ctx, credentials); err != nil {
		return err
	}
	err := s.start("app", "webapp",
		"--credentials-dir="+credentials,
		"--listen="+loopback(s.appPort),
		"--url="+s.appURL(),
	)
	if err != nil {
		return err
	}
	// Through the front door: the issuer is there as well once a sign-in can begin.
	noRedirect := &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return poll(ctx, readyWithin, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.appURL()+"/login", nil)
		if err != nil {
			return err
		}
		resp, err := noRedirect.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusSeeOther {
			return fmt.Errorf("GET /login answers %s", resp.Status)
		}
		return nil
	})
}
