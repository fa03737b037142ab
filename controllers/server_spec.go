// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/internal/userfile"
)

// checkIdentityProviders reads the users, so that a mistake in them is told here
// and not only when somebody cannot log in. It keeps nothing from being published:
// whoever is logged in goes on.
func (r *serverReconciler) checkIdentityProviders(ctx context.Context, s *serverScope) error {
	for _, p := range s.server.Spec.IdentityProviders {
		if p.LocalUsers == nil {
			continue
		}
		err := r.checkUsers(ctx, p.LocalUsers.SecretRef.Name)
		if found, is := asProblem(err); is {
			s.problems.add(found)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *serverReconciler) checkUsers(ctx context.Context, name string) error {
	users := &corev1.Secret{}
	err := r.live.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: name}, users)
	if apierrors.IsNotFound(err) {
		return refused(v1alpha1.ConditionIdentityProvidersReady, v1alpha1.ReasonSecretNotFound,
			"There is no Secret %s in namespace %s. Create it, with the list of users under the key %s.", name, r.Namespace, registration.KeyUsers)
	}
	if err != nil {
		return err
	}
	data, ok := users.Data[registration.KeyUsers]
	if !ok {
		return refused(v1alpha1.ConditionIdentityProvidersReady, v1alpha1.ReasonInvalidUsers,
			"Secret %s has no key %s. Put the list of users under it.", name, registration.KeyUsers)
	}
	if _, err := userfile.Parse(data); err != nil {
		return refused(v1alpha1.ConditionIdentityProvidersReady, v1alpha1.ReasonInvalidUsers,
			"Correct %s in Secret %s: %s.", registration.KeyUsers, name, oneLine(err))
	}
	return nil
}

// checkSpec refuses an issuer that cannot be one, or that another server has.
func (r *serverReconciler) checkSpec(ctx context.Context, s *serverScope) error {
	issuer := s.server.Spec.Issuer
	if err := registration.ValidateIssuer(issuer); err != nil {
		return refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonInvalidSpec, "spec.issuer %s. Correct it.", oneLine(err))
	}
	if err := desiredServer(s.server).Validate(); err != nil {
		return refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonInvalidSpec, "The spec cannot be served: %s. Correct it.", oneLine(err))
	}
	if err := checkPolicy(s.server.Spec.Policy); err != nil {
		return refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonInvalidSpec, "The %s. Correct it: operator is In or NotIn, with values, or Exists or DoesNotExist, without.", err)
	}
	all := &v1alpha1.AuthorizationServerList{}
	if err := r.cached.List(ctx, all); err != nil {
		return err
	}
	holder := issuerHolder(all.Items, s.server)
	if holder == nil {
		return nil
	}
	if err := r.yield(ctx, s); err != nil {
		return err
	}
	return refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonIssuerConflict,
		"AuthorizationServer %s, which is older, has the issuer %s. Give this one another issuer.", holder.Name, issuer)
}

// issuerHolder is the oldest other server with the same issuer, if it is older.
func issuerHolder(servers []v1alpha1.AuthorizationServer, as *v1alpha1.AuthorizationServer) *v1alpha1.AuthorizationServer {
	var holder *v1alpha1.AuthorizationServer
	for i := range servers {
		other := &servers[i]
		if other.UID == as.UID || !keeps(other) || !sameIssuer(other.Spec.Issuer, as.Spec.Issuer) {
			continue
		}
		if older(other, as) && (holder == nil || older(other, holder)) {
			holder = other
		}
	}
	return holder
}

// sameIssuer reports whether two issuers are at the same place: they may differ in
// giving the default port.
func sameIssuer(a, b string) bool { return place(a) == place(b) }

func place(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return issuer
	}
	if u.Port() == "" {
		u.Host += map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	}
	return u.Host + u.Path
}

// yield deletes the record of a server that an older one has come to share its
// issuer with: two records must not claim the same. A record with another issuer,
// from before the spec was changed, stays.
func (r *serverReconciler) yield(ctx context.Context, s *serverScope) error {
	if s.record == nil {
		return nil
	}
	published, err := registration.DecodeServer(s.record.Data[registration.KeyServer])
	if err != nil || !sameIssuer(published.Issuer, s.server.Spec.Issuer) {
		return nil //nolint:nilerr // what cannot be read claims nothing
	}
	return r.secrets().delete(ctx, s.record)
}

