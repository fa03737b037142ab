// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"math/rand/v2"
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

// torture is one run of events in an order that a seed decides.
type torture struct {
	*lab
	oc      *v1alpha1.OAuthClient
	dice    *rand.Rand
	leaders []*leader
	history []string
	// mounted is until when each secret that was ever mounted must be accepted, by its
	// digest; revoked are the ids of those that must not.
	mounted map[string]time.Time
	revoked map[string]bool
}

// step is one thing that may happen at any time.
type step struct {
	name   string
	weight int
	do     func(ctx context.Context)
}

func (t *torture) steps() []step {
	oc := t.oc
	edit := func(alter func()) func(context.Context) {
		return func(ctx context.Context) { change(ctx, oc, alter) }
	}
	return []step{
		{"a leader looks", 12, func(ctx context.Context) { t.look(ctx, t.leader()) }},
		{"a leader's cache catches up, and it looks", 12, func(ctx context.Context) {
			m := t.leader()
			m.cache.refresh(ctx)
			t.look(ctx, m)
		}},
		{"a leader crashes", 2, func(ctx context.Context) { t.leaders[t.dice.IntN(2)] = t.elect(ctx) }},
		{"a leader will crash soon", 2, func(context.Context) {
			m := t.leader()
			m.faults.at, m.faults.mode = m.faults.writes+1+t.dice.IntN(3), crash
		}},
		{"a replica catches up", 10, func(ctx context.Context) {
			if n := len(t.servers); n > 0 {
				t.load(ctx, t.servers[t.dice.IntN(n)])
			}
		}},
		{"a replica joins", 2, func(ctx context.Context) {
			if len(t.servers) < 3 {
				t.join(ctx)
			}
		}},
		{"a replica leaves", 1, func(context.Context) {
			if n := len(t.servers); n > 0 {
				i := t.dice.IntN(n)
				t.servers = slices.Delete(t.servers, i, i+1)
			}
		}},
		{"the Secret is deleted", 2, func(ctx context.Context) {
			err := k8s.Delete(ctx, t.secret(t.mountedName(ctx)))
			Expect(err == nil || apierrors.IsNotFound(err)).To(BeTrue())
		}},
		{"a key of the Secret is edited", 1, func(ctx context.Context) {
			s := t.secret(t.mountedName(ctx))
			if k8s.Get(ctx, client.ObjectKeyFromObject(s), s) == nil {
				s.Data["issuer"] = nil
				Expect(k8s.Update(ctx, s)).To(Succeed())
			}
		}},
		{"the spec changes", 1, edit(func() { oc.Spec.DisplayName = fmt.Sprint("Wiki ", t.dice.IntN(1000)) })},
		{"the Secret gets another name", 1, edit(func() {
			oc.Spec.Secret = &v1alpha1.SecretSpec{Name: fmt.Sprint(oc.Name, "-", t.dice.IntN(3))}
		})},
		{"the Secret gets another shape", 2, edit(func() {
			if oc.Spec.Secret == nil {
				oc.Spec.Secret = &v1alpha1.SecretSpec{}
			}
			reform(oc.Spec.Secret, t.dice)
		})},
		{"the spec is no longer accepted", 1, edit(func() { oc.Spec.Scopes = []v1alpha1.Scope{"nobody-offers-this"} })},
		{"the spec is accepted again", 2, edit(func() { oc.Spec.Scopes = []v1alpha1.Scope{"openid"} })},
		{"a rotation is requested", 2, edit(func() {
			metav1.SetMetaDataAnnotation(&oc.ObjectMeta, v1alpha1.AnnotationRotate, fmt.Sprint(t.dice.IntN(1000)))
		})},
		{"the current secret is revoked", 1, func(ctx context.Context) { t.revoke(ctx, true) }},
		{"an old secret is revoked", 1, func(ctx context.Context) { t.revoke(ctx, false) }},
		{"the rotation changes", 1, edit(func() {
			// Never shorter than it may take all to let go of an old secret: see "a day passes".
			oc.Spec.Rotation = new(every(overlap))
			oc.Spec.Rotation.Overlap = lasting(overlap + time.Duration(t.dice.IntN(3))*time.Hour)
		})},
		{"policy no longer allows it", 1, func(ctx context.Context) { t.allow(ctx, nothing) }},
		{"policy allows it again", 2, func(ctx context.Context) { t.allow(ctx) }},
		{"minutes pass", 2, func(context.Context) { t.clock.Step(settleDelay) }},
		{"the clock is set back", 1, func(context.Context) {
			t.clock.SetTime(t.clock.Now().Add(-time.Hour))
			for verifier, until := range t.mounted {
				t.mounted[verifier] = until.Add(-time.Hour)
			}
		}},
		{"a day passes", 1, func(ctx context.Context) {
			// Nobody is a day behind: see settleDelay and overlap.
			for _, m := range t.leaders {
				m.cache.refresh(ctx)
				t.look(ctx, m)
			}
			t.clock.Step(overlap)
		}},
	}
}

