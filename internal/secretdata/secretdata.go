// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package secretdata makes the data of an app's Secret from what is known of its
// client: built-in keys, renamed as the app wants them, and Go templates. The same
// facts give the same data. Templates are written by people who are trusted with
// one client and not with the process that renders them: whatever they say, it
// neither panics nor takes more than milliseconds and some hundred kilobytes. No
// error repeats the client secret. The package knows neither Kubernetes nor HTTP.
package secretdata

import (
	"maps"
	"slices"
	"strings"
)

// What a Secret can hold at most.
const (
	// MaxTemplate is the size of one template, in bytes.
	MaxTemplate = 16 << 10
	// MaxResult is the size of what one template, or one function in it, makes.
	MaxResult = 16 << 10
	// MaxData is the size of all keys and values together. The API server takes four
	// times as much, so there is room for what others add.
	MaxData = 256 << 10
	// maxList is how many scopes, and how many redirect URIs, a client may have.
	maxList = 64
)

// Built-in keys: RFC 6749's names. Those of the endpoints come with the facts.
const (
	KeyClientID            = "client_id"
	KeyClientSecret        = "client_secret"
	KeyIssuer              = "issuer"
	KeyOpenIDConfiguration = "openid_configuration"
	KeyScope               = "scope"

	// KeyPlainSecret holds the client secret where no other key does, since it is
	// stored nowhere else. No template or renamed key begins with a dot.
	KeyPlainSecret = ".client_secret"
)

// pathConfiguration is OpenID Connect Discovery 1.0 section 4's, below an issuer.
const pathConfiguration = "/.well-known/openid-configuration"

// Secret is a client secret. Its text is asked for where it is rendered, and
// nowhere else.
type Secret interface{ Reveal() string }

// Facts are what is known of a client.
type Facts struct {
	Namespace, Name, DisplayName string
	ClientID                     string
	// Public says that the client is of the type Public.
	Public bool
	// ClientSecret is nil for a client that has none: a Public one, or one that
	// authenticates with a key of its own.
	ClientSecret Secret
	Issuer       string
	// Endpoints are the issuer's URLs by the names that RFC 8414 gives them.
	Endpoints map[string]string
	// Scopes and RedirectURIs are at most 64 each.
	Scopes, RedirectURIs []string
}

// Shape is how an app wants its Secret.
type Shape struct {
	// Keys gives built-in keys other names. One that the client does not have is
	// passed over.
	Keys map[string]string
	// Templates are by the keys that their results are written to. One under a
	// built-in key takes its place.
	Templates map[string]string
	// Replace leaves the built-in keys out.
	Replace bool
}

// Made is a Secret's data, and where the client secret is in it.
type Made struct {
	Data map[string][]byte
	// SecretKey is the key of Data that holds the client secret as it is. It is
	// empty for a client without one.
	SecretKey string
}

// Keys are the keys of the data, in order.
func (m Made) Keys() []string { return slices.Sorted(maps.Keys(m.Data)) }

// Make makes a Secret's data. It fails with a *TemplateError, a *KeyError or
// ErrTooLarge.
func Make(f Facts, s Shape) (Made, error) {
	builtIn := f.builtIn()
	names, err := name(builtIn, s)
	if err != nil {
		return Made{}, err
	}
	m := Made{Data: map[string][]byte{}}
	for key, as := range names {
		m.Data[as] = []byte(builtIn[key])
	}
	if m.SecretKey = names[KeyClientSecret]; m.SecretKey == "" && f.ClientSecret != nil {
		m.SecretKey = KeyPlainSecret
		m.Data[KeyPlainSecret] = []byte(builtIn[KeyClientSecret])
	}
	for _, key := range slices.Sorted(maps.Keys(s.Templates)) {
		if m.Data[key], err = render(key, s.Templates[key], f); err != nil {
			return Made{}, err
		}
	}
	if m.size() > MaxData {
		return Made{}, ErrTooLarge
	}
	return m, nil
}

// builtIn are the values of the built-in keys that the client has.
func (f Facts) builtIn() map[string]string {
	values := maps.Clone(f.Endpoints)
	if values == nil {
		values = map[string]string{}
	}
	values[KeyClientID] = f.ClientID
	values[KeyIssuer] = f.Issuer
	values[KeyOpenIDConfiguration] = f.Issuer + pathConfiguration
	values[KeyScope] = strings.Join(f.Scopes, " ") // RFC 6749 section 3.3
	if f.ClientSecret != nil {
		values[KeyClientSecret] = f.ClientSecret.Reveal()
	}
	return values
}

// name is which built-in keys are written, and under which name each.
func name(builtIn map[string]string, s Shape) (map[string]string, error) {
	names := map[string]string{}
	if s.Replace {
		return names, nil
	}
	taken := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(builtIn)) {
		as, renamed := s.Keys[key]
		if !renamed {
			as = key
		}
		_, template := s.Templates[as]
		switch {
		case template && as == key:
			continue
		case template:
			return nil, &KeyError{Key: as, BuiltIn: key}
		case taken[as] != "":
			return nil, &KeyError{Key: as, BuiltIn: taken[as], Other: key}
		}
		names[key], taken[as] = as, key
	}
	return names, nil
}

func (m Made) size() int {
	size := 0
	for key, value := range m.Data {
		size += len(key) + len(value)
	}
	return size
}
