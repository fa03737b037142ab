// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
)

// memoryLimit is how many comparisons of each outcome a Memory keeps in one of its
// two generations: a few megabytes, and more clients with a secret of their own than
// there will be.
const memoryLimit = 1 << 15

// Mark tells texts of one process apart without telling them: it is an HMAC under a
// key that nobody knows and that ends with the process.
type Mark [sha256.Size]byte

// Memory remembers which texts have matched which hashes, and which have not, so
// that each is compared slowly only once in a process. It keeps Marks only. However
// many it is asked about, it grows to its limit and forgets the oldest; those that
// did not match never displace those that did. The zero value is ready, and all
// methods may be called at the same time.
type Memory struct {
	// Slow compares a text with a hash; nil means Secret.MatchesHash.
	Slow func(text Secret, hash string) bool

	once            sync.Once
	key             [sha256.Size]byte
	mu              sync.Mutex
	matched, missed generations
}

// Mark is the text's mark in this Memory.
func (m *Memory) Mark(text Secret) Mark { return m.mark(text, "") }

func (m *Memory) mark(text Secret, hash string) (mark Mark) {
	m.once.Do(func() { _, _ = rand.Read(m.key[:]) }) // never fails: crypto/rand ends the process first
	h := hmac.New(sha256.New, m.key[:])
	h.Write([]byte(hash))
	h.Write([]byte{0}) // a hash in PHC form has none, so that no two pairs run into one
	h.Write([]byte(text.Reveal()))
	h.Sum(mark[:0])
	return mark
}

// Recall reports whether text matches hash, if that is known. It is fast.
func (m *Memory) Recall(text Secret, hash string) (matches, known bool) {
	mark := m.mark(text, hash)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.matched.has(mark) {
		return true, true
	}
	return false, m.missed.has(mark)
}

// Remember notes that text matches hash, for who has just made hash of text.
func (m *Memory) Remember(text Secret, hash string) { m.note(m.mark(text, hash), true) }

func (m *Memory) note(mark Mark, matches bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if matches {
		m.matched.add(mark)
		return
	}
	m.missed.add(mark)
}

// Matches reports whether text matches hash. It is slow the first time.
func (m *Memory) Matches(text Secret, hash string) bool {
	if matches, known := m.Recall(text, hash); known {
		return matches
	}
	slow := m.Slow
	if slow == nil {
		slow = Secret.MatchesHash
	}
	matches := slow(text, hash)
	m.note(m.mark(text, hash), matches)
	return matches
}

// generations hold what was added or asked for last: at most twice memoryLimit, at
// least memoryLimit once there was so much.
type generations struct{ young, old map[Mark]struct{} }

func (g *generations) has(mark Mark) bool {
	if _, ok := g.young[mark]; ok {
		return true
	}
	if _, ok := g.old[mark]; !ok {
		return false
	}
	g.add(mark)
	return true
}

func (g *generations) add(mark Mark) {
	if len(g.young) >= memoryLimit {
		g.old, g.young = g.young, nil
	}
	if g.young == nil {
		g.young = map[Mark]struct{}{}
	}
	g.young[mark] = struct{}{}
}
