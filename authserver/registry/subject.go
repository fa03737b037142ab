// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/clientele-dev/clientele/authserver/keys"
)

// saltSize is the size of a salt, in bytes.
const saltSize = 32

// saltOf is the secret that pairwise subjects are made with. There is none in a set that
// an older version has written, until a replica of this one has added it.
func saltOf(set keys.Set) []byte {
	all := set.Of(keys.Pairwise)
	if len(all) == 0 || len(all[0].Secret) != saltSize {
		return nil
	}
	return all[0].Secret
}

// KnowsPeople reports whether i can say who people are to the client. It cannot while the
// client's subjects are pairwise and i has nothing to make them with: try again.
func (c *Client) KnowsPeople(i *Issuer) bool { return c.sector == "" || len(i.salt) > 0 }

// Subject is the sub by which the client knows a person, of whom public is the sub that
// all other clients do: the same, or one that only clients of the same sector know, and
// that nobody can make who does not have the issuer's salt (OpenID Connect Core 1.0
// section 8.1). Sessions, grants and consents have the public one, and none of them may
// reach the client. It is "", which is nobody's, where KnowsPeople is false.
func (c *Client) Subject(i *Issuer, public string) string {
	switch {
	case c.sector == "" || public == "":
		return public
	case len(i.salt) == 0:
		return ""
	}
	mac := hmac.New(sha256.New, i.salt)
	mac.Write([]byte(strings.Join([]string{i.Issuer, c.sector, public}, "\x00")))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:20])
}
