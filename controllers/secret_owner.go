// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// annotationClientUID stands, beside registration.AnnotationClient, on a Secret that
// is to outlive its OAuthClient, and holds the uid of that.
const annotationClientUID = "clientele.dev/oauthclient-uid"

// ownership says whose a Secret is.
type ownership struct {
	Name string
	UID  types.UID
	// Retained says that the Secret stays when the OAuthClient goes.
	Retained bool
}

// owningClient is the OAuthClient that owns o, or nil. A Secret that goes with it has
// it as its controller. One that stays has no owner, or garbage collection would take
// it, and says in annotations whose it is: both, and our label, or it may be a copy
// that somebody has made.
func owningClient(o metav1.Object) *ownership {
	if owner := metav1.GetControllerOfNoCopy(o); owner != nil {
		if !refersToClient(*owner) {
			return nil
		}
		return &ownership{Name: owner.Name, UID: owner.UID}
	}
	annotations := o.GetAnnotations()
	namespace, name, _ := strings.Cut(annotations[registration.AnnotationClient], "/")
	uid := annotations[annotationClientUID]
	if o.GetLabels()[registration.LabelRecord] != registration.RecordCredentials ||
		namespace != o.GetNamespace() || name == "" || uid == "" {
		return nil
	}
	return &ownership{Name: name, UID: types.UID(uid), Retained: true}
}

// orphaned reports whether a Secret is s.client's but for its ownerReference: backups
// are restored without those, and so to a client that is not registered yet. Our label
// says that we wrote it, and its client_id for which client: what was copied from
// another one stays nobody's. Only where templates replace the built-in keys there may
// be none to go by.
func orphaned(o *corev1.Secret, s *clientScope) bool {
	if s.registered() || metav1.GetControllerOfNoCopy(o) != nil ||
		o.Labels[registration.LabelRecord] != registration.RecordCredentials || o.Annotations[registration.AnnotationClient] != "" {
		return false
	}
	id, has := o.Data[adoptableKey(s.client, "client_id")]
	return has && string(id) == s.want.ClientID || !has && shapeOf(s.client).Replace
}

func refersToClient(owner metav1.OwnerReference) bool {
	gv, err := schema.ParseGroupVersion(owner.APIVersion)
	return err == nil && gv.Group == v1alpha1.GroupVersion.Group && owner.Kind == kindClient
}

// forClient reports whether a Secret, which may be nil, belongs to the OAuthClient
// with that uid.
func forClient(s *corev1.Secret, uid types.UID) bool {
	if s == nil {
		return false
	}
	owner := owningClient(s)
	return owner != nil && owner.UID == uid
}

// own makes secret oc's, as its deletionPolicy says. Nothing else may control it.
func own(secret *corev1.Secret, oc *v1alpha1.OAuthClient) {
	mergeLabels(secret, map[string]string{registration.LabelRecord: registration.RecordCredentials})
	if retains(oc) {
		disown(secret, oc)
		setAnnotation(secret, registration.AnnotationClient, oc.Namespace+"/"+oc.Name)
		setAnnotation(secret, annotationClientUID, string(oc.UID))
		return
	}
	setAnnotation(secret, registration.AnnotationClient, "")
	setAnnotation(secret, annotationClientUID, "")
	if owner := metav1.GetControllerOfNoCopy(secret); owner != nil && owner.UID == oc.UID {
		return
	}
	disown(secret, oc)
	secret.OwnerReferences = append(secret.OwnerReferences, metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: kindClient,
		Name: oc.Name, UID: oc.UID, Controller: new(true),
	})
}

// disown removes every reference to an OAuthClient of oc's name: oc itself, or an
// earlier one.
func disown(secret *corev1.Secret, oc *v1alpha1.OAuthClient) {
	secret.OwnerReferences = slices.DeleteFunc(secret.OwnerReferences, func(owner metav1.OwnerReference) bool {
		return owner.Name == oc.Name && refersToClient(owner)
	})
}

func retains(oc *v1alpha1.OAuthClient) bool {
	return oc.Spec.Secret != nil && oc.Spec.Secret.DeletionPolicy == v1alpha1.SecretRetain
}
