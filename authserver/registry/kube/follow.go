// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// How long a reflector waits between attempts. client-go's own half a minute would
// be longer than a Lease lives.
const (
	retryFirst = 200 * time.Millisecond
	retryMost  = 5 * time.Second

	// requestTimeout is for small requests; over a dead connection one would hang.
	requestTimeout = 5 * time.Second
)

// follower keeps the store up to date by one watch. Only one goroutine may use it.
type follower struct {
	client    kubernetes.Interface
	namespace string
	store     *store
	log       *slog.Logger
	stopLast  context.CancelFunc
}

func newFollower(c Config, s *store) *follower {
	return &follower{client: c.Client, namespace: c.Namespace, store: s, log: c.Log, stopLast: func() {}}
}

// reload loads everything anew and goes on watching, beyond ctx, until stop. When
// it returns nil, all that was true when it was called has been applied.
//
// The API server answers a new watch with its latest state (RV="" of a watch-list
// is a consistent read), so this takes one load. That the answer was not stale is
// checked all the same, against a consistent read made before: all that the
// acknowledgement promises rests on it.
func (f *follower) reload(ctx context.Context) error {
	target, err := f.latest(ctx)
	if err != nil {
		return err
	}
	f.start(context.WithoutCancel(ctx))
	return f.store.reach(ctx, target)
}

// verify reports whether the watch brings, within patience, all that was true when
// verify was called. An API server sends a bookmark about every minute, so one that
// is well does. An error says that there is no telling.
func (f *follower) verify(ctx context.Context, patience time.Duration) (bool, error) {
	target, err := f.latest(ctx)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return f.store.reach(ctx, target) == nil, nil
}

// latest returns a resourceVersion that includes every write before the call.
func (f *follower) latest(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	list, err := f.client.CoreV1().Secrets(f.namespace).List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return "", fmt.Errorf("read the latest resourceVersion: %w", err)
	}
	return list.ResourceVersion, nil
}

// start replaces the reflector by a new one, which knows nothing.
func (f *follower) start(ctx context.Context) {
	f.stopLast()
	ctx, f.stopLast = context.WithCancel(ctx)
	log := logr.FromSlogHandler(f.log.Handler())
	reflector := cache.NewReflectorWithOptions(f.secrets(), &corev1.Secret{}, f.store.begin(), cache.ReflectorOptions{
		Name:    "secrets of " + f.namespace,
		Logger:  &log,
		Backoff: &wait.Backoff{Duration: retryFirst, Cap: retryMost, Factor: 2, Jitter: 1, Steps: math.MaxInt32},
	})
	go reflector.RunWithContext(klog.NewContext(ctx, log))
}

// stop ends the watch. It does not wait: a reflector that is between two attempts
// does not listen, and may write no more.
func (f *follower) stop() {
	f.stopLast()
	f.store.begin()
}

func (f *follower) secrets() cache.ListerWatcher {
	secrets := f.client.CoreV1().Secrets(f.namespace)
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			if o.ResourceVersion == "0" {
				o.ResourceVersion = "" // "0" allows any old state
			}
			return secrets.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return secrets.Watch(ctx, o)
		},
	}, f.client)
}
