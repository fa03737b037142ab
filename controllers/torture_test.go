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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// torture is one run of events in an order that a seed decides.
type torture struct {
	*lab
	oc      *v1alpha1.OAuthClient
	dice    *rand.Rand
	leaders []*leader
	history []string
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
		{"the spec is no longer accepted", 1, edit(func() { oc.Spec.Scopes = []v1alpha1.Scope{"nobody-offers-this"} })},
		{"the spec is accepted again", 2, edit(func() { oc.Spec.Scopes = []v1alpha1.Scope{"openid"} })},
		{"policy no longer allows it", 1, func(ctx context.Context) { t.allow(ctx, nothing) }},
		{"policy allows it again", 2, func(ctx context.Context) { t.allow(ctx) }},
		{"minutes pass", 2, func(context.Context) { t.clock.Step(settleDelay) }},
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
			t := &torture{lab: l, oc: oc, dice: rand.New(rand.NewPCG(uint64(seed), 0)), leaders: []*leader{l.elect(ctx), l.elect(ctx)}}
			steps := t.steps()
			for range 120 {
				s := t.any(steps)
				t.history = append(t.history, s.name)
				s.do(ctx)
				l.checkMounted(ctx, "all this: "+fmt.Sprint(t.history))
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
