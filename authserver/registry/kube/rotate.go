// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/internal/registration"
)

const (
	// keyKeys is the key of an encoded keys.Set in its Secret.
	keyKeys = "keys.json"
	// ownerKind and ownerVersion name what a keys Secret belongs to. Kubernetes
	// deletes it with its AuthorizationServer.
	ownerKind    = "AuthorizationServer"
	ownerVersion = "clientele.dev/v1alpha1"
)

const (
	// publishWithin bounds how long after the decision a new key may be published. It
	// comes on top of the schedule's lead, so that the lead is kept in full.
	publishWithin = time.Minute
	// retrySoon and retryLate are when a replica tries again what had no effect, at
	// first and at last. Usually the watch brings the new keys long before.
	retrySoon = 5 * time.Second
	retryLate = 5 * time.Minute
	// lookAgain bounds every sleep: timers do not see that a clock was set.
	lookAgain = time.Hour

	maxLead      = 24 * time.Hour
	keepMargin   = time.Hour
	maxStaggered = 10 * time.Minute
)

// DefaultSchedule is when the keys of a server change.
func DefaultSchedule(r registration.Server) keys.Schedule {
	return keys.Schedule{
		Interval:    r.Signing.KeyRotationInterval,
		Lead:        min(r.Signing.KeyRotationInterval/4, maxLead),
		KeepSigning: max(r.Lifetimes.AccessToken, r.Lifetimes.IDToken) + keepMargin,
		KeepSealing: max(r.Lifetimes.RefreshToken, r.Lifetimes.Session, r.Lifetimes.AuthorizationCode) + keepMargin,
	}
}

// rotator mints and rotates keys. Every replica runs one and none leads: each write
// is a create, or an update of the version that the decision was made on, so the
// API server lets one of them win, and the others follow by watch.
type rotator struct {
	secrets  typedcorev1.SecretInterface
	replica  string
	schedule func(registration.Server) keys.Schedule
	now      func() time.Time
	random   io.Reader
	log      *slog.Logger
	metrics  *metrics
	store    *store
	plans    map[string]plan
}

// plan is when to look at a server's keys next. It stands until they change.
type plan struct {
	basis basis
	at    time.Time
	retry time.Duration // after the next attempt
}

// basis is all that a plan depends on besides time.
type basis struct {
	version, uid string
	schedule     keys.Schedule
}

// custody is a server's keys as the rotator needs them.
type custody struct {
	record registration.Server
	set    keys.Set
	// version is the Secret's resourceVersion, empty to create it.
	version string
	wish    wish
}

func newRotator(c Config, s *store, m *metrics) *rotator {
	return &rotator{
		secrets: c.Client.CoreV1().Secrets(c.Namespace), replica: c.Replica, schedule: c.Schedule,
		now: c.Now, random: c.Random, log: c.Log, metrics: m, store: s, plans: map[string]plan{},
	}
}

// custodies returns the keys of every server that has a record, except where they
// are malformed: those are a person's to look at.
func (s *store) custodies() []custody {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []custody
	own := s.clientLifetimes()
	for _, v := range s.servers {
		if v.record == nil || v.keys.malformed {
			continue
		}
		c := custody{record: keptFor(*v.record, own[v.name]), version: v.keys.version, wish: v.keys.wish}
		if v.keys.set != nil && v.ownsKeys() {
			c.set = *v.keys.set
		}
		out = append(out, c)
	}
	return out
}

// run rotates until ctx ends.
func (r *rotator) run(ctx context.Context) {
	for ctx.Err() == nil {
		timer := time.NewTimer(r.pass(ctx))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.store.keysChanged:
		}
		timer.Stop()
	}
}

// pass does what is due, and returns how long there is nothing to do.
func (r *rotator) pass(ctx context.Context) time.Duration {
	all := r.store.custodies()
	// Replicas that start together take the servers in different orders.
	slices.SortFunc(all, func(a, b custody) int {
		return cmp.Compare(r.spread(a.record.Name), r.spread(b.record.Name))
	})
	wait, plans := lookAgain, map[string]plan{}
	for _, c := range all {
		p := r.planFor(c)
		if !p.at.After(r.now()) && ctx.Err() == nil {
			if err := r.rotate(ctx, c); err != nil {
				r.log.Warn("Rotating keys failed", "authorizationServer", c.record.Name, "err", err)
			}
			p.at, p.retry = r.now().Add(p.retry), min(2*p.retry, c.patience())
		}
		plans[c.record.Name] = p
		wait = min(wait, p.at.Sub(r.now()))
	}
	r.plans = plans
	return wait
}

