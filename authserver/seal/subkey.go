// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
)

const (
	subkeySize = 32
	saltSize   = 16
	// most is how many messages may be sealed with AES-256-GCM under one key with random
	// nonces (NIST SP 800-38D section 8.3).
	most = 1 << 32
	// remembered is how many salts of others are: those of every replica, and of some that
	// were stopped.
	remembered = 64
)

// salt stands in a message and says under which subkey it is sealed.
type salt [saltSize]byte

// subkeys are the keys of one kind and issuer under one sealing key. Nobody can count
// what all replicas have sealed, so each of them seals under subkeys of its own, which it
// derives with random salts, and counts what it seals under one. It may be used
// concurrently.
type subkeys struct {
	secret []byte
	info   string
	random io.Reader
	// most is the constant, but for tests.
	most uint64

	mu     sync.RWMutex
	own    salt
	sealer cipher.AEAD // nil before the first message
	sealed uint64
	// known are others' subkeys that something was opened with: a stranger's salt that
	// opens nothing is not remembered.
	known map[salt]cipher.AEAD
}

func newSubkeys(secret []byte, kind Kind, issuer string, random io.Reader) *subkeys {
	return &subkeys{
		secret: secret, info: "clientele seal v2\x00" + string(kind) + "\x00" + issuer, random: random, most: most,
		known: map[salt]cipher.AEAD{},
	}
}

// next is the subkey for one more message.
func (s *subkeys) next() (salt, cipher.AEAD, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealer == nil || s.sealed >= s.most {
		var fresh salt
		if _, err := io.ReadFull(s.random, fresh[:]); err != nil {
			return salt{}, nil, err
		}
		aead, err := s.derive(fresh)
		if err != nil {
			return salt{}, nil, err
		}
		if s.sealer != nil {
			s.remember(s.own, s.sealer)
		}
		s.own, s.sealer, s.sealed = fresh, aead, 0
	}
	s.sealed++
	return s.own, s.sealer, nil
}

// open opens what was sealed under the subkey of a salt.
func (s *subkeys) open(of salt, nonce, sealed, named []byte) ([]byte, error) {
	aead, known := s.find(of)
	if !known {
		var err error
		if aead, err = s.derive(of); err != nil {
			return nil, err
		}
	}
	plain, err := aead.Open(nil, nonce, sealed, named)
	if err != nil {
		return nil, ErrInvalid
	}
	if !known {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.remember(of, aead)
	}
	return plain, nil
}

func (s *subkeys) find(of salt) (cipher.AEAD, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.sealer != nil && of == s.own {
		return s.sealer, true
	}
	aead, ok := s.known[of]
	return aead, ok
}

// remember is for a caller that holds the lock. When there are too many, any one goes: it
// can be derived again.
func (s *subkeys) remember(of salt, aead cipher.AEAD) {
	if len(s.known) >= remembered {
		for one := range s.known {
			delete(s.known, one)
			break
		}
	}
	s.known[of] = aead
}

func (s *subkeys) derive(of salt) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, s.secret, of[:], s.info, subkeySize)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return cipher.NewGCM(block)
}
