// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/internal/registration"
)

const alice = "sub-of-alice"

func pairwise(uris ...string) func(*registration.Client) {
	return func(r *registration.Client) { r.Pairwise, r.RedirectURIs = true, uris }
}

// minted are keys as a replica makes them.
func minted(t *testing.T) keys.Set {
	t.Helper()
	set, _, err := keys.Set{}.Rotate(time.Now(), keys.Schedule{Interval: time.Hour, Lead: time.Minute}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// salted is an issuer with a salt of 32 times b.
func salted(t *testing.T, url string, set keys.Set, b byte) *Issuer {
	t.Helper()
	salt := make([]byte, saltSize)
	for i := range salt {
		salt[i] = b
	}
	set.Keys = append(unsalted(set), keys.Key{ID: "salt", Kind: keys.Pairwise, Secret: salt})
	i, err := NewIssuer(server("main", url), nil, &set)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func unsalted(set keys.Set) []keys.Key {
	var out []keys.Key
	for _, k := range set.Keys {
		if k.Kind != keys.Pairwise {
			out = append(out, k)
		}
	}
	return out
}

func TestSubject_Public(t *testing.T) {
	set := minted(t)
	saltless := set
	saltless.Keys = unsalted(set)
	for _, keySet := range []*keys.Set{nil, &set, &saltless} {
		i, err := NewIssuer(server("main", "https://login.example.com"), nil, keySet)
		if err != nil {
			t.Fatal(err)
		}
		if c := client(t); c.Subject(i, alice) != alice || !c.KnowsPeople(i) {
			t.Errorf("a public client knows alice as %q", c.Subject(i, alice))
		}
	}
}

// TestSubject_Pairwise: one sub for each sector, issuer, salt and person.
func TestSubject_Pairwise(t *testing.T) {
	set := minted(t)
	i := salted(t, "https://login.example.com", set, 7)
	c := client(t, pairwise("https://wiki.example.com/callback"))
	sub := c.Subject(i, alice)
	if sub != "2DUEx7rJS2Fu8x5gArWG1PZmh8E" {
		t.Errorf("alice's sub has become %s: everybody is somebody else to every app", sub)
	}
	if len(sub) != len(base64.RawURLEncoding.EncodeToString(make([]byte, 20))) || !c.KnowsPeople(i) {
		t.Errorf("the sub is %q", sub)
	}
	same := client(t, pairwise("https://WIKI.example.com:8443/elsewhere", "https://wiki.example.com/"), func(r *registration.Client) {
		r.UID, r.Name, r.ClientID = "uid-other", "other", "docs.other"
	})
	if got := same.Subject(i, alice); got != sub {
		t.Errorf("the same sector has the sub %q, not %q", got, sub)
	}
	seen := map[string]string{sub: "the first"}
	for name, got := range map[string]string{
		"another person": c.Subject(i, "sub-of-bob"),
		"another sector": client(t, pairwise("https://shop.example.com/callback")).Subject(i, alice),
		"another issuer": c.Subject(salted(t, "https://login.example.com/team", set, 7), alice),
		"another salt":   c.Subject(salted(t, "https://login.example.com", set, 8), alice),
		"the public sub": alice,
		"without a salt": unkeyed("https://login.example.com", "wiki.example.com", alice),
		"an empty salt":  c.Subject(&Issuer{Server: i.Server, salt: []byte{}}, alice),
	} {
		if with, is := seen[got]; is {
			t.Errorf("%s: the sub is that of %s", name, with)
		}
		seen[got] = name
	}
	if got := c.Subject(i, ""); got != "" {
		t.Errorf("nobody has the sub %q", got)
	}
}

// unkeyed is what somebody can compute who knows all but the salt.
func unkeyed(issuer, sector, public string) string {
	sum := sha256.Sum256([]byte(issuer + "\x00" + sector + "\x00" + public))
	return base64.RawURLEncoding.EncodeToString(sum[:20])
}

// TestSubject_NoSalt: what cannot be said is not guessed.
func TestSubject_NoSalt(t *testing.T) {
	c := client(t, pairwise("https://wiki.example.com/callback"))
	for name, change := range map[string]func(*keys.Set){
		"of an older version": func(s *keys.Set) { s.Keys = unsalted(*s) },
		"too short": func(s *keys.Set) {
			s.Keys = append(unsalted(*s), keys.Key{ID: "salt", Kind: keys.Pairwise, Secret: []byte("short")})
		},
	} {
		set := minted(t)
		change(&set)
		i, err := NewIssuer(server("main", "https://login.example.com"), nil, &set)
		if err != nil {
			t.Fatal(err)
		}
		if !i.Ready() || c.KnowsPeople(i) || c.Subject(i, alice) != "" {
			t.Errorf("%s: alice is known as %q", name, c.Subject(i, alice))
		}
	}
}

// TestSubject_OverRotation: new keys leave everybody who they are.
func TestSubject_OverRotation(t *testing.T) {
	c := client(t, pairwise("https://wiki.example.com/callback"))
	schedule := keys.Schedule{Interval: 24 * time.Hour, Lead: time.Hour, KeepSigning: time.Hour, KeepSealing: time.Hour}
	now := time.Now()
	var set keys.Set
	subs, signers := map[string]bool{}, map[string]bool{}
	for range 5 {
		next, _, err := set.Rotate(now, schedule, nil)
		if err != nil {
			t.Fatal(err)
		}
		set = next
		i, err := NewIssuer(server("main", "https://login.example.com"), nil, &set)
		if err != nil {
			t.Fatal(err)
		}
		key, _ := set.Active(keys.ES256, now)
		subs[c.Subject(i, alice)], signers[key.ID] = true, true
		now = now.Add(48 * time.Hour)
	}
	if len(subs) != 1 || len(signers) < 3 {
		t.Errorf("%d subs over %d keys", len(subs), len(signers))
	}
}
