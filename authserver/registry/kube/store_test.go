// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// fed is a store that the test feeds as a reflector would.
type fed struct {
	*store
	feed
	t   *testing.T
	log *logBuffer
}

func newFed(t *testing.T) *fed {
	log := &logBuffer{}
	s := newStore(Config{
		Registry: registry.New(nil), NewProvider: newListed, Now: time.Now, Log: slog.New(slog.NewTextHandler(log, nil)),
	}, newMetrics())
	return &fed{store: s, feed: s.begin(), t: t, log: log}
}

func at(version int, o *corev1.Secret) *corev1.Secret {
	o.ResourceVersion = strconv.Itoa(version)
	return o
}

func born(second int64, o *corev1.Secret) *corev1.Secret {
	o.CreationTimestamp = metav1.NewTime(time.Unix(second, 0))
	return o
}

// list delivers a complete list.
func (f *fed) list(version int, all ...*corev1.Secret) {
	f.t.Helper()
	items := make([]any, 0, len(all))
	for _, o := range all {
		items = append(items, o)
	}
	if err := f.Replace(items, strconv.Itoa(version)); err != nil {
		f.t.Fatal(err)
	}
}

// event delivers a change the way a reflector does.
func (f *fed) event(deliver func(any) error, o *corev1.Secret) {
	f.t.Helper()
	if err := deliver(o); err != nil {
		f.t.Fatal(err)
	}
	f.UpdateResourceVersion(o.ResourceVersion)
}

func (f *fed) accepts(clientID, secret string) bool {
	c, ok := f.registry.Client(&registry.Issuer{Server: registration.Server{Name: "default"}}, clientID)
	if !ok {
		return false
	}
	id, _ := c.Accepts(f.t.Context(), credential.New(secret), nil)
	return id != ""
}

func (f *fed) issuer() *registry.Issuer { return f.registry.Issuers()["default"] }

func (f *fed) want(version string, changes uint64) {
	f.t.Helper()
	if a, c := f.applied(); a.loaded != version || c != changes {
		f.t.Errorf("applied() = %q, %d changes, want %q, %d", a.loaded, c, version, changes)
	}
}

func TestStore_InitialLoad(t *testing.T) {
	f := newFed(t)
	f.list(20,
		at(12, clientSecret(clientRecord("wiki", "first"))),
		at(11, usersSecret("people", "ada")),
		at(13, keysSecret()),
		at(10, serverSecret(serverRecord("default"))),
		at(14, secretWith("unrelated", "", "tls.key", []byte("x"))),
		at(15, secretWith("other-label", "grant", registration.KeyUsers, []byte("x"))),
	)
	f.want("20", 1)
	if i := f.issuer(); i == nil || !i.Ready() || i.Provider.(*listed).list != "ada" {
		t.Error("the issuer is not served with its keys and users")
	}
	if !f.accepts("shop.wiki", "first") {
		t.Error("the client is not served")
	}
	if len(f.secrets) != 4 || len(f.users) != 1 {
		t.Errorf("%d Secrets and %d lists are kept, want 4 and 1", len(f.secrets), len(f.users))
	}
	if loaded, keyless := f.complete(); !loaded || keyless != nil {
		t.Errorf("complete() = %v, %v", loaded, keyless)
	}
}

func TestStore_AddUpdateDelete(t *testing.T) {
	f := newFed(t)
	f.list(10, at(9, serverSecret(serverRecord("default"))))
	f.event(f.Add, at(11, clientSecret(clientRecord("wiki", "first"))))
	f.want("11", 2)
	f.event(f.Update, at(12, clientSecret(clientRecord("wiki", "first", "second"))))
	if !f.accepts("shop.wiki", "first") || !f.accepts("shop.wiki", "second") {
		t.Error("both secrets of an overlap must be accepted")
	}
	f.event(f.Update, at(13, clientSecret(clientRecord("wiki", "second"))))
	if f.accepts("shop.wiki", "first") {
		t.Error("a retired secret is accepted")
	}
	f.event(f.Delete, at(14, clientSecret(clientRecord("wiki", "second"))))
	if f.accepts("shop.wiki", "second") {
		t.Error("a deleted client is served")
	}
	f.event(f.Delete, at(15, serverSecret(serverRecord("default"))))
	if f.issuer() != nil {
		t.Error("a deleted issuer is served")
	}
	f.want("15", 6)
	if len(f.secrets)+len(f.claimants)+len(f.servers) != 0 {
		t.Errorf("something is left: %v %v %v", f.secrets, f.claimants, f.servers)
	}
}

