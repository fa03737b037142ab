// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Annotations on an OAuthClient that its app team sets.
const (
	// AnnotationRotate asks for another client secret whenever its value changes to
	// one that is not empty, for example: kubectl annotate --overwrite oauthclient/NAME
	// clientele.dev/rotate="$(date)".
	AnnotationRotate = "clientele.dev/rotate"
	// AnnotationRevoke names client secrets that are no longer accepted, by their ids
	// in status.credentials, with commas between them. The current one is replaced
	// first, at once.
	AnnotationRevoke = "clientele.dev/revoke"
	// AnnotationPaused, with the value "true", leaves the Secret and the registration
	// as they are. What policy takes away, and deletion, is not held up by it.
	AnnotationPaused = "clientele.dev/paused"
)

// AnnotationCredentialID stands on the Secret of a Confidential client and holds the
// id of the client secret in it, as in status.credentials. It changes when the secret
// does, and only then.
const AnnotationCredentialID = "clientele.dev/credential-id" //nolint:gosec // an annotation, and no credential

// OAuthClient is one OAuth 2.0 client. Applying it registers the client with an
// AuthorizationServer of this cluster and writes the client's credentials and
// the server's endpoint URLs into a Secret beside it, for the app to mount. The
// client_id is "<namespace>.<name>", or spec.clientID, and never changes.
//
// Wait for it with: kubectl wait --for=condition=Ready oauthclient/NAME
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=oauthclients,scope=Namespaced,shortName=oac,categories=clientele
// +kubebuilder:printcolumn:name="Client ID",type=string,JSONPath=`.status.clientID`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Server",type=string,JSONPath=`.status.authorizationServer`
// +kubebuilder:printcolumn:name="Secret",type=string,JSONPath=`.status.secretName`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Next Rotation",type=string,format=date-time,priority=1,JSONPath=`.status.nextRotation`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 100",message="metadata.name is part of the client_id and may have at most 100 characters; choose a shorter name"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.clientSecretRef) || self.spec.clientSecretRef.name != (has(self.spec.secret) && has(self.spec.secret.name) && size(self.spec.secret.name) > 0 ? self.spec.secret.name : self.metadata.name)",fieldPath=".spec.clientSecretRef.name",message="clientSecretRef names the Secret that the credentials are written to: set spec.secret.name to another name, or use spec.secret.adopt to take that Secret over"
type OAuthClient struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the client as its app team wants it to be.
	// +required
	Spec OAuthClientSpec `json:"spec"`
	// status is the client as the controller last saw it.
	// +optional
	Status OAuthClientStatus `json:"status,omitempty,omitzero"`
}

// OAuthClientList is a list of OAuthClients.
//
// +kubebuilder:object:root=true
type OAuthClientList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []OAuthClient `json:"items"`
}

