// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	day  = 24 * time.Hour
	lead = 2 * day
)

var (
	start    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	schedule = Schedule{Interval: 30 * day, Lead: lead, KeepSigning: day, KeepSealing: 60 * day}
)

// scheduled is a Set without key material: what decides is only kind and start.
func scheduled(kind string, starts ...time.Duration) Set {
	var s Set
	for i, d := range starts {
		s.Keys = append(s.Keys, Key{ID: fmt.Sprintf("%s-%d", kind, i), Kind: kind, Starts: start.Add(d), Keep: schedule.keep(kind)})
	}
	return s
}

// starts are the starts of a kind's keys, counted from start.
func starts(s Set, kind string) string {
	var out []string
	for _, k := range s.Of(kind) {
		out = append(out, k.Starts.Sub(start).String())
	}
	return strings.Join(out, " ")
}

// TestRotate_Schedule looks at sealing keys, which cost nothing to make. All kinds
// have one schedule, but for how long they are kept.
func TestRotate_Schedule(t *testing.T) {
	join := func(d ...time.Duration) (out []time.Duration) { return d }
	tests := []struct {
		name string
		keys []time.Duration // starts before
		now  time.Duration
		want []time.Duration // starts after
	}{
		{"first one starts at once", nil, 0, join(0)},
		{"nothing to do", join(0), 27 * day, join(0)},
		{"just before it is time to publish", join(0), 28*day - 1, join(0)},
		{"published before use", join(0), 28 * day, join(0, 30*day)},
		{"published already", join(0, 30*day), 29 * day, join(0, 30*day)},
		{"takes over", join(0, 30*day), 30 * day, join(0, 30*day)},
		{"the next one", join(0, 30*day), 58 * day, join(0, 30*day, 60*day)},
		{"just before it may be dropped", join(0, 30*day), 58*day - 1, join(0, 30*day)},
		{"kept until what it made has expired", join(0, 30*day, 60*day), 90*day - 1, join(0, 30*day, 60*day, 92*day)},
		{"and then dropped", join(0, 30*day, 60*day, 90*day), 90 * day, join(30*day, 60*day, 90*day)},
		{"after a long sleep the lead is kept", join(0), 400 * day, join(0, 402*day)},
		{"after a long sleep old ones go", join(0, 30*day), 400 * day, join(30*day, 402*day)},
		{"the last one stays, however old", join(0), 4000 * day, join(0, 4002*day)},
		{"clock before the first start", join(0), -10 * day, join(0)},
		{"clock back before take-over", join(0, 30*day), 10 * day, join(0, 30*day)},
		{"key of a clock that ran ahead", join(0, 365*day), 27 * day, join(0, 365*day)},
		{"is not waited for", join(0, 365*day), 28 * day, join(0, 30*day, 365*day)},
		{"fractions of a second are rounded up", join(0), 28*day + 1, join(0, 30*day+time.Second)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := scheduled(Seal, tt.keys...)
			for _, kind := range append(Algs(), Pairwise) {
				before.Keys = append(before.Keys, scheduled(kind, tt.now).Keys...) // never due
			}
			after, changed, err := before.Rotate(start.Add(tt.now), schedule, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := starts(after, Seal), starts(scheduled(Seal, tt.want...), Seal); got != want {
				t.Errorf("Rotate = %s, want %s", got, want)
			}
			if got, want := changed, !slices.Equal(tt.keys, tt.want); got != want {
				t.Errorf("changed = %v, want %v", got, want)
			}
		})
	}
}

