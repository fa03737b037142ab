// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/token"
	"github.com/clientele-dev/clientele/internal/registration"
)

// annotate does what kubectl annotate does to the keys of the default issuer.
func (a admin) annotate(annotation, value string) {
	a.t.Helper()
	o := a.keys()
	if o.Annotations == nil {
		o.Annotations = map[string]string{}
	}
	o.Annotations[annotation] = value
	a.update(o)
}

func (a admin) keys() *corev1.Secret { return a.secret(registration.KeysName("default")) }

// inUse is the id of the key of a kind that is in use.
func (k keeper) inUse(kind string) string {
	key, _ := k.keys().Active(kind, time.Now())
	return key.ID
}

// count is what replicas have counted together.
func count(replicas []keeper, of func(*metrics) float64) float64 {
	var n float64
	for _, r := range replicas {
		n += of(r.store.metrics)
	}
	return n
}

func revocations(kind string) func(*metrics) float64 {
	return func(m *metrics) float64 { return testutil.ToFloat64(m.revocations.WithLabelValues("default", kind)) }
}

// signed is an access token by the key in use.
func signed(t *testing.T, i *registry.Issuer) string {
	t.Helper()
	now := time.Now()
	text, err := i.Keys.SignAccess(keys.ES256, token.Access{
		Subject: "ada", ClientID: "shop.wiki", IssuedAt: now, Expires: now.Add(15 * time.Minute), AuthTime: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func accepted(i *registry.Issuer, text string) bool {
	_, err := i.Keys.VerifyAccess(text, time.Now())
	return err == nil
}

// pair is two replicas that serve, and nothing is due for weeks.
func pair(t *testing.T, a *api) []keeper {
	all := []keeper{a.replica(t, "one").keep(t), a.replica(t, "two").keep(t)}
	settle(time.Hour)
	return all
}

func TestByHand_Rotate(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		all := pair(t, a)
		before, asked := all[0].keys(), time.Now()
		by.annotate(annotationRotate, "")
		settle(time.Second)
		o := by.keys()
		if _, asked := o.Annotations[annotationRotate]; asked || !strings.HasPrefix(o.Annotations[annotationRotated], "2000-01-01T01:00:00Z ") {
			t.Errorf("annotations are %v, want it done", o.Annotations)
		}
		for _, k := range all {
			if n := len(k.keys().Keys); n != 2*ofSchedule+1 {
				t.Errorf("%s has %d keys, want another one of each kind", k.name, n)
			}
			for _, kind := range keys.Kinds() {
				next := k.keys().Of(kind)[1]
				if early := next.Starts.Sub(asked) - DefaultSchedule(serverRecord("default")).Lead; early < 0 {
					t.Errorf("%v comes into use %v before its lead has passed", next, -early)
				}
				if !strings.Contains(o.Annotations[annotationRotated], next.ID) || !slices.ContainsFunc(before.Keys, func(b keys.Key) bool { return b.ID == k.inUse(kind) }) {
					t.Errorf("%v is not named in %q, or in use already", next, o.Annotations[annotationRotated])
				}
			}
		}
		if n := count(all, func(m *metrics) float64 { return testutil.ToFloat64(m.rotations.WithLabelValues("default", keys.Seal)) }); n != 1 {
			t.Errorf("%v sealing keys are counted, want 1", n)
		}
		by.annotate(annotationRotate, "again")
		settle(time.Second)
		if n, o := len(all[0].keys().Keys), by.keys(); n != 2*ofSchedule+1 || !strings.Contains(o.Annotations[annotationRotated], " none: ") {
			t.Errorf("%d keys, and %v: the next keys wait already", n, o.Annotations)
		}
		settle(25 * time.Hour)
		if all[1].inUse(keys.ES256) == before.Of(keys.ES256)[0].ID {
			t.Error("the old key is in use after the lead")
		}
	})
}

// TestByHand_RevokeSigningKey: what it signed is refused at once by every replica, and
// all of them sign by the same new one.
func TestByHand_RevokeSigningKey(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		all := pair(t, a)
		stolen, old := all[0].inUse(keys.ES256), signed(t, all[0].issuer())
		others := all[0].inUse(keys.RS256)
		by.annotate(annotationRevoke, stolen)
		settle(time.Second)
		for _, k := range all {
			i := k.issuer()
			if accepted(i, old) || strings.Contains(string(i.Keys.JWKS()), stolen) {
				t.Errorf("%s takes what the revoked key signed, or publishes it", k.name)
			}
			if !accepted(i, signed(t, all[0].issuer())) || k.inUse(keys.ES256) != all[0].inUse(keys.ES256) {
				t.Errorf("%s does not take what is signed now", k.name)
			}
			if k.inUse(keys.RS256) != others {
				t.Errorf("%s has replaced a key that nobody named", k.name)
			}
		}
		o := by.keys()
		if got, want := o.Annotations[annotationRevoked], "2000-01-01T01:00:00Z "+stolen; got != want || o.Annotations[annotationRevoke] != "" || o.Annotations[annotationRefused] != "" {
			t.Errorf("annotations are %v, want %q alone", o.Annotations, want)
		}
		if n := count(all, revocations(keys.ES256)); n != 1 {
			t.Errorf("%v revocations are counted, want 1", n)
		}
	})
}

