// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// registered are the registered claims (RFC 7519 section 4.1) as every token of ours
// has them: aud is an array, and times are whole seconds. jwt.RegisteredClaims takes
// other forms as well, at several times the cost.
type registered struct {
	Issuer    string   `json:"iss,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	ExpiresAt seconds  `json:"exp,omitempty"`
	NotBefore seconds  `json:"nbf,omitempty"`
	IssuedAt  seconds  `json:"iat,omitempty"`
	ID        string   `json:"jti,omitempty"`
}

var _ jwt.Claims = registered{}

func (k *KeySet) registered(sub string, aud []string, jti string, issued, expires time.Time) registered {
	return registered{
		Issuer: k.issuer, Subject: sub, Audience: aud, ID: jti,
		IssuedAt: secondsOf(issued), ExpiresAt: secondsOf(expires),
	}
}

// GetExpirationTime implements jwt.Claims.
func (r registered) GetExpirationTime() (*jwt.NumericDate, error) { return r.ExpiresAt.date(), nil }

// GetIssuedAt implements jwt.Claims.
func (r registered) GetIssuedAt() (*jwt.NumericDate, error) { return r.IssuedAt.date(), nil }

// GetNotBefore implements jwt.Claims.
func (r registered) GetNotBefore() (*jwt.NumericDate, error) { return r.NotBefore.date(), nil }

// GetIssuer implements jwt.Claims.
func (r registered) GetIssuer() (string, error) { return r.Issuer, nil }

// GetSubject implements jwt.Claims.
func (r registered) GetSubject() (string, error) { return r.Subject, nil }

// GetAudience implements jwt.Claims.
func (r registered) GetAudience() (jwt.ClaimStrings, error) { return r.Audience, nil }

// seconds are a NumericDate (RFC 7519 section 2); 0 is none.
type seconds int64

func secondsOf(t time.Time) seconds { return seconds(t.Unix()) }

func (s seconds) time() time.Time { return time.Unix(int64(s), 0) }

func (s seconds) date() *jwt.NumericDate {
	if s == 0 {
		return nil
	}
	return jwt.NewNumericDate(s.time())
}
