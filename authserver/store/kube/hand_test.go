// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/authserver/store"
)

// byHand is a way to the objects that goes around the store, as kubectl does.
func byHand(namespace string, k kind) dynamic.ResourceInterface {
	return dynamic.NewForConfigOrDie(server.Config).
		Resource(v1alpha1.GroupVersion.WithResource(k.resource)).Namespace(namespace)
}

func deleteByHand(t testing.TB, namespace string, k kind, name string) error {
	err := byHand(namespace, k).Delete(t.Context(), name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func patchByHand(t *testing.T, namespace string, k kind, name, patch string) error {
	t.Helper()
	_, err := byHand(namespace, k).Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}

// count is how many objects there are that end.
func count(t testing.TB, s store.Store) int {
	t.Helper()
	n := 0
	for _, k := range []kind{sessionKind, grantKind, assertionKind} {
		list, err := byHand(s.(*Store).api.namespace, k).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n += len(list.Items)
	}
	return n
}

// TestHand_DeleteYoungGrant: while its code could be presented again, a grant that is
// deleted by hand is revoked on every replica at once, and its code stays spent.
func TestHand_DeleteYoungGrant(t *testing.T) {
	c, ns := newClock(), namespace(t)
	s, other := open(t, ns, c.now), open(t, ns, c.now)
	must(t, s.Redeem(t.Context(), grant(c, "code")))
	_, err := other.Grant(t.Context(), issuer, "code")
	must(t, err)
	name := objectName(grantKind, issuer, "code")
	must(t, deleteByHand(t, ns, grantKind, name))
	_, err = other.Grant(t.Context(), issuer, "code")
	wantError(t, "Grant", err, store.ErrRevoked)
	_, err = other.Advance(t.Context(), issuer, "code", 0, c.now())
	wantError(t, "Advance", err, store.ErrRevoked)
	wantError(t, "third Redeem", other.Redeem(t.Context(), grant(c, "code")), store.ErrSpent)
	must(t, deleteByHand(t, ns, grantKind, name), other.Revoke(t.Context(), issuer, "code")) // again: no harm

	// The code's end, by the clock of a replica that is ahead as far as it may be.
	c.pass(time.Minute + store.Skew)
	wantSwept(t, s, 100, store.Swept{})
	wantError(t, "Redeem of a code that is over", other.Redeem(t.Context(), grant(newClock(), "code")), store.ErrSpent)
	c.pass(store.Late + time.Minute)
	wantSwept(t, s, 100, store.Swept{Grants: 1})
	_, err = other.Grant(t.Context(), issuer, "code")
	wantError(t, "Grant, later", err, store.ErrNotFound)
	if n := count(t, s); n != 0 {
		t.Errorf("%d objects are left, want none", n)
	}
}

// TestHand_DeleteSettledGrant: later, nothing holds a grant that is deleted.
func TestHand_DeleteSettledGrant(t *testing.T) {
	c, ns := newClock(), namespace(t)
	s, other := open(t, ns, c.now), open(t, ns, c.now)
	g := grant(c, "code")
	must(t, s.Redeem(t.Context(), g))
	name := objectName(grantKind, issuer, "code")
	young := get(t, ns, grantKind, name)
	if !slices.Equal(young.GetFinalizers(), []string{v1alpha1.FinalizerCode}) {
		t.Errorf("finalizers of a young grant: %q", young.GetFinalizers())
	}
	c.pass(time.Hour)
	wantSwept(t, s, 100, store.Swept{})
	settled := get(t, ns, grantKind, name)
	if labels := settled.GetLabels(); len(settled.GetFinalizers()) > 0 || labels[v1alpha1.LabelCode] != "" || labels[v1alpha1.LabelExpires] != hour(g.ExpiresAt) {
		t.Errorf("a settled grant has finalizers %q and labels %q", settled.GetFinalizers(), labels)
	}
	if _, err := other.Advance(t.Context(), issuer, "code", 0, c.now()); err != nil {
		t.Errorf("Advance of a settled grant: %v", err)
	}
	if fields := get(t, ns, grantKind, name).GetManagedFields(); len(fields) > 0 {
		t.Errorf("a settled grant keeps a record of who wrote what: %v", fields)
	}
	must(t, deleteByHand(t, ns, grantKind, name))
	_, err := other.Grant(t.Context(), issuer, "code")
	wantError(t, "Grant", err, store.ErrNotFound)
	_, err = other.Advance(t.Context(), issuer, "code", 1, c.now())
	wantError(t, "Advance", err, store.ErrNotFound)
	wantError(t, "third Redeem", other.Redeem(t.Context(), g), store.ErrSpent)
}

func get(t *testing.T, namespace string, k kind, name string) *unstructured.Unstructured {
	t.Helper()
	o, err := byHand(namespace, k).Get(t.Context(), name, metav1.GetOptions{})
	must(t, err)
	return o
}

func TestHand_DeleteSessionAndConsent(t *testing.T) {
	c, ns := newClock(), namespace(t)
	s := open(t, ns, c.now)
	must(t, s.CreateSession(t.Context(), session(c, "id")), s.Allow(t.Context(), consent(c, "openid")))
	must(t, deleteByHand(t, ns, sessionKind, objectName(sessionKind, issuer, "id")),
		deleteByHand(t, ns, consentKind, objectName(consentKind, issuer, "subject-of-ann", "docs.wiki")))
	_, err := s.Session(t.Context(), issuer, "id")
	wantError(t, "Session", err, store.ErrNotFound)
	_, err = s.Consent(t.Context(), issuer, "subject-of-ann", "docs.wiki")
	wantError(t, "Consent", err, store.ErrNotFound)
}

// TestHand_SomebodyElsesFinalizer keeps an object, but not what it stands for.
func TestHand_SomebodyElsesFinalizer(t *testing.T) {
	c, ns := newClock(), namespace(t)
	s := open(t, ns, c.now)
	must(t, s.CreateSession(t.Context(), session(c, "id")), s.Allow(t.Context(), consent(c, "openid")), s.Redeem(t.Context(), grant(c, "code")))
	c.pass(time.Hour)
	wantSwept(t, s, 100, store.Swept{}) // settles
	const held = `{"metadata": {"finalizers": ["example.com/held"]}}`
	names := map[kind]string{
		sessionKind: objectName(sessionKind, issuer, "id"), grantKind: objectName(grantKind, issuer, "code"),
		consentKind: objectName(consentKind, issuer, "subject-of-ann", "docs.wiki"),
	}
	for k, name := range names {
		must(t, patchByHand(t, ns, k, name, held), deleteByHand(t, ns, k, name))
	}
	_, err := s.Session(t.Context(), issuer, "id")
	wantError(t, "Session", err, store.ErrNotFound)
	_, err = s.Consent(t.Context(), issuer, "subject-of-ann", "docs.wiki")
	wantError(t, "Consent", err, store.ErrNotFound)
	_, err = s.Grant(t.Context(), issuer, "code")
	wantError(t, "Grant", err, store.ErrRevoked)
	wantMalformed(t, "Allow", s.Allow(t.Context(), consent(c, "email")), consentKind, names[consentKind])
	// And it does not keep the others from being swept, however small the pages are.
	for _, id := range []string{"a", "b", "c"} {
		must(t, s.CreateSession(t.Context(), session(c, id)))
	}
	c.pass(48 * time.Hour)
	for range 3 {
		swept, err := s.Sweep(t.Context(), 1)
		if must(t, err); swept.Sessions != 1 {
			t.Errorf("Sweep = %+v, want a session", swept)
		}
	}
	wantSwept(t, s, 1, store.Swept{})
}

func wantMalformed(t *testing.T, what string, err error, k kind, name string) {
	t.Helper()
	wantUnknown(t, what, err)
	if !errors.Is(err, errMalformed) || !strings.Contains(err.Error(), k.name+" "+name) {
		t.Errorf("%s = %v, want an error about %s %s", what, err, k.name, name)
	}
}

// TestHand_SpecIsFixed: nobody gives more scopes, or another person, to a grant.
func TestHand_SpecIsFixed(t *testing.T) {
	c, ns := newClock(), namespace(t)
	s := open(t, ns, c.now)
	must(t, s.CreateSession(t.Context(), session(c, "id")), s.Redeem(t.Context(), grant(c, "code")))
	err := patchByHand(t, ns, grantKind, objectName(grantKind, issuer, "code"), `{"spec": {"scopes": ["everything"]}}`)
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "delete it to revoke it") {
		t.Errorf("editing a grant: %v, want a refusal that says what to do", err)
	}
	for _, whose := range []string{"authorizationServer", "subject", "identityProvider", "personID"} {
		err = patchByHand(t, ns, sessionKind, objectName(sessionKind, issuer, "id"), `{"spec": {"`+whose+`": "root"}}`)
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "delete it to sign the browser out") {
			t.Errorf("editing a session's %s: %v, want a refusal that says what to do", whose, err)
		}
	}
}

