// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package procs tells what processes have used of this machine. It reads /proc, and
// so needs Linux.
package procs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process has used.
type Usage struct {
	CPU time.Duration
	// RSS is what it has of the memory now, Peak the most that it had, in bytes.
	RSS, Peak int64
}

// ticks is how many of /proc's clock ticks make a second, on every Linux that Go
// runs on.
const ticks = 100

// Of is what a process has used.
func Of(pid int) (Usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Usage{}, fmt.Errorf("read what a process has used, which takes Linux: %w", err)
	}
	p, err := parse(stat)
	if err != nil {
		return Usage{}, err
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	u := Usage{CPU: p.cpu}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			u.RSS = kilobytes << 10
		case "VmHWM":
			u.Peak = kilobytes << 10
		}
	}
	return u, err
}

// Children are this process's, and what each has used, by name.
func Children() (map[string]Usage, error) {
	all, err := running()
	if err != nil {
		return nil, err
	}
	found := map[string]Usage{}
	for pid, p := range all {
		if p.parent != os.Getpid() {
			continue
		}
		if found[p.name], err = Of(pid); err != nil {
			return nil, err
		}
	}
	self, err := Of(os.Getpid())
	found["this program"] = self
	return found, err
}

// CPU is what a process and all that descend from it have used so far, with those
// that have ended.
func CPU(root int) (time.Duration, error) {
	all, err := running()
	if err != nil {
		return 0, err
	}
	var total time.Duration
	for pid, p := range all {
		for at := pid; at > 1; at = all[at].parent {
			if at == root {
				total += p.cpu + p.ended
				break
			}
		}
	}
	return total, nil
}

// process is a line of /proc.
type process struct {
	name   string
	parent int
	// cpu is its own, ended that of its children that have ended.
	cpu, ended time.Duration
}

// running are all processes there are.
func running() (map[int]process, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	all := map[int]process{}
	for _, path := range paths {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, err1 := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		p, err2 := parse(stat)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		all[pid] = p
	}
	return all, nil
}

// parse reads a stat (proc(5)). The name may hold anything, a parenthesis too.
func parse(stat []byte) (process, error) {
	from, to := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[to+1:]))
	if from < 0 || to < from || len(fields) < 15 {
		return process{}, errors.New("/proc has a stat of another form")
	}
	var numbers [15]int64
	for _, i := range []int{1, 11, 12, 13, 14} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return process{}, err
		}
		numbers[i] = n
	}
	return process{
		name: string(stat[from+1 : to]), parent: int(numbers[1]),
		cpu:   time.Duration(numbers[11]+numbers[12]) * time.Second / ticks,
		ended: time.Duration(numbers[13]+numbers[14]) * time.Second / ticks,
	}, nil
}
