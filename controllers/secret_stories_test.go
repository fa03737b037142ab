// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// shaped gives an OAuthClient's Secret a shape.
func shaped(spec v1alpha1.SecretSpec) func(*v1alpha1.OAuthClientSpec) {
	return func(s *v1alpha1.OAuthClientSpec) { s.Secret = &spec }
}

// reshape changes spec.secret and waits until the client is Ready with it.
func reshape(ctx context.Context, oc *v1alpha1.OAuthClient, spec v1alpha1.SecretSpec) {
	GinkgoHelper()
	change(ctx, oc, func() { oc.Spec.Secret = &spec })
	expectClient(ctx, oc, isReady)
}

// merged adds templates, and replacing has nothing else.
func merged(templates map[string]v1alpha1.TemplateText) v1alpha1.SecretSpec {
	return v1alpha1.SecretSpec{Template: &v1alpha1.SecretTemplate{Data: templates}}
}

func replacing(templates map[string]v1alpha1.TemplateText) v1alpha1.SecretSpec {
	s := merged(templates)
	s.Template.MergePolicy = v1alpha1.SecretReplace
	return s
}

func keysOf(s *corev1.Secret) []string { return slices.Sorted(maps.Keys(s.Data)) }

// ownMarks are a Secret's labels or annotations without those that are ours alone.
func ownMarks(marks map[string]string) map[string]string {
	rest := maps.Clone(marks)
	maps.DeleteFunc(rest, func(key, _ string) bool { return strings.HasPrefix(key, prefixOwn) || key == labelManagedBy })
	return rest
}

var builtIn = []string{
	"authorization_endpoint", "client_id", "client_secret", "end_session_endpoint", "issuer", "jwks_uri", "openid_configuration", "scope",
	"token_endpoint", "userinfo_endpoint",
}