func TestStore_RelistRemovesWhatIsAbsent(t *testing.T) {
	f := newFed(t)
	f.list(10, at(7, serverSecret(serverRecord("default"))), at(8, clientSecret(clientRecord("wiki", "a"))),
		at(9, clientSecret(clientRecord("blog", "b"))), at(6, usersSecret("people", "ada")))
	before := f.issuer()
	f.list(30, at(7, serverSecret(serverRecord("default"))), at(25, clientSecret(clientRecord("blog", "c"))),
		at(6, usersSecret("people", "ada")))
	if f.accepts("shop.wiki", "a") || f.accepts("shop.blog", "b") || !f.accepts("shop.blog", "c") {
		t.Error("a relist must remove, update and keep")
	}
	if f.issuer() != before {
		t.Error("an issuer that was listed again as it was has been rebuilt")
	}
	f.want("30", 2)
	f.list(40, at(7, serverSecret(serverRecord("default"))), at(25, clientSecret(clientRecord("blog", "c"))),
		at(6, usersSecret("people", "ada")))
	f.want("40", 2) // no record changed, so there is nothing to write at once
}

func TestStore_AcknowledgesOnlyWhatIsComplete(t *testing.T) {
	f := newFed(t)
	f.list(10)
	// Added without UpdateResourceVersion, as when a watch begins with synthetic events
	// in any order: what is between 10 and 99 may still be to come.
	if err := f.Add(at(99, clientSecret(clientRecord("wiki", "first")))); err != nil {
		t.Fatal(err)
	}
	f.want("10", 0)
	f.UpdateResourceVersion("100")
	f.want("100", 1)
	f.UpdateResourceVersion("120") // a bookmark
	f.want("120", 1)
	f.event(f.Update, at(130, secretWith("unrelated", "", "tls.key", nil)))
	f.want("130", 1)
	// An etcd that was restored counts from an older version.
	f.list(50)
	f.want("50", 2)
}

func TestStore_OnlyTheLatestFeedWrites(t *testing.T) {
	f := newFed(t)
	f.list(10, at(9, clientSecret(clientRecord("wiki", "first"))))
	old := f.feed
	f.feed = f.begin()
	if err := old.Delete(at(11, clientSecret(clientRecord("wiki", "first")))); err != nil {
		t.Fatal(err)
	}
	old.UpdateResourceVersion("11")
	_ = old.Replace(nil, "12")
	if f.want("10", 1); !f.accepts("shop.wiki", "first") {
		t.Error("a feed that was replaced has written")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := f.reach(ctx, "10"); err == nil {
		t.Error("reach() = nil although the new feed has brought nothing")
	}
	f.list(10, at(9, clientSecret(clientRecord("wiki", "first"))))
	if err := f.reach(t.Context(), "10"); err != nil {
		t.Error(err)
	}
}

func TestStore_MalformedKeepsLastGood(t *testing.T) {
	badKeys := keysSecret()
	badKeys.Data[keyKeys] = []byte(`{"version":1,"keys":[]}`)
	undecodable := keysSecret()
	undecodable.Data[keyKeys] = []byte(`{"secret":"hunter2"`)
	elsewhere := serverSecret(serverRecord("other"))
	elsewhere.Name = registration.ServerRecordName("default")
	future := clientSecret(clientRecord("wiki", "first"))
	future.Data[registration.KeyClient] = []byte(strings.Replace(string(future.Data[registration.KeyClient]), `"version":1`, `"version":2`, 1))
	for name, o := range map[string]*corev1.Secret{
		"client without JSON":         secretWith(registration.ClientRecordName("shop", "wiki"), registration.RecordClient, registration.KeyClient, []byte("hunter2")),
		"client without data":         secretWith(registration.ClientRecordName("shop", "wiki"), registration.RecordClient, "else", nil),
		"client of a later version":   future,
		"issuer without JSON":         secretWith(registration.ServerRecordName("default"), registration.RecordServer, registration.KeyServer, []byte("{")),
		"issuer in another's Secret":  elsewhere,
		"keys without a key":          badKeys,
		"keys that are no JSON":       undecodable,
		"users that cannot be parsed": usersSecret("people", "malformed hunter2"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFed(t)
			f.list(10, at(6, serverSecret(serverRecord("default"))), at(7, usersSecret("people", "ada")),
				at(8, keysSecret()), at(9, clientSecret(clientRecord("wiki", "first"))))
			f.event(f.Update, at(11, o))
			f.event(f.Add, at(12, clientSecret(clientRecord("blog", "b"))))
			if !f.accepts("shop.wiki", "first") || !f.accepts("shop.blog", "b") {
				t.Error("a malformed record stopped a client")
			}
			if i := f.issuer(); i == nil || !i.Ready() || i.Provider == nil || i.Provider.(*listed).list != "ada" {
				t.Error("a malformed record stopped the issuer")
			}
			if a, _ := f.applied(); a.loaded != "12" {
				t.Errorf("applied() = %q: a malformed record must not stop the acknowledgement", a.loaded)
			}
			f.list(12, at(6, serverSecret(serverRecord("default"))), at(11, o)) // logged once a version
			if n := testutil.CollectAndCount(f.metrics.malformed); n != 1 {
				t.Errorf("%d kinds of malformed records are counted, want 1", n)
			}
			if log := f.log.String(); !strings.Contains(log, o.Name) || strings.Contains(log, "hunter2") {
				t.Errorf("the log must name the Secret and hold nothing of it:\n%s", log)
			}
		})
	}
}

