// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// servedWorld makes a world with a server and a replica that follows.
func servedWorld(ctx context.Context) *world {
	GinkgoHelper()
	w := newWorld(ctx)
	w.prepared(ctx)
	w.replica(ctx, "replica-a").follow(ctx)
	w.start()
	expectServer(ctx, w.server("main"), serverIsReady)
	return w
}

// waits is what a client says that cannot be registered for want of a secret.
func waits(reason, message string) says {
	return says{"True/Accepted", "False/" + reason, "False/" + reason, "False/" + reason, message}
}

// lacks is what a client says that is registered and has a problem with its secret.
func lacks(reason, message string) says {
	return says{"True/Accepted", "False/" + reason, "True/Loaded", "False/" + reason, message}
}

// expectMounted waits until the Secret name holds value.
func (w *world) expectMounted(ctx context.Context, name, value string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		s := w.secret(name)
		g.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(s), s)).To(Succeed())
		g.Expect(s.Data).To(HaveKeyWithValue(keyClientSecret, []byte(value)))
	}).Should(Succeed())
}

// expectNothingTold fails if a value stands anywhere that is not the app's own Secret.
func (w *world) expectNothingTold(ctx context.Context, oc *v1alpha1.OAuthClient, values ...string) {
	GinkgoHelper()
	told := []string{CurrentSpecReport().CapturedGinkgoWriterOutput, fmt.Sprintf("%+v", fetch(ctx, oc))}
	events := &eventsv1.EventList{}
	Expect(k8s.List(ctx, events)).To(Succeed())
	for _, e := range events.Items {
		told = append(told, fmt.Sprintf("%+v", e))
	}
	records := &corev1.SecretList{}
	Expect(k8s.List(ctx, records, client.InNamespace(w.system))).To(Succeed())
	for _, r := range records.Items {
		for _, data := range r.Data {
			told = append(told, string(data))
		}
		told = append(told, fmt.Sprint(r.ObjectMeta))
	}
	all := strings.Join(told, "\n")
	for _, v := range values {
		Expect(strings.Contains(all, v)).To(BeFalse(), "a value is told somewhere")
		Expect(strings.Contains(all, base64Of(v))).To(BeFalse(), "a value is told in base64 somewhere")
		Expect(strings.Contains(all, credential.New(v).Digest())).To(BeFalse(), "a plain digest of a value is told somewhere")
	}
}

