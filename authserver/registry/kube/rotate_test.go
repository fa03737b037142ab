// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/token"
	"github.com/clientele-dev/clientele/internal/registration"
)

// ofSchedule is how many keys are minted together, as often as it is time. The one that
// salts pairwise subjects is minted with the first of them.
var ofSchedule = len(keys.Kinds())

// keeper is the part of a replica that follows and rotates, without a Lease, so
// that a year of it is a few thousand steps.
type keeper struct {
	*replica
	mu   *sync.Mutex
	seen map[string]time.Time // when this replica first had a key, by ID
}

func (r *replica) keep(t *testing.T) keeper {
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	r.stop = stop
	k := keeper{replica: r, mu: &sync.Mutex{}, seen: map[string]time.Time{}}
	go k.watch(ctx)
	go func() {
		defer close(r.done)
		for r.member.catchUp(ctx) != nil && ctx.Err() == nil {
			pause(ctx, time.Second)
		}
		r.rotator.run(ctx)
		r.member.follower.stop()
	}()
	t.Cleanup(r.end)
	return k
}

// watch notes every key at the moment at which it arrives.
func (k keeper) watch(ctx context.Context) {
	for ctx.Err() == nil {
		k.store.mu.Lock()
		advance := k.store.advance
		k.store.mu.Unlock()
		k.mu.Lock()
		for _, key := range k.keys().Keys {
			if _, known := k.seen[key.ID]; !known {
				k.seen[key.ID] = time.Now()
			}
		}
		k.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-advance:
		}
	}
}

func (k keeper) since(key keys.Key) (time.Time, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at, known := k.seen[key.ID]
	return at, known
}

func (k keeper) issuer() *registry.Issuer { return k.registry.Issuers()["default"] }

// keys is the set that this replica serves by.
func (k keeper) keys() keys.Set {
	k.store.mu.Lock()
	defer k.store.mu.Unlock()
	if v := k.store.servers["default"]; v != nil && v.keys.set != nil {
		return *v.keys.set
	}
	return keys.Set{}
}

func TestDefaultSchedule(t *testing.T) {
	got := DefaultSchedule(serverRecord("default"))
	want := keys.Schedule{Interval: 720 * time.Hour, Lead: 24 * time.Hour, KeepSigning: 75 * time.Minute, KeepSealing: 721 * time.Hour}
	if got != want {
		t.Errorf("DefaultSchedule() = %+v, want %+v", got, want)
	}
	short := DefaultSchedule(serverRecord("default", func(r *registration.Server) {
		r.Signing.KeyRotationInterval, r.Lifetimes.IDToken = 24*time.Hour, 3*time.Hour
		r.Lifetimes.RefreshToken, r.Lifetimes.Session = time.Hour, 2*time.Hour
	}))
	want = keys.Schedule{Interval: 24 * time.Hour, Lead: 6 * time.Hour, KeepSigning: 4 * time.Hour, KeepSealing: 3 * time.Hour}
	if short != want {
		t.Errorf("DefaultSchedule() = %+v, want %+v", short, want)
	}
}

func TestRotator_ThreeReplicasMintOneSet(t *testing.T) {
	bubbleWithoutKeys(t, func(t *testing.T, a *api, by admin) {
		var all []*replica
		for i := range 3 {
			r := a.replica(t, fmt.Sprint("replica-", i))
			r.link.delay = func(call) time.Duration { return 100 * time.Millisecond } // all three are at it
			all = append(all, r.start(t))
		}
		settle(10 * time.Second)
		minted := 0.0
		for _, r := range all {
			if err := r.Ready(); err != nil {
				t.Errorf("Ready() = %v; log:\n%s", err, r.log)
			}
			if got, want := r.registry.Issuers()["default"].Keys.JWKS(), all[0].registry.Issuers()["default"].Keys.JWKS(); string(got) != string(want) {
				t.Error("replicas publish different keys")
			}
			minted += testutil.ToFloat64(r.store.metrics.rotations.WithLabelValues("default", keys.RS256))
		}
		if minted != 1 {
			t.Errorf("%v sets were published, want 1", minted)
		}
		o := by.secret(registration.KeysName("default"))
		owner := metav1.OwnerReference{APIVersion: "clientele.dev/v1alpha1", Kind: "AuthorizationServer", Name: "default", UID: "uid-of-default"}
		if o.Labels[registration.LabelRecord] != registration.RecordKeys || !slices.Equal(o.OwnerReferences, []metav1.OwnerReference{owner}) {
			t.Errorf("labels %v, owners %v", o.Labels, o.OwnerReferences)
		}
	})
}

