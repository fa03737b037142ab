// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OAuthClient is one OAuth 2.0 client. Applying it registers the client with an
// AuthorizationServer of this cluster and writes the client's credentials and
// the server's endpoint URLs into a Secret beside it, for the app to mount. The
// client_id is "<namespace>.<name>" and never changes.
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
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 100",message="metadata.name is part of the client_id and may have at most 100 characters; choose a shorter name"
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
// +kubebuilder:validation:XValidation:rule="self.type != 'Confidential' || !has(self.tokenEndpointAuthMethod) || self.tokenEndpointAuthMethod != 'none'",fieldPath=".tokenEndpointAuthMethod",message="a Confidential client must authenticate: use client_secret_basic or client_secret_post, or set type to Public"
// +kubebuilder:validation:XValidation:rule="self.type != 'Public' || self.pkce == 'Required'",fieldPath=".pkce",message="PKCE is the only protection of a Public client's code: set pkce to Required, or type to Confidential"
// +kubebuilder:validation:XValidation:rule="!self.scopes.exists(s, s == 'offline_access') || self.grantTypes.exists(g, g == 'refresh_token')",fieldPath=".scopes",message="the scope offline_access asks for refresh tokens: add refresh_token to grantTypes, or remove offline_access"
// +kubebuilder:validation:XValidation:rule="self.type == 'Public' || self.redirectURIs.all(u, u.startsWith('https://') || u.startsWith('http://'))",fieldPath=".redirectURIs",message="a scheme other than https is for native apps, which are Public clients: use an https URI, or set type to Public"
type OAuthClientSpec struct {
	// displayName is what a person reads at login and consent. The object's name
	// is shown when it is empty.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^[:cntrl:]<>]*$')",message="a display name is plain text: use no line breaks or other control characters, and neither < nor >"
	DisplayName string `json:"displayName,omitempty"`

	// type says whether the app can keep a secret. Confidential, for an app that
	// runs on a server, gets a client_secret. Public, for a browser or native app,
	// gets none and is protected by PKCE alone.
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

	// scopes are the scopes that the client may ask for. A request for another one
	// is refused. offline_access makes refresh tokens available.
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

	// tokenEndpointAuthMethod is how the client authenticates at the token
	// endpoint. When it is empty, a Confidential client uses client_secret_basic
	// and a Public one none.
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

	// secret says where the credentials are written.
	// +optional
	Secret *SecretSpec `json:"secret,omitempty"`
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
// +kubebuilder:validation:Enum=client_secret_basic;client_secret_post;none
type TokenEndpointAuthMethod string

const (
	// AuthMethodClientSecretBasic is HTTP Basic (RFC 6749 section 2.3.1).
	AuthMethodClientSecretBasic TokenEndpointAuthMethod = "client_secret_basic"
	// AuthMethodClientSecretPost is the secret in the body (RFC 6749 section 2.3.1).
	AuthMethodClientSecretPost TokenEndpointAuthMethod = "client_secret_post"
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

// SecretSpec says where a client's credentials are written.
type SecretSpec struct {
	// name is the Secret's name, in the OAuthClient's namespace. The OAuthClient's
	// own name is used when it is empty. A Secret that exists already and belongs
	// to something else is never overwritten. Its keys are client_id,
	// client_secret (of a Confidential client), issuer, authorization_endpoint,
	// token_endpoint, userinfo_endpoint and jwks_uri.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a Secret's name consists of lower-case letters, digits, hyphens and dots, and begins and ends with a letter or digit, for example wiki-oauth"
	Name string `json:"name,omitempty"`
}

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
}
