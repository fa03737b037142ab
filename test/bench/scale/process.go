// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/clientele-dev/clientele/test/bench/procs"
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

func (p *process) usage() (procs.Usage, error) { return procs.Of(p.cmd.Process.Pid) }

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
