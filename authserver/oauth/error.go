// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package oauth holds the words and the pure rules of the RFCs: error codes,
// scopes, PKCE, prompt. It does no I/O, keeps no state and imports nothing of
// ours.
package oauth

import (
	"fmt"
	"net/http"
)

// Code is an error code that a client may be told.
type Code string

// Error codes, by the document that defines them.
const (
	// RFC 6749 sections 4.1.2.1 and 5.2.
	InvalidRequest          Code = "invalid_request"
	InvalidClient           Code = "invalid_client"
	InvalidGrant            Code = "invalid_grant"
	UnauthorizedClient      Code = "unauthorized_client"
	UnsupportedGrantType    Code = "unsupported_grant_type"
	UnsupportedResponseType Code = "unsupported_response_type"
	InvalidScope            Code = "invalid_scope"
	AccessDenied            Code = "access_denied"
	ServerError             Code = "server_error"
	TemporarilyUnavailable  Code = "temporarily_unavailable"

	// RFC 6750 section 3.1.
	InvalidToken      Code = "invalid_token"
	InsufficientScope Code = "insufficient_scope"

	// OpenID Connect Core 1.0 section 3.1.2.6.
	LoginRequired            Code = "login_required"
	ConsentRequired          Code = "consent_required"
	RequestNotSupported      Code = "request_not_supported"
	RequestURINotSupported   Code = "request_uri_not_supported"
	RegistrationNotSupported Code = "registration_not_supported"

	// RFC 8707 section 2.
	InvalidTarget Code = "invalid_target"

	// OpenID Connect Core Error Code unmet_authentication_requirements 1.0 section 2.
	UnmetAuthenticationRequirements Code = "unmet_authentication_requirements"
)

// Status is the HTTP status of a JSON error response.
func (c Code) Status() int {
	switch c {
	case InvalidClient, InvalidToken:
		return http.StatusUnauthorized
	case InsufficientScope:
		return http.StatusForbidden
	case ServerError:
		return http.StatusInternalServerError
	case TemporarilyUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadRequest
	}
}

// Error is what a client may be told. The cause is for our log and never leaves.
type Error struct {
	Code Code
	// Description is fixed text in the characters of RFC 6749 section 5.2; it never
	// comes from err.Error() or from a parameter's value.
	Description string
	cause       error
}

// Errorf makes an Error. The arguments are names of parameters or fixed words,
// never values that came with a request.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Description: fmt.Sprintf(format, args...)}
}

// Because returns a copy of e with a cause for the log.
func (e *Error) Because(cause error) *Error {
	return &Error{Code: e.Code, Description: e.Description, cause: cause}
}

// Error is for the log: it includes the cause.
func (e *Error) Error() string {
	if e.cause == nil {
		return string(e.Code) + ": " + e.Description
	}
	return string(e.Code) + ": " + e.Description + ": " + e.cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }
