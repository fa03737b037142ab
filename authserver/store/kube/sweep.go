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
	// settlers is how many grants are settled, or assertions deleted, at a time: enough to
	// keep up with as many logins as an API server takes, and few enough not to be in their
	// way.
	settlers = 2
	// chunk is how much one request of Sweep is about.
	chunk = 100
	// onlyMetadata is enough to sweep by, and a fraction of what an object is.
	onlyMetadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// Sweep implements store.Sweeper. First it settles grants whose code is over: then
// nothing holds those that were deleted before, and whatever deletes the others takes
// effect at once. Then it deletes what has ended. Both are found by a time in a label,
// compared by the API server, so that nothing that lives comes here. Where nothing can be
// settled it deletes all the same: an etcd that is full takes nothing but deletions.
//
// The API server takes pages from its memory, and looks at a million objects in a
// second to find one. We do not say which version we want, and so get the current one:
// it must ask etcd for the number of that, which takes a tenth of a second and costs
// nothing. For any version ("0") it would be a little faster, and ignore the limit.
func (s *Store) Sweep(ctx context.Context, page int) (store.Swept, error) {
	page = max(page, 1)
	now := s.now().Add(-store.Skew)
	settling, done := half(ctx)
	defer done()
	settled, more, unsettled := s.settleAll(settling, minute(now.Add(-store.Late)), page)
	sessions, moreSessions, err := s.expire(ctx, sessionKind, hour(now), page)
	if err != nil {
		return store.Swept{Sessions: sessions, Grants: settled}, errors.Join(unsettled, err)
	}
	grants, moreGrants, err := s.expire(ctx, grantKind, hour(now), page)
	if err != nil {
		return store.Swept{Sessions: sessions, Grants: settled + grants}, errors.Join(unsettled, err)
	}
	spent, moreSpent, err := s.discard(ctx, minute(now.Add(-store.Late)), page)
	return store.Swept{
		Sessions: sessions, Grants: settled + grants, Spent: spent,
		More: more || moreSessions || moreGrants || moreSpent,
	}, errors.Join(unsettled, err)
}

// half is ctx for half of the time that it has left, so that one step of a Sweep, however
// slow the API server is, leaves as much for the other.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

// settleAll settles a page of the grants whose code ended before a minute. It returns
// how many are gone thereby.
func (s *Store) settleAll(ctx context.Context, before string, page int) (gone int, more bool, err error) {
	due := v1alpha1.LabelCode + "<" + before
	return s.walk(ctx, grantKind, due, page, func(o *metav1.PartialObjectMetadata) (bool, error) { return s.settle(ctx, o) })
}

// walk does something to a page of the objects with some labels, and returns for how many
// it was true.
func (s *Store) walk(ctx context.Context, k kind, selector string, page int, do func(*metav1.PartialObjectMetadata) (bool, error)) (yes int, more bool, err error) {
	list := call{verb: http.MethodGet, kind: k}
	for token := ""; ; {
		if page <= 0 {
			return yes, true, nil
		}
		var found metav1.PartialObjectMetadataList
		request := s.api.page(list, selector, min(page, chunk), token).SetHeader("Accept", onlyMetadata)
		if err := s.api.answer(ctx, list, request, &found); err != nil {
			return yes, false, err
		}
		n, err := each(found.Items, do)
		yes += n
		if token = found.Continue; err != nil || token == "" {
			return yes, false, err
		}
		page -= len(found.Items)
	}
}

// settle takes the finalizer and its label away, and reports whether the grant is gone
// thereby: that is, if it was deleted before. It also takes away the record of who
// wrote which field, which nobody needs, is half of the object, and would have to be
// kept up to date by every refresh.
func (s *Store) settle(ctx context.Context, o *metav1.PartialObjectMetadata) (gone bool, err error) {
	patch := []operation{
		{"test", "/metadata/uid", o.UID},
		{"remove", "/metadata/labels/clientele.dev~1code", nil},
		{"replace", "/metadata/managedFields", [1]struct{}{}},
	}
	held := len(o.Finalizers)
	if at := slices.Index(o.Finalizers, v1alpha1.FinalizerCode); at >= 0 {
		path := "/metadata/finalizers/" + strconv.Itoa(at)
		patch = append(patch, operation{"test", path, v1alpha1.FinalizerCode}, operation{"remove", path, nil})
		held--
	}
	err = s.api.do(ctx, call{http.MethodPatch, grantKind, o.Name, patch}, nil)
	switch {
	case errors.Is(err, errAbsent), errors.Is(err, errRefused), errors.Is(err, errConflict):
		return false, nil // somebody else was first
	}
	return err == nil && o.DeletionTimestamp != nil && held == 0, err
}

// each does something to all of some objects, a few at a time, and returns for how many
// it was true. It ends early after an error.
func each(items []metav1.PartialObjectMetadata, do func(*metav1.PartialObjectMetadata) (bool, error)) (int, error) {
	var (
		count, next atomic.Int64
		all         sync.WaitGroup
		errs        [settlers]error
	)
	for i := range settlers {
		all.Go(func() {
			for at := next.Add(1) - 1; at < int64(len(items)) && errs[i] == nil; at = next.Add(1) - 1 {
				var yes bool
				if yes, errs[i] = do(&items[at]); yes {
					count.Add(1)
				}
			}
		})
	}
	all.Wait()
	return int(count.Load()), errors.Join(errs[:]...)
}

// expire deletes a page of what has ended before an hour. The API server does it, one
// object after the other: that is as fast as it was with a request for each, and
// others wait for it half as long. Grants that are not settled yet have their turn
// later, and what was deleted before and is held by somebody else's finalizer is
// passed over.
func (s *Store) expire(ctx context.Context, k kind, before string, page int) (gone int, more bool, err error) {
	remove := call{verb: http.MethodDelete, kind: k}
	over := v1alpha1.LabelExpires + "<" + before + ",!" + v1alpha1.LabelCode
	for token := ""; ; {
		if page <= 0 {
			return gone, true, nil
		}
		var found metav1.PartialObjectMetadataList
		request := s.api.page(remove, over, min(page, chunk), token).SetHeader("Accept", onlyMetadata)
		if err := s.api.answer(ctx, remove, request, &found); err != nil {
			return gone, false, err
		}
		for _, o := range found.Items {
			if o.DeletionTimestamp == nil && len(o.Finalizers) == 0 {
				gone++
			}
			if o.DeletionTimestamp == nil {
				page--
			}
		}
		if token = found.Continue; token == "" {
			return gone, false, nil
		}
	}
}

// discard deletes a page of the assertions that ended before a minute. Each of them is
// deleted as what it was found to be: one of the same name that has come since, by Spend,
// stays. The API server could not be told so for many at once.
func (s *Store) discard(ctx context.Context, before string, page int) (gone int, more bool, err error) {
	over := v1alpha1.LabelExpires + "<" + before
	return s.walk(ctx, assertionKind, over, page, func(o *metav1.PartialObjectMetadata) (bool, error) {
		err := s.removeThis(ctx, assertionKind, o)
		if errors.Is(err, errAbsent) || errors.Is(err, errConflict) {
			return false, nil // somebody else was first
		}
		return err == nil, err
	})
}