func (r *rotator) planFor(c custody) plan {
	b := basis{version: c.version, uid: c.record.UID, schedule: r.scheduleOf(c)}
	if p, ok := r.plans[c.record.Name]; ok && p.basis == b {
		return p
	}
	if len(c.set.Keys) == 0 || c.wish.any() {
		return plan{basis: b, at: r.now(), retry: retrySoon} // nobody can sign in before, or somebody waits
	}
	stagger := time.Duration(r.spread(c.record.Name, c.version) * float64(min(b.schedule.Lead/16, maxStaggered)))
	return plan{basis: b, at: c.set.Next(r.now(), b.schedule).Add(stagger), retry: retrySoon}
}

// patience is how long there is between two attempts at most.
func (c custody) patience() time.Duration {
	if c.wish.revoke {
		return retryUrgent
	}
	return retryLate
}

func (r *rotator) scheduleOf(c custody) keys.Schedule {
	s := r.schedule(c.record)
	s.Lead += publishWithin
	return s
}

// spread is a number from 0 to 1 that differs between replicas, so that one of them
// has rotated before the next one begins.
func (r *rotator) spread(of ...string) float64 {
	sum := sha256.Sum256([]byte(strings.Join(append(of, r.replica), "\x00")))
	return float64(binary.BigEndian.Uint32(sum[:])) / (1 << 32)
}

// rotate publishes what a person or the schedule asks for now, if anything. That
// another replica has done so is no error.
func (r *rotator) rotate(ctx context.Context, c custody) error {
	ctx, cancel := context.WithTimeout(ctx, publishWithin)
	defer cancel()
	secret, err := r.read(ctx, c)
	if err != nil || secret == nil {
		return err
	}
	d, err := r.decide(c, wishOf(secret))
	if err != nil || !d.changed {
		return err
	}
	if c.version != "" && len(c.set.Keys) == 0 {
		r.log.Warn("Replacing the keys of a deleted AuthorizationServer of the same name", "authorizationServer", c.record.Name)
	}
	data, err := d.set.Encode()
	if err != nil {
		return fmt.Errorf("encode keys: %w", err)
	}
	fill(secret, c.record, data)
	d.answer(secret, r.now())
	won, err := r.publish(ctx, secret)
	if err == nil && won {
		r.report(c, d)
	}
	return err
}

// read returns the Secret that is to be replaced, or created. It returns nil if the
// decision would be made on something old: minting for that would be in vain.
func (r *rotator) read(ctx context.Context, c custody) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	name := registration.KeysName(c.record.Name)
	secret, err := r.secrets.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		if c.version != "" {
			return nil, nil // the watch is about to say so
		}
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}}, nil
	case err != nil:
		return nil, err
	case kindOf(secret) != registration.RecordKeys:
		// Without its label, the watch takes it for nothing.
		return nil, fmt.Errorf("a Secret %q exists that is not labelled %s=%s: label it if the keys are in it, or delete it",
			name, registration.LabelRecord, registration.RecordKeys)
	case secret.ResourceVersion != c.version:
		return nil, nil
	}
	return secret, nil
}

// publish writes what read returned, and reports whether nobody was faster.
func (r *rotator) publish(ctx context.Context, secret *corev1.Secret) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var err error
	if secret.ResourceVersion == "" {
		_, err = r.secrets.Create(ctx, secret, metav1.CreateOptions{})
	} else {
		_, err = r.secrets.Update(ctx, secret, metav1.UpdateOptions{})
	}
	if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

func fill(o *corev1.Secret, record registration.Server, data []byte) {
	metav1.SetMetaDataLabel(&o.ObjectMeta, registration.LabelRecord, registration.RecordKeys)
	metav1.SetMetaDataAnnotation(&o.ObjectMeta, registration.AnnotationServer, record.Name)
	o.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: ownerVersion, Kind: ownerKind, Name: record.Name, UID: types.UID(record.UID),
	}}
	if o.Data == nil {
		o.Data = map[string][]byte{}
	}
	o.Data[keyKeys] = data
}
