// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/store"
)

// allowAttempts is how often Allow tries: other replicas may write the same consent
// meanwhile, and one of any number that write at once succeeds.
//
// It may take allowTimes as long as one request, waiting for others included. No more
// than allowWaiting wait at a time: each has one of the turns that all verbs share, and
// a person who sends one consent again and again must not get them all.
const (
	allowAttempts = 30
	allowTimes    = 3
	allowWaiting  = 128
)

var errCrowd = errors.New("too many wait to write consents")

// queues make those wait for each other who write the same consent in this process,
// instead of getting into each other's way at the API server.
type queues struct {
	turns   [64]chan struct{}
	waiting atomic.Int64
}

func newQueues() *queues {
	var q queues
	for i := range q.turns {
		q.turns[i] = make(chan struct{}, 1)
	}
	return &q
}

// enter waits until nobody else is in the queue of a name. Then leave must be called.
func (q *queues) enter(ctx context.Context, name string) (leave func(), err error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	turn := q.turns[h.Sum32()%uint32(len(q.turns))]
	leave = func() { <-turn }
	select {
	case turn <- struct{}{}:
		return leave, nil
	default:
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > allowWaiting {
		return nil, errCrowd
	}
	select {
	case turn <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Allow implements store.Store. A person allows a client something once and not
// often again, so the first attempt is to create the consent.
func (s *Store) Allow(ctx context.Context, c store.Consent) error {
	ctx, cancel := context.WithTimeout(ctx, allowTimes*s.api.timeout)
	defer cancel()
	o := consentObject(c)
	leave, err := s.allowing.enter(ctx, o.Name)
	if err != nil {
		return fmt.Errorf("allow, waiting for others: %w", err)
	}
	defer leave()
	for range allowAttempts {
		err = s.allow(ctx, o)
		if !errors.Is(err, errConflict) && !errors.Is(err, errAbsent) {
			return err
		}
	}
	return fmt.Errorf("allow, %d times: %w", allowAttempts, err)
}

// allow creates the consent, or adds to the one that is there. It is errConflict or
// errAbsent if somebody else came in between: then nothing was written.
func (s *Store) allow(ctx context.Context, o *v1alpha1.OAuthConsent) error {
	err := s.api.do(ctx, call{http.MethodPost, consentKind, o.Name, o}, nil)
	if !errors.Is(err, errTaken) {
		return err
	}
	get := call{verb: http.MethodGet, kind: consentKind, name: o.Name}
	var found v1alpha1.OAuthConsent
	if err := s.api.do(ctx, get, &found); err != nil {
		return err
	}
	if err := sameConsent(get, &found, o); err != nil {
		return err
	}
	if found.DeletionTimestamp != nil {
		return get.malformed("it is being deleted, and has a finalizer that is not the authserver's")
	}
	change := o.Spec
	if found.Spec.ClientUID == o.Spec.ClientUID {
		change.Scopes = oauth.Scopes(found.Spec.Scopes).Union(o.Spec.Scopes)
	}
	// A patch, so that what a later version has added stays; and of this very version.
	return s.api.do(ctx, call{http.MethodPatch, consentKind, o.Name, []operation{
		{"replace", "/metadata/resourceVersion", found.ResourceVersion},
		{"add", "/spec/identityProvider", change.IdentityProvider},
		{"add", "/spec/personID", change.PersonID},
		{"add", "/spec/clientUID", change.ClientUID},
		{"add", "/spec/scopes", change.Scopes},
		{"add", "/spec/givenAt", change.GivenAt},
	}}, nil)
}

// Consent implements store.Store.
func (s *Store) Consent(ctx context.Context, issuer, subject, clientID string) (store.Consent, error) {
	asked := consentObject(store.Consent{Issuer: issuer, Subject: subject, ClientID: clientID})
	get := call{verb: http.MethodGet, kind: consentKind, name: asked.Name}
	var o v1alpha1.OAuthConsent
	if err := s.api.do(ctx, get, &o); err != nil {
		return store.Consent{}, notFound(err)
	}
	if err := sameConsent(get, &o, asked); err != nil {
		return store.Consent{}, err
	}
	if o.DeletionTimestamp != nil {
		return store.Consent{}, store.ErrNotFound
	}
	p := o.Spec
	return store.Consent{
		Issuer: p.AuthorizationServer, Subject: p.Subject, Provider: p.IdentityProvider, PersonID: p.PersonID,
		ClientID: p.ClientID, ClientUID: p.ClientUID, Scopes: p.Scopes, GivenAt: p.GivenAt.Time,
	}, nil
}

// Forget implements store.Store.
func (s *Store) Forget(ctx context.Context, issuer, subject, clientID string) error {
	return s.remove(ctx, consentKind, objectName(consentKind, issuer, subject, clientID))
}

// sameConsent says whose a consent is: a person may edit one, and must not thereby
// allow for somebody else.
func sameConsent(r call, got, want *v1alpha1.OAuthConsent) error {
	g, w := got.Spec, want.Spec
	if g.AuthorizationServer != w.AuthorizationServer || g.Subject != w.Subject || g.ClientID != w.ClientID {
		return r.malformed("its authorizationServer, subject or clientID is another's")
	}
	return nil
}

func consentObject(c store.Consent) *v1alpha1.OAuthConsent {
	return &v1alpha1.OAuthConsent{
		TypeMeta:   consentKind.typeMeta(),
		ObjectMeta: metav1.ObjectMeta{Name: objectName(consentKind, c.Issuer, c.Subject, c.ClientID)},
		Spec: v1alpha1.OAuthConsentSpec{
			Login: v1alpha1.Login{
				AuthorizationServer: c.Issuer, Subject: c.Subject, IdentityProvider: c.Provider, PersonID: c.PersonID,
			},
			ClientID: c.ClientID, ClientUID: c.ClientUID, Scopes: scopesOf(c.Scopes),
			GivenAt: metav1.NewMicroTime(c.GivenAt),
		},
	}
}
