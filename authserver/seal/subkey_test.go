// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"testing"
)

func saltOf(t *testing.T, text string) salt {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return salt(raw[salted:named])
}

// TestBox_SubkeyOfItsOwn: what each replica counts is all that is sealed under a subkey.
func TestBox_SubkeyOfItsOwn(t *testing.T) {
	one, other := box(t, issuer), box(t, issuer)
	if a, b := saltOf(t, sealed(t, one, Code, sample)), saltOf(t, sealed(t, one, Code, sample)); a != b {
		t.Error("two messages of one Box have two salts, want one subkey for both")
	}
	seen := map[salt]string{}
	for name, b := range map[string]*Box{"one": one, "other": other} {
		for _, kind := range kinds {
			at, of := fmt.Sprintf("%s, %s", name, kind), saltOf(t, sealed(t, b, kind, sample))
			if seen[of] != "" {
				t.Errorf("%s and %s have the same salt", at, seen[of])
			}
			seen[of] = at
		}
	}
}

func TestSubkeys_NextAfterMost(t *testing.T) {
	b := box(t, issuer)
	s := b.subkeys[b.keys[0].ID][Code]
	s.most = 3
	count, texts := map[salt]int{}, []string{}
	for range 10 {
		text := sealed(t, b, Code, sample)
		texts = append(texts, text)
		count[saltOf(t, text)]++
	}
	if len(count) != 4 {
		t.Errorf("10 messages are under %d subkeys, want 4", len(count))
	}
	for _, n := range count {
		if n > 3 {
			t.Errorf("%d messages are under one subkey, want 3 at the most", n)
		}
	}
	for _, text := range texts {
		if err := b.Open(Code, text, new(value)); err != nil {
			t.Errorf("Open: %v", err)
		}
	}
}

// TestSubkeys_Remembered: memory does not grow with the salts that somebody makes up, nor
// with those of replicas that come and go.
func TestSubkeys_Remembered(t *testing.T) {
	b := box(t, issuer)
	s := b.subkeys[b.keys[0].ID][Code]
	raw, err := base64.RawURLEncoding.DecodeString(sealed(t, b, Code, sample))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		made := bytes.Clone(raw)
		copy(made[salted:], fmt.Sprintf("%016d", i))
		if err := b.Open(Code, base64.RawURLEncoding.EncodeToString(made), new(value)); !errors.Is(err, ErrInvalid) {
			t.Fatalf("Open with a salt that was made up = %v, want ErrInvalid", err)
		}
	}
	if len(s.known) != 0 {
		t.Errorf("%d salts that were made up are remembered, want none", len(s.known))
	}
	for range 3 * remembered {
		text := sealed(t, box(t, issuer), Code, sample)
		for range 2 {
			if err := b.Open(Code, text, new(value)); err != nil {
				t.Fatalf("Open of another replica's: %v", err)
			}
		}
		if _, ok := s.find(saltOf(t, text)); !ok {
			t.Error("another replica's subkey is derived each time, want it remembered")
		}
	}
	if len(s.known) != remembered {
		t.Errorf("%d salts are remembered, want %d", len(s.known), remembered)
	}
}

func TestSubkeys_Concurrently(t *testing.T) {
	s := newSubkeys(bytes.Repeat([]byte{7}, 32), Code, issuer, rand.Reader)
	s.most = 10
	var mu sync.Mutex
	count := map[salt]int{}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 50 {
				of, aead, err := s.next()
				if err != nil {
					t.Error(err)
					return
				}
				nonce := make([]byte, nonceSize)
				if _, err := s.open(of, nonce, aead.Seal(nil, nonce, []byte("plain"), nil), nil); err != nil {
					t.Error(err)
				}
				mu.Lock()
				count[of]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for _, n := range count {
		if n > 10 {
			t.Errorf("%d messages are under one subkey, want 10 at the most", n)
		}
	}
}