// TestHand_Foreign puts objects where the store looks that it has not written.
func TestHand_Foreign(t *testing.T) {
	c, ns := newClock(), namespace(t)
	s := open(t, ns, c.now)
	other := grant(c, "code")
	other.Issuer = "other"
	g, n := grantObject(other, "by hand"), sessionObject(session(c, "id"))
	g.Name, n.Spec.AuthorizationServer = objectName(grantKind, issuer, "code"), "other"
	createByHand(t, ns, grantKind, g)
	createByHand(t, ns, sessionKind, n)
	_, err := s.Grant(t.Context(), issuer, "code")
	wantMalformed(t, "Grant", err, grantKind, g.Name)
	_, err = s.Advance(t.Context(), issuer, "code", 0, c.now())
	wantMalformed(t, "Advance", err, grantKind, g.Name)
	_, err = s.Advance(t.Context(), issuer, "code", 7, c.now())
	wantMalformed(t, "Advance of another counter", err, grantKind, g.Name)
	_, err = s.Session(t.Context(), issuer, "id")
	wantMalformed(t, "Session", err, sessionKind, n.Name)
	wantError(t, "Redeem", s.Redeem(t.Context(), grant(c, "code")), store.ErrSpent)

	// A consent may be edited, but not be made another person's or client's.
	must(t, s.Allow(t.Context(), consent(c, "openid")))
	name := objectName(consentKind, issuer, "subject-of-ann", "docs.wiki")
	must(t, patchByHand(t, ns, consentKind, name, `{"spec": {"scopes": []}}`))
	got, err := s.Consent(t.Context(), issuer, "subject-of-ann", "docs.wiki")
	if err != nil || len(got.Scopes) > 0 {
		t.Errorf("Consent = %v, %v, want no scopes", got.Scopes, err)
	}
	must(t, patchByHand(t, ns, consentKind, name, `{"spec": {"subject": "root"}}`))
	_, err = s.Consent(t.Context(), issuer, "subject-of-ann", "docs.wiki")
	wantMalformed(t, "Consent", err, consentKind, name)
	wantMalformed(t, "Allow", s.Allow(t.Context(), consent(c, "email")), consentKind, name)
}