func TestRotator_MintsAnewAfterDeletion(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		k := a.replica(t, "one").keep(t)
		settle(time.Second)
		before := k.keys()
		by.delete(registration.KeysName("default"))
		settle(time.Second)
		if after := k.keys(); len(after.Keys) != ofSchedule+1 || after.Keys[0].ID == before.Keys[0].ID {
			t.Errorf("there are no new keys; log:\n%s", k.log)
		}
		if !k.issuer().Ready() || !strings.Contains(k.log.String(), "everybody must sign in again") {
			t.Errorf("the issuer is not ready, or nothing is logged:\n%s", k.log)
		}
	})
}

func TestRotator_NeverOverwritesMalformedKeys(t *testing.T) {
	bubbleWithoutKeys(t, func(t *testing.T, a *api, by admin) {
		o := keysSecret()
		o.Data[keyKeys] = []byte(`{"version":2,"keys":[]}`) // as a later release might write
		o = by.create(o)
		r := a.replica(t, "one").start(t)
		settle(2 * time.Hour)
		if now := by.secret(o.Name); now.ResourceVersion != o.ResourceVersion {
			t.Error("keys that this release does not understand were overwritten")
		}
		if err := r.Ready(); err == nil {
			t.Error("ready without keys")
		}
		by.update(keysSecret())
		settle(time.Minute)
		if err := r.Ready(); err != nil {
			t.Errorf("Ready() = %v after the keys were mended", err)
		}
		if strings.Contains(r.log.String(), "PRIVATE") {
			t.Error("key material in the log")
		}
	})
}

func TestRotator_UnlabelledSecretInTheWay(t *testing.T) {
	bubbleWithoutKeys(t, func(t *testing.T, a *api, by admin) {
		o := keysSecret()
		o.Labels = nil
		o = by.create(o)
		k := a.replica(t, "one").keep(t)
		settle(time.Minute)
		if !strings.Contains(k.log.String(), "not labelled") {
			t.Errorf("the log does not say what stands in the way:\n%s", k.log)
		}
		o.Labels = map[string]string{registration.LabelRecord: registration.RecordKeys}
		by.update(o)
		settle(time.Second)
		if i := k.issuer(); !i.Ready() {
			t.Error("keys that were labelled are not used")
		}
	})
}

func TestRotator_ServerDeletedAndCreatedAnew(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		o := by.secret(registration.KeysName("default"))
		fill(o, serverRecord("default"), o.Data[keyKeys])
		o.Annotations["backup"] = "yes"
		by.update(o)
		k := a.replica(t, "one").keep(t)
		settle(time.Second)
		before := k.keys()
		by.update(serverSecret(serverRecord("default", func(r *registration.Server) { r.UID = "a new uid" })))
		settle(time.Second)
		if after := k.keys(); len(after.Keys) != ofSchedule+1 || after.Keys[0].ID == before.Keys[0].ID || !k.issuer().Ready() {
			t.Errorf("a new AuthorizationServer has the keys of the old one; log:\n%s", k.log)
		}
		if o := by.secret(o.Name); o.OwnerReferences[0].UID != "a new uid" || o.Annotations["backup"] != "yes" {
			t.Errorf("the Secret is %v, want it to be the new server's and otherwise as it was", o.ObjectMeta)
		}
	})
}

func TestRotator_FollowsTheRecordsInterval(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		k := a.replica(t, "one").keep(t)
		settle(25 * time.Hour)
		if n := len(k.keys().Keys); n != ofSchedule+1 {
			t.Fatalf("%d keys after a day, want %d", n, ofSchedule+1)
		}
		by.update(serverSecret(serverRecord("default", func(r *registration.Server) { r.Signing.KeyRotationInterval = 24 * time.Hour })))
		settle(time.Hour)
		if n := len(k.keys().Keys); n != 2*ofSchedule+1 {
			t.Errorf("%d keys after the interval was shortened to a day, want a next one of each kind", n)
		}
	})
}

