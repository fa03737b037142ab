// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// SecretKeyReference names a key of a Secret in the OAuthClient's namespace.
type SecretKeyReference struct {
	// name is the Secret's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a Secret's name consists of lower-case letters, digits, hyphens and dots, and begins and ends with a letter or digit, for example wiki-oauth"
	Name string `json:"name"`

	// key is the key whose value is meant.
	// +optional
	// +default="client_secret"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="a key of a Secret consists of letters, digits, hyphens, underscores and dots"
	Key string `json:"key,omitempty"`
}

// SecretSpec says where a client's credentials are written, and in which form.
type SecretSpec struct {
	// name is the Secret's name, in the OAuthClient's namespace. The OAuthClient's
	// own name is used when it is empty. A Secret that exists already and belongs
	// to something else is never overwritten, unless adopt says so.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a Secret's name consists of lower-case letters, digits, hyphens and dots, and begins and ends with a letter or digit, for example wiki-oauth"
	Name string `json:"name,omitempty"`

	// type is the Secret's type. A change makes the Secret anew, with the same
	// credentials.
	// +optional
	// +default="Opaque"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('kubernetes.io/') && !self.startsWith('bootstrap.kubernetes.io/') && self.matches('^[-._/a-zA-Z0-9]+$')",message="use Opaque or a type of your own; the types of kubernetes.io have a meaning that these credentials do not fit"
	Type string `json:"type,omitempty"`

	// labels are added to the Secret. Those that others have added stay.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && size(self[k]) <= 63 && k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$') && self[k].matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$'))",message="a label's key is a name of at most 63 letters, digits, hyphens, underscores and dots, perhaps after a domain and a slash; its value is of the same form"
	// +kubebuilder:validation:XValidation:rule="!self.exists(k, k.startsWith('clientele.dev/') || k == 'app.kubernetes.io/managed-by')",message="labels of clientele.dev/ and app.kubernetes.io/managed-by are Clientele's own: remove them"
	Labels map[string]SecretLabelValue `json:"labels,omitempty"`

	// annotations are added to the Secret. Those that others have added stay.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="an annotation's key is a name of at most 63 letters, digits, hyphens, underscores and dots, perhaps after a domain and a slash"
	// +kubebuilder:validation:XValidation:rule="!self.exists(k, k.startsWith('clientele.dev/') || k == 'kubectl.kubernetes.io/last-applied-configuration')",message="annotations of clientele.dev/, and kubectl's, have a meaning of their own: remove them"
	Annotations map[string]SecretAnnotationValue `json:"annotations,omitempty"`

	// keys gives built-in keys other names, for an app that expects them, for example
	// client_id: OIDC_CLIENT_ID. The built-in keys are client_id, client_secret (of a
	// Confidential client), issuer, openid_configuration, authorization_endpoint,
	// token_endpoint, userinfo_endpoint, jwks_uri, end_session_endpoint and scope.
	// +optional
	// +kubebuilder:validation:MaxProperties=10
	// +kubebuilder:validation:XValidation:rule="self.all(k, k in ['client_id', 'client_secret', 'issuer', 'openid_configuration', 'authorization_endpoint', 'token_endpoint', 'userinfo_endpoint', 'jwks_uri', 'end_session_endpoint', 'scope'])",message="the built-in keys are client_id, client_secret, issuer, openid_configuration, authorization_endpoint, token_endpoint, userinfo_endpoint, jwks_uri, end_session_endpoint and scope"
	// +kubebuilder:validation:XValidation:rule="self.all(k, self[k].matches('^[-_a-zA-Z0-9][-._a-zA-Z0-9]*$'))",message="a key of a Secret consists of letters, digits, hyphens, underscores and dots, and here does not begin with a dot"
	Keys map[string]SecretKeyName `json:"keys,omitempty"`

	// template adds keys whose values are rendered from Go templates.
	// +optional
	Template *SecretTemplate `json:"template,omitempty"`

	// adopt takes over a Secret of this name that nothing else controls, with the
	// client_secret that it holds, for moving an app here without touching it. Its
	// client_id must be this client's: set clientID to it.
	// +optional
	Adopt bool `json:"adopt,omitempty"`

	// deletionPolicy says what becomes of the Secret when this OAuthClient is
	// deleted. Retain leaves it, and an OAuthClient of the same name that is created
	// later takes it over.
	// +optional
	// +default="Delete"
	DeletionPolicy SecretDeletionPolicy `json:"deletionPolicy,omitempty"`
}

// SecretLabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
type SecretLabelValue string

// SecretAnnotationValue is the value of an annotation.
//
// +kubebuilder:validation:MaxLength=4096
type SecretAnnotationValue string

// SecretKeyName is a key of a Secret.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
type SecretKeyName string

// SecretDeletionPolicy says what becomes of a deleted client's Secret.
//
// +kubebuilder:validation:Enum=Delete;Retain
type SecretDeletionPolicy string

const (
	// SecretDelete deletes it.
	SecretDelete SecretDeletionPolicy = "Delete"
	// SecretRetain leaves it where it is.
	SecretRetain SecretDeletionPolicy = "Retain"
)

// SecretTemplate makes keys of a Secret from Go templates.
type SecretTemplate struct {
	// mergePolicy says whether data comes beside the built-in keys (Merge) or instead
	// of them (Replace). With Replace the client_secret also stays under the key
	// .client_secret, so that another template does not need another secret.
	// +optional
	// +default="Merge"
	MergePolicy SecretMergePolicy `json:"mergePolicy,omitempty"`

	// data are Go templates (text/template) by the key that each one's result is
	// written to. They see the built-in keys as .client_id, .client_secret and so on,
	// the lists .scopes and .redirect_uris, and .name, .namespace and .display_name.
	// docs/templates.md lists the functions. A template has at most 16 KiB, and so
	// has its result.
	// +required
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253 && k.matches('^[-_a-zA-Z0-9][-._a-zA-Z0-9]*$'))",message="a key of a Secret consists of letters, digits, hyphens, underscores and dots, and here does not begin with a dot"
	Data map[string]TemplateText `json:"data"`
}

// SecretMergePolicy says how templates and built-in keys go together.
//
// +kubebuilder:validation:Enum=Merge;Replace
type SecretMergePolicy string

const (
	// SecretMerge writes both.
	SecretMerge SecretMergePolicy = "Merge"
	// SecretReplace leaves the built-in keys out.
	SecretReplace SecretMergePolicy = "Replace"
)

// TemplateText is a Go template.
//
// +kubebuilder:validation:MaxLength=16384
type TemplateText string
