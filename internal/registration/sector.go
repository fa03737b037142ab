// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import "errors"

var errSector = errors.New("subjectType pairwise needs redirectURIs that are all https and of one host, which is whom a person's sub " +
	"is made for (OpenID Connect Core 1.0 section 8.1): use one host, or subjectType public")

// Sector is the one host of all redirect URIs (OpenID Connect Core 1.0 section 8.1), by
// which pairwise subjects are told apart. The CEL rule of the API's type says the same,
// and a test holds both together.
func (c Client) Sector() (string, error) {
	var sector string
	for _, uri := range c.RedirectURIs {
		host, https := RedirectHost(uri)
		if !https || host == "" || sector != "" && sector != host {
			return "", errSector
		}
		sector = host
	}
	if sector == "" {
		return "", errSector
	}
	return sector, nil
}

func (c Client) validateSector() error {
	if !c.Pairwise {
		return nil
	}
	_, err := c.Sector()
	return err
}
