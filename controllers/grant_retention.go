// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clientele-dev/clientele/internal/registration"
)

// grantUID is what the client's grants carry instead of its uid: that of an earlier
// client of the same name and client_id, whose grants it takes over. It is "" if
// there is none.
func (s *clientScope) grantUID() string {
	if s.published != nil {
		return s.published.GrantUID
	}
	e := s.earlier
	if e == nil || !e.RetainGrants || e.ClientID != s.want.ClientID {
		return ""
	}
	if !e.RetainedUntil.IsZero() && !s.now.Before(e.RetainedUntil) {
		return ""
	}
	return cmp.Or(e.GrantUID, e.UID)
}

// endRegistration ends what a record says of a client that is gone, and says when to
// look again if something is left. A record whose grants are retained stays, without
// anything that could be served, for as long as one of them could be refreshed.
func (r *clientReconciler) endRegistration(ctx context.Context, key types.NamespacedName, record *corev1.Secret) (time.Duration, error) {
	c, err := registration.DecodeClient(record.Data[registration.KeyClient])
	if err != nil {
		return 0, r.deleteRecord(ctx, record, withdrawal{client: registration.Client{
			Namespace: key.Namespace, Name: key.Name, ClientID: registration.ClientID(key.Namespace, key.Name),
		}})
	}
	now := stamp(r.Clock.Now())
	switch until := c.RetainedUntil; {
	case !until.IsZero() && now.Before(until):
		return until.Sub(now), nil
	case !until.IsZero():
		return 0, r.secrets().delete(ctx, record) // its withdrawal was told when it began
	}
	life, err := r.grantRetention(ctx, c)
	if err != nil {
		return 0, err
	}
	if life == 0 {
		return 0, r.deleteRecord(ctx, record, withdrawal{client: c})
	}
	return life, r.retain(ctx, record, withdrawal{client: c, until: now.Add(life)})
}

// grantRetention is how long the grants of a client that is gone are kept. Nobody can
// refresh those of a server that is gone, too.
func (r *clientReconciler) grantRetention(ctx context.Context, c registration.Client) (time.Duration, error) {
	if !c.RetainGrants {
		return 0, nil
	}
	issuer, _, err := r.issuer(ctx, c.AuthorizationServer)
	if err != nil || issuer == nil {
		return 0, err
	}
	return cmp.Or(c.Lifetimes.RefreshToken, issuer.Lifetimes.RefreshToken), nil
}

// retain leaves of a record what it takes to give its grants to the next client of
// that name.
func (r *clientReconciler) retain(ctx context.Context, record *corev1.Secret, w withdrawal) error {
	kept := w.client
	kept.Withdrawn, kept.RetainedUntil, kept.Digests = true, w.until, nil
	desired, err := desiredRecord(record, r.recordKey(types.NamespacedName{Namespace: kept.Namespace, Name: kept.Name}), kept)
	if err != nil {
		return err
	}
	setSettled(desired, "", "")
	if err := r.secrets().update(ctx, desired); err != nil {
		return err
	}
	r.tellWithdrawal(w)
	return nil
}

// withdrawal is of a client that is gone.
type withdrawal struct {
	client registration.Client
	// until is when its grants end, if they do not now.
	until time.Time
}

func (w withdrawal) note() string {
	ended := fmt.Sprintf("The OAuthClient is gone, so %s is no longer registered", w.client.ClientID)
	if w.until.IsZero() {
		return ended + "."
	}
	return fmt.Sprintf("%s. Its grants are kept until %s for an OAuthClient of the same name.", ended, w.until.Format(time.RFC3339))
}
