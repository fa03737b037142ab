// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package codeflow

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"

	"github.com/clientele-dev/clientele/authserver/keys"
)

// Needs are what an operation cannot do without, beside its exchanges.
type Needs struct {
	// Signs and Verifies are the algorithms of its signatures.
	Signs, Verifies []string
	// Hashes counts its SHA-256 of short texts.
	Hashes int
}

// worker does what Needs say.
type worker struct {
	message []byte // of a JWT's size
	es256   *ecdsa.PrivateKey
	rs256   *rsa.PrivateKey
	signed  []byte // by es256
}

func newWorker() (*worker, error) {
	w := &worker{message: bytes.Repeat([]byte("x"), 600)}
	var err1, err2, err3 error
	w.es256, err1 = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.rs256, err2 = rsa.GenerateKey(rand.Reader, 2048)
	if err1 == nil {
		sum := sha256.Sum256(w.message)
		w.signed, err3 = ecdsa.SignASN1(rand.Reader, w.es256, sum[:])
	}
	return w, errors.Join(err1, err2, err3)
}

func (w *worker) do(n Needs) error {
	for _, alg := range n.Signs {
		var key crypto.Signer = w.es256
		if alg == keys.RS256 {
			key = w.rs256
		}
		sum := sha256.Sum256(w.message)
		if _, err := key.Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
			return err
		}
	}
	for _, alg := range n.Verifies {
		sum := sha256.Sum256(w.message)
		if alg != keys.ES256 || !ecdsa.VerifyASN1(&w.es256.PublicKey, sum[:], w.signed) {
			return errors.New("the signature is not good")
		}
	}
	for range n.Hashes {
		if sha256.Sum256([]byte(ClientSecret)) == [sha256.Size]byte{} { // so that it is not left out
			return errors.New("the hash is not good")
		}
	}
	return nil
}