func TestRotator_OnlyWritesWhenThereIsSomethingToDo(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, _ admin) {
		k := a.replica(t, "one").keep(t)
		settle(28 * 24 * time.Hour)
		if n := k.link.count("put", "secrets") + k.link.count("post", "secrets"); n != 0 {
			t.Errorf("%d writes before anything was due", n)
		}
		settle(4 * 24 * time.Hour)
		// One write publishes the next key of each kind, one drops the signing keys
		// that have been replaced for long enough; the sealing key stays.
		if n := k.link.count("put", "secrets"); n != 2 {
			t.Errorf("%d writes for the first rotation, want 2; log:\n%s", n, k.log)
		}
	})
}

func TestRotator_DecidesOnlyOnTheLatestKeys(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		late, prompt := a.replica(t, "one").keep(t), a.replica(t, "two").keep(t)
		settle(time.Hour)
		if version := by.secret(registration.KeysName("default")).ResourceVersion; late.rotator.spread("default", version) < prompt.rotator.spread("default", version) {
			late, prompt = prompt, late
		}
		late.link.freeze()
		settle(29 * 24 * time.Hour)
		if n := len(prompt.keys().Keys); n != 2*ofSchedule+1 {
			t.Fatalf("%d keys after the first rotation, want %d", n, 2*ofSchedule+1)
		}
		if n := len(late.keys().Keys); n != ofSchedule+1 {
			t.Fatal("not the situation that this test is about")
		}
		if n := late.link.count("get", "secrets"); n == 0 || late.link.count("put", "secrets") > 0 {
			t.Fatal("the replica that is late has not tried to rotate, or has not looked before")
		}
		published, err := keys.Decode(by.secret(registration.KeysName("default")).Data[keyKeys])
		if err != nil || !slices.EqualFunc(published.Keys, prompt.keys().Keys, func(a, b keys.Key) bool { return a.ID == b.ID }) {
			t.Errorf("a replica that was late has replaced what was published: %v, %v", published.Keys, err)
		}
		late.link.thaw()
		settle(time.Second)
		if n := len(late.keys().Keys); n != 2*ofSchedule+1 {
			t.Errorf("%d keys after it has caught up, want %d", n, 2*ofSchedule+1)
		}
	})
}

func TestRotator_RetriesLessAndLessOften(t *testing.T) {
	bubbleWithoutKeys(t, func(t *testing.T, a *api, _ admin) {
		k := a.replica(t, "one").keep(t)
		k.link.refuse("post", "secrets")
		for _, c := range []struct {
			during   time.Duration
			min, max int
		}{{time.Minute, 3, 6}, {time.Hour, 12, 20}} {
			before := k.link.count("post", "secrets")
			settle(c.during)
			if n := k.link.count("post", "secrets") - before; n < c.min || n > c.max {
				t.Errorf("%d attempts in %v, want %d to %d", n, c.during, c.min, c.max)
			}
		}
		k.link.inject(nil)
		settle(6 * time.Minute)
		if !k.issuer().Ready() {
			t.Error("no keys although they can be written")
		}
	})
}

// artefact is something that was signed or sealed, and until when it must hold.
type artefact struct {
	made, until time.Time
	access      string
	sealed      string
}

// year is what TestRotator_AYear follows.
type year struct {
	*rand.Rand
	t       *testing.T
	keepers []keeper
	began   time.Time
	live    []artefact
	record  registration.Server
}