func createByHand(t *testing.T, namespace string, k kind, o any) {
	t.Helper()
	data, err := json.Marshal(o)
	must(t, err)
	u := &unstructured.Unstructured{}
	must(t, u.UnmarshalJSON(data))
	_, err = byHand(namespace, k).Create(t.Context(), u, metav1.CreateOptions{})
	must(t, err)
}

// TestHand_Unreadable: whatever an API server may have stored by another schema.
func TestHand_Unreadable(t *testing.T) {
	c := newClock()
	for name, body := range map[string]string{
		"nothing in it": `{}`,
		"null":          `null`,
		"no times":      `{"spec": {"authorizationServer": "default", "subject": "subject-of-ann", "clientID": "docs.wiki", "redemption": "x"}, "status": {"refreshes": 0}}`,
		"less than no refresh": `{"spec": {"authorizationServer": "default", "redemption": "x", "expiresAt": "2030-01-01T00:00:00.000000Z"},
			"status": {"refreshes": -1}}`,
		"numbers for text": `{"spec": {"authorizationServer": 7}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := &wire{}
			w.set(say(http.StatusOK, "application/json", body))
			s := open(t, "anywhere", c.now, w.over)
			_, err := s.Grant(t.Context(), issuer, "code")
			wantMalformed(t, "Grant", err, grantKind, objectName(grantKind, issuer, "code"))
			_, err = s.Advance(t.Context(), issuer, "code", 0, c.now())
			wantMalformed(t, "Advance", err, grantKind, objectName(grantKind, issuer, "code"))
			if name != "less than no refresh" {
				_, err = s.Session(t.Context(), issuer, "id")
				wantMalformed(t, "Session", err, sessionKind, objectName(sessionKind, issuer, "id"))
			}
		})
	}
}