// TestRotate_Keep: a key is kept for the longest lifetime that the schedule had while
// it was in use, and the schedule of later has no say in that.
func TestRotate_Keep(t *testing.T) {
	longer, shorter := schedule, schedule
	longer.KeepSealing, shorter.KeepSealing = 90*day, time.Hour
	two := []time.Duration{0, 30 * day}
	tests := []struct {
		name     string
		schedule Schedule
		keys     []time.Duration
		noted    time.Duration
		now      time.Duration
		want     string // starts after, and what is noted
	}{
		{"minted", schedule, nil, 0, 0, "0s+1440h0m0s"},
		{"of an older version", schedule, two[:1], 0, day, "0s+1440h0m0s"},
		{"in use when a lifetime grows", longer, two[:1], 60 * day, day, "0s+2160h0m0s"},
		{"published and not in use yet", longer, two, 60 * day, 29 * day, "0s+2160h0m0s 720h0m0s+2160h0m0s"},
		{"replaced just before", longer, two, 60 * day, 31 * day, "0s+2160h0m0s 720h0m0s+2160h0m0s"},
		{"replaced long before", longer, two, 60 * day, 32 * day, "0s+1440h0m0s 720h0m0s+2160h0m0s"},
		{"and dropped when it would have been", longer, two, 60 * day, 90 * day, "720h0m0s+2160h0m0s 2208h0m0s+2160h0m0s"},
		{"in use when a lifetime is cut", shorter, two[:1], 60 * day, day, "0s+1440h0m0s"},
		{"replaced when a lifetime is cut", shorter, two, 60 * day, 57 * day, "0s+1440h0m0s 720h0m0s+1440h0m0s"},
		{"of an older version, when a lifetime is cut", shorter, two, 0, 33 * day, "720h0m0s+1h0m0s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := scheduled(Seal, tt.keys...)
			for i := range before.Keys {
				before.Keys[i].Keep = tt.noted
			}
			for _, kind := range append(Algs(), Pairwise) {
				before.Keys = append(before.Keys, scheduled(kind, tt.now).Keys...) // never due
			}
			if next := before.Next(start.Add(tt.now-1), tt.schedule); next.After(start.Add(tt.now)) && tt.want != noted(before) {
				t.Errorf("Next = %v, want %v", next, start.Add(tt.now))
			}
			after, _, err := before.Rotate(start.Add(tt.now), tt.schedule, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := noted(after); got != tt.want {
				t.Errorf("Rotate = %s, want %s", got, tt.want)
			}
			if again, changed, err := after.Rotate(start.Add(tt.now), tt.schedule, nil); changed || err != nil {
				t.Errorf("second Rotate = %s, %v, want no change", noted(again), err)
			}
		})
	}
}

// noted are the starts of the sealing keys, and for how long each is kept.
func noted(s Set) string {
	var out []string
	for _, k := range s.Of(Seal) {
		out = append(out, k.Starts.Sub(start).String()+"+"+k.Keep.String())
	}
	return strings.Join(out, " ")
}

// TestRotate_LifetimesChange lets lifetimes grow and shrink at random for years. As
// long as every change is followed by a Rotate, what was made is never without its key
// before the end that it was given, and the set stays bounded.
func TestRotate_LifetimesChange(t *testing.T) {
	first := minted(t, start)
	for seed := range uint64(20) {
		r, s, p := rand.New(rand.NewPCG(seed, 1)), first, schedule
		type made struct {
			by    string
			until time.Time
		}
		var live []made
		now := start
		for range 500 {
			if r.IntN(4) == 0 {
				p.KeepSealing = time.Hour + time.Duration(r.Int64N(int64(100*day)))
			}
			// Signing keys are slow to make: these are always young.
			for i := range s.Keys {
				if s.Keys[i].Kind != Seal {
					s.Keys[i].Starts, s.Keys[i].Keep = now, p.keep(s.Keys[i].Kind)
				}
			}
			var err error
			if s, _, err = s.Rotate(now, p, nil); err != nil {
				t.Fatal(err)
			}
			live = slices.DeleteFunc(live, func(m made) bool { return !now.Before(m.until) })
			for _, m := range live {
				if !slices.ContainsFunc(s.Keys, func(k Key) bool { return k.ID == m.by }) {
					t.Fatalf("seed %d: the key %s is gone at %v, before %v", seed, m.by, now, m.until)
				}
			}
			k, _ := s.Active(Seal, now)
			live = append(live, made{k.ID, now.Add(p.KeepSealing)})
			if n := len(s.Of(Seal)); n > 7 {
				t.Fatalf("seed %d: %d sealing keys", seed, n)
			}
			now = now.Add(time.Duration(r.Int64N(int64(5 * day))))
		}
	}
}

