// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/authserver/store"
)

const (
	// lateness is for how long after it was sent a create may still take effect: far
	// more than a request's timeout, and what etcd and a network take beyond that.
	lateness = time.Minute
	// sweepers is how many writes of a Sweep are under way at a time.
	sweepers = 4
	// onlyMetadata is enough to sweep by, and a fraction of what an object is.
	onlyMetadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// Sweep implements store.Sweeper. First it settles grants whose code is over: then
// nothing holds those that were deleted before, and whatever deletes the others takes
// effect at once. Then it deletes what has ended: that is told by the hour in a label,
// so nothing that lives is looked at.
func (s *Store) Sweep(ctx context.Context, page int) (store.Swept, error) {
	page = max(page, 1)
	now := s.now().Add(-store.Skew)
	var gone atomic.Int64
	_, more, err := s.sweep(ctx, due{grantKind, v1alpha1.LabelCode, minute(now.Add(-lateness)), page},
		func(o *metav1.PartialObjectMetadata) error { return s.settle(ctx, o, &gone) })
	swept := store.Swept{Grants: int(gone.Load()), More: more}
	for _, k := range []struct {
		kind
		count *int
	}{{sessionKind, &swept.Sessions}, {grantKind, &swept.Grants}} {
		if err != nil {
			break
		}
		var n int
		n, more, err = s.sweep(ctx, due{k.kind, v1alpha1.LabelExpires, hour(now), page},
			func(o *metav1.PartialObjectMetadata) error { return s.expire(ctx, k.kind, o) })
		*k.count += n
		swept.More = swept.More || more
	}
	return swept, err
}

// due selects what is to be swept: what has a label less than before.
type due struct {
	kind
	label, before string
	page          int
}

// sweep does something to a page of what is due, and returns to how many.
func (s *Store) sweep(ctx context.Context, d due, do func(*metav1.PartialObjectMetadata) error) (done int, more bool, err error) {
	var token string
	for done < d.page {
		found, err := s.list(ctx, d, token)
		if err != nil {
			return done, false, err
		}
		n, err := each(found.Items, do)
		done, token = done+n, found.Continue
		if err != nil || token == "" {
			return done, false, err
		}
	}
	return done, true, nil
}

// errSkipped: nothing was to be done about an object.
var errSkipped = errors.New("skipped")

// each does something to some objects, a few at a time, and returns to how many.
func each(items []metav1.PartialObjectMetadata, do func(*metav1.PartialObjectMetadata) error) (int, error) {
	var (
		done, next atomic.Int64
		all        sync.WaitGroup
		errs       [sweepers]error
	)
	for i := range sweepers {
		all.Go(func() {
			for {
				at := int(next.Add(1)) - 1
				if at >= len(items) {
					return
				}
				switch err := do(&items[at]); {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, errSkipped):
					errs[i] = err
					return
				}
			}
		})
	}
	all.Wait()
	return int(done.Load()), errors.Join(errs[:]...)
}

func (s *Store) list(ctx context.Context, d due, token string) (*metav1.PartialObjectMetadataList, error) {
	r := call{verb: http.MethodGet, kind: d.kind}
	request := s.api.request(r).SetHeader("Accept", onlyMetadata).
		Param("labelSelector", d.label+"<"+d.before).Param("limit", strconv.Itoa(d.page))
	if token != "" {
		request.Param("continue", token)
	}
	var found metav1.PartialObjectMetadataList
	return &found, s.api.answer(ctx, r, request, &found)
}

// settle takes the finalizer and its label away. If the grant was deleted before, the
// API server then forgets it.
func (s *Store) settle(ctx context.Context, o *metav1.PartialObjectMetadata, gone *atomic.Int64) error {
	patch := []operation{
		{"test", "/metadata/uid", o.UID},
		{"remove", "/metadata/labels/clientele.dev~1code", nil},
	}
	if at := slices.Index(o.Finalizers, v1alpha1.FinalizerCode); at >= 0 {
		path := "/metadata/finalizers/" + strconv.Itoa(at)
		patch = append(patch, operation{"test", path, v1alpha1.FinalizerCode}, operation{"remove", path, nil})
	}
	err := s.api.do(ctx, call{http.MethodPatch, grantKind, o.Name, patch}, nil)
	switch {
	case errors.Is(err, errAbsent), errors.Is(err, errRefused), errors.Is(err, errConflict):
		return errSkipped // somebody else was first
	case err == nil && o.DeletionTimestamp != nil:
		gone.Add(1)
	}
	return err
}

// expire deletes what has ended, unless somebody has and something still holds it.
func (s *Store) expire(ctx context.Context, k kind, o *metav1.PartialObjectMetadata) error {
	if o.DeletionTimestamp != nil {
		return errSkipped
	}
	only := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &o.UID}}
	err := s.api.do(ctx, call{http.MethodDelete, k, o.Name, only}, nil)
	if errors.Is(err, errAbsent) || errors.Is(err, errConflict) {
		return errSkipped
	}
	return err
}
