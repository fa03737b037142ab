// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// rotating is an OAuthClient in a lab that rotates, and the manager at work there.
type rotating struct {
	*lab
	*leader
	oc  *v1alpha1.OAuthClient
	use *fakeUse
	// looks counts how often the manager has looked.
	looks int
}

// newRotating makes an OAuthClient that is Ready.
func newRotating(ctx context.Context, spec *v1alpha1.Rotation) *rotating {
	GinkgoHelper()
	l := newLab(ctx)
	l.join(ctx)
	r := &rotating{lab: l, use: &fakeUse{last: map[string]time.Time{}}}
	r.oc = l.wiki(func(s *v1alpha1.OAuthClientSpec) { s.Rotation = spec })
	create(ctx, r.oc)
	r.restart(ctx)
	r.settle(ctx)
	return r
}

// restart is a crash, or a change of the leader.
func (r *rotating) restart(ctx context.Context) {
	r.leader = r.elect(ctx)
	r.usage = r.use
}

func (r *rotating) settle(ctx context.Context) {
	GinkgoHelper()
	r.leader.settle(ctx, r.oc.Name)
	fetch(ctx, r.oc)
}

// look reconciles once, with a cache that has caught up.
func (r *rotating) look(ctx context.Context) time.Duration {
	GinkgoHelper()
	r.cache.refresh(ctx)
	result, err := r.leader.look(ctx, r.oc.Name)
	Expect(err).NotTo(HaveOccurred())
	r.looks++
	return result.RequeueAfter
}

// pass lets time pass. The manager looks whenever it said that it would.
func (r *rotating) pass(ctx context.Context, d time.Duration) {
	GinkgoHelper()
	for end := r.clock.Now().Add(d); ; {
		r.settle(ctx)
		next, left := r.look(ctx), end.Sub(r.clock.Now())
		if next == 0 || next > left {
			r.clock.Step(left)
			r.settle(ctx)
			return
		}
		r.clock.Step(next)
	}
}

// annotate does what kubectl annotate --overwrite does.
func (r *rotating) annotate(ctx context.Context, key, value string) {
	GinkgoHelper()
	change(ctx, r.oc, func() { metav1.SetMetaDataAnnotation(&r.oc.ObjectMeta, key, value) })
}

func (r *rotating) digests(ctx context.Context) []registration.Digest {
	GinkgoHelper()
	return published(ctx, r.recordOf(r.oc.Name)).Digests
}

// held is the digest of what the app's Secret holds.
func (r *rotating) held(ctx context.Context) registration.Digest {
	GinkgoHelper()
	digests := r.digests(ctx)
	i := position(digests, digestOf(fetch(ctx, r.secret(r.oc.Name))))
	Expect(i).To(BeNumerically(">=", 0), "the record has what the Secret holds")
	return digests[i]
}

// states are what the status says of each credential, such as "Current".
func (r *rotating) states() []string {
	var states []string
	for _, c := range r.oc.Status.Credentials {
		states = append(states, string(c.State))
	}
	return states
}

// events are those that were told since the last time.
func (r *rotating) events() []string {
	var said []string
	for len(r.told.Events) > 0 {
		said = append(said, <-r.told.Events)
	}
	return said
}

func (r *rotating) expectReady() {
	GinkgoHelper()
	Expect(readyOf(r.oc.Status.Conditions).Status).To(Equal(metav1.ConditionTrue))
}