var _ = Describe("The shape of a Secret", func() {
	It("has key names, labels, annotations and a type, which change and disappear as the spec says", func(ctx context.Context) {
		w, oc := readyWorld(ctx, shaped(v1alpha1.SecretSpec{
			Type: "example.com/oidc", Labels: map[string]v1alpha1.SecretLabelValue{"team": "docs", "tier": "web"},
			Annotations: map[string]v1alpha1.SecretAnnotationValue{"example.com/note": "a note"},
			Keys:        map[string]v1alpha1.SecretKeyName{"client_id": "OIDC_CLIENT_ID", "client_secret": "OIDC_CLIENT_SECRET", "end_session_endpoint": "OIDC_LOGOUT"},
		}))
		secret := fetch(ctx, w.secret("wiki"))
		digest := digestOf(secret)
		Expect(secret.Type).To(BeEquivalentTo("example.com/oidc"))
		Expect(ownMarks(secret.Labels)).To(Equal(map[string]string{"team": "docs", "tier": "web"}))
		Expect(ownMarks(secret.Annotations)).To(Equal(map[string]string{"example.com/note": "a note", "reloader.stakater.com/match": "true"}))
		Expect(secret.Data).To(And(HaveKey("OIDC_CLIENT_SECRET"), Not(HaveKey("client_secret")), Not(HaveKey("client_id"))))
		Expect(string(secret.Data["OIDC_CLIENT_ID"])).To(Equal(w.app + ".wiki"))
		Expect(string(secret.Data["scope"])).To(Equal("openid"))
		Expect(string(secret.Data["openid_configuration"])).To(Equal("https://main.example.com/.well-known/openid-configuration"))
		Expect(secret.Annotations).To(HaveKeyWithValue("clientele.dev/credential-id", published(ctx, w.recordOf("wiki")).Digests[0].ID()))

		By("changing all of it, beside what others have added")
		change(ctx, secret, func() {
			secret.Data["cookie_secret"], secret.Labels["theirs"], secret.Annotations["theirs"] = []byte("x"), "x", "x"
		})
		uid := secret.UID
		reshape(ctx, oc, v1alpha1.SecretSpec{
			Type: "example.com/oidc", Labels: map[string]v1alpha1.SecretLabelValue{"team": "wiki"},
			Annotations: map[string]v1alpha1.SecretAnnotationValue{"reloader.stakater.com/match": "false"},
			Keys:        map[string]v1alpha1.SecretKeyName{"client_secret": "SECRET"},
		})
		fetch(ctx, secret)
		Expect(secret.UID).To(Equal(uid))
		Expect(digestOf(secret)).To(Equal(digest))
		Expect(keysOf(secret)).To(ConsistOf(append([]string{"SECRET", "cookie_secret"}, slices.DeleteFunc(slices.Clone(builtIn), func(k string) bool { return k == "client_secret" })...)))
		Expect(ownMarks(secret.Labels)).To(Equal(map[string]string{"team": "wiki", "theirs": "x"}))
		Expect(ownMarks(secret.Annotations)).To(Equal(map[string]string{"reloader.stakater.com/match": "false", "theirs": "x"}))
		expectEvent(ctx, oc, "SecretWritten", "as the spec now says; its client secret is the same")

		By("leaving all of it out")
		change(ctx, oc, func() { oc.Spec.Secret = nil })
		expectClient(ctx, oc, isReady)
		fetch(ctx, secret)
		Expect(secret.Type).To(Equal(corev1.SecretTypeOpaque))
		Expect(secret.UID).NotTo(Equal(uid), "a type changes only with the Secret")
		Expect(digestOf(secret)).To(Equal(digest))
		Expect(keysOf(secret)).To(ConsistOf(append([]string{"cookie_secret"}, builtIn...)))
		Expect(ownMarks(secret.Labels)).To(Equal(map[string]string{"theirs": "x"}))
		Expect(ownMarks(secret.Annotations)).To(Equal(map[string]string{"reloader.stakater.com/match": "true", "theirs": "x"}))
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveLen(1))
	})

	It("of a Public client has no mark of a secret", func(ctx context.Context) {
		w, _ := readyWorld(ctx, isPublic, shaped(v1alpha1.SecretSpec{Keys: map[string]v1alpha1.SecretKeyName{"client_secret": "SECRET"}}))
		secret := fetch(ctx, w.secret("wiki"))
		Expect(slices.Sorted(maps.Keys(secret.Annotations))).To(Equal([]string{"clientele.dev/written"}))
		Expect(secret.Data).NotTo(Or(HaveKey("SECRET"), HaveKey("client_secret")))
	})

	It("has a credential-id that changes with the secret, and only then", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		id := func() string { return fetch(ctx, w.secret("wiki")).Annotations["clientele.dev/credential-id"] }
		first := id()
		reshape(ctx, oc, v1alpha1.SecretSpec{Labels: map[string]v1alpha1.SecretLabelValue{"a": "b"}})
		Expect(id()).To(Equal(first))
		Expect(k8s.Delete(ctx, w.secret("wiki"))).To(Succeed())
		Eventually(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(oc), &corev1.Secret{}) }).Should(Succeed())
		Expect(id()).NotTo(Equal(first))
		Expect(id()).To(Equal(published(ctx, w.recordOf("wiki")).Digests[1].ID()))
	})

	It("merges templates, replaces the built-in keys by them, and keeps the secret all the way", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		secret := fetch(ctx, w.secret("wiki"))
		digest, value := digestOf(secret), string(secret.Data["client_secret"])

		By("renaming the key")
		reshape(ctx, oc, v1alpha1.SecretSpec{Keys: map[string]v1alpha1.SecretKeyName{"client_secret": "SECRET"}})
		Expect(fetch(ctx, secret).Data).To(HaveKeyWithValue("SECRET", []byte(value)))

		By("merging")
		reshape(ctx, oc, merged(map[string]v1alpha1.TemplateText{"app.env": "SECRET={{dotenv .client_secret}}\n", "scope": "mine"}))
		fetch(ctx, secret)
		Expect(keysOf(secret)).To(ConsistOf(append([]string{"app.env"}, builtIn...)))
		Expect(string(secret.Data["app.env"])).To(Equal("SECRET='" + value + "'\n"))
		Expect(string(secret.Data["scope"])).To(Equal("mine"))

		By("replacing")
		reshape(ctx, oc, replacing(map[string]v1alpha1.TemplateText{"app.json": `{"id":{{quote .client_id}}}`}))
		fetch(ctx, secret)
		Expect(keysOf(secret)).To(Equal([]string{".client_secret", "app.json"}))
		Expect(string(secret.Data["app.json"])).To(Equal(`{"id":"` + w.app + `.wiki"}`))

		By("going back")
		change(ctx, oc, func() { oc.Spec.Secret = nil })
		expectClient(ctx, oc, isReady)
		Expect(keysOf(fetch(ctx, secret))).To(Equal(builtIn))
		Expect(digestOf(secret)).To(Equal(digest))
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveLen(1))
	})

	It("follows what its templates are made of", func(ctx context.Context) {
		w, oc := readyWorld(ctx, shaped(merged(map[string]v1alpha1.TemplateText{"title": "{{.display_name}}: {{join \",\" .redirect_uris}}"})))
		Expect(string(fetch(ctx, w.secret("wiki")).Data["title"])).To(Equal("wiki: https://wiki.example.com/callback"))
		change(ctx, oc, func() { oc.Spec.DisplayName = "Team Wiki" })
		expectClient(ctx, oc, isReady)
		Expect(string(fetch(ctx, w.secret("wiki")).Data["title"])).To(HavePrefix("Team Wiki: "))
	})

	It("stays as it is while a template is wrong, which takes nothing down", func(ctx context.Context) {
		w, oc := readyWorld(ctx, shaped(merged(map[string]v1alpha1.TemplateText{"a": "{{.name}}"})))
		version := fetch(ctx, w.secret("wiki")).ResourceVersion
		change(ctx, oc, func() {
			oc.Spec.Secret = new(merged(map[string]v1alpha1.TemplateText{"a": "{{.name}}", "b.env": "X=1\nY={{.nothing}}\n"}))
			oc.Spec.DisplayName = "Changed"
		})
		expectClient(ctx, oc, says{
			"True/Accepted", "False/InvalidTemplate", "True/Loaded", "False/InvalidTemplate",
			`The template spec.secret.template.data[b.env], line 2 cannot be rendered: there is no value "nothing". Correct it; until then, Secret wiki stays as it is.`,
		})
		Expect(fetch(ctx, w.secret("wiki")).ResourceVersion).To(Equal(version))
		Expect(published(ctx, w.recordOf("wiki")).DisplayName).To(Equal("Changed"), "the rest of the spec is followed")
		expectEvent(ctx, oc, "InvalidTemplate", "spec.secret.template.data[b.env]")

		By("having two for one key")
		change(ctx, oc, func() {
			oc.Spec.Secret.Template.Data["b.env"] = "Z=1"
			oc.Spec.Secret.Keys = map[string]v1alpha1.SecretKeyName{"scope": "a"}
		})
		expectClient(ctx, oc, says{
			"True/Accepted", "False/InvalidTemplate", "True/Loaded", "False/InvalidTemplate",
			"The built-in key scope and spec.secret.template.data[a] would both be written to the key a. Change one of them",
		})

		By("mending it")
		change(ctx, oc, func() { oc.Spec.Secret.Keys = nil })
		expectClient(ctx, oc, isReady)
		Expect(fetch(ctx, w.secret("wiki")).Data).To(HaveKeyWithValue("b.env", []byte("Z=1")))
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(HaveLen(1))
	})

	It("can be right from the second try on", func(ctx context.Context) {
		w := newWorld(ctx)
		w.prepared(ctx)
		w.replica(ctx, "replica-a").follow(ctx)
		w.start()
		oc := w.wiki(shaped(merged(map[string]v1alpha1.TemplateText{"a": "{{range 9}}{{end}}"})))
		create(ctx, oc)
		expectClient(ctx, oc, says{
			"True/Accepted", "False/InvalidTemplate", "False/InvalidTemplate", "False/InvalidTemplate", "range goes over .scopes and .redirect_uris only",
		})
		Expect(gone(ctx, w.secret("wiki"))()).To(BeTrue())
		reshape(ctx, oc, merged(map[string]v1alpha1.TemplateText{"a": "{{range .scopes}}{{.}}{{end}}"}))
		Expect(fetch(ctx, w.secret("wiki")).Data).To(HaveKeyWithValue("a", []byte("openid")))
	})

	It("notices a value that somebody has edited under a renamed key", func(ctx context.Context) {
		w, oc := readyWorld(ctx, shaped(v1alpha1.SecretSpec{Keys: map[string]v1alpha1.SecretKeyName{"client_secret": "SECRET"}}))
		secret := fetch(ctx, w.secret("wiki"))
		change(ctx, secret, func() { secret.Data["SECRET"] = []byte("mine") })
		Eventually(func() string { return string(fetch(ctx, secret).Data["SECRET"]) }).ShouldNot(Equal("mine"))
		expectClient(ctx, oc, isReady)
		digests := published(ctx, w.recordOf("wiki")).Digests
		Expect(digests).To(HaveLen(2))
		Expect(digests[1].SHA256).To(Equal(digestOf(secret)))
	})

	It("is not made anew by a manager that does not know the record as it is", func(ctx context.Context) {
		l := newLab(ctx)
		l.join(ctx)
		oc := l.wiki()
		create(ctx, oc)
		l.elect(ctx).settle(ctx, "wiki")
		change(ctx, oc, func() { oc.Spec.Secret = &v1alpha1.SecretSpec{Type: "example.com/oidc"} })
		m := l.elect(ctx)
		secret, record := fetch(ctx, l.secret("wiki")), l.recordOf("wiki")
		change(ctx, record, func() { record.Annotations["theirs"] = "x" }) // stands for a later digest
		result, err := m.look(ctx, "wiki")
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(staleDelay))
		Expect(fetch(ctx, l.secret("wiki")).UID).To(Equal(secret.UID))
		m.settle(ctx, "wiki")
		Expect(fetch(ctx, l.secret("wiki")).Type).To(BeEquivalentTo("example.com/oidc"))
		Expect(l.isReadyNow(ctx, "wiki").Digests).To(HaveLen(1))
	})

	It("says that finalizers are in the way of being made anew", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		secret := w.secret("wiki")
		change(ctx, secret, func() { secret.Finalizers = []string{"example.com/hold"} })
		change(ctx, oc, func() { oc.Spec.Secret = &v1alpha1.SecretSpec{Type: "example.com/oidc"} })
		expectClient(ctx, oc, says{
			"True/Accepted", "False/SecretNotOwned", "True/Loaded", "False/SecretNotOwned", "Secret wiki must be made anew, and is still being deleted: its finalizers hold it.",
		})
		change(ctx, secret, func() { secret.Finalizers = nil })
		expectClient(ctx, oc, isReady)
		Expect(fetch(ctx, w.secret("wiki")).Type).To(BeEquivalentTo("example.com/oidc"))
	})
})