func TestStore_MalformedWithoutLastGood(t *testing.T) {
	f := newFed(t)
	f.list(10, at(8, secretWith(registration.ClientRecordName("shop", "wiki"), registration.RecordClient, registration.KeyClient, []byte("{"))),
		at(9, usersSecret("people", "malformed")), at(7, serverSecret(serverRecord("default"))))
	if f.issuer() == nil || f.issuer().Provider != nil {
		t.Error("an issuer whose users are malformed must be served without a provider")
	}
	f.event(f.Delete, at(11, secretWith(registration.ClientRecordName("shop", "wiki"), registration.RecordClient, registration.KeyClient, []byte("{"))))
	f.event(f.Update, at(12, usersSecret("people", "ada")))
	if f.issuer().Provider == nil {
		t.Error("users that were mended are not used")
	}
	f.want("12", 2) // users are nothing that the manager waits for
}

func TestStore_RecreatedAndMalformedIsNotTheOldClient(t *testing.T) {
	f := newFed(t)
	f.list(10, at(9, born(1, clientSecret(clientRecord("wiki", "first")))))
	malformed := clientSecret(clientRecord("wiki", "first"))
	malformed.Data[registration.KeyClient] = []byte("{")
	f.list(20, at(19, born(2, malformed)))
	if f.accepts("shop.wiki", "first") {
		t.Error("a client that was deleted lives on in a malformed record of its name")
	}
	f.event(f.Update, at(21, born(2, clientSecret(clientRecord("wiki", "second")))))
	if !f.accepts("shop.wiki", "second") {
		t.Error("a record that was mended is not served")
	}
}

func TestStore_Withdrawn(t *testing.T) {
	f := newFed(t)
	record := func(withdrawn bool) registration.Client {
		c := clientRecord("wiki", "first")
		c.Withdrawn = withdrawn
		return c
	}
	other := clientRecord("other", "theirs")
	other.ClientID = "shop.wiki"
	f.list(10, at(9, serverSecret(serverRecord("default"))), at(8, born(1, clientSecret(record(true)))))
	if f.accepts("shop.wiki", "first") {
		t.Error("a client that is withdrawn from the start is served")
	}
	f.event(f.Update, at(11, born(1, clientSecret(record(false)))))
	if !f.accepts("shop.wiki", "first") {
		t.Error("a client that is no longer withdrawn is not served")
	}
	f.event(f.Add, at(12, born(2, clientSecret(other))))
	f.event(f.Update, at(13, born(1, clientSecret(record(true)))))
	f.want("13", 4)
	if f.accepts("shop.wiki", "first") || !f.accepts("shop.wiki", "theirs") {
		t.Error("a client that is withdrawn keeps its client_id from another")
	}
	f.event(f.Delete, at(14, born(1, clientSecret(record(true)))))
	f.event(f.Delete, at(15, born(2, clientSecret(other))))
	if f.accepts("shop.wiki", "theirs") || len(f.claimants) != 0 {
		t.Error("something is left of a client that was withdrawn and deleted")
	}
}

