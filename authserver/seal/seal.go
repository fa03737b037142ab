// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package seal turns values that must come back unchanged (codes, refresh tokens,
// cookies, the state of a flow or of a logout) into opaque text and back. Each kind and each
// issuer has its own derived key, so that one can never be taken for another. It
// neither stores nor interprets what it seals: expiry is the caller's to check.
package seal

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/clientele-dev/clientele/authserver/keys"
)

// Kind is what a sealed value is for.
type Kind string

// The kinds.
const (
	Code         Kind = "code"
	RefreshToken Kind = "refresh_token"
	Session      Kind = "session"
	Flow         Kind = "flow"
	Logout       Kind = "logout"
)

// kinds are all of them: a Box has a key for each.
var kinds = []Kind{Code, RefreshToken, Session, Flow, Logout}

// ErrInvalid means that a text was not sealed here, for this kind and issuer,
// under a key that is still kept. It does not say which.
var ErrInvalid = errors.New("sealed value is not valid")

// ErrTooLarge means that a value is too large to be sealed.
var ErrTooLarge = errors.New("value is too large to be sealed")

// MaxSize bounds, in bytes, the text that Seal returns and Open looks at.
const MaxSize = 16 << 10

const (
	// version 1 derived its keys otherwise; nothing of it opens any more.
	version = 2
	// named is the version byte, the key's id and the salt. The nonce follows.
	named  = salted + saltSize
	salted = 1 + keyIDSize
	header = named + nonceSize

	keyIDSize = 12
	nonceSize = 12
	tagSize   = 16
)

// Box seals and opens for one issuer. It may be used concurrently.
type Box struct {
	issuer string
	// keys are in the order of keys.Set.Of.
	keys []keys.Key
	// subkeys are by the key's id.
	subkeys map[string]map[Kind]*subkeys
	random  io.Reader
}

// NewBox returns a Box over the sealing keys of set. random is for salts and nonces;
// nil means crypto/rand.
func NewBox(issuer string, set keys.Set, random io.Reader) (*Box, error) {
	if random == nil {
		random = rand.Reader
	}
	if err := errors.Join(encodingErr, decodingErr); err != nil {
		return nil, err
	}
	b := &Box{issuer: issuer, keys: set.Of(keys.Seal), subkeys: map[string]map[Kind]*subkeys{}, random: random}
	for _, k := range b.keys {
		if len(k.Secret) != 32 || len(k.ID) != keyIDSize {
			return nil, fmt.Errorf("%v is malformed", k)
		}
		b.subkeys[k.ID] = map[Kind]*subkeys{}
		for _, kind := range kinds {
			b.subkeys[k.ID][kind] = newSubkeys(k.Secret, kind, issuer, random)
		}
	}
	if len(b.keys) == 0 {
		return nil, errors.New("no sealing key")
	}
	return b, nil
}

// String keeps the keys out of every message.
func (b *Box) String() string { return "box of " + b.issuer }

// GoString keeps the keys out of %#v.
func (b *Box) GoString() string { return b.String() }

// Values are sealed as CBOR (RFC 8949), by the names in their json tags: a quarter of
// what JSON costs to read, and it carries every string as it is. Times keep their zone.
var (
	encoding, encodingErr = cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.EncMode()
	decoding, decodingErr = cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode()
)

// Seal returns v, as CBOR, sealed under the key that is in use at now: base64url
// text that is safe in URLs, forms and cookies.
func (b *Box) Seal(kind Kind, v any, now time.Time) (string, error) {
	plain, err := encoding.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", kind, err)
	}
	key, _ := keys.InUse(b.keys, now) // there is one
	under, ok := b.subkeys[key.ID][kind]
	if !ok {
		return "", fmt.Errorf("seal %s: there is no such kind", kind)
	}
	if base64.RawURLEncoding.EncodedLen(header+len(plain)+tagSize) > MaxSize {
		return "", ErrTooLarge
	}
	salt, aead, err := under.next()
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", kind, err)
	}
	out := make([]byte, header, header+len(plain)+tagSize)
	out[0] = version
	copy(out[1:], key.ID)
	copy(out[salted:], salt[:])
	if _, err := io.ReadFull(b.random, out[named:]); err != nil {
		return "", fmt.Errorf("seal %s: %w", kind, err)
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(out, out[named:], plain, out[:named])), nil
}

// Open undoes Seal into v. Any text that Seal did not return for this kind and
// issuer gives ErrInvalid.
func (b *Box) Open(kind Kind, sealed string, v any) error {
	// The decoder would skip line breaks, and one value have many spellings.
	if len(sealed) > MaxSize || strings.ContainsAny(sealed, "\r\n") {
		return ErrInvalid
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(raw) < header || raw[0] != version {
		return ErrInvalid
	}
	under, ok := b.subkeys[string(raw[1:salted])][kind]
	if !ok {
		return ErrInvalid
	}
	plain, err := under.open(salt(raw[salted:named]), raw[named:header], raw[header:], raw[:named])
	if err != nil {
		return err
	}
	if err := decoding.Unmarshal(plain, v); err != nil {
		return ErrInvalid
	}
	return nil
}
