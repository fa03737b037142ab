// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/clientele-dev/clientele/internal/registration"
)

// These tests run against a real kube-apiserver and etcd, for what the API server
// of the other tests might get wrong.

var controlPlane *envtest.Environment

// realAPI starts the control plane, once for all tests.
func realAPI(t testing.TB) *rest.Config {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("KUBEBUILDER_ASSETS is not set: run the tests by `make test`, or export KUBEBUILDER_ASSETS=$(hack/controlplane/assets)")
	}
	if controlPlane == nil {
		env := &envtest.Environment{}
		if _, err := env.Start(); err != nil {
			t.Fatalf("start the control plane: %v", err)
		}
		controlPlane = env
	}
	config := rest.CopyConfig(controlPlane.Config)
	config.QPS = -1
	return config
}

func stopControlPlane() {
	if controlPlane != nil {
		_ = controlPlane.Stop()
	}
}

// realAdmin returns an admin of a system namespace of the test's own.
func realAdmin(t testing.TB) (admin, func(*Config)) {
	t.Helper()
	client := kubernetes.NewForConfigOrDie(realAPI(t))
	ns, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: systemNamespace + "-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	by := admin{t: t, client: client, namespace: ns.Name}
	by.create(serverSecret(serverRecord("default")))
	by.create(usersSecret("people", "ada"))
	by.create(clientSecret(clientRecord("wiki", "first")))
	return by, func(c *Config) { c.Namespace = ns.Name }
}

// eventually waits for something that another process does.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Since(began) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
		<-tick.C
	}
	return time.Since(began)
}

func TestReal_LoadsFollowsAndLeaves(t *testing.T) {
	by, inNamespace := realAdmin(t)
	r := newReplica(t, "one", by.client, inNamespace)
	r.start(t)
	took := eventually(t, 20*time.Second, "ready", func() bool { return r.Ready() == nil })
	if !r.Current() || !r.accepts("shop.wiki", "first") {
		t.Errorf("what was there is not served; log:\n%s", r.log)
	}
	o := by.create(clientSecret(clientRecord("blog", "b")))
	acknowledged := eventually(t, 500*time.Millisecond, "acknowledged", func() bool { return by.acknowledged(o) })
	if !r.accepts("shop.blog", "b") {
		t.Error("acknowledged what is not served")
	}
	t.Logf("ready after %v, a change acknowledged after %v", took, acknowledged)
	by.delete(o.Name)
	eventually(t, time.Second, "deleted", func() bool { return r.client("shop.blog") == nil })
	by.update(usersSecret("people", "grace"))
	eventually(t, time.Second, "new users", func() bool {
		return r.registry.Issuers()["default"].Provider.(*listed).list == "grace"
	})
	r.halt(t)
	if by.lease() != nil {
		t.Error("a stopped replica leaves its Lease behind")
	}
}

func TestReal_ThreeReplicasMintOneSet(t *testing.T) {
	by, inNamespace := realAdmin(t)
	var all []*replica
	for i := range 3 {
		all = append(all, newReplica(t, fmt.Sprint("replica-", i), by.client, inNamespace).start(t))
	}
	for _, r := range all {
		eventually(t, 30*time.Second, "ready", func() bool { return r.Ready() == nil })
		if got, want := r.registry.Issuers()["default"].Keys.JWKS(), all[0].registry.Issuers()["default"].Keys.JWKS(); string(got) != string(want) {
			t.Error("replicas publish different keys")
		}
	}
	if leases, err := by.client.CoordinationV1().Leases(by.namespace).List(t.Context(), metav1.ListOptions{
		LabelSelector: registration.LabelRecord + "=" + registration.RecordReplica,
	}); err != nil || len(leases.Items) != 3 {
		t.Errorf("%d Leases, %v", len(leases.Items), err)
	}
}

