// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clientele-dev/clientele/internal/registration"
)

// recordCache has records, under the keys of indexCredential.
type recordCache struct {
	client.Reader
	byKey map[string][]corev1.Secret
}

func (c *recordCache) List(_ context.Context, into client.ObjectList, opts ...client.ListOption) error {
	o := (&client.ListOptions{}).ApplyOptions(opts)
	key, exact := o.FieldSelector.RequiresExactMatch(indexCredential)
	if !exact || o.Namespace != "system" {
		return fmt.Errorf("listed by %v in %q", o.FieldSelector, o.Namespace)
	}
	into.(*corev1.SecretList).Items = c.byKey[key]
	return nil
}

// add puts a record with those digests into the cache, and returns their IDs.
func (c *recordCache) add(name string, digests ...registration.Digest) []string {
	var ids []string
	record := recordWith(name, digests...)
	for _, key := range credentialKeys(&record) {
		c.byKey[key] = append(c.byKey[key], record)
	}
	for _, d := range digests {
		ids = append(ids, d.ID())
	}
	return ids
}

// recordWith is the record of an OAuthClient, as far as digestsIn reads it.
func recordWith(name string, digests ...registration.Digest) corev1.Secret {
	c := registration.Client{
		Version: registration.Version, UID: "uid", Namespace: "shop", Name: name, AuthorizationServer: "main",
		ClientID: registration.ClientID("shop", name), RedirectURIs: []string{"https://a.example/callback"},
		TokenEndpointAuthMethod: registration.AuthMethodBasic, Digests: digests,
	}
	data, err := c.Encode()
	if err != nil {
		panic(err)
	}
	return corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "system", Name: registration.ClientRecordName("shop", name), ResourceVersion: "1",
			Labels:      map[string]string{registration.LabelRecord: registration.RecordClient},
			Annotations: map[string]string{registration.AnnotationClient: "shop/" + name},
		},
		Data: map[string][]byte{registration.KeyClient: data},
	}
}

// delayedQueue remembers who was put off, and for how long.
type delayedQueue struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	added map[string]time.Duration
}

func (q *delayedQueue) AddAfter(r reconcile.Request, d time.Duration) { q.added[r.Name] = d }

// usageBench is usageReports to which a test delivers reports and Leases.
type usageBench struct {
	*usageReports
	t       *testing.T
	clock   *clocktesting.FakeClock
	records *recordCache
	queue   *delayedQueue
	version int
	deleted []string
	fail    error
}

func (b *usageBench) Delete(_ context.Context, o client.Object, _ ...client.DeleteOption) error {
	if b.fail == nil {
		b.deleted = append(b.deleted, o.GetName())
	}
	return b.fail
}

// noon is a full hour.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// deleteOnly makes a client of what can only delete.
type deleteOnly struct {
	client.Client
	b *usageBench
}

func (d deleteOnly) Delete(ctx context.Context, o client.Object, opts ...client.DeleteOption) error {
	return d.b.Delete(ctx, o, opts...)
}

func newUsageBench(t *testing.T) *usageBench {
	t.Helper()
	b := &usageBench{
		t: t, clock: clocktesting.NewFakeClock(noon), version: 100,
		records: &recordCache{byKey: map[string][]corev1.Secret{}}, queue: &delayedQueue{added: map[string]time.Duration{}},
	}
	o := Options{Namespace: "system", Clock: b.clock}
	c := clusterClients{cached: b.records, writer: deleteOnly{b: b}}
	b.usageReports = newUsageReports(shared{Options: o, clusterClients: c}, newReplicaTracker(o, c))
	b.usageReports.queue = b.queue
	return b
}

