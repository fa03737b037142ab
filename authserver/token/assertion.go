// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/internal/registration"
)

const (
	// maxAssertion and maxJTI bound an assertion and its jti, in bytes.
	maxAssertion = 8 << 10
	maxJTI       = 256
	// maxAssertionAge is how far ahead exp may be: for so long a used one is remembered.
	maxAssertionAge = time.Hour
	// clientLeeway is how far a client's clock may be from ours.
	clientLeeway = 30 * time.Second
)

// AssertionError says what is wrong with an assertion, in fixed words for its client:
// nothing that stands in the assertion is repeated.
type AssertionError struct{ what string }

// Error implements error.
func (e *AssertionError) Error() string { return e.what }

// What can be wrong with an assertion, whoever it is of.
var (
	errAssertionSize     = &AssertionError{"is larger than 8192 bytes"}
	errAssertionForm     = &AssertionError{"is not a JWT of three parts in base64url, with JSON objects for header and claims"}
	errAssertionAlg      = &AssertionError{"is not signed with " + strings.Join(keys.Algs(), ", ")}
	errAssertionType     = &AssertionError{"is another kind of token, by typ: leave typ out, or use JWT"}
	errAssertionCrit     = &AssertionError{"has the header parameter crit, and no extension is understood here"}
	errAssertionSubject  = &AssertionError{"must have the client_id as both iss and sub"}
	errAssertionAudience = &AssertionError{"is for another server: aud must be the issuer, or this server's token endpoint"}
	errAssertionExpired  = &AssertionError{"has expired, or has no exp: make a new one for each request, and look at the clock"}
	errAssertionFuture   = &AssertionError{"has an exp more than an hour ahead"}
	errAssertionEarly    = &AssertionError{"is not valid yet, by nbf or iat: look at the clock"}
	errAssertionID       = &AssertionError{"has no jti, or one of more than 256 bytes"}
)

// ErrNoKey means that no key is known that could have made a signature; ErrSignature,
// that the one that should have made it has not.
var (
	ErrNoKey     = errors.New("no key of the client fits the assertion")
	ErrSignature = errors.New("the assertion's signature is not by the client's key")
)

// Assertion is a JWT by which a client says who it is (RFC 7523 section 3, OpenID
// Connect Core 1.0 section 9). It says the truth once Verify has said so.
type Assertion struct {
	raw, alg, kid string
	claims        jwt.RegisteredClaims
}

// ParseAssertion takes an assertion apart. The error is an *AssertionError.
func ParseAssertion(raw string) (Assertion, error) {
	if len(raw) > maxAssertion {
		return Assertion{}, errAssertionSize
	}
	if strings.ContainsAny(raw, "\r\n") {
		return Assertion{}, errAssertionForm // the decoder would skip them
	}
	a := Assertion{raw: raw}
	t, _, err := jwt.NewParser(jwt.WithStrictDecoding()).ParseUnverified(raw, &a.claims)
	switch {
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return Assertion{}, errAssertionAlg
	case err != nil:
		return Assertion{}, errAssertionForm
	case !slices.Contains(keys.Algs(), t.Method.Alg()):
		return Assertion{}, errAssertionAlg
	}
	a.alg = t.Method.Alg()
	return a, a.readHeader(t.Header)
}

func (a *Assertion) readHeader(header map[string]any) error {
	kid, named := header["kid"]
	typ, typed := header["typ"]
	_, critical := header["crit"]
	var isText bool
	switch a.kid, isText = kid.(string); {
	case named && !isText:
		return errAssertionForm
	case critical: // RFC 7515 section 4.1.11
		return errAssertionCrit
	case typed && !isAssertionType(typ):
		return errAssertionType // RFC 8725 section 3.11
	}
	return nil
}

// isAssertionType reports whether typ can be that of an assertion. It may leave out
// what comes before the slash (RFC 7515 section 4.1.9), and case does not matter.
func isAssertionType(typ any) bool {
	text, _ := typ.(string)
	text = strings.TrimPrefix(strings.ToLower(text), "application/")
	return text == "jwt" || text == "client-authentication+jwt"
}

// ClientID is the client that the assertion says it is of. Anybody can say so.
func (a Assertion) ClientID() string { return a.claims.Subject }

// ID is its jti, by which it is known once it was used.
func (a Assertion) ID() string { return a.claims.ID }

// Ends is when Check refuses it for good.
func (a Assertion) Ends() time.Time { return a.claims.ExpiresAt.Add(clientLeeway) }

// Check says, with an *AssertionError, why what the assertion claims does not hold for a
// server of these names at now. It asks nobody, and knows no client.
func (a Assertion) Check(names []string, now time.Time) error {
	c, latest := a.claims, now.Add(clientLeeway)
	later := func(d *jwt.NumericDate) bool { return d != nil && d.After(latest) }
	switch {
	case c.Subject == "" || c.Issuer != c.Subject:
		return errAssertionSubject
	case !slices.ContainsFunc(c.Audience, func(aud string) bool { return slices.Contains(names, aud) }):
		return errAssertionAudience
	case c.ExpiresAt == nil || !now.Before(a.Ends()):
		return errAssertionExpired
	case c.ExpiresAt.After(latest.Add(maxAssertionAge)):
		return errAssertionFuture
	case later(c.NotBefore) || later(c.IssuedAt):
		return errAssertionEarly
	case c.ID == "" || len(c.ID) > maxJTI:
		return errAssertionID
	}
	return nil
}

// Verify returns nil if one of a client's keys has signed the assertion: the one that it
// names, or any if it names none. Otherwise it is ErrNoKey if another key, which is not
// among them, may have, and else ErrSignature.
func (a Assertion) Verify(all []registration.PublicKey) error {
	var fitting jwt.VerificationKeySet
	for _, k := range all {
		if slices.Contains(k.Algs, a.alg) && (a.kid == "" || a.kid == k.ID) {
			fitting.Keys = append(fitting.Keys, k.Key)
		}
	}
	if len(fitting.Keys) == 0 {
		return ErrNoKey
	}
	_, err := jwt.ParseWithClaims(a.raw, &jwt.RegisteredClaims{},
		func(*jwt.Token) (any, error) { return fitting, nil },
		jwt.WithStrictDecoding(),
		jwt.WithValidMethods([]string{a.alg}),
		jwt.WithoutClaimsValidation(), // that is Check
	)
	switch {
	case err == nil:
		return nil
	case a.kid == "":
		return ErrNoKey
	}
	return ErrSignature
}
