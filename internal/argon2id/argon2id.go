// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package argon2id makes, reads and verifies argon2id hashes (RFC 9106) in PHC form,
// of people's passwords and of client secrets that people chose. It takes none whose
// verification would cost more than its bounds, and never prints salt or key.
package argon2id

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"golang.org/x/crypto/argon2"
)

// Bounds of what one verification may cost. The memory is what RFC 9106 section 4
// recommends where there is little of it: a server verifies one at a time per CPU, so
// that whoever may have something verified cannot exhaust it.
const (
	MaxMemory  = 64 << 10 // KiB
	MaxPasses  = 10
	MaxThreads = 16
)

// Hash is an argon2id hash that is within the bounds.
type Hash struct {
	// Memory is in KiB.
	Memory, Passes uint32
	Threads        uint8
	Salt, Key      []byte
}

var form = regexp.MustCompile(`^\$argon2id\$v=19\$m=([0-9]{1,7}),t=([0-9]{1,2}),p=([0-9]{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$`)

// Parse reads the PHC form. Its errors never contain salt or key, and read on from
// the name of what was parsed.
func Parse(phc string) (Hash, error) {
	m := form.FindStringSubmatch(phc)
	if m == nil {
		return Hash{}, errors.New("is not argon2id in PHC form: $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	}
	var cost [3]int
	for i := range cost {
		cost[i], _ = strconv.Atoi(m[1+i]) // the expression lets only digits through
	}
	salt, errSalt := base64.RawStdEncoding.Strict().DecodeString(m[4])
	key, errKey := base64.RawStdEncoding.Strict().DecodeString(m[5])
	memory, passes, threads := cost[0], cost[1], cost[2]
	switch {
	case errSalt != nil || errKey != nil:
		return Hash{}, errors.New("is not argon2id in PHC form: salt or hash is not base64")
	case passes < 1 || threads < 1 || memory < 8*threads: // RFC 9106 section 3.1
		return Hash{}, errors.New("has argon2id parameters that RFC 9106 does not allow: t and p are at least 1, and m at least 8 times p")
	case memory > MaxMemory || passes > MaxPasses || threads > MaxThreads:
		return Hash{}, fmt.Errorf("has argon2id parameters m=%d,t=%d,p=%d; at most m=%d,t=%d,p=%d is accepted",
			memory, passes, threads, MaxMemory, MaxPasses, MaxThreads)
	}
	//nolint:gosec // all three are in bounds by now
	return Hash{Memory: uint32(memory), Passes: uint32(passes), Threads: uint8(threads), Salt: salt, Key: key}, nil
}

// The cost of what New makes: OWASP's recommendation for argon2id with the least
// memory, some 20 ms on one CPU.
const (
	memory   = 19 << 10 // KiB
	passes   = 2
	threads  = 1
	saltSize = 16
	keySize  = 32
)

// New hashes password with a salt read from random.
func New(password []byte, random io.Reader) (Hash, error) {
	h := Hash{Memory: memory, Passes: passes, Threads: threads, Salt: make([]byte, saltSize), Key: make([]byte, keySize)}
	if _, err := io.ReadFull(random, h.Salt); err != nil {
		return Hash{}, fmt.Errorf("make a salt: %w", err)
	}
	h.Key = h.derive(password)
	return h, nil
}

// PHC is the form that Parse reads.
func (h Hash) PHC() string {
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", h.Memory, h.Passes, h.Threads, encode(h.Salt), encode(h.Key))
}

// Matches reports whether password is the hash's. It is slow, on purpose.
func (h Hash) Matches(password []byte) bool {
	return subtle.ConstantTimeCompare(h.derive(password), h.Key) == 1
}

func (h Hash) derive(password []byte) []byte {
	size := uint32(len(h.Key)) //nolint:gosec // Parse takes 64 bytes at the most
	return argon2.IDKey(password, h.Salt, h.Passes, h.Memory, h.Threads, size)
}
