// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// child is a process of ours.
type child struct {
	name string
	cmd  *exec.Cmd
	// done is closed once the process is gone.
	done chan struct{}
}

// start runs a program of the bin folder until end, with its output in a log of
// its own. When it dies before, everything ends.
func (s *stage) start(name, program string, args ...string) error {
	log, err := s.log(name)
	if err != nil {
		return err
	}
	c := &child{
		name: name, done: make(chan struct{}),
		cmd: exec.Command(filepath.Join(s.bin, program), args...), //nolint:noctx // stop ends it, more gently
	}
	c.cmd.Stdout, c.cmd.Stderr = log, log
	// A group of its own: Ctrl-C reaches this program alone, which ends the others
	// in order.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(c.cmd.SysProcAttr)
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	s.children = append(s.children, c)
	go func() {
		_ = c.cmd.Wait()
		s.fail(&died{name: name, log: s.path(name + ".log"), how: "ended: " + c.cmd.ProcessState.String()})
		close(c.done)
	}()
	return nil
}

// stop asks the process to end and sees to it that it does.
func (c *child) stop(grace time.Duration) error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-c.done:
		return nil
	case <-time.After(grace):
	}
	_ = c.cmd.Process.Kill()
	<-c.done
	return fmt.Errorf("%s had to be killed: it did not end within %s", c.name, grace)
}

// died says that a process ended before its time.
type died struct{ name, log, how string }

// Error includes the last words of the process.
func (d *died) Error() string {
	text := d.name + " " + d.how
	if last := tail(d.log, 15); last != "" {
		text += "; the last lines of " + d.log + ":\n\n" + last
	}
	return text
}

// tail returns the last lines of a file, or nothing.
func tail(path string, lines int) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	const most = 16 << 10
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-most), io.SeekStart)
	}
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return ""
	}
	all := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	var b strings.Builder
	for _, line := range all {
		if len(line) > 0 {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	return strings.TrimRight(b.String(), "\n")
}
