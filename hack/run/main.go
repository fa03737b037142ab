// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Command run is `make run`: all of Clientele on this machine, with a demo app to
// sign in to, until Ctrl-C. It starts a Kubernetes API server, installs Clientele
// as a cluster would have it, with the ServiceAccounts and roles of config/rbac,
// and plays the kubelet's part for the demo app. Everything listens on loopback
// addresses only, and everything that it writes is in one folder.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// config is what the environment and the command line say.
type config struct {
	dir, bin            string
	serverPort, appPort int
	out                 io.Writer
}

func main() {
	c := config{out: os.Stdout}
	flag.StringVar(&c.dir, "dir", ".run", "where everything is written")
	flag.StringVar(&c.bin, "bin", "bin", "where manager, authserver and webapp are")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctrl.SetLogger(logr.Discard()) // envtest's
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "\n"+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, c config) error {
	var err error
	if c.serverPort, err = port("CLIENTELE_PORT", 9096); err != nil {
		return err
	}
	if c.appPort, err = port("CLIENTELE_APP_PORT", 9097); err != nil {
		return err
	}
	if c.serverPort == c.appPort {
		return fmt.Errorf("CLIENTELE_PORT and CLIENTELE_APP_PORT are both %d; choose two ports", c.appPort)
	}
	if c.dir, err = filepath.Abs(c.dir); err != nil {
		return err
	}
	unlock, err := claim(c.dir)
	if err != nil {
		return err
	}
	defer unlock()

	// A process that dies ends the rest, as Ctrl-C does, but with its name.
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	s := &stage{config: c, fail: fail, began: time.Now()}
	err = s.play(ctx)
	// An error of a phase is often only the echo of a process that died.
	if died, ok := errors.AsType[*died](context.Cause(ctx)); ok {
		err = died
	} else if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, s.end())
}

// play does what must be done until somebody ends it.
func (s *stage) play(ctx context.Context) error {
	for _, phase := range []struct {
		says string
		do   func(context.Context) error
	}{
		{"starting a Kubernetes API server", s.startControlPlane},
		{"installing Clientele", s.install},
		{"starting manager and authserver", s.startClientele},
		{"applying an AuthorizationServer and the demo app's OAuthClient", s.apply},
		{"waiting for both to be Ready", s.awaitReady},
		{"starting the demo app", s.startApp},
	} {
		s.say("%s", phase.says)
		if err := phase.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", phase.says, err)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	if err := s.writeEnv(); err != nil {
		return err
	}
	if err := s.show(); err != nil {
		return err
	}
	s.watchAPIServer(ctx)
	return nil
}

// say prints a line of progress.
func (s *stage) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, "%5.1fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// port returns the port that an environment variable names, which must be free.
func port(variable string, otherwise int) (int, error) {
	p, text := otherwise, os.Getenv(variable)
	if text != "" {
		var err error
		if p, err = strconv.Atoi(text); err != nil || p < 1 || p > 65535 {
			return 0, fmt.Errorf("%s is %q, which is not a port from 1 to 65535", variable, text)
		}
	}
	return p, checkFree(variable, p)
}
