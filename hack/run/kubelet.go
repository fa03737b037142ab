// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// mount plays the kubelet's part: it keeps a folder as a volume of the demo app's
// Secret, and returns once the Secret has been written there.
func (s *stage) mount(ctx context.Context, dir string) error {
	clients, err := kubernetes.NewForConfig(s.rest)
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	sync := func(obj any) {
		secret, ok := obj.(*corev1.Secret)
		if !ok {
			return
		}
		err := writeVolume(dir, secret.Data)
		if err != nil {
			s.say("writing %s: %v", dir, err)
		}
		select {
		case written <- err:
		default: // only the first one is waited for
		}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.NewListWatchFromClient(clients.CoreV1().RESTClient(), "secrets", demoNamespace,
			fields.OneTermEqualSelector("metadata.name", demoSecret)),
		ObjectType: &corev1.Secret{},
		// A Secret that is deleted stays in the volume, as with the kubelet.
		Handler: cache.ResourceEventHandlerFuncs{AddFunc: sync, UpdateFunc: func(_, obj any) { sync(obj) }},
	})
	go informer.RunWithContext(ctx)
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(10 * time.Second):
		return fmt.Errorf("there is no Secret %s/%s", demoNamespace, demoSecret)
	}
}

const dataLink = "..data"

// writeVolume makes dir hold exactly data, one file a key. As the kubelet does, it
// writes a new folder, and swaps all files at once by the symlink ..data.
func writeVolume(dir string, data map[string][]byte) error {
	old, err := os.Readlink(filepath.Join(dir, dataLink))
	switch {
	case err == nil && holds(filepath.Join(dir, old), data):
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	version, err := os.MkdirTemp(dir, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return err
	}
	for name, value := range data {
		if err := os.WriteFile(filepath.Join(version, name), value, 0o600); err != nil {
			return err
		}
	}
	next := filepath.Join(dir, "..data_tmp")
	_ = os.Remove(next)
	if err := os.Symlink(filepath.Base(version), next); err != nil {
		return err
	}
	if err := os.Rename(next, filepath.Join(dir, dataLink)); err != nil {
		return err
	}
	if old != "" {
		_ = os.RemoveAll(filepath.Join(dir, old))
	}
	return linkKeys(dir, data)
}

// linkKeys makes the names that apps open: a symlink for each key, by way of ..data.
func linkKeys(dir string, data map[string][]byte) error {
	for name := range data {
		err := os.Symlink(filepath.Join(dataLink, name), filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	all, err := os.ReadDir(dir)
	for _, e := range all {
		if _, ok := data[e.Name()]; !ok && !strings.HasPrefix(e.Name(), "..") {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// holds reports whether dir has exactly data.
func holds(dir string, data map[string][]byte) bool {
	all, err := os.ReadDir(dir)
	if err != nil || len(all) != len(data) {
		return false
	}
	for name, want := range data {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
			return false
		}
	}
	return true
}
