// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is the manager or the authserver.
type process struct {
	name string
	env  []string // in addition to this program's
	// metrics is the URL of its metrics; empty if nobody wants to know.
	metrics string

	cmd    *exec.Cmd
	log    bytes.Buffer // complete once exited is closed
	exited chan struct{}
}

// start runs a binary that prepare has built.
func (st *stage) start(p process, args ...string) (*process, error) {
	started := &p
	started.exited = make(chan struct{})
	started.cmd = exec.Command(filepath.Join(st.dir, p.name), args...) //nolint:noctx // it is told to stop, not killed
	started.cmd.Env = append(os.Environ(), p.env...)
	started.cmd.Stderr = &started.log
	if err := started.cmd.Start(); err != nil {
		return nil, err
	}
	st.processes = append(st.processes, started)
	go func() {
		_ = started.cmd.Wait() // stop looks at how it ended
		close(started.exited)
	}()
	return started, nil
}

// stop ends the process, and returns what it said if it does not end well.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.exited:
	case <-time.After(startsWithin):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	if p.cmd.ProcessState.Success() {
		return nil
	}
	said := p.log.Bytes()
	return fmt.Errorf("%s: %s\n%s", p.name, p.cmd.ProcessState, said[max(0, len(said)-4000):])
}

// alive is an error once the process has ended.
func (p *process) alive() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s has ended", p.name)
	default:
		return nil
	}
}

// usage is what a process has used.
type usage struct {
	cpu time.Duration
	// rss is what it has of the memory now, peak the most that it had, in bytes.
	rss, peak int64
}

func (p *process) usage() (usage, error) { return usageOf(p.cmd.Process.Pid) }

// ticks is how many of /proc's clock ticks make a second, on every Linux that Go
// runs on.
const ticks = 100

func usageOf(pid int) (usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return usage{}, fmt.Errorf("read what a process has used, which takes Linux: %w", err)
	}
	fields := statFields(stat)
	if len(fields) < 13 {
		return usage{}, errors.New("/proc has a stat of another form")
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	status, err3 := os.ReadFile(filepath.Join(dir, "status"))
	u := usage{cpu: time.Duration(user+system) * time.Second / ticks}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			u.rss = kilobytes << 10
		case "VmHWM":
			u.peak = kilobytes << 10
		}
	}
	return u, errors.Join(err1, err2, err3)
}

// statFields are the fields of a stat from the process's state on, which is the
// third: the name before it may hold anything.
func statFields(stat []byte) []string {
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
}

// children are this process's, and what each has used, by name.
func children() (map[string]usage, error) {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	found := map[string]usage{}
	for _, path := range all {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := statFields(stat)
		if len(fields) < 2 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		name := string(stat[bytes.IndexByte(stat, '(')+1 : bytes.LastIndexByte(stat, ')')])
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, err
		}
		if found[name], err = usageOf(pid); err != nil {
			return nil, err
		}
	}
	self, err := usageOf(os.Getpid())
	found["this program"] = self
	return found, err
}

// quiet waits until the manager has nothing to do: its queue is empty and nothing
// has been reconciled for a moment.
func (st *stage) quiet(ctx context.Context, patience time.Duration) error {
	last := -1.0
	return poll(ctx, patience, func() (bool, error) {
		m, err := st.managerMetrics(ctx)
		if err != nil {
			return false, err
		}
		busy := m.sum("workqueue_depth", "name", "oauthclient") + m.sum("controller_runtime_active_workers", "", "")
		done := m.sum("controller_runtime_reconcile_total", "", "")
		was := last
		last = done
		return busy == 0 && done == was, nil
	})
}
