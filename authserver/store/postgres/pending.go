// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/clientele-dev/clientele/authserver/store"
)

// RenewSession implements store.Store.
func (s *Store) RenewSession(context.Context, store.Session) error {
	return errors.ErrUnsupported
}

// SessionGrants implements store.Store.
func (s *Store) SessionGrants(context.Context, string, string) ([]store.Grant, error) {
	return nil, errors.ErrUnsupported
}

// Spend implements store.Store.
func (s *Store) Spend(context.Context, string, string, time.Time) error {
	return errors.ErrUnsupported
}