// lease delivers the Lease of a replica that has reported all until a time, in the
// version that was reported last.
func (b *usageBench) lease(replica string, reported time.Time) {
	b.version++
	l := leaseOf(registration.LeaseName(replica), fmt.Sprint(b.version), "1")
	l.Spec.AcquireTime = new(metav1.NewMicroTime(noon.Add(-time.Hour)))
	if !reported.IsZero() {
		l.Annotations[registration.AnnotationReported] = reported.Format(time.RFC3339)
	}
	if r := b.reports[registration.UsageName(replica)]; r != nil {
		l.Annotations[registration.AnnotationReport] = r.secret.ResourceVersion
	}
	b.tracker.handlers().OnAdd(l, false)
}

// report delivers a report, and returns whose status it concerns.
func (b *usageBench) report(replica string, used map[string]time.Time) []string {
	b.t.Helper()
	minutes := map[string]int64{}
	for id, at := range used {
		minutes[id] = minuteOf(at)
	}
	data, err := registration.Usage{Used: minutes}.Encode()
	if err != nil {
		b.t.Fatal(err)
	}
	return b.deliver(replica, data, false)
}

func (b *usageBench) deliver(replica string, data []byte, initially bool) []string {
	b.version++
	clear(b.queue.added)
	b.handlers(b.t.Context()).OnAdd(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "system", Name: registration.UsageName(replica), ResourceVersion: fmt.Sprint(b.version),
			UID: types.UID("uid-" + replica), CreationTimestamp: metav1.NewTime(noon.Add(-100 * time.Hour)),
			Labels: map[string]string{registration.LabelRecord: registration.RecordUsage},
		},
		Data: map[string][]byte{registration.KeyUsage: data},
	}, initially)
	var woken []string
	for name := range b.queue.added {
		woken = append(woken, name)
	}
	slices.Sort(woken)
	return woken
}

func digest(name string) registration.Digest {
	return registration.Digest{SHA256: name, Since: noon.Add(-time.Hour)}
}

func ending(name string) registration.Digest {
	d := digest(name)
	d.Until = noon.Add(time.Hour)
	return d
}

func TestUsageReports_WakesWhoHasSomethingToTell(t *testing.T) {
	b := newUsageBench(t)
	wiki := b.records.add("wiki", ending("old"), digest("current"))
	blog := b.records.add("blog", digest("blog"))
	idle := b.records.add("idle", digest("idle"))
	old, current := wiki[0], wiki[1]
	b.clock.Step(3 * time.Hour)
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	for i, c := range []struct {
		replica string
		used    map[string]time.Time
		want    string
	}{
		{"a", map[string]time.Time{current: at(5), blog[0]: at(5)}, "blog wiki"}, // the first that is known
		{"a", map[string]time.Time{current: at(10), blog[0]: at(59)}, ""},
		{"a", map[string]time.Time{current: at(10), blog[0]: at(60)}, "blog"},
		{"a", map[string]time.Time{current: at(10), blog[0]: at(60), old: at(61)}, "wiki"},
		{"a", map[string]time.Time{current: at(10), blog[0]: at(60), old: at(62)}, "wiki"}, // each time: it was replaced
		{"b", map[string]time.Time{blog[0]: at(61), old: at(50)}, ""},                      // known better
		{"b", map[string]time.Time{blog[0]: at(70), old: at(63)}, "wiki"},
		{"b", map[string]time.Time{blog[0]: at(70), old: at(63), "0123456789ab": at(63)}, ""}, // of nobody any more
	} {
		if got := strings.Join(b.report(c.replica, c.used), " "); got != c.want {
			t.Errorf("report %d wakes %q, want %q", i, got, c.want)
		}
	}
	for id, want := range map[string]time.Time{current: at(10), blog[0]: at(70), old: at(63), idle[0]: {}} {
		if got := b.of(id); !got.Equal(want) {
			t.Errorf("of(%s) = %v, want %v", id, got, want)
		}
	}
}

