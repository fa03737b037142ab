// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// What the API server itself says of an object. Whatever else comes back, from a proxy
// or an API server that does not know our kinds yet, says nothing about it.
var (
	errAbsent   = errors.New("there is no such object")
	errTaken    = errors.New("there is such an object")
	errConflict = errors.New("the object was changed meanwhile")
	// errRefused: the object, or the change of it, is not allowed. Nothing was written.
	errRefused = errors.New("the API server refuses it")
	// errMalformed: no replica has written that.
	errMalformed = errors.New("it was not written by the authserver, or edited since")
)

// problem says what went wrong with a request, without what was in it.
func problem(r call, err error) error {
	return fmt.Errorf("%s %s %s: %w", strings.ToLower(r.verb), r.kind.name, r.name, meaning(r, err))
}

func meaning(r call, err error) error {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse) {
		return err
	}
	d := status.Status().Details
	ours := d != nil && d.Group == v1alpha1.GroupVersion.Group && d.Kind == r.kind.resource && d.Name == r.name
	switch {
	case apierrors.IsNotFound(err) && ours:
		return errAbsent
	case apierrors.IsAlreadyExists(err) && ours:
		return errTaken
	case apierrors.IsConflict(err):
		return errConflict
	case status.Status().Code == http.StatusUnprocessableEntity:
		return fmt.Errorf("%w%s", errRefused, fields(d))
	}
	return err
}

// fields names what is refused. The API server's own words may repeat who a person is.
func fields(d *metav1.StatusDetails) string {
	if d == nil || len(d.Causes) == 0 {
		return ""
	}
	var out []string
	for _, c := range d.Causes {
		out = append(out, c.Field)
	}
	return ": " + strings.Join(out, ", ")
}

func (r call) malformed(why string) error {
	return fmt.Errorf("%s %s: %s: %w", r.kind.name, r.name, why, errMalformed)
}
