// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// nothing is a rule that no client here keeps to.
var nothing = v1alpha1.PolicyRule{Name: "nothing", RedirectHosts: []v1alpha1.HostPattern{"nowhere.example.com"}}

// allow gives the server main a policy; without rules, none.
func (w *world) allow(ctx context.Context, rules ...v1alpha1.PolicyRule) {
	GinkgoHelper()
	w.allowOn(ctx, "main", rules...)
}

func (w *world) allowOn(ctx context.Context, server string, rules ...v1alpha1.PolicyRule) {
	GinkgoHelper()
	as := w.server(server)
	change(ctx, as, func() {
		as.Spec.Policy = nil
		if len(rules) > 0 {
			as.Spec.Policy = &v1alpha1.Policy{Rules: rules}
		}
	})
}

// isWithdrawnNow checks that an OAuthClient is withdrawn, with its digests kept.
func (l *lab) isWithdrawnNow(ctx context.Context, name string) registration.Client {
	GinkgoHelper()
	oc := l.wiki()
	oc.Name = name
	fetch(ctx, oc)
	Expect(reasons(oc.Status.Conditions, oc.Generation)).To(HaveKeyWithValue("Ready", "False/PolicyViolation"))
	Expect(reasons(oc.Status.Conditions, oc.Generation)).To(HaveKeyWithValue("Registered", "False/NotAccepted"))
	record := published(ctx, l.recordOf(name))
	Expect(record.Withdrawn).To(BeTrue())
	Expect(record.Digests).NotTo(BeEmpty())
	return record
}

// isWithdrawn is what a client says that policy has withdrawn.
func isWithdrawn(message string) says {
	return says{"False/PolicyViolation", "True/SecretWritten", "False/NotAccepted", "False/PolicyViolation", message}
}

// related counts the events about one object that name the other one as related.
func related(ctx context.Context, about, other client.Object, reason string) func() int {
	return func() int {
		GinkgoHelper()
		list := &eventsv1.EventList{}
		Expect(k8s.List(ctx, list)).To(Succeed())
		n := 0
		for _, e := range list.Items {
			if e.Regarding.UID == about.GetUID() && e.Reason == reason && (other == nil || e.Related != nil && e.Related.UID == other.GetUID()) {
				n++
				if e.Series != nil {
					n += int(e.Series.Count)
				}
			}
		}
		return n
	}
}

// assign makes the app's namespace that team's; "" is nobody's.
func (w *world) assign(ctx context.Context, team string) {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.app}}
	change(ctx, ns, func() {
		if delete(ns.Labels, "team"); team != "" {
			ns.Labels["team"] = team
		}
	})
}

