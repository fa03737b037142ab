// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AuthorizationServer is one issuer: its URL, who can sign in, which scopes there
// are, how long tokens live and how they are signed. One running server process
// serves every AuthorizationServer of the cluster, told apart by host and path.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=authorizationservers,scope=Cluster,shortName=authsrv,categories=clientele
// +kubebuilder:printcolumn:name="Issuer",type=string,JSONPath=`.spec.issuer`
// +kubebuilder:printcolumn:name="Default",type=boolean,JSONPath=`.spec.default`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 63",message="metadata.name is used in cookie and record names: use at most 63 lower-case letters, digits and hyphens"
type AuthorizationServer struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the server as its platform team wants it to be.
	// +required
	Spec AuthorizationServerSpec `json:"spec"`
	// status is the server as the controller last saw it.
	// +optional
	Status AuthorizationServerStatus `json:"status,omitempty,omitzero"`
}

// AuthorizationServerList is a list of AuthorizationServers.
//
// +kubebuilder:object:root=true
type AuthorizationServerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []AuthorizationServer `json:"items"`
}

// AuthorizationServerSpec configures one issuer.
type AuthorizationServerSpec struct {
	// issuer is the issuer identifier: the iss of every token, and the URL that
	// clients discover everything else from (OpenID Connect Discovery 1.0 section
	// 3, RFC 8414 section 2). It uses https (http for a loopback host only), has no
	// query and no fragment, and no slash at its end. People's browsers and the
	// apps must reach the server under it. Changing it signs everybody out and gives
	// every person a new sub.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!self.contains('?') && !self.contains('#')",message="an issuer has no query and no fragment (RFC 8414 section 2): remove them"
	// +kubebuilder:validation:XValidation:rule="!self.endsWith('/')",message="clients compare the issuer byte for byte: remove the slash at its end"
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('http:') || self.matches('^http://(localhost|127[.]0[.]0[.]1|[[]::1[]])(:[0-9]{1,5})?(/|$)')",message="http is allowed for localhost, 127.0.0.1 and [::1] only: use https"
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|[[][0-9a-f:.]+[]])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?$') && isURL(self) || self.contains('?') || self.contains('#')",message="an issuer is https://, a host in lower case, and perhaps a port and a path of letters, digits and . _ ~ -, for example https://login.example.com"
	// +kubebuilder:validation:XValidation:rule="!isURL(self) || size(url(self).getPort()) == 0 || int(url(self).getPort()) <= 65535",message="a port is a number up to 65535"
	// +kubebuilder:validation:XValidation:rule="!self.matches('/([.]|[.][.]|[.]well-known)(/|$)')",message="an issuer's path has no segment . or .. or .well-known: choose another path"
	Issuer string `json:"issuer"`

	// displayName is the name of the installation on the pages that people see.
	// +optional
	// +default="Sign in"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^[:cntrl:]<>]*$')",message="a display name is plain text: use no line breaks or other control characters, and neither < nor >"
	DisplayName string `json:"displayName,omitempty"`

	// default makes this the server of every OAuthClient that names none. Of
	// several that say so, the oldest one is the default.
	// +optional
	Default bool `json:"default,omitempty"`

	// scopes adds scopes to the standard ones (openid, profile, email, address, phone,
	// groups, offline_access), or gives a standard one other words.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Scopes []ScopeSpec `json:"scopes,omitempty"`

	// lifetimes says how long codes, tokens and sessions live.
	// +optional
	// +default={}
	Lifetimes Lifetimes `json:"lifetimes,omitempty,omitzero"`

	// signing says how tokens are signed.
	// +optional
	// +default={}
	Signing Signing `json:"signing,omitempty,omitzero"`

	// policy says which namespaces may register what. Without it, every namespace may
	// register Confidential and Public clients with any redirect URI and audience and any
	// of this server's scopes and grant types; no client may skip consent or have longer
	// lifetimes than the server's.
	// +optional
	Policy *Policy `json:"policy,omitempty"`

	// identityProviders are where a person's login is verified.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1
	IdentityProviders []IdentityProvider `json:"identityProviders"`
}

// Policy says which namespaces may register what.
type Policy struct {
	// rules are tried in order: the first whose namespaceSelector fits a client's
	// namespace decides, alone. A namespace that none fits may not register clients.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Rules []PolicyRule `json:"rules"`
}

