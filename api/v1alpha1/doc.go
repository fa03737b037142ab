// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the API that people write: OAuthClient, owned by an app
// team, and AuthorizationServer, owned by the platform team. Field names are
// RFC 7591's client metadata in camelCase. The types hold no behaviour beyond
// defaults; what a spec means is decided in controllers.
//
// OAuthSession, OAuthGrant and OAuthConsent are what the authserver writes, in the
// system namespace, for people to read and to delete. OAuthAssertion is there too, and
// nobody's business.
//
// +kubebuilder:object:generate=true
// +groupName=clientele.dev
package v1alpha1
