// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestWriteVolume(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "credentials")
	write := func(data map[string][]byte) {
		t.Helper()
		if err := writeVolume(dir, data); err != nil {
			t.Fatal(err)
		}
	}
	link := func() string {
		t.Helper()
		to, err := os.Readlink(filepath.Join(dir, dataLink))
		if err != nil {
			t.Fatal(err)
		}
		return to
	}

	write(map[string][]byte{"client_id": []byte("a"), "gone": []byte("b")})
	first := link()
	write(map[string][]byte{"client_id": []byte("a"), "gone": []byte("b")})
	if link() != first {
		t.Error("the same data was written anew")
	}
	write(map[string][]byte{"client_id": []byte("c"), "new": []byte("d")})
	if link() == first {
		t.Error("new data was not written")
	}
	for name, want := range map[string]string{"client_id": "c", "new": "d"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"gone", first, "..data_tmp"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
}

// Whoever reads while files are swapped sees all of one version.
func TestWriteVolume_IsAtomic(t *testing.T) {
	dir := t.TempDir()
	versions := []map[string][]byte{
		{"client_id": []byte("1"), "client_secret": []byte("1")},
		{"client_id": []byte("2"), "client_secret": []byte("2")},
	}
	if err := writeVolume(dir, versions[0]); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			version, err := os.Readlink(filepath.Join(dir, dataLink))
			if err != nil {
				t.Errorf("..data is missing: %v", err)
				return
			}
			// The version may be gone by now, but never half there.
			id, err1 := os.ReadFile(filepath.Join(dir, version, "client_id"))
			secret, err2 := os.ReadFile(filepath.Join(dir, version, "client_secret"))
			if err1 == nil && err2 == nil && string(id) != string(secret) {
				t.Errorf("read %s with %s", id, secret)
				return
			}
		}
	})
	for i := range 200 {
		if err := writeVolume(dir, versions[i%2]); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	reader.Wait()
}