var _ = Describe("An OAuthClient that brings its secret", func() {
	It("waits for it, and goes on as soon as it appears", func(ctx context.Context) {
		w := servedWorld(ctx)
		oc := w.wiki(refersTo("own"))
		create(ctx, oc)
		expectClient(ctx, oc, waits("SecretNotFound", "There is no Secret own, of which spec.clientSecretRef names the key client_secret. Create it; it is looked at as soon as it appears."))
		Expect(gone(ctx, w.recordOf("wiki"))()).To(BeTrue(), "nothing is minted")

		own := w.secret("own")
		create(ctx, own)
		expectClient(ctx, oc, waits("SecretNotFound", "Secret own has no key client_secret, which spec.clientSecretRef.key names."))
		w.ownSecret(ctx, "own", firstBrought)
		expectClient(ctx, oc, isReady)
		w.expectMounted(ctx, "wiki", firstBrought)
		digests := published(ctx, w.recordOf("wiki")).Digests
		Expect(digests).To(HaveLen(1))
		Expect(digests[0].SHA256).To(BeEmpty())
		Expect(digests[0].Argon2id).To(HavePrefix("$argon2id$v=19$m=19456,t=2,p=1$"))
		Expect(credential.New(firstBrought).MatchesHash(digests[0].Argon2id)).To(BeTrue())
		expectEvent(ctx, oc, "SecretWritten", "spec.clientSecretRef")
		Expect(fetch(ctx, own).Labels).To(BeEmpty(), "the Secret that it refers to is left alone")
		w.expectNothingTold(ctx, oc, firstBrought)
	})

	It("follows a change with overlap, and one back", func(ctx context.Context) {
		w := servedWorld(ctx)
		w.ownSecret(ctx, "own", firstBrought)
		oc := w.wiki(refersTo("own"))
		create(ctx, oc)
		expectClient(ctx, oc, isReady)
		first := published(ctx, w.recordOf("wiki")).Digests[0]

		By("saying whose turn it is when a rotation is asked for")
		change(ctx, oc, func() { oc.Annotations = map[string]string{v1alpha1.AnnotationRotate: "on Monday"} })
		expectEvent(ctx, oc, "RotationWaits", "Change its value in the Secret that spec.clientSecretRef names.")

		w.ownSecret(ctx, "own", secondBrought)
		w.expectMounted(ctx, "wiki", secondBrought)
		digests := published(ctx, w.recordOf("wiki")).Digests
		Expect(digests).To(HaveLen(2))
		Expect(digests[0]).To(Equal(first), "the old one is accepted")
		Expect(digests[1].Request).To(Equal("on Monday"), "it answers the request")
		expectEvent(ctx, oc, "CredentialsRotated", "Secret wiki now holds the client secret that spec.clientSecretRef names.")

		By("letting the overlap of the first begin")
		w.halt()
		w.clock.Step(settleDelay)
		w.start()
		Eventually(func() bool { return published(ctx, w.recordOf("wiki")).Digests[0].Until.IsZero() }).Should(BeFalse())

		By("changing it back")
		w.ownSecret(ctx, "own", firstBrought)
		w.expectMounted(ctx, "wiki", firstBrought)
		expectClient(ctx, oc, isReady)
		again := first
		again.Since = stamp(w.clock.Now())
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(Equal([]registration.Digest{digests[1], again}), "it is the newest once more, without an end")
		w.expectNothingTold(ctx, oc, firstBrought, secondBrought)
	})

	It("keeps what was accepted while its Secret is gone or unusable", func(ctx context.Context) {
		w := servedWorld(ctx)
		own := w.ownSecret(ctx, "own", firstBrought)
		oc := w.wiki(refersTo("own"))
		create(ctx, oc)
		expectClient(ctx, oc, isReady)
		digests := published(ctx, w.recordOf("wiki")).Digests

		Expect(k8s.Delete(ctx, own)).To(Succeed())
		expectClient(ctx, oc, lacks("SecretNotFound", "There is no Secret own"))
		expectEvent(ctx, oc, "SecretNotFound", "There is no Secret own")
		change(ctx, oc, func() { oc.Spec.DisplayName = "Changed" })
		Eventually(func() string { return published(ctx, w.recordOf("wiki")).DisplayName }).Should(Equal("Changed"))
		for text, why := range map[string]string{
			"":                                       "is empty",
			"short-and-secret":                       "", // 16 characters
			"short-n-secret!":                        "is shorter than 16 characters",
			firstBrought + "\n":                      "a line break at its end",
			"a sëcret with an umlaut":                "not printable ASCII",
			strings.Repeat("far-too-long-it-is", 30): "is longer than 512 bytes",
		} {
			w.ownSecret(ctx, "own", text)
			if why == "" {
				w.expectMounted(ctx, "wiki", text)
				w.ownSecret(ctx, "own", firstBrought)
				w.expectMounted(ctx, "wiki", firstBrought)
				continue
			}
			expectClient(ctx, oc, lacks("InvalidSecret", why))
			if text != "" {
				w.expectNothingTold(ctx, oc, strings.TrimSpace(text))
			}
		}
		Expect(fetch(ctx, w.secret("wiki")).Data).To(HaveKeyWithValue(keyClientSecret, []byte(firstBrought)))
		w.ownSecret(ctx, "own", firstBrought)
		expectClient(ctx, oc, isReady)
		Expect(digestFor(published(ctx, w.recordOf("wiki")).Digests, w.ownSecret(ctx, "own", firstBrought)).Argon2id).To(Equal(digests[0].Argon2id))
	})

	It("may have had one that was minted, and may have one again", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		minted := fetch(ctx, w.secret("wiki"))
		change(ctx, oc, func() { refersTo("own")(&oc.Spec) })
		expectClient(ctx, oc, lacks("SecretNotFound", "There is no Secret own"))
		Expect(fetch(ctx, w.secret("wiki")).Data).To(Equal(minted.Data), "the app can go on")

		w.ownSecret(ctx, "own", firstBrought)
		w.expectMounted(ctx, "wiki", firstBrought)
		expectClient(ctx, oc, isReady)
		digests := published(ctx, w.recordOf("wiki")).Digests
		Expect(digests).To(HaveLen(2))
		Expect(digests[0].SHA256).To(Equal(digestOf(minted)))

		change(ctx, oc, func() { oc.Spec.ClientSecretRef = nil })
		secret := w.secret("wiki")
		Eventually(func() bool { return credential.New(string(fetch(ctx, secret).Data[keyClientSecret])).Minted() }).Should(BeTrue())
		expectClient(ctx, oc, isReady)
		expectEvent(ctx, oc, "CredentialsRotated", "since spec.clientSecretRef no longer names one.")
		Expect(digestOf(secret)).NotTo(Equal(digestOf(minted)), "what has been replaced does not come back")
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveLen(3), "the others have their overlap")
	})

	It("cannot refer to a Secret that its credentials are written to", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		oc.Spec.ClientSecretRef = &v1alpha1.SecretKeyReference{Name: "wiki"}
		Expect(k8s.Update(ctx, oc)).To(MatchError(ContainSubstring("clientSecretRef names the Secret that the credentials are written to")))
		fetch(ctx, oc)
		before := fetch(ctx, w.secret("wiki"))
		change(ctx, oc, func() {
			refersTo("wiki")(&oc.Spec)
			oc.Spec.Secret = &v1alpha1.SecretSpec{Name: "wiki-oauth"}
		})
		expectClient(ctx, oc, lacks("InvalidSecret", "Secret wiki, which spec.clientSecretRef.name names, is one that this OAuthClient's credentials are written to."))
		Expect(fetch(ctx, w.secret("wiki")).Data).To(Equal(before.Data))
	})
})

