// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/token"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// credentials are how a client says who it is, and by which of the methods of RFC
// 7591 section 2.
type credentials struct {
	method string
	id     string
	secret credential.Secret
	// assertion is in the place of secret for private_key_jwt.
	assertion token.Assertion
	// unencoded is what a client means that has not form-urlencoded what it sends by
	// Basic; nil if that is the same.
	unencoded *credentials
}

// errBadClient stands for every way in which a client can fail to prove itself.
var errBadClient = oauth.Errorf(oauth.InvalidClient, "the client is unknown or its authentication failed")

// nobody has the digest of a secret that nobody knows: comparing with it makes an
// unknown client cost what a known one does.
var nobody = []string{credential.New("").Digest()}

// parseCredentials reads the client's authentication from the Authorization
// headers and the body. RFC 6749 section 2.3: one method in a request, not more.
func parseCredentials(headers []string, p *params) (credentials, *oauth.Error) {
	id, secret := p.one("client_id"), p.one("client_secret")
	kind, assertion := p.one("client_assertion_type"), p.one("client_assertion")
	byKey := kind != "" || assertion != ""
	switch {
	case len(headers) > 1 || count(len(headers) > 0, secret != "", byKey) > 1:
		return credentials{}, oauth.Errorf(oauth.InvalidRequest, "the client authenticates in more than one way")
	case byKey:
		return parseAssertion(kind, assertion, id)
	case len(headers) == 0:
		method := registration.AuthMethodPost
		if secret == "" {
			method = registration.AuthMethodNone
		}
		return credentials{method: method, id: id, secret: credential.New(secret)}, nil
	}
	c, ok := parseBasic(headers[0])
	switch {
	case !ok:
		return credentials{}, oauth.Errorf(oauth.InvalidClient, "the Authorization header is not of the Basic scheme, or malformed")
	case id != "" && c.unencoded != nil && id == c.unencoded.id:
		return *c.unencoded, nil
	case id != "" && id != c.id:
		return credentials{}, oauth.Errorf(oauth.InvalidClient, "client_id is not the client of the Authorization header")
	}
	return c, nil
}

// count is how many of these are so.
func count(all ...bool) (n int) {
	for _, one := range all {
		if one {
			n++
		}
	}
	return n
}

// parseBasic reads an Authorization header of the Basic scheme (RFC 7617 section 2).
func parseBasic(header string) (credentials, bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return credentials{}, false
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return credentials{}, false
	}
	id, secret, ok := strings.Cut(string(raw), ":")
	c := credentials{
		method: registration.AuthMethodBasic, id: unescape(id), secret: credential.New(unescape(secret)),
	}
	if c.id != id || c.secret.Reveal() != secret {
		c.unencoded = &credentials{method: c.method, id: id, secret: credential.New(secret)}
	}
	return c, ok && id != ""
}

// unescape undoes the form-urlencoding that RFC 6749 section 2.3.1 wants within
// Basic. Many clients leave it out; what cannot be decoded is taken as it is.
func unescape(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}

// proof is what became of credentials.
type proof struct {
	client *registry.Client // nil if it is unknown
	proved bool
	digest string // the ID of the digest of the secret; empty for a public client
}

// authenticateClient returns the client that proved itself. An unknown client and a
// wrong secret, or an assertion that its keys have not signed, give the same code and
// text, after about the same work unless the client's secret is one that a person has
// brought, or there is none.
func (s *Server) authenticateClient(r *request, c credentials) (*registry.Client, *oauth.Error) {
	if c.method == registration.AuthMethodPrivateKeyJWT {
		return s.authenticateByKey(r, c)
	}
	p, err := s.prove(r, c)
	if err == nil && !p.proved && c.unencoded != nil {
		p, err = s.prove(r, *c.unencoded)
	}
	switch {
	case err != nil:
		return nil, unavailable(err)
	case !p.proved && !s.registry.Current():
		// The client or its new secret may be one that this replica has yet to hear of.
		return nil, unavailable(errStale)
	case !p.proved && p.client != nil:
		return nil, errBadClient.Because(errors.New("wrong secret or none"))
	case !p.proved:
		return nil, errBadClient.Because(errors.New("unknown client"))
	case c.method != p.client.AuthMethod():
		// Who has proved to know the secret may learn how to send it.
		return nil, oauth.Errorf(oauth.InvalidClient, "the client is registered for %s", p.client.AuthMethod())
	}
	if s.used != nil && p.digest != "" {
		s.used(p.digest)
	}
	return p.client, nil
}

// prove compares credentials with what is registered. The error says that it could
// not.
func (s *Server) prove(r *request, c credentials) (proof, error) {
	client, known := s.registry.Client(r.issuer, c.id)
	switch {
	case !known:
		c.secret.Matches(nobody)
		return proof{}, nil
	case client.Public():
		return proof{client: client, proved: c.method == registration.AuthMethodNone}, nil
	case c.method == registration.AuthMethodNone:
		return proof{client: client}, nil
	}
	digest, err := client.Accepts(r.Context(), c.secret, s.slow)
	return proof{client: client, proved: digest != "", digest: digest}, err
}
