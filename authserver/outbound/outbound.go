// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package outbound makes the one HTTP client by which the authserver asks hosts that
// app teams have named: for a client's keys, and to tell it that a person has signed
// out. Whoever may write an OAuthClient can thus make the server send requests, and
// must not reach by them what only the server reaches: its own ports, the node, the
// cloud's metadata, the cluster and the networks behind it.
//
// So an address is looked at when the connection is made, after the name was
// resolved: a name that resolves to one address for a check and to another for the
// connection (DNS rebinding) gains nothing. Only what the whole internet can reach is
// dialed, and what the operator has allowed. No redirect is followed, no proxy of
// the environment is used, and nothing takes longer than Timeout.
//
// What a request ended with is for the server's log, never for who asked.
package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

const (
	// Timeout bounds a request, from resolving the name to the end of the response.
	Timeout = 5 * time.Second

	// maxHeader bounds the header of a response, in bytes.
	maxHeader = 32 << 10
	// maxConns and maxIdleConns bound the connections to one host: no app's host
	// can be made to bind many of ours, and none of ours can flood it.
	maxConns     = 16
	maxIdleConns = 2
	idleTimeout  = 30 * time.Second
)

// ErrTooLarge is what Read says of a response that is larger than it may be.
var ErrTooLarge = errors.New("the response is too large")

// Config says where requests may go.
type Config struct {
	// Allowed are networks that are dialed although the internet does not reach them,
	// such as a cluster's Services.
	Allowed []netip.Prefix
	// RootCAs are whom the certificates of https hosts may come from; nil means whom
	// the system trusts.
	RootCAs *x509.CertPool

	// resolver is the tests' own.
	resolver *net.Resolver
}

// New returns the client. A response that redirects is returned as it is.
func New(c Config) *http.Client {
	dialer := &net.Dialer{
		Timeout:        Timeout,
		Resolver:       c.resolver,
		ControlContext: gate{allowed: slices.Clone(c.Allowed)}.control,
	}
	return &http.Client{
		Timeout:       Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would dial what the gate refuses
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs},
			DisableCompression:     true, // a few bytes must not become many
			MaxResponseHeaderBytes: maxHeader,
			MaxConnsPerHost:        maxConns,
			MaxIdleConnsPerHost:    maxIdleConns,
			IdleConnTimeout:        idleTimeout,
		},
	}
}

// Read returns the body of a response, or ErrTooLarge if it has more bytes than most.
func Read(resp *http.Response, most int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, Cause(err)
	}
	if int64(len(body)) > most {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, most)
	}
	return body, nil
}

// Cause is an error of the client without the URL that it was about, whose path and
// query may hold what only the app and we should know.
func Cause(err error) error {
	if about, ok := errors.AsType[*url.Error](err); ok {
		return about.Err
	}
	return err
}
