// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package seal turns values that must come back unchanged (codes, refresh tokens,
// cookies, the state of a flow or of a logout) into opaque text and back. Each kind and each
// issuer has its own derived key, so that one can never be taken for another. It
// neither stores nor interprets what it seals: expiry is the caller's to check.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

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

// ErrInvalid means that a text was not sealed here, for this kind and issuer,
// under a key that is still kept. It does not say which.
var ErrInvalid = errors.New("sealed value is not valid")

// ErrTooLarge means that a value is too large to be sealed.
var ErrTooLarge = errors.New("value is too large to be sealed")

// MaxSize bounds, in bytes, the text that Seal returns and Open looks at.
const MaxSize = 16 << 10

const (
	version  = 1
	saltSize = 24
	// header is the version byte, the key's id and the salt.
	header = 1 + keyIDSize + saltSize

	keyIDSize = 12
	tagSize   = 16
)

// Box seals and opens for one issuer. It is immutable.
type Box struct {
	issuer string
	set    keys.Set
	byID   map[string][]byte
	random io.Reader
}

// NewBox returns a Box over the sealing keys of set. random is for salts; nil
// means crypto/rand.
func NewBox(issuer string, set keys.Set, random io.Reader) (*Box, error) {
	if random == nil {
		random = rand.Reader
	}
	b := &Box{issuer: issuer, set: set, byID: map[string][]byte{}, random: random}
	for _, k := range set.Of(keys.Seal) {
		if len(k.Secret) != 32 || len(k.ID) != keyIDSize {
			return nil, fmt.Errorf("%v is malformed", k)
		}
		b.byID[k.ID] = k.Secret
	}
	if len(b.byID) == 0 {
		return nil, errors.New("no sealing key")
	}
	return b, nil
}

// String keeps the keys out of every message.
func (b *Box) String() string { return "box of " + b.issuer }

// GoString keeps the keys out of %#v.
func (b *Box) GoString() string { return b.String() }

// Seal returns v, as JSON, sealed under the key that is in use at now: base64url
// text that is safe in URLs, forms and cookies. JSON carries only valid UTF-8: other
// bytes in a string do not come back.
func (b *Box) Seal(kind Kind, v any, now time.Time) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", kind, err)
	}
	key, ok := b.set.Active(keys.Seal, now)
	if !ok {
		return "", errors.New("no sealing key")
	}
	if base64.RawURLEncoding.EncodedLen(header+len(plain)+tagSize) > MaxSize {
		return "", ErrTooLarge
	}
	out := make([]byte, header, header+len(plain)+tagSize)
	out[0] = version
	copy(out[1:], key.ID)
	if _, err := io.ReadFull(b.random, out[1+keyIDSize:]); err != nil {
		return "", fmt.Errorf("seal %s: %w", kind, err)
	}
	aead, nonce, err := b.cipher(kind, key.Secret, out[1+keyIDSize:header])
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(out, nonce, plain, out[:header])), nil
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
	secret, ok := b.byID[string(raw[1:1+keyIDSize])]
	if !ok {
		return ErrInvalid
	}
	aead, nonce, err := b.cipher(kind, secret, raw[1+keyIDSize:header])
	if err != nil {
		return err
	}
	plain, err := aead.Open(nil, nonce, raw[header:], raw[:header])
	if err != nil {
		return ErrInvalid
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return ErrInvalid
	}
	return nil
}

// cipher derives a key and a nonce for one message. With a key per message no
// count of messages can make a nonce repeat under one key (NIST SP 800-38D
// section 8.3 would allow 2^32 under a key that all messages share).
func (b *Box) cipher(kind Kind, secret, salt []byte) (cipher.AEAD, []byte, error) {
	info := "clientele seal v1\x00" + string(kind) + "\x00" + b.issuer
	okm, err := hkdf.Key(sha256.New, secret, salt, info, 32+12)
	if err != nil {
		return nil, nil, fmt.Errorf("derive %s key: %w", kind, err)
	}
	block, err := aes.NewCipher(okm[:32])
	if err != nil {
		return nil, nil, fmt.Errorf("derive %s key: %w", kind, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, fmt.Errorf("derive %s key: %w", kind, err)
	}
	return aead, okm[32:], nil
}
