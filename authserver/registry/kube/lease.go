// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	leaseclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/utils/ptr"

	"github.com/clientele-dev/clientele/internal/registration"
)

var (
	// errGone means that somebody deleted the Lease.
	errGone = errors.New("the Lease was deleted")
	// errTaken means that another process writes the Lease. Two have one name, or
	// this one was given up for dead.
	errTaken = errors.New("another process has taken the Lease")
)

// announcement is what a Lease tells the manager.
type announcement struct {
	// loaded is the resourceVersion up to which everything has been applied, but for
	// the records that unloaded names.
	loaded   string
	unloaded registration.Unloaded
	// reported is until when all use of client secrets is in the report of that
	// version.
	reported time.Time
	report   string
}

// lease writes this replica's Lease. Every write names the version it replaces, so
// that one that was given up as lost and arrives late cannot undo a later one.
// Only one goroutine may use it.
type lease struct {
	client   leaseclient.LeaseInterface
	name     string
	holder   string
	duration time.Duration
	now      func() time.Time
	held     *coordinationv1.Lease // as last confirmed, nil without one
	unsure   bool                  // a write may have arrived that was never confirmed
}

func newLease(client kubernetes.Interface, namespace, replica string, t timing) *lease {
	return &lease{
		client: client.CoordinationV1().Leases(namespace), name: registration.LeaseName(replica),
		// As with Kubernetes' own Leases, the text behind the name tells a process from
		// the one that it replaces.
		holder: replica + "_" + rand.Text()[:8], duration: t.lease, now: time.Now,
	}
}

// take makes the Lease this process's, whoever had it: a container that crashed
// leaves one behind for the next.
func (l *lease) take(ctx context.Context, a announcement) error {
	fresh := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: l.name}}
	l.fill(fresh, a)
	l.unsure = true
	created, err := l.client.Create(ctx, fresh, metav1.CreateOptions{})
	if err == nil {
		l.held, l.unsure = created, false
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create Lease: %w", err)
	}
	found, err := l.client.Get(ctx, l.name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get Lease: %w", err)
	}
	return l.update(ctx, found, a)
}

// renew writes the Lease that this process holds, if it still does.
func (l *lease) renew(ctx context.Context, a announcement) error {
	before := l.held
	err := l.update(ctx, before, a)
	if !apierrors.IsConflict(err) {
		return err
	}
	// Somebody deleted it or wrote to it, or a write of our own arrived after we had
	// given it up.
	found, err := l.look(ctx)
	switch {
	case err != nil:
		return err
	case !found:
		return errGone
	case l.held == nil:
		return errTaken
	case l.held.UID != before.UID:
		return errGone
	}
	return l.update(ctx, l.held, a)
}

// look finds out what there is, and holds it if it is this process's.
func (l *lease) look(ctx context.Context) (found bool, err error) {
	o, err := l.client.Get(ctx, l.name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("get Lease: %w", err)
	}
	found = err == nil
	l.held, l.unsure = nil, false
	if found && l.mine(o) {
		l.held = o
	}
	return found, nil
}

func (l *lease) mine(o *coordinationv1.Lease) bool {
	return ptr.Deref(o.Spec.HolderIdentity, "") == l.holder
}

func (l *lease) update(ctx context.Context, from *coordinationv1.Lease, a announcement) error {
	next := from.DeepCopy()
	l.fill(next, a)
	updated, err := l.client.Update(ctx, next, metav1.UpdateOptions{})
	if err != nil {
		return fmt.Errorf("update Lease: %w", err)
	}
	l.held, l.unsure = updated, false
	return nil
}

// release deletes the Lease, if it is this process's.
func (l *lease) release(ctx context.Context) error {
	for {
		if l.held == nil && l.unsure {
			if _, err := l.look(ctx); err != nil {
				return err
			}
		}
		if l.held == nil {
			return nil
		}
		err := l.client.Delete(ctx, l.name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{
			UID: &l.held.UID, ResourceVersion: &l.held.ResourceVersion,
		}})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("delete Lease: %w", err)
		}
		l.held, l.unsure = nil, apierrors.IsConflict(err)
	}
}

func (l *lease) fill(o *coordinationv1.Lease, a announcement) {
	metav1.SetMetaDataLabel(&o.ObjectMeta, registration.LabelRecord, registration.RecordReplica)
	a.write(&o.ObjectMeta)
	now := metav1.NewMicroTime(l.now())
	if !l.mine(o) {
		o.Spec.AcquireTime = &now
		o.Spec.LeaseTransitions = new(ptr.Deref(o.Spec.LeaseTransitions, -1) + 1)
	}
	o.Spec.HolderIdentity = &l.holder
	o.Spec.LeaseDurationSeconds = new(int32(l.duration.Seconds()))
	o.Spec.RenewTime = &now
}

// write puts a into a Lease's annotations, whatever another process had put there.
func (a announcement) write(o *metav1.ObjectMeta) {
	reported := ""
	if !a.reported.IsZero() {
		reported = a.reported.Format(time.RFC3339)
	}
	metav1.SetMetaDataAnnotation(o, registration.AnnotationLoaded, a.loaded)
	for key, value := range map[string]string{
		registration.AnnotationUnloaded: string(a.unloaded),
		registration.AnnotationReported: reported,
		registration.AnnotationReport:   a.report,
	} {
		if value == "" {
			delete(o.Annotations, key)
		} else {
			o.Annotations[key] = value
		}
	}
}
