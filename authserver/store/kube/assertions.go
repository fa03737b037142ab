// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/authserver/store"
)

// Spend implements store.Store. "There is such an object" is how a second use is known.
// Where the answer is lost, the assertion may be used: nobody finds out, since whoever
// signed it can sign another one.
func (s *Store) Spend(ctx context.Context, issuer, id string, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.now().Before(until) {
		return store.ErrUsed
	}
	o := assertionObject(issuer, id, until)
	err := s.createAssertion(ctx, o)
	if !errors.Is(err, store.ErrUsed) {
		return err
	}
	switch err := s.makeRoom(ctx, o.Name); {
	case errors.Is(err, errAbsent):
		return s.createAssertion(ctx, o)
	case err != nil:
		return err
	}
	return store.ErrUsed
}

func (s *Store) createAssertion(ctx context.Context, o *v1alpha1.OAuthAssertion) error {
	err := s.api.do(ctx, call{http.MethodPost, assertionKind, o.Name, o}, nil)
	if errors.Is(err, errTaken) {
		return store.ErrUsed
	}
	return err
}

// makeRoom deletes an object that is over and was not swept yet. It is errAbsent if that
// is gone, and nil if it is not over. Of two that find the same one, the later deletes
// nothing that the earlier has made since: that is another object, of the same name.
func (s *Store) makeRoom(ctx context.Context, name string) error {
	var found v1alpha1.OAuthAssertion
	err := s.api.do(ctx, call{verb: http.MethodGet, kind: assertionKind, name: name}, &found)
	end := found.Spec.ExpiresAt
	switch {
	case err != nil && !errors.Is(err, errMalformed):
		return err
	case err != nil, end.IsZero(), s.now().Before(end.Time):
		return nil
	}
	if err := s.removeThis(ctx, assertionKind, &found); err != nil && !errors.Is(err, errConflict) {
		return err
	}
	return errAbsent
}

// assertionObject tells nothing of the assertion but by its name, which is one-way.
func assertionObject(issuer, id string, until time.Time) *v1alpha1.OAuthAssertion {
	return &v1alpha1.OAuthAssertion{
		TypeMeta: assertionKind.typeMeta(),
		ObjectMeta: metav1.ObjectMeta{
			Name: objectName(assertionKind, issuer, id),
			Labels: map[string]string{
				v1alpha1.LabelExpires:           minute(until),
				v1alpha1.LabelExcludeFromBackup: "true",
			},
		},
		Spec: v1alpha1.OAuthAssertionSpec{AuthorizationServer: issuer, ExpiresAt: metav1.NewMicroTime(until)},
	}
}
