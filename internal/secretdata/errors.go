// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package secretdata

import (
	"errors"
	"fmt"
)

// ErrTooLarge says that the data is larger than MaxData.
var ErrTooLarge = errors.New("the Secret would hold more than 256 KiB")

// TemplateError says why a template cannot be rendered, in words for the person
// who wrote it. It never contains the client secret.
type TemplateError struct {
	// Key is the template's key.
	Key string
	// Line is counted from 1. It is 0 if no single line is to blame.
	Line int
	// Reason is part of a sentence.
	Reason string
}

// Error names the key and the line.
func (e *TemplateError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("template %s: %s", e.Key, e.Reason)
	}
	return fmt.Sprintf("template %s, line %d: %s", e.Key, e.Line, e.Reason)
}

// KeyError says that two values would be written to one key.
type KeyError struct {
	// Key is the key that is meant twice.
	Key string
	// BuiltIn is the built-in key that is to be called so.
	BuiltIn string
	// Other is the other built-in key, or empty if it is a template's key.
	Other string
}

// Error names both.
func (e *KeyError) Error() string {
	if e.Other == "" {
		return fmt.Sprintf("the built-in key %s and a template are both to be written to %s", e.BuiltIn, e.Key)
	}
	return fmt.Sprintf("the built-in keys %s and %s are both to be written to %s", e.BuiltIn, e.Other, e.Key)
}