// OAuthClientSpec is RFC 7591's client metadata, in camelCase.
//
// +kubebuilder:validation:XValidation:rule="self.type != 'Public' || !has(self.tokenEndpointAuthMethod) || self.tokenEndpointAuthMethod == 'none'",fieldPath=".tokenEndpointAuthMethod",message="a Public client has no secret to authenticate with: remove tokenEndpointAuthMethod or set it to none"
// +kubebuilder:validation:XValidation:rule="self.type != 'Confidential' || !has(self.tokenEndpointAuthMethod) || self.tokenEndpointAuthMethod != 'none'",fieldPath=".tokenEndpointAuthMethod",message="a Confidential client must authenticate: use client_secret_basic, client_secret_post or private_key_jwt, or set type to Public"
// +kubebuilder:validation:XValidation:rule="(has(self.tokenEndpointAuthMethod) && self.tokenEndpointAuthMethod == 'private_key_jwt') == (has(self.jwks) || (has(self.jwksURI) && size(self.jwksURI) > 0))",fieldPath=".tokenEndpointAuthMethod",message="private_key_jwt needs the client's public keys, and they need private_key_jwt: set tokenEndpointAuthMethod to private_key_jwt and one of jwks and jwksURI, or none of them"
// +kubebuilder:validation:XValidation:rule="!has(self.jwks) || !has(self.jwksURI) || size(self.jwksURI) == 0",fieldPath=".jwksURI",message="the keys stand in jwks or are fetched from jwksURI, not both (RFC 7591 section 2): remove one of the two"
// +kubebuilder:validation:XValidation:rule="!has(self.tokenEndpointAuthMethod) || self.tokenEndpointAuthMethod != 'private_key_jwt' || (!has(self.clientSecretRef) && !has(self.rotation))",fieldPath=".tokenEndpointAuthMethod",message="a client with private_key_jwt has no client secret: remove clientSecretRef and rotation"
// +kubebuilder:validation:XValidation:rule="self.type != 'Public' || self.pkce == 'Required'",fieldPath=".pkce",message="PKCE is the only protection of a Public client's code: set pkce to Required, or type to Confidential"
// +kubebuilder:validation:XValidation:rule="!self.scopes.exists(s, s == 'offline_access') || self.grantTypes.exists(g, g == 'refresh_token')",fieldPath=".scopes",message="the scope offline_access asks for refresh tokens: add refresh_token to grantTypes, or remove offline_access"
// +kubebuilder:validation:XValidation:rule="has(self.clientID) == has(oldSelf.clientID) && (!has(self.clientID) || self.clientID == oldSelf.clientID)",fieldPath=".clientID",message="apps, grants and consents know a client by its client_id, so it cannot change: create another OAuthClient"
// +kubebuilder:validation:XValidation:rule="self.type != 'Public' || !has(self.clientSecretRef)",fieldPath=".clientSecretRef",message="a Public client has no secret: remove clientSecretRef, or set type to Confidential"
// +kubebuilder:validation:XValidation:rule="self.type != 'Public' || !has(self.rotation)",fieldPath=".rotation",message="a Public client has no secret to rotate: remove rotation, or set type to Confidential"
// +kubebuilder:validation:XValidation:rule="!has(self.clientSecretRef) || !has(self.rotation) || (!has(self.rotation.interval) && !has(self.rotation.window))",fieldPath=".rotation",message="a secret that you bring changes when you change it: remove rotation.interval and rotation.window, or clientSecretRef"
// +kubebuilder:validation:XValidation:rule="!has(self.clientSecretRef) || !has(self.secret) || !has(self.secret.adopt) || !self.secret.adopt",fieldPath=".secret.adopt",message="the credentials come either from clientSecretRef or from the Secret that is adopted: remove one of the two"
// +kubebuilder:validation:XValidation:rule="self.type == 'Public' || self.redirectURIs.all(u, u.startsWith('https://') || u.startsWith('http://'))",fieldPath=".redirectURIs",message="a scheme other than https is for native apps, which are Public clients: use an https URI, or set type to Public"
// +kubebuilder:validation:XValidation:rule="!has(self.subjectType) || self.subjectType != 'pairwise' || self.redirectURIs.all(u, u.startsWith('https:') && u.find('^https://([^/?:[]+|[[][^]]*[]])').lowerAscii() == self.redirectURIs[0].find('^https://([^/?:[]+|[[][^]]*[]])').lowerAscii())",fieldPath=".subjectType",message="a pairwise sub is made for the one host of all redirectURIs (OpenID Connect Core 1.0 section 8.1), which all have to be https: use one host, or set subjectType to public"
type OAuthClientSpec struct {
	// displayName is what a person reads at login and consent. The object's name
	// is shown when it is empty.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^[:cntrl:]<>]*$')",message="a display name is plain text: use no line breaks or other control characters, and neither < nor >"
	DisplayName string `json:"displayName,omitempty"`

	// clientID is a client_id of your own, for an app that has one already: 1 to 256
	// visible ASCII characters. It must be unique among the clients of its
	// AuthorizationServer; the first to have it keeps it. Without it, the client_id
	// is "<namespace>.<name>". An id that begins like that, with a namespace and a
	// dot, must begin with the namespace of this OAuthClient. None begins with api://,
	// as the audiences of access tokens do. It cannot change.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="a client_id consists of visible ASCII characters, without spaces (RFC 6749 appendix A.1)"
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('api://')",message="api:// begins the audiences of access tokens, and a client_id is the audience of ID tokens: choose another client_id, so that neither passes for the other"
	ClientID string `json:"clientID,omitempty"`

	// clientSecretRef names a key of a Secret in this namespace that holds a client
	// secret of your own. None is minted; while the Secret or the key is missing, the
	// client waits for it. A change of the value is followed like a rotation: the new
	// one is accepted before it is written to the app's Secret, and the old one for
	// the overlap after it.
	// +optional
	ClientSecretRef *SecretKeyReference `json:"clientSecretRef,omitempty"`

	// clientURI is the app's home page, shown on the consent page.
	// +optional
	ClientURI WebURI `json:"clientURI,omitempty"`

	// logoURI is a picture of the app, shown on the consent page. People's browsers
	// load it from there.
	// +optional
	LogoURI WebURI `json:"logoURI,omitempty"`

	// policyURI is the app's privacy policy, linked from the consent page.
	// +optional
	PolicyURI WebURI `json:"policyURI,omitempty"`

	// tosURI is the app's terms of service, linked from the consent page.
	// +optional
	TOSURI WebURI `json:"tosURI,omitempty"`

	// type says whether the app can keep a secret. Confidential, for an app that
	// runs on a server, gets a client_secret, unless it authenticates with
	// private_key_jwt. Public, for a browser or native app, gets none and is protected
	// by PKCE alone.
	// +optional
	// +default="Confidential"
	Type ClientType `json:"type,omitempty"`

	// redirectURIs are compared with the redirect_uri parameter byte for byte; for
	// http://127.0.0.1 and http://[::1] the port may differ (RFC 8252 section 7.3).
	// Each is absolute, uses https (http for a loopback address only; a scheme of
	// the app's own, such as com.example.app:/callback, for a Public client only),
	// and has no fragment, no user and no wildcard.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	RedirectURIs []RedirectURI `json:"redirectURIs"`

	// postLogoutRedirectURIs are compared byte for byte with the
	// post_logout_redirect_uri of a logout (OpenID Connect RP-Initiated Logout 1.0
	// section 3). They follow the rules of redirectURIs.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	PostLogoutRedirectURIs []RedirectURI `json:"postLogoutRedirectURIs,omitempty"`

	// backchannelLogoutURI is where the server tells the client that a person has
	// signed out (OpenID Connect Back-Channel Logout 1.0): an https URI, or an http URI
	// of a Service in this cluster, such as http://wiki.docs.svc:8080/logout.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^(https://[A-Za-z0-9._~-]+|https://[[][0-9A-Fa-f:.]+[]]|http://[a-z0-9-]+[.][a-z0-9-]+[.]svc([.]cluster[.]local)?|http://localhost|http://127[.]0[.]0[.]1|http://[[]::1[]])(:[0-9]{1,5})?([/?][!$-;=?-Z_a-z~]*)?$') && isURL(self)",message="use an https URI without a fragment, for example https://wiki.example.com/logout; http is for a Service of this cluster, for example http://wiki.docs.svc:8080/logout"
	BackchannelLogoutURI string `json:"backchannelLogoutURI,omitempty"`

	// audiences are the APIs for which the client may ask for access tokens, by the
	// parameter resource of RFC 8707: absolute URIs without a fragment. Another
	// OAuthClient's API is "api://" and its client_id. The client's own API is what a
	// token is for that is asked for without the parameter.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Audiences []Audience `json:"audiences,omitempty"`

	// subjectType says whether all clients know a person by the same sub: public; or
	// only those whose redirect URIs have the same host: pairwise (OpenID Connect Core
	// 1.0 section 8). For pairwise, all redirectURIs are https and of one host. Changing
	// it, or that host, makes everybody somebody else to the app.
	// +optional
	// +default="public"
	SubjectType SubjectType `json:"subjectType,omitempty"`

	// jwks are the public keys of a client that authenticates with private_key_jwt (RFC
	// 7591 section 2): RSA of 2048 to 4096 bits, EC on P-256, or Ed25519. Any of them
	// may have signed; to replace one, add the next before it is used.
	// +optional
	JWKS *JWKS `json:"jwks,omitempty"`

	// jwksURI is where the server fetches them instead: at most 64 KiB, from an address
	// of the public internet unless the platform team allows others, and again when a
	// kid is unknown or the response has expired (at least 5 minutes, at most a day).
	// +optional
	JWKSURI WebURI `json:"jwksURI,omitempty"`

	// allowedUsers are the usernames of the people who may sign in to this client,
	// beside the members of allowedGroups. Without both, everybody may. Whoever may
	// not is refused at sign-in, and at the next refresh.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	AllowedUsers []string `json:"allowedUsers,omitempty"`

	// allowedGroups are the groups whose members may sign in to this client, beside
	// allowedUsers.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	AllowedGroups []string `json:"allowedGroups,omitempty"`

	// consent says when a person is asked whether the client may have what it asks
	// for: Once, and again when it asks for more; Always, at every sign-in; or Never,
	// for an app of one's own organisation, where the AuthorizationServer's policy
	// allows that.
	// +optional
	// +default="Once"
	Consent ConsentMode `json:"consent,omitempty"`

	// lifetimes are this client's own. They can be no longer than the
	// AuthorizationServer's policy allows, which without one is what its lifetimes say.
	// +optional
	Lifetimes *ClientLifetimes `json:"lifetimes,omitempty"`

	// idTokenSignedResponseAlg signs this client's ID tokens, instead of the
	// AuthorizationServer's signing.idTokenAlg.
	// +optional
	IDTokenSignedResponseAlg SigningAlg `json:"idTokenSignedResponseAlg,omitempty"`

	// accessTokenSigningAlg signs this client's access tokens, instead of the
	// AuthorizationServer's signing.accessTokenAlg.
	// +optional
	AccessTokenSigningAlg SigningAlg `json:"accessTokenSigningAlg,omitempty"`

	// scopes are the scopes that the client may ask for. A request for another one
	// is refused. offline_access lets refresh tokens outlive the person's session.
	// +optional
	// +listType=set
	// +default=["openid"]
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Scopes []Scope `json:"scopes,omitempty"`

	// grantTypes are the grants that the client may use at the token endpoint.
	// +optional
	// +listType=set
	// +default=["authorization_code","refresh_token"]
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:XValidation:rule="self.exists(g, g == 'authorization_code')",message="every client here starts with the authorization code flow: add authorization_code"
	GrantTypes []GrantType `json:"grantTypes,omitempty"`

	// tokenEndpointAuthMethod is how the client authenticates at the token endpoint,
	// and at those for introspection and revocation. When it is empty, a Confidential
	// client uses client_secret_basic and a Public one none.
	// +optional
	TokenEndpointAuthMethod TokenEndpointAuthMethod `json:"tokenEndpointAuthMethod,omitempty"`

	// pkce says whether an authorization request must carry a code_challenge
	// (RFC 7636). Optional is for a Confidential client whose library cannot send
	// one; a challenge that is sent is always checked.
	// +optional
	// +default="Required"
	PKCE PKCEPolicy `json:"pkce,omitempty"`

	// authorizationServerRef names the AuthorizationServer that this client
	// belongs to. Without it, the client belongs to the default one.
	// +optional
	AuthorizationServerRef *AuthorizationServerReference `json:"authorizationServerRef,omitempty"`

	// secret says where the credentials are written, and in which form.
	// +optional
	Secret *SecretSpec `json:"secret,omitempty"`

	// rotation says when the client secret is replaced by a new one, and how long the
	// old one is accepted then. Without it the secret is replaced on request only,
	// with the annotation clientele.dev/rotate.
	// +optional
	Rotation *Rotation `json:"rotation,omitempty"`

	// grantDeletionPolicy says what becomes of the access that people have given the
	// client when this OAuthClient is deleted. Revoke ends it. Retain keeps it for an
	// OAuthClient of the same name and client_id that is created later, for as long
	// as a refresh token can live.
	// +optional
	// +default="Revoke"
	GrantDeletionPolicy GrantDeletionPolicy `json:"grantDeletionPolicy,omitempty"`
}

