// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// Options are what Setup needs beside a manager.
type Options struct {
	// Namespace is the system namespace.
	Namespace string
	// MaxConcurrentReconciles is how many OAuthClients are worked on at once.
	MaxConcurrentReconciles int
	// Clock tells the time.
	Clock clock.Clock
	// Random is what client secrets are made of.
	Random io.Reader
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
	// SkipNameValidation is for tests that set up several managers in one process.
	SkipNameValidation bool
}

func (o Options) validate() error {
	switch {
	case o.Namespace == "":
		return errors.New("controllers: Namespace is empty")
	case o.MaxConcurrentReconciles < 1:
		return errors.New("controllers: MaxConcurrentReconciles is less than 1")
	case o.Clock == nil, o.Random == nil, o.Registerer == nil:
		return errors.New("controllers: Clock, Random or Registerer is missing")
	}
	return nil
}

// Scheme knows the kinds that the manager reads and writes.
func Scheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(s); err != nil {
		return nil, err
	}
	return s, v1alpha1.AddToScheme(s)
}

// CacheOptions keep the cache to what is ours. Of the cluster's Secrets it holds
// those that the manager writes: credentials, registrations and issuers, and the
// replicas' reports of use. The keys of the system namespace have another label and
// never get here.
func CacheOptions(namespace string) (cache.Options, error) {
	ours, err := labels.NewRequirement(registration.LabelRecord, selection.In, []string{
		registration.RecordCredentials, registration.RecordClient, registration.RecordServer, registration.RecordUsage,
	})
	if err != nil {
		return cache.Options{}, err
	}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}: {Label: labels.NewSelector().Add(*ours)},
			&coordinationv1.Lease{}: {Namespaces: map[string]cache.Config{
				namespace: {LabelSelector: labels.SelectorFromSet(labels.Set{registration.LabelRecord: registration.RecordReplica})},
			}},
		},
	}, nil
}

// usersCache watches the metadata of the system namespace's other Secrets, so that
// a change of an identity provider's users is noticed. Their data is not cached.
func usersCache(mgr ctrl.Manager, namespace string) (cache.Cache, error) {
	notOurs, err := labels.NewRequirement(registration.LabelRecord, selection.DoesNotExist, nil)
	if err != nil {
		return nil, err
	}
	return cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		DefaultNamespaces:    map[string]cache.Config{namespace: {}},
		DefaultLabelSelector: labels.NewSelector().Add(*notOurs),
		DefaultTransform:     cache.TransformStripManagedFields(),
	})
}

// clusterClients are the ways to the API server.
type clusterClients struct {
	cached    client.Reader
	live      client.Reader
	writer    client.Client
	informers cache.Informers
	// single watches single Secrets.
	single client.WithWatch
}

// Setup adds both controllers and what they share to mgr, whose cache must have
// been made with CacheOptions.
func Setup(ctx context.Context, mgr ctrl.Manager, o Options) error {
	if err := o.validate(); err != nil {
		return err
	}
	m := newMetrics()
	if err := m.register(o.Registerer); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if err := o.Registerer.Register(newCollector(mgr.GetClient(), o)); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	single, err := client.NewWithWatch(mgr.GetConfig(), client.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
	})
	if err != nil {
		return fmt.Errorf("watch single Secrets: %w", err)
	}
	c := clusterClients{
		cached: mgr.GetClient(), live: mgr.GetAPIReader(), writer: mgr.GetClient(), informers: mgr.GetCache(), single: single,
	}
	tracker := newReplicaTracker(o, c)
	users, err := usersCache(mgr, o.Namespace)
	if err != nil {
		return fmt.Errorf("watch users: %w", err)
	}
	for _, runnable := range []manager.Runnable{tracker, users} {
		if err := mgr.Add(runnable); err != nil {
			return err
		}
	}
	if err := addIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	s := shared{Options: o, clusterClients: c, metrics: m, events: mgr.GetEventRecorder("clientele-manager")}
	if err := setupClients(mgr, s, tracker); err != nil {
		return fmt.Errorf("set up OAuthClients: %w", err)
	}
	if err := setupServers(mgr, s, watched{tracker, users}); err != nil {
		return fmt.Errorf("set up AuthorizationServers: %w", err)
	}
	return nil
}

const (
	// indexOwner finds the Secrets that an OAuthClient's uid owns.
	indexOwner = "controllerUID"
	// indexOwnerName finds the Secrets that an OAuthClient of that name owns.
	indexOwnerName = "controllerName"
	// indexCredential finds the record of the client secret whose Digest has an ID; and
	// by endingPrefix and the ID, if it was replaced and has an end.
	indexCredential = "credential"
	// indexServer finds the OAuthClients that name an AuthorizationServer, or are
	// registered with it; those that name none are under "" as well.
	indexServer = "authorizationServer"
)

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	byOwner := func(value func(*ownership) string) client.IndexerFunc {
		return func(o client.Object) []string {
			if owner := owningClient(o); owner != nil {
				return []string{value(owner)}
			}
			return nil
		}
	}
	return errors.Join(
		addClaimIndexes(ctx, indexer),
		indexer.IndexField(ctx, &corev1.Secret{}, indexOwner,
			byOwner(func(o *ownership) string { return string(o.UID) })),
		indexer.IndexField(ctx, &corev1.Secret{}, indexOwnerName,
			byOwner(func(o *ownership) string { return o.Name })),
		indexer.IndexField(ctx, &corev1.Secret{}, indexCredential, credentialKeys),
		indexer.IndexField(ctx, &v1alpha1.OAuthClient{}, indexServer, func(o client.Object) []string {
			oc, ok := o.(*v1alpha1.OAuthClient)
			if !ok {
				return nil
			}
			names := []string{serverRef(oc)}
			if with := oc.Status.AuthorizationServer; with != "" && with != names[0] {
				names = append(names, with)
			}
			return names
		}),
	)
}
