// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/internal/registration"
)

// obeyed reports whether the wish to revoke an ES256 key has been fulfilled everywhere.
func obeyed(t *testing.T, by admin, stolen string, replicas ...keeper) {
	t.Helper()
	o := by.keys()
	if _, asked := o.Annotations[annotationRevoke]; asked || !strings.HasSuffix(o.Annotations[annotationRevoked], " "+stolen) {
		t.Errorf("annotations are %v, want %s revoked", o.Annotations, stolen)
	}
	for _, k := range replicas {
		if set := k.keys(); len(set.Keys) != ofSchedule+1 || k.inUse(keys.ES256) == stolen {
			t.Errorf("%s has %v, want one key of each kind, and not %s", k.name, set, stolen)
		}
	}
}

// TestByHand_Faults: the wish stays until a replica has done it, and is done once.
func TestByHand_Faults(t *testing.T) {
	tests := []struct {
		name   string
		before func(one, two keeper) // the wish
		after  func(one, two keeper)
		within time.Duration
	}{
		{"watches that are late", func(one, two keeper) {
			one.link.freeze()
			two.link.freeze()
		}, func(one, two keeper) {
			one.link.thaw()
			two.link.thaw()
		}, time.Second},
		{"one watch that is late", func(one, _ keeper) { one.link.freeze() }, func(one, _ keeper) { one.link.thaw() }, time.Second},
		{"the API server is not reached", func(one, two keeper) {
			one.link.cut(true)
			two.link.cut(true)
		}, func(one, two keeper) {
			one.link.cut(false)
			two.link.cut(false)
		}, 2 * time.Minute},
		{"writes fail", func(one, two keeper) {
			one.link.refuse("put", "secrets")
			two.link.refuse("put", "secrets")
		}, func(one, two keeper) {
			one.link.inject(nil)
			two.link.inject(nil)
		}, retryUrgent + time.Second},
		{"answers are lost", func(one, two keeper) {
			lost := func(c call) error {
				if c.verb == "put" && c.resource == "secrets" && c.after {
					return errUnreachable
				}
				return nil
			}
			one.link.inject(lost)
			two.link.inject(lost)
		}, func(_, _ keeper) {}, time.Second},
		{"both are at it", func(one, two keeper) {
			slow := func(l *link) { l.delay = func(call) time.Duration { return 100 * time.Millisecond } }
			one.link.set(slow)
			two.link.set(slow)
		}, func(_, _ keeper) {}, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, a *api, by admin) {
				all := pair(t, a)
				stolen, version := all[0].inUse(keys.ES256), by.keys().ResourceVersion
				tt.before(all[0], all[1])
				by.annotate(annotationRevoke, stolen)
				settle(10 * time.Minute)
				tt.after(all[0], all[1])
				settle(tt.within)
				obeyed(t, by, stolen, all...)
				if n := a.writesSince(registration.KeysName("default"), version); n != 2 {
					t.Errorf("%d writes, want the wish and one that fulfils it", n)
				}
			})
		})
	}
}

// writesSince is how often a Secret was written after a resourceVersion.
func (a *api) writesSince(name, version string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, c := range a.history {
		if c.resource == "secrets" && c.name == name && !atLeast(version, fmt.Sprint(c.version)) {
			n++
		}
	}
	return n
}

// TestByHand_Killed: a replica that dies before or after its write leaves nothing half
// done, and the next one does what is left.
func TestByHand_Killed(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after the write: %v", after), func(t *testing.T) {
			bubble(t, func(t *testing.T, a *api, by admin) {
				one := a.replica(t, "one").keep(t)
				settle(time.Hour)
				stolen := one.inUse(keys.ES256)
				one.link.inject(func(c call) error {
					if c.verb == "put" && c.resource == "secrets" && c.after == after {
						one.stop()
						return errUnreachable
					}
					return nil
				})
				by.annotate(annotationRevoke, stolen)
				settle(time.Minute)
				_, asked := by.keys().Annotations[annotationRevoke]
				if asked == after {
					t.Fatalf("still asked: %v", asked)
				}
				next := a.replica(t, "next").keep(t)
				settle(time.Second)
				obeyed(t, by, stolen, next)
			})
		})
	}
}

