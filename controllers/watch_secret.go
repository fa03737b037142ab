// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// secretWatches watch single Secrets that are not ours, and so not in the manager's
// cache: those that OAuthClients refer to, and those that are in the way of one. Each
// Secret has one watch, of its metadata alone, while somebody follows it. What it
// costs is in proportion to those; the rest of the cluster's Secrets cost nothing.
// Whoever follows a Secret before reading it learns of every change after that read.
// A nil *secretWatches watches nothing and knows nothing.
type secretWatches struct {
	reader client.WithWatch

	mu      sync.Mutex
	context context.Context //nolint:containedctx // that of the controller whose source this is
	queue   workqueue.TypedRateLimitingInterface[reconcile.Request]
	watched map[types.NamespacedName]*watchedSecret
	// followed are the keys of watched by who follows them.
	followed map[reconcile.Request][]types.NamespacedName
}

var _ source.Source = (*secretWatches)(nil)

func newSecretWatches(reader client.WithWatch) *secretWatches {
	return &secretWatches{
		reader: reader, watched: map[types.NamespacedName]*watchedSecret{}, followed: map[reconcile.Request][]types.NamespacedName{},
	}
}

// String names the source in the controller's messages, which would otherwise print
// what it holds while it changes.
func (*secretWatches) String() string { return "single Secrets" }

// Start takes the queue of the controller.
func (w *secretWatches) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.context, w.queue = ctx, queue
	return nil
}

// follow enqueues request whenever the Secret changes, from now on.
func (w *secretWatches) follow(request reconcile.Request, key types.NamespacedName) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.context == nil || slices.Contains(w.followed[request], key) {
		return
	}
	w.followed[request] = append(w.followed[request], key)
	s := w.watched[key]
	if s == nil {
		ctx, stop := context.WithCancel(w.context)
		s = &watchedSecret{watches: w, stop: stop, followers: map[reconcile.Request]struct{}{}}
		w.watched[key] = s
		go s.run(ctx, w.listWatch(key))
	}
	s.followers[request] = struct{}{}
}

// retain ends what request follows, but for keys.
func (w *secretWatches) retain(request reconcile.Request, keys ...types.NamespacedName) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := slices.DeleteFunc(w.followed[request], func(key types.NamespacedName) bool {
		if slices.Contains(keys, key) {
			return false
		}
		s := w.watched[key]
		if delete(s.followers, request); len(s.followers) == 0 {
			s.stop()
			delete(w.watched, key)
		}
		return true
	})
	if w.followed[request] = kept; len(kept) == 0 {
		delete(w.followed, request)
	}
}

// version is the Secret's "<uid>/<resourceVersion>" as the watch has it, and empty if
// there is no such Secret. It is not known before the watch has begun.
func (w *secretWatches) version(key types.NamespacedName) (version string, known bool) {
	if w == nil {
		return "", false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.watched[key]; s != nil {
		return s.version, s.known
	}
	return "", false
}

// listWatch lists and watches the metadata of one Secret.
func (w *secretWatches) listWatch(key types.NamespacedName) cache.ListerWatcher {
	options := func(o metav1.ListOptions) []client.ListOption {
		return []client.ListOption{
			&client.ListOptions{Raw: &o}, client.InNamespace(key.Namespace), client.MatchingFields{"metadata.name": key.Name},
		}
	}
	list := func() *metav1.PartialObjectMetadataList {
		l := &metav1.PartialObjectMetadataList{}
		l.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
		return l
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			l := list()
			return l, w.reader.List(ctx, l, options(o)...)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return w.reader.Watch(ctx, list(), options(o)...)
		},
	}
}

// watchedSecret is what a watch says of its Secret, and who wants to hear of it. The
// mu of its watches guards all of it.
type watchedSecret struct {
	watches   *secretWatches
	stop      context.CancelFunc
	followers map[reconcile.Request]struct{}
	version   string
	known     bool
}

var _ cache.ReflectorStore = (*watchedSecret)(nil)

// run watches until ctx ends. A Reflector connects again, ever more slowly, as often
// as it takes.
func (s *watchedSecret) run(ctx context.Context, lw cache.ListerWatcher) {
	cache.NewReflectorWithOptions(lw, &metav1.PartialObjectMetadata{}, s, cache.ReflectorOptions{
		Name: "single-secret", TypeDescription: "metadata of a Secret",
	}).RunWithContext(ctx)
}

// Add notes a Secret that has appeared.
func (s *watchedSecret) Add(o any) error {
	s.note(versionOf(o))
	return nil
}

// Update notes a Secret that has changed.
func (s *watchedSecret) Update(o any) error { return s.Add(o) }

// Delete notes that the Secret is gone.
func (s *watchedSecret) Delete(any) error {
	s.note("")
	return nil
}

// Replace notes what a complete list holds: one Secret or none.
func (s *watchedSecret) Replace(list []any, _ string) error {
	version := ""
	for _, o := range list {
		version = versionOf(o)
	}
	s.note(version)
	return nil
}

// Resync is not asked for.
func (*watchedSecret) Resync() error { return nil }

// note wakes the followers if that is news. The first thing that a watch says is: who
// has read the Secret before that may have read what was there earlier.
func (s *watchedSecret) note(version string) {
	s.watches.mu.Lock()
	defer s.watches.mu.Unlock()
	if s.known && s.version == version {
		return
	}
	s.known, s.version = true, version
	for request := range s.followers {
		s.watches.queue.Add(request)
	}
}

func versionOf(o any) string {
	if m, ok := o.(metav1.Object); ok {
		return secretVersion(m)
	}
	return ""
}

// secretVersion tells one state of one Secret from all others.
func secretVersion(o metav1.Object) string { return string(o.GetUID()) + "/" + o.GetResourceVersion() }
