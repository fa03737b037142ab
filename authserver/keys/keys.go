// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package keys holds an AuthorizationServer's signing and sealing keys, the one
// schedule by which they change (published before use, kept until what they made has
// expired), and the one key that never changes, which salts pairwise subjects. It decides and encodes; whoever stores the keys does so by
// compare-and-swap, so that any number of replicas can run Rotate.
package keys

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"
)

// Version is the format of an encoded Set.
const Version = 1

// The kinds of key: four signing algorithms (RFC 7518 section 3.1, RFC 8037 section
// 3.1) and sealing. RS256 and PS256 have keys of their own: a JWK names one algorithm
// (RFC 7517 section 4.4), and what one of them signs must never count for the other.
const (
	RS256 = "RS256"
	ES256 = "ES256"
	PS256 = "PS256"
	EdDSA = "EdDSA"
	Seal  = "seal"
)

// Pairwise is the kind of the one key that salts pairwise subjects (OpenID Connect Core
// section 8.1). It is no part of the schedule: with another salt, every person would be
// a stranger to every client that knows people by a pairwise subject. Rotate mints it
// where there is none, and nothing takes it away.
const Pairwise = "pairwise"

// kinds are what the schedule changes: every Set that Rotate returns has a key of each,
// sealing last.
var kinds = []string{RS256, ES256, PS256, EdDSA, Seal}

// added are the kinds that a Set of an older version has no key of.
var added = []string{PS256, EdDSA}

// Kinds returns the kinds of key that the schedule changes.
func Kinds() []string { return slices.Clone(kinds) }

// Algs returns the kinds that sign, in the order in which they are published.
func Algs() []string { return slices.Clone(kinds[:len(kinds)-1]) }

const (
	rsaBits = 2048
	// idSize makes an id of twelve characters: enough that no two keys share one.
	idSize = 9
)

// Key is one key and its place in the schedule.
type Key struct {
	// ID is a signing key's kid, or a sealing key's name in what it sealed.
	ID   string `json:"id"`
	Kind string `json:"kind"`
	// Secret is PKCS #8 for a signing key and 32 random bytes for any other.
	Secret []byte `json:"secret"`
	// Starts is when the key comes into use. It is published before.
	Starts time.Time `json:"starts"`
	// Keep is the longest time that something which this key made can live: the longest
	// that the schedule said while the key was in use. What was made keeps its end when
	// a lifetime is shortened or the client that had a longer one is withdrawn, and so
	// must the key. Zero, from a version that did not note it, is what the schedule says.
	Keep time.Duration `json:"keep,omitzero"`
}

// String keeps the secret out of every message.
func (k Key) String() string { return k.Kind + " key " + k.ID }

// GoString keeps the secret out of %#v.
func (k Key) GoString() string { return k.String() }

// LogValue keeps the secret out of logs, JSON ones too.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Signer parses a signing key.
func (k Key) Signer() (crypto.Signer, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(k.Secret)
	if err != nil {
		return nil, fmt.Errorf("parse %v: malformed PKCS #8", k)
	}
	switch p := parsed.(type) {
	case *rsa.PrivateKey:
		if (k.Kind == RS256 || k.Kind == PS256) && p.N.BitLen() >= rsaBits {
			return p, nil
		}
	case *ecdsa.PrivateKey:
		if k.Kind == ES256 && p.Curve == elliptic.P256() {
			return p, nil
		}
	case ed25519.PrivateKey:
		if k.Kind == EdDSA {
			return p, nil
		}
	}
	return nil, fmt.Errorf("parse %v: the key is not of its kind", k)
}

// Set is all keys of one AuthorizationServer, oldest first within a kind.
type Set struct {
	Version int   `json:"version"`
	Keys    []Key `json:"keys"`
}

// LogValue keeps the secrets out of logs, JSON ones too.
func (s Set) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s.Keys)) }

// Encode returns s as it is stored.
func (s Set) Encode() ([]byte, error) {
	s.Version = Version
	return json.Marshal(s)
}