func TestReal_LeaseDeletedByHand(t *testing.T) {
	by, inNamespace := realAdmin(t)
	r := newReplica(t, "one", by.client, inNamespace)
	r.member.setTiming(r.config, quickTiming())
	r.start(t)
	eventually(t, 20*time.Second, "ready", func() bool { return r.Ready() == nil })
	uid := by.lease().UID
	if err := by.client.CoordinationV1().Leases(by.namespace).Delete(t.Context(), registration.LeaseName("one"), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	// A PUT may create a Lease. That ours does not is what its UID is for.
	eventually(t, 10*time.Second, "another Lease", func() bool { l := by.lease(); return l != nil && l.UID != uid })
	eventually(t, 10*time.Second, "current", r.Current)
}

// quickTiming is defaultTiming in a hurry.
func quickTiming() timing {
	t := defaultTiming()
	t.lease, t.margin, t.renew, t.attempt, t.retry = 3*time.Second, time.Second, 500*time.Millisecond, time.Second, 100*time.Millisecond
	return t
}

// proxy stands between a replica and the API server, and can fail like a network.
type proxy struct {
	target string

	mu       sync.Mutex
	refusing bool
	silent   bool
	open     map[net.Conn]bool
}

// newProxy returns a proxy and a client that goes through it.
func newProxy(t testing.TB) (*proxy, kubernetes.Interface) {
	t.Helper()
	config := realAPI(t)
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: server.Host, open: map[net.Conn]bool{}}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close(); p.set(refuse) })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	config.Host = "https://" + listener.Addr().String()
	return p, kubernetes.NewForConfigOrDie(config)
}

// The ways in which a network fails, and heals.
var (
	refuse  = func(p *proxy) { p.refusing = true; p.hangUp() }
	lose    = func(p *proxy) { p.silent = true }
	restore = func(p *proxy) { p.refusing, p.silent = false, false; p.hangUp() }
	// forget heals the network for new connections only: nothing tells the old ones
	// that they are dead.
	forget = func(p *proxy) { p.silent = false; clear(p.open) }
)

func (p *proxy) set(change func(*proxy)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *proxy) hangUp() {
	for conn := range p.open {
		_ = conn.Close()
	}
	clear(p.open)
}

func (p *proxy) serve(conn net.Conn) {
	upstream, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		_ = conn.Close()
		return
	}
	p.set(func(p *proxy) {
		p.open[conn], p.open[upstream] = true, true
		if p.refusing {
			p.hangUp()
		}
	})
	go p.copy(upstream, conn)
	p.copy(conn, upstream)
}

func (p *proxy) copy(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		pass := false
		p.set(func(p *proxy) { pass = !p.silent && p.open[from] })
		if !pass {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func TestReal_CutOff(t *testing.T) {
	for name, network := range map[string]struct{ fail, heal func(*proxy) }{
		"connections refused": {refuse, restore},
		"packets lost":        {lose, restore},
		"connections dead":    {lose, forget},
	} {
		t.Run(name, func(t *testing.T) {
			by, inNamespace := realAdmin(t)
			p, client := newProxy(t)
			r := newReplica(t, "one", client, inNamespace)
			r.member.setTiming(r.config, quickTiming())
			r.start(t)
			eventually(t, 20*time.Second, "current", func() bool { return r.Ready() == nil && r.Current() })
			p.set(network.fail)
			lapsed := eventually(t, 5*time.Second, "not current", func() bool { return !r.Current() })
			if err := r.Ready(); err != nil || !r.accepts("shop.wiki", "first") {
				t.Errorf("Ready() = %v: without an API server a replica serves what it knows", err)
			}
			o := by.update(clientSecret(clientRecord("wiki", "second")))
			p.set(network.heal)
			back := eventually(t, 30*time.Second, "current", r.Current)
			if !by.acknowledged(o) || !r.accepts("shop.wiki", "second") {
				t.Error("current before it has caught up")
			}
			t.Logf("not current after %v, current again %v after the API server was back", lapsed, back)
		})
	}
}

// TestReal_BookmarksProveAQuietWatch is what guard relies on: a consistent read makes
// the API server's watch cache advance, and a bookmark says so within its minute.
func TestReal_BookmarksProveAQuietWatch(t *testing.T) {
	if testing.Short() {
		t.Skip("a bookmark takes a minute")
	}
	t.Parallel()
	by, inNamespace := realAdmin(t)
	r := newReplica(t, "one", by.client, inNamespace).start(t)
	eventually(t, 20*time.Second, "ready", func() bool { return r.Ready() == nil })
	// Something that no watch of Secrets shows makes the latest version newer.
	if _, err := by.client.CoreV1().ConfigMaps(by.namespace).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "unrelated"},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if well, err := r.member.follower.verify(t.Context(), defaultTiming().behind); !well || err != nil {
		t.Errorf("verify() = %v, %v after %v", well, err, time.Since(began))
	}
	t.Logf("a bookmark after %v", time.Since(began))
}
