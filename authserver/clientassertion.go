// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"net/http"
	"strings"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/token"
	"github.com/clientele-dev/clientele/internal/registration"
)

// assertionType is RFC 7523 section 2.2's client_assertion_type.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// errReplay is for a client whose assertion somebody has used before it, or which has
// used it twice.
var errReplay = oauth.Errorf(oauth.InvalidClient, "client_assertion was used before: make a new one, with a jti of its own, for each request")

// parseAssertion reads a client's authentication by private_key_jwt. id is what the
// parameter client_id says, if it is there.
func parseAssertion(kind, raw, id string) (credentials, *oauth.Error) {
	switch {
	case kind == "":
		return credentials{}, oauth.Errorf(oauth.InvalidRequest, "client_assertion_type is missing")
	case raw == "":
		return credentials{}, oauth.Errorf(oauth.InvalidRequest, "client_assertion is missing")
	case kind != assertionType:
		return credentials{}, oauth.Errorf(oauth.InvalidClient, "client_assertion_type must be %s", assertionType)
	}
	a, err := token.ParseAssertion(raw)
	switch {
	case err != nil:
		return credentials{}, badAssertion(err)
	case id != "" && id != a.ClientID():
		return credentials{}, oauth.Errorf(oauth.InvalidClient, "client_id is not the sub of client_assertion")
	}
	return credentials{method: registration.AuthMethodPrivateKeyJWT, id: a.ClientID(), assertion: a}, nil
}

// badAssertion tells what is wrong with an assertion, whoever it is of.
func badAssertion(err error) *oauth.Error {
	what, ok := errors.AsType[*token.AssertionError](err)
	if !ok {
		return errBadClient.Because(err)
	}
	return oauth.Errorf(oauth.InvalidClient, "client_assertion %s", what.Error())
}

// authenticateByKey returns the client that has signed the assertion, which is worth
// nothing then (RFC 7523 section 3, OpenID Connect Core 1.0 section 9). What can be said
// without knowing the client comes first, so that strangers cannot make us fetch keys
// with just anything; the one write comes last.
func (s *Server) authenticateByKey(r *request, c credentials) (*registry.Client, *oauth.Error) {
	if err := c.assertion.Check(assertionAudiences(r), r.now); err != nil {
		return nil, badAssertion(err)
	}
	client, err := s.proveByKey(r, c)
	switch {
	case errors.Is(err, errNoClientKeys):
		return nil, oauth.Errorf(oauth.TemporarilyUnavailable, "the client's keys cannot be fetched from its jwks_uri right now; try again").Because(err)
	case err != nil && !s.registry.Current():
		// The client or its key may be one that this replica has yet to hear of.
		return nil, unavailable(errStale)
	case err != nil:
		return nil, errBadClient.Because(err)
	}
	until := c.assertion.Ends().Add(store.Skew)
	switch err := s.store.Spend(r.Context(), r.issuer.Name, client.UID()+" "+c.assertion.ID(), until); {
	case errors.Is(err, store.ErrUsed):
		return nil, errReplay
	case err != nil:
		return nil, unavailable(err)
	}
	return client, nil
}

// assertionAudiences are what this server is called by in an assertion: the issuer, its
// token endpoint, and the endpoint that is asked (RFC 7523 section 3, RFC 8414 section 2).
func assertionAudiences(r *request) []string {
	i := r.issuer.Issuer
	path, _ := strings.CutPrefix(r.route, http.MethodPost+" ")
	return []string{i, i + registration.PathToken, i + path}
}

// errNoClientKeys means that nobody can tell whether the client has signed.
var errNoClientKeys = errors.New("the client's keys are not known")

// proveByKey returns the client that the assertion is of if one of its keys has signed
// it.
func (s *Server) proveByKey(r *request, c credentials) (*registry.Client, error) {
	client, known := s.registry.Client(r.issuer, c.id)
	switch {
	case !known:
		return nil, errors.New("unknown client")
	case client.AuthMethod() != registration.AuthMethodPrivateKeyJWT:
		return nil, errors.New("the client is not registered for private_key_jwt")
	}
	keys := client.Keys()
	if uri := client.JWKSURI(); uri != "" {
		var err error
		keys, err = s.keys.Keys(r.Context(), uri, func(kept []registration.PublicKey) bool {
			return !errors.Is(c.assertion.Verify(kept), token.ErrNoKey)
		})
		if err != nil {
			return nil, errors.Join(errNoClientKeys, err)
		}
	}
	return client, c.assertion.Verify(keys)
}
