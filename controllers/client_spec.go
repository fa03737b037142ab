// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// checkSpec decides what is to be registered: what the spec says if it is
// acceptable, and else what was accepted last, so that a mistake in a change does
// not take a running app down. What policy does not allow is withdrawn.
func (r *clientReconciler) checkSpec(ctx context.Context, s *clientScope) error {
	err := r.accept(ctx, s)
	found, refused := asProblem(err)
	if !refused {
		if err == nil && s.published != nil && isPaused(s.client) {
			err = r.holdPaused(ctx, s)
		}
		s.returns()
		return err
	}
	r.claims.forget(s.key())
	s.problems.add(found)
	return r.keepLastAccepted(ctx, s)
}

// accept takes what the spec says, or returns a problem.
func (r *clientReconciler) accept(ctx context.Context, s *clientScope) error {
	if s.client.Namespace == r.Namespace {
		return refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonInvalidSpec,
			"Namespace %s is Clientele's own, and the authserver reads the Secrets in it. Create this OAuthClient in the namespace of its app.", r.Namespace)
	}
	servers := &v1alpha1.AuthorizationServerList{}
	if err := r.cached.List(ctx, servers); err != nil {
		return err
	}
	server, problem := chooseServer(servers.Items, serverRef(s.client), s.registeredWith())
	if problem != nil {
		return problem
	}
	// Policy comes first: what it does not allow must not depend on other mistakes.
	s.server = server
	if err := r.permit(ctx, server, s.client.Namespace, &s.client.Spec); err != nil {
		return err
	}
	issuer, version, err := r.issuer(ctx, server.Name)
	switch {
	case err != nil:
		return err
	case issuer == nil || issuer.UID != string(server.UID):
		return unpublished(server)
	}
	want, problem := desiredClient(s.client, issuer)
	if problem != nil {
		return problem
	}
	if problem := checkRotation(s.client.Spec.Rotation, s.now); problem != nil {
		return problem
	}
	if err := r.claim(ctx, s, want); err != nil {
		return err
	}
	s.want, s.issuer, s.issuerVersion, s.secretName = want, issuer, version, secretName(s.client)
	return nil
}

// keepLastAccepted goes on with what the record holds. It ends the reconciliation
// if there is none, if policy keeps it withdrawn, or if its server is gone and the
// Secret so cannot be written.
func (r *clientReconciler) keepLastAccepted(ctx context.Context, s *clientScope) error {
	if s.published == nil {
		return s.problems[v1alpha1.ConditionAccepted]
	}
	s.want = *s.published
	s.secretName = lastSecretName(s)
	if err := r.holdToPolicy(ctx, s); err != nil {
		return err
	}
	s.returns()
	issuer, version, err := r.issuer(ctx, s.want.AuthorizationServer)
	if err != nil {
		return err
	}
	if issuer == nil || s.want.Withdrawn {
		s.leaveSecret()
		return s.problems[v1alpha1.ConditionAccepted]
	}
	s.issuer, s.issuerVersion = issuer, version
	return nil
}

// leaveSecret notes what the Secret holds, which is left as it is.
func (s *clientScope) leaveSecret() {
	s.secret = s.owned(s.secretName)
	s.secretReady = !s.want.HasSecret() && s.secret != nil || s.find(s.want.Digests, secretValue(s.secret)) >= 0
}

// issuer reads what is published of the AuthorizationServer name, and in which
// version of its record. It is nil if nothing is, or nothing that can be read.
func (r *clientReconciler) issuer(ctx context.Context, name string) (*registration.Server, string, error) {
	record := &corev1.Secret{}
	key := client.ObjectKey{Namespace: r.Namespace, Name: registration.ServerRecordName(name)}
	if err := r.cached.Get(ctx, key, record); err != nil {
		return nil, "", client.IgnoreNotFound(err)
	}
	issuer, err := registration.DecodeServer(record.Data[registration.KeyServer])
	if err != nil {
		return nil, "", nil //nolint:nilerr // the AuthorizationServer's controller mends it, and that wakes us
	}
	return &issuer, record.ResourceVersion, nil
}

// serverRef is the name of the AuthorizationServer that oc asks for, or "".
func serverRef(oc *v1alpha1.OAuthClient) string {
	if ref := oc.Spec.AuthorizationServerRef; ref != nil {
		return ref.Name
	}
	return ""
}