// Audience is an absolute URI that an access token can be for (RFC 8707 section 2).
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9+.-]*:[!$-;=?-Z_a-z~]+$')",message="an audience is an absolute URI without a fragment (RFC 8707 section 2), for example https://api.example.com or api://shop.orders"
type Audience string

// SubjectType is a subject identifier type of OpenID Connect Core 1.0 section 8.
//
// +kubebuilder:validation:Enum=public;pairwise
type SubjectType string

const (
	// SubjectPublic is the same sub for all clients.
	SubjectPublic SubjectType = "public"
	// SubjectPairwise is a sub of each sector's own.
	SubjectPairwise SubjectType = "pairwise"
)

// WebURI is an https URI of a page or picture.
//
// +kubebuilder:validation:MaxLength=512
// +kubebuilder:validation:XValidation:rule="size(self) == 0 || (self.matches('^https://[A-Za-z0-9._~-]+(:[0-9]{1,5})?([/?#][!#-;=?-[_a-z~]*)?$') && isURL(self))",message="use an https URI with a host, for example https://wiki.example.com/privacy"
type WebURI string

// ConsentMode says when a person is asked for consent.
//
// +kubebuilder:validation:Enum=Always;Once;Never
type ConsentMode string

const (
	// ConsentAlways asks at every sign-in.
	ConsentAlways ConsentMode = "Always"
	// ConsentOnce asks until the person has allowed what is asked for.
	ConsentOnce ConsentMode = "Once"
	// ConsentNever does not ask.
	ConsentNever ConsentMode = "Never"
)

