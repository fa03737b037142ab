// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// compared spares tests the slow comparison of what they have compared before.
var compared credential.Memory

// digestFor is the digest that accepts what a Secret holds, or nil.
func digestFor(digests []registration.Digest, s *corev1.Secret) *registration.Digest {
	value := secretValue(s)
	for i, d := range digests {
		if d.SHA256 == value.Digest() || d.Argon2id != "" && compared.Matches(value, d.Argon2id) {
			return &digests[i]
		}
	}
	return nil
}

const (
	firstBrought  = "a-secret-of-ours-from-2019"
	secondBrought = "a-secret-of-ours-from-2024"
)

// ownSecret makes or changes the Secret that an OAuthClient refers to.
func (w *world) ownSecret(ctx context.Context, name, value string) *corev1.Secret {
	GinkgoHelper()
	s := w.secret(name)
	s.Data = map[string][]byte{keyClientSecret: []byte(value)}
	if err := k8s.Create(ctx, s); err != nil {
		change(ctx, s, func() { s.Data = map[string][]byte{keyClientSecret: []byte(value)} })
	}
	return s
}

// refersTo makes a client bring its secret from the Secret name.
func refersTo(name string) func(*v1alpha1.OAuthClientSpec) {
	return func(s *v1alpha1.OAuthClientSpec) {
		s.ClientSecretRef = &v1alpha1.SecretKeyReference{Name: name, Key: keyClientSecret}
	}
}

// bringing makes a client of an episode bring its secret, and settles it.
func bringing(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
	GinkgoHelper()
	l.ownSecret(ctx, oc.Name+"-own", firstBrought)
	change(ctx, oc, func() { refersTo(oc.Name + "-own")(&oc.Spec) })
	l.elect(ctx).settle(ctx, oc.Name)
}

// adopting makes an unmounted Secret of a client's name, which the client is to adopt.
func adopting(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
	GinkgoHelper()
	l.ownSecret(ctx, oc.Name, firstBrought)
	change(ctx, oc, func() { oc.Spec.Secret = &v1alpha1.SecretSpec{Adopt: true} })
}

var broughtEpisodes = []episode{
	{name: "it brings its own secret", fresh: true, digests: 1, faulty: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		l.ownSecret(ctx, oc.Name+"-own", firstBrought)
		change(ctx, oc, func() { refersTo(oc.Name + "-own")(&oc.Spec) })
	}},
	{name: "the secret that it brings changes", digests: 3, faulty: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		bringing(ctx, l, oc)
		l.ownSecret(ctx, oc.Name+"-own", secondBrought)
	}},
	{name: "the secret that it brings changes back", digests: 3, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		bringing(ctx, l, oc)
		l.ownSecret(ctx, oc.Name+"-own", secondBrought)
		l.elect(ctx).settle(ctx, oc.Name)
		l.clock.Step(settleDelay)
		l.elect(ctx).settle(ctx, oc.Name)
		l.ownSecret(ctx, oc.Name+"-own", firstBrought)
	}},
	{name: "it no longer brings its own secret", digests: 3, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		bringing(ctx, l, oc)
		change(ctx, oc, func() { oc.Spec.ClientSecretRef = nil })
	}},
	{name: "it adopts a Secret", fresh: true, digests: 1, faulty: true, happen: adopting},
	{name: "the record of what it has adopted is deleted", fresh: true, digests: 1, tampers: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		adopting(ctx, l, oc)
		l.elect(ctx).settle(ctx, oc.Name)
		Expect(k8s.Delete(ctx, l.recordOf(oc.Name))).To(Succeed())
	}},
}

