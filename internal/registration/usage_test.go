// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"testing"
)

func usageOf(n int) Usage {
	u := Usage{Version: Version, Used: map[string]int64{}}
	for i := range n {
		u.Used[fmt.Sprintf("%012x", i)] = int64(29_000_000 + i)
	}
	return u
}

func TestUsage_RoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, MaxUsed} {
		want := usageOf(n)
		want.Dropped = int64(n)
		data, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeUsage(data)
		if err != nil || !maps.Equal(got.Used, want.Used) || got.Dropped != want.Dropped {
			t.Errorf("%d: got %d secrets, %v", n, len(got.Used), err)
		}
		if len(data) > maxUsageBytes/2+1024 {
			t.Errorf("%d secrets take %d bytes", n, len(data))
		}
	}
	if _, err := usageOf(MaxUsed + 1).Encode(); err == nil {
		t.Error("more than MaxUsed are encoded")
	}
}

func TestUsage_Trim(t *testing.T) {
	u := usageOf(10)
	u.Used["aaaaaaaaaaaa"] = u.Used["000000000003"] // equally late: the same one goes everywhere
	dropped := u.Trim(7)
	want := map[string]int64{
		"000000000000": 29_000_000, "000000000001": 29_000_001, "000000000002": 29_000_002, "aaaaaaaaaaaa": 29_000_003,
	}
	if !maps.Equal(dropped, want) || len(u.Used) != 7 || u.Dropped != 29_000_003 {
		t.Errorf("dropped %v, the last in minute %d", dropped, u.Dropped)
	}
	if again := u.Trim(7); len(again) > 0 || u.Dropped != 29_000_003 {
		t.Errorf("dropped %v although there is room", again)
	}
}

func TestDecodeUsage_Refuses(t *testing.T) {
	const valid = `{"version":1,"used":{"0123456789ab":29000000}}`
	if _, err := DecodeUsage([]byte(valid)); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"nothing":         "",
		"no JSON":         "{",
		"text behind":     valid + "x",
		"a later version": strings.Replace(valid, ":1", ":2", 1),
		"a short ID":      strings.Replace(valid, "0123456789ab", "0123456789a", 1),
		"a long ID":       strings.Replace(valid, "0123456789ab", "0123456789abc", 1),
		"a capital":       strings.Replace(valid, "0123456789ab", "0123456789aB", 1),
		"no minute":       strings.Replace(valid, "29000000", "0", 1),
		"before 1970":     strings.Replace(valid, "29000000", "-1", 1),
		"year 10000":      strings.Replace(valid, "29000000", "4223371680", 1),
		"a fraction":      strings.Replace(valid, "29000000", "29000000.5", 1),
		"dropped < 0":     strings.Replace(valid, "}}", `},"dropped":-1}`, 1),
		"more than 1 MiB": valid + strings.Repeat(" ", maxUsageBytes),
	} {
		if u, err := DecodeUsage([]byte(data)); err == nil || u.Used != nil {
			t.Errorf("%s: decoded", name)
		}
	}
}

func FuzzDecodeUsage(f *testing.F) {
	f.Add([]byte(`{"version":1,"used":{"0123456789ab":29000000},"dropped":28000000}`))
	f.Add([]byte(`{"version":1,"used":null}`))
	f.Add([]byte(`{"version":1,"used":{"0123456789ab":1e400}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := DecodeUsage(data)
		if err != nil {
			return
		}
		once, err := u.Encode()
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		again, err := DecodeUsage(once)
		if err != nil || !maps.Equal(u.Used, again.Used) || u.Dropped != again.Dropped {
			t.Fatalf("%+v became %+v, %v", u, again, err)
		}
		if twice, _ := again.Encode(); !bytes.Equal(once, twice) {
			t.Fatal("equal usages give different bytes")
		}
	})
}

func TestUnloaded(t *testing.T) {
	few := map[string]bool{"registration-b.x": true, "issuer-a": true}
	many, long := map[string]bool{}, map[string]bool{}
	for i := range maxUnloaded + 1 {
		many[fmt.Sprintf("registration-n.%d", i)] = true
		if i < 90 {
			long[fmt.Sprintf("registration-%s.%d", strings.Repeat("n", 100), i)] = true
		}
	}
	for _, c := range []struct {
		names map[string]bool
		want  Unloaded
		has   bool // issuer-a
	}{
		{nil, "", false},
		{few, "issuer-a,registration-b.x", true},
		{map[string]bool{"issuer-ab": true, "xissuer-a": true}, "issuer-ab,xissuer-a", false},
		{many, "*", true},
		{long, "*", true},
	} {
		got := NewUnloaded(c.names)
		if got != c.want || got.Has("issuer-a") != c.has || got.All() != (c.want == "*") {
			t.Errorf("%d names: %q, has issuer-a: %t", len(c.names), got, got.Has("issuer-a"))
		}
		if names := got.Names(); !got.All() && len(names) != len(c.names) {
			t.Errorf("%q has the names %q", got, names)
		}
	}
	delete(many, "registration-n.0")
	if NewUnloaded(many).All() {
		t.Error("a hundred names are too many")
	}
}
