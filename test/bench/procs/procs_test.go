// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package procs

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	got, err := parse([]byte("42 (a (strange) name) S 7 42 42 0 -1 4194560 1 2 3 4 100 50 25 5 20 0 1 0 0 0 0\n"))
	want := process{name: "a (strange) name", parent: 7, cpu: 1500 * time.Millisecond, ended: 300 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("parse = %+v, %v, want %+v", got, err, want)
	}
	for _, stat := range []string{"", "42", "42 (x", "42 (x) S 7", ") 42 ("} {
		if _, err := parse([]byte(stat)); err == nil {
			t.Errorf("parse(%q) succeeds", stat)
		}
	}
}

// The CPU of a child counts while it runs and after it has ended.
func TestCPU_WithDescendants(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.CommandContext(t.Context(), "sh", "-c", "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'").Run(); err != nil {
		t.Fatal(err)
	}
	own, err1 := Of(os.Getpid())
	after, err2 := CPU(os.Getpid())
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if after-before < 50*time.Millisecond || own.RSS == 0 || own.Peak < own.RSS {
		t.Errorf("CPU goes from %s to %s, and this process has %+v", before, after, own)
	}
}
