// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// replica is a process of cmd/authserver.
type replica struct {
	name      string
	cmd       *exec.Cmd
	http, ops string        // its addresses
	ended     chan struct{} // closed when the process has ended
	err       error         // how, after that
	log       *tail
	lines     []*line // its ways to what it needs
}

// startTimeout is for a replica's start on a machine that does much else.
const startTimeout = 30 * time.Second

// start starts a replica that is not known to the balancer yet.
func (w *world) start() (*replica, error) {
	w.born++
	r := &replica{name: fmt.Sprintf("replica-%d", w.born), ended: make(chan struct{}), log: &tail{}}
	kubeconfig, way := w.kubeconfig(r.name)
	args := []string{
		"--replica-name=" + r.name, "--kubeconfig=" + kubeconfig, "--http-address=127.0.0.1:0", "--ops-address=127.0.0.1:0",
		"--shutdown-delay=" + shutdownDelay.String(), "--session-cache=" + sessionCache.String(),
	}
	own, lines := w.store.args(w, r.name)
	r.lines = append([]*line{way}, lines...)
	r.cmd = exec.Command(w.binary, append(args, own...)...) //nolint:noctx // it is killed, or ends with the test
	r.cmd.WaitDelay = time.Second
	out, err := r.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	listening := make(chan struct{})
	go r.follow(out, listening)
	w.t.Cleanup(func() {
		r.kill()
		if w.t.Failed() {
			w.t.Logf("the end of the log of %s:\n%s", r.name, r.log)
		}
	})
	select {
	case <-listening:
		return r, nil
	case <-r.ended:
		return nil, fmt.Errorf("%s ended: %w: %s", r.name, r.err, r.log)
	case <-time.After(startTimeout):
		return nil, fmt.Errorf("%s does not listen: %s", r.name, r.log)
	}
}

// follow reads what the process logs until it ends.
func (r *replica) follow(out io.Reader, listening chan<- struct{}) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r.log.add(lines.Bytes())
		var said struct{ Msg, Listener, Address string }
		if r.http != "" && r.ops != "" || json.Unmarshal(lines.Bytes(), &said) != nil || said.Msg != "Listening" {
			continue
		}
		switch said.Listener {
		case "http":
			r.http = said.Address
		case "ops":
			r.ops = said.Address
		}
		if r.http != "" && r.ops != "" {
			close(listening)
		}
	}
	_, _ = io.Copy(io.Discard, out) // a line that is too long
	r.err = r.cmd.Wait()
	close(r.ended)
}

// kill ends the process without a warning.
func (r *replica) kill() {
	_ = r.cmd.Process.Kill() // it may have ended
	<-r.ended
}

// tell asks the process to end.
func (r *replica) tell() error { return r.cmd.Process.Signal(syscall.SIGTERM) }

// leave returns when the process has ended in order.
func (r *replica) leave() error {
	select {
	case <-r.ended:
		if r.err != nil {
			return fmt.Errorf("%s stops: %w", r.name, r.err)
		}
		return nil
	case <-time.After(patience):
		return errors.New(r.name + " does not stop")
	}
}

// tail keeps the end of a log, and whether it tells of something that must never be.
type tail struct {
	mu    sync.Mutex
	lines []string
	panic string
}

const tailLength = 60

func (l *tail) add(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.panic == "" && (bytes.Contains(line, []byte("panic")) || bytes.Contains(line, []byte("DATA RACE"))) {
		l.panic = string(line)
	}
	// What went well is of no interest.
	if bytes.Contains(line, []byte(`"level":"INFO","msg":"Serving request"`)) {
		return
	}
	l.lines = append(l.lines, string(line))
	if len(l.lines) > 2*tailLength {
		l.lines = append([]string(nil), l.lines[tailLength:]...)
	}
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[max(0, len(l.lines)-tailLength):], "\n")
}
