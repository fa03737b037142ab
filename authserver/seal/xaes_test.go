// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// TestXAES has the two vectors of c2sp.org/XAES-256-GCM: their keys' first bits differ
// in what the subkey needs of them.
func TestXAES(t *testing.T) {
	const nonce, plain = "ABCDEFGHIJKLMNOPQRSTUVWX", "XAES-256-GCM"
	for _, tt := range []struct {
		name       string
		key        byte
		data, want string
	}{
		{"MSB of L is 0", 0x01, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{"MSB of L is 1", 0x03, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		x, err := newXAES(bytes.Repeat([]byte{tt.key}, xaesKeySize))
		if err != nil {
			t.Fatal(err)
		}
		aead, rest, err := x.message([]byte(nonce))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(aead.Seal(nil, rest, []byte(plain), []byte(tt.data))); got != tt.want {
			t.Errorf("%s: sealed %s, want %s", tt.name, got, tt.want)
		}
	}
}