func TestUsageReports_SpreadsWhatCanWait(t *testing.T) {
	b := newUsageBench(t)
	used, hour := map[string]time.Time{}, map[string]time.Time{}
	for i := range 1000 {
		id := b.records.add(fmt.Sprint("c", i), digest(fmt.Sprint("secret", i)))[0]
		used[id], hour[id] = noon.Add(-time.Minute), noon
	}
	if got := b.report("a", used); len(got) != 1000 || b.queue.added["c0"] != 0 {
		t.Errorf("%d are woken, the first one in %v", len(got), b.queue.added["c0"])
	}
	if got := b.report("a", hour); len(got) != 1000 {
		t.Errorf("%d are woken by the next hour", len(got))
	}
	perMinute := make([]int, wakeSpread/time.Minute)
	for _, delay := range b.queue.added {
		perMinute[delay/time.Minute]++
	}
	if least, most := slices.Min(perMinute), slices.Max(perMinute); least < 10 || most > 70 {
		t.Errorf("from %d to %d a minute, want about 33", least, most)
	}
	ends := b.records.add("ending", ending("ending"))[0]
	hour[ends] = noon.Add(-time.Hour)
	b.report("a", hour)
	hour[ends] = noon
	if b.report("a", hour); b.queue.added["ending"] > wakeSpread || len(b.queue.added) != 1 {
		t.Errorf("woken: %v", b.queue.added)
	}
}

func TestUsageReports_Through(t *testing.T) {
	b := newUsageBench(t)
	want := func(want time.Time, why string) {
		t.Helper()
		if got := b.through(); !got.Equal(want) {
			t.Errorf("%s: through() = %v, want %v", why, got, want)
		}
	}
	never := time.Time{}
	want(never, "no replica")
	b.lease("a", noon.Add(-3*time.Minute))
	want(noon.Add(-3*time.Minute), "one replica, which has nothing to report")
	b.lease("b", never)
	want(never, "another one says nothing")
	b.lease("b", noon.Add(-5*time.Minute))
	want(noon.Add(-5*time.Minute), "the one that is behind counts")

	// The Lease comes before the report that it speaks of.
	b.report("b", map[string]time.Time{"0123456789ab": noon})
	b.lease("b", noon)
	r := b.reports[registration.UsageName("b")]
	r.read = "1"
	want(never, "a report that has not come")
	r.read = r.secret.ResourceVersion
	want(noon.Add(-3*time.Minute), "it has come")
	b.deliver("b", []byte(`{"version":2}`), false)
	want(noon.Add(-3*time.Minute), "one that cannot be read, and of which nothing is claimed")
	b.lease("b", noon)
	want(never, "one that cannot be read")
	if !b.of("0123456789ab").Equal(noon) {
		t.Error("what was read before is forgotten")
	}
	b.report("b", map[string]time.Time{"0123456789ab": noon})
	b.lease("b", noon.Add(time.Hour))
	b.lease("a", noon.Add(time.Hour))
	want(noon, "clocks that are ahead")
}

func TestUsageReports_Since(t *testing.T) {
	b := newUsageBench(t)
	b.lease("a", noon)
	if got := b.since(); !got.Equal(noon.Add(-time.Hour)) {
		t.Errorf("since() = %v, want when the replica joined", got)
	}
	data, _ := registration.Usage{Used: map[string]int64{}, Dropped: minuteOf(noon.Add(-time.Minute))}.Encode()
	b.deliver("gone", data, true)
	for range 2 {
		if got := b.since(); !got.Equal(noon.Add(-time.Minute)) {
			t.Errorf("since() = %v, want when the last use was that a report had no room for", got)
		}
		b.drop(registration.UsageName("gone"))
	}
}

func TestUsageReports_FutureUseIsOfNow(t *testing.T) {
	b := newUsageBench(t)
	b.report("a", map[string]time.Time{"0123456789ab": noon.Add(time.Hour)})
	if got := b.of("0123456789ab"); !got.Equal(noon) {
		t.Errorf("of() = %v", got)
	}
}

