// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// adopts reports whether spec.secret.adopt asks for a Secret that exists.
func (s *clientScope) adopts() bool {
	return s.client.Spec.Secret != nil && s.client.Spec.Secret.Adopt && !s.kept()
}

// adopt chooses the client secret in a Secret that nothing controls, if spec asks for
// it, and reports whether that is what there was to decide. Nothing is written to that
// Secret before every replica accepts what it holds: until then it is as its people
// have made it, and their app is refused by us in any case.
func (r *clientReconciler) adopt(ctx context.Context, s *clientScope) (decided bool, err error) {
	if !s.adopts() {
		return false, nil
	}
	if s.secret != nil {
		return s.adoptedBefore(), nil
	}
	key := client.ObjectKey{Namespace: s.client.Namespace, Name: s.secretName}
	r.follow(s, key)
	live := &corev1.Secret{}
	switch err := r.live.Get(ctx, key, live); {
	case apierrors.IsNotFound(err) && s.waitsToAdopt():
		return true, refused(v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonSecretNotFound,
			"There is no Secret %s to adopt, as spec.secret.adopt asks for. Create it, and it is taken over as soon as it appears; or remove adopt, and it is created with a client secret that is minted.", s.secretName)
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return true, err
	}
	if owner := owningClient(live); owner != nil && owner.Name == s.client.Name {
		// It was adopted already, perhaps by an earlier OAuthClient of this name.
		err := r.readSecret(ctx, s)
		return err != nil || s.adoptedBefore(), err
	}
	if metav1.GetControllerOf(live) != nil || owningClient(live) != nil {
		return false, nil // somebody else's: readSecret tells
	}
	if problem := unfit(s, live); problem != nil {
		return true, problem
	}
	s.secret = live
	if !s.want.HasSecret() {
		return true, nil
	}
	value := adoptable(s.client, live, keyClientSecret)
	if problem := s.roomFor(value); problem != nil {
		return true, problem
	}
	s.credential = choice{origin: originTaken, value: value}
	return true, nil
}

// adoptedBefore takes what a Secret of the client holds once more, if the record of
// it was lost. What has the form of a minted one is anyway.
func (s *clientScope) adoptedBefore() bool {
	value := secretValue(s.secret)
	if !s.want.HasSecret() || s.registered() || value.Minted() || value.CheckBrought() != nil {
		return false
	}
	s.credential = choice{origin: originTaken, value: value}
	return true
}

// registered reports whether a credential of the client has been published.
func (s *clientScope) registered() bool {
	return s.published != nil && (!s.want.HasSecret() || len(s.published.Digests) > 0)
}

// waitsToAdopt reports whether a Secret that does not exist is one that has yet to
// come. It was there before if the client is registered and has no other: then it was
// deleted, and comes back as any other does.
func (s *clientScope) waitsToAdopt() bool { return !s.registered() || len(s.secrets) > 0 }

// adoptable is the value of a built-in key in a Secret that oc is to adopt.
func adoptable(oc *v1alpha1.OAuthClient, from *corev1.Secret, builtIn string) credential.Secret {
	return credential.New(string(from.Data[adoptableKey(oc, builtIn)]))
}

// adoptableKey is the name that spec.secret.keys gives a built-in key.
func adoptableKey(oc *v1alpha1.OAuthClient, builtIn string) string {
	if oc.Spec.Secret == nil {
		return builtIn
	}
	return cmp.Or(string(oc.Spec.Secret.Keys[builtIn]), builtIn)
}

// unfit says why a Secret cannot be adopted.
func unfit(s *clientScope, from *corev1.Secret) error {
	name, oc := from.Name, s.client
	bad := func(format string, args ...any) error {
		return refused(v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonInvalidSecret, "Secret "+name+" cannot be adopted: "+format, args...)
	}
	wantType := cmp.Or(corev1.SecretType(oc.Spec.Secret.Type), corev1.SecretTypeOpaque)
	id := adoptable(oc, from, "client_id").Reveal()
	value := adoptable(oc, from, keyClientSecret)
	switch {
	case from.DeletionTimestamp != nil:
		return bad("it is being deleted, and its finalizers hold it.")
	case from.Immutable != nil && *from.Immutable:
		return bad("it is immutable, and keys must be added to it. Create it anew, without immutable.")
	case cmp.Or(from.Type, corev1.SecretTypeOpaque) != wantType:
		return bad("its type is %s. Create it anew with the type %s, or set spec.secret.type.", from.Type, wantType)
	case id != "" && id != s.want.ClientID && !clientIDForm(id):
		return bad("its key %s does not hold 1 to 256 visible ASCII characters, as a client_id does. A line break at the end is a usual cause.", adoptableKey(oc, "client_id"))
	case id != "" && id != s.want.ClientID && adoptableKey(oc, "client_id") != "client_id":
		// A key of another name may hold anything, such as a password.
		return bad("what its key %s holds is not the client_id of this OAuthClient, %s. Set spec.clientID to what it holds, in an OAuthClient that you create anew, since a client_id does not change.", adoptableKey(oc, "client_id"), s.want.ClientID)
	case id != "" && id != s.want.ClientID:
		return bad("it holds the client_id %s, and this OAuthClient's is %s. Set spec.clientID to it, in an OAuthClient that you create anew, since a client_id does not change.", id, s.want.ClientID)
	case !s.want.HasSecret() && !value.IsZero():
		return bad("it holds a client secret, and %s has none. Remove its key %s, or create %s.", secretless(s.want), adoptableKey(oc, keyClientSecret), secretful(s.want))
	case !s.want.HasSecret():
		return nil
	}
	if err := value.CheckBrought(); err != nil {
		return bad("the value of its key %s %v. Correct it, or say in spec.secret.keys under which key the client_secret is.", adoptableKey(oc, keyClientSecret), err)
	}
	return nil
}

// secretless says what kind of client it is that has no client secret, and secretful
// which would have one.
func secretless(c registration.Client) string {
	if c.Public {
		return "a Public client"
	}
	return "a client with private_key_jwt"
}

func secretful(c registration.Client) string {
	if c.Public {
		return "a Confidential OAuthClient"
	}
	return "an OAuthClient with client_secret_basic"
}

// clientIDForm reports whether id has the form of spec.clientID, and so can be shown.
func clientIDForm(id string) bool {
	return len(id) <= 256 && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}

// ourOwn reports whether the value that is adopted is one that we have minted: it has
// the form, and its Secret our label. A plain digest would tell too much of any other.
func ourOwn(s *clientScope) bool {
	return s.credential.value.Minted() && s.secret != nil && s.secret.Labels[registration.LabelRecord] == registration.RecordCredentials
}