// Decode reads what Encode wrote. Its errors never contain key material. A kind of
// key that this version does not know is kept and left alone: while two versions run
// side by side, the older one must neither stop nor drop what the newer one made.
func Decode(data []byte) (Set, error) {
	var s Set
	if err := json.Unmarshal(data, &s); err != nil {
		return Set{}, errors.New("decode keys: malformed JSON")
	}
	if s.Version != Version {
		return Set{}, fmt.Errorf("decode keys: version is %d, not %d", s.Version, Version)
	}
	seen := map[string]bool{}
	for _, k := range s.Keys {
		if k.ID == "" || k.Kind == "" || seen[k.ID] {
			return Set{}, errors.New("decode keys: a key has no kind, or no id of its own")
		}
		seen[k.ID] = true
	}
	return s, nil
}

// Of returns the keys of a kind, oldest first.
func (s Set) Of(kind string) []Key {
	var out []Key
	for _, k := range s.Keys {
		if k.Kind == kind {
			out = append(out, k)
		}
	}
	slices.SortStableFunc(out, func(a, b Key) int { return a.Starts.Compare(b.Starts) })
	return out
}

// Active returns the key of a kind that is in use at now; see InUse.
func (s Set) Active(kind string, now time.Time) (Key, bool) { return InUse(s.Of(kind), now) }

// InUse returns the one of all keys of a kind, oldest first, that is in use at now: the
// youngest that has started, or the oldest of all if a clock jumped back before it.
func InUse(all []Key, now time.Time) (Key, bool) {
	if len(all) == 0 {
		return Key{}, false
	}
	active := all[0]
	for _, k := range all[1:] {
		if !k.Starts.After(now) {
			active = k
		}
	}
	return active, true
}

// Schedule says when keys change.
type Schedule struct {
	// Interval is how long a key is in use.
	Interval time.Duration
	// Lead is how long a key is published before it is used: longer than any cache
	// of the JWK set and than a replica takes to see it.
	Lead time.Duration
	// KeepSigning and KeepSealing are how long what a key made can live.
	KeepSigning, KeepSealing time.Duration
}

func (p Schedule) keep(kind string) time.Duration {
	if kind == Seal {
		return p.KeepSealing
	}
	return p.KeepSigning
}

// Rotate returns s as it should be at now, and whether that differs from s. A kind
// without any key, the pairwise one too, gets one that starts at once. Only where an
// older version wrote s, which did not know the kind, is its first key published before
// use like any other.
// random is for ids, sealing and Ed25519 keys, and nil means crypto/rand; the standard
// library takes the other signing keys from crypto/rand alone.
func (s Set) Rotate(now time.Time, p Schedule, random io.Reader) (Set, bool, error) {
	random = orReal(random)
	out, changed := Set{Version: Version}, false
	for _, k := range s.Keys {
		if !slices.Contains(kinds, k.Kind) {
			out.Keys = append(out.Keys, k)
		}
	}
	if len(s.Of(Pairwise)) == 0 {
		k, err := mint(Pairwise, now.Truncate(time.Second), random)
		if err != nil {
			return s, false, err
		}
		out.Keys, changed = append(out.Keys, k), true
	}
	for _, kind := range kinds {
		old := s.Of(kind)
		kept := dropExpired(old, now, p)
		if raiseKeep(kept, now, p) {
			changed = true
		}
		if starts, due := s.nextStart(kind, now, p, kept); due {
			k, err := mint(kind, starts, random)
			if err != nil {
				return s, false, err
			}
			k.Keep = p.keep(kind)
			kept = append(kept, k)
			changed = true
		}
		changed = changed || len(kept) < len(old)
		out.Keys = append(out.Keys, kept...)
	}
	if !changed {
		return s, false, nil
	}
	return out, true, nil
}