// reform changes all of a Secret's shape but its name.
func reform(s *v1alpha1.SecretSpec, dice *rand.Rand) {
	s.Type = fmt.Sprint("example.com/type-", dice.IntN(2))
	s.Keys = map[string]v1alpha1.SecretKeyName{"client_secret": v1alpha1.SecretKeyName(fmt.Sprint("secret-", dice.IntN(2)))}
	s.DeletionPolicy = []v1alpha1.SecretDeletionPolicy{v1alpha1.SecretDelete, v1alpha1.SecretRetain}[dice.IntN(2)]
	s.Template = nil
	if dice.IntN(2) == 0 {
		s.Template = &v1alpha1.SecretTemplate{
			MergePolicy: []v1alpha1.SecretMergePolicy{v1alpha1.SecretMerge, v1alpha1.SecretReplace}[dice.IntN(2)],
			Data:        map[string]v1alpha1.TemplateText{"client_secret": "not {{len .client_secret}}"},
		}
	}
}

func (t *torture) leader() *leader { return t.leaders[t.dice.IntN(len(t.leaders))] }

// look lets a leader reconcile. That it fails is its own affair, unless it does not
// crash.
func (t *torture) look(ctx context.Context, m *leader) {
	GinkgoHelper()
	_, err := m.look(ctx, t.oc.Name)
	if err != nil && m.faults.at == 0 {
		Expect(err).NotTo(HaveOccurred())
	}
	if m.faults.at > 0 && m.faults.writes >= m.faults.at {
		for i := range t.leaders {
			if t.leaders[i] == m {
				t.leaders[i] = t.elect(ctx)
			}
		}
	}
}

func (t *torture) mountedName(ctx context.Context) string {
	if name := fetch(ctx, t.oc).Status.SecretName; name != "" {
		return name
	}
	return t.oc.Name
}

// revoke names a secret in the annotation: the one that is mounted, or another one.
func (t *torture) revoke(ctx context.Context, current bool) {
	record, mounted := t.recordOf(t.oc.Name), t.secret(t.mountedName(ctx))
	if k8s.Get(ctx, client.ObjectKeyFromObject(record), record) != nil || k8s.Get(ctx, client.ObjectKeyFromObject(mounted), mounted) != nil {
		return
	}
	digests := published(ctx, record).Digests
	held := position(digests, digestOf(mounted))
	i := t.dice.IntN(len(digests))
	if held < 0 || !current && i == held {
		return
	}
	if current {
		i = held
	}
	t.revoked[digests[i].ID()] = true
	change(ctx, t.oc, func() { metav1.SetMetaDataAnnotation(&t.oc.ObjectMeta, v1alpha1.AnnotationRevoke, digests[i].ID()) })
}

// checkOverlaps fails if a secret that was mounted is no longer accepted before its
// overlap has passed.
func (t *torture) checkOverlaps(ctx context.Context) {
	GinkgoHelper()
	record, mounted := t.recordOf(t.oc.Name), t.secret(t.mountedName(ctx))
	if k8s.Get(ctx, client.ObjectKeyFromObject(record), record) != nil {
		return
	}
	if k8s.Get(ctx, client.ObjectKeyFromObject(mounted), mounted) == nil {
		t.mounted[digestOf(mounted)] = t.clock.Now().Add(overlap)
	}
	digests := published(ctx, record).Digests
	for verifier, until := range t.mounted {
		if t.clock.Now().Before(until) && !t.revoked[registration.Digest{SHA256: verifier}.ID()] {
			Expect(position(digests, verifier)).To(BeNumerically(">=", 0), "a secret was mounted until %v before %v: %v", until, t.clock.Now(), t.history)
		}
	}
}

// any picks one of steps by weight.
func (t *torture) any(steps []step) step {
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	at := t.dice.IntN(total)
	for _, s := range steps {
		if at -= s.weight; at < 0 {
			return s
		}
	}
	panic("unreachable")
}

var _ = Describe("Whatever happens in whatever order", func() {
	It("never mounts a secret that a replica refuses, and ends Ready", func(ctx context.Context) {
		l := newLab(ctx)
		first := GinkgoRandomSeed()
		for seed := first; seed < first+3; seed++ {
			By(fmt.Sprintf("seed %d", seed))
			l.servers = nil
			l.join(ctx)
			oc := l.wiki()
			oc.Name = fmt.Sprintf("wiki-%d", seed)
			create(ctx, oc)
			t := &torture{
				lab: l, oc: oc, dice: rand.New(rand.NewPCG(uint64(seed), 0)), leaders: []*leader{l.elect(ctx), l.elect(ctx)},
				mounted: map[string]time.Time{}, revoked: map[string]bool{},
			}
			steps := t.steps()
			for range 120 {
				s := t.any(steps)
				t.history = append(t.history, s.name)
				s.do(ctx)
				l.checkMounted(ctx, "all this: "+fmt.Sprint(t.history))
				t.checkOverlaps(ctx)
			}
			change(ctx, oc, func() { oc.Spec.Scopes = []v1alpha1.Scope{"openid"} })
			l.allow(ctx)
			if len(l.servers) == 0 {
				l.join(ctx)
			}
			// Somebody may have used up all secrets; a day later there is room again.
			l.elect(ctx).settle(ctx, oc.Name)
			l.clock.Step(settleDelay)
			l.elect(ctx).settle(ctx, oc.Name)
			l.clock.Step(overlap)
			l.elect(ctx).settle(ctx, oc.Name)
			l.isReadyNow(ctx, oc.Name)
		}
	}, SpecTimeout(2*time.Minute))
})
