// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/clientele-dev/clientele/authserver/keys"
)

// Person is what the granted scopes release of somebody (OpenID Connect Core 1.0
// section 5.4; groups is a convention of the field). Empty fields are left out.
type Person struct {
	Name              string   `json:"name,omitempty"`
	PreferredUsername string   `json:"preferred_username,omitempty"`
	Email             string   `json:"email,omitempty"`
	EmailVerified     *bool    `json:"email_verified,omitempty"`
	Groups            []string `json:"groups,omitempty"`
}

// Access is what an access token says (RFC 9068 section 2.2). The issuer is the
// KeySet's own.
type Access struct {
	Subject  string
	Audience []string
	ClientID string
	Scope    string
	// ID is the jti.
	ID       string
	IssuedAt time.Time
	Expires  time.Time
	AuthTime time.Time
	Person   Person
}

// ID is what an ID token says (OpenID Connect Core 1.0 section 2).
type ID struct {
	Subject  string
	ClientID string
	Nonce    string
	IssuedAt time.Time
	Expires  time.Time
	AuthTime time.Time
	// Class is the acr and Methods are the amr; they may be empty.
	Class   string
	Methods []string
	// SessionID is the sid (OpenID Connect Back-Channel Logout 1.0 section 2.1); it may
	// be empty.
	SessionID string
	// AccessToken is the one issued beside it, for at_hash; it may be empty.
	AccessToken string
	Person      Person
	// More are further claims, whose names none of the others has.
	More map[string]json.RawMessage
}

type accessClaims struct {
	registered

	ClientID string  `json:"client_id"`
	Scope    string  `json:"scope"`
	AuthTime seconds `json:"auth_time,omitempty"`
	Person
}

type idClaims struct {
	registered

	Nonce    string   `json:"nonce,omitempty"`
	AuthTime seconds  `json:"auth_time"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	AtHash   string   `json:"at_hash,omitempty"`
	SID      string   `json:"sid,omitempty"`
	Person
}

// fullClaims are idClaims and what those have no fields for.
type fullClaims struct {
	idClaims

	more map[string]json.RawMessage
}

// MarshalJSON makes one object of both.
func (c fullClaims) MarshalJSON() ([]byte, error) {
	body, err := json.Marshal(c.idClaims)
	if err != nil {
		return nil, err
	}
	more, err := json.Marshal(c.more)
	if err != nil {
		return nil, err
	}
	return append(append(body[:len(body)-1], ','), more[1:]...), nil
}

// SignAccess returns a as a JWT signed with alg.
func (k *KeySet) SignAccess(alg string, a Access) (string, error) {
	return k.sign(alg, typAccess, accessClaims{
		registered: k.registered(a.Subject, a.Audience, a.ID, a.IssuedAt, a.Expires),
		ClientID:   a.ClientID,
		Scope:      a.Scope,
		AuthTime:   secondsOf(a.AuthTime),
		Person:     a.Person,
	}, a.IssuedAt)
}

// SignID returns i as a JWT signed with alg.
func (k *KeySet) SignID(alg string, i ID) (string, error) {
	claims := idClaims{
		registered: k.registered(i.Subject, []string{i.ClientID}, "", i.IssuedAt, i.Expires),
		Nonce:      i.Nonce,
		AuthTime:   secondsOf(i.AuthTime),
		ACR:        i.Class,
		AMR:        i.Methods,
		SID:        i.SessionID,
		Person:     i.Person,
	}
	if i.AccessToken != "" {
		claims.AtHash = atHash(alg, i.AccessToken)
	}
	if len(i.More) > 0 {
		return k.sign(alg, typID, fullClaims{claims, i.More}, i.IssuedAt)
	}
	return k.sign(alg, typID, claims, i.IssuedAt)
}

// atHash is the left half of an access token's hash (OpenID Connect Core 1.0 section
// 3.1.3.6), by the hash that the ID token's signature uses: for Ed25519 that is SHA-512
// (RFC 8032 section 5.1).
func atHash(alg, accessToken string) string {
	if alg == keys.EdDSA {
		sum := sha512.Sum512([]byte(accessToken))
		return base64url(sum[:sha512.Size/2])
	}
	sum := sha256.Sum256([]byte(accessToken))
	return base64url(sum[:sha256.Size/2])
}

// VerifyAccess returns what an access token says, if it is one of this issuer and
// valid at now, and ErrInvalid otherwise. An ID token is not one.
func (k *KeySet) VerifyAccess(raw string, now time.Time) (Access, error) {
	if strings.ContainsAny(raw, "\r\n") {
		return Access{}, ErrInvalid // the decoder would skip them
	}
	var c accessClaims
	t, err := jwt.ParseWithClaims(raw, &c, k.key,
		jwt.WithStrictDecoding(),
		jwt.WithValidMethods(keys.Algs()),
		jwt.WithIssuer(k.issuer),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(leeway),
		jwt.WithTimeFunc(func() time.Time { return now }),
	)
	if err != nil {
		return Access{}, invalid(err)
	}
	// RFC 9068 section 4: anything else with a valid signature is another kind of token.
	if t.Header["typ"] != typAccess || c.AuthTime == 0 || c.IssuedAt == 0 {
		return Access{}, fmt.Errorf("%w: typ is not %s", ErrInvalid, typAccess)
	}
	return Access{
		Subject: c.Subject, Audience: c.Audience, ClientID: c.ClientID, Scope: c.Scope, ID: c.ID,
		IssuedAt: c.IssuedAt.time(), Expires: c.ExpiresAt.time(), AuthTime: c.AuthTime.time(), Person: c.Person,
	}, nil
}

// Hint is whose login an ID token tells of, and which client it was issued to.
type Hint struct{ Subject, ClientID string }

// VerifyHint returns what an id_token_hint says, if it is an ID token of this issuer,
// and ErrInvalid otherwise. It may have expired long ago, as long as the key that
// signed it is kept (OpenID Connect RP-Initiated Logout 1.0 section 2). An access token
// is not one.
func (k *KeySet) VerifyHint(raw string) (Hint, error) {
	if strings.ContainsAny(raw, "\r\n") {
		return Hint{}, ErrInvalid // the decoder would skip them
	}
	var c registered
	t, err := jwt.ParseWithClaims(raw, &c, k.key,
		jwt.WithStrictDecoding(),
		jwt.WithValidMethods(keys.Algs()),
		jwt.WithoutClaimsValidation(),
	)
	if err != nil {
		return Hint{}, invalid(err)
	}
	if t.Header["typ"] != typID || c.Issuer != k.issuer || c.Subject == "" || len(c.Audience) != 1 {
		return Hint{}, fmt.Errorf("%w: it is no ID token of this issuer", ErrInvalid)
	}
	return Hint{Subject: c.Subject, ClientID: c.Audience[0]}, nil
}

// invalid says for our log why a token was refused, in fixed words: golang-jwt's
// errors may repeat what stands in the token.
func invalid(err error) error {
	for _, known := range []error{
		jwt.ErrTokenExpired, jwt.ErrTokenNotValidYet, jwt.ErrTokenUsedBeforeIssued, jwt.ErrTokenInvalidIssuer,
		jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenMalformed, jwt.ErrTokenUnverifiable, jwt.ErrTokenSignatureInvalid,
	} {
		if errors.Is(err, known) {
			return fmt.Errorf("%w: %w", ErrInvalid, known)
		}
	}
	return ErrInvalid
}
