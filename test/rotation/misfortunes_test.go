// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// lapse is how long it takes until the manager goes on without a replica that it does
// not hear of, with something to spare.
const lapse = 21 * time.Second

// inARow is how many misfortunes there are at most without a secret that was mounted
// meanwhile: on a busy machine no manager may live for long enough to get there.
const inARow = 10

// misfortunes happen until ctx ends, and then all is well again.
func (w *world) misfortunes(ctx context.Context) {
	mounted, since := w.mounted.Load(), 0
	for ; ; w.struck++ {
		if now := w.mounted.Load(); now != mounted {
			mounted, since = now, 0
		}
		for since >= inARow && w.mounted.Load() == mounted {
			if pause(ctx, 10*time.Millisecond) != nil {
				return
			}
		}
		since++
		if pause(ctx, between(200*time.Millisecond, 1500*time.Millisecond)) != nil {
			return
		}
		switch w.struck % 7 {
		case 4:
			w.replace(w.replicas[rand.IntN(len(w.replicas))])
		case 6:
			w.cutOff(ctx, w.replicas[rand.IntN(len(w.replicas))])
		default:
			w.killManager()
			w.kills++
			_ = pause(ctx, between(0, 300*time.Millisecond)) // a manager has to come back even so
			w.startManager()
		}
	}
}

func between(least, most time.Duration) time.Duration { return least + rand.N(most-least) }

// replace stops a replica as an update does, and starts another one with another
// name: before or after.
func (w *world) replace(r *replica) {
	if rand.IntN(2) == 0 {
		w.startReplica()
		w.stopReplica(r)
	} else {
		w.stopReplica(r)
		w.startReplica()
	}
	w.replaced++
}

// cutOff takes a replica's way to the API server away for a while. It goes on
// serving. Half of the time, that while is long enough for its Lease to lapse.
func (w *world) cutOff(ctx context.Context, r *replica) {
	r.link.Cut()
	if rand.IntN(2) == 0 {
		w.clock.pass(lapse)
	}
	_ = pause(ctx, between(500*time.Millisecond, 3*time.Second))
	r.link.Mend()
	w.cut++
}

// rotate asks for another secret for an app, or deletes its Secret, and waits until
// another one is mounted.
func (w *world) rotate(ctx context.Context, a *app) error {
	before := &corev1.Secret{}
	if err := w.kube.Get(ctx, a.secretKey(), before); err != nil {
		return fmt.Errorf("%s: %w", a.key.Name, err)
	}
	n := w.rotated.Add(1)
	if n%10 == 0 {
		w.deleted.Add(1)
		if err := w.kube.Delete(ctx, before); err != nil {
			return err
		}
	} else if err := w.request(ctx, a, n); err != nil {
		return err
	}
	err := await(ctx, func() error {
		now := &corev1.Secret{}
		if err := w.kube.Get(ctx, a.secretKey(), now); err != nil {
			return err
		}
		if bytes.Equal(now.Data["client_secret"], before.Data["client_secret"]) {
			return errors.New(a.key.Name + " has its old secret still")
		}
		return nil
	})
	if err == nil {
		w.mounted.Add(1)
	}
	return err
}

// request asks for the nth rotation as a person would.
func (w *world) request(ctx context.Context, a *app, n int64) error {
	oc := &v1alpha1.OAuthClient{ObjectMeta: metav1.ObjectMeta{Namespace: a.key.Namespace, Name: a.key.Name}}
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"%d"}}}`, v1alpha1.AnnotationRotate, n)
	return w.kube.Patch(ctx, oc, client.RawPatch("application/merge-patch+json", patch))
}
