// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// makeCertificate makes a root and, of it, a certificate for localhost, and chooses a
// port of the loopback interface.
func (s *Server) makeCertificate() error {
	var err error
	if s.port, err = freePort(); err != nil {
		return err
	}
	rootKey, root, err := certify(nil, nil, x509.Certificate{
		Subject: pkix.Name{CommonName: "root of a test"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	if err != nil {
		return err
	}
	key, leaf, err := certify(rootKey, root, x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	s.ca = filepath.Join(s.dir, "ca.crt")
	for name, block := range map[string]*pem.Block{
		s.ca:                               {Type: "CERTIFICATE", Bytes: root.Raw},
		filepath.Join(s.dir, "server.crt"): {Type: "CERTIFICATE", Bytes: leaf.Raw},
		filepath.Join(s.dir, "server.key"): {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// certify makes a key and its certificate, of the parent's or its own.
func certify(parentKey *ecdsa.PrivateKey, parent *x509.Certificate, c x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	if parent == nil {
		parentKey, parent = key, &c
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, parent, key.Public(), parentKey)
	if err != nil {
		return nil, nil, err
	}
	made, err := x509.ParseCertificate(der)
	return key, made, err
}