// GrantDeletionPolicy says what becomes of a deleted client's grants.
//
// +kubebuilder:validation:Enum=Revoke;Retain
type GrantDeletionPolicy string

const (
	// GrantsRevoke ends them.
	GrantsRevoke GrantDeletionPolicy = "Revoke"
	// GrantsRetain keeps them for a client of the same name and client_id.
	GrantsRetain GrantDeletionPolicy = "Retain"
)

// ClientLifetimes are Go durations such as 5m and 24h.
//
// +kubebuilder:validation:XValidation:rule="!has(self.refreshTokenIdle) || !has(self.refreshToken) || duration(self.refreshTokenIdle) <= duration(self.refreshToken)",fieldPath=".refreshTokenIdle",message="refreshTokenIdle cannot be longer than refreshToken: shorten it, or lengthen refreshToken"
type ClientLifetimes struct {
	// accessToken is how long an access token is valid: 1m to 24h.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="accessToken must be from 1m to 24h; let clients refresh instead of lengthening it"
	AccessToken *metav1.Duration `json:"accessToken,omitempty"`

	// idToken is how long an ID token is valid: 1m to 24h.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="idToken must be from 1m to 24h"
	IDToken *metav1.Duration `json:"idToken,omitempty"`

	// refreshToken is how long a grant can be refreshed, however often it is used:
	// 5m to 8760h (a year).
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('5m') && duration(self) <= duration('8760h')",message="refreshToken must be from 5m to 8760h"
	RefreshToken *metav1.Duration `json:"refreshToken,omitempty"`

	// refreshTokenIdle is how long a refresh token that is not used stays valid:
	// 5m to 8760h.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('5m') && duration(self) <= duration('8760h')",message="refreshTokenIdle must be from 5m to 8760h"
	RefreshTokenIdle *metav1.Duration `json:"refreshTokenIdle,omitempty"`
}

