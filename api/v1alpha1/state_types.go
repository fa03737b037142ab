// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// LabelExpires is on every OAuthSession and OAuthGrant: the hour, in UTC, in which
	// it ends, as a number like 2026103118. On an OAuthAssertion, of which there may be
	// many for a short time, it is the minute, like 202610311842. What is over is found
	// and deleted by it.
	LabelExpires = "clientele.dev/expires"
	// LabelSession is on an OAuthGrant: the name of the OAuthSession in which the person
	// approved. It stays when that has ended.
	LabelSession = "clientele.dev/session"
	// LabelCode is on an OAuthGrant for as long as FinalizerCode is: the minute, in UTC,
	// in which its authorization code ends, as a number like 202610311842.
	LabelCode = "clientele.dev/code"
	// FinalizerCode keeps a deleted OAuthGrant for as long as its authorization code
	// could be presented again: a code must never be redeemed twice (RFC 6749 section
	// 4.1.2). The authserver takes it away, soon after the code has expired, from grants
	// that were deleted and from those that were not.
	FinalizerCode = "clientele.dev/code"
	// LabelExcludeFromBackup keeps sessions, grants and assertions out of Velero's
	// backups: a grant that was restored could be one that was revoked since.
	LabelExcludeFromBackup = "velero.io/exclude-from-backup"
)

// OAuthSession is a person's signed-in browser. The authserver makes one when somebody
// signs in, and it goes on when the same person signs in there again; deleting it signs
// that browser out. It holds nothing that a browser could sign in with.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=oauthsessions,scope=Namespaced,categories=clientele
// +kubebuilder:selectablefield:JSONPath=`.spec.personID`
// +kubebuilder:selectablefield:JSONPath=`.spec.subject`
// +kubebuilder:selectablefield:JSONPath=`.spec.identityProvider`
// +kubebuilder:selectablefield:JSONPath=`.spec.authorizationServer`
// +kubebuilder:printcolumn:name="Person",type=string,JSONPath=`.spec.personID`
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.spec.identityProvider`
// +kubebuilder:printcolumn:name="Server",type=string,JSONPath=`.spec.authorizationServer`
// +kubebuilder:printcolumn:name="Since",type=date,JSONPath=`.spec.authTime`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.spec.expiresAt`
type OAuthSession struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the session. Whose it is never changes; signIn, authTime and expiresAt do
	// when the person signs in again.
	// +required
	// +kubebuilder:validation:XValidation:rule="self.authorizationServer == oldSelf.authorizationServer && self.subject == oldSelf.subject && self.identityProvider == oldSelf.identityProvider && self.personID == oldSelf.personID",message="whose a session is does not change: delete it to sign the browser out"
	Spec OAuthSessionSpec `json:"spec"`
}

// OAuthSessionList is a list of OAuthSessions.
//
// +kubebuilder:object:root=true
type OAuthSessionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []OAuthSession `json:"items"`
}

// Login says who signed in, where and when.
type Login struct {
	// authorizationServer is the name of the AuthorizationServer.
	// +required
	// +kubebuilder:validation:MaxLength=63
	AuthorizationServer string `json:"authorizationServer"`
	// subject is the sub of the person's tokens (OpenID Connect Core 1.0 section 2).
	// +required
	// +kubebuilder:validation:MaxLength=255
	Subject string `json:"subject"`
	// identityProvider is the name of the identity provider that knows the person.
	// +required
	// +kubebuilder:validation:MaxLength=253
	IdentityProvider string `json:"identityProvider"`
	// personID is the identity provider's name for the person.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	PersonID string `json:"personID"`
}

// OAuthSessionSpec is what the authserver knows of a session.
type OAuthSessionSpec struct {
	Login `json:",inline"`

	// signIn is a random name of the last time that the person signed in. What the browser
	// holds, sealed, names it too, and is worth nothing once they differ.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	SignIn string `json:"signIn,omitempty"`
	// authTime is when the person last signed in.
	// +required
	AuthTime metav1.MicroTime `json:"authTime"`
	// expiresAt is when the session ends by itself.
	// +required
	ExpiresAt metav1.MicroTime `json:"expiresAt"`
}

