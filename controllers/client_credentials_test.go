// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
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
		if got := choose(r.e); got != r.want {
			t.Errorf("%s: got origin %d and another value, or %t", r.name, got.origin, got.value == r.want.value)
		}
	}
}

func TestDigests(t *testing.T) {
	now := stamp(time.Now())
	value := minted(t)
	keep := value.Digest()
	before, after := now.Add(-time.Hour), now.Add(time.Hour)
	old := []registration.Digest{
		{SHA256: "ended", Since: before, Until: now},
		{SHA256: "ends", Since: before, Until: after},
		{SHA256: "replaced", Since: before},
		{SHA256: keep, Since: before, Until: after},
	}
	retired := []registration.Digest{
		{SHA256: "ends", Since: before, Until: after},
		{SHA256: "replaced", Since: before, Until: now.Add(overlap)},
		{SHA256: keep, Since: before},
	}
	if got := retire(old, keep, now, true); !reflect.DeepEqual(got, retired) {
		t.Errorf("retire: got %v, want %v", got, retired)
	}
	if got := retire(old, keep, now, false); len(got) != 4 || got[0] != old[0] {
		t.Errorf("retire dropped what it should not: %v", got)
	}
	if got := accept(old, value, now); len(got) != 4 {
		t.Errorf("accept: got %v", got)
	}
	if got, want := accept(nil, value, now), []registration.Digest{{SHA256: keep, Since: now}}; !reflect.DeepEqual(got, want) {
		t.Errorf("accept: got %v, want %v", got, want)
	}
	if again := retire(retired, keep, now, true); !reflect.DeepEqual(again, retired) {
		t.Errorf("a second look changes %v into %v", retired, again)
	}
}

func TestDigests_Full(t *testing.T) {
	now := stamp(time.Now())
	digests := func(ended, ending, without int) []registration.Digest {
		var all []registration.Digest
		for i := range ended {
			all = append(all, registration.Digest{SHA256: fmt.Sprint("ended", i), Until: now})
		}
		for i := range ending {
			all = append(all, registration.Digest{SHA256: fmt.Sprint("ending", i), Until: now.Add(time.Duration(i+1) * time.Minute)})
		}
		for i := range without {
			all = append(all, registration.Digest{SHA256: fmt.Sprint("without", i)})
		}
		return all
	}
	if _, full := noRoom(digests(0, registration.MaxDigests-1, 0), now); full {
		t.Error("full with room for one")
	}
	if next, full := noRoom(digests(0, registration.MaxDigests, 0), now); !full || next != now.Add(time.Minute) {
		t.Errorf("got %v, %t", next, full)
	}
	if next, full := noRoom(digests(0, 0, registration.MaxDigests), now); !full || next != now.Add(overlap) {
		t.Errorf("got %v, %t", next, full)
	}
	almost := digests(1, registration.MaxDigests-1, 0)
	if _, full := noRoom(almost, now); full {
		t.Error("one that has ended takes up room")
	}
	if got := accept(almost, minted(t), now); len(got) != registration.MaxDigests || contains(got, "ended0") {
		t.Errorf("%d digests", len(got))
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
	if withoutValue(harmless, value) != harmless || withoutValue(harmless, credential.Secret{}) != harmless {
		t.Error("a harmless error was withheld")
	}
}