func TestRotator_AYear(t *testing.T) {
	t.Parallel()
	bubbleWithoutKeys(t, func(t *testing.T, a *api, by admin) {
		y := &year{Rand: rand.New(rand.NewPCG(1, 2)), t: t, record: serverRecord("default", func(r *registration.Server) {
			r.Lifetimes.AccessToken = 12 * time.Hour // to be alive a few looks later
		})}
		by.update(serverSecret(y.record))
		for i := range 3 {
			r := a.replica(t, fmt.Sprint("replica-", i))
			r.link.set(y.trouble)
			y.keepers = append(y.keepers, r.keep(t))
		}
		settle(2 * time.Minute)
		y.began = time.Now()
		for now := y.began; now.Sub(y.began) < 366*24*time.Hour; now = time.Now() {
			y.look(now)
			settle(time.Duration(60+y.IntN(240)) * time.Minute)
		}
		writes := 0
		for _, k := range y.keepers {
			writes += k.link.count("put", "secrets") + k.link.count("post", "secrets")
			if n := len(k.seen); n < ofSchedule*12 || n > ofSchedule*14 {
				t.Errorf("%s has seen %d keys in a year, want one of each kind a month", k.name, n)
			}
		}
		// Three a month (publish, drop the signing keys, drop the sealing key), and the
		// quarter that fails.
		if writes > 2*3*13 {
			t.Errorf("%d writes in a year", writes)
		}
		t.Logf("%d writes, %d artefacts alive at the end", writes, len(y.live))
	})
}

// trouble makes a quarter of all writes fail, some of them after they have had
// their effect, and all of them slow enough for replicas to meet.
func (y *year) trouble(l *link) {
	dice := rand.New(rand.NewPCG(y.Uint64(), 0))
	l.delay = func(call) time.Duration {
		l.mu.Lock()
		defer l.mu.Unlock()
		return time.Duration(dice.Int64N(int64(2 * time.Second)))
	}
	l.fault = func(c call) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case c.resource != "secrets" || c.verb != "put" && c.verb != "post":
			return nil
		case !c.after && dice.IntN(8) == 0:
			return apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, c.name, fmt.Errorf("injected"))
		case dice.IntN(8) == 0:
			return errUnreachable
		}
		return nil
	}
}

// look checks every promise at one moment.
func (y *year) look(now time.Time) {
	y.t.Helper()
	lead := DefaultSchedule(y.record).Lead
	for _, k := range y.keepers {
		for _, kind := range keys.Kinds() {
			active, ok := k.keys().Active(kind, now)
			if !ok {
				y.t.Fatalf("%s has no %s key at %v", k.name, kind, now)
			}
			first := active.Starts.Sub(y.began) < time.Hour // there is none to publish it under
			for _, other := range y.keepers {
				if at, known := other.since(active); !known || !first && active.Starts.Sub(at) < lead {
					y.t.Fatalf("at %v %s uses %v of %v, which %s has only since %v", now, k.name, active, active.Starts, other.name, at)
				}
			}
		}
	}
	y.verify(now)
	y.make(now)
}

func (y *year) make(now time.Time) {
	i := y.keepers[y.IntN(len(y.keepers))].issuer()
	a := artefact{made: now, until: now.Add(y.record.Lifetimes.AccessToken)}
	var err error
	a.access, err = i.Keys.SignAccess(y.record.Signing.AccessTokenAlg, token.Access{
		Subject: "ada", ClientID: "shop.wiki", IssuedAt: now, Expires: a.until, AuthTime: now,
	})
	if err != nil {
		y.t.Fatal(err)
	}
	y.live = append(y.live, a)
	if y.IntN(4) == 0 {
		sealed, err := i.Box.Seal(seal.RefreshToken, "grant", now)
		if err != nil {
			y.t.Fatal(err)
		}
		y.live = append(y.live, artefact{made: now, until: now.Add(y.record.Lifetimes.RefreshToken), sealed: sealed})
	}
}

// verify opens what is alive, on one replica or another: a part of it, and all that
// might not be alive any more the next time.
func (y *year) verify(now time.Time) {
	y.live = slices.DeleteFunc(y.live, func(a artefact) bool { return a.until.Before(now) })
	for _, a := range y.live {
		if a.until.Sub(now) > 5*time.Hour && y.IntN(10) > 0 {
			continue
		}
		i := y.keepers[y.IntN(len(y.keepers))].issuer()
		var err error
		if a.access != "" {
			_, err = i.Keys.VerifyAccess(a.access, now)
		} else {
			var text string
			err = i.Box.Open(seal.RefreshToken, a.sealed, &text)
		}
		if err != nil {
			y.t.Fatalf("what was made at %v does not hold at %v, before %v: %v", a.made, now, a.until, err)
		}
	}
}
