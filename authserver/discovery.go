// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

const (
	// metadataAge lets clients keep what changes only with an AuthorizationServer.
	metadataAge = "public, max-age=300"
	// jwksAge is well below the lead of keys.Schedule: a key is published for longer,
	// before it signs, than anybody keeps a copy of the set without it.
	jwksAge = "public, max-age=600"
)

// metadata is what RFC 8414 section 2 and OpenID Connect Discovery 1.0 section 3
// have a server say of itself: all that it does, and nothing that it does not.
type metadata struct {
	Issuer                string       `json:"issuer"`
	AuthorizationEndpoint string       `json:"authorization_endpoint"`
	TokenEndpoint         string       `json:"token_endpoint"`
	UserinfoEndpoint      string       `json:"userinfo_endpoint"`
	JWKSURI               string       `json:"jwks_uri"`
	EndSessionEndpoint    string       `json:"end_session_endpoint"`
	IntrospectionEndpoint string       `json:"introspection_endpoint"`
	RevocationEndpoint    string       `json:"revocation_endpoint"`
	Scopes                oauth.Scopes `json:"scopes_supported"`
	ResponseTypes         []string     `json:"response_types_supported"`
	ResponseModes         []string     `json:"response_modes_supported"`
	GrantTypes            []string     `json:"grant_types_supported"`
	SubjectTypes          []string     `json:"subject_types_supported"`
	IDTokenAlgs           []string     `json:"id_token_signing_alg_values_supported"`
	TokenAuthMethods      []string     `json:"token_endpoint_auth_methods_supported"`
	IntrospectAuthMethods []string     `json:"introspection_endpoint_auth_methods_supported"`
	RevokeAuthMethods     []string     `json:"revocation_endpoint_auth_methods_supported"`
	TokenAuthAlgs         []string     `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectAuthAlgs    []string     `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevokeAuthAlgs        []string     `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	Claims                []string     `json:"claims_supported"`
	ACRValues             []string     `json:"acr_values_supported,omitempty"`
	ChallengeMethods      []string     `json:"code_challenge_methods_supported"`
	Prompts               []string     `json:"prompt_values_supported"`
	// Logout and LogoutSession are OpenID Connect Back-Channel Logout 1.0 section 2.1's.
	Logout        bool `json:"backchannel_logout_supported"`
	LogoutSession bool `json:"backchannel_logout_session_supported"`
	// IssParameter is RFC 9207 section 3's.
	IssParameter     bool `json:"authorization_response_iss_parameter_supported"`
	ClaimsParameter  bool `json:"claims_parameter_supported"`
	RequestParameter bool `json:"request_parameter_supported"`
	// RequestURIParameter would be true if it were left out.
	RequestURIParameter bool `json:"request_uri_parameter_supported"`
}

// idTokenAlgs are what any client of an issuer can have its ID tokens signed with,
// whatever the issuer's own choice is.
var idTokenAlgs = keys.Algs()

// proofMethods are how a client proves itself, and authMethods those with the one of a
// client that cannot.
var (
	proofMethods = []string{registration.AuthMethodBasic, registration.AuthMethodPost, registration.AuthMethodPrivateKeyJWT}
	authMethods  = append(slices.Clone(proofMethods), registration.AuthMethodNone)
)

// assertionAlgs are what a client can sign its assertions with. RFC 8414 section 2 wants
// them named wherever private_key_jwt is.
var assertionAlgs = keys.Algs()

func metadataOf(i *registry.Issuer) metadata {
	return metadata{
		Issuer:                i.Issuer,
		AuthorizationEndpoint: i.Issuer + registration.PathAuthorize,
		TokenEndpoint:         i.Issuer + registration.PathToken,
		UserinfoEndpoint:      i.Issuer + registration.PathUserinfo,
		JWKSURI:               i.Issuer + registration.PathJWKS,
		EndSessionEndpoint:    i.Issuer + registration.PathEndSession,
		IntrospectionEndpoint: i.Issuer + registration.PathIntrospect,
		RevocationEndpoint:    i.Issuer + registration.PathRevoke,
		Scopes:                i.ScopeNames(),
		ResponseTypes:         []string{"code"},
		ResponseModes:         []string{modeQuery, modeFormPost},
		GrantTypes:            []string{registration.GrantAuthorizationCode, registration.GrantRefreshToken},
		SubjectTypes:          []string{"public", "pairwise"},
		IDTokenAlgs:           idTokenAlgs,
		TokenAuthMethods:      authMethods,
		IntrospectAuthMethods: proofMethods,
		RevokeAuthMethods:     authMethods,
		TokenAuthAlgs:         assertionAlgs,
		IntrospectAuthAlgs:    assertionAlgs,
		RevokeAuthAlgs:        assertionAlgs,
		Claims:                claimNames(),
		ACRValues:             acrValues(i),
		ChallengeMethods:      []string{"S256"},
		Prompts:               []string{"none", "login", "consent", "select_account"},
		Logout:                true,
		LogoutSession:         true,
		IssParameter:          true,
		ClaimsParameter:       true,
	}
}

// claimNames are all claims that an ID token or userinfo can have.
func claimNames() []string {
	names := []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash", "sid"}
	for _, s := range standardClaims {
		names = append(names, s.claims...)
	}
	return names
}

// acrValues are what acr can be. Nothing is said while nobody can sign in.
func acrValues(i *registry.Issuer) []string {
	if i.Provider == nil {
		return nil
	}
	return []string{i.Provider.Means().Class}
}

// metadataCache keeps the document of every issuer, by name, for as long as the
// registry holds the very same Issuer.
type metadataCache struct{ byName sync.Map }

type cachedMetadata struct {
	issuer *registry.Issuer
	body   []byte
}

func (c *metadataCache) of(i *registry.Issuer) ([]byte, error) {
	if v, ok := c.byName.Load(i.Name); ok && v.(cachedMetadata).issuer == i {
		return v.(cachedMetadata).body, nil
	}
	body, err := json.Marshal(metadataOf(i))
	if err == nil {
		c.byName.Store(i.Name, cachedMetadata{issuer: i, body: body})
	}
	return body, err
}

// discovery serves the metadata, under the suffix of OpenID Connect Discovery 1.0
// section 4 and in the place of RFC 8414 section 3.
func (s *Server) discovery(w http.ResponseWriter, r *request) error {
	body, err := s.metadata.of(r.issuer)
	if err != nil {
		return err
	}
	return publish(w, metadataAge, body)
}

// jwks serves the keys that tokens are verified with (RFC 7517 section 5).
func (s *Server) jwks(w http.ResponseWriter, r *request) error {
	return publish(w, jwksAge, r.issuer.Keys.JWKS())
}

// publish sends what anybody may read, from any page, and keep for a while.
func publish(w http.ResponseWriter, age string, body []byte) error {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", age)
	h.Del("Pragma")
	return writeBytes(w, http.StatusOK, body)
}
