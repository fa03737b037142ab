// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package users

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/clientele-dev/clientele/internal/argon2id"
	"github.com/clientele-dev/clientele/internal/userfile"
)

const (
	// maxBcryptPassword is what bcrypt looks at. It would ignore the rest, so that
	// everything that begins alike would match: a longer password is refused.
	maxBcryptPassword = 72
	// maxPassword bounds what argon2id is given, which itself has no such limit.
	maxPassword = 1024
)

// work is what it costs to verify a password: equal work takes equal time. It is
// bcrypt if bcryptCost is not zero, otherwise argon2id.
type work struct {
	bcryptCost     int
	memory, passes uint32
	threads        uint8
	salt, key      int
}

// defaultWork is that of an empty list: userfile's advice for making a hash.
var defaultWork = work{bcryptCost: bcrypt.DefaultCost}

// hash is a parsed password hash.
type hash struct {
	work
	bcrypt   []byte
	argon2id argon2id.Hash
}

func parseHash(text string) (hash, error) {
	if strings.HasPrefix(text, "$argon2id$") {
		a, err := argon2id.Parse(text)
		if err != nil {
			return hash{}, fmt.Errorf("passwordHash %w", err)
		}
		return argon2idHash(a), nil
	}
	cost, err := bcrypt.Cost([]byte(text))
	if err != nil || cost > userfile.MaxBcryptCost {
		// The package's own error may repeat parts of the hash.
		return hash{}, fmt.Errorf("passwordHash is neither argon2id nor bcrypt of a cost up to %d", userfile.MaxBcryptCost)
	}
	return hash{work: work{bcryptCost: cost}, bcrypt: []byte(text)}, nil
}

func argon2idHash(a argon2id.Hash) hash {
	return hash{argon2id: a, work: work{
		memory: a.Memory, passes: a.Passes, threads: a.Threads, salt: len(a.Salt), key: len(a.Key),
	}}
}

// dummy is a hash that costs w and that no known password has.
func (w work) dummy() hash {
	if w.bcryptCost > 0 {
		return hash{work: w, bcrypt: fmt.Appendf(nil, "$2b$%02d$%s", w.bcryptCost, strings.Repeat(".", 53))}
	}
	return argon2idHash(argon2id.Hash{
		Memory: w.memory, Passes: w.passes, Threads: w.threads,
		Salt: make([]byte, w.salt), Key: make([]byte, w.key),
	})
}

// matches reports whether password is the hash's. It does the work for one that is
// too long as well.
func (h hash) matches(password []byte) bool {
	if h.bcryptCost > 0 {
		clipped := password[:min(len(password), maxBcryptPassword)]
		same := bcrypt.CompareHashAndPassword(h.bcrypt, clipped) == nil
		return same && len(clipped) == len(password)
	}
	clipped := password[:min(len(password), maxPassword)]
	return h.argon2id.Matches(clipped) && len(clipped) == len(password)
}
