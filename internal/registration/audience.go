// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

const (
	maxAudience = 256
	// MaxAudiences is how many audiences a client may have beside its own.
	MaxAudiences = 16
)

// The CEL rule of the API's type says the same, and a test holds both together.
var audienceForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:[!$-;=?-Z_a-z~]+$`)

// ValidateAudience says why raw cannot be a resource of RFC 8707 section 2: an absolute
// URI without a fragment.
func ValidateAudience(raw string) error {
	switch {
	case raw == "" || len(raw) > maxAudience:
		return errors.New("is empty or too long")
	case !audienceForm.MatchString(raw):
		return errors.New("is not an absolute URI without a fragment (RFC 8707 section 2)")
	}
	return nil
}

// MatchesAudience reports whether audience is the one that pattern names. A pattern that
// ends in * names all audiences that begin with what stands before that, and have more.
func MatchesAudience(pattern, audience string) bool {
	beginning, wildcard := strings.CutSuffix(pattern, "*")
	if wildcard {
		return strings.HasPrefix(audience, beginning) && len(audience) > len(beginning)
	}
	return audience == pattern
}

func (c Client) validateAudiences() error {
	var errs []error
	if len(c.Audiences) > MaxAudiences {
		errs = append(errs, fmt.Errorf("audiences: more than %d", MaxAudiences))
	}
	for i, a := range c.Audiences {
		if err := ValidateAudience(a); err != nil {
			errs = append(errs, fmt.Errorf("audiences[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}