func TestRotate_FirstMint(t *testing.T) {
	now := start.Add(123 * time.Millisecond)
	s, changed, err := Set{}.Rotate(now, schedule, nil)
	if err != nil || !changed {
		t.Fatalf("Rotate = %v, %v, want a change", changed, err)
	}
	for _, kind := range Algs() {
		k, ok := s.Active(kind, now)
		if !ok || k.Starts.After(now) {
			t.Fatalf("Active(%s) = %v, %v, want a key that has started", kind, k, ok)
		}
		if _, err := k.Signer(); err != nil {
			t.Errorf("Signer of %s: %v", kind, err)
		}
	}
	if k, _ := s.Active(Seal, now); len(k.Secret) != 32 {
		t.Errorf("sealing key has %d bytes, want 32", len(k.Secret))
	}
	ids := map[string]bool{}
	for _, k := range s.Keys {
		if len(k.ID) != 12 || ids[k.ID] {
			t.Errorf("id %q is taken or not 12 characters long", k.ID)
		}
		ids[k.ID] = true
	}
	if again, changed, err := s.Rotate(now, schedule, nil); err != nil || changed || len(again.Keys) != len(kinds)+1 {
		t.Errorf("second Rotate = %v, %v, %v, want no change", again, changed, err)
	}
}

// TestRotate_KindOfANewerVersion: what an older version made stays as it is, and a kind
// that it did not know is published for the lead before it is used, once.
func TestRotate_KindOfANewerVersion(t *testing.T) {
	s := Set{Keys: slices.Concat(scheduled(RS256, 0).Keys, scheduled(ES256, 0).Keys, scheduled(Seal, 0).Keys)}
	now := start.Add(day)
	if next := s.Next(now, schedule); !next.Equal(now) {
		t.Errorf("Next = %v, want now", next)
	}
	after, changed, err := s.Rotate(now, schedule, nil)
	if err != nil || !changed {
		t.Fatalf("Rotate = %v, %v, want a change", changed, err)
	}
	for _, kind := range Kinds() {
		want := "0s"
		if kind == PS256 || kind == EdDSA {
			want = (day + lead).String()
		}
		if got := starts(after, kind); got != want {
			t.Errorf("%s keys start at %s, want %s", kind, got, want)
		}
	}
	if again, changed, err := after.Rotate(now.Add(lead), schedule, nil); changed || err != nil {
		t.Errorf("second Rotate = %v, %v, want no change", again, err)
	}
}

func TestRotate_RandomFails(t *testing.T) {
	if _, changed, err := (Set{}).Rotate(start, schedule, strings.NewReader("short")); err == nil || changed {
		t.Errorf("Rotate = %v, %v, want an error and no change", changed, err)
	}
}

// TestRotate_KeepsWhatItDoesNotKnow: an older version must not drop a newer one's
// keys during a rolling update.
func TestRotate_KeepsWhatItDoesNotKnow(t *testing.T) {
	s := scheduled(Seal, 0)
	for _, kind := range append(Algs(), "ML-DSA-44") {
		s.Keys = append(s.Keys, scheduled(kind, 28*day).Keys...)
	}
	after, changed, err := s.Rotate(start.Add(28*day), schedule, nil)
	if err != nil || !changed {
		t.Fatalf("Rotate = %v, %v, want a change", changed, err)
	}
	if got, want := starts(after, "ML-DSA-44"), (28 * day).String(); got != want {
		t.Errorf("keys of an unknown kind start at %q, want %q", got, want)
	}
}

func TestActive(t *testing.T) {
	tests := []struct {
		name string
		keys []time.Duration
		now  time.Duration
		want string
	}{
		{"none", nil, 0, ""},
		{"one", []time.Duration{0}, 0, "seal-0"},
		{"not before its start", []time.Duration{0, day}, day - 1, "seal-0"},
		{"from its start", []time.Duration{0, day}, day, "seal-1"},
		{"the youngest that has started", []time.Duration{0, day, 2 * day, 3 * day}, 2*day + 1, "seal-2"},
		{"in any order", []time.Duration{2 * day, 0, day}, day, "seal-2"},
		{"clock back before all", []time.Duration{0, day}, -day, "seal-0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, ok := scheduled(Seal, tt.keys...).Active(Seal, start.Add(tt.now))
			if k.ID != tt.want || ok != (tt.want != "") {
				t.Errorf("Active = %q, %v, want %q", k.ID, ok, tt.want)
			}
		})
	}
}