// Next is the earliest time after now at which Rotate will have work.
func (s Set) Next(now time.Time, p Schedule) time.Time {
	if len(s.Of(Pairwise)) == 0 {
		return now
	}
	next := now.Add(p.Interval)
	for _, kind := range kinds {
		all := s.Of(kind)
		if _, due := s.nextStart(kind, now, p, all); due || raiseKeep(slices.Clone(all), now, p) {
			return now
		}
		if mintAt := newest(all, now, p).Starts.Add(p.Interval - p.Lead); mintAt.Before(next) {
			next = mintAt
		}
		if len(all) > 1 {
			if dropAt := dropAt(all, p); dropAt.Before(next) {
				next = dropAt
			}
		}
	}
	return next
}

// dropExpired leaves out every key whose successor started so long ago that
// nothing it made can be alive.
func dropExpired(all []Key, now time.Time, p Schedule) []Key {
	for len(all) > 1 && !dropAt(all, p).After(now) {
		all = all[1:]
	}
	return slices.Clone(all)
}

// dropAt is when nothing that the first of several keys made is alive any more.
func dropAt(all []Key, p Schedule) time.Time {
	return all[1].Starts.Add(cmp.Or(all[0].Keep, p.keep(all[0].Kind)))
}

// raiseKeep notes the schedule's lifetime at the keys that it is longer for than what
// they have noted, and reports whether there was one. Those that were replaced some
// time ago made nothing that lives so long: some time, because a replica may have made
// something by a new lifetime just before.
func raiseKeep(all []Key, now time.Time, p Schedule) bool {
	raised := false
	for i := range all {
		replaced := i+1 < len(all) && !all[i+1].Starts.Add(p.Lead).After(now)
		if keep := p.keep(all[i].Kind); !replaced && all[i].Keep < keep {
			all[i].Keep, raised = keep, true
		}
	}
	return raised
}

// newest is the key that the schedule goes by: the last one, but for those that lie
// further ahead than an interval. A clock that was wrong made those, and waiting
// for them would keep the present key in use for as long.
func newest(all []Key, now time.Time, p Schedule) Key {
	for len(all) > 1 && all[len(all)-1].Starts.After(now.Add(p.Lead+p.Interval)) {
		all = all[:len(all)-1]
	}
	return all[len(all)-1]
}

// nextStart says when a further key should start, if it is time to publish it. The
// lead is kept even if that is late, as after a long sleep.
func (s Set) nextStart(kind string, now time.Time, p Schedule, all []Key) (time.Time, bool) {
	if len(all) == 0 && (len(s.Keys) == 0 || !slices.Contains(added, kind)) {
		return now.Truncate(time.Second), true
	}
	if len(all) > 0 && newest(all, now, p).Starts.Add(p.Interval-p.Lead).After(now) {
		return time.Time{}, false
	}
	return afterLead(now, p), true
}

// afterLead is when a key may start that is published now: at a whole second, and not
// an instant before the lead has passed.
func afterLead(now time.Time, p Schedule) time.Time {
	return now.Add(p.Lead + time.Second - 1).Truncate(time.Second)
}

func mint(kind string, starts time.Time, random io.Reader) (Key, error) {
	k := Key{Kind: kind, Starts: starts.UTC()}
	var private any
	var err error
	switch kind {
	case RS256, PS256:
		private, err = rsa.GenerateKey(random, rsaBits)
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), random)
	case EdDSA:
		_, private, err = ed25519.GenerateKey(random)
	default:
		k.Secret = make([]byte, 32)
		_, err = io.ReadFull(random, k.Secret)
	}
	if err != nil {
		return Key{}, fmt.Errorf("mint %s key: %w", kind, err)
	}
	if private != nil {
		if k.Secret, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
			return Key{}, fmt.Errorf("mint %s key: %w", kind, err)
		}
	}
	id := make([]byte, idSize)
	if _, err := io.ReadFull(random, id); err != nil {
		return Key{}, fmt.Errorf("mint %s key: %w", kind, err)
	}
	k.ID = base64.RawURLEncoding.EncodeToString(id)
	return k, nil
}
