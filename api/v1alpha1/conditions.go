// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types of an OAuthClient. All have positive polarity and are always
// present once the controller has seen the object.
const (
	// ConditionAccepted is True while the spec is one that its AuthorizationServer
	// can serve.
	ConditionAccepted = "Accepted"
	// ConditionCredentialsReady is True while the named Secret holds this client's
	// credentials and is owned by it.
	ConditionCredentialsReady = "CredentialsReady"
	// ConditionRegistered is True while every live replica of the authserver has
	// loaded the current registration.
	ConditionRegistered = "Registered"
	// ConditionReady is True while all others are, for the current generation: the
	// app can mount the Secret and log people in, on any replica.
	ConditionReady = "Ready"
)

// Condition types of an AuthorizationServer, beside Accepted and Ready.
const (
	// ConditionIdentityProvidersReady is True while every identity provider's
	// configuration exists and is valid.
	ConditionIdentityProvidersReady = "IdentityProvidersReady"
	// ConditionPublished is True while every live replica of the authserver has
	// loaded the current configuration.
	ConditionPublished = "Published"
)

// Reasons: a closed list.
const (
	// ReasonAccepted: the spec can be served.
	ReasonAccepted = "Accepted"
	// ReasonReady: everything is in place.
	ReasonReady = "Ready"

	// ReasonAuthorizationServerNotFound: no AuthorizationServer has the name that
	// authorizationServerRef gives.
	ReasonAuthorizationServerNotFound = "AuthorizationServerNotFound"
	// ReasonNoDefaultAuthorizationServer: authorizationServerRef is empty and no
	// AuthorizationServer is the default.
	ReasonNoDefaultAuthorizationServer = "NoDefaultAuthorizationServer"
	// ReasonAuthorizationServerNotAccepted: the AuthorizationServer itself is not
	// Accepted.
	ReasonAuthorizationServerNotAccepted = "AuthorizationServerNotAccepted"
	// ReasonUnsupportedScope: a scope that the AuthorizationServer does not offer.
	ReasonUnsupportedScope = "UnsupportedScope"
	// ReasonInvalidSpec: the spec passed the schema and is refused all the same.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonIssuerConflict: an older AuthorizationServer has the same issuer.
	ReasonIssuerConflict = "IssuerConflict"

	// ReasonPolicyViolation: the AuthorizationServer's policy does not allow the
	// client, so its registration is withdrawn.
	ReasonPolicyViolation = "PolicyViolation"
	// ReasonClientIDTaken: another OAuthClient of the same AuthorizationServer has the
	// client_id.
	ReasonClientIDTaken = "ClientIDTaken"
	// ReasonAuthorizationServerDeleting: the AuthorizationServer is being deleted and
	// takes no further clients.
	ReasonAuthorizationServerDeleting = "AuthorizationServerDeleting"
	// ReasonClientsRemain: an AuthorizationServer is being deleted and still has
	// clients.
	ReasonClientsRemain = "ClientsRemain"
	// ReasonPaused: the annotation clientele.dev/paused holds further changes.
	ReasonPaused = "Paused"

	// ReasonInvalidTemplate: a template of the Secret cannot be rendered.
	ReasonInvalidTemplate = "InvalidTemplate"
	// ReasonInvalidSecret: a Secret that credentials are taken from does not hold any
	// that can be used.
	ReasonInvalidSecret = "InvalidSecret"
	// ReasonSecretWritten: the Secret holds the credentials.
	ReasonSecretWritten = "SecretWritten"
	// ReasonSecretNotOwned: a Secret of that name exists and is not ours to touch.
	ReasonSecretNotOwned = "SecretNotOwned"
	// ReasonTooManyCredentials: something keeps changing or deleting the Secret, so
	// that more credentials than allowed are still in their overlap.
	ReasonTooManyCredentials = "TooManyCredentials" //nolint:gosec // a reason, and no credential
	// ReasonAwaitingReplicas: some live replica has not loaded the record yet.
	ReasonAwaitingReplicas = "AwaitingReplicas"
	// ReasonNoReplicas: no replica of the authserver is running.
	ReasonNoReplicas = "NoReplicas"
	// ReasonLoaded: every live replica has loaded the record.
	ReasonLoaded = "Loaded"
	// ReasonNotAccepted: not done because the object is not Accepted.
	ReasonNotAccepted = "NotAccepted"
	// ReasonFailed: a write or read failed and is being retried.
	ReasonFailed = "Failed"

	// ReasonSecretNotFound: a Secret that is referred to does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonInvalidUsers: the users in an identity provider's Secret are not valid.
	ReasonInvalidUsers = "InvalidUsers"
	// ReasonUsersLoaded: the identity provider's users are valid.
	ReasonUsersLoaded = "UsersLoaded"
)
