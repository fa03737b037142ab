// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// episode is something that happens to an OAuthClient and makes the manager write.
type episode struct {
	name string
	// happen does it to the client called name, which is Ready unless fresh.
	happen func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient)
	fresh  bool
	// tampers says that it breaks by itself what the manager guarantees.
	tampers bool
	// ends says that the client is gone in the end, and retains that its grants are not.
	ends, retains bool
	// withdrawn says that it is not allowed in the end.
	withdrawn bool
	// check looks at the record in the end.
	check func(registration.Client)
	// digests is how many are accepted in the end if no memory is lost.
	digests int
	// faulty says that it is also tried with conflicts and lost answers. What the
	// others write is written by the same code.
	faulty bool
}

var episodes = []episode{
	{name: "it is applied", fresh: true, digests: 1, faulty: true, happen: func(context.Context, *lab, *v1alpha1.OAuthClient) {}},
	{name: "it is applied as Public", fresh: true, happen: func(ctx context.Context, _ *lab, oc *v1alpha1.OAuthClient) {
		change(ctx, oc, func() { oc.Spec.Type = v1alpha1.ClientTypePublic })
	}},
	{name: "its Secret is deleted", digests: 2, faulty: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		Expect(k8s.Delete(ctx, l.secret(oc.Name))).To(Succeed())
	}},
	{name: "its client_secret is edited", digests: 2, tampers: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		s := l.secret(oc.Name)
		change(ctx, s, func() { s.Data[keyClientSecret] = []byte("mine") })
	}},
	{name: "its issuer key is edited", digests: 1, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		s := l.secret(oc.Name)
		change(ctx, s, func() { s.Data["issuer"] = []byte("https://evil.example.com") })
	}},
	{name: "its Secret becomes immutable and wrong", digests: 1, faulty: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		s := l.secret(oc.Name)
		change(ctx, s, func() { s.Immutable = new(true); delete(s.Data, "issuer") })
	}},
	{name: "its record is deleted", digests: 1, faulty: true, tampers: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		Expect(k8s.Delete(ctx, l.recordOf(oc.Name))).To(Succeed())
	}},
	{name: "its record is damaged", digests: 1, tampers: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		s := l.recordOf(oc.Name)
		change(ctx, s, func() { s.Data[registration.KeyClient] = nil })
	}},
	{name: "its spec changes", digests: 1, happen: func(ctx context.Context, _ *lab, oc *v1alpha1.OAuthClient) {
		change(ctx, oc, func() { oc.Spec.DisplayName = "Changed" })
	}},
	{name: "its Secret gets another name", digests: 1, faulty: true, happen: func(ctx context.Context, _ *lab, oc *v1alpha1.OAuthClient) {
		change(ctx, oc, func() { oc.Spec.Secret = &v1alpha1.SecretSpec{Name: oc.Name + "-oauth"} })
	}},
	{name: "its Secret gets another type", digests: 1, faulty: true, happen: func(ctx context.Context, _ *lab, oc *v1alpha1.OAuthClient) {
		change(ctx, oc, func() { oc.Spec.Secret = &v1alpha1.SecretSpec{Type: "example.com/oidc"} })
	}},
	{name: "the keys of its Secret are renamed", digests: 1, faulty: true, happen: func(ctx context.Context, _ *lab, oc *v1alpha1.OAuthClient) {
		change(ctx, oc, func() {
			oc.Spec.Secret = &v1alpha1.SecretSpec{Keys: map[string]v1alpha1.SecretKeyName{"client_secret": "SECRET", "client_id": "ID"}}
		})
	}},
	{name: "its Secret is to be retained", digests: 1, happen: func(ctx context.Context, _ *lab, oc *v1alpha1.OAuthClient) {
		change(ctx, oc, func() { oc.Spec.Secret = &v1alpha1.SecretSpec{DeletionPolicy: v1alpha1.SecretRetain} })
	}},
	{name: "it becomes Public", tampers: true, happen: func(ctx context.Context, _ *lab, oc *v1alpha1.OAuthClient) {
		change(ctx, oc, func() { oc.Spec.Type = v1alpha1.ClientTypePublic })
	}},
	{name: "it gets a key instead of a secret", tampers: true, happen: func(ctx context.Context, _ *lab, oc *v1alpha1.OAuthClient) {
		change(ctx, oc, func() { hasKey(&oc.Spec) })
	}},
	{name: "its overlap ends", digests: 1, faulty: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		Expect(k8s.Delete(ctx, l.secret(oc.Name))).To(Succeed())
		l.elect(ctx).settle(ctx, oc.Name)
		l.clock.Step(settleDelay)
		l.elect(ctx).settle(ctx, oc.Name)
		l.clock.Step(overlap)
	}},
	{name: "its overlap begins", digests: 2, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		Expect(k8s.Delete(ctx, l.secret(oc.Name))).To(Succeed())
		l.elect(ctx).settle(ctx, oc.Name)
		l.clock.Step(settleDelay)
	}},
	{name: "a rotation is requested", digests: 2, faulty: true, happen: func(ctx context.Context, _ *lab, oc *v1alpha1.OAuthClient) {
		change(ctx, oc, func() { metav1.SetMetaDataAnnotation(&oc.ObjectMeta, v1alpha1.AnnotationRotate, "now") })
	}},
	{name: "its secret is due by schedule", digests: 2, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		change(ctx, oc, func() { oc.Spec.Rotation = new(every(time.Hour)) })
		l.elect(ctx).settle(ctx, oc.Name)
		l.clock.Step(time.Hour)
	}},
	{name: "a rotation is due and its issuer key is edited", digests: 2, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		change(ctx, oc, func() { metav1.SetMetaDataAnnotation(&oc.ObjectMeta, v1alpha1.AnnotationRotate, "now") })
		s := l.secret(oc.Name)
		change(ctx, s, func() { s.Data["issuer"] = []byte("https://evil.example.com") })
	}},
	{name: "its current secret is revoked", digests: 1, faulty: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		current := published(ctx, l.recordOf(oc.Name)).Digests[0]
		change(ctx, oc, func() { metav1.SetMetaDataAnnotation(&oc.ObjectMeta, v1alpha1.AnnotationRevoke, current.ID()) })
	}},
	{name: "an old secret is revoked", digests: 1, faulty: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		Expect(k8s.Delete(ctx, l.secret(oc.Name))).To(Succeed())
		l.elect(ctx).settle(ctx, oc.Name)
		old := published(ctx, l.recordOf(oc.Name)).Digests[0]
		change(ctx, oc, func() { metav1.SetMetaDataAnnotation(&oc.ObjectMeta, v1alpha1.AnnotationRevoke, old.ID()) })
	}},
	{name: "policy withdraws it", digests: 1, withdrawn: true, faulty: true, happen: func(ctx context.Context, l *lab, _ *v1alpha1.OAuthClient) {
		l.allow(ctx, nothing)
	}},
	{name: "policy withdraws it before it is Ready", fresh: true, digests: 1, withdrawn: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		_, err := l.elect(ctx).look(ctx, oc.Name)
		Expect(err).NotTo(HaveOccurred())
		l.allow(ctx, nothing)
	}},
	{name: "policy allows it again", digests: 1, faulty: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		l.allow(ctx, nothing)
		l.elect(ctx).settle(ctx, oc.Name)
		l.allow(ctx)
	}},
	{name: "policy allows it again, whose Secret was deleted", digests: 2, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		l.allow(ctx, nothing)
		l.elect(ctx).settle(ctx, oc.Name)
		Expect(k8s.Delete(ctx, l.secret(oc.Name))).To(Succeed())
		l.allow(ctx)
	}},
	{name: "it is deleted", ends: true, tampers: true, happen: func(ctx context.Context, _ *lab, oc *v1alpha1.OAuthClient) {
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
	}},
	{name: "it is deleted and created again", digests: 1, tampers: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		again := l.wiki()
		again.Name = oc.Name
		create(ctx, again)
	}},
	{name: "it moves to another AuthorizationServer", digests: 1, faulty: true,
		happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
			l.publishServer(ctx, "other")
			moveTo(ctx, oc, "other")
		},
		check: func(c registration.Client) { Expect(c.AuthorizationServer).To(Equal("other")) }},
	{name: "it is deleted and its grants are retained", ends: true, retains: true, tampers: true, faulty: true,
		happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
			l.retainGrants(ctx, oc)
			Expect(k8s.Delete(ctx, oc)).To(Succeed())
		}},
	{name: "it is created again over retained grants", digests: 1, tampers: true, faulty: true,
		happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
			l.retainGrants(ctx, oc)
			Expect(k8s.Delete(ctx, oc)).To(Succeed())
			l.elect(ctx).settle(ctx, oc.Name)
			create(ctx, l.oauthClient(oc.Name, retainsGrants))
		},
		check: func(c registration.Client) { Expect(c.GrantUID).NotTo(Or(BeEmpty(), Equal(c.UID))) }},
	{name: "it is deleted and created again at once, and its grants are retained", digests: 1, tampers: true,
		happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
			l.retainGrants(ctx, oc)
			Expect(k8s.Delete(ctx, oc)).To(Succeed())
			create(ctx, l.oauthClient(oc.Name))
		},
		check: func(c registration.Client) { Expect(c.GrantUID).NotTo(Or(BeEmpty(), Equal(c.UID))) }},
	{name: "a pause of it ends", digests: 2, faulty: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		pause(ctx, oc)
		Expect(k8s.Delete(ctx, l.secret(oc.Name))).To(Succeed())
		change(ctx, oc, func() { oc.Spec.DisplayName = "Changed" })
		l.elect(ctx).settle(ctx, oc.Name)
		resume(ctx, oc)
	}},
	{name: "it is created again, and its Secret was retained", digests: 1, faulty: true, tampers: true, happen: func(ctx context.Context, l *lab, oc *v1alpha1.OAuthClient) {
		change(ctx, oc, func() { oc.Spec.Secret = &v1alpha1.SecretSpec{DeletionPolicy: v1alpha1.SecretRetain} })
		l.elect(ctx).settle(ctx, oc.Name)
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		l.elect(ctx).settle(ctx, oc.Name)
		again := l.wiki()
		again.Name = oc.Name
		create(ctx, again)
	}},
}

