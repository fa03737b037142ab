// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/authserver/store"
)

// Redeem implements store.Store. "There is such an object" is how a second redemption
// is known, whatever that object is: a name that is taken is a code that is spent.
func (s *Store) Redeem(ctx context.Context, g store.Grant) error {
	if !s.now().Before(g.CodeExpiresAt) {
		return store.ErrSpent
	}
	o := grantObject(g, rand.Text())
	err := s.api.do(ctx, call{http.MethodPost, grantKind, o.Name, o}, nil)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTaken):
		return store.ErrSpent
	case errors.Is(err, errRefused), errors.Is(err, errConflict), ctx.Err() != nil:
		return err
	}
	return s.redeemed(ctx, o, err)
}

// redeemed finds out what became of a create that was not answered. Where nothing is
// found, the grant may still appear: then the code is spent, and nobody has what it
// gives.
func (s *Store) redeemed(ctx context.Context, mine *v1alpha1.OAuthGrant, lost error) error {
	var found v1alpha1.OAuthGrant
	err := s.api.do(ctx, call{verb: http.MethodGet, kind: grantKind, name: mine.Name}, &found)
	switch {
	case errors.Is(err, errAbsent), err != nil && !errors.Is(err, errMalformed):
		return lost
	case err != nil, found.Spec.Redemption != mine.Spec.Redemption, found.DeletionTimestamp != nil:
		return store.ErrSpent
	}
	return nil
}

// Grant implements store.Store.
func (s *Store) Grant(ctx context.Context, issuer, id string) (store.Grant, error) {
	get := call{verb: http.MethodGet, kind: grantKind, name: objectName(grantKind, issuer, id)}
	var o v1alpha1.OAuthGrant
	if err := s.api.do(ctx, get, &o); err != nil {
		return store.Grant{}, notFound(err)
	}
	return s.living(get, &o, store.Grant{Issuer: issuer, ID: id})
}

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// Advance implements store.Store. The API server applies the patch to what is stored,
// all or nothing, however many come at once (RFC 6902 section 5).
func (s *Store) Advance(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error) {
	patch := call{http.MethodPatch, grantKind, objectName(grantKind, issuer, id), []operation{
		{"test", "/status/refreshes", from},
		{"replace", "/status/refreshes", from + 1},
		{"add", "/status/lastUsed", metav1.NewMicroTime(now)},
	}}
	var o v1alpha1.OAuthGrant
	err := s.api.do(ctx, patch, &o)
	switch {
	case err == nil:
		return s.living(patch, &o, store.Grant{Issuer: issuer, ID: id})
	case !errors.Is(err, errRefused) && !errors.Is(err, errConflict):
		return store.Grant{}, notFound(err)
	}
	g, why := s.Grant(ctx, issuer, id)
	switch {
	case why != nil:
		return store.Grant{}, why
	case g.Counter == from: // it was not the counter that the API server refused
		return store.Grant{}, err
	}
	return g, store.ErrReused
}

// Revoke implements store.Store.
func (s *Store) Revoke(ctx context.Context, issuer, id string) error {
	return s.remove(ctx, grantKind, objectName(grantKind, issuer, id))
}

// sessionPage is how many grants one request of SessionGrants is about: hardly any
// session has more.
const sessionPage = 200

// SessionGrants implements store.Store. It does not say which version it wants, and so
// gets the current one, of all pages alike. What is not as a replica writes it is nobody's
// grant, and passed over.
func (s *Store) SessionGrants(ctx context.Context, issuer, sessionID string) ([]store.Grant, error) {
	if sessionID == "" {
		return nil, ctx.Err()
	}
	list := call{verb: http.MethodGet, kind: grantKind}
	selector := v1alpha1.LabelSession + "=" + objectName(sessionKind, issuer, sessionID)
	var out store.OfSession
	for token := ""; ; {
		var found v1alpha1.OAuthGrantList
		if err := s.api.answer(ctx, list, s.api.page(list, selector, sessionPage, token), &found); err != nil {
			return nil, err
		}
		for i := range found.Items {
			o := &found.Items[i]
			g, err := s.living(list, o, store.Grant{Issuer: issuer, ID: o.Spec.CodeID})
			if err == nil && g.SessionID == sessionID && o.Name == objectName(grantKind, issuer, g.ID) {
				out.Add(g)
			}
		}
		if token = found.Continue; token == "" {
			return out.Grants(), nil
		}
	}
}

