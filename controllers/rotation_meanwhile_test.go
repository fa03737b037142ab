// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

var _ = Describe("A client secret, while a problem keeps the Secret as it is,", func() {
	wrong := func(ctx context.Context, r *rotating) {
		change(ctx, r.oc, func() { r.oc.Spec.Secret = new(merged(map[string]v1alpha1.TemplateText{"a": "{{.nothing}}"})) })
		r.settle(ctx)
		Expect(readyOf(r.oc.Status.Conditions).Reason).To(Equal("InvalidTemplate"))
	}

	It("is refused once it is revoked, if it is not the one in the Secret", func(ctx context.Context) {
		r := newRotating(ctx, nil)
		first := r.held(ctx)
		r.annotate(ctx, v1alpha1.AnnotationRotate, "now")
		r.settle(ctx)
		second := r.held(ctx)
		wrong(ctx, r)
		r.annotate(ctx, v1alpha1.AnnotationRevoke, first.ID()+","+second.ID())
		r.look(ctx)
		Expect(r.digests(ctx)).To(Equal([]registration.Digest{second}), "the Secret holds the second, and cannot be written")
		Expect(strings.Join(r.events(), "\n")).To(ContainSubstring("Client secret " + first.ID() + " is accepted no longer"))
		Expect(r.look(ctx)).To(BeZero())
		Expect(r.held(ctx)).To(Equal(second))
	})

	It("stays, though revoked, as long as any Secret of the client holds it, whatever the cache says", func(ctx context.Context) {
		r := newRotating(ctx, nil)
		first := r.held(ctx)
		before := fetch(ctx, r.secret(r.oc.Name)).DeepCopy()
		r.annotate(ctx, v1alpha1.AnnotationRotate, "now")
		r.settle(ctx)
		wrong(ctx, r)
		r.annotate(ctx, v1alpha1.AnnotationRevoke, first.ID())
		r.cache.refresh(ctx)
		held := r.secret(r.oc.Name)
		change(ctx, held, func() { held.Data = before.Data })
		_, err := r.leader.look(ctx, r.oc.Name)
		Expect(err).NotTo(HaveOccurred())
		Expect(position(r.digests(ctx), first.SHA256)).To(Equal(0))
	})

	It("ends with its overlap", func(ctx context.Context) {
		r := newRotating(ctx, nil)
		r.annotate(ctx, v1alpha1.AnnotationRotate, "now")
		r.settle(ctx)
		second := r.held(ctx)
		wrong(ctx, r)
		r.pass(ctx, settleDelay+overlap)
		Expect(r.digests(ctx)).To(Equal([]registration.Digest{second}))
	})

	It("begins no overlap while the Secret is gone, and nothing has taken its place", func(ctx context.Context) {
		r := newRotating(ctx, nil)
		r.annotate(ctx, v1alpha1.AnnotationRotate, "now")
		r.settle(ctx)
		wrong(ctx, r)
		before := r.digests(ctx)
		Expect(before).To(HaveLen(2))
		Expect(k8s.Delete(ctx, r.secret(r.oc.Name))).To(Succeed())
		r.pass(ctx, settleDelay+overlap)
		Expect(r.digests(ctx)).To(Equal(before))
		r.annotate(ctx, v1alpha1.AnnotationRevoke, before[0].ID()+","+before[1].ID())
		r.look(ctx)
		Expect(r.digests(ctx)).To(Equal(before[1:]), "the last may be about to be written")
	})
})

func TestMeanwhile(t *testing.T) {
	now := stamp(time.Now())
	old, young := now.Add(-time.Hour), now.Add(-time.Minute)
	a, b, c := registration.Digest{SHA256: "a", Since: old}, registration.Digest{SHA256: "b", Since: old}, registration.Digest{SHA256: "c", Since: old}
	ending, ended, fresh := a, a, c
	ending.Until, ended.Until, fresh.Since = now.Add(overlap), now, young
	bEnds := b
	bEnds.Until = ending.Until
	type digests []registration.Digest
	for _, r := range []struct {
		name    string
		old     digests
		held    []int
		crowded bool
		revoked string
		want    digests
		next    time.Duration
	}{
		{"nothing", nil, nil, false, "", nil, 0},
		{"what has ended goes", digests{ended, b, c}, nil, false, "", digests{b, c}, 0},
		{"but not if it is held, and nobody is woken for it", digests{ended, b, c}, []int{0}, false, "", digests{ended, bEnds, c}, overlap},
		{"two are held", digests{a, b, c}, []int{2, 0}, false, "", digests{a, bEnds, c}, overlap},
		{"none is held", digests{a, b, c}, nil, false, "", digests{a, b, c}, 0},
		{"none is held and there is no room", digests{a, c}, nil, true, "", digests{ending, c}, overlap},
		{"a held one is revoked", digests{a, b, c}, []int{0}, false, "a", digests{a, bEnds, c}, overlap},
		{"an earlier one is revoked", digests{a, fresh}, []int{1}, false, "a", digests{fresh}, 0},
		{"one is revoked, that may be about to be written", digests{a, fresh}, nil, false, "a", digests{a, fresh}, settleDelay - time.Minute},
		{"the last is revoked", digests{a, c}, []int{0}, false, "c", digests{a, c}, 0},
	} {
		p := retentionOf(nil)
		if r.revoked != "" {
			p.revoked = revocations{registration.Digest{SHA256: r.revoked}.ID(): true}
		}
		got := p.meanwhile(r.old, r.held, r.crowded, now)
		if !slices.Equal(got, r.want) {
			t.Errorf("%s: got %v", r.name, got)
		}
		var held []int
		for _, i := range r.held {
			held = append(held, position(got, r.old[i].SHA256))
		}
		var next time.Duration
		if at := p.nextMeanwhile(got, held, now); !at.IsZero() {
			next = at.Sub(now)
		}
		if next != r.next {
			t.Errorf("%s: next after %s", r.name, next)
		}
	}
}