var _ = Describe("The policy of an AuthorizationServer", func() {
	It("lets a client be registered that keeps to it", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.allow(ctx, v1alpha1.PolicyRule{Name: "ours", RedirectHosts: []v1alpha1.HostPattern{"*.example.com"}, ConsentModes: []v1alpha1.ConsentMode{"Never"}})
		w.replica(ctx, "replica-a").follow(ctx)
		w.start()
		oc := w.wiki(consents(v1alpha1.ConsentNever))
		create(ctx, oc)
		expectClient(ctx, oc, isReady)
		Expect(published(ctx, w.recordOf("wiki")).Consent).To(Equal("Never"))
	})

	It("keeps a client that does not from being registered at all", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.allow(ctx, nothing)
		w.replica(ctx, "replica-a").follow(ctx)
		w.start()
		oc := w.wiki()
		create(ctx, oc)
		expectClient(ctx, oc, notAccepted("PolicyViolation",
			"spec.redirectURIs[0]: the host wiki.example.com is not among those that rule nothing of AuthorizationServer main allows: nowhere.example.com. Use one of them"))
		expectEvent(ctx, oc, "PolicyViolation", "wiki.example.com")
		Expect(gone(ctx, w.recordOf("wiki"))()).To(BeTrue())
		Expect(gone(ctx, w.secret("wiki"))()).To(BeTrue())

		By("following a change of the spec")
		change(ctx, oc, func() { oc.Spec.RedirectURIs = []v1alpha1.RedirectURI{"https://nowhere.example.com/"} })
		expectClient(ctx, oc, isReady)
	})

	It("withdraws a client that it no longer allows, and gives it back as it was", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		server := fetch(ctx, w.server("main"))
		secret, before := fetch(ctx, w.secret("wiki")), published(ctx, w.recordOf("wiki"))
		w.allow(ctx, nothing)
		expectClient(ctx, oc, isWithdrawn("rule nothing of AuthorizationServer main allows: nowhere.example.com. Use one of them, or have the platform team add this one to redirectHosts of that rule. Until then the client is not registered."))
		withdrawn := published(ctx, w.recordOf("wiki"))
		Expect(withdrawn.Withdrawn).To(BeTrue())
		Expect(withdrawn.Digests).To(Equal(before.Digests))
		Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(secret.ResourceVersion))
		expectEvent(ctx, oc, "PolicyViolation", "the host wiki.example.com")
		expectEvent(ctx, server, "PolicyViolation", "OAuthClient "+w.app+"/wiki is no longer registered. spec.redirectURIs[0]")

		By("staying so, and telling it once")
		w.halt()
		w.start()
		change(ctx, oc, func() { oc.Spec.DisplayName = "Changed" })
		expectClient(ctx, oc, isWithdrawn("nowhere.example.com"))
		Expect(related(ctx, oc, nil, "PolicyViolation")()).To(Equal(1))
		Expect(related(ctx, server, oc, "PolicyViolation")()).To(Equal(1))

		By("writing nothing over the Secret, whatever becomes of it")
		edited := w.secret("wiki")
		change(ctx, edited, func() { edited.Data["issuer"] = []byte("edited") })
		change(ctx, oc, func() { oc.Spec.DisplayName = "Changed again" })
		expectClient(ctx, oc, isWithdrawn("nowhere.example.com"))
		Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(edited.ResourceVersion))

		By("having it allowed again")
		w.allow(ctx)
		expectClient(ctx, oc, isReady)
		after := published(ctx, w.recordOf("wiki"))
		Expect(after.Withdrawn).To(BeFalse())
		Expect(after.Digests).To(Equal(before.Digests))
		Expect(fetch(ctx, w.secret("wiki")).Data).To(Equal(secret.Data))
		expectEvent(ctx, oc, "Restored", "with the credentials that it had")
		expectEvent(ctx, oc, "Registered", "AuthorizationServer main")
		Expect(related(ctx, oc, nil, "CredentialsMinted")()).To(Equal(1))
	})

	It("gives a client back when every replica has loaded it, and without secrets that have ended", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		r := w.caughtUp(ctx, "replica-a")
		w.start()
		oc := w.wiki()
		create(ctx, oc)
		Eventually(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(w.recordOf("wiki")), &corev1.Secret{}) }).Should(Succeed())
		r.load(ctx)
		expectClient(ctx, oc, isReady)
		first := digestOf(fetch(ctx, w.secret("wiki")))
		Expect(k8s.Delete(ctx, w.secret("wiki"))).To(Succeed())
		Eventually(func() []registration.Digest { return published(ctx, w.recordOf("wiki")).Digests }).Should(HaveLen(2))
		r.load(ctx)
		w.expectReplaced(ctx, oc)
		w.halt()
		w.clock.Step(settleDelay)
		w.start() // which gives the replica's Lease its full time
		Eventually(func() time.Time { return published(ctx, w.recordOf("wiki")).Digests[0].Until }).ShouldNot(BeZero())
		r.load(ctx)

		w.allow(ctx, nothing)
		expectClient(ctx, oc, isWithdrawn("nowhere.example.com"))
		w.halt()
		w.clock.Step(overlap)
		w.allow(ctx)
		w.start()
		expectClient(ctx, oc, says{"True/Accepted", "True/SecretWritten", "False/AwaitingReplicas", "False/AwaitingReplicas", "replica-a"})
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(ConsistOf(And(
			HaveField("SHA256", digestOf(fetch(ctx, w.secret("wiki")))), HaveField("SHA256", Not(Equal(first))))))
		r.load(ctx)
		expectClient(ctx, oc, isReady)
	})

	It("goes by the labels of the namespace, as they change", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		w.allow(ctx, v1alpha1.PolicyRule{Name: "ours", NamespaceSelector: selecting(map[string]string{"team": "a"})})
		expectClient(ctx, oc, isWithdrawn("metadata.namespace: no rule in spec.policy of AuthorizationServer main fits namespace "+w.app))
		w.assign(ctx, "a")
		expectClient(ctx, oc, isReady)
		w.assign(ctx, "b")
		expectClient(ctx, oc, isWithdrawn("fits namespace"))
		w.assign(ctx, "a")
		expectClient(ctx, oc, isReady)
		w.assign(ctx, "")
		expectClient(ctx, oc, isWithdrawn("fits namespace"))
	})

	It("is the first rule's that fits, alone", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		all := v1alpha1.PolicyRule{Name: "all"}
		w.allow(ctx, nothing, all)
		expectClient(ctx, oc, isWithdrawn("rule nothing of"))
		w.allow(ctx, all, nothing)
		expectClient(ctx, oc, isReady)
	})

	It("is not got round by a mistake in the spec", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		change(ctx, oc, func() { oc.Spec.Scopes = []v1alpha1.Scope{"nobody-offers-this"} })
		expectClient(ctx, oc, keptAsItWas("UnsupportedScope", "nobody-offers-this"))

		By("withdrawing what was kept")
		w.allow(ctx, nothing)
		expectClient(ctx, oc, isWithdrawn("spec.redirectURIs[0]: the host wiki.example.com"))

		By("withdrawing it though the new spec keeps to the policy")
		change(ctx, oc, func() { oc.Spec.RedirectURIs = []v1alpha1.RedirectURI{"https://nowhere.example.com/"} })
		expectClient(ctx, oc, isWithdrawn("Remove it from spec.scopes, or have the platform team add it to spec.scopes of the AuthorizationServer. What was accepted before cannot stay registered either: spec.redirectURIs[0]: the host wiki.example.com is"))

		By("giving back what was kept, and no more")
		w.allow(ctx)
		expectClient(ctx, oc, keptAsItWas("UnsupportedScope", "nobody-offers-this"))
		Expect(published(ctx, w.recordOf("wiki"))).To(And(HaveField("Withdrawn", false), HaveField("RedirectURIs", Equal([]string{"https://wiki.example.com/callback"}))))

		By("accepting the new spec")
		w.allow(ctx, nothing)
		change(ctx, oc, func() { oc.Spec.Scopes = []v1alpha1.Scope{"openid"} })
		expectClient(ctx, oc, isReady)
	})

	It("withdraws a client whose own change it does not allow", func(ctx context.Context) {
		_, oc := readyWorld(ctx)
		change(ctx, oc, func() { oc.Spec.Consent = v1alpha1.ConsentNever })
		expectClient(ctx, oc, isWithdrawn("spec.consent: the mode Never is not among those that AuthorizationServer main allows: Always, Once."))
		change(ctx, oc, func() { oc.Spec.Consent = v1alpha1.ConsentAlways })
		expectClient(ctx, oc, isReady)
	})

	It("is not got round by a pause", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		pausing := func(value string) func() {
			return func() { setAnnotation(oc, v1alpha1.AnnotationPaused, value) }
		}
		change(ctx, oc, pausing("true"))
		w.allow(ctx, nothing)
		expectClient(ctx, oc, isWithdrawn("spec.redirectURIs[0]: the host wiki.example.com is"))

		By("holding what is registered, and not the change that is held, to it")
		change(ctx, oc, pausing(""))
		w.allow(ctx)
		expectClient(ctx, oc, isReady)
		w.halt()
		change(ctx, oc, func() {
			pausing("true")()
			oc.Spec.RedirectURIs = []v1alpha1.RedirectURI{"https://nowhere.example.com/"}
		})
		w.allow(ctx, nothing)
		w.start()
		expectClient(ctx, oc, isWithdrawn("what is registered is not allowed: spec.redirectURIs[0]: the host wiki.example.com is"))

		By("going on")
		change(ctx, oc, pausing(""))
		expectClient(ctx, oc, isReady)
	})

	It("follows the server's lifetimes where it says nothing of them", func(ctx context.Context) {
		w, oc := readyWorld(ctx, lives(v1alpha1.ClientLifetimes{AccessToken: minutes(10)}))
		server := w.server("main")
		change(ctx, server, func() { server.Spec.Lifetimes.AccessToken = minutes(5) })
		expectClient(ctx, oc, isWithdrawn("spec.lifetimes.accessToken: 10m is longer than the 5m that AuthorizationServer main allows."))
		w.allow(ctx, v1alpha1.PolicyRule{Name: "long", MaxLifetimes: &v1alpha1.ClientLifetimes{AccessToken: hours(1)}})
		expectClient(ctx, oc, isReady)
	})

	It("that cannot be read changes nothing, and its server says so", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		odd := v1alpha1.PolicyRule{Name: "odd", NamespaceSelector: selecting(nil, expression("team", "in", "a"))}
		w.allow(ctx, odd)
		expectServer(ctx, w.server("main"), saysServer{"False/InvalidSpec", "True/UsersLoaded", "False/NotAccepted", "False/InvalidSpec", "The namespaceSelector of rule odd in its spec.policy is not valid. Correct it: operator is In"})
		expectClient(ctx, oc, says{
			"Unknown/AuthorizationServerNotAccepted", "True/SecretWritten", "False/NotAccepted", "Unknown/AuthorizationServerNotAccepted",
			"AuthorizationServer main: namespaceSelector of rule odd in its spec.policy is not valid. Have the platform team correct it.",
		})
		Expect(published(ctx, w.recordOf("wiki")).Withdrawn).To(BeFalse())

		By("keeping withdrawn what was")
		w.allow(ctx, nothing)
		expectClient(ctx, oc, isWithdrawn("nowhere.example.com"))
		w.allow(ctx, odd)
		expectClient(ctx, oc, says{
			"Unknown/AuthorizationServerNotAccepted", "True/SecretWritten", "False/NotAccepted", "Unknown/AuthorizationServerNotAccepted", "rule odd",
		})
		Expect(published(ctx, w.recordOf("wiki")).Withdrawn).To(BeTrue())
		w.allow(ctx)
		expectClient(ctx, oc, isReady)
	})

	It("is each server's own", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		create(ctx, w.server("other"))
		w.allowOn(ctx, "other", nothing)
		strict := w.wiki(on("other"))
		strict.Name = "strict"
		create(ctx, strict)
		expectClient(ctx, strict, notAccepted("PolicyViolation", "AuthorizationServer other"))
		expectClient(ctx, oc, isReady)

		By("staying with the one server while the other does not take it")
		change(ctx, oc, func() { on("other")(&oc.Spec) })
		expectClient(ctx, oc, keptAsItWas("PolicyViolation", "AuthorizationServer other allows: nowhere.example.com."))
		Expect(published(ctx, w.recordOf("wiki"))).To(And(HaveField("Withdrawn", false), HaveField("AuthorizationServer", "main")))

		By("being withdrawn once the one does not allow it either")
		w.allow(ctx, nothing)
		expectClient(ctx, oc, isWithdrawn("What was accepted before cannot stay registered either: spec.redirectURIs[0]"))
		Expect(published(ctx, w.recordOf("wiki")).Withdrawn).To(BeTrue())

		By("moving once the other allows it")
		w.allowOn(ctx, "other")
		expectClient(ctx, oc, isReady)
		expectClient(ctx, strict, isReady)
		Expect(published(ctx, w.recordOf("wiki"))).To(And(HaveField("Withdrawn", false), HaveField("AuthorizationServer", "other")))
	})

	It("leaves what it has withdrawn so when its server goes", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		w.allow(ctx, nothing)
		expectClient(ctx, oc, isWithdrawn("nowhere.example.com"))
		Expect(k8s.Delete(ctx, w.server("main"))).To(Succeed())
		expectClient(ctx, oc, keptAsItWas("NoDefaultAuthorizationServer", "No AuthorizationServer is the default."))
		Expect(published(ctx, w.recordOf("wiki")).Withdrawn).To(BeTrue())
		create(ctx, w.server("main", isTheDefault))
		expectClient(ctx, oc, isReady)
		Expect(published(ctx, w.recordOf("wiki")).Withdrawn).To(BeFalse())
	})
})

var _ = Describe("A manager that goes by a policy", func() {
	It("refuses nothing because it has not seen a namespace yet", func(ctx context.Context) {
		l := newLab(ctx)
		l.join(ctx)
		l.allow(ctx, v1alpha1.PolicyRule{Name: "all"})
		oc := l.wiki()
		create(ctx, oc)
		m := l.elect(ctx)
		namespace := client.ObjectKey{Name: l.app}
		delete(m.cache.objects, namespace)
		_, err := m.look(ctx, "wiki")
		Expect(err).NotTo(HaveOccurred())
		fetch(ctx, oc)
		Expect(reasons(oc.Status.Conditions, oc.Generation)).To(HaveKeyWithValue("Accepted", "Unknown/Failed"))
		Expect(readyOf(oc.Status.Conditions).Message).To(ContainSubstring("has not been seen yet"))
		m.settle(ctx, "wiki")
		l.isReadyNow(ctx, "wiki")

		delete(m.cache.objects, namespace)
		_, err = m.look(ctx, "wiki")
		Expect(err).NotTo(HaveOccurred())
		Expect(published(ctx, l.recordOf("wiki")).Withdrawn).To(BeFalse())
	})
})
