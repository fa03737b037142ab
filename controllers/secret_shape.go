// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/internal/secretdata"
)

const (
	// annotationWritten stands on an app's Secret and lists, as JSON, what of it is
	// ours: the keys of its data, and the labels and annotations that spec.secret asks
	// for. What is on the list and no longer wanted is removed; all else is others'.
	annotationWritten = "clientele.dev/written"
	// annotationSecretKey stands on an app's Secret and names the key of its data that
	// holds the client secret as it is.
	annotationSecretKey = "clientele.dev/client-secret-key" //nolint:gosec // an annotation, and no credential

	// annotationReloader marks a Secret for Stakater Reloader: workloads that have the
	// annotation reloader.stakater.com/search are restarted when it changes.
	annotationReloader = "reloader.stakater.com/match"

	// prefixOwn begins the labels and annotations that are ours to give meaning.
	prefixOwn = "clientele.dev/"

	// maxTemplateReason is how much of what is wrong with a template is told.
	maxTemplateReason = 300
)

// written is what of a Secret is ours.
type written struct {
	Keys        []string `json:"keys,omitempty"`
	Labels      []string `json:"labels,omitempty"`
	Annotations []string `json:"annotations,omitempty"`
}

// writtenTo is what of a Secret, which may be nil, is ours. If it has no list, as one
// that is adopted, or if somebody has damaged that, nothing is: better to leave something behind than to take others' away.
func writtenTo(s *corev1.Secret) written {
	if s == nil {
		return written{}
	}
	var w written
	if err := json.Unmarshal([]byte(s.Annotations[annotationWritten]), &w); err != nil {
		return written{}
	}
	return w
}

// shape gives a Secret the data, labels and annotations that it is to have, in place
// of those of ours that it has.
func (s *clientScope) shape(secret *corev1.Secret, made secretdata.Made) {
	before := writtenTo(s.secret)
	labels, annotations := wantedMarks(s.client, made.SecretKey != "")
	now := written{Keys: made.Keys(), Labels: slices.Sorted(maps.Keys(labels)), Annotations: slices.Sorted(maps.Keys(annotations))}

	replace(secret.Data, before.Keys, made.Data)
	replace(secret.Labels, before.Labels, labels)
	if secret.Annotations == nil {
		secret.Annotations = map[string]string{}
	}
	replace(secret.Annotations, before.Annotations, annotations)
	list, _ := json.Marshal(now) // three lists of strings
	setAnnotation(secret, annotationWritten, string(list))
	setAnnotation(secret, annotationSecretKey, made.SecretKey)
	setAnnotation(secret, v1alpha1.AnnotationCredentialID, s.credentialID())
}

// replace takes old keys out of m and puts wanted ones in. What bears our own prefix
// is not of a spec, whatever a list says that somebody has edited.
func replace[V any](m map[string]V, old []string, wanted map[string]V) {
	for _, key := range old {
		if !strings.HasPrefix(key, prefixOwn) && key != labelManagedBy {
			delete(m, key)
		}
	}
	maps.Copy(m, wanted)
}

// wantedMarks are the labels and annotations that spec.secret asks for, and the mark
// for Reloader unless that has another value there. A Secret without a client secret
// never changes by itself, so it has none.
func wantedMarks(oc *v1alpha1.OAuthClient, rotates bool) (labels, annotations map[string]string) {
	labels, annotations = map[string]string{}, map[string]string{}
	if rotates {
		annotations[annotationReloader] = "true"
	}
	if spec := oc.Spec.Secret; spec != nil {
		for key, value := range spec.Labels {
			labels[key] = string(value)
		}
		for key, value := range spec.Annotations {
			annotations[key] = string(value)
		}
	}
	return labels, annotations
}

// credentialID is the id of the secret that is mounted, or "" if there is none.
func (s *clientScope) credentialID() string {
	if i := s.find(s.want.Digests, s.credential.value); i >= 0 && s.want.HasSecret() {
		return s.want.Digests[i].ID()
	}
	return ""
}

// facts are what the Secret is made of, with value as the client secret.
func (s *clientScope) facts(value credential.Secret) secretdata.Facts {
	f := secretdata.Facts{
		Namespace: s.want.Namespace, Name: s.want.Name, DisplayName: s.want.DisplayName,
		ClientID: s.want.ClientID, Issuer: s.issuer.Issuer, Endpoints: map[string]string{},
		Public: s.want.Public, Scopes: s.want.Scopes, RedirectURIs: s.want.RedirectURIs,
	}
	for _, e := range registration.Endpoints(s.issuer.Issuer) {
		f.Endpoints[e.Name] = e.URL
	}
	if s.want.HasSecret() {
		f.ClientSecret = value
	}
	return f
}

// shapeOf is how oc wants its Secret's data.
func shapeOf(oc *v1alpha1.OAuthClient) secretdata.Shape {
	spec := oc.Spec.Secret
	if spec == nil {
		return secretdata.Shape{}
	}
	shape := secretdata.Shape{Keys: map[string]string{}, Templates: map[string]string{}}
	for key, as := range spec.Keys {
		shape.Keys[key] = string(as)
	}
	if spec.Template != nil {
		shape.Replace = spec.Template.MergePolicy == v1alpha1.SecretReplace
		for key, text := range spec.Template.Data {
			shape.Templates[key] = string(text)
		}
	}
	return shape
}

// hasTemplates reports whether templates make something of oc's client secret.
func hasTemplates(oc *v1alpha1.OAuthClient) bool {
	return oc.Spec.Secret != nil && oc.Spec.Secret.Template != nil
}

// secretType is the type that oc wants its Secret to have.
func secretType(oc *v1alpha1.OAuthClient) corev1.SecretType {
	if oc.Spec.Secret == nil || oc.Spec.Secret.Type == "" {
		return corev1.SecretTypeOpaque
	}
	return corev1.SecretType(oc.Spec.Secret.Type)
}

// checkShape is a problem if the Secret cannot be made as spec.secret says. It comes
// before anything is minted, and so goes by a stand-in for the client secret.
func (s *clientScope) checkShape() error {
	spec := s.client.Spec.Secret
	if spec == nil || spec.Template == nil && len(spec.Keys) == 0 {
		return nil
	}
	_, err := secretdata.Make(s.facts(credential.New(strings.Repeat("x", 43))), shapeOf(s.client))
	return s.shapeProblem(err)
}

// shapeProblem puts what secretdata has found into words.
func (s *clientScope) shapeProblem(err error) error {
	if err == nil {
		return nil
	}
	found := "The Secret would hold more than 256 KiB. Make what spec.secret.template.data renders shorter"
	if e, is := errors.AsType[*secretdata.TemplateError](err); is {
		place := fmt.Sprintf("spec.secret.template.data[%s]", e.Key)
		if e.Line > 0 {
			place += fmt.Sprintf(", line %d", e.Line)
		}
		found = fmt.Sprintf("The template %s cannot be rendered: %s. Correct it", place, shorten(e.Reason, maxTemplateReason))
	}
	if e, is := errors.AsType[*secretdata.KeyError](err); is {
		other := fmt.Sprintf("spec.secret.template.data[%s]", e.Key)
		if e.Other != "" {
			other = "the built-in key " + e.Other
		}
		found = fmt.Sprintf("The built-in key %s and %s would both be written to the key %s. Change one of them in spec.secret.keys or spec.secret.template", e.BuiltIn, other, e.Key)
	}
	return refused(v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonInvalidTemplate,
		"%s; until then, Secret %s stays as it is.", found, s.secretName)
}