var _ = Describe("A Secret that an OAuthClient is to adopt", func() {
	adopt := func(s *v1alpha1.OAuthClientSpec) { s.Secret = &v1alpha1.SecretSpec{Name: "legacy", Adopt: true} }
	legacy := func(w *world, data map[string]string) *corev1.Secret {
		s := w.secret("legacy")
		s.StringData = data
		s.Labels = map[string]string{"team": "docs"}
		return s
	}

	It("is taken over with its client_secret once that is accepted", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		a := w.replica(ctx, "replica-a")
		w.start()
		Eventually(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(w.issuerOf("main")), &corev1.Secret{}) }).Should(Succeed())
		a.load(ctx)
		oc := w.wiki(adopt)
		create(ctx, oc)
		expectClient(ctx, oc, waits("SecretNotFound", "There is no Secret legacy to adopt"))
		secret := legacy(w, map[string]string{"client_id": w.app + ".wiki", "client_secret": firstBrought, "cookie_secret": "theirs"})
		create(ctx, secret)
		before := secret.ResourceVersion
		expectClient(ctx, oc, says{"True/Accepted", "False/AwaitingReplicas", "False/AwaitingReplicas", "False/AwaitingReplicas", "Replica replica-a"})
		Expect(fetch(ctx, secret).ResourceVersion).To(Equal(before), "it is untouched until the replicas accept it")

		a.load(ctx)
		expectClient(ctx, oc, isReady)
		fetch(ctx, secret)
		Expect(secret.Data).To(And(
			HaveKeyWithValue("client_secret", []byte(firstBrought)), HaveKeyWithValue("cookie_secret", []byte("theirs")), HaveKey("token_endpoint"),
		))
		Expect(secret.Labels).To(And(HaveKeyWithValue("team", "docs"), HaveKeyWithValue("clientele.dev/record", "credentials")))
		Expect(metav1.GetControllerOf(secret).UID).To(Equal(oc.UID))
		digests := published(ctx, w.recordOf("wiki")).Digests
		Expect(digests).To(HaveLen(1))
		Expect(credential.New(firstBrought).MatchesHash(digests[0].Argon2id)).To(BeTrue())
		expectEvent(ctx, oc, "SecretAdopted", "Took over Secret legacy")
		w.expectNothingTold(ctx, oc, firstBrought)

		By("being like any other from then on")
		a.follow(ctx)
		Expect(k8s.Delete(ctx, secret)).To(Succeed())
		Eventually(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(secret), secret) }).Should(Succeed())
		Expect(credential.New(string(secret.Data[keyClientSecret])).Minted()).To(BeTrue())
		expectClient(ctx, oc, isReady)
	})

	It("needs no client_id, and stays adopted when the spec no longer says so", func(ctx context.Context) {
		w := servedWorld(ctx)
		create(ctx, legacy(w, map[string]string{"client_secret": firstBrought}))
		oc := w.wiki(adopt)
		create(ctx, oc)
		expectClient(ctx, oc, isReady)
		w.expectMounted(ctx, "legacy", firstBrought)
		change(ctx, oc, func() { oc.Spec.Secret.Adopt = false })
		expectClient(ctx, oc, isReady)
		Expect(fetch(ctx, w.secret("legacy")).Data).To(HaveKeyWithValue("client_secret", []byte(firstBrought)))
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveLen(1))
	})

	It("keeps a client_id of its own, if that is the client's", func(ctx context.Context) {
		w := servedWorld(ctx)
		secret := legacy(w, map[string]string{"client_id": "wiki-2019", "client_secret": firstBrought})
		create(ctx, secret)
		before := secret.ResourceVersion
		oc := w.wiki(adopt)
		create(ctx, oc)
		expectClient(ctx, oc, waits("InvalidSecret", "it holds the client_id wiki-2019, and this OAuthClient's is "+w.app+".wiki. Set spec.clientID to it"))
		Expect(fetch(ctx, secret).ResourceVersion).To(Equal(before))
		Expect(k8s.Delete(ctx, oc)).To(Succeed())

		other := w.wiki(adopt, func(s *v1alpha1.OAuthClientSpec) { s.ClientID = "wiki-2019" })
		other.Name = "wiki-two"
		create(ctx, other)
		expectClient(ctx, other, isReady)
		Expect(published(ctx, w.recordOf("wiki-two")).ClientID).To(Equal("wiki-2019"))
		Expect(fetch(ctx, secret).Data).To(HaveKeyWithValue("client_id", []byte("wiki-2019")))
	})

	It("tells nothing of what another key of it holds", func(ctx context.Context) {
		w := servedWorld(ctx)
		create(ctx, legacy(w, map[string]string{"password": secondBrought, "client_secret": firstBrought}))
		oc := w.wiki(adopt, func(s *v1alpha1.OAuthClientSpec) {
			s.Secret.Keys = map[string]v1alpha1.SecretKeyName{"client_id": "password"}
		})
		create(ctx, oc)
		expectClient(ctx, oc, waits("InvalidSecret", "what its key password holds is not the client_id of this OAuthClient, "+w.app+".wiki."))
		w.expectNothingTold(ctx, oc, firstBrought, secondBrought)
	})

	It("goes on with what it holds when its OAuthClient is created anew", func(ctx context.Context) {
		w := servedWorld(ctx)
		secret := legacy(w, map[string]string{"client_secret": firstBrought})
		create(ctx, secret)
		oc := w.wiki(adopt)
		create(ctx, oc)
		expectClient(ctx, oc, isReady)
		w.halt()
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		again := w.wiki(adopt)
		create(ctx, again)
		w.start()
		expectClient(ctx, again, isReady)
		w.expectMounted(ctx, "legacy", firstBrought)
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveLen(1))
		Expect(metav1.GetControllerOf(fetch(ctx, secret)).UID).To(Equal(again.UID))
	})

	It("is adopted as soon as what is wrong with it is put right", func(ctx context.Context) {
		w := servedWorld(ctx)
		oc := w.wiki(adopt)
		create(ctx, oc)
		secret := legacy(w, map[string]string{"client_secret": "too-short"})
		create(ctx, secret)
		expectClient(ctx, oc, waits("InvalidSecret", "Secret legacy cannot be adopted: the value of its key client_secret is shorter than 16 characters"))
		change(ctx, secret, func() { secret.Data = map[string][]byte{"secret": []byte(firstBrought)} })
		expectClient(ctx, oc, waits("InvalidSecret", "the value of its key client_secret is empty. Correct it, or say in spec.secret.keys"))
		change(ctx, secret, func() {
			secret.Data = map[string][]byte{keyClientSecret: []byte(firstBrought), "client_id": []byte("wiki\n")}
		})
		expectClient(ctx, oc, waits("InvalidSecret", "its key client_id does not hold 1 to 256 visible ASCII characters"))
		change(ctx, secret, func() { delete(secret.Data, "client_id"); secret.Immutable = new(true) })
		expectClient(ctx, oc, waits("InvalidSecret", "it is immutable"))
		Expect(k8s.Delete(ctx, secret)).To(Succeed())
		odd := legacy(w, map[string]string{"client_secret": firstBrought})
		odd.Type = "example.com/oauth"
		create(ctx, odd)
		expectClient(ctx, oc, waits("InvalidSecret", "its type is example.com/oauth. Create it anew with the type Opaque, or set spec.secret.type."))
		Expect(k8s.Delete(ctx, odd)).To(Succeed())
		create(ctx, legacy(w, map[string]string{"client_secret": firstBrought}))
		expectClient(ctx, oc, isReady)
		w.expectNothingTold(ctx, oc, firstBrought)
	})

	It("is accepted by a plain digest only if it is one that was written by us", func(ctx context.Context) {
		w := servedWorld(ctx)
		minted, err := credential.Mint(rand.Reader)
		Expect(err).NotTo(HaveOccurred())
		secret := legacy(w, map[string]string{"client_secret": minted.Reveal()})
		create(ctx, secret)
		oc := w.wiki(adopt)
		create(ctx, oc)
		expectClient(ctx, oc, isReady)
		Expect(published(ctx, w.recordOf("wiki")).Digests[0].SHA256).To(BeEmpty(), "its form does not prove where it comes from")

		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		Eventually(gone(ctx, secret)).Should(BeTrue())
		restored := legacy(w, map[string]string{"client_secret": minted.Reveal()})
		restored.Labels = map[string]string{registration.LabelRecord: registration.RecordCredentials}
		create(ctx, restored)
		again := w.wiki(adopt)
		create(ctx, again)
		expectClient(ctx, again, isReady)
		Expect(published(ctx, w.recordOf("wiki")).Digests[0].SHA256).To(Equal(minted.Digest()))
	})

	It("is left alone while something controls it", func(ctx context.Context) {
		w := servedWorld(ctx)
		secret := legacy(w, map[string]string{"client_secret": firstBrought})
		secret.OwnerReferences = []metav1.OwnerReference{{APIVersion: "example.com/v1", Kind: "ExternalSecret", Name: "x", UID: "y", Controller: new(true)}}
		create(ctx, secret)
		oc := w.wiki(adopt)
		create(ctx, oc)
		expectClient(ctx, oc, waits("SecretNotOwned", "Secret legacy exists and does not belong to this OAuthClient"))
		change(ctx, secret, func() { secret.OwnerReferences[0].Controller = nil })
		expectClient(ctx, oc, isReady)
		Expect(fetch(ctx, secret).OwnerReferences).To(HaveLen(2), "who owns it without controlling it stays")
	})

	It("gives a Public client its client_id, and no more", func(ctx context.Context) {
		w := servedWorld(ctx)
		secret := legacy(w, map[string]string{"client_secret": firstBrought})
		create(ctx, secret)
		oc := w.wiki(adopt, isPublic)
		create(ctx, oc)
		expectClient(ctx, oc, waits("InvalidSecret", "it holds a client secret, and a Public client has none"))
		change(ctx, secret, func() { secret.Data = nil })
		expectClient(ctx, oc, isReady)
		Expect(metav1.GetControllerOf(fetch(ctx, secret)).UID).To(Equal(oc.UID))
		expectEvent(ctx, oc, "SecretAdopted", "Took over Secret legacy")
	})

	It("gives a client with private_key_jwt its client_id, and no more", func(ctx context.Context) {
		w := servedWorld(ctx)
		secret := legacy(w, map[string]string{"client_secret": firstBrought})
		create(ctx, secret)
		oc := w.wiki(adopt, hasKey)
		create(ctx, oc)
		expectClient(ctx, oc, waits("InvalidSecret", "it holds a client secret, and a client with private_key_jwt has none. Remove its key client_secret"))
		change(ctx, secret, func() { secret.Data = nil })
		expectClient(ctx, oc, isReady)
		Expect(fetch(ctx, secret).Data).NotTo(HaveKey("client_secret"))
	})

	It("takes the place of one that the client had under another name", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		change(ctx, oc, func() { adopt(&oc.Spec) })
		expectClient(ctx, oc, lacks("SecretNotFound", "There is no Secret legacy to adopt"))
		Expect(fetch(ctx, w.secret("wiki")).Data).To(HaveKey(keyClientSecret), "the app can go on")
		create(ctx, legacy(w, map[string]string{"client_secret": firstBrought}))
		expectClient(ctx, oc, isReady)
		w.expectMounted(ctx, "legacy", firstBrought)
		Eventually(gone(ctx, w.secret("wiki"))).Should(BeTrue())
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveLen(2), "the one before has its overlap")
	})
})