var _ = Describe("A Secret that is retained", func() {
	retain := v1alpha1.SecretSpec{DeletionPolicy: v1alpha1.SecretRetain}

	It("survives its OAuthClient, and one of the same name goes on with it", func(ctx context.Context) {
		w, oc := readyWorld(ctx, shaped(retain))
		secret := fetch(ctx, w.secret("wiki"))
		digest, uid := digestOf(secret), secret.UID
		Expect(secret.OwnerReferences).To(BeEmpty(), "garbage collection leaves it alone")
		Expect(secret.Annotations).To(HaveKeyWithValue("clientele.dev/oauthclient", w.app+"/wiki"))
		Expect(secret.Annotations).To(HaveKeyWithValue("clientele.dev/oauthclient-uid", string(oc.UID)))
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		Eventually(gone(ctx, w.recordOf("wiki"))).Should(BeTrue())
		marker := w.wiki()
		marker.Name = "marker"
		create(ctx, marker)
		expectClient(ctx, marker, isReady)
		Expect(fetch(ctx, secret).UID).To(Equal(uid))

		again := w.wiki(shaped(retain))
		create(ctx, again)
		expectClient(ctx, again, isReady)
		fetch(ctx, secret)
		Expect(secret.UID).To(Equal(uid))
		Expect(digestOf(secret)).To(Equal(digest))
		Expect(secret.Annotations).To(HaveKeyWithValue("clientele.dev/oauthclient-uid", string(again.UID)))
		Expect(published(ctx, w.recordOf("wiki")).Digests).To(And(HaveLen(1), ContainElement(HaveField("SHA256", digest))))
		expectEvent(ctx, again, "SecretTakenOver", "Secret wiki of an earlier OAuthClient")
	})

	It("can be one that goes with its OAuthClient, and become one again", func(ctx context.Context) {
		w, oc := readyWorld(ctx)
		secret := fetch(ctx, w.secret("wiki"))
		owner, uid := secret.OwnerReferences, secret.UID
		Expect(owner).To(HaveLen(1))
		theirs := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "theirs", UID: "1"}
		change(ctx, secret, func() { secret.OwnerReferences = append(secret.OwnerReferences, theirs) })
		reshape(ctx, oc, retain)
		fetch(ctx, secret)
		Expect(secret.OwnerReferences).To(Equal([]metav1.OwnerReference{theirs}))
		change(ctx, secret, func() { delete(secret.Data, "issuer") })
		Eventually(func() map[string][]byte { return fetch(ctx, secret).Data }).Should(HaveKey("issuer"), "it is watched over all the same")

		reshape(ctx, oc, v1alpha1.SecretSpec{DeletionPolicy: v1alpha1.SecretDelete})
		fetch(ctx, secret)
		Expect(secret.OwnerReferences).To(ConsistOf(theirs, owner[0]))
		Expect(secret.Annotations).NotTo(Or(HaveKey("clientele.dev/oauthclient"), HaveKey("clientele.dev/oauthclient-uid")))
		Expect(secret.UID).To(Equal(uid))
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		Eventually(gone(ctx, secret)).Should(BeTrue())
	})

	It("is nobody's without our label, with another's control, or in another namespace's name", func() {
		base := func(change func(*corev1.Secret)) *corev1.Secret {
			s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
				Namespace: "docs", Name: "wiki", Labels: map[string]string{registration.LabelRecord: registration.RecordCredentials},
				Annotations: map[string]string{registration.AnnotationClient: "docs/wiki", annotationClientUID: "1"},
			}}
			change(s)
			return s
		}
		Expect(owningClient(base(func(*corev1.Secret) {}))).To(Equal(&ownership{Name: "wiki", UID: "1", Retained: true}))
		for name, change := range map[string]func(*corev1.Secret){
			"no label":      func(s *corev1.Secret) { s.Labels = nil },
			"another label": func(s *corev1.Secret) { s.Labels[registration.LabelRecord] = registration.RecordClient },
			"no uid":        func(s *corev1.Secret) { delete(s.Annotations, annotationClientUID) },
			"no name":       func(s *corev1.Secret) { s.Annotations[registration.AnnotationClient] = "docs/" },
			"a copy":        func(s *corev1.Secret) { s.Namespace = "other" },
			"controlled": func(s *corev1.Secret) {
				s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "2", Controller: new(true)}}
			},
			"controlled by another group's OAuthClient": func(s *corev1.Secret) {
				s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "example.com/v1", Kind: "OAuthClient", Name: "x", UID: "2", Controller: new(true)}}
			},
		} {
			Expect(owningClient(base(change))).To(BeNil(), name)
		}
	})
})

