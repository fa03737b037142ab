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
	switch err := s.api.do(ctx, get, &o); {
	case errors.Is(err, errAbsent):
		return store.Session{}, store.ErrNotFound
	case err != nil:
		return store.Session{}, err
	case o.Spec.AuthorizationServer != issuer || o.Spec.ExpiresAt.IsZero():
		return store.Session{}, get.malformed("its authorizationServer or expiresAt is not right")
	case o.DeletionTimestamp != nil || !s.now().Before(o.Spec.ExpiresAt.Time):
		return store.Session{}, store.ErrNotFound
	}
	return sessionRecord(&o, id), nil
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
			AuthTime:  metav1.NewMicroTime(n.AuthTime),
			ExpiresAt: metav1.NewMicroTime(n.ExpiresAt),
		},
	}
}

func sessionRecord(o *v1alpha1.OAuthSession, id string) store.Session {
	p := o.Spec
	return store.Session{
		ID: id, Issuer: p.AuthorizationServer, Subject: p.Subject, Provider: p.IdentityProvider, PersonID: p.PersonID,
		AuthTime: p.AuthTime.Time, ExpiresAt: p.ExpiresAt.Time,
	}
}