// TestByHand_ConflictingWrites: somebody asks for more while a replica is about to write.
func TestByHand_ConflictingWrites(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		k := a.replica(t, "one").keep(t)
		settle(time.Hour)
		stolen, sealing := k.inUse(keys.ES256), k.inUse(keys.Seal)
		var once sync.Once
		k.link.inject(func(c call) error {
			if c.verb == "put" && c.resource == "secrets" && !c.after {
				once.Do(func() { by.annotate(annotationRevoke, stolen+","+sealing) })
			}
			return nil
		})
		by.annotate(annotationRevoke, stolen)
		settle(time.Minute)
		if got, want := by.keys().Annotations[annotationRevoked], "2000-01-01T01:00:00Z "+stolen+","+sealing; got != want {
			t.Errorf("revoked are %q, want %q", got, want)
		}
		if k.inUse(keys.Seal) == sealing {
			t.Error("what was asked for last is not done")
		}
	})
}

// TestByHand_WaitsForReadableKeys: nothing is overwritten that cannot be read, and the
// log says what the wish waits for.
func TestByHand_WaitsForReadableKeys(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		k := a.replica(t, "one").keep(t)
		settle(time.Hour)
		stolen, o := k.inUse(keys.ES256), by.keys()
		good := o.Data[keyKeys]
		o.Data[keyKeys], o.Annotations = []byte("{"), map[string]string{annotationRevoke: stolen}
		by.update(o)
		settle(time.Hour)
		if o = by.keys(); string(o.Data[keyKeys]) != "{" || !strings.Contains(k.log.String(), "waits until it is mended") {
			t.Errorf("malformed keys were overwritten, or the log does not say what is waited for:\n%s", k.log)
		}
		o.Data[keyKeys] = good
		by.update(o)
		settle(time.Second)
		obeyed(t, by, stolen, k)
	})
}

// TestByHand_BeforeTheServerServes: a wish from before the start is fulfilled first.
func TestByHand_BeforeTheServerServes(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		stolen := sharedKeys().Of(keys.ES256)[0].ID
		by.annotate(annotationRevoke, stolen)
		k := a.replica(t, "one").keep(t)
		settle(time.Second)
		obeyed(t, by, stolen, k)
	})
}

// TestReal_KeysByHand annotates as kubectl does, at a real API server with two replicas.
func TestReal_KeysByHand(t *testing.T) {
	by, inNamespace := realAdmin(t)
	var all []keeper
	for _, name := range []string{"one", "two"} {
		all = append(all, newReplica(t, name, by.client, inNamespace).keep(t))
	}
	both := func(what string, ok func(keeper) bool) {
		t.Helper()
		for _, k := range all {
			eventually(t, 30*time.Second, what+" at "+k.name, func() bool { return ok(k) })
		}
	}
	both("keys", func(k keeper) bool { return k.issuer() != nil && k.issuer().Ready() })
	annotate := func(annotation, value string) {
		t.Helper()
		patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, annotation, value)
		if _, err := by.client.CoreV1().Secrets(by.namespace).Patch(t.Context(), registration.KeysName("default"),
			types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	first := all[0].keys()
	old := first.Of(keys.ES256)[0].ID
	annotate(annotationRotate, "now")
	both("a next key", func(k keeper) bool { return len(k.keys().Keys) == 2*ofSchedule+1 })
	next := all[0].keys().Of(keys.ES256)[1].ID
	annotate(annotationRevoke, old+",misspelt")
	both("the next key in use", func(k keeper) bool { return k.inUse(keys.ES256) == next })
	o := by.keys()
	if !strings.HasSuffix(o.Annotations[annotationRevoked], " "+old) || !strings.Contains(o.Annotations[annotationRefused], `"misspelt"`) {
		t.Errorf("annotations are %v", o.Annotations)
	}
	annotate(annotationRevoke, keys.All)
	both("new keys", func(k keeper) bool { return len(k.keys().Keys) == ofSchedule+1 && k.inUse(keys.ES256) != next })
	if all[0].inUse(keys.Seal) != all[1].inUse(keys.Seal) || string(all[0].issuer().Keys.JWKS()) != string(all[1].issuer().Keys.JWKS()) {
		t.Error("replicas have different keys")
	}
	// One that starts now has what the others have.
	again := newReplica(t, "again", by.client, inNamespace).keep(t)
	eventually(t, 30*time.Second, "keys after a restart", func() bool { return again.inUse(keys.Seal) == all[0].inUse(keys.Seal) })
	// One was in use at first, one that was published took its place. Whoever wins counts
	// after its write, which the others may have seen by then.
	eventually(t, 30*time.Second, "two revocations counted", func() bool { return count(all, revocations(keys.ES256)) == 2 })
}