// checkInvariants is what must hold at every moment of every history.
func checkInvariants(s Set, published map[string]time.Time, now time.Time) error {
	for _, kind := range Kinds() {
		k, ok := s.Active(kind, now)
		if !ok {
			return fmt.Errorf("no %s key", kind)
		}
		first := len(s.Of(kind)) == 1 || k.ID == s.Of(kind)[0].ID
		if at, ok := published[k.ID]; ok && !first && now.Sub(at) < lead {
			return fmt.Errorf("%v is in use %v after it was published, want at least %v", k, now.Sub(at), lead)
		}
	}
	return nil
}

// minted is a Set of one key of each kind, the pairwise one too, from now on.
func minted(t *testing.T, now time.Time) Set {
	t.Helper()
	s, _, err := Set{}.Rotate(now, schedule, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRotate_Months follows a set through months, waking up at Next alone: every key
// is published before use, nothing that may be alive is ever without its key, and
// the set stays small.
func TestRotate_Months(t *testing.T) {
	now := start
	s, p := minted(t, now), schedule
	published, used := map[string]time.Time{}, map[string]time.Time{}
	for rounds := 0; now.Before(start.Add(200 * day)); rounds++ {
		for _, kind := range Kinds() {
			active, _ := s.Active(kind, now)
			used[active.ID] = now
		}
		next := s.Next(now, p)
		if !next.After(now) || rounds > 200 {
			t.Fatalf("Next(%v) = %v in round %d, want a later time", now, next, rounds)
		}
		if _, changed, _ := s.Rotate(next.Add(-1), p, nil); changed {
			t.Fatalf("Rotate has work just before Next = %v", next)
		}
		now = next
		before := s
		var err error
		if s, _, err = s.Rotate(now, p, nil); err != nil {
			t.Fatal(err)
		}
		for _, k := range s.Keys {
			if _, ok := published[k.ID]; !ok {
				published[k.ID] = now
			}
		}
		if err := errors.Join(checkInvariants(s, published, now), checkDrops(before, s, used, now)); err != nil {
			t.Fatal(err)
		}
		if len(s.Keys) > 13 {
			t.Fatalf("%d keys, want few", len(s.Keys))
		}
	}
	if got := len(published); got < 18 {
		t.Errorf("%d keys in 200 days, want one of each kind a month", got)
	}
}

// checkDrops checks that what a dropped key made has expired. A key was in use at
// the most until its successor started.
func checkDrops(before, after Set, used map[string]time.Time, now time.Time) error {
	for _, k := range before.Keys {
		kept := slices.ContainsFunc(after.Keys, func(a Key) bool { return a.ID == k.ID })
		if last, ok := used[k.ID]; !kept && ok && now.Sub(last) < schedule.keep(k.Kind) {
			return fmt.Errorf("%v is dropped %v after it was in use, want %v", k, now.Sub(last), schedule.keep(k.Kind))
		}
	}
	return nil
}

// TestRotate_ClockJumps lets the clock jump back and forth at random: there is
// always a key, the set stays bounded, and once the clock is right again, rotation
// goes on within an interval.
func TestRotate_ClockJumps(t *testing.T) {
	first, p := minted(t, start), schedule
	signing := first.Of(RS256)
	for seed := range uint64(20) {
		r, s := rand.New(rand.NewPCG(seed, 0)), first
		rotate := func(now time.Time) {
			t.Helper()
			// Signing keys are slow to make: these are always young.
			s.Keys = s.Of(Seal)
			for _, kind := range Algs() {
				k := signing[0]
				k.Kind, k.Starts, k.ID = kind, now, "of "+kind
				s.Keys = append(s.Keys, k)
			}
			var err error
			if s, _, err = s.Rotate(now, p, nil); err != nil {
				t.Fatal(err)
			}
			if err := checkInvariants(s, nil, now); err != nil {
				t.Fatalf("seed %d, at %v: %v", seed, now, err)
			}
			if n := len(s.Of(Seal)); n > 60 {
				t.Fatalf("seed %d: %d sealing keys, want a bound", seed, n)
			}
		}
		for range 40 {
			rotate(start.Add(time.Duration(r.Int64N(int64(800*day))) - 400*day))
		}
		settled := start.Add(400 * day)
		for now := settled; now.Before(settled.Add(200 * day)); now = now.Add(12 * time.Hour) {
			rotate(now)
			if active, _ := s.Active(Seal, now); now.After(settled.Add(p.Interval)) && now.Sub(active.Starts) > p.Interval+lead {
				t.Fatalf("seed %d: at %v the key of %v is in use, want a younger one", seed, now, active.Starts)
			}
		}
	}
}

// cas is a place for a Set with compare-and-swap, as an API server gives it.
type cas struct {
	mu      sync.Mutex
	version int
	data    []byte
}

func (c *cas) read() (int, []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version, c.data
}

func (c *cas) swap(version int, data []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version != version {
		return false
	}
	c.version, c.data = version+1, data
	return true
}

// replica rotates as often as it takes, and returns what it serves by.
func (c *cas) replica(now time.Time, p Schedule) (Set, error) {
	for {
		version, data := c.read()
		var s Set
		if data != nil {
			var err error
			if s, err = Decode(data); err != nil {
				return Set{}, err
			}
		}
		next, changed, err := s.Rotate(now, p, nil)
		if err != nil || !changed {
			return next, err
		}
		if data, err = next.Encode(); err != nil {
			return Set{}, err
		}
		if c.swap(version, data) {
			return next, nil
		}
	}
}

// TestRotate_ReplicasConverge lets replicas with clocks that differ a little rotate
// at once: all serve by the same keys, and one key of a kind is made, not many.
func TestRotate_ReplicasConverge(t *testing.T) {
	var c cas
	for month := range 2 {
		now := start.Add(time.Duration(month) * 31 * day) // due by every clock
		sets := make([]Set, 3)
		errs := make([]error, len(sets))
		var all sync.WaitGroup
		for i := range sets {
			all.Go(func() { sets[i], errs[i] = c.replica(now.Add(time.Duration(i)*time.Second), schedule) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		_, data := c.read()
		for i, s := range sets {
			got, err := s.Encode()
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("month %d: replica %d serves by other keys than are stored (%v)", month, i, err)
			}
		}
		if got, want := len(sets[0].Of(ES256)), month+1; got != want {
			t.Errorf("month %d: %d keys, want %d", month, got, want)
		}
		if got, want := c.version, month+1; got != want {
			t.Errorf("month %d: %d writes, want %d", month, got, want)
		}
	}
}

func TestEncodeDecode(t *testing.T) {
	s := minted(t, start)
	s.Keys = append(s.Keys, Key{ID: "future", Kind: "ML-DSA-44", Secret: []byte("x"), Starts: start})
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := got.Encode()
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("round trip = %v, %v, want the same bytes", got, err)
	}
	if _, ok := got.Active(RS256, start); !ok || len(got.Keys) != len(kinds)+2 {
		t.Errorf("Decode = %v, want all keys", got)
	}
}

func TestDecode_Refuses(t *testing.T) {
	const secret = "c2VjcmV0LWtleS1tYXRlcmlhbA"
	tests := []struct{ name, data string }{
		{"nothing", ""},
		{"no JSON", secret},
		{"cut short", `{"version":1,"keys":[{"id":"a","kind":"seal","secret":"` + secret},
		{"secret is no base64", `{"version":1,"keys":[{"id":"a","kind":"seal","secret":"` + secret + `!"}]}`},
		{"secret is a number", `{"version":1,"keys":[{"id":"a","kind":"seal","secret":12345678901234567890}]}`},
		{"time is the secret", `{"version":1,"keys":[{"id":"a","kind":"seal","starts":"` + secret + `"}]}`},
		{"another version", `{"version":2,"keys":[{"id":"a","kind":"seal","secret":"` + secret + `"}]}`},
		{"no version", `{"keys":[]}`},
		{"no id", `{"version":1,"keys":[{"kind":"seal"}]}`},
		{"no kind", `{"version":1,"keys":[{"id":"a"}]}`},
		{"two of one id", `{"version":1,"keys":[{"id":"a","kind":"seal"},{"id":"a","kind":"RS256"}]}`},
		{"something behind", `{"version":1,"keys":[]}` + secret},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Decode([]byte(tt.data))
			if err == nil {
				t.Fatalf("Decode = %v, want an error", s)
			}
			if got := err.Error(); strings.Contains(got, secret[:8]) || strings.Contains(got, "12345678") {
				t.Errorf("error %q holds key material", got)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	s, _, err := scheduled(Seal, 0, day).Rotate(start, Schedule{Interval: day, Lead: time.Hour}, nil)
	if err != nil {
		f.Fatal(err)
	}
	s.Keys = slices.Concat(s.Of(Seal), s.Of(ES256), s.Of(EdDSA)) // an RSA key takes a millisecond to parse
	data, err := s.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"keys":[{"id":"a","kind":"ES256","secret":"AAAA","starts":"2026-03-01T12:00:00Z"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode(data)
		if err != nil {
			return
		}
		for _, k := range s.Keys {
			if signer, err := k.Signer(); err == nil && signer == nil {
				t.Errorf("%v parses to nothing", k)
			}
		}
		again, err := s.Encode()
		if err != nil {
			t.Skip() // a year that JSON cannot hold
		}
		if back, err := Decode(again); err != nil || len(back.Keys) != len(s.Keys) {
			t.Errorf("Decode(Encode) = %v, %v, want %v", back, err, s)
		}
	})
}

func TestSigner_Refuses(t *testing.T) {
	s := minted(t, start)
	rsa, ec, ed, sealing := s.Of(RS256)[0], s.Of(ES256)[0], s.Of(EdDSA)[0], s.Of(Seal)[0]
	swap := func(k Key, kind string) Key { k.Kind = kind; return k }
	for name, k := range map[string]Key{
		"RSA as ES256": swap(rsa, ES256), "EC as RS256": swap(ec, RS256), "RSA as seal": swap(rsa, Seal),
		"EC as PS256": swap(ec, PS256), "EC as EdDSA": swap(ec, EdDSA), "RSA as EdDSA": swap(rsa, EdDSA),
		"Ed25519 as ES256": swap(ed, ES256), "Ed25519 as PS256": swap(ed, PS256), "Ed25519 as seal": swap(ed, Seal),
		"sealing key": sealing, "sealing key as ES256": swap(sealing, ES256), "nothing": {ID: "a", Kind: ES256},
	} {
		if signer, err := k.Signer(); err == nil {
			t.Errorf("%s: Signer = %T, want an error", name, signer)
		} else if bytes.Contains([]byte(err.Error()), k.Secret) && len(k.Secret) > 0 {
			t.Errorf("%s: the error holds key material", name)
		}
	}
}

// TestKey_RefusesToPrint tries the ways in which a key could get into a log.
func TestKey_RefusesToPrint(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	s := Set{Version: Version, Keys: []Key{{ID: "kid", Kind: Seal, Secret: secret}}}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "key", s.Keys[0], "set", s)
	}
	for _, v := range []any{s, &s, s.Keys, s.Keys[0], &s.Keys[0], struct{ K Key }{s.Keys[0]}} {
		fmt.Fprintf(&log, "%v %+v %#v %s\n", v, v, v, v)
	}
	spellings := []string{
		string(secret), base64.StdEncoding.EncodeToString(secret), fmt.Sprintf("%x", secret), fmt.Sprintf("%d", secret[:8])[1:20],
		fmt.Sprintf("%#v", secret[:4])[6:20],
	}
	for _, spelling := range spellings {
		if strings.Contains(log.String(), spelling) {
			t.Errorf("printed %q:\n%s", spelling, log.String())
		}
	}
	if stored, err := json.Marshal(s); err != nil || !strings.Contains(string(stored), spellings[1]) {
		t.Errorf("JSON = %s, %v, want the secret: it is how a set is stored", stored, err)
	}
}
