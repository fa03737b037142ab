// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

// Paths of the endpoints below an issuer.
const (
	PathAuthorize  = "/authorize"
	PathToken      = "/token"
	PathUserinfo   = "/userinfo"
	PathJWKS       = "/jwks"
	PathEndSession = "/end_session"
	PathIntrospect = "/introspect"
	PathRevoke     = "/revoke"
)

// Endpoint is one of a server's URLs under the name that RFC 8414, or OpenID Connect
// RP-Initiated Logout 1.0 section 2.1, gives it, which is also its key in an app's
// Secret.
type Endpoint struct {
	Name, URL string
}

// Endpoints are the URLs of an issuer that stand in an app's Secret.
func Endpoints(issuer string) []Endpoint {
	return []Endpoint{
		{"authorization_endpoint", issuer + PathAuthorize},
		{"token_endpoint", issuer + PathToken},
		{"userinfo_endpoint", issuer + PathUserinfo},
		{"jwks_uri", issuer + PathJWKS},
		{"end_session_endpoint", issuer + PathEndSession},
	}
}
