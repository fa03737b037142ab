// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/keys"
)

const issuer = "https://login.example.com/tenant"

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// value has one of everything that callers seal.
type value struct {
	Text   string            `json:"text"`
	Number int64             `json:"number"`
	List   []string          `json:"list"`
	Map    map[string]string `json:"map"`
	Bytes  []byte            `json:"bytes"`
	Raw    json.RawMessage   `json:"raw"`
	At     time.Time         `json:"at"`
}

var sample = value{
	Text: "a \"quoted\" <text> & more: é\u2028 \ufffd", Number: 1<<62 + 1, List: []string{"openid", "profile"},
	Map: map[string]string{"state": "xyz"}, Bytes: []byte{0, 1, 0xff}, Raw: json.RawMessage(`{"a":[1,2]}`), At: now,
}

func sealingKey(n byte, starts time.Time) keys.Key {
	return keys.Key{ID: fmt.Sprintf("sealing-%04d", n), Kind: keys.Seal, Secret: bytes.Repeat([]byte{n}, 32), Starts: starts}
}

func box(t testing.TB, issuer string, all ...keys.Key) *Box {
	t.Helper()
	if len(all) == 0 {
		all = []keys.Key{sealingKey(1, now)}
	}
	b, err := NewBox(issuer, keys.Set{Keys: all}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sealed(t testing.TB, b *Box, kind Kind, v any) string {
	t.Helper()
	s, err := b.Seal(kind, v, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBox_RoundTrip(t *testing.T) {
	b := box(t, issuer)
	for _, kind := range kinds {
		text := sealed(t, b, kind, sample)
		if strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%s is sealed as %q, want base64url", kind, text)
		}
		if strings.Contains(text, "quoted") {
			t.Errorf("%s is sealed as %q, want nothing of it to be read", kind, text)
		}
		var got value
		if err := b.Open(kind, text, &got); err != nil || !reflect.DeepEqual(got, sample) {
			t.Errorf("Open(%s) = %+v, %v, want %+v", kind, got, err, sample)
		}
	}
}

// TestBox_EachSealDiffers: equal values cannot be told from each other.
func TestBox_EachSealDiffers(t *testing.T) {
	b := box(t, issuer)
	seen := map[string]bool{}
	for range 1000 {
		seen[sealed(t, b, Code, sample)] = true
	}
	if len(seen) != 1000 {
		t.Errorf("1000 seals gave %d texts, want all to differ", len(seen))
	}
}

func TestOpen_OneKindForAnother(t *testing.T) {
	b := box(t, issuer)
	for _, is := range kinds {
		text := sealed(t, b, is, sample)
		for _, asked := range kinds {
			var got value
			err := b.Open(asked, text, &got)
			if is == asked {
				if err != nil {
					t.Errorf("Open(%s) of a %s: %v", asked, is, err)
				}
				continue
			}
			if !errors.Is(err, ErrInvalid) || !reflect.DeepEqual(got, value{}) {
				t.Errorf("Open(%s) of a %s = %+v, %v, want ErrInvalid and nothing", asked, is, got, err)
			}
		}
	}
}

// TestOpen_Refuses changes one thing in a text that would open.
func TestOpen_Refuses(t *testing.T) {
	b := box(t, issuer)
	good := sealed(t, b, Code, sample)
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	tests := []struct {
		name, text string
		by         *Box
	}{
		{"of another issuer", sealed(t, box(t, "https://login.example.com"), Code, sample), b},
		{"of an issuer whose name goes on", sealed(t, box(t, issuer+"/more"), Code, sample), b},
		{"of the same id but another key", sealed(t, box(t, issuer, keys.Key{
			ID: sealingKey(1, now).ID, Kind: keys.Seal, Secret: bytes.Repeat([]byte{9}, 32), Starts: now,
		}), Code, sample), b},
		{"of an unknown key", sealed(t, box(t, issuer, sealingKey(2, now)), Code, sample), b},
		{"empty", "", b},
		{"only a header", encode(raw[:header]), b},
		{"less than a header", encode(raw[:header-1]), b},
		{"less than a tag", encode(raw[:header+tagSize-1]), b},
		{"something behind", encode(append(slices.Clip(raw), 0)), b},
		{"something behind, as text", good + "A", b},
		{"padding", good + "=", b},
		{"line break behind", good + "\n", b},
		{"line break inside", good[:9] + "\r\n" + good[9:], b},
		{"space in front", " " + good, b},
		{"base64 instead of base64url", base64.RawStdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, 60)), b},
		{"no base64", "!" + good[1:], b},
		{"NUL", good[:9] + "\x00" + good[10:], b},
		{"twice", good + good, b},
		{"too long", strings.Repeat("A", MaxSize+1), b},
		{"very long", strings.Repeat(good, 1000), b},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got value
			err := tt.by.Open(Code, tt.text, &got)
			if !errors.Is(err, ErrInvalid) || err.Error() != ErrInvalid.Error() || !reflect.DeepEqual(got, value{}) {
				t.Errorf("Open = %+v, %v, want ErrInvalid and nothing", got, err)
			}
		})
	}
}

