// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"slices"
	"strings"
)

// Scopes are scope-tokens in the order in which they were asked for, without
// duplicates.
type Scopes []string

// Scope-tokens with a meaning of their own (OpenID Connect Core 1.0 sections 3.1.2.1,
// 5.4 and 11); groups is a convention of the field.
const (
	ScopeOpenID        = "openid"
	ScopeProfile       = "profile"
	ScopeEmail         = "email"
	ScopeAddress       = "address"
	ScopePhone         = "phone"
	ScopeGroups        = "groups"
	ScopeOfflineAccess = "offline_access"
)

// ParseScopes splits a scope parameter (RFC 6749 section 3.3). Several spaces
// count as one. Anybody can send any number of scopes, so the work grows no faster
// than the parameter.
func ParseScopes(s string) Scopes {
	var out Scopes
	seen := map[string]bool{}
	for f := range strings.SplitSeq(s, " ") {
		if f != "" && !seen[f] {
			seen[f] = true
			out = append(out, f)
		}
	}
	return out
}

// String is the scope parameter's form.
func (s Scopes) String() string { return strings.Join(s, " ") }

// Has reports whether name is among s.
func (s Scopes) Has(name string) bool { return slices.Contains(s, name) }

// Covers reports whether every one of other is among s.
func (s Scopes) Covers(other Scopes) bool {
	return !slices.ContainsFunc(other, func(o string) bool { return !s.Has(o) })
}

// Union is s and then those of other that s lacks.
func (s Scopes) Union(other Scopes) Scopes {
	out := slices.Clone(s)
	for _, o := range other {
		if !out.Has(o) {
			out = append(out, o)
		}
	}
	return out
}