func notFound(err error) error {
	if errors.Is(err, errAbsent) {
		return store.ErrNotFound
	}
	return err
}

// living is the grant that an object holds, if it lives. asked says what was asked for.
func (s *Store) living(r call, o *v1alpha1.OAuthGrant, asked store.Grant) (store.Grant, error) {
	switch {
	case o.Spec.AuthorizationServer != asked.Issuer:
		return store.Grant{}, r.malformed(fmt.Sprintf("its authorizationServer is %q", o.Spec.AuthorizationServer))
	case o.Spec.ExpiresAt.IsZero() || o.Spec.Redemption == "" || o.Status.Refreshes < 0:
		return store.Grant{}, r.malformed("its expiresAt, redemption or refreshes is not right")
	case !s.now().Before(o.Spec.ExpiresAt.Time):
		return store.Grant{}, store.ErrNotFound
	case o.DeletionTimestamp != nil:
		return store.Grant{}, store.ErrRevoked
	}
	return grantRecord(o, asked.ID), nil
}

func grantObject(g store.Grant, redemption string) *v1alpha1.OAuthGrant {
	until := g.ExpiresAt
	if g.CodeExpiresAt.After(until) {
		until = g.CodeExpiresAt
	}
	labels := map[string]string{
		v1alpha1.LabelExpires:           hour(until),
		v1alpha1.LabelCode:              minute(g.CodeExpiresAt),
		v1alpha1.LabelExcludeFromBackup: "true",
	}
	if g.SessionID != "" {
		labels[v1alpha1.LabelSession] = objectName(sessionKind, g.Issuer, g.SessionID)
	}
	return &v1alpha1.OAuthGrant{
		TypeMeta: grantKind.typeMeta(),
		ObjectMeta: metav1.ObjectMeta{
			Name:       objectName(grantKind, g.Issuer, g.ID),
			Finalizers: []string{v1alpha1.FinalizerCode},
			Labels:     labels,
		},
		Spec: v1alpha1.OAuthGrantSpec{
			Login: v1alpha1.Login{
				AuthorizationServer: g.Issuer, Subject: g.Subject, IdentityProvider: g.Provider, PersonID: g.PersonID,
			},
			ClientID: g.ClientID, ClientUID: g.ClientUID, Scopes: scopesOf(g.Scopes), Redemption: redemption,
			CodeID: g.ID, Session: g.SessionID,
			AuthTime: metav1.NewMicroTime(g.AuthTime), IssuedAt: metav1.NewMicroTime(g.IssuedAt),
			CodeExpiresAt: metav1.NewMicroTime(g.CodeExpiresAt), ExpiresAt: metav1.NewMicroTime(g.ExpiresAt),
		},
		Status: v1alpha1.OAuthGrantStatus{Refreshes: int64(g.Counter), LastUsed: metav1.NewMicroTime(g.AdvancedAt)},
	}
}

// scopesOf is never nil, which JSON would turn into null.
func scopesOf(scopes []string) []string {
	if scopes == nil {
		return []string{}
	}
	return scopes
}

func grantRecord(o *v1alpha1.OAuthGrant, id string) store.Grant {
	p := o.Spec
	return store.Grant{
		ID: id, Issuer: p.AuthorizationServer, ClientID: p.ClientID, ClientUID: p.ClientUID,
		Subject: p.Subject, Provider: p.IdentityProvider, PersonID: p.PersonID, Scopes: p.Scopes,
		SessionID: p.Session, AuthTime: p.AuthTime.Time, Counter: int(o.Status.Refreshes), AdvancedAt: o.Status.LastUsed.Time,
		IssuedAt: p.IssuedAt.Time, CodeExpiresAt: p.CodeExpiresAt.Time, ExpiresAt: p.ExpiresAt.Time,
	}
}