func TestOpen_EveryBitFlip(t *testing.T) {
	b := box(t, issuer)
	raw, err := base64.RawURLEncoding.DecodeString(sealed(t, b, RefreshToken, sample))
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			var got value
			if err := b.Open(RefreshToken, base64.RawURLEncoding.EncodeToString(raw), &got); !errors.Is(err, ErrInvalid) {
				t.Errorf("bit %d of byte %d flipped: Open = %+v, %v, want ErrInvalid", bit, i, got, err)
			}
			raw[i] ^= 1 << bit
		}
	}
}

func TestOpen_EveryTruncation(t *testing.T) {
	b := box(t, issuer)
	text := sealed(t, b, RefreshToken, sample)
	for n := range text {
		if err := b.Open(RefreshToken, text[:n], new(value)); !errors.Is(err, ErrInvalid) {
			t.Errorf("cut to %d characters: Open = %v, want ErrInvalid", n, err)
		}
	}
}

// TestOpen_EverySpelling changes each character to each other one: base64 has
// characters of which only some bits count.
func TestOpen_EverySpelling(t *testing.T) {
	b := box(t, issuer)
	for size := range 3 { // the last character has six, four or two bits
		text := []byte(sealed(t, b, Session, strings.Repeat("x", size)))
		last := len(text) - 1
		was := text[last]
		for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
			if text[last] = c; c == was {
				continue
			}
			if err := b.Open(Session, string(text), new(string)); !errors.Is(err, ErrInvalid) {
				t.Errorf("last character %q instead of %q: Open = %v, want ErrInvalid", c, was, err)
			}
		}
	}
}