var _ = Describe("The rotation of a client secret", func() {
	It("comes by interval, and the old one goes after its overlap", func(ctx context.Context) {
		spec := every(30 * 24 * time.Hour)
		spec.Overlap = lasting(2 * time.Hour)
		r := newRotating(ctx, &spec)
		first, next := r.held(ctx), r.oc.Status.NextRotation.Time
		Expect(next).To(And(BeTemporally(">", first.Since.Add(27*24*time.Hour)), BeTemporally("<=", first.Since.Add(30*24*time.Hour))))
		Expect(r.states()).To(Equal([]string{"Current"}))
		Expect(r.oc.Status.Credentials[0].ID).To(Equal(first.ID()))

		By("waiting until then, and not a second less")
		r.pass(ctx, next.Sub(r.clock.Now())-time.Second)
		Expect(r.held(ctx)).To(Equal(first))
		r.events()
		r.pass(ctx, time.Second)
		second := r.held(ctx)
		Expect(second.ID()).NotTo(Equal(first.ID()))
		Expect(second.Since).To(BeTemporally("~", next, time.Second))
		Expect(r.states()).To(Equal([]string{"Current", "Retiring"}))
		end := second.Since.Add(settleDelay + 2*time.Hour)
		Expect(r.events()).To(ContainElement(And(
			ContainSubstring("CredentialsRotated"), ContainSubstring("as spec.rotation says"), ContainSubstring("accepted until "+end.Format("2006-01-02 15:04")+" UTC."))))

		By("letting the overlap begin, and end")
		r.pass(ctx, settleDelay)
		Expect(r.oc.Status.Credentials[1].Until.Time).To(BeTemporally("~", end, time.Second))
		r.pass(ctx, 2*time.Hour)
		Expect(r.digests(ctx)).To(Equal([]registration.Digest{second}))
		Expect(r.states()).To(Equal([]string{"Current"}))

		By("rotating once a month for half a year")
		r.looks = 0
		r.pass(ctx, 180*24*time.Hour)
		Expect(r.digests(ctx)).To(HaveLen(1))
		Expect(r.looks).To(BeNumerically("<", 6*8), "nobody polls")
		r.expectReady()
	})

	It("spreads clients that were made together", func(ctx context.Context) {
		spec := every(30 * 24 * time.Hour)
		r := newRotating(ctx, &spec)
		other := r.wiki(func(s *v1alpha1.OAuthClientSpec) { s.Rotation = &spec })
		other.Name = "other"
		create(ctx, other)
		r.leader.settle(ctx, "other")
		Expect(fetch(ctx, other).Status.NextRotation.Time).NotTo(BeTemporally("~", r.oc.Status.NextRotation.Time, time.Second))
	})

	It("waits for the next window if the manager was away", func(ctx context.Context) {
		spec := opening("0 3 * * *", time.Hour, "Europe/Berlin")
		r := newRotating(ctx, &spec)
		first, next := r.held(ctx), r.oc.Status.NextRotation.Time
		berlin, err := time.LoadLocation("Europe/Berlin")
		Expect(err).NotTo(HaveOccurred())
		Expect(next.In(berlin).Hour()).To(Equal(3))
		r.clock.SetTime(next.Add(time.Hour))
		r.restart(ctx)
		r.settle(ctx)
		Expect(r.held(ctx)).To(Equal(first))
		Expect(r.oc.Status.NextRotation.In(berlin).Hour()).To(Equal(3))
		r.pass(ctx, r.oc.Status.NextRotation.Sub(r.clock.Now()))
		Expect(r.held(ctx)).NotTo(Equal(first))
		second := r.held(ctx)
		r.pass(ctx, time.Hour)
		Expect(r.held(ctx)).To(Equal(second), "once in a window")
	})

	It("is finished though the window has closed meanwhile", func(ctx context.Context) {
		spec := opening("0 3 * * *", time.Hour, "Etc/UTC")
		r := newRotating(ctx, &spec)
		first := r.held(ctx)
		r.clock.SetTime(r.oc.Status.NextRotation.Time)
		r.look(ctx) // publishes
		r.clock.Step(time.Hour)
		r.look(ctx)
		Expect(r.held(ctx)).To(Equal(first), "no replica has loaded the other")
		r.loadAll(ctx)
		r.look(ctx)
		Expect(r.held(ctx)).NotTo(Equal(first))
		Expect(r.digests(ctx)).To(HaveLen(2))
	})

	It("refuses a schedule that never comes, and goes on with what was accepted", func(ctx context.Context) {
		r := newRotating(ctx, nil)
		change(ctx, r.oc, func() { r.oc.Spec.Rotation = new(opening("0 3 31 2 *", time.Hour, "Etc/UTC")) })
		r.settle(ctx)
		accepted := apimeta.FindStatusCondition(r.oc.Status.Conditions, v1alpha1.ConditionAccepted)
		Expect(accepted.Reason).To(Equal(v1alpha1.ReasonInvalidSpec))
		Expect(accepted.Message).To(ContainSubstring("spec.rotation.window.schedule"))
		Expect(r.states()).To(Equal([]string{"Current"}))
		r.annotate(ctx, v1alpha1.AnnotationRevoke, r.held(ctx).ID())
		r.settle(ctx)
		Expect(r.digests(ctx)).To(HaveLen(1), "a leaked secret can be revoked all the same")
	})

	It("comes on request, once, whatever happens to the manager", func(ctx context.Context) {
		r := newRotating(ctx, nil)
		first := r.held(ctx)
		Expect(r.oc.Status.NextRotation).To(BeNil())
		r.annotate(ctx, v1alpha1.AnnotationRotate, "on Monday")
		r.settle(ctx)
		second := r.held(ctx)
		Expect(second.ID()).NotTo(Equal(first.ID()))
		Expect(second.Request).To(Equal("on Monday"))
		Expect(strings.Join(r.events(), "\n")).To(ContainSubstring("as the annotation clientele.dev/rotate asks"))
		for range 3 {
			r.restart(ctx)
			r.pass(ctx, 24*time.Hour)
		}
		Expect(r.digests(ctx)).To(Equal([]registration.Digest{second}))

		By("having nothing asked for")
		r.annotate(ctx, v1alpha1.AnnotationRotate, "")
		r.settle(ctx)
		Expect(r.held(ctx)).To(Equal(second))

		By("asking again")
		r.annotate(ctx, v1alpha1.AnnotationRotate, strings.Repeat("on Tuesday ", 100))
		r.settle(ctx)
		Expect(r.held(ctx).ID()).NotTo(Equal(second.ID()))
		Expect(len(r.held(ctx).Request)).To(BeNumerically("<=", maxRequest))
	})

	It("is not answered for a request that another Secret answers already", func(ctx context.Context) {
		r := newRotating(ctx, nil)
		r.annotate(ctx, v1alpha1.AnnotationRotate, "on Monday")
		Expect(k8s.Delete(ctx, r.secret("wiki"))).To(Succeed())
		r.settle(ctx)
		Expect(r.held(ctx).Request).To(Equal("on Monday"))
		Expect(r.digests(ctx)).To(HaveLen(2))
	})

	It("happens again for a request that comes during a rotation", func(ctx context.Context) {
		r := newRotating(ctx, nil)
		r.annotate(ctx, v1alpha1.AnnotationRotate, "on Monday")
		r.look(ctx)
		r.annotate(ctx, v1alpha1.AnnotationRotate, "on Tuesday")
		r.settle(ctx)
		Expect(r.held(ctx).Request).To(Equal("on Tuesday"))
		Expect(r.digests(ctx)).To(HaveLen(3))
		r.expectReady()
	})

	It("is not repeated by a cache that is behind", func(ctx context.Context) {
		r := newRotating(ctx, nil)
		r.annotate(ctx, v1alpha1.AnnotationRotate, "on Monday")
		r.cache.refresh(ctx)
		stale := *r.cache
		r.annotate(ctx, v1alpha1.AnnotationRotate, "on Tuesday")
		r.settle(ctx)
		held := r.held(ctx)
		r.cache.refresh(ctx)
		key := client.ObjectKeyFromObject(r.oc)
		for i, o := range r.cache.objects[key] {
			if _, is := o.(*v1alpha1.OAuthClient); is {
				for _, old := range stale.objects[key] {
					if _, is := old.(*v1alpha1.OAuthClient); is {
						r.cache.objects[key][i] = old
					}
				}
			}
		}
		result, err := r.leader.look(ctx, "wiki")
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(staleDelay))
		Expect(r.digests(ctx)).To(HaveLen(2))
		Expect(r.held(ctx)).To(Equal(held))
	})

	It("leaves the app its Secret, and Ready true, while a replica is behind", func(ctx context.Context) {
		r := newRotating(ctx, nil)
		first := r.held(ctx)
		r.annotate(ctx, v1alpha1.AnnotationRotate, "now")
		for range 5 {
			r.look(ctx)
		}
		fetch(ctx, r.oc)
		r.expectReady()
		credentials := apimeta.FindStatusCondition(r.oc.Status.Conditions, v1alpha1.ConditionCredentialsReady)
		Expect(credentials.Message).To(ContainSubstring("Another client secret is written to it once"))
		Expect(r.held(ctx)).To(Equal(first))
		Expect(r.digests(ctx)).To(HaveLen(2))
		Expect(r.states()).To(Equal([]string{"Pending", "Current"}))

		By("putting right what else is in the Secret")
		secret := r.secret("wiki")
		change(ctx, secret, func() { secret.Data["issuer"] = []byte("https://evil.example.com") })
		r.settle(ctx)
		Expect(fetch(ctx, secret).Data["issuer"]).To(BeEquivalentTo("https://main.example.com"))
		Expect(r.held(ctx)).NotTo(Equal(first))
		Expect(r.digests(ctx)).To(HaveLen(2))
		r.expectReady()
	})

	It("mints one more if the manager dies before it is mounted, and forgets the one that was lost", func(ctx context.Context) {
		r := newRotating(ctx, nil)
		r.annotate(ctx, v1alpha1.AnnotationRotate, "now")
		r.look(ctx)
		r.restart(ctx)
		r.settle(ctx)
		Expect(r.states()).To(Equal([]string{"Current", "Retiring", "Retiring"}))
		r.pass(ctx, settleDelay+overlap)
		Expect(r.states()).To(Equal([]string{"Current"}))
	})

	It("is made early for one that was revoked, which is refused as soon as the other is mounted", func(ctx context.Context) {
		spec := every(30 * 24 * time.Hour)
		r := newRotating(ctx, &spec)
		first := r.held(ctx)
		r.annotate(ctx, v1alpha1.AnnotationRevoke, "nobody, "+first.ID())
		r.look(ctx)
		Expect(r.digests(ctx)).To(HaveLen(2), "it is mounted still")
		r.settle(ctx)
		second := r.held(ctx)
		Expect(r.digests(ctx)).To(Equal([]registration.Digest{second}))
		said := strings.Join(r.events(), "\n")
		Expect(said).To(And(
			ContainSubstring("CredentialsRotated"), ContainSubstring("The one before is accepted no longer."),
			ContainSubstring("CredentialRevoked Client secret "+first.ID()+" is accepted no longer")))
		Expect(strings.Count(said, "CredentialRevoked")).To(Equal(1))
		r.expectReady()
		r.restart(ctx)
		r.pass(ctx, 24*time.Hour)
		Expect(r.held(ctx)).To(Equal(second), "the annotation may stay")
	})

	It("is cut short for an old one that is revoked, even if a replica is behind", func(ctx context.Context) {
		r := newRotating(ctx, nil)
		first := r.held(ctx)
		r.annotate(ctx, v1alpha1.AnnotationRotate, "now")
		r.settle(ctx)
		second := r.held(ctx)
		r.servers[0].version = "1"
		r.annotate(ctx, v1alpha1.AnnotationRevoke, first.ID())
		r.look(ctx)
		Expect(r.digests(ctx)).To(Equal([]registration.Digest{second}))
		Expect(strings.Join(r.events(), "\n")).To(ContainSubstring("CredentialRevoked"))
		r.settle(ctx)
		Expect(r.states()).To(Equal([]string{"Current"}))
	})

	It("brings a further one if the one to come is revoked", func(ctx context.Context) {
		r := newRotating(ctx, nil)
		first := r.held(ctx)
		r.annotate(ctx, v1alpha1.AnnotationRotate, "now")
		r.look(ctx)
		lost := r.digests(ctx)[1]
		r.restart(ctx)
		change(ctx, r.oc, func() {
			r.oc.Annotations = map[string]string{v1alpha1.AnnotationRevoke: lost.ID()}
		})
		r.settle(ctx)
		Expect(position(r.digests(ctx), lost.SHA256)).To(Equal(-1))
		Expect(r.digests(ctx)[0]).To(Equal(first))
		Expect(r.digests(ctx)).To(HaveLen(2))
		Expect(r.held(ctx)).To(Equal(r.digests(ctx)[1]))
	})

	It("lets an old one go when it is quiet, or when nobody waits any longer", func(ctx context.Context) {
		spec := v1alpha1.Rotation{Overlap: lasting(time.Hour), QuietPeriod: lasting(2 * time.Hour), QuietTimeout: lasting(9 * time.Hour)}
		r := newRotating(ctx, &spec)
		inUse := func(d registration.Digest) func() {
			return func() { r.use.last[d.ID()], r.use.all = r.clock.Now(), r.clock.Now() }
		}
		for _, c := range []struct {
			what string
			// report is what replicas do from hour to hour, for so long.
			report func(registration.Digest) func()
			hours  int
		}{
			{"it is used for 4 hours more, and then quiet", func(d registration.Digest) func() {
				hour := 0
				return func() {
					if hour++; hour <= 4 {
						inUse(d)()
					}
					r.use.all = r.clock.Now()
				}
			}, 6},
			{"it is used all the time", inUse, 1 + 9},
			{"replicas report nothing", func(registration.Digest) func() {
				r.use.all = time.Time{}
				return func() {}
			}, 1 + 9},
		} {
			By(c.what)
			old := r.held(ctx)
			r.annotate(ctx, v1alpha1.AnnotationRotate, c.what)
			r.settle(ctx)
			r.pass(ctx, settleDelay)
			Expect(strings.Join(r.events(), "\n")).To(ContainSubstring("and after that until nobody has used it for 2h."))
			report, hours := c.report(old), 0
			r.looks = 0
			for position(r.digests(ctx), old.SHA256) >= 0 {
				Expect(hours).To(BeNumerically("<=", 12))
				hours++
				report()
				r.pass(ctx, time.Hour)
			}
			Expect(hours).To(BeNumerically("~", c.hours, 1))
			Expect(r.looks).To(BeNumerically("<=", hours*(int(time.Hour/quietDelay)+1)))
			r.expectReady()
		}
	})

	It("waits for room, says so once, and locks nobody out", func(ctx context.Context) {
		spec := every(time.Hour)
		spec.Overlap = lasting(8760 * time.Hour)
		r := newRotating(ctx, &spec)
		record := r.recordOf("wiki")
		change(ctx, record, func() { // as if it had been like this for a day
			editClient(func(c *registration.Client) {
				for i := range registration.MaxDigests - spareDigests - 3 {
					old := c.Digests[len(c.Digests)-1]
					old.SHA256 = fmt.Sprint(i)
					c.Digests = append([]registration.Digest{old}, c.Digests...)
				}
			})(record)
		})
		r.pass(ctx, 6*time.Hour)
		Expect(r.digests(ctx)).To(HaveLen(registration.MaxDigests - spareDigests))
		r.expectReady()
		Expect(strings.Count(strings.Join(r.events(), "\n"), "RotationWaits")).To(Equal(1))
		Expect(k8s.Delete(ctx, r.secret("wiki"))).To(Succeed())
		r.settle(ctx)
		r.expectReady()
	})

	It("makes nobody write who has nothing to do", func(ctx context.Context) {
		spec := both(24*time.Hour*30, opening("0 3 * * SUN", time.Hour, "Europe/Berlin"))
		spec.QuietPeriod = lasting(time.Hour)
		r := newRotating(ctx, &spec)
		r.use.last[r.held(ctx).ID()] = r.clock.Now()
		r.settle(ctx)
		writes := r.faults.writes
		for range 20 {
			r.clock.Step(time.Second)
			r.look(ctx)
		}
		r.restart(ctx)
		r.pass(ctx, 24*time.Hour)
		Expect(r.faults.writes).To(BeZero())
		Expect(writes).To(BeNumerically("<", 12))
	})

	It("is done once though the clock jumps back and forth", func(ctx context.Context) {
		spec := every(24 * time.Hour)
		r := newRotating(ctx, &spec)
		r.pass(ctx, 24*time.Hour)
		second := r.held(ctx)
		Expect(r.digests(ctx)).To(HaveLen(2))
		r.clock.SetTime(r.clock.Now().Add(-12 * time.Hour))
		r.settle(ctx)
		r.pass(ctx, 6*time.Hour)
		Expect(r.digests(ctx)).To(HaveLen(2))
		Expect(r.held(ctx)).To(Equal(second))
		r.expectReady()
		r.clock.Step(1000 * time.Hour)
		r.settle(ctx)
		r.held(ctx)
		r.expectReady()
	})
})

