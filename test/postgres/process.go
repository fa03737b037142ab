// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// startTimeout is for a recovery after a crash, too.
	startTimeout = time.Minute
	stopTimeout  = 10 * time.Second
)

// process is a running server: the postmaster and its children.
type process struct {
	cmd  *exec.Cmd
	log  *log
	gone chan struct{} // closed when all of them have ended
}

// startProcess returns when the server can be connected to.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, log: &log{ready: make(chan struct{})}, gone: make(chan struct{})}
	cmd.Stderr = p.log
	endWithParent(cmd.SysProcAttr)
	started := make(chan error)
	go func() {
		// The kernel takes the end of this thread for the parent's.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			// It returns when the last process that could write to the log is gone.
			_ = cmd.Wait()
			close(p.gone)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	select {
	case <-p.log.ready:
		return p, nil
	case <-p.gone:
		return nil, fmt.Errorf("it ended: %s", p.log)
	case <-time.After(startTimeout):
		return nil, errors.Join(fmt.Errorf("it is not ready after %s: %s", startTimeout, p.log), p.kill())
	}
}

// shutDown ends the server in order, as soon as it can.
func (p *process) shutDown() error {
	_ = p.resume() // one that stands still does not hear
	if err := p.signal(syscall.SIGINT); err != nil {
		return err
	}
	select {
	case <-p.gone:
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("PostgreSQL does not stop within %s", stopTimeout), p.kill())
	}
}

// kill ends all processes. The postmaster goes first, so that it does not begin a
// recovery when a child dies.
func (p *process) kill() error {
	err := p.signal(syscall.SIGSTOP) // no children are born from now on
	all := p.children()
	err = errors.Join(err, p.signal(syscall.SIGKILL))
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have followed by itself
	}
	select {
	case <-p.gone:
		return err
	case <-time.After(stopTimeout):
		return errors.Join(err, fmt.Errorf("processes of PostgreSQL live %s after they were killed", stopTimeout))
	}
}

func (p *process) pause() error {
	err := p.signal(syscall.SIGSTOP)
	for _, pid := range p.children() {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // it may have ended
	}
	return err
}

func (p *process) resume() error {
	for _, pid := range p.children() {
		_ = syscall.Kill(pid, syscall.SIGCONT) // it may have ended
	}
	return p.signal(syscall.SIGCONT)
}

func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// children are the postmaster's, each of which leads a process group of its own.
// Where there is no /proc, none is found: they end with the postmaster by themselves.
func (p *process) children() []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	var found []int
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The command is in parentheses and may have some itself; after it come the
		// state and the parent.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(p.cmd.Process.Pid) {
			found = append(found, pid)
		}
	}
	return found
}

// forgetSharedMemory removes the segment of a server that was killed, which nobody
// else will. A server that has stopped in order has left no file.
func forgetSharedMemory(pidFile string) {
	lines, err := os.ReadFile(pidFile)
	if err != nil {
		return
	}
	const line = 6 // the key and the id of the segment
	if all := strings.Split(string(lines), "\n"); len(all) > line {
		fields := strings.Fields(all[line])
		if len(fields) != 2 {
			return
		}
		if id, err := strconv.Atoi(fields[1]); err == nil {
			_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil) // it may be gone
		}
	}
}

// readyMessage is what the server logs once it can be connected to.
const readyMessage = "database system is ready to accept connections"

// log keeps the end of what is written, and notices the message above.
type log struct {
	mu    sync.Mutex
	text  []byte
	seen  bool
	ready chan struct{}
}

const logSize = 32 << 10

// Write implements io.Writer.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if !l.seen && bytes.Contains(l.text, []byte(readyMessage)) {
		l.seen = true
		close(l.ready)
	}
	if len(l.text) > 2*logSize {
		l.text = append([]byte(nil), l.text[len(l.text)-logSize:]...)
	}
	return len(p), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
