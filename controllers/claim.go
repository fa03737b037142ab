// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	"github.com/clientele-dev/clientele/internal/registration"
)

// claim is a problem if another OAuthClient of the same server has the client_id of
// want.
func (*clientReconciler) claim(context.Context, registration.Client) error {
	return nil
}
