// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

const (
	maxRedirectURI = 512
	maxIssuer      = 253
	maxWebURI      = 512
	maxScope       = 128
)

// The CEL rules of the API's types say the same, and a test holds both together.
var (
	uriCharacters = regexp.MustCompile(`^[]!#-;=?-[_a-z~]+$`) // RFC 3986 section 2
	badPercent    = regexp.MustCompile(`%([^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)`)
	absolute      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)
	userinfo      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*@`)
	httpsRedirect = regexp.MustCompile(`^https://([A-Za-z0-9._~-]+|[[][0-9A-Fa-f:.]+[]])(:[0-9]{1,5})?([/?].*)?$`)
	httpRedirect  = regexp.MustCompile(`^http://(localhost|127[.]0[.]0[.]1|[[]::1[]])(:[0-9]{1,5})?([/?].*)?$`)
	// appRedirect has RFC 8252 section 7.1's private-use scheme: a domain name in
	// reverse order, so that it has at least one dot.
	appRedirect = regexp.MustCompile(`^[a-z][a-z0-9+-]*([.][a-z0-9+-]+)+:(//[A-Za-z0-9._~-]*([/?].*)?|/?[^/].*|/)$`)

	issuerForm    = regexp.MustCompile(`^https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|[[][0-9a-f:.]+[]])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*$`)
	httpIssuer    = regexp.MustCompile(`^http://(localhost|127[.]0[.]0[.]1|[[]::1[]])(:[0-9]{1,5})?(/|$)`)
	reservedInURL = regexp.MustCompile(`/([.]|[.][.]|[.]well-known)(/|$)`)

	// backchannelURI is https, or http of a Service of the cluster or of loopback.
	backchannelURI = regexp.MustCompile(`^(https://[A-Za-z0-9._~-]+|https://[[][0-9A-Fa-f:.]+[]]|http://[a-z0-9-]+[.][a-z0-9-]+[.]svc([.]cluster[.]local)?` +
		`|http://localhost|http://127[.]0[.]0[.]1|http://[[]::1[]])(:[0-9]{1,5})?([/?][!$-;=?-Z_a-z~]*)?$`)

	// webURI leaves nothing in the host that a Content-Security-Policy would read as
	// more than a host.
	webURI = regexp.MustCompile(`^https://[A-Za-z0-9._~-]+(:[0-9]{1,5})?([/?#][!#-;=?-[_a-z~]*)?$`)
)

// ValidateRedirectURI says why raw cannot be registered. A public client may use
// a scheme of its own (RFC 8252 section 7.1); everyone may use http for loopback.
func ValidateRedirectURI(raw string, public bool) error {
	https, http := strings.HasPrefix(raw, "https:"), strings.HasPrefix(raw, "http:")
	switch {
	case raw == "" || len(raw) > maxRedirectURI:
		return errors.New("is empty or too long")
	case strings.Contains(raw, "#"):
		return errors.New("has a fragment (RFC 6749 section 3.1.2)")
	case strings.Contains(raw, "*"):
		return errors.New("has a wildcard; list every URI in full")
	case !uriCharacters.MatchString(raw):
		return errors.New("has a character that RFC 3986 does not allow; percent-encode it")
	case badPercent.MatchString(raw):
		return errors.New("has a % that is not followed by two hexadecimal digits")
	case !absolute.MatchString(raw):
		return errors.New("is not absolute")
	case userinfo.MatchString(raw):
		return errors.New("has user information")
	case https && !httpsRedirect.MatchString(raw):
		return errors.New("has no host, or one that is not valid")
	case http && !httpRedirect.MatchString(raw):
		return errors.New("uses http for a host that is not localhost, 127.0.0.1 or [::1]")
	case !https && !http && !public:
		return errors.New("uses a scheme other than https, which is for public clients")
	case !https && !http && !appRedirect.MatchString(raw):
		return errors.New("uses a scheme that is neither https nor a domain name in reverse order (RFC 8252 section 7.1)")
	}
	return checkParsed(raw)
}

// ValidateIssuer says why raw cannot be an issuer identifier (RFC 8414 section 2,
// OpenID Connect Discovery 1.0 section 3).
func ValidateIssuer(raw string) error {
	switch {
	case raw == "" || len(raw) > maxIssuer:
		return errors.New("is empty or too long")
	case strings.ContainsAny(raw, "?#"):
		return errors.New("has a query or a fragment")
	case strings.HasSuffix(raw, "/"):
		return errors.New("has a slash at its end")
	case strings.HasPrefix(raw, "http:") && !httpIssuer.MatchString(raw):
		return errors.New("uses http for a host that is not localhost, 127.0.0.1 or [::1]")
	case !issuerForm.MatchString(raw):
		return errors.New("is not https://, a host in lower case, and perhaps a port and a path of letters, digits and . _ ~ -")
	case reservedInURL.MatchString(raw):
		return errors.New("has the path segment ., .. or .well-known")
	}
	return checkParsed(raw)
}

// ValidateWebURI says why raw cannot be the address of a page or picture that people
// see. An empty one is none at all, and valid.
func ValidateWebURI(raw string) error {
	switch {
	case raw == "":
		return nil
	case len(raw) > maxWebURI:
		return errors.New("is too long")
	case !webURI.MatchString(raw):
		return errors.New("is not an https URI with a host")
	}
	// As the API server's isURL does, so that both agree.
	if _, err := url.ParseRequestURI(raw); err != nil {
		return errors.New("is not a URI that can be parsed") // err would repeat raw
	}
	return nil
}

// ValidateBackchannelURI says why raw cannot be where a client is told that a person has
// signed out (OpenID Connect Back-Channel Logout 1.0 section 2.2). An empty one is none
// at all, and valid.
func ValidateBackchannelURI(raw string) error {
	switch {
	case raw == "":
		return nil
	case len(raw) > maxWebURI:
		return errors.New("is too long")
	case strings.Contains(raw, "#"):
		return errors.New("has a fragment")
	case !backchannelURI.MatchString(raw):
		return errors.New("is neither an https URI nor an http URI of a Service of this cluster, such as http://wiki.docs.svc:8080/logout")
	}
	return checkParsed(raw)
}

// checkParsed refuses what the server could not parse, such as a malformed IPv6
// address.
func checkParsed(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("is not a URI that can be parsed") // err would repeat raw
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return errors.New("has a port above 65535")
		}
	}
	return nil
}

// ValidScope reports whether s is a scope-token (RFC 6749 section 3.3).
func ValidScope(s string) bool {
	if s == "" || len(s) > maxScope {
		return false
	}
	for _, c := range []byte(s) {
		if c < '!' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
