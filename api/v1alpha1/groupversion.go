// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every type in this package.
var GroupVersion = schema.GroupVersion{Group: "clientele.dev", Version: "v1alpha1"}

// AddToScheme makes the types known to a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&OAuthClient{}, &OAuthClientList{},
		&AuthorizationServer{}, &AuthorizationServerList{},
		&OAuthSession{}, &OAuthSessionList{},
		&OAuthGrant{}, &OAuthGrantList{},
		&OAuthConsent{}, &OAuthConsentList{},
		&OAuthAssertion{}, &OAuthAssertionList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
