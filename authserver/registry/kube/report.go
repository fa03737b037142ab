// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/clientele-dev/clientele/internal/registration"
)

// notingTime is how long it takes at most to note a use: what was used so long ago
// has been noted by now. It is a whole step of reported.
const notingTime = time.Minute

// reporter writes what this replica has seen used to a Secret of its own, when there
// is something new, and knows until when that Secret tells all. Every write names
// the version that it replaces, as with the Lease, and one that conflicts is made
// anew of both: nothing that was ever reported is taken back.
type reporter struct {
	secrets  typedcorev1.SecretInterface
	name     string
	usage    *usage
	interval time.Duration
	last     time.Duration // for the report at the end
	now      func() time.Time
	log      *slog.Logger
	metrics  *metrics

	// Only the goroutine of run uses these.
	uid     types.UID // of the Secret as last confirmed, with held; empty without one
	held    string    // its resourceVersion
	dropped int64     // see registration.Usage

	mu      sync.Mutex
	pending bool      // what was collected may not have been written
	until   time.Time // all use until then is in the Secret
	version string    // of the Secret in which it is, empty if nothing was written
}

func newReporter(c Config, t timing, m *metrics) *reporter {
	return &reporter{
		secrets: c.Client.CoreV1().Secrets(c.Namespace), name: registration.UsageName(c.Replica),
		usage: &usage{now: c.Now}, interval: t.report, last: t.last, now: c.Now, log: c.Log, metrics: m,
	}
}

// run reports until ctx ends, and then once more.
func (r *reporter) run(ctx context.Context) {
	// Replicas that start together report apart.
	for next := wait.Jitter(r.interval/2, 1); ; next = wait.Jitter(r.interval, 0.1) {
		pause(ctx, next)
		if ctx.Err() != nil {
			break
		}
		for r.attempt(ctx) != nil && ctx.Err() == nil {
			pause(ctx, wait.Jitter(r.interval/10, 1))
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.last)
	defer cancel()
	if r.attempt(ctx) != nil && ctx.Err() == nil {
		_ = r.attempt(ctx) // it was logged, and there is no later
	}
}

// attempt writes what is new, if anything.
func (r *reporter) attempt(ctx context.Context) error {
	if !r.begin() {
		return nil
	}
	taken := r.now()
	err := r.write(ctx)
	if err == nil {
		r.end(taken)
		r.metrics.reports.WithLabelValues("written").Inc()
		return nil
	}
	r.metrics.reports.WithLabelValues("failed").Inc()
	r.log.Warn("Reporting which client secrets are used failed", "secret", r.name, "err", err)
	return err
}

// begin reports whether there is something to be written.
func (r *reporter) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = r.usage.fresh.Swap(false) || r.pending
	return r.pending
}

// end says that all that had been noted at taken was written.
func (r *reporter) end(taken time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending, r.version = false, r.held
	r.advance(taken)
}

// reported is until when all use is in the Secret, and its resourceVersion. That
// nothing was used lately is no reason to write one.
func (r *reporter) reported() (until time.Time, version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if !r.pending && !r.usage.fresh.Load() {
		r.advance(now)
	}
	return r.until, r.version
}

// advance says that all that had been noted at that time is in the Secret.
func (r *reporter) advance(noted time.Time) {
	if until := noted.Add(-notingTime).UTC().Truncate(time.Minute); until.After(r.until) {
		r.until = until
	}
}

// write puts everything that was noted into the Secret, whoever wrote it last.
func (r *reporter) write(ctx context.Context) error {
	err := errStale
	for tries := 0; tries < 3 && errors.Is(err, errStale); tries++ {
		err = r.try(ctx)
	}
	return err
}

func (r *reporter) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := r.put(ctx)
	if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) {
		return err
	}
	// Another process had this name, or a write of our own arrived after we had given
	// it up, or the report was deleted.
	if err := r.look(ctx); err != nil {
		return err
	}
	return errStale
}

// errStale says that the report was not as it was last seen.
var errStale = errors.New("the report was changed by another")

func (r *reporter) put(ctx context.Context) error {
	all := r.usage.collect(registration.MaxUsed)
	r.dropped = max(r.dropped, all.Dropped)
	all.Dropped = r.dropped
	data, err := all.Encode()
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	o := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: r.name, UID: r.uid, ResourceVersion: r.held,
			Labels: map[string]string{registration.LabelRecord: registration.RecordUsage},
		},
		Data: map[string][]byte{registration.KeyUsage: data},
	}
	if r.held == "" {
		o, err = r.secrets.Create(ctx, o, metav1.CreateOptions{})
	} else {
		o, err = r.secrets.Update(ctx, o, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	r.uid, r.held = o.UID, o.ResourceVersion
	return nil
}

// look takes over the report that is there, if any.
func (r *reporter) look(ctx context.Context) error {
	o, err := r.secrets.Get(ctx, r.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		r.uid, r.held = "", ""
		return nil
	}
	if err != nil {
		return fmt.Errorf("get report: %w", err)
	}
	if o.Labels[registration.LabelRecord] != registration.RecordUsage {
		return fmt.Errorf("a Secret %q exists that is not labelled %s=%s: delete it, or rename it",
			r.name, registration.LabelRecord, registration.RecordUsage)
	}
	r.uid, r.held = o.UID, o.ResourceVersion
	there, err := registration.DecodeUsage(o.Data[registration.KeyUsage])
	if err != nil {
		r.log.Warn("Replacing a malformed report", "secret", r.name, "err", err)
		return nil
	}
	r.usage.absorb(there.Used)
	r.dropped = max(r.dropped, there.Dropped)
	return nil
}
