// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/kube"
)

// objects are custom resources in the system namespace.
type objects struct{}

func (objects) args(*world, string) ([]string, []*line) { return []string{"--store=kubernetes"}, nil }

// revoke deletes what `kubectl get oauthgrants` shows of the person and the client.
func (o objects) revoke(ctx context.Context, w *world, person, clientID string) error {
	return o.each(ctx, w, func(g *v1alpha1.OAuthGrant) error {
		if g.Spec.PersonID != person || g.Spec.ClientID != clientID || g.DeletionTimestamp != nil {
			return nil
		}
		return client.IgnoreNotFound(w.kube.Delete(ctx, g))
	})
}

func (objects) open(w *world) (store.Store, error) {
	return kube.New(kube.Config{REST: w.api.Config, Namespace: systemNamespace})
}

func (o objects) live(ctx context.Context, w *world) (int, error) {
	n := 0
	err := o.each(ctx, w, func(g *v1alpha1.OAuthGrant) error {
		if g.DeletionTimestamp == nil {
			n++
		}
		return nil
	})
	return n, err
}

func (objects) each(ctx context.Context, w *world, do func(*v1alpha1.OAuthGrant) error) error {
	var page v1alpha1.OAuthGrantList
	for next := ""; ; next = page.Continue {
		page = v1alpha1.OAuthGrantList{}
		if err := w.kube.List(ctx, &page, client.InNamespace(systemNamespace), client.Limit(500), client.Continue(next)); err != nil {
			return fmt.Errorf("list grants: %w", err)
		}
		for i := range page.Items {
			if err := do(&page.Items[i]); err != nil {
				return err
			}
		}
		if page.Continue == "" {
			return nil
		}
	}
}

func (objects) misfortunes() []misfortune { return everywhere(true) }