// OAuthGrant is what one redeemed authorization code started: who let which client do
// what. Deleting it revokes it: its refresh token is refused from then on, by every
// replica, and its access tokens are where they are looked up. It holds no token.
//
// There is no status subresource: a refresh is one conditional write of the status.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=oauthgrants,scope=Namespaced,categories=clientele
// +kubebuilder:selectablefield:JSONPath=`.spec.personID`
// +kubebuilder:selectablefield:JSONPath=`.spec.subject`
// +kubebuilder:selectablefield:JSONPath=`.spec.identityProvider`
// +kubebuilder:selectablefield:JSONPath=`.spec.authorizationServer`
// +kubebuilder:selectablefield:JSONPath=`.spec.clientID`
// +kubebuilder:printcolumn:name="Person",type=string,JSONPath=`.spec.personID`
// +kubebuilder:printcolumn:name="Client",type=string,JSONPath=`.spec.clientID`
// +kubebuilder:printcolumn:name="Scopes",type=string,JSONPath=`.spec.scopes`
// +kubebuilder:printcolumn:name="Since",type=date,JSONPath=`.spec.issuedAt`
// +kubebuilder:printcolumn:name="Last Used",type=date,JSONPath=`.status.lastUsed`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.spec.expiresAt`
// +kubebuilder:printcolumn:name="Revoked",type=date,JSONPath=`.metadata.deletionTimestamp`
// +kubebuilder:printcolumn:name="Server",type=string,priority=1,JSONPath=`.spec.authorizationServer`
// +kubebuilder:printcolumn:name="Provider",type=string,priority=1,JSONPath=`.spec.identityProvider`
// +kubebuilder:printcolumn:name="Refreshes",type=integer,priority=1,JSONPath=`.status.refreshes`
type OAuthGrant struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the grant as the code began it; it never changes.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a grant does not change: delete it to revoke it"
	Spec OAuthGrantSpec `json:"spec"`
	// status is what has become of it.
	// +required
	Status OAuthGrantStatus `json:"status"`
}

// OAuthGrantList is a list of OAuthGrants.
//
// +kubebuilder:object:root=true
type OAuthGrantList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []OAuthGrant `json:"items"`
}

// OAuthGrantSpec is what the authserver knows of a grant.
type OAuthGrantSpec struct {
	Login `json:",inline"`

	// clientID is the client's client_id.
	// +required
	// +kubebuilder:validation:MaxLength=512
	ClientID string `json:"clientID"`
	// clientUID is the UID of the OAuthClient. One that was deleted and created anew
	// has another UID, and nothing of this grant.
	// +required
	// +kubebuilder:validation:MaxLength=128
	ClientUID string `json:"clientUID"`
	// scopes are what the client may do.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MaxLength=256
	Scopes []string `json:"scopes"`
	// redemption tells the request that redeemed the code from every other one, so that
	// it can find out whether it was it whose answer from the API server was lost.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Redemption string `json:"redemption"`
	// codeID is the id of the authorization code, which tells nothing of the code itself.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	CodeID string `json:"codeID,omitempty"`
	// session is the id of the session in which the person approved, which tells nothing
	// of what the browser holds. The label clientele.dev/session has the name of its
	// OAuthSession.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Session string `json:"session,omitempty"`
	// authTime is when the person signed in.
	// +required
	AuthTime metav1.MicroTime `json:"authTime"`
	// issuedAt is when the authorization code was issued.
	// +required
	IssuedAt metav1.MicroTime `json:"issuedAt"`
	// codeExpiresAt is until when the code could be presented.
	// +required
	CodeExpiresAt metav1.MicroTime `json:"codeExpiresAt"`
	// expiresAt is when the last token that the grant can give ends.
	// +required
	ExpiresAt metav1.MicroTime `json:"expiresAt"`
}