// secretName is the name of the Secret that oc asks for.
func secretName(oc *v1alpha1.OAuthClient) string {
	if spec := oc.Spec.Secret; spec != nil && spec.Name != "" {
		return spec.Name
	}
	return oc.Name
}

// lastSecretName is where the credentials of the spec that was accepted last are.
func lastSecretName(s *clientScope) string {
	name := secretName(s.client)
	if s.owned(name) == nil && s.client.Status.SecretName != "" {
		return s.client.Status.SecretName
	}
	return name
}

// chooseServer finds the AuthorizationServer called ref, or the default one if ref
// is empty: of several, the oldest that is not being deleted. One that is being
// deleted is for the client that is registered with it already, and for no other.
func chooseServer(servers []v1alpha1.AuthorizationServer, ref, registered string) (*v1alpha1.AuthorizationServer, *problem) {
	var chosen *v1alpha1.AuthorizationServer
	for i := range servers {
		candidate := &servers[i]
		if fits := candidate.Name == ref || ref == "" && candidate.Spec.Default; fits && keeps(candidate) &&
			(chosen == nil || preferred(candidate, chosen)) {
			chosen = candidate
		}
	}
	switch {
	case chosen != nil && chosen.DeletionTimestamp != nil && chosen.Name != registered:
		return nil, refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonAuthorizationServerDeleting,
			"AuthorizationServer %s is being deleted and takes no further clients. Name another one in spec.authorizationServerRef.name.", chosen.Name)
	case chosen != nil:
		return chosen, nil
	case ref != "":
		return nil, refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonAuthorizationServerNotFound,
			"There is no AuthorizationServer %s. Name one that exists in spec.authorizationServerRef.name, or remove authorizationServerRef to use the default one.", ref)
	default:
		return nil, refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonNoDefaultAuthorizationServer,
			"No AuthorizationServer is the default. Name one in spec.authorizationServerRef.name, or have the platform team set spec.default of one.")
	}
}

// registeredWith is the server that the client belongs to already, or "".
func (s *clientScope) registeredWith() string {
	if s.published == nil {
		return ""
	}
	return s.published.AuthorizationServer
}

// preferred reports whether the default server is a rather than b.
func preferred(a, b *v1alpha1.AuthorizationServer) bool {
	if going := a.DeletionTimestamp != nil; going != (b.DeletionTimestamp != nil) {
		return !going
	}
	return older(a, b)
}

// older reports whether a was created before b; by name if that was at once.
func older(a, b client.Object) bool {
	at, bt := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if at.Equal(&bt) {
		return a.GetName() < b.GetName()
	}
	return at.Before(&bt)
}

// unpublished says why nothing is known of server yet.
func unpublished(server *v1alpha1.AuthorizationServer) *problem {
	if apimeta.IsStatusConditionFalse(server.Status.Conditions, v1alpha1.ConditionAccepted) {
		return refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonAuthorizationServerNotAccepted,
			"AuthorizationServer %s is itself not accepted. Have the platform team look at its conditions, with kubectl describe authorizationserver %s.", server.Name, server.Name)
	}
	return undecided(v1alpha1.ConditionAccepted, v1alpha1.ReasonAuthorizationServerNotAccepted,
		"AuthorizationServer %s has not been published yet. This is looked at again once it is.", server.Name)
}