// PolicyRule is what the namespaces that it fits may register. A field that is left
// out allows what the server allows without a policy.
type PolicyRule struct {
	// name tells this rule apart, in messages to app teams too.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="a rule's name consists of lower-case letters, digits and hyphens, and begins and ends with a letter or digit"
	Name string `json:"name"`

	// namespaceSelector is compared with the labels of a client's namespace, of which
	// kubernetes.io/metadata.name is its name. Without it, the rule fits all.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// clientTypes are the types that a client may have.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	ClientTypes []ClientType `json:"clientTypes,omitempty"`

	// redirectSchemes are the schemes that redirect URIs, those for after a logout
	// included, may have: https, http (of loopback addresses), or an app's own, such
	// as com.example.app.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	RedirectSchemes []RedirectScheme `json:"redirectSchemes,omitempty"`

	// redirectHosts are the hosts that https redirect URIs, those for after a logout
	// included, the backchannelLogoutURI and the jwksURI may have: a host such as
	// wiki.example.com, or *.example.com for all hosts below example.com. Upper and
	// lower case are the same.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	RedirectHosts []HostPattern `json:"redirectHosts,omitempty"`

	// scopes are those that a client may have.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Scopes []Scope `json:"scopes,omitempty"`

	// grantTypes are those that a client may have.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	GrantTypes []GrantType `json:"grantTypes,omitempty"`

	// audiences are those that a client may have: a URI such as api://shop.orders, or
	// api://shop.* for all that begin with api://shop. and have more. A * is at the end
	// only, behind a dot, a slash or a colon.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Audiences []AudiencePattern `json:"audiences,omitempty"`

	// consentModes are those that a client may have. Without it, Always and Once.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	ConsentModes []ConsentMode `json:"consentModes,omitempty"`

	// maxLifetimes are the longest that a client may give itself, instead of the
	// server's own lifetimes.
	// +optional
	MaxLifetimes *ClientLifetimes `json:"maxLifetimes,omitempty"`
}

// RedirectScheme is the scheme of a redirect URI.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:XValidation:rule="self.matches('^(https|http|[a-z][a-z0-9+-]*([.][a-z0-9+-]+)+)$')",message="a scheme is https, http, or an app's own, which has a dot, for example com.example.app"
type RedirectScheme string

// HostPattern is a host, or *. and a domain for all hosts below that.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^([*][.])?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$|^[[][0-9A-Fa-f:.]+[]]$')",message="a host pattern is a host such as wiki.example.com, without scheme, port or path, or *.example.com for all hosts below example.com"
type HostPattern string

// AudiencePattern is an audience, or the beginning of some and a *.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9+.-]*:([!$-)+-;=?-Z_a-z~]+|([!$-)+-;=?-Z_a-z~]*[./:])?[*])$')",message="an audience pattern is an absolute URI such as api://shop.orders, or the beginning of some, up to a dot, slash or colon, and a *, for example api://shop.*"
type AudiencePattern string

// ScopeSpec is a scope and the words in which a person is asked for it.
type ScopeSpec struct {
	// name is the scope as it stands in the scope parameter.
	// +required
	Name Scope `json:"name"`

	// description completes the sentence "… will be able to" on the consent page,
	// for example "edit your wiki pages".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^[:cntrl:]]*$')",message="a description is one line of text: use no line breaks or other control characters"
	Description string `json:"description"`
}

// Lifetimes are Go durations such as 60s, 15m and 720h.
//
// +kubebuilder:validation:XValidation:rule="!has(self.refreshTokenIdle) || !has(self.refreshToken) || duration(self.refreshTokenIdle) <= duration(self.refreshToken)",fieldPath=".refreshTokenIdle",message="refreshTokenIdle cannot be longer than refreshToken: shorten it, or lengthen refreshToken"
type Lifetimes struct {
	// authorizationCode is how long a code can be redeemed: 10s to 10m.
	// +optional
	// +default="60s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10s') && duration(self) <= duration('10m')",message="authorizationCode must be from 10s to 10m; RFC 6749 section 4.1.2 advises a short life"
	AuthorizationCode *metav1.Duration `json:"authorizationCode,omitempty"`

	// accessToken is how long an access token is valid: 1m to 24h.
	// +optional
	// +default="15m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="accessToken must be from 1m to 24h; let clients refresh instead of lengthening it"
	AccessToken *metav1.Duration `json:"accessToken,omitempty"`

	// idToken is how long an ID token is valid: 1m to 24h.
	// +optional
	// +default="15m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="idToken must be from 1m to 24h"
	IDToken *metav1.Duration `json:"idToken,omitempty"`

	// refreshToken is how long a grant can be refreshed, however often it is used:
	// 5m to 8760h (a year).
	// +optional
	// +default="720h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('5m') && duration(self) <= duration('8760h')",message="refreshToken must be from 5m to 8760h"
	RefreshToken *metav1.Duration `json:"refreshToken,omitempty"`

	// refreshTokenIdle is how long a refresh token that is not used stays valid:
	// 5m to 8760h, and no longer than refreshToken.
	// +optional
	// +default="168h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('5m') && duration(self) <= duration('8760h')",message="refreshTokenIdle must be from 5m to 8760h"
	RefreshTokenIdle *metav1.Duration `json:"refreshTokenIdle,omitempty"`

	// refreshTokenRetryGrace is how long after its use a refresh token may be sent
	// again, by a client that lost the response, without being taken for stolen:
	// 0s to 60s.
	// +optional
	// +default="10s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('60s')",message="refreshTokenRetryGrace must be from 0s to 60s"
	RefreshTokenRetryGrace *metav1.Duration `json:"refreshTokenRetryGrace,omitempty"`

	// session is how long a person stays signed in: 5m to 720h. Refresh tokens that were
	// given without offline_access are good no longer.
	// +optional
	// +default="12h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('5m') && duration(self) <= duration('720h')",message="session must be from 5m to 720h"
	Session *metav1.Duration `json:"session,omitempty"`
}