// publishServer makes an AuthorizationServer with its record.
func (l *lab) publishServer(ctx context.Context, name string) {
	GinkgoHelper()
	as := l.server(name)
	Expect(client.IgnoreAlreadyExists(k8s.Create(ctx, as))).To(Succeed())
	record, err := desiredServerRecord(nil, client.ObjectKeyFromObject(l.issuerOf(name)), fetch(ctx, as))
	Expect(err).NotTo(HaveOccurred())
	Expect(client.IgnoreAlreadyExists(k8s.Create(ctx, record))).To(Succeed())
}

// retainGrants lets the record say that its grants are to be retained.
func (l *lab) retainGrants(ctx context.Context, oc *v1alpha1.OAuthClient) {
	GinkgoHelper()
	change(ctx, oc, func() { retainsGrants(&oc.Spec) })
	l.elect(ctx).settle(ctx, oc.Name)
}

var _ = Describe("A manager", Ordered, func() {
	var (
		l    *lab
		runs int
	)
	// One lab for all, with another client for each run.
	BeforeAll(func(ctx context.Context) {
		l = newLab(ctx)
		l.join(ctx)
	})

	// begin makes a client and lets the episode happen.
	begin := func(ctx context.Context, e episode) string {
		GinkgoHelper()
		runs++
		oc := l.wiki()
		oc.Name = fmt.Sprintf("wiki-%d", runs)
		create(ctx, oc)
		l.trusted = true
		if !e.fresh {
			l.elect(ctx).settle(ctx, oc.Name)
			l.isReadyNow(ctx, oc.Name)
		}
		l.trusted = !e.tampers
		e.happen(ctx, l, oc)
		return oc.Name
	}
	// end checks that all is well, and cleans up for the sake of the other runs.
	end := func(ctx context.Context, e episode, name string, digests int) {
		GinkgoHelper()
		l.trusted = true
		l.checkMounted(ctx, "the end")
		if e.ends {
			Expect(gone(ctx, l.recordOf(name))()).To(Equal(!e.retains))
			if e.retains {
				l.expectRetained(ctx, name)
			}
			Expect(gone(ctx, l.secret(name))()).To(BeTrue())
			return
		}
		ready := l.isReadyNow
		if e.withdrawn {
			ready = l.isWithdrawnNow
		}
		record := ready(ctx, name)
		if e.check != nil {
			e.check(record)
		}
		Expect(len(record.Digests)).To(BeNumerically("<=", digests))
		l.allow(ctx)
		oc := l.wiki()
		oc.Name = name
		fetch(ctx, oc)
		for _, o := range []client.Object{oc, l.secret(oc.Status.SecretName), l.recordOf(name)} {
			Expect(client.IgnoreNotFound(k8s.Delete(ctx, o))).To(Succeed())
		}
	}

	for _, e := range slices.Concat(episodes, broughtEpisodes) {
		It("may crash between any two writes when "+e.name, func(ctx context.Context) {
			name := begin(ctx, e)
			m := l.elect(ctx)
			m.settle(ctx, name)
			total := m.faults.writes
			end(ctx, e, name, e.digests)
			Expect(total).To(BeNumerically(">", 0), "the episode makes the manager write")

			for n := 1; n <= total; n++ {
				By(fmt.Sprintf("after write %d of %d", n, total))
				name := begin(ctx, e)
				m := l.elect(ctx)
				m.faults.at, m.faults.mode = n, crash
				for m.faults.writes < n {
					m.cache.refresh(ctx)
					l.loadAll(ctx)
					_, _ = m.look(ctx, name)
				}
				l.elect(ctx).settle(ctx, name)
				end(ctx, e, name, e.digests+1) // what was parked is lost, and one more minted
			}
		}, SpecTimeout(time.Minute))

		if !e.faulty {
			continue
		}
		It("may meet a conflict, or lose an answer, at every write when "+e.name, func(ctx context.Context) {
			for _, mode := range []faultMode{conflict, answerLost} {
				for n := 1; ; n++ {
					name := begin(ctx, e)
					m := l.elect(ctx)
					m.faults.at, m.faults.mode = n, mode
					m.settle(ctx, name)
					end(ctx, e, name, e.digests) // its memory is intact, so none is minted in vain
					if m.faults.writes < n {
						break
					}
				}
			}
		}, SpecTimeout(time.Minute))
	}

	It("mints once, however far its cache is behind", func(ctx context.Context) {
		name := begin(ctx, episodes[0])
		m := l.elect(ctx)
		for range 10 {
			result, err := m.look(ctx, name) // the cache knows the OAuthClient and nothing else
			Expect(err).NotTo(HaveOccurred())
			Expect(result.RequeueAfter).To(BeNumerically("<=", staleDelay))
			l.loadAll(ctx)
		}
		Expect(published(ctx, l.recordOf(name)).Digests).To(HaveLen(1))
		m.settle(ctx, name)
		Expect(l.isReadyNow(ctx, name).Digests).To(HaveLen(1))
	})

	It("writes no second value if its cache lacks the Secret that it wrote", func(ctx context.Context) {
		name := begin(ctx, episodes[0])
		m := l.elect(ctx)
		_, err := m.look(ctx, name)
		Expect(err).NotTo(HaveOccurred())
		l.loadAll(ctx)
		m.cache.refresh(ctx) // with the record, without the Secret
		for range 5 {
			_, err := m.look(ctx, name)
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(published(ctx, l.recordOf(name)).Digests).To(HaveLen(1))
		Expect(digestOf(fetch(ctx, l.secret(name)))).To(Equal(published(ctx, l.recordOf(name)).Digests[0].SHA256))
	})

	It("that does not know it was replaced cannot mount what is refused", func(ctx context.Context) {
		name := begin(ctx, episodes[0])
		old := l.elect(ctx)
		var late func() error
		_, err := old.look(ctx, name)
		Expect(err).NotTo(HaveOccurred())
		l.loadAll(ctx)
		old.cache.refresh(ctx)
		old.faults.hold = func(write func() error) bool {
			if late == nil {
				late = write
			}
			return true
		}
		_, err = old.look(ctx, name) // creates the Secret, but the write does not arrive
		Expect(err).To(HaveOccurred())
		Expect(late).NotTo(BeNil())
		first := published(ctx, l.recordOf(name)).Digests

		By("having a new leader, which mints its own")
		l.elect(ctx).settle(ctx, name)
		Expect(l.isReadyNow(ctx, name).Digests).To(HaveLen(2))
		mounted := digestOf(fetch(ctx, l.secret(name)))
		Expect(mounted).NotTo(Equal(first[0].SHA256))

		By("letting the old write arrive after the new one")
		Expect(apierrors.IsAlreadyExists(late())).To(BeTrue())
		Expect(digestOf(fetch(ctx, l.secret(name)))).To(Equal(mounted))

		By("letting it arrive when there happens to be no Secret")
		Expect(k8s.Delete(ctx, l.secret(name))).To(Succeed())
		Expect(late()).To(Succeed())
		Expect(digestOf(fetch(ctx, l.secret(name)))).To(Equal(first[0].SHA256))
		l.checkMounted(ctx, "the late write")
		l.elect(ctx).settle(ctx, name)
		Expect(digestOf(fetch(ctx, l.secret(name)))).To(Equal(first[0].SHA256), "it is as good as the other")
		l.isReadyNow(ctx, name)
	})

	It("that does not know it was replaced cannot write over a Secret, a record or a status", func(ctx context.Context) {
		name := begin(ctx, episodes[2])
		old := l.elect(ctx)
		l.elect(ctx).settle(ctx, name)
		record, secret := fetch(ctx, l.recordOf(name)), fetch(ctx, l.secret(name))
		for range 3 {
			_, err := old.look(ctx, name) // with the cache of before
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(fetch(ctx, l.recordOf(name)).ResourceVersion).To(Equal(record.ResourceVersion))
		Expect(fetch(ctx, l.secret(name)).ResourceVersion).To(Equal(secret.ResourceVersion))
		l.isReadyNow(ctx, name)
	})

	It("that does not know it was replaced cannot write over the Secret that its successor has written", func(ctx context.Context) {
		name := begin(ctx, episodes[3])
		old := l.elect(ctx)
		_, err := old.look(ctx, name)
		Expect(err).NotTo(HaveOccurred())
		l.loadAll(ctx)
		old.cache.refresh(ctx)
		var late func() error
		old.faults.hold = func(write func() error) bool {
			if late == nil {
				late = write
			}
			return true
		}
		_, err = old.look(ctx, name) // updates the Secret, but the write does not arrive
		Expect(err).To(HaveOccurred())
		l.elect(ctx).settle(ctx, name)
		l.trusted = true
		mounted := fetch(ctx, l.secret(name)).ResourceVersion
		Expect(apierrors.IsConflict(late())).To(BeTrue())
		Expect(fetch(ctx, l.secret(name)).ResourceVersion).To(Equal(mounted))
	})

	It("writes no secret that another manager has superseded while it waited", func(ctx context.Context) {
		name := begin(ctx, episodes[0])
		old := l.elect(ctx)
		_, err := old.look(ctx, name)
		Expect(err).NotTo(HaveOccurred())
		l.loadAll(ctx)
		old.cache.refresh(ctx)
		l.meanwhile = func() {
			_, err := l.elect(ctx).look(ctx, name) // publishes its own
			Expect(err).NotTo(HaveOccurred())
		}
		result, err := old.look(ctx, name)
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(staleDelay))
		Expect(gone(ctx, l.secret(name))()).To(BeTrue())
		Expect(published(ctx, l.recordOf(name)).Digests).To(HaveLen(2))

		By("forgetting its own")
		old.settle(ctx, name)
		Expect(digestOf(fetch(ctx, l.secret(name)))).NotTo(Equal(published(ctx, l.recordOf(name)).Digests[0].SHA256))
		l.isReadyNow(ctx, name)
	})

	It("does not retire what the Secret holds by now, though its cache says otherwise", func(ctx context.Context) {
		name := begin(ctx, episodes[2])
		before := published(ctx, l.recordOf(name)).Digests
		m := l.elect(ctx)
		first := m.cache.secretOf(l.app, name) // none: it was deleted
		Expect(first).To(BeNil())
		m.settle(ctx, name)
		second := fetch(ctx, l.secret(name)).DeepCopy()
		digests := published(ctx, l.recordOf(name)).Digests
		Expect(digests).To(HaveLen(2))
		l.clock.Step(settleDelay)

		// Somebody takes the new one out just when its predecessor's overlap is to begin.
		m.cache.refresh(ctx)
		Expect(k8s.Delete(ctx, second)).To(Succeed())
		result, err := m.look(ctx, name)
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(staleDelay))
		Expect(published(ctx, l.recordOf(name)).Digests).To(Equal(digests))
		Expect(digests[0]).To(Equal(before[0]))
	})

	It("takes back the end of a secret that somebody has put back", func(ctx context.Context) {
		name := begin(ctx, episodes[8])
		m := l.elect(ctx)
		m.settle(ctx, name)
		first := fetch(ctx, l.secret(name)).Data[keyClientSecret]
		Expect(k8s.Delete(ctx, l.secret(name))).To(Succeed())
		m.settle(ctx, name)
		l.clock.Step(settleDelay)
		m.settle(ctx, name)
		Expect(published(ctx, l.recordOf(name)).Digests[0].Until).NotTo(BeZero())
		secret := l.secret(name)
		change(ctx, secret, func() { secret.Data[keyClientSecret] = first })
		m.settle(ctx, name)
		Expect(fetch(ctx, secret).Data[keyClientSecret]).To(Equal(first))
		l.isReadyNow(ctx, name)
	})

	It("withdraws nothing because its cache does not have an OAuthClient yet", func(ctx context.Context) {
		name := begin(ctx, episodes[8])
		m := l.elect(ctx)
		m.settle(ctx, name)
		delete(m.cache.objects, client.ObjectKey{Namespace: l.app, Name: name})
		result, err := m.look(ctx, name)
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(staleDelay))
		l.isReadyNow(ctx, name)
	})

	It("says that a write was forbidden, and not what a webhook has said", func(ctx context.Context) {
		name := begin(ctx, episodes[0])
		m := l.elect(ctx)
		_, err := m.look(ctx, name)
		Expect(err).NotTo(HaveOccurred())
		l.loadAll(ctx)
		m.cache.refresh(ctx)
		m.faults.at, m.faults.mode = m.faults.writes+1, forbidden
		_, err = m.look(ctx, name)
		Expect(apierrors.IsForbidden(err)).To(BeTrue())
		oc := l.wiki()
		oc.Name = name
		fetch(ctx, oc)
		Expect(reasons(oc.Status.Conditions, oc.Generation)).To(Equal(map[string]string{
			"Accepted": "True/Accepted", "CredentialsReady": "False/Failed", "Registered": "True/Loaded", "Ready": "False/Failed",
		}))
		Expect(readyOf(oc.Status.Conditions).Message).To(And(ContainSubstring("a quota, an admission policy"), Not(ContainSubstring("injected"))))
		m.settle(ctx, name)
		Expect(l.isReadyNow(ctx, name).Digests).To(HaveLen(1))
	})

	It("takes nothing for a namespace that does not exist, and says so", func(ctx context.Context) {
		name := begin(ctx, episodes[0])
		m := l.elect(ctx)
		m.Namespace = "nowhere"
		as := fetch(ctx, l.server("main"))
		record, err := desiredServerRecord(nil, client.ObjectKey{Namespace: "nowhere", Name: "issuer-main"}, as)
		Expect(err).NotTo(HaveOccurred())
		m.cache.add(record)
		_, err = m.look(ctx, name)
		Expect(err).To(MatchError(errNoNamespace))
		oc := l.wiki()
		oc.Name = name
		fetch(ctx, oc)
		Expect(reasons(oc.Status.Conditions, oc.Generation)).To(Equal(map[string]string{
			"Accepted": "True/Accepted", "CredentialsReady": "False/Failed", "Registered": "False/Failed", "Ready": "False/Failed",
		}))
		Expect(readyOf(oc.Status.Conditions).Message).To(ContainSubstring("does not exist or is being deleted"))
	})
})