// desiredClient is what oc says, in the words of a record and without digests.
func desiredClient(oc *v1alpha1.OAuthClient, issuer *registration.Server) (registration.Client, *problem) {
	spec := &oc.Spec
	if scope, ok := firstUnsupported(spec.Scopes, issuer.Scopes); ok {
		return registration.Client{}, refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonUnsupportedScope,
			"AuthorizationServer %s does not offer the scope %s; it offers %s. Remove it from spec.scopes, or have the platform team add it to spec.scopes of the AuthorizationServer.",
			issuer.Name, scope, offered(issuer.Scopes))
	}
	want := registration.Client{
		Version:                 registration.Version,
		UID:                     string(oc.UID),
		Namespace:               oc.Namespace,
		Name:                    oc.Name,
		AuthorizationServer:     issuer.Name,
		ClientID:                clientID(oc),
		DisplayName:             spec.DisplayName,
		Public:                  spec.Type == v1alpha1.ClientTypePublic,
		RedirectURIs:            texts(spec.RedirectURIs),
		Scopes:                  texts(spec.Scopes),
		GrantTypes:              texts(spec.GrantTypes),
		TokenEndpointAuthMethod: string(spec.TokenEndpointAuthMethod),
		PKCERequired:            spec.PKCE != v1alpha1.PKCEOptional,
		PostLogoutRedirectURIs:  texts(spec.PostLogoutRedirectURIs),
		BackchannelLogoutURI:    spec.BackchannelLogoutURI,
		Audiences:               texts(spec.Audiences),
		Pairwise:                spec.SubjectType == v1alpha1.SubjectPairwise,
		JWKS:                    publicKeys(spec.JWKS),
		JWKSURI:                 string(spec.JWKSURI),
		AllowedUsers:            spec.AllowedUsers,
		AllowedGroups:           spec.AllowedGroups,
		Consent:                 string(spec.Consent),
		Lifetimes:               clientLifetimes(spec.Lifetimes),
		IDTokenAlg:              string(spec.IDTokenSignedResponseAlg),
		AccessTokenAlg:          string(spec.AccessTokenSigningAlg),
		ClientURI:               string(spec.ClientURI),
		LogoURI:                 string(spec.LogoURI),
		PolicyURI:               string(spec.PolicyURI),
		TOSURI:                  string(spec.TOSURI),
		RetainGrants:            spec.GrantDeletionPolicy == v1alpha1.GrantsRetain,
	}
	if want.DisplayName == "" {
		want.DisplayName = oc.Name
	}
	switch {
	case want.TokenEndpointAuthMethod != "":
	case want.Public:
		want.TokenEndpointAuthMethod = registration.AuthMethodNone
	default:
		want.TokenEndpointAuthMethod = registration.AuthMethodBasic
	}
	if err := want.Validate(); err != nil {
		return registration.Client{}, refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonInvalidSpec,
			"The spec cannot be served: %s. Correct it.", oneLine(err))
	}
	return want, nil
}

// firstUnsupported is the first of asked that is not among offers.
func firstUnsupported(asked []v1alpha1.Scope, offers []registration.Scope) (string, bool) {
	for _, scope := range asked {
		if !slices.ContainsFunc(offers, func(o registration.Scope) bool { return o.Name == string(scope) }) {
			return string(scope), true
		}
	}
	return "", false
}

func offered(scopes []registration.Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = s.Name
	}
	return strings.Join(names, ", ")
}

// clientID is oc's client_id.
func clientID(oc *v1alpha1.OAuthClient) string {
	return cmp.Or(oc.Spec.ClientID, registration.ClientID(oc.Namespace, oc.Name))
}

func clientLifetimes(l *v1alpha1.ClientLifetimes) registration.ClientLifetimes {
	if l == nil {
		return registration.ClientLifetimes{}
	}
	return registration.ClientLifetimes{
		AccessToken: duration(l.AccessToken), IDToken: duration(l.IDToken),
		RefreshToken: duration(l.RefreshToken), RefreshTokenIdle: duration(l.RefreshTokenIdle),
	}
}

// publicKeys is a JWK set as RFC 7517 section 5 writes it.
func publicKeys(set *v1alpha1.JWKS) json.RawMessage {
	if set == nil {
		return nil
	}
	data, _ := json.Marshal(set) // a list of texts
	return data
}

// texts is nil for none, so that a record says nothing of a list that is empty.
func texts[T ~string](in []T) []string {
	if len(in) == 0 {
		return nil
	}
	out := make([]string, len(in))
	for i, t := range in {
		out[i] = string(t)
	}
	return out
}

// oneLine is err's text without line breaks, which errors.Join makes.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// confirm reads oc from the API server and fails with errStale if it is not the
// one that the cache has.
func (r *clientReconciler) confirm(ctx context.Context, oc *v1alpha1.OAuthClient) error {
	live := &v1alpha1.OAuthClient{}
	err := r.live.Get(ctx, client.ObjectKeyFromObject(oc), live)
	if apierrors.IsNotFound(err) || err == nil && live.UID != oc.UID {
		return errStale
	}
	return err
}
