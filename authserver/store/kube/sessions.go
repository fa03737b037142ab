// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/authserver/store"
)

// CreateSession implements store.Store.
func (s *Store) CreateSession(ctx context.Context, n store.Session) error {
	o := sessionObject(n)
	err := s.api.do(ctx, call{http.MethodPost, sessionKind, o.Name, o}, nil)
	if errors.Is(err, errTaken) {
		return fmt.Errorf("session ID is taken: %w", err)
	}
	return err
}

// Session implements store.Store.
func (s *Store) Session(ctx context.Context, issuer, id string) (store.Session, error) {
	get := call{verb: http.MethodGet, kind: sessionKind, name: objectName(sessionKind, issuer, id)}
	var o v1alpha1.OAuthSession
	if err := s.api.do(ctx, get, &o); err != nil {
		return store.Session{}, notFound(err)
	}
	return s.livingSession(get, &o, store.Session{Issuer: issuer, ID: id})
}

// livingSession is the session that an object holds, if it lives. asked says what was
// asked for.
func (s *Store) livingSession(r call, o *v1alpha1.OAuthSession, asked store.Session) (store.Session, error) {
	switch {
	case o.Spec.AuthorizationServer != asked.Issuer || o.Spec.ExpiresAt.IsZero():
		return store.Session{}, r.malformed("its authorizationServer or expiresAt is not right")
	case o.DeletionTimestamp != nil || !s.now().Before(o.Spec.ExpiresAt.Time):
		return store.Session{}, store.ErrNotFound
	}
	return sessionRecord(o, asked.ID), nil
}

// RenewSession implements store.Store. A patch cannot compare times, so the session is
// read first. A session that is over by then never lives again, and whose it is never
// changes, so it matters little who comes in between: of those who renew it the last one
// wins, and who has deleted it has.
func (s *Store) RenewSession(ctx context.Context, n store.Session) error {
	now, err := s.Session(ctx, n.Issuer, n.ID)
	switch {
	case err != nil:
		return err
	case now.Subject != n.Subject:
		return store.ErrNotFound
	}
	patch := call{http.MethodPatch, sessionKind, objectName(sessionKind, n.Issuer, n.ID), []operation{
		{"test", "/spec/subject", n.Subject},
		{"add", "/spec/signIn", n.SignIn},
		{"replace", "/spec/authTime", metav1.NewMicroTime(n.AuthTime)},
		{"replace", "/spec/expiresAt", metav1.NewMicroTime(n.ExpiresAt)},
		{"add", "/metadata/labels/clientele.dev~1expires", hour(n.ExpiresAt)},
	}}
	var o v1alpha1.OAuthSession
	switch err := s.api.do(ctx, patch, &o); {
	case err != nil:
		return notFound(err)
	case o.DeletionTimestamp != nil:
		return store.ErrNotFound // somebody else's finalizer holds it
	}
	return nil
}

// EndSession implements store.Store.
func (s *Store) EndSession(ctx context.Context, issuer, id string) error {
	return s.remove(ctx, sessionKind, objectName(sessionKind, issuer, id))
}

// remove deletes an object, if it is there.
func (s *Store) remove(ctx context.Context, k kind, name string) error {
	err := s.api.do(ctx, call{verb: http.MethodDelete, kind: k, name: name}, nil)
	if errors.Is(err, errAbsent) {
		return nil
	}
	return err
}

// removeThis deletes an object that was found, and no other of its name. It is errAbsent
// or errConflict where that is not there any more.
func (s *Store) removeThis(ctx context.Context, k kind, o metav1.Object) error {
	uid := o.GetUID()
	return s.api.do(ctx, call{http.MethodDelete, k, o.GetName(), metav1.DeleteOptions{
		TypeMeta:      metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"},
		Preconditions: &metav1.Preconditions{UID: &uid},
	}}, nil)
}

func sessionObject(n store.Session) *v1alpha1.OAuthSession {
	return &v1alpha1.OAuthSession{
		TypeMeta: sessionKind.typeMeta(),
		ObjectMeta: metav1.ObjectMeta{
			Name: objectName(sessionKind, n.Issuer, n.ID),
			Labels: map[string]string{
				v1alpha1.LabelExpires:           hour(n.ExpiresAt),
				v1alpha1.LabelExcludeFromBackup: "true",
			},
		},
		Spec: v1alpha1.OAuthSessionSpec{
			Login: v1alpha1.Login{
				AuthorizationServer: n.Issuer, Subject: n.Subject, IdentityProvider: n.Provider, PersonID: n.PersonID,
			},
			SignIn:    n.SignIn,
			AuthTime:  metav1.NewMicroTime(n.AuthTime),
			ExpiresAt: metav1.NewMicroTime(n.ExpiresAt),
		},
	}
}

func sessionRecord(o *v1alpha1.OAuthSession, id string) store.Session {
	p := o.Spec
	return store.Session{
		ID: id, SignIn: p.SignIn, Issuer: p.AuthorizationServer, Subject: p.Subject, Provider: p.IdentityProvider, PersonID: p.PersonID,
		AuthTime: p.AuthTime.Time, ExpiresAt: p.ExpiresAt.Time,
	}
}
