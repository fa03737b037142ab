// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/kube"
	"github.com/clientele-dev/clientele/authserver/store/memory"
	"github.com/clientele-dev/clientele/test/apiserver"
	"github.com/clientele-dev/clientele/test/postgres"
)

var server *apiserver.Server

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	var err error
	if server, err = apiserver.New(); err != nil {
		return 0, err
	}
	code := m.Run()
	return code, errors.Join(server.End(), postgres.StopShared())
}

// namespace is a system namespace of a test's own.
type namespace struct {
	t    *testing.T
	name string
	all  dynamic.Interface
}

var namespaces atomic.Int64

func newNamespace(t *testing.T) namespace {
	t.Helper()
	n := namespace{t: t, name: fmt.Sprintf("clientele-%d", namespaces.Add(1)), all: dynamic.NewForConfigOrDie(server.Config)}
	_, err := kubernetes.NewForConfigOrDie(server.Config).CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n.name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (n namespace) store() store.Store {
	n.t.Helper()
	s, err := kube.New(kube.Config{REST: server.Config, Namespace: n.name})
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

func (n namespace) objects(resource string) dynamic.ResourceInterface {
	return n.all.Resource(schema.GroupVersionResource{Group: "clientele.dev", Version: "v1alpha1", Resource: resource}).Namespace(n.name)
}

var resources = []string{"oauthsessions", "oauthgrants", "oauthconsents", "oauthassertions"}

// backup is everything that there is.
func (n namespace) backup() map[string][]unstructured.Unstructured {
	n.t.Helper()
	all := map[string][]unstructured.Unstructured{}
	for _, r := range resources {
		list, err := n.objects(r).List(n.t.Context(), metav1.ListOptions{})
		if err != nil {
			n.t.Fatal(err)
		}
		all[r] = list.Items
	}
	return all
}

// restore puts everything back to how it was, as it is when etcd goes back.
func (n namespace) restore(all map[string][]unstructured.Unstructured) {
	n.t.Helper()
	for _, r := range resources {
		n.deleteAll(r)
		for _, o := range n.backup()[r] { // what a finalizer holds
			_, err := n.objects(r).Patch(n.t.Context(), o.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				n.t.Fatal(err)
			}
		}
		for _, o := range all[r] {
			o := o.DeepCopy()
			o.SetUID("")
			o.SetResourceVersion("")
			if _, err := n.objects(r).Create(n.t.Context(), o, metav1.CreateOptions{}); err != nil {
				n.t.Fatal(err)
			}
		}
	}
}

// deleteAll is kubectl delete --all --wait=false.
func (n namespace) deleteAll(resource string) {
	n.t.Helper()
	if err := n.objects(resource).DeleteCollection(n.t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		n.t.Fatal(err)
	}
}

// TestKube_OlderEtcd: what was used or revoked after the backup is as if it had not
// been, and that is why grants and sessions are to be deleted.
func TestKube_OlderEtcd(t *testing.T) {
	n := newNamespace(t)
	i := install(t, n.store())
	busy := i.wantPages("login consent")
	stolen, idle := i.wantPages(""), i.wantPages("")
	backup := n.backup()
	used := busy
	busy = i.refresh(i.refresh(busy))
	n.deleteAll("oauthgrants") // somebody has noticed the thief
	i.wantRefused(stolen)
	i.wantRefused(busy)

	n.restore(backup)
	i.wantRefused(busy) // it is ahead of the grant: nobody can tell it from a stolen one
	i.wantRefused(used) // and so the whole grant was revoked
	i.refresh(stolen)   // this is the danger

	n.restore(backup)
	n.deleteAll("oauthgrants")
	n.deleteAll("oauthsessions")
	for _, old := range []*oauth2.Token{busy, used, stolen, idle} {
		i.wantRefused(old)
	}
	i.refresh(i.wantPages("login")) // consents are as old as the backup, and no danger
}

// TestKube_OtherUID: a backup that is restored into objects makes every OAuthClient
// anew. Its grants are over and people are asked again, and the app notices nothing.
func TestKube_OtherUID(t *testing.T) {
	n := newNamespace(t)
	i := install(t, n.store())
	old := i.wantPages("login consent")
	i.wantPages("")
	i.clients[0].UID = "another"
	i.start(n.store())
	i.wantRefused(old)
	i.refresh(i.wantPages("consent")) // with the client_id and the client secret that it had
	i.wantPages("")
}

// TestMove: who goes on with another store has people sign in and consent again, and
// neither apps nor registrations notice. What was left behind is good for nothing, and
// not good again for longer than its time when the first store comes back.
func TestMove(t *testing.T) {
	forgetful := func(*testing.T) store.Store { return memory.New(nil) }
	kubernetes := func(t *testing.T) store.Store { return newNamespace(t).store() }
	database := func(t *testing.T) store.Store { return newDatabase(t).store() }
	for name, move := range map[string]struct{ from, to func(*testing.T) store.Store }{
		"from memory to kubernetes":   {forgetful, kubernetes},
		"from kubernetes to memory":   {kubernetes, forgetful},
		"from kubernetes to postgres": {kubernetes, database},
		"from postgres to kubernetes": {database, kubernetes},
	} {
		t.Run(name, func(t *testing.T) {
			from := move.from(t)
			i := install(t, from)
			old := i.wantPages("login consent")
			i.start(move.to(t))
			i.wantRefused(old)
			i.refresh(i.wantPages("login consent"))
			i.start(from)
			i.refresh(old)
		})
	}
}

// TestKube_NewerVersion: what a later version has added to objects is in nobody's way,
// and is still there when that version is back.
func TestKube_NewerVersion(t *testing.T) {
	n := newNamespace(t)
	i := install(t, n.store())
	tokens := i.wantPages("login consent")
	if err := n.store().Spend(t.Context(), "any", "assertion", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	crds := n.all.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	for _, r := range resources {
		patch := `[{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/device","value":{"type":"string"}}]`
		if _, err := crds.Patch(t.Context(), r+".clientele.dev", types.JSONPatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	// As the later version would have made them: the person's objects, with more in them.
	backup := n.backup()
	for _, r := range resources {
		for _, o := range backup[r] {
			if err := unstructured.SetNestedField(o.Object, "a telephone", "spec", "device"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n.restore(backup); !n.keepsDevice(); n.restore(backup) {
		select { // until the API server goes by the new schema
		case <-t.Context().Done():
			t.Fatal("the API server does not take the new schema up")
		case <-time.After(50 * time.Millisecond):
		}
	}
	i.refresh(i.refresh(tokens))
	i.wantPages("")
	i.app.Scopes = append(i.app.Scopes, "profile")
	i.wantPages("consent") // which adds to the one that there is
	if _, err := n.store().(store.Sweeper).Sweep(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	if !n.keepsDevice() {
		t.Error("what the later version wrote is lost")
	}
}

// keepsDevice reports whether of every kind there is an object with spec.device.
func (n namespace) keepsDevice() bool {
	for _, all := range n.backup() {
		if !slices.ContainsFunc(all, func(o unstructured.Unstructured) bool {
			device, _, _ := unstructured.NestedString(o.Object, "spec", "device")
			return device != ""
		}) {
			return false
		}
	}
	return true
}
