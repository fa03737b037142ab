// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"encoding/base64"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/keys"
)

func TestVerifyHint_RoundTrip(t *testing.T) {
	k := keySet(t, 1)
	want := Hint{Subject: id.Subject, ClientID: id.ClientID}
	old := id
	old.IssuedAt, old.Expires = now.Add(-9000*time.Hour), now.Add(-8999*time.Hour)
	for _, alg := range keys.Algs() {
		for name, i := range map[string]ID{"new": id, "expired long ago": old} {
			if got, err := k.VerifyHint(signedID(t, k, alg, i)); err != nil || got != want {
				t.Errorf("%s %s: VerifyHint = %+v, %v, want %+v", alg, name, got, err, want)
			}
		}
	}
	// The key that signed it is kept beside the one that signs now.
	if got, err := k.VerifyHint(signedID(t, keySet(t, 0), keys.RS256, id)); err != nil || got != want {
		t.Errorf("before a rotation: VerifyHint = %+v, %v, want %+v", got, err, want)
	}
}

func TestVerifyHint_Refuses(t *testing.T) {
	k := keySet(t, 1)
	good := signedID(t, k, keys.ES256, id)
	goodHeader, goodClaims := parts(t, good)
	by := byKey(t, k.signers[goodHeader["kid"].(string)])
	type object = map[string]any
	change := func(f func(header, claims object)) string {
		header, claims := maps.Clone(goodHeader), maps.Clone(goodClaims)
		f(header, claims)
		return sign(t, header, claims, by)
	}
	if _, err := k.VerifyHint(change(func(object, object) {})); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
	other, err := NewKeySet("https://login.example.com/other", k.set)
	if err != nil {
		t.Fatal(err)
	}
	segments := strings.Split(good, ".")
	for name, raw := range map[string]string{
		"nothing":            "",
		"garbage":            "garbage",
		"an access token":    signed(t, k, keys.ES256, access),
		"another issuer's":   signedID(t, other, keys.ES256, id),
		"no signature":       segments[0] + "." + segments[1] + ".",
		"alg none":           base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + segments[1] + ".",
		"by client secret":   sign(t, object{"alg": "HS256", "typ": "JWT", "kid": goodHeader["kid"]}, goodClaims, byHMAC([]byte("secret"))),
		"claims of another":  segments[0] + "." + strings.Split(signedID(t, k, keys.ES256, ID{Subject: "x", ClientID: "y"}), ".")[1] + "." + segments[2],
		"a line break":       segments[0] + ".\n" + segments[1] + "." + segments[2],
		"no typ":             change(func(h, _ object) { delete(h, "typ") }),
		"no kid":             change(func(h, _ object) { delete(h, "kid") }),
		"no issuer":          change(func(_, c object) { delete(c, "iss") }),
		"issuer and a slash": change(func(_, c object) { c["iss"] = issuer + "/" }),
		"no subject":         change(func(_, c object) { delete(c, "sub") }),
		"no audience":        change(func(_, c object) { delete(c, "aud") }),
		"two audiences":      change(func(_, c object) { c["aud"] = []string{"docs.wiki", "docs.shop"} }),
	} {
		if got, err := k.VerifyHint(raw); !errors.Is(err, ErrInvalid) || got != (Hint{}) {
			t.Errorf("%s: VerifyHint = %+v, %v, want ErrInvalid", name, got, err)
		}
	}
}

// FuzzVerifyHint: only what was signed here is a hint, and it says what was signed.
func FuzzVerifyHint(f *testing.F) {
	k := fixedKey(f)
	for _, alg := range required {
		raw := signedID(f, k, alg, id)
		f.Add(raw)
		f.Add(raw + "=")
		f.Add(signed(f, k, alg, access))
		f.Add(swapClaims(f, k, raw))
	}
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := k.VerifyHint(raw)
		switch {
		case err == nil && got != (Hint{Subject: id.Subject, ClientID: id.ClientID}):
			t.Errorf("VerifyHint(%q) = %+v, want ErrInvalid for what was never signed", raw, got)
		case err != nil && (!errors.Is(err, ErrInvalid) || got != (Hint{})):
			t.Errorf("VerifyHint(%q) = %+v, %v, want ErrInvalid and nothing", raw, got, err)
		}
	})
}