var _ = Describe("A rotation on request", func() {
	It("never makes a client that is Ready say anything else", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		watch, err := k8s.Watch(ctx, &v1alpha1.OAuthClientList{}, client.InNamespace(w.app),
			client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", "wiki")})
		Expect(err).NotTo(HaveOccurred())
		var seen, flapped atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e := range watch.ResultChan() {
				if oc, is := e.Object.(*v1alpha1.OAuthClient); is {
					seen.Add(1)
					for _, c := range oc.Status.Conditions {
						if c.Status != metav1.ConditionTrue {
							flapped.Add(1)
						}
					}
				}
			}
		}()
		ready := readyOf(oc.Status.Conditions).LastTransitionTime
		for i := range 10 {
			old := digestOf(fetch(ctx, w.secret("wiki")))
			change(ctx, oc, func() {
				metav1.SetMetaDataAnnotation(&oc.ObjectMeta, v1alpha1.AnnotationRotate, fmt.Sprint(i))
			})
			Eventually(func() string { return digestOf(fetch(ctx, w.secret("wiki"))) }).ShouldNot(Equal(old))
			Eventually(func() int { return len(fetch(ctx, oc).Status.Credentials) }).Should(Equal(i + 2))
		}
		expectClient(ctx, oc, isReady)
		watch.Stop()
		<-done
		Expect(seen.Load()).To(BeNumerically(">=", 20))
		Expect(flapped.Load()).To(BeZero())
		Expect(readyOf(oc.Status.Conditions).LastTransitionTime).To(Equal(ready))
		Expect(w.gather()).To(HaveKeyWithValue("clientele_rotations_total request", 10.0))
		expectEvent(ctx, oc, "CredentialsRotated", "as the annotation clientele.dev/rotate asks")
	})
})