// ClientType is RFC 6749 section 2.1's client type.
//
// +kubebuilder:validation:Enum=Confidential;Public
type ClientType string

const (
	// ClientTypeConfidential is a client that can keep a secret.
	ClientTypeConfidential ClientType = "Confidential"
	// ClientTypePublic is a client that cannot keep a secret.
	ClientTypePublic ClientType = "Public"
)

// RedirectURI is an absolute URI that an authorization response may be sent to.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=512
// +kubebuilder:validation:XValidation:rule="!self.contains('*')",message="wildcards are not supported, since an attacker could register a match: list every redirect URI in full"
// +kubebuilder:validation:XValidation:rule="!self.contains('#')",message="a redirect URI has no fragment (RFC 6749 section 3.1.2): remove the # and what follows"
// +kubebuilder:validation:XValidation:rule="self.matches('^[]!#-;=?-[_a-z~]+$')",message="a redirect URI consists of the characters of RFC 3986, without spaces: percent-encode everything else"
// +kubebuilder:validation:XValidation:rule="!self.matches('%([^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)')",message="a % is followed by two hexadecimal digits: write %25 for the character % itself"
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9+.-]*:')",message="a redirect URI is absolute: start it with https://"
// +kubebuilder:validation:XValidation:rule="!self.matches('^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*@')",message="a redirect URI has no user information: remove everything up to the @"
// +kubebuilder:validation:XValidation:rule="!self.startsWith('https:') || self.matches('^https://([^/?]*@)?([A-Za-z0-9._~*-]+|[[][0-9A-Fa-f:.]+[]])(:[0-9]{1,5})?([/?].*)?$') && isURL(self)",message="an https redirect URI needs a host, for example https://app.example.com/callback"
// +kubebuilder:validation:XValidation:rule="!self.startsWith('http:') || self.matches('^http://(localhost|127[.]0[.]0[.]1|[[]::1[]])(:[0-9]{1,5})?([/?].*)?$')",message="http is allowed for localhost, 127.0.0.1 and [::1] only: use https"
// +kubebuilder:validation:XValidation:rule="!isURL(self) || size(url(self).getPort()) == 0 || int(url(self).getPort()) <= 65535",message="a port is a number up to 65535"
// +kubebuilder:validation:XValidation:rule="self.startsWith('https:') || self.startsWith('http:') || !self.matches('^[A-Za-z][A-Za-z0-9+.-]*:') || self.matches('^[a-z][a-z0-9+-]*([.][a-z0-9+-]+)+:(//[A-Za-z0-9._~-]*([/?].*)?|/?[^/].*|/)$')",message="use https; a native app's own scheme is a domain name that the app's owner controls, in reverse order and lower case, for example com.example.app:/callback (RFC 8252 section 7.1)"
type RedirectURI string

