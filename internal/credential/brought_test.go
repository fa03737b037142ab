// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

func TestCheckBrought(t *testing.T) {
	const good = "correct horse battery staple"
	for _, tt := range []struct {
		name, text, want string
	}{
		{"as it is", good, ""},
		{"every character there is", vschars(), ""},
		{"the shortest", strings.Repeat("x", MinBrought), ""},
		{"the longest", strings.Repeat("x", MaxBrought), ""},
		{"empty", "", "is empty"},
		{"too short", strings.Repeat("x", MinBrought-1), "shorter than 16"},
		{"too long", strings.Repeat("x", MaxBrought+1), "longer than 512"},
		{"a line break behind", good + "\n", "line break"},
		{"a tab", "correct\thorse battery", "printable ASCII"},
		{"DEL", good + "\x7f", "printable ASCII"},
		{"NUL", good + "\x00", "printable ASCII"},
		{"not ASCII", "pässwörd pässwörd", "printable ASCII"},
		{"not UTF-8", good + "\xff", "printable ASCII"},
	} {
		err := New(tt.text).CheckBrought()
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: CheckBrought = %v, want nil", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: CheckBrought = %v, want %q", tt.name, err, tt.want)
		case err != nil && tt.text != "" && strings.Contains(err.Error(), tt.text):
			t.Errorf("%s: %q repeats the text", tt.name, err)
		}
	}
}

// vschars are the VSCHARs of RFC 6749 appendix A.
func vschars() string {
	var b strings.Builder
	for c := byte(0x20); c <= 0x7e; c++ {
		b.WriteByte(c)
	}
	return b.String()
}

func FuzzCheckBrought(f *testing.F) {
	f.Add("correct horse battery staple")
	f.Add("correct horse battery staple\n")
	f.Fuzz(func(t *testing.T, text string) {
		if New(text).CheckBrought() != nil {
			return
		}
		if len(text) < MinBrought || len(text) > MaxBrought || strings.Trim(text, vschars()) != "" {
			t.Fatalf("%q is taken", text)
		}
	})
}

func TestHash(t *testing.T) {
	s := New("correct horse battery staple")
	hash, err := s.Hash(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if !s.MatchesHash(hash) || New("correct horse battery stapl").MatchesHash(hash) || New("").MatchesHash(hash) {
		t.Errorf("%s matches another text, or not its own", hash)
	}
	if s.MatchesHash("x") || s.MatchesHash("") {
		t.Error("what is no hash matches")
	}
	if again, _ := s.Hash(rand.Reader); again == hash {
		t.Error("two hashes have one salt")
	}
	if strings.Contains(hash, "correct") {
		t.Error("the hash holds the text")
	}
	broken := errors.New("no entropy")
	if _, err := s.Hash(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("Hash = %v, want %v", err, broken)
	}
	if _, err := s.Hash(bytes.NewReader(make([]byte, 15))); err == nil {
		t.Error("Hash with too little randomness succeeds")
	}
}

// counting is a Memory whose slow comparison is fast, and counted: a hash matches
// the text that it names.
func counting() (*Memory, *atomic.Int64) {
	slow := new(atomic.Int64)
	return &Memory{Slow: func(text Secret, hash string) bool {
		slow.Add(1)
		return hash == "hash of "+text.Reveal()
	}}, slow
}

func TestMemory_ComparesOnce(t *testing.T) {
	m, slow := counting()
	right, wrong := New("right"), New("wrong")
	if _, known := m.Recall(right, "hash of right"); known {
		t.Error("it knows what it never compared")
	}
	for range 3 {
		if !m.Matches(right, "hash of right") || m.Matches(wrong, "hash of right") || m.Matches(right, "hash of other") {
			t.Error("Matches differs from what compares")
		}
	}
	if slow.Load() != 3 {
		t.Errorf("%d slow comparisons, want one for each pair", slow.Load())
	}
	if matches, known := m.Recall(right, "hash of right"); !matches || !known {
		t.Error("a match is not remembered")
	}
	if matches, known := m.Recall(wrong, "hash of right"); matches || !known {
		t.Error("a miss is not remembered")
	}
	m.Remember(New("told"), "hash of told")
	if !m.Matches(New("told"), "hash of told") || slow.Load() != 3 {
		t.Error("what it was told is compared")
	}
}

// TestMemory_Bounded: whoever sends wrong secrets without end makes it neither grow
// without end nor forget a right one.
func TestMemory_Bounded(t *testing.T) {
	m, slow := counting()
	m.Matches(New("right"), "hash of right")
	for i := range 3 * memoryLimit {
		m.Matches(New(fmt.Sprint(i)), "hash of right")
	}
	if n := len(m.missed.young) + len(m.missed.old); n > 2*memoryLimit || n < memoryLimit {
		t.Errorf("it remembers %d misses", n)
	}
	before := slow.Load()
	if !m.Matches(New("right"), "hash of right") || slow.Load() != before {
		t.Error("misses have displaced a match")
	}
	last := New(fmt.Sprint(3*memoryLimit - 1))
	if m.Matches(last, "hash of right"); slow.Load() != before {
		t.Error("the last miss is forgotten")
	}
}

// TestMemory_Marks: pairs that run into the same text have different marks, and two
// processes have nothing in common.
func TestMemory_Marks(t *testing.T) {
	var one, two Memory
	s := New("correct horse battery staple")
	if one.Mark(s) != one.Mark(New(s.Reveal())) || one.Mark(s) == one.Mark(New("x")) || one.Mark(s) == one.mark(s, "h") {
		t.Error("marks do not tell texts apart")
	}
	if one.Mark(s) == two.Mark(s) {
		t.Error("two memories have the same key")
	}
	if one.mark(New("bc"), "a") == one.mark(New("c"), "ab") {
		t.Error("two pairs have one mark")
	}
}

func TestMemory_Concurrent(t *testing.T) {
	m, _ := counting()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 200 {
				text := fmt.Sprint((i + n) % 50)
				if !m.Matches(New(text), "hash of "+text) || m.Matches(New(text), "hash of x") {
					t.Error("Matches differs from what compares")
				}
			}
		})
	}
	all.Wait()
}
