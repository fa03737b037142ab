// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/bench/codeflow"
)

// flowGoal is how many times the CPU of what it needs a code flow may take.
const flowGoal = 1.5

// operation is something that is asked of the server, and what it needs.
type operation struct {
	name   string
	server *codeflow.Server
	do     func(worker int) error
	// bare are exchanges of the same sizes, with what needs say.
	bare  func() error
	needs codeflow.Needs
	// goal is what the ratio may be, or 0.
	goal   float64
	rounds []round
}

// operations are for a server that signs ID tokens with alg. For the second server
// only those are measured again that sign them.
func operations(server *codeflow.Server, alg string, workers int) ([]*operation, error) {
	app, err := codeflow.NewApp(server, alg, "openid", "profile", "email", "groups")
	if err != nil {
		return nil, err
	}
	offline, err := codeflow.NewApp(server, alg, "openid", "profile", "email", "groups", "offline_access")
	if err != nil {
		return nil, err
	}
	tokens := make([]codeflow.Tokens, workers)
	for i := range tokens {
		if tokens[i], err = offline.Flow(); err != nil {
			return nil, err
		}
	}
	all := []*operation{
		{
			name: "code flow", goal: flowGoal,
			do: func(int) error { _, err := app.Flow(); return err },
			// Of the client's secret, the PKCE verifier, and the access token.
			needs: codeflow.Needs{Signs: []string{keys.ES256, alg}, Hashes: 3},
		},
		{
			name: "refresh",
			do: func(worker int) (err error) {
				tokens[worker].RefreshToken, err = offline.Refresh(tokens[worker].RefreshToken)
				return err
			},
			needs: codeflow.Needs{Signs: []string{keys.ES256, alg}, Hashes: 2},
		},
	}
	if alg == keys.ES256 {
		all = append(all, checks(server, offline, tokens)...)
	}
	for _, op := range all {
		op.server = server
		exchanges, err := server.Record(func() error { return op.do(0) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op.name, err)
		}
		if op.bare, err = server.Bare(exchanges, op.needs); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// checks are what nothing is signed for.
func checks(server *codeflow.Server, app *codeflow.App, tokens []codeflow.Tokens) []*operation {
	get := func(path string) func(int) error {
		return func(int) error { _, err := server.Fetch(server.Issuer + path); return err }
	}
	return []*operation{
		{
			name:  "introspection",
			do:    func(worker int) error { return app.Introspect(tokens[worker].AccessToken) },
			needs: codeflow.Needs{Verifies: []string{keys.ES256}, Hashes: 1},
		},
		{
			name:  "userinfo",
			do:    func(worker int) error { return app.Userinfo(tokens[worker].AccessToken) },
			needs: codeflow.Needs{Verifies: []string{keys.ES256}},
		},
		{name: "keys (JWKS)", do: get(registration.PathJWKS)},
		{name: "discovery", do: get("/.well-known/openid-configuration")},
	}
}
