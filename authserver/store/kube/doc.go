// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kube keeps sessions, grants, consents and spent assertions in custom resources of the system
// namespace, so that kubectl shows who has access to what, and kubectl delete takes it
// away.
//
// A verb is one request to the API server, and a second one only where the answer to
// the first says too little: to tell why a grant did not advance, whether a code whose
// answer was lost is spent, what a consent has been until now, whether a session lives
// that is to be renewed, and whether an assertion of the same name is over. There is no
// informer, no cache, and no list but in Sweep and, when a session ends, of its grants:
// memory does not grow with what is kept, and what is deleted by hand is gone for every
// replica at once.
//
// It repeats no write of which it does not know what became of it, takes nothing for
// "there is no such record" but the API server's own word, and never trusts an object
// that was edited by hand to be one that it could have written itself.
//
// A code must never be redeemed twice, not even when its grant was deleted since. So a
// grant has a finalizer for as long as its code could be presented, by which the API
// server keeps the name; Sweep takes it away some time after the code has ended.
package kube

// All that the store may do, in the system namespace. Only Sweep deletes more than one,
// and only it and SessionGrants list.
//
// +kubebuilder:rbac:groups=clientele.dev,namespace=clientele-system,resources=oauthsessions,verbs=get;create;patch;delete;deletecollection
// +kubebuilder:rbac:groups=clientele.dev,namespace=clientele-system,resources=oauthgrants,verbs=get;create;patch;delete;list;deletecollection
// +kubebuilder:rbac:groups=clientele.dev,namespace=clientele-system,resources=oauthconsents,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups=clientele.dev,namespace=clientele-system,resources=oauthassertions,verbs=get;create;delete;list
