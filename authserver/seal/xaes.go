// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
)

const (
	xaesKeySize   = 32
	xaesNonceSize = 24
	// half is the part of the nonce that goes into the message's key; the other half is
	// the message's nonce.
	half = xaesNonceSize / 2
)

// xaes is XAES-256-GCM (c2sp.org/XAES-256-GCM): AES-256-GCM whose key, for each
// message, is derived of the first half of a nonce that is long enough to be random
// for ever. With AES-256-GCM itself, 2^32 messages under a key would be the most (NIST
// SP 800-38D section 8.3), and nobody here counts what all replicas have sealed. The
// derivation is NIST SP 800-108r1's in counter mode with CMAC: two blocks of AES.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte
}

func newXAES(key []byte) (*xaes, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	x := &xaes{block: block}
	block.Encrypt(x.k1[:], x.k1[:])
	// CMAC's first subkey: twice that, in its field (NIST SP 800-38B section 6.1).
	var carry byte
	for i := len(x.k1) - 1; i >= 0; i-- {
		x.k1[i], carry = x.k1[i]<<1|carry, x.k1[i]>>7
	}
	x.k1[len(x.k1)-1] ^= carry * 0b10000111
	return x, nil
}

// message is the AEAD for the one message of a nonce, and what that leaves of the nonce.
func (x *xaes) message(nonce []byte) (cipher.AEAD, []byte, error) {
	key := make([]byte, xaesKeySize)
	for i := range 2 {
		m := key[i*aes.BlockSize:][:aes.BlockSize]
		// The counter, the label and a separator, and the context.
		m[1], m[2] = byte(i+1), 'X'
		copy(m[4:], nonce[:half])
		subtle.XORBytes(m, m, x.k1[:])
		x.block.Encrypt(m, m)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, nonce[half:], err
}
