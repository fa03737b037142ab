// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package userfile

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// Bounds of what one argon2id login may cost. The memory is what RFC 9106 section 4
// recommends where there is little of it: a server verifies one login per CPU at a
// time, so that a login form cannot be used to exhaust it.
const (
	MaxArgon2Memory  = 64 << 10 // KiB
	MaxArgon2Passes  = 10
	MaxArgon2Threads = 16
)

// Argon2id is a password hash by RFC 9106 that is within the bounds.
type Argon2id struct {
	// Memory is in KiB.
	Memory, Passes uint32
	Threads        uint8
	Salt, Key      []byte
}

var argon2id = regexp.MustCompile(`^\$argon2id\$v=19\$m=([0-9]{1,7}),t=([0-9]{1,2}),p=([0-9]{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$`)

// ParseArgon2id reads the PHC form. Its errors never contain salt or key.
func ParseArgon2id(phc string) (Argon2id, error) {
	m := argon2id.FindStringSubmatch(phc)
	if m == nil {
		return Argon2id{}, errors.New("passwordHash is not argon2id in PHC form: $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	}
	var cost [3]int
	for i := range cost {
		cost[i], _ = strconv.Atoi(m[1+i]) // the expression lets only digits through
	}
	salt, errSalt := base64.RawStdEncoding.Strict().DecodeString(m[4])
	hash, errHash := base64.RawStdEncoding.Strict().DecodeString(m[5])
	memory, passes, threads := cost[0], cost[1], cost[2]
	switch {
	case errSalt != nil || errHash != nil:
		return Argon2id{}, errors.New("passwordHash is not argon2id in PHC form: salt or hash is not base64")
	case passes < 1 || threads < 1 || memory < 8*threads: // RFC 9106 section 3.1
		return Argon2id{}, errors.New("passwordHash has argon2id parameters that RFC 9106 does not allow: t and p are at least 1, and m at least 8 times p")
	case memory > MaxArgon2Memory || passes > MaxArgon2Passes || threads > MaxArgon2Threads:
		return Argon2id{}, fmt.Errorf("passwordHash has argon2id parameters m=%d,t=%d,p=%d; at most m=%d,t=%d,p=%d is accepted",
			memory, passes, threads, MaxArgon2Memory, MaxArgon2Passes, MaxArgon2Threads)
	}
	//nolint:gosec // all three are in bounds by now
	return Argon2id{Memory: uint32(memory), Passes: uint32(passes), Threads: uint8(threads), Salt: salt, Key: hash}, nil
}
