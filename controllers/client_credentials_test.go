// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

func minted(t *testing.T) credential.Secret {
	t.Helper()
	s, err := credential.Mint(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func accepting(secrets ...credential.Secret) []registration.Digest {
	var digests []registration.Digest
	for _, s := range secrets {
		digests = append(digests, registration.Digest{SHA256: s.Digest()})
	}
	return digests
}

func TestChoose(t *testing.T) {
	a, b, c := minted(t), minted(t), minted(t)
	own := credential.New("hunter2")
	carried := func(s ...credential.Secret) []credential.Secret { return s }
	for _, r := range []struct {
		name string
		e    evidence
		want choice
	}{
		{"the parked one is the newest", evidence{accepted: accepting(a, c), parked: c}, choice{originParked, c}},
		{"another was published after the parked one", evidence{accepted: accepting(c, a), parked: c}, choice{origin: originMinted}},
		{"nothing is there", evidence{}, choice{origin: originMinted}},
		{"one is parked", evidence{parked: c}, choice{originParked, c}},
		{"the held one is accepted", evidence{held: a, accepted: accepting(a)}, choice{originHeld, a}},
		{"the held one is accepted, beside others", evidence{held: a, accepted: accepting(b, a), parked: c}, choice{originHeld, a}},
		{"the held one is not accepted", evidence{held: a, accepted: accepting(b)}, choice{origin: originMinted}},
		{"the held one is not accepted, one is parked", evidence{held: a, accepted: accepting(b, c), parked: c}, choice{originParked, c}},
		{"the Secret is gone", evidence{accepted: accepting(a)}, choice{origin: originMinted}},
		{"the record is gone", evidence{held: a}, choice{originAdopted, a}},
		{"the record is gone, and one is parked", evidence{held: a, parked: c}, choice{originAdopted, a}},
		{"the record is gone, and the value was not minted", evidence{held: own}, choice{origin: originMinted}},
		{"a value that was not minted, and is accepted", evidence{held: own, accepted: accepting(own)}, choice{originHeld, own}},
		{"another Secret has an accepted one", evidence{carried: carried(b, a), accepted: accepting(a)}, choice{originCarried, a}},
		{"both Secrets have accepted ones", evidence{held: a, carried: carried(b), accepted: accepting(a, b)}, choice{originHeld, a}},
		{"the held one is refused, another Secret's is not", evidence{held: own, carried: carried(b), accepted: accepting(b)}, choice{originCarried, b}},
		{"the record is gone, and another Secret has one", evidence{carried: carried(b)}, choice{originAdopted, b}},
		{"another Secret has none", evidence{carried: carried(credential.Secret{})}, choice{origin: originMinted}},
	} {
		r.e.find = func(value credential.Secret) int { return find(r.e.accepted, value) }
		if got := choose(r.e); got != r.want {
			t.Errorf("%s: got origin %d and another value, or %t", r.name, got.origin, got.value == r.want.value)
		}
	}
}

func TestAccept(t *testing.T) {
	now := stamp(time.Now())
	value := minted(t)
	own := registration.Digest{SHA256: value.Digest(), Since: now}
	a, ended := registration.Digest{SHA256: "a"}, registration.Digest{SHA256: "ended", Until: now}
	again := own
	again.Until = now.Add(time.Hour)
	if got := accept(nil, own); !reflect.DeepEqual(got, []registration.Digest{own}) {
		t.Errorf("the first: got %v", got)
	}
	if got := accept([]registration.Digest{ended, a}, own); !reflect.DeepEqual(got, []registration.Digest{ended, a, own}) {
		t.Errorf("another: got %v", got)
	}
	ending := []registration.Digest{again, a}
	if got := acceptAgain(ending, 0); !reflect.DeepEqual(got, []registration.Digest{own, a}) || ending[0] != again {
		t.Errorf("one that was to end: got %v", got)
	}

	almost := []registration.Digest{ended}
	for i := 1; i < registration.MaxDigests; i++ {
		almost = append(almost, registration.Digest{SHA256: fmt.Sprint(i)})
	}
	if full(almost, now) {
		t.Error("one that has ended takes up room")
	}
	if !full(almost, now.Add(-1)) || !full(append(almost[1:], a), now) {
		t.Error("not full")
	}
	if got := accept(almost, own); len(got) != registration.MaxDigests || position(got, "ended") >= 0 || got[len(got)-1] != own {
		t.Errorf("got %v", got)
	}
	if almost[0] != ended {
		t.Error("what was passed in was changed")
	}
}

func TestRetire(t *testing.T) {
	now := stamp(time.Now())
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	digest := func(name string, since, until time.Time) registration.Digest {
		return registration.Digest{SHA256: name, Since: since, Until: until}
	}
	var (
		long, end = ago(time.Hour), now.Add(overlap)
		a, b, c   = digest("a", long, time.Time{}), digest("b", long, time.Time{}), digest("c", ago(settleDelay), time.Time{})
		fresh     = digest("fresh", ago(settleDelay-time.Second), time.Time{})
		aEnds     = digest("a", long, end)
		bEnds     = digest("b", long, end)
		ends      = digest("ends", long, now.Add(time.Second))
		ended     = digest("ended", long, now)
	)
	type digests []registration.Digest
	for _, r := range []struct {
		name      string
		old       digests
		held      string
		want      digests
		nextAfter time.Duration // 0 is never
	}{
		{"none", nil, "", nil, 0},
		{"the held one alone", digests{a}, "a", digests{a}, 0},
		{"those before it, when it is old enough", digests{a, b, c}, "c", digests{aEnds, bEnds, c}, overlap},
		{"those before it, when it is too young", digests{a, fresh}, "fresh", digests{a, fresh}, time.Second},
		{"the last, after it, is left alone", digests{a, c}, "a", digests{a, c}, 0},
		{"those after it, when the last is old enough", digests{a, b, c}, "a", digests{a, bEnds, c}, overlap},
		{"those after it, when the last is too young", digests{a, b, fresh}, "a", digests{a, b, fresh}, time.Second},
		{"before and after", digests{a, c, b, fresh}, "c", digests{aEnds, c, b, fresh}, time.Second},
		{"one that ends", digests{ends, c}, "c", digests{ends, c}, time.Second},
		{"one that has ended", digests{ended, c}, "c", digests{c}, 0},
		{"none is held, the last is old enough", digests{a, b, c}, "", digests{aEnds, bEnds, c}, overlap},
		{"none is held, the last is too young", digests{a, fresh}, "", digests{a, fresh}, time.Second},
		{"none is held, there is one", digests{c}, "", digests{c}, 0},
	} {
		old := append(digests(nil), r.old...)
		held := position(r.old, r.held)
		got := digests(retire(r.old, held, now))
		if !slices.Equal(got, r.want) {
			t.Errorf("%s: got %v, want %v", r.name, got, r.want)
		}
		if !slices.Equal(r.old, old) {
			t.Errorf("%s: what was passed in was changed", r.name)
		}
		if again := retire(got, position(got, r.held), now); !slices.Equal(again, got) {
			t.Errorf("%s: a second look changes it to %v", r.name, again)
		}
		var want time.Time
		if r.nextAfter > 0 {
			want = now.Add(r.nextAfter)
		}
		if next := nextRetirement(got, position(got, r.held)); next != want {
			t.Errorf("%s: the next retirement is at %v, want %v", r.name, next, want)
		}
	}
}

func TestSettledVersion(t *testing.T) {
	record := func(version, settled string) *corev1.Secret {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{ResourceVersion: version, UID: "uid"}}
		setSettled(s, settled)
		return s
	}
	with := func(digests ...registration.Digest) *registration.Client {
		return &registration.Client{Name: "wiki", Scopes: []string{"openid"}, Digests: digests}
	}
	ended := registration.Digest{SHA256: "old", Until: time.Now()}
	current := registration.Digest{SHA256: "current"}
	other := with(current)
	other.Scopes = []string{"email"}
	restored := record("5", "3")
	restored.UID = "another"
	for _, c := range []struct {
		name            string
		record          *corev1.Secret
		published, want *registration.Client
		settled         string
	}{
		{"there is none", nil, nil, with(current), ""},
		{"it was damaged", record("5", ""), nil, with(current), ""},
		{"nothing changes", record("5", ""), with(current), with(current), "5"},
		{"nothing changes after a retirement", record("5", "3"), with(current), with(current), "3"},
		{"one is dropped", record("5", ""), with(ended, current), with(current), "5"},
		{"one more is dropped", record("5", "3"), with(ended, current), with(current), "3"},
		{"one is added", record("5", "3"), with(ended), with(ended, current), ""},
		{"one that had an end has none", record("5", ""), with(ended, current), with(registration.Digest{SHA256: "old"}, current), "5"},
		{"the spec changes", record("5", "3"), with(current), other, ""},
		{"what stands there is later than the record", record("5", "6"), with(current), with(current), "5"},
		{"what stands there is no version", record("5", "x"), with(current), with(current), "5"},
		{"it was restored from a backup", restored, with(current), with(current), "5"},
	} {
		if got := settledVersion(c.record, c.published, c.want); got != c.settled {
			t.Errorf("%s: got %q, want %q", c.name, got, c.settled)
		}
	}
}

func TestParking(t *testing.T) {
	a, b := types.NamespacedName{Name: "a"}, types.NamespacedName{Name: "b"}
	one, two := minted(t), minted(t)
	p := newParking(1)
	if !p.put(a, "1", one) || p.get(a, "1") != one {
		t.Error("what was parked is not there")
	}
	if p.get(a, "2") != (credential.Secret{}) {
		t.Error("another OAuthClient of that name gets it")
	}
	if p.put(b, "1", two) {
		t.Error("there is room beyond the limit")
	}
	if !p.put(a, "2", two) || p.get(a, "2") != two {
		t.Error("a parked one cannot be replaced")
	}
	p.drop(a)
	if p.get(a, "2") != (credential.Secret{}) || !p.put(b, "1", one) {
		t.Error("what was dropped is still there")
	}
}

func TestWithoutValue(t *testing.T) {
	value := minted(t)
	for _, text := range []string{
		"denied: " + value.Reveal(),
		`denied: {"client_secret":"` + base64Of(value.Reveal()) + `"}`,
	} {
		if got := withoutValue(errors.New(text), value).Error(); strings.Contains(got, value.Reveal()) || strings.Contains(got, base64Of(value.Reveal())) {
			t.Errorf("%s tells the secret", got)
		}
	}
	harmless := errors.New("exceeded quota")
	if !errors.Is(withoutValue(harmless, value), harmless) || !errors.Is(withoutValue(harmless, credential.Secret{}), harmless) {
		t.Error("a harmless error was withheld")
	}
}
