// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// OAuthClientStatus is what the controller reports of a client.
type OAuthClientStatus struct {
	// conditions are Accepted, CredentialsReady, Registered and Ready.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// clientID is the client_id.
	// +optional
	ClientID string `json:"clientID,omitempty"`

	// authorizationServer is the name of the AuthorizationServer that the client
	// belongs to.
	// +optional
	AuthorizationServer string `json:"authorizationServer,omitempty"`

	// secretName is the name of the Secret that holds the credentials.
	// +optional
	SecretName string `json:"secretName,omitempty"`

	// credentials are the client secrets that are accepted, newest first. None is
	// shown itself.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=32
	Credentials []CredentialStatus `json:"credentials,omitempty"`

	// nextRotation is when the secret is replaced next by schedule.
	// +optional
	NextRotation *metav1.Time `json:"nextRotation,omitempty"`
}

// CredentialStatus is one client secret that is accepted.
type CredentialStatus struct {
	// id tells this secret apart. It is the beginning of the digest that the server
	// knows, and what the annotation clientele.dev/revoke names.
	// +required
	ID string `json:"id"`

	// state is Current for the one in the app's Secret, Pending for one that comes
	// next, and Retiring for one that was replaced and ends.
	// +required
	State CredentialState `json:"state"`

	// since is when the secret was first accepted.
	// +required
	Since metav1.Time `json:"since"`

	// until is when a Retiring secret ends; later, where it must be quiet first.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`

	// lastUsed is when a replica last saw the client authenticate with it: some
	// minutes old for a Retiring secret, and to the hour for others.
	// +optional
	LastUsed *metav1.Time `json:"lastUsed,omitempty"`
}

// CredentialState says where in its life a client secret is.
//
// +kubebuilder:validation:Enum=Current;Pending;Retiring
type CredentialState string

const (
	// CredentialCurrent is in the app's Secret.
	CredentialCurrent CredentialState = "Current"
	// CredentialPending is accepted and not in the app's Secret yet.
	CredentialPending CredentialState = "Pending"
	// CredentialRetiring was replaced and is accepted until its overlap has passed.
	CredentialRetiring CredentialState = "Retiring"
)