var _ = Describe("The Secret of an earlier OAuthClient", func() {
	It("is taken over with the secret in it", func(ctx context.Context) {
		w, oc := readyWorld(ctx, shaped(v1alpha1.SecretSpec{Keys: map[string]v1alpha1.SecretKeyName{"client_secret": "SECRET"}}))
		before := fetch(ctx, w.secret("wiki")).DeepCopy()
		w.halt()
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		again := w.wiki()
		create(ctx, again)
		w.start()
		expectClient(ctx, again, isReady)
		secret := fetch(ctx, w.secret("wiki"))
		Expect(secret.UID).To(Equal(before.UID))
		Expect(digestOf(secret)).To(Equal(digestOf(before)))
		Expect(secret.Data).To(And(HaveKey("client_secret"), Not(HaveKey("SECRET"))))
		Expect(secret.OwnerReferences).To(HaveLen(1))
		Expect(secret.OwnerReferences[0].UID).To(Equal(again.UID))
		record := published(ctx, w.recordOf("wiki"))
		Expect(record.UID).To(Equal(string(again.UID)))
		Expect(record.Digests).To(HaveLen(1))
	})

	DescribeTable("that a backup was restored to, without ownerReferences, is taken over",
		func(ctx context.Context, shape v1alpha1.SecretSpec, withRecord bool) {
			w, oc := readyWorld(ctx, shaped(shape))
			before := fetch(ctx, w.secret("wiki")).DeepCopy()
			record := fetch(ctx, w.recordOf("wiki")).DeepCopy()
			Expect(k8s.Delete(ctx, oc)).To(Succeed())
			Eventually(gone(ctx, w.recordOf("wiki"))).Should(BeTrue())
			Expect(client.IgnoreNotFound(k8s.Delete(ctx, w.secret("wiki")))).To(Succeed())
			w.halt()

			// As Velero does: Secrets before what it knows less well, all of them with new
			// UIDs, and with neither owners nor finalizers.
			create(ctx, restoredFrom(before))
			if withRecord {
				create(ctx, restoredFrom(record))
			}
			again := w.wiki(shaped(shape))
			create(ctx, again)
			w.start()
			expectClient(ctx, again, isReady)
			secret := fetch(ctx, w.secret("wiki"))
			Expect(digestOf(secret)).To(Equal(digestOf(before)), "the app has it in its memory")
			Expect(secret.Data).To(Equal(before.Data))
			now := published(ctx, w.recordOf("wiki"))
			Expect(now.UID).To(Equal(string(again.UID)), "what was granted to the earlier one is over")
			Expect(now.GrantUID).To(BeEmpty())
			Expect(now.ClientID).To(Equal(w.app + ".wiki"))
			Expect(now.Digests).To(ContainElement(HaveField("SHA256", digestOf(before))))
			expectEvent(ctx, again, "SecretTakenOver", "Secret wiki of an earlier OAuthClient")
			Expect(k8s.Delete(ctx, again)).To(Succeed())
			if shape.DeletionPolicy != v1alpha1.SecretRetain {
				Eventually(gone(ctx, secret)).Should(BeTrue())
			}
		},
		Entry("alone", v1alpha1.SecretSpec{}, false),
		Entry("with the record", v1alpha1.SecretSpec{}, true),
		Entry("with keys of other names", v1alpha1.SecretSpec{Keys: map[string]v1alpha1.SecretKeyName{"client_secret": "SECRET", "client_id": "ID"}}, false),
		Entry("with the policy Retain", v1alpha1.SecretSpec{DeletionPolicy: v1alpha1.SecretRetain}, false),
	)

	DescribeTable("that was copied to another name is not taken for that one's", func(ctx context.Context, shape v1alpha1.SecretSpec) {
		w, _ := readyWorld(ctx, shaped(shape))
		theirs := restoredFrom(fetch(ctx, w.secret("wiki")))
		theirs.Name = "blog"
		create(ctx, theirs)
		blog := w.wiki()
		blog.Name = "blog"
		create(ctx, blog)
		expectClient(ctx, blog, waits("SecretNotOwned", "Secret blog exists and does not belong to this OAuthClient"))
		Expect(fetch(ctx, theirs).OwnerReferences).To(BeEmpty())
	},
		Entry("with the usual keys", v1alpha1.SecretSpec{}),
		Entry("with keys of other names", v1alpha1.SecretSpec{Keys: map[string]v1alpha1.SecretKeyName{"client_id": "ID"}}),
	)

	It("is taken over before its secret is published anew, so that a late write of another cannot land", func(ctx context.Context) {
		l := newLab(ctx)
		l.join(ctx)
		oc := l.wiki()
		create(ctx, oc)
		l.elect(ctx).settle(ctx, "wiki")
		old := fetch(ctx, l.secret("wiki"))
		late := old.DeepCopy()
		late.Data["client_secret"] = []byte("0123456789012345678901234567890123456789012")
		l.trusted = false
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		create(ctx, l.wiki())

		m := l.elect(ctx)
		m.faults.at, m.faults.mode = 1, crash
		_, err := m.look(ctx, "wiki")
		Expect(err).To(HaveOccurred())
		taken := fetch(ctx, l.secret("wiki"))
		Expect(taken.OwnerReferences).NotTo(Equal(old.OwnerReferences), "the touch is the first write")
		Expect(published(ctx, l.recordOf("wiki")).UID).To(Equal(string(oc.UID)), "and the record comes after it")
		Expect(apierrors.IsConflict(k8s.Update(ctx, late))).To(BeTrue())
		Expect(apierrors.IsConflict(k8s.Delete(ctx, old, asRead(old)))).To(BeTrue())

		l.elect(ctx).settle(ctx, "wiki")
		Expect(digestOf(fetch(ctx, l.secret("wiki")))).To(Equal(digestOf(old)))
		l.isReadyNow(ctx, "wiki")
	})

	It("tells nothing of what it holds when a webhook refuses the takeover and repeats it", func(ctx context.Context) {
		l := newLab(ctx)
		l.join(ctx)
		oc := l.wiki()
		create(ctx, oc)
		l.elect(ctx).settle(ctx, "wiki")
		l.trusted = false
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		create(ctx, l.wiki())
		value := string(fetch(ctx, l.secret("wiki")).Data[keyClientSecret])
		m := l.elect(ctx)
		m.writer = interceptor.NewClient(k8s, interceptor.Funcs{
			Update: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.UpdateOption) error {
				return apierrors.NewForbidden(corev1.Resource("secrets"), o.GetName(), errors.New("not with "+base64Of(value)))
			},
		})
		_, err := m.look(ctx, "wiki")
		Expect(apierrors.IsForbidden(err)).To(BeTrue())
		Expect(err.Error()).NotTo(ContainSubstring(base64Of(value)))
	})

	It("may be deleted by the garbage collector first", func(ctx context.Context) {
		l := newLab(ctx)
		l.join(ctx)
		oc := l.wiki()
		create(ctx, oc)
		l.elect(ctx).settle(ctx, "wiki")
		old := fetch(ctx, l.secret("wiki"))
		l.trusted = false
		Expect(k8s.Delete(ctx, oc)).To(Succeed())
		create(ctx, l.wiki())
		m := l.elect(ctx)
		m.faults.hold = func(func() error) bool { // the touch is on its way, and garbage collection quicker
			m.faults.hold = nil
			Expect(k8s.Delete(ctx, old)).To(Succeed())
			return false
		}
		_, err := m.look(ctx, "wiki")
		Expect(err).NotTo(HaveOccurred())
		m.settle(ctx, "wiki")
		Expect(digestOf(fetch(ctx, l.secret("wiki")))).NotTo(Equal(digestOf(old)))
		l.isReadyNow(ctx, "wiki")
	})
})

// restoredFrom is what a backup keeps of a Secret.
func restoredFrom(o *corev1.Secret) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, Labels: o.Labels, Annotations: o.Annotations},
		Data:       o.Data, Type: o.Type,
	}
}
