// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kube fills the registry from the Secrets of the system namespace, tells
// the manager through a Lease how far it has got, and keeps the issuers' keys.
//
// One watch feeds one store, and the store writes to the registry itself: no
// object is kept twice, and at any time "everything up to this resourceVersion
// has been applied" is one value. That value is what the Lease acknowledges.
//
// It never reads a Secret outside the system namespace, never writes a record of
// the manager's, and never lets one malformed record keep another from being
// served. Of the authserver only this package and store/kube know Kubernetes.
package kube

// The server's ServiceAccount needs nothing but this, in the system namespace. A
// Lease is never listed or watched: a replica knows its own by name.
//
// +kubebuilder:rbac:groups="",namespace=clientele-system,resources=secrets,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=clientele-system,resources=leases,verbs=get;create;update;delete