// OAuthGrantStatus is what has become of a grant.
type OAuthGrantStatus struct {
	// refreshes is how often the grant was refreshed. Only the refresh token of that
	// number is good.
	// +required
	// +kubebuilder:validation:Minimum=0
	Refreshes int64 `json:"refreshes"`
	// lastUsed is when the grant was last refreshed, or when the code was redeemed. It
	// says nothing of access tokens: looking at one writes nothing.
	// +optional
	LastUsed metav1.MicroTime `json:"lastUsed,omitempty,omitzero"`
}

// OAuthConsent is what a person has allowed a client to have. Deleting it takes that
// back for the next time that the client asks; grants go on.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=oauthconsents,scope=Namespaced,categories=clientele
// +kubebuilder:selectablefield:JSONPath=`.spec.personID`
// +kubebuilder:selectablefield:JSONPath=`.spec.subject`
// +kubebuilder:selectablefield:JSONPath=`.spec.identityProvider`
// +kubebuilder:selectablefield:JSONPath=`.spec.authorizationServer`
// +kubebuilder:selectablefield:JSONPath=`.spec.clientID`
// +kubebuilder:printcolumn:name="Person",type=string,JSONPath=`.spec.personID`
// +kubebuilder:printcolumn:name="Client",type=string,JSONPath=`.spec.clientID`
// +kubebuilder:printcolumn:name="Scopes",type=string,JSONPath=`.spec.scopes`
// +kubebuilder:printcolumn:name="Given",type=date,JSONPath=`.spec.givenAt`
// +kubebuilder:printcolumn:name="Server",type=string,priority=1,JSONPath=`.spec.authorizationServer`
// +kubebuilder:printcolumn:name="Provider",type=string,priority=1,JSONPath=`.spec.identityProvider`
type OAuthConsent struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the consent.
	// +required
	Spec OAuthConsentSpec `json:"spec"`
}

// OAuthConsentList is a list of OAuthConsents.
//
// +kubebuilder:object:root=true
type OAuthConsentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []OAuthConsent `json:"items"`
}

// OAuthConsentSpec is what the authserver knows of a consent.
type OAuthConsentSpec struct {
	Login `json:",inline"`

	// clientID is the client's client_id.
	// +required
	// +kubebuilder:validation:MaxLength=512
	ClientID string `json:"clientID"`
	// clientUID is the UID of the OAuthClient. One that was deleted and created anew
	// has another UID, and people are asked again.
	// +required
	// +kubebuilder:validation:MaxLength=128
	ClientUID string `json:"clientUID"`
	// scopes are what was allowed, in all.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=512
	// +kubebuilder:validation:items:MaxLength=256
	Scopes []string `json:"scopes"`
	// givenAt is when the person last allowed something.
	// +required
	GivenAt metav1.MicroTime `json:"givenAt"`
}

// OAuthAssertion is a client's signed assertion that was used (private_key_jwt, RFC 7523
// section 3): while it is there, the same one is refused. It holds nothing of the
// assertion; its name is a digest of whose it is and of its jti. Deleting one before its
// end lets the assertion be used a second time.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=oauthassertions,scope=Namespaced
// +kubebuilder:printcolumn:name="Server",type=string,JSONPath=`.spec.authorizationServer`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.spec.expiresAt`
type OAuthAssertion struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the assertion; it never changes.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an assertion does not change"
	Spec OAuthAssertionSpec `json:"spec"`
}

// OAuthAssertionList is a list of OAuthAssertions.
//
// +kubebuilder:object:root=true
type OAuthAssertionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []OAuthAssertion `json:"items"`
}

// OAuthAssertionSpec is what the authserver knows of an assertion.
type OAuthAssertionSpec struct {
	// authorizationServer is the name of the AuthorizationServer that it was for.
	// +required
	// +kubebuilder:validation:MaxLength=63
	AuthorizationServer string `json:"authorizationServer"`
	// expiresAt is until when the assertion is refused as used: the end of what it says
	// of itself, and the time by which clocks may differ.
	// +required
	ExpiresAt metav1.MicroTime `json:"expiresAt"`
}