// Signing says how tokens are signed. Keys of all four algorithms are published,
// whichever are used.
type Signing struct {
	// idTokenAlg signs ID tokens. RS256 is what clients assume; ES256 and EdDSA are
	// far cheaper for the server. PS256 costs what RS256 does.
	// +optional
	// +default="RS256"
	IDTokenAlg SigningAlg `json:"idTokenAlg,omitempty"`

	// accessTokenAlg signs access tokens.
	// +optional
	// +default="ES256"
	AccessTokenAlg SigningAlg `json:"accessTokenAlg,omitempty"`

	// keyRotationInterval is how long a key signs before the next one takes over:
	// 24h to 8760h. The next key is published before it signs, and a key stays
	// published until all that it signed has expired.
	// +optional
	// +default="720h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('24h') && duration(self) <= duration('8760h')",message="keyRotationInterval must be from 24h to 8760h"
	KeyRotationInterval *metav1.Duration `json:"keyRotationInterval,omitempty"`
}

// SigningAlg is a JWS algorithm of RFC 7518 section 3.1 or RFC 8037 section 3.1.
//
// +kubebuilder:validation:Enum=RS256;ES256;PS256;EdDSA
type SigningAlg string

const (
	// SigningAlgRS256 is RSASSA-PKCS1-v1_5 using SHA-256.
	SigningAlgRS256 SigningAlg = "RS256"
	// SigningAlgES256 is ECDSA using P-256 and SHA-256.
	SigningAlgES256 SigningAlg = "ES256"
	// SigningAlgPS256 is RSASSA-PSS using SHA-256 and MGF1 with SHA-256.
	SigningAlgPS256 SigningAlg = "PS256"
	// SigningAlgEdDSA is EdDSA with Ed25519.
	SigningAlgEdDSA SigningAlg = "EdDSA"
)

// IdentityProvider is where a person's login is verified.
//
// +kubebuilder:validation:XValidation:rule="has(self.localUsers)",message="say where logins are verified: set localUsers"
type IdentityProvider struct {
	// name tells this provider apart. It is part of what a person's sub is made of:
	// renaming it gives everybody a new sub.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="an identity provider's name consists of lower-case letters, digits and hyphens, and begins and ends with a letter or digit, for example local"
	Name string `json:"name"`

	// localUsers verifies passwords against a list of users in a Secret.
	// +optional
	LocalUsers *LocalUsers `json:"localUsers,omitempty"`
}

// LocalUsers is a list of users in a Secret.
type LocalUsers struct {
	// secretRef names a Secret in the system namespace whose key users.yaml lists
	// the users: username, passwordHash (bcrypt or argon2id), and optionally id,
	// name, email, emailVerified, groups and what the scopes profile, address and
	// phone release besides. Changes apply at once.
	// +required
	SecretRef SecretReference `json:"secretRef"`
}

// SecretReference names a Secret in the system namespace.
type SecretReference struct {
	// name is the Secret's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a Secret's name consists of lower-case letters, digits, hyphens and dots, and begins and ends with a letter or digit, for example users"
	Name string `json:"name"`
}

// AuthorizationServerStatus is what the controller reports of a server.
type AuthorizationServerStatus struct {
	// conditions are Accepted, IdentityProvidersReady, Published and Ready.
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
}
