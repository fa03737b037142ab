// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"github.com/clientele-dev/clientele/authserver/outbound"
)

// outbound is the client for what app teams have named.
func (o *options) outbound() (*http.Client, error) {
	allowed, err := networks(o.outboundAllow)
	if err != nil {
		return nil, fmt.Errorf("--outbound-allow: %w", err)
	}
	c := outbound.Config{Allowed: allowed}
	if o.outboundCAFile != "" {
		if c.RootCAs, err = rootsWith(o.outboundCAFile); err != nil {
			return nil, fmt.Errorf("--outbound-ca-file: %w", err)
		}
	}
	return outbound.New(c), nil
}

// networks reads a list of CIDRs.
func networks(list string) ([]netip.Prefix, error) {
	if list == "" {
		return nil, nil
	}
	var all []netip.Prefix
	for text := range strings.SplitSeq(list, ",") {
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is no network: write it as 10.96.0.0/12 or fd00:10:96::/112, and a single address as 10.96.0.10/32", text)
		case p.Addr().Is4In6():
			return nil, fmt.Errorf("%q: write a network of IPv4 as 10.96.0.0/12", text)
		case p != p.Masked():
			return nil, fmt.Errorf("%q names an address and not its network: did you mean %s?", text, p.Masked())
		}
		all = append(all, p)
	}
	return all, nil
}

// rootsWith are the certificate authorities that the system trusts and those of a file.
func rootsWith(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file) //nolint:gosec // G304: the operator names it
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if !roots.AppendCertsFromPEM(data) {
		return nil, errors.New("no certificate (PEM) is in the file")
	}
	return roots, nil
}