func TestByHand_RevokeSealingKey(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		all := pair(t, a)
		sealed, err := all[0].issuer().Box.Seal(seal.Session, "session", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		old := signed(t, all[0].issuer())
		by.annotate(annotationRevoke, all[0].inUse(keys.Seal))
		settle(time.Second)
		for _, k := range all {
			var text string
			if err := k.issuer().Box.Open(seal.Session, sealed, &text); !errors.Is(err, seal.ErrInvalid) {
				t.Errorf("%s opens what the revoked key sealed: %v", k.name, err)
			}
			if !accepted(k.issuer(), old) {
				t.Errorf("%s refuses a token of a key that nobody named", k.name)
			}
		}
		sealed, err = all[0].issuer().Box.Seal(seal.Session, "session", time.Now())
		var text string
		if err != nil || all[1].issuer().Box.Open(seal.Session, sealed, &text) != nil {
			t.Errorf("what is sealed now does not open at the other replica, %v", err)
		}
	})
}

func TestByHand_RevokeAll(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		all := pair(t, a)
		before := all[0].keys()
		by.annotate(annotationRotate, "yes")
		settle(time.Second)
		by.annotate(annotationRevoke, "all")
		settle(time.Second)
		for _, k := range all {
			now := k.keys()
			for _, old := range before.Keys {
				there := slices.ContainsFunc(now.Keys, func(n keys.Key) bool { return n.ID == old.ID })
				if salt := old.Kind == keys.Pairwise; there != salt {
					t.Errorf("%s: %v is there: %v, want %v", k.name, old, there, salt)
				}
			}
			for _, kind := range keys.Kinds() {
				if all := now.Of(kind); len(all) != 1 || all[0].Starts.After(time.Now()) {
					t.Errorf("%s has the %s keys %v, want one that is in use", k.name, kind, all)
				}
			}
		}
		if n := count(all, revocations(keys.Seal)); n != 2 {
			t.Errorf("%v revocations are counted, want those of the key in use and of the one that waited", n)
		}
	})
}

// TestByHand_PublishedSuccessorTakesOver is the way without a gap for those who keep a
// copy of the JWK set: rotate, wait, revoke.
func TestByHand_PublishedSuccessorTakesOver(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		all := pair(t, a)
		old := all[0].inUse(keys.ES256)
		by.annotate(annotationRotate, "yes")
		settle(10 * time.Minute)
		next := all[0].keys().Of(keys.ES256)[1].ID
		by.annotate(annotationRevoke, old)
		settle(time.Second)
		for _, k := range all {
			if got := k.inUse(keys.ES256); got != next {
				t.Errorf("%s signs by %s, want %s, which was published", k.name, got, next)
			}
		}
	})
}

// TestByHand_Refused: whoever sets the annotation is told there what was wrong with it,
// and what was right with it is done.
func TestByHand_Refused(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		k := a.replica(t, "one").keep(t)
		settle(time.Hour)
		salt := k.keys().Of(keys.Pairwise)[0].ID
		for _, tt := range []struct {
			name, value string
			want        []string
			gone        string // a kind
		}{
			{"misspelt", "nosuchkey123", []string{`"nosuchkey123": no key has such an id`}, ""},
			{"one of two", "nosuchkey123, {ES256}", []string{`"nosuchkey123": no key`}, keys.ES256},
			{"spaces and commas", " ,{EdDSA}, ", nil, keys.EdDSA},
			{"nothing", "", []string{"names no key", "separated by commas, or all"}, ""},
			{"commas alone", ",,", []string{"names no key"}, ""},
			{"the salt", salt, []string{salt, "pairwise subjects stays"}, ""},
			{"a kind", "ES256", []string{`"ES256": no key`}, ""},
			{"in capitals", "ALL", []string{`"ALL": no key`}, ""},
			{"very long", strings.Repeat("x", 100), []string{`"` + strings.Repeat("x", maxQuotedLength) + `..."`}, ""},
			{"very many", strings.Join(strings.Split("abcdefghijklmnop", ""), ","), []string{`"h", and 8 more: no key`}, ""},
			{"a line break", "a\nb", []string{`"a\nb": no key`}, ""},
			{"and then all is well", "{seal}", nil, keys.Seal},
		} {
			before := k.keys()
			value := tt.value
			for _, kind := range keys.Kinds() {
				value = strings.ReplaceAll(value, "{"+kind+"}", k.inUse(kind))
			}
			by.annotate(annotationRevoke, value)
			settle(time.Second)
			o := by.keys()
			if _, asked := o.Annotations[annotationRevoke]; asked {
				t.Errorf("%s: the annotation is still there", tt.name)
			}
			refusal := o.Annotations[annotationRefused]
			if (refusal != "") != (tt.want != nil) {
				t.Errorf("%s: refused with %q", tt.name, refusal)
			}
			for _, want := range tt.want {
				if !strings.Contains(refusal, want) || !strings.Contains(k.log.String(), "Some keys are not revoked") {
					t.Errorf("%s: refused with %q, which lacks %q, or nothing is logged", tt.name, refusal, want)
				}
			}
			for _, kind := range append(keys.Kinds(), keys.Pairwise) {
				was, _ := before.Active(kind, time.Now())
				if is := k.inUse(kind); (is != was.ID) != (kind == tt.gone) {
					t.Errorf("%s: the %s key was %s and is %s", tt.name, kind, was.ID, is)
				}
			}
		}
	})
}
