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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	naming := func(s credential.Secret) revocations { return revocations{accepting(s)[0].ID(): true} }
	for _, r := range []struct {
		name string
		e    evidence
		want choice
	}{
		{"the parked one is the newest", evidence{accepted: accepting(a, c), parked: c}, choice{origin: originParked, value: c}},
		{"another was published after the parked one", evidence{accepted: accepting(c, a), parked: c}, choice{origin: originMinted}},
		{"nothing is there", evidence{}, choice{origin: originMinted}},
		{"one is parked", evidence{parked: c}, choice{origin: originParked, value: c}},
		{"the held one is accepted", evidence{held: a, accepted: accepting(a)}, choice{origin: originHeld, value: a}},
		{"the held one is accepted, beside others", evidence{held: a, accepted: accepting(b, a), parked: c}, choice{origin: originHeld, value: a}},
		{"the held one is not accepted", evidence{held: a, accepted: accepting(b)}, choice{origin: originMinted}},
		{"the held one is not accepted, one is parked", evidence{held: a, accepted: accepting(b, c), parked: c}, choice{origin: originParked, value: c}},
		{"the Secret is gone", evidence{accepted: accepting(a)}, choice{origin: originMinted}},
		{"the record is gone", evidence{held: a}, choice{origin: originAdopted, value: a}},
		{"the record is gone, and one is parked", evidence{held: a, parked: c}, choice{origin: originAdopted, value: a}},
		{"the record is gone, and the value was not minted", evidence{held: own}, choice{origin: originMinted}},
		{"a value that was not minted, and is accepted", evidence{held: own, accepted: accepting(own)}, choice{origin: originHeld, value: own}},
		{"another Secret has an accepted one", evidence{carried: carried(b, a), accepted: accepting(a)}, choice{origin: originCarried, value: a}},
		{"both Secrets have accepted ones", evidence{held: a, carried: carried(b), accepted: accepting(a, b)}, choice{origin: originHeld, value: a}},
		{"the held one is refused, another Secret's is not", evidence{held: own, carried: carried(b), accepted: accepting(b)}, choice{origin: originCarried, value: b}},
		{"the record is gone, and another Secret has one", evidence{carried: carried(b)}, choice{origin: originAdopted, value: b}},
		{"the held one is due", evidence{held: a, accepted: accepting(a), due: true}, choice{origin: originMinted, replaces: a}},
		{"the held one is due, one is parked", evidence{held: a, accepted: accepting(a), parked: c, due: true}, choice{originParked, c, a}},
		{"the held one is due, the parked one is published", evidence{held: a, accepted: accepting(a, c), parked: c, due: true}, choice{originParked, c, a}},
		{"the held one is due, the parked one is superseded", evidence{held: a, accepted: accepting(a, c, b), parked: c, due: true}, choice{origin: originMinted, replaces: a}},
		{"the held one is due, the parked one is revoked", evidence{held: a, accepted: accepting(a, c), parked: c, due: true, revoked: naming(c)}, choice{origin: originMinted, replaces: a}},
		{"the parked one is revoked", evidence{accepted: accepting(a, c), parked: c, revoked: naming(c)}, choice{origin: originMinted}},
		{"another Secret has one, and it is due", evidence{carried: carried(b), accepted: accepting(b), due: true}, choice{origin: originCarried, value: b}},
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

func TestSettledVersion(t *testing.T) {
	current := registration.Digest{SHA256: "current"}
	record := func(version, settled string) *corev1.Secret {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{ResourceVersion: version, UID: "uid"}}
		setSettled(s, settled, current.ID())
		return s
	}
	with := func(digests ...registration.Digest) *registration.Client {
		return &registration.Client{Name: "wiki", Scopes: []string{"openid"}, Digests: digests}
	}
	ended := registration.Digest{SHA256: "old", Until: time.Now()}
	coming := registration.Digest{SHA256: "coming"}
	other := with(current)
	other.Scopes = []string{"email"}
	restored := record("5", "3")
	restored.UID = "another"
	mountedLater := record("5", "")
	setSettled(mountedLater, "3", ended.ID())
	old := record("5", "")
	old.Annotations = map[string]string{annotationSettled: "uid/3"}
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
		{"one that is to come is added", record("5", ""), with(current), with(current, coming), "5"},
		{"one that is to come is there", record("6", "5"), with(current, coming), with(current, coming), "5"},
		{"what stands there is of another secret", mountedLater, with(ended, current), with(ended, current), "5"},
		{"what stands there is of an earlier release", old, with(current), with(current), "5"},
		{"one that had an end has none", record("5", ""), with(ended, current), with(registration.Digest{SHA256: "old"}, current), "5"},
		{"the spec changes", record("5", "3"), with(current), other, ""},
		{"what stands there is later than the record", record("5", "6"), with(current), with(current), "5"},
		{"what stands there is no version", record("5", "x"), with(current), with(current), "5"},
		{"it was restored from a backup", restored, with(current), with(current), "5"},
	} {
		if got := settledVersion(c.record, c.published, c.want, current.ID()); got != c.settled {
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
		if got := withoutValue(errors.New(text), value, false).Error(); strings.Contains(got, value.Reveal()) || strings.Contains(got, base64Of(value.Reveal())) {
			t.Errorf("%s tells the secret", got)
		}
	}
	harmless := errors.New("exceeded quota")
	if withoutValue(harmless, value, false).Error() != harmless.Error() || withoutValue(harmless, credential.Secret{}, true).Error() != harmless.Error() {
		t.Error("a harmless error was withheld")
	}

	brought := credential.New(`a "quoted" one & more`)
	denied := func(text string) error {
		return apierrors.NewForbidden(corev1.Resource("secrets"), "wiki", errors.New(text))
	}
	for _, got := range []error{
		withoutValue(denied(`{"client_secret":"a \"quoted\" one \u0026 more"}`), brought, false),
		withoutValue(denied("Basic "+base64Of("wiki:"+value.Reveal())), value, true),
	} {
		if text := got.Error(); strings.Contains(text, "quoted") || strings.Contains(text, "Basic") || !strings.Contains(text, "Forbidden") {
			t.Errorf("%q tells too much or too little", text)
		}
		if !apierrors.IsForbidden(got) {
			t.Errorf("%q has lost its kind", got)
		}
	}
}