var _ = Describe("A Secret that is not ours", func() {
	It("no longer is in the way as soon as it is gone", func(ctx context.Context) {
		w := servedWorld(ctx)
		foreign := w.secret("wiki")
		create(ctx, foreign)
		oc := w.wiki()
		create(ctx, oc)
		expectClient(ctx, oc, waits("SecretNotOwned", "Secret wiki exists"))
		Expect(k8s.Delete(ctx, foreign)).To(Succeed())
		expectClient(ctx, oc, isReady)
	})

	It("is watched while somebody follows it, and not longer", func(ctx context.Context) {
		w := newWorld(ctx)
		reader, err := client.NewWithWatch(asManager(), client.Options{Scheme: k8s.Scheme()})
		Expect(err).NotTo(HaveOccurred())
		queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		next := func() string {
			got := make(chan string)
			go func() {
				request, _ := queue.Get()
				queue.Done(request)
				got <- request.Name
			}()
			var name string
			Eventually(got).Should(Receive(&name))
			return name
		}
		watches := newSecretWatches(reader)
		one, two := reconcile.Request{NamespacedName: types.NamespacedName{Name: "one"}}, reconcile.Request{NamespacedName: types.NamespacedName{Name: "two"}}
		a, b := w.secret("a"), w.secret("b")
		keyA, keyB := client.ObjectKeyFromObject(a), client.ObjectKeyFromObject(b)
		watches.follow(one, keyA)
		Expect(watches.watched).To(BeEmpty(), "it has not been started")
		running, stop := context.WithCancel(ctx)
		defer stop()
		Expect(watches.Start(running, queue)).To(Succeed())
		create(ctx, b)

		watches.follow(one, keyA)
		Expect(next()).To(Equal("one"), "that there is none is news, to begin with")
		version, known := watches.version(keyA)
		Expect(known).To(BeTrue())
		Expect(version).To(BeEmpty())
		create(ctx, a)
		Expect(next()).To(Equal("one"))
		version, _ = watches.version(keyA)
		Expect(version).To(Equal(secretVersion(a)))
		change(ctx, a, func() { a.Data = map[string][]byte{"x": []byte("y")} })
		Expect(next()).To(Equal("one"))

		By("following with another, and another Secret")
		watches.follow(two, keyA)
		watches.follow(two, keyB)
		watches.follow(two, keyB)
		Expect(watches.watched).To(HaveLen(2))
		Expect(next()).To(Equal("two"))
		Expect(k8s.Delete(ctx, a)).To(Succeed())
		Expect([]string{next(), next()}).To(ConsistOf("one", "two"))

		By("no longer following")
		watches.retain(one)
		Expect(watches.watched).To(HaveLen(2), "the other still does")
		watches.retain(two, keyB)
		Expect(watches.watched).To(And(HaveLen(1), HaveKey(keyB)))
		_, known = watches.version(keyA)
		Expect(known).To(BeFalse())
		watches.retain(two)
		Expect(watches.watched).To(BeEmpty())
		Expect(watches.followed).To(BeEmpty())
		change(ctx, b, func() { b.Data = map[string][]byte{"x": []byte("y")} })
		Consistently(queue.Len).Should(BeZero())
	})
})