// publish writes the record if it is not what the spec says.
func (r *serverReconciler) publish(ctx context.Context, s *serverScope) error {
	desired, err := desiredServerRecord(s.record, r.recordKey(s.server.Name), s.server)
	if err != nil {
		return err
	}
	switch {
	case s.record == nil:
		if err = r.secrets().create(ctx, desired); errors.Is(err, errExists) {
			err = r.relabel(ctx, desired, registration.KeyServer)
		}
	case !equality.Semantic.DeepEqual(s.record, desired):
		err = r.secrets().update(ctx, desired)
	}
	if err != nil {
		return err
	}
	s.record, s.published = desired, true
	return nil
}

func (r *serverReconciler) awaitReplicas(_ context.Context, s *serverScope) error {
	s.replicas = r.gate.await(serverRequest(s.server), s.record.ResourceVersion, s.record.Name)
	if !s.replicas.safe() {
		return refused(v1alpha1.ConditionPublished, v1alpha1.ReasonAwaitingReplicas,
			"The configuration was published. %s", lagging(s.replicas))
	}
	return nil
}

// desiredServerRecord is the Secret that holds as, made from the one that is there,
// if any. Its owner is the AuthorizationServer, so it goes with it.
func desiredServerRecord(existing *corev1.Secret, key types.NamespacedName, as *v1alpha1.AuthorizationServer) (*corev1.Secret, error) {
	data, err := desiredServer(as).Encode()
	if err != nil {
		return nil, fmt.Errorf("encode issuer: %w", err)
	}
	desired := recordSecret(existing, key, registration.RecordServer)
	setAnnotation(desired, registration.AnnotationServer, as.Name)
	desired.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: kindServer,
		Name: as.Name, UID: as.UID, Controller: new(true),
	}}
	if as.DeletionTimestamp != nil {
		// Foreground deletion takes what the server owns before the server itself,
		// and so from its clients.
		desired.OwnerReferences = nil
	}
	desired.Data[registration.KeyServer] = data
	return desired, nil
}

// desiredServer is what as says, in the words of a record.
func desiredServer(as *v1alpha1.AuthorizationServer) registration.Server {
	spec := &as.Spec
	s := registration.Server{
		Version:     registration.Version,
		UID:         string(as.UID),
		Name:        as.Name,
		Issuer:      spec.Issuer,
		DisplayName: spec.DisplayName,
		Scopes:      offeredScopes(spec.Scopes),
		Lifetimes:   lifetimes(spec.Lifetimes),
		Signing: registration.Signing{
			IDTokenAlg:          string(spec.Signing.IDTokenAlg),
			AccessTokenAlg:      string(spec.Signing.AccessTokenAlg),
			KeyRotationInterval: duration(spec.Signing.KeyRotationInterval),
		},
	}
	for _, p := range spec.IdentityProviders {
		if p.LocalUsers != nil {
			s.IdentityProviders = append(s.IdentityProviders, registration.IdentityProvider{Name: p.Name, UsersSecret: p.LocalUsers.SecretRef.Name})
		}
	}
	return s
}

// offeredScopes are the standard scopes, in the words that spec has for them, and
// those that spec adds.
func offeredScopes(spec []v1alpha1.ScopeSpec) []registration.Scope {
	scopes := registration.StandardScopes()
	at := map[string]int{}
	for i, s := range scopes {
		at[s.Name] = i
	}
	for _, s := range spec {
		scope := registration.Scope{Name: string(s.Name), Description: s.Description}
		if i, standard := at[scope.Name]; standard {
			scopes[i] = scope
		} else {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// lifetimes are those of a spec. The API server has filled in what was missing; what
// is still missing is zero, and refused.
func lifetimes(l v1alpha1.Lifetimes) registration.Lifetimes {
	return registration.Lifetimes{
		AuthorizationCode:      duration(l.AuthorizationCode),
		AccessToken:            duration(l.AccessToken),
		IDToken:                duration(l.IDToken),
		RefreshToken:           duration(l.RefreshToken),
		RefreshTokenIdle:       duration(l.RefreshTokenIdle),
		RefreshTokenRetryGrace: duration(l.RefreshTokenRetryGrace),
		Session:                duration(l.Session),
	}
}

func duration(d *metav1.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return d.Duration
}
