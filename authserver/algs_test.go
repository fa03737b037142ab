// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/internal/registration"
)

// algOf is what the header of a JWT says.
func algOf(t *testing.T, text string) string {
	t.Helper()
	encoded, _, _ := strings.Cut(text, ".")
	var header struct{ Alg string }
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err == nil {
		err = json.Unmarshal(raw, &header)
	}
	if err != nil {
		t.Fatal(err)
	}
	return header.Alg
}

// TestAlgs_AccessTokens: an access token of every algorithm is good wherever we look at
// one, and no longer once anything of it is changed or it was revoked.
func TestAlgs_AccessTokens(t *testing.T) {
	for _, alg := range keys.Algs() {
		t.Run(alg, func(t *testing.T) {
			w := newWorld(t)
			w.addClient("wiki", func(r *registration.Client) { r.AccessTokenAlg = alg })
			token := w.firstAnswer().str("access_token")
			if got := algOf(t, token); got != alg {
				t.Fatalf("signed by %s", got)
			}
			w.introspect(token).active()
			w.userinfo(token).ok()
			i := strings.LastIndexByte(token, '.') + 1
			other := "A"
			if token[i] == 'A' {
				other = "B"
			}
			forged := token[:i] + other + token[i+1:]
			w.introspect(forged).inactive()
			w.userinfo(forged).refused(401, "invalid_token")
			w.revoke(token).ok()
			w.introspect(token).inactive()
			w.userinfo(token).refused(401, "invalid_token")
		})
	}
}