func TestStore_UsersChange(t *testing.T) {
	f := newFed(t)
	f.list(10, at(9, serverSecret(serverRecord("default"))))
	if f.issuer().Provider != nil {
		t.Error("there is a provider without users")
	}
	f.event(f.Add, at(11, usersSecret("people", "ada")))
	first := f.issuer().Provider
	relabelled := usersSecret("people", "ada")
	relabelled.Annotations = map[string]string{"a": "b"}
	f.event(f.Update, at(12, relabelled))
	f.event(f.Update, at(13, serverSecret(serverRecord("default", func(r *registration.Server) { r.DisplayName = "Log in" }))))
	if f.issuer().Provider != first || f.issuer().DisplayName != "Log in" {
		t.Error("a provider was replaced although its users are the same")
	}
	f.event(f.Update, at(14, usersSecret("people", "ada, grace")))
	if f.issuer().Provider.(*listed).list != "ada, grace" {
		t.Error("users that changed are not used")
	}
	f.event(f.Add, at(15, usersSecret("staff", "linus")))
	f.event(f.Update, at(16, serverSecret(serverRecord("default", func(r *registration.Server) { r.IdentityProviders[0].UsersSecret = "staff" }))))
	if f.issuer().Provider.(*listed).list != "linus" {
		t.Error("the issuer does not follow to another list")
	}
	f.event(f.Delete, at(17, usersSecret("staff", "linus")))
	if f.issuer().Provider != nil {
		t.Error("users that were deleted can sign in")
	}
}

func TestStore_LabelChangesWhatASecretIs(t *testing.T) {
	f := newFed(t)
	f.list(10, at(9, clientSecret(clientRecord("wiki", "first"))))
	plain := clientSecret(clientRecord("wiki", "first"))
	plain.Labels = nil
	f.event(f.Update, at(11, plain))
	if f.accepts("shop.wiki", "first") || len(f.secrets) != 0 {
		t.Error("a Secret without its label is served")
	}
	f.event(f.Update, at(12, clientSecret(clientRecord("wiki", "first"))))
	if !f.accepts("shop.wiki", "first") {
		t.Error("a Secret with its label again is not served")
	}
}

func TestStore_KeysOfADeletedServer(t *testing.T) {
	f := newFed(t)
	orphaned := keysSecret()
	orphaned.OwnerReferences = []metav1.OwnerReference{{Kind: ownerKind, Name: "default", UID: "an older uid"}}
	f.list(10, at(8, orphaned), at(9, serverSecret(serverRecord("default"))))
	if f.issuer().Ready() {
		t.Error("a new AuthorizationServer signs with the keys of an old one")
	}
	if c := f.custodies(); len(c) != 1 || len(c[0].set.Keys) != 0 || c[0].version != "8" {
		t.Error("the keys of an old AuthorizationServer are not up for replacement")
	}
}

func TestStore_DeletedKeys(t *testing.T) {
	f := newFed(t)
	secret := at(9, keysSecret())
	f.list(10, at(8, serverSecret(serverRecord("default"))), secret)
	f.event(f.Delete, at(11, secret.DeepCopy()))
	if f.issuer().Ready() || f.custodies()[0].version != "" {
		t.Error("deleted keys are still used")
	}
	if !strings.Contains(f.log.String(), "everybody must sign in again") {
		t.Error("nothing is logged")
	}
	if _, keyless := f.complete(); len(keyless) != 1 {
		t.Error("the issuer counts as complete")
	}
}

func TestFeed_Transformer(t *testing.T) {
	foreign := secretWith("release", "", "chart", make([]byte, 1<<20))
	foreign.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "helm"}}
	slim, err := feed{}.Transformer()(foreign)
	if o := slim.(*corev1.Secret); err != nil || o.Data != nil || o.ManagedFields != nil || o.Name != "release" {
		t.Error("the contents of a foreign Secret are kept")
	}
	ours := keysSecret()
	if slim, _ := (feed{}).Transformer()(ours); slim.(*corev1.Secret).Data[keyKeys] == nil {
		t.Error("the contents of a Secret of ours are dropped")
	}
	if foreign.Data == nil {
		t.Error("the object itself was changed")
	}
}

func TestFeed_IgnoresWhatIsNoSecret(t *testing.T) {
	f := newFed(t)
	for _, err := range []error{f.Add("x"), f.Update(1), f.Delete(nil), f.Replace([]any{"x", nil}, "5"), f.Resync()} {
		if err != nil {
			t.Error(err)
		}
	}
	f.want("5", 0)
}