func TestUsageReports_OfAReplicaThatIsGone(t *testing.T) {
	b := newUsageBench(t)
	step := func(deleted string, next time.Duration) {
		t.Helper()
		got, some := b.step(t.Context())
		if strings.Join(b.deleted, " ") != deleted || got != next || some != (next > 0) {
			t.Errorf("deleted %v, next in %v, %t; want %q, %v", b.deleted, got, some, deleted, next)
		}
		b.deleted = nil
	}
	used := map[string]time.Time{"0123456789ab": noon.Add(-time.Minute)}
	b.lease("a", noon)
	b.report("a", used)
	step("", 0)
	b.clock.Step(time.Hour)
	b.tracker.change(func() bool { clear(b.tracker.replicas); return true })
	step("", reportKept)
	b.clock.Step(reportKept - time.Second)
	step("", time.Second)
	b.lease("a", noon) // it is back
	step("", 0)
	b.tracker.change(func() bool { clear(b.tracker.replicas); return true })
	step("", reportKept)
	b.clock.Step(reportKept)
	b.fail = fmt.Errorf("no API server")
	step("", retryDelay)
	b.fail = nil
	step("usage-a", 0)
	b.drop("usage-a")
	step("", 0)
	if !b.of("0123456789ab").Equal(noon.Add(-time.Minute)) {
		t.Error("what it has reported is forgotten")
	}
}

// TestUsageReports_FoundAtTheStart: nobody knows since when their replicas are gone,
// so what they say themselves counts.
func TestUsageReports_FoundAtTheStart(t *testing.T) {
	b := newUsageBench(t)
	for replica, at := range map[string]time.Time{"old": noon.Add(-reportKept), "young": noon.Add(-time.Hour)} {
		data, _ := registration.Usage{Used: map[string]int64{"0123456789ab": minuteOf(at)}}.Encode()
		if woken := b.deliver(replica, data, true); len(woken) > 0 {
			t.Errorf("%v are woken, and are looked at anyhow", woken)
		}
	}
	b.deliver("broken", []byte("{"), true)
	next, some := b.step(t.Context())
	slices.Sort(b.deleted)
	if strings.Join(b.deleted, " ") != "usage-broken usage-old" || !some || next != reportKept-time.Hour {
		t.Errorf("deleted %v, next in %v", b.deleted, next)
	}
	if !b.of("0123456789ab").Equal(noon.Add(-time.Hour)) {
		t.Errorf("of() = %v", b.of("0123456789ab"))
	}
}

func TestCredentialKeys(t *testing.T) {
	record := recordWith("wiki", ending("old"), digest("current"))
	old, current := ending("old").ID(), digest("current").ID()
	if got := credentialKeys(&record); !slices.Equal(got, []string{old, endingPrefix + old, current}) {
		t.Errorf("got %v", got)
	}
	issuer := record.DeepCopy()
	issuer.Labels[registration.LabelRecord] = registration.RecordServer
	broken := record.DeepCopy()
	broken.Data[registration.KeyClient] = []byte("{")
	for _, o := range []client.Object{issuer, broken, &corev1.Secret{}, &corev1.Pod{}} {
		if got := credentialKeys(o); got != nil {
			t.Errorf("got %v", got)
		}
	}
}

// BenchmarkUsageReports_Take reads a report of 10,000 clients that were all used since
// the one before.
func BenchmarkUsageReports_Take(b *testing.B) {
	bench := newUsageBench(&testing.T{})
	at := noon.Add(-time.Hour)
	reports := make([][]byte, 2)
	for i := range reports {
		used := map[string]int64{}
		for c := range 10_000 {
			used[fmt.Sprintf("%012x", c)] = minuteOf(at) + int64(i)
		}
		reports[i], _ = registration.Usage{Used: used}.Encode()
	}
	for i := 0; b.Loop(); i++ {
		bench.version++
		bench.take(b.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "usage-a", ResourceVersion: fmt.Sprint(bench.version)},
			Data:       map[string][]byte{registration.KeyUsage: reports[i%2]},
		}, false)
	}
}