func TestBox_Rotation(t *testing.T) {
	first, second := sealingKey(1, now), sealingKey(2, now.Add(time.Hour))
	before := box(t, issuer, first)
	during := box(t, issuer, first, second)
	after := box(t, issuer, second)
	open := func(b *Box, text string) error { return b.Open(Flow, text, new(value)) }

	old := sealed(t, before, Flow, sample)
	early := sealed(t, during, Flow, sample) // the second key is published, and not in use
	late, err := during.Seal(Flow, sample, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		b    *Box
		text string
		want error
	}{
		{"old key after rotation", during, old, nil},
		{"before take-over, by a replica that has not seen the new key", before, early, nil},
		{"new key", during, late, nil},
		{"new key when the old one is dropped", after, late, nil},
		{"old key when it is dropped", after, old, ErrInvalid},
		{"new key by a replica that has not seen it", before, late, ErrInvalid},
	}
	for _, tt := range tests {
		if err := open(tt.b, tt.text); !errors.Is(err, tt.want) {
			t.Errorf("%s: Open = %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestSeal_Bounded: what Seal returns opens, so it must not be longer than Open
// looks at.
func TestSeal_Bounded(t *testing.T) {
	b := box(t, issuer)
	const overhead = header + tagSize + 3 // the length of the text
	fits := MaxSize/4*3 - overhead
	text := sealed(t, b, Flow, strings.Repeat("x", fits))
	var got string
	if err := b.Open(Flow, text, &got); err != nil || len(got) != fits || len(text) > MaxSize {
		t.Errorf("the longest value comes back with %d bytes, %v, want %d", len(got), err, fits)
	}
	if text, err := b.Seal(Flow, strings.Repeat("x", fits+1), now); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Seal of a byte more = %d characters, %v, want ErrTooLarge", len(text), err)
	}
}

func TestSeal_Fails(t *testing.T) {
	if text, err := box(t, issuer).Seal(Code, func() {}, now); err == nil {
		t.Errorf("Seal of a func = %q, want an error", text)
	}
	b, err := NewBox(issuer, keys.Set{Keys: []keys.Key{sealingKey(1, now)}}, strings.NewReader("short"))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := b.Seal(Code, sample, now); err == nil {
		t.Errorf("Seal without randomness = %q, want an error", text)
	}
}

func TestNewBox_Refuses(t *testing.T) {
	short, name, signing := sealingKey(1, now), sealingKey(1, now), sealingKey(1, now)
	short.Secret = short.Secret[:31]
	name.ID = "short"
	signing.Kind = keys.ES256
	for what, k := range map[string]keys.Key{"short secret": short, "short name": name, "no sealing key": signing} {
		if _, err := NewBox(issuer, keys.Set{Keys: []keys.Key{k}}, nil); err == nil {
			t.Errorf("%s: NewBox succeeded, want an error", what)
		}
	}
}

// TestBox_DoesNotAlias changes what went in and what came out.
func TestBox_DoesNotAlias(t *testing.T) {
	b := box(t, issuer)
	in := value{List: []string{"openid"}, Bytes: []byte("bytes"), Raw: json.RawMessage(`"raw"`)}
	text := sealed(t, b, Code, in)
	in.List[0], in.Bytes[0], in.Raw[1] = "changed", 'X', 'X'
	for range 2 {
		var got value
		if err := b.Open(Code, text, &got); err != nil || got.List[0] != "openid" || string(got.Bytes) != "bytes" || string(got.Raw) != `"raw"` {
			t.Errorf("Open = %+v, %v, want what was sealed", got, err)
		}
		got.List[0], got.Bytes[0], got.Raw[1] = "changed", 'X', 'X'
	}
}

// TestSeal_UnknownKind: a kind that is not among all of them has no key.
func TestSeal_UnknownKind(t *testing.T) {
	if text, err := box(t, issuer).Seal("codes", sample, now); err == nil {
		t.Errorf("Seal = %q, want an error", text)
	}
}

func TestBox_RefusesToPrint(t *testing.T) {
	b := box(t, issuer, keys.Key{ID: "sealing-0001", Kind: keys.Seal, Secret: []byte("0123456789abcdef0123456789abcdef"), Starts: now})
	for _, printed := range []string{fmt.Sprintf("%v %+v %#v %s", b, b, b, b), fmt.Sprintf("%v %+v", []*Box{b}, map[string]any{"box": b})} {
		if strings.Contains(printed, "0123456789") || strings.Contains(printed, "48 49 50") || strings.Contains(printed, "0x30, 0x31") {
			t.Errorf("printed %s", printed)
		}
	}
}

func FuzzOpen(f *testing.F) {
	// The nonces are always the same, since each fuzzing process comes by here.
	b, err := NewBox(issuer, keys.Set{Keys: []keys.Key{sealingKey(1, now.Add(-time.Hour)), sealingKey(2, now)}}, rand.NewChaCha8([32]byte{}))
	if err != nil {
		f.Fatal(err)
	}
	made := map[string]bool{}
	for _, kind := range kinds {
		text := sealed(f, b, kind, sample)
		made[string(kind)+text] = true
		f.Add(string(kind), text)
		f.Add(string(kind), text[:len(text)-1])
	}
	f.Add("code", "")
	f.Add("", strings.Repeat("A", header*2))
	f.Fuzz(func(t *testing.T, kind, text string) {
		var got value
		err := b.Open(Kind(kind), text, &got)
		switch {
		case err == nil && !made[kind+text]:
			t.Errorf("Open(%q, %q) = %+v, want ErrInvalid for what was never sealed", kind, text, got)
		case err != nil && !errors.Is(err, ErrInvalid):
			t.Errorf("Open(%q, %q) = %v, want ErrInvalid", kind, text, err)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	b := box(f, issuer)
	f.Add(uint8(0), "text\xff", []byte{0xff})
	f.Add(uint8(1), strings.Repeat("\u2028<", 1000), []byte(nil))
	f.Fuzz(func(t *testing.T, n uint8, text string, data []byte) {
		kind := kinds[int(n)%len(kinds)]
		in := value{Text: text, Bytes: data, Raw: json.RawMessage("null"), At: now}
		s, err := b.Seal(kind, in, now)
		if errors.Is(err, ErrTooLarge) {
			return
		}
		var got value
		if err := errors.Join(err, b.Open(kind, s, &got)); err != nil {
			t.Fatal(err)
		}
		if got.Text != in.Text || !bytes.Equal(got.Bytes, in.Bytes) {
			t.Errorf("round trip of %+v = %+v", in, got)
		}
	})
}

// code is about what a code or a refresh token holds.
var code = map[string]any{
	"id": "2Q6XN4L2TT5UK2V3ZT5N3W4XYZ", "client_id": "docs.wiki", "uid": "0b6c9a5e-7d6f-4d0a-9c58-6c1f5d6f1d11",
	"sub": "qk3v0m3jZ6yqfQ6l8O4mC0b1x2A", "scopes": []string{"openid", "profile", "email", "groups", "offline_access"},
	"redirect_uri": "https://wiki.example.com/callback", "challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
	"nonce": "n-0S6_WzA2Mj", "iat": now, "exp": now,
}

func BenchmarkSeal(b *testing.B) {
	x := box(b, issuer)
	for b.Loop() {
		if _, err := x.Seal(Code, code, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	x := box(b, issuer)
	text := sealed(b, x, Code, code)
	var out struct {
		ID       string   `json:"id"`
		ClientID string   `json:"client_id"`
		Scopes   []string `json:"scopes"`
	}
	for b.Loop() {
		if err := x.Open(Code, text, &out); err != nil {
			b.Fatal(err)
		}
	}
}
