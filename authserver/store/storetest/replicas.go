// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
)

// replicas are stores on the same data. Each verb goes to the next one, so that any
// step of what a check does may land on any replica.
type replicas struct {
	all  []store.Store
	next atomic.Int64
}

var _ store.Store = (*replicas)(nil)

// on is the i-th replica, of however many there are.
func (r *replicas) on(i int) store.Store { return r.all[i%len(r.all)] }

func (r *replicas) any() store.Store { return r.on(int(r.next.Add(1))) }

func (r *replicas) CreateSession(ctx context.Context, s store.Session) error {
	return r.any().CreateSession(ctx, s)
}

func (r *replicas) RenewSession(ctx context.Context, s store.Session) error {
	return r.any().RenewSession(ctx, s)
}

func (r *replicas) SessionGrants(ctx context.Context, issuer, sessionID string) ([]store.Grant, error) {
	return r.any().SessionGrants(ctx, issuer, sessionID)
}

func (r *replicas) Spend(ctx context.Context, issuer, id string, until time.Time) error {
	return r.any().Spend(ctx, issuer, id, until)
}

func (r *replicas) Session(ctx context.Context, issuer, id string) (store.Session, error) {
	return r.any().Session(ctx, issuer, id)
}

func (r *replicas) EndSession(ctx context.Context, issuer, id string) error {
	return r.any().EndSession(ctx, issuer, id)
}

func (r *replicas) Redeem(ctx context.Context, g store.Grant) error { return r.any().Redeem(ctx, g) }

func (r *replicas) Grant(ctx context.Context, issuer, id string) (store.Grant, error) {
	return r.any().Grant(ctx, issuer, id)
}

func (r *replicas) Advance(ctx context.Context, issuer, id string, from int, now time.Time) (store.Grant, error) {
	return r.any().Advance(ctx, issuer, id, from, now)
}

func (r *replicas) Revoke(ctx context.Context, issuer, id string) error {
	return r.any().Revoke(ctx, issuer, id)
}

func (r *replicas) Allow(ctx context.Context, c store.Consent) error { return r.any().Allow(ctx, c) }

func (r *replicas) Consent(ctx context.Context, issuer, subject, clientID string) (store.Consent, error) {
	return r.any().Consent(ctx, issuer, subject, clientID)
}

func (r *replicas) Forget(ctx context.Context, issuer, subject, clientID string) error {
	return r.any().Forget(ctx, issuer, subject, clientID)
}