var _ = Describe("A manager whose client brings its secret", func() {
	It("reads the value once for each change of its Secret, and hashes it once", func(ctx context.Context) {
		l := newLab(ctx)
		l.join(ctx)
		oc := l.wiki(refersTo("own"))
		own := l.ownSecret(ctx, "own", firstBrought)
		create(ctx, oc)
		m := l.elect(ctx)
		hashed := 0
		m.memory.Slow = func(text credential.Secret, hash string) bool {
			hashed++
			return text.MatchesHash(hash)
		}
		reads := 0
		m.live = interceptor.NewClient(k8s, interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				if key.Name == "own" {
					reads++
				}
				return c.Get(ctx, key, o, opts...)
			},
		})
		queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		m.watches = newSecretWatches(k8s)
		running, stop := context.WithCancel(ctx)
		defer stop()
		Expect(m.watches.Start(running, queue)).To(Succeed())

		m.settle(ctx, "wiki")
		l.isReadyNow(ctx, "wiki")
		Eventually(func() bool { _, known := m.watches.version(client.ObjectKeyFromObject(own)); return known }).Should(BeTrue())
		m.settle(ctx, "wiki")
		before := reads
		for range 5 {
			m.settle(ctx, "wiki")
		}
		Expect(reads).To(Equal(before), "nothing has changed")
		Expect(hashed).To(BeZero(), "it has made the hash itself")

		l.ownSecret(ctx, "own", secondBrought)
		version := secretVersion(fetch(ctx, own))
		Eventually(func() string { v, _ := m.watches.version(client.ObjectKeyFromObject(own)); return v }).Should(Equal(version))
		m.settle(ctx, "wiki")
		Expect(fetch(ctx, l.secret("wiki")).Data).To(HaveKeyWithValue(keyClientSecret, []byte(secondBrought)))
		before = reads
		m.settle(ctx, "wiki")
		Expect(reads).To(Equal(before))
		Expect(hashed).To(BeNumerically("<=", 2), "each value with the hash of the other, at the most")
	})

	It("mints none, whatever happens to its Secret", func(ctx context.Context) {
		l := newLab(ctx)
		l.join(ctx)
		oc := l.wiki(refersTo("own"))
		own := l.ownSecret(ctx, "own", firstBrought)
		create(ctx, oc)
		m := l.elect(ctx)
		m.settle(ctx, "wiki")
		digests := l.isReadyNow(ctx, "wiki").Digests
		Expect(k8s.Delete(ctx, l.secret("wiki"))).To(Succeed())
		m.settle(ctx, "wiki")
		Expect(fetch(ctx, l.secret("wiki")).Data).To(HaveKeyWithValue(keyClientSecret, []byte(firstBrought)))
		Expect(k8s.Delete(ctx, own)).To(Succeed())
		Expect(k8s.Delete(ctx, l.secret("wiki"))).To(Succeed())
		m.settle(ctx, "wiki")
		Expect(gone(ctx, l.secret("wiki"))()).To(BeTrue())
		Expect(published(ctx, l.recordOf("wiki")).Digests).To(Equal(digests))
	})

	It("has no more of them accepted than it may, and goes on when there is room", func(ctx context.Context) {
		l := newLab(ctx)
		l.join(ctx)
		oc := l.wiki(refersTo("own"))
		l.ownSecret(ctx, "own", firstBrought)
		create(ctx, oc)
		m := l.elect(ctx)
		m.settle(ctx, "wiki")
		record := l.recordOf("wiki")
		change(ctx, record, func() {
			editClient(func(c *registration.Client) {
				for i := len(c.Digests); i < registration.MaxDigests; i++ {
					c.Digests = append([]registration.Digest{{SHA256: credential.New(string(rune('a' + i))).Digest(), Since: c.Digests[0].Since}}, c.Digests...)
				}
			})(record)
		})
		l.loadAll(ctx)
		l.ownSecret(ctx, "own", secondBrought)
		m.settle(ctx, "wiki")
		fetch(ctx, oc)
		Expect(reasons(oc.Status.Conditions, oc.Generation)).To(HaveKeyWithValue("CredentialsReady", "False/TooManyCredentials"))
		Expect(digestFor(published(ctx, record).Digests, fetch(ctx, l.secret("wiki")))).To(HaveField("Until", BeZero()), "what the Secret holds does not end")
		l.clock.Step(settleDelay)
		m.settle(ctx, "wiki")
		l.clock.Step(overlap)
		m.settle(ctx, "wiki")
		l.isReadyNow(ctx, "wiki")
		Expect(fetch(ctx, l.secret("wiki")).Data).To(HaveKeyWithValue(keyClientSecret, []byte(secondBrought)))
	})
})

func TestAcceptLast(t *testing.T) {
	now := time.Now()
	digest := func(name string, until time.Time) registration.Digest {
		return registration.Digest{Argon2id: name, Until: until, Brought: true}
	}
	a, b, ends := digest("a", time.Time{}), digest("b", time.Time{}), digest("a", now)
	again := a
	again.Since = now
	minted := again
	minted.Brought = false
	for _, tt := range []struct {
		name    string
		old     []registration.Digest
		i       int
		brought bool
		want    []registration.Digest
	}{
		{"it is the last", []registration.Digest{b, a}, 1, true, []registration.Digest{b, a}},
		{"it is the last, and was to end", []registration.Digest{b, ends}, 1, true, []registration.Digest{b, again}},
		{"another came after it", []registration.Digest{a, b}, 0, true, []registration.Digest{b, again}},
		{"it was to end", []registration.Digest{ends, b}, 0, true, []registration.Digest{b, again}},
		{"it comes from elsewhere", []registration.Digest{a}, 0, false, []registration.Digest{minted}},
	} {
		old := append([]registration.Digest(nil), tt.old...)
		got := acceptLast(tt.old, tt.i, tt.brought, now)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		if !slices.Equal(tt.old, old) {
			t.Errorf("%s: what was passed in was changed", tt.name)
		}
	}
}

var _ = Describe("An OAuthClient that comes to bring its secret", func() {
	It("is not Ready before its Secret holds that, however long a replica takes", func(ctx context.Context) {
		l := newLab(ctx)
		l.join(ctx)
		oc := l.wiki()
		create(ctx, oc)
		m := l.elect(ctx)
		m.settle(ctx, oc.Name)
		l.isReadyNow(ctx, oc.Name)

		l.ownSecret(ctx, "own", firstBrought)
		change(ctx, oc, func() { refersTo("own")(&oc.Spec) })
		for range 3 { // the replica loads nothing meanwhile
			m.cache.refresh(ctx)
			_, err := m.look(ctx, oc.Name)
			Expect(err).NotTo(HaveOccurred())
			Expect(reasons(fetch(ctx, oc).Status.Conditions, oc.Generation)).To(And(
				HaveKeyWithValue("CredentialsReady", "False/AwaitingReplicas"), HaveKeyWithValue("Ready", "False/AwaitingReplicas")))
		}
		m.settle(ctx, oc.Name)
		l.isReadyNow(ctx, oc.Name)
		l.expectMounted(ctx, oc.Name, firstBrought)
	}, SpecTimeout(time.Minute))
})