// Scope is one scope-token of RFC 6749 section 3.3.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:XValidation:rule="self.matches('^[]!#-[^-~]+$')",message="a scope has no spaces, quotes, backslashes or characters beyond ASCII (RFC 6749 section 3.3): list every scope as an item of its own"
type Scope string

// GrantType is a grant type of RFC 7591 section 2.
//
// +kubebuilder:validation:Enum=authorization_code;refresh_token
type GrantType string

const (
	// GrantTypeAuthorizationCode is RFC 6749 section 4.1.
	GrantTypeAuthorizationCode GrantType = "authorization_code"
	// GrantTypeRefreshToken is RFC 6749 section 6.
	GrantTypeRefreshToken GrantType = "refresh_token"
)

// TokenEndpointAuthMethod is a client authentication method of RFC 7591 section 2.
//
// +kubebuilder:validation:Enum=client_secret_basic;client_secret_post;private_key_jwt;none
type TokenEndpointAuthMethod string

const (
	// AuthMethodClientSecretBasic is HTTP Basic (RFC 6749 section 2.3.1).
	AuthMethodClientSecretBasic TokenEndpointAuthMethod = "client_secret_basic"
	// AuthMethodClientSecretPost is the secret in the body (RFC 6749 section 2.3.1).
	AuthMethodClientSecretPost TokenEndpointAuthMethod = "client_secret_post"
	// AuthMethodPrivateKeyJWT is an assertion that the client's own key has signed
	// (OpenID Connect Core 1.0 section 9, RFC 7523 section 2.2).
	AuthMethodPrivateKeyJWT TokenEndpointAuthMethod = "private_key_jwt"
	// AuthMethodNone is a public client.
	AuthMethodNone TokenEndpointAuthMethod = "none"
)

// PKCEPolicy says whether a client must use PKCE.
//
// +kubebuilder:validation:Enum=Required;Optional
type PKCEPolicy string

const (
	// PKCERequired refuses an authorization request without a code_challenge.
	PKCERequired PKCEPolicy = "Required"
	// PKCEOptional accepts one without.
	PKCEOptional PKCEPolicy = "Optional"
)

// AuthorizationServerReference names an AuthorizationServer.
type AuthorizationServerReference struct {
	// name is the AuthorizationServer's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
}
