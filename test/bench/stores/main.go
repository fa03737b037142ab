// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Command stores measures the stores: how many grants each redeems and advances per
// second, and how many whole code flows the authserver does with it. Beside each of
// these it measures, in the same run and turn by turn, so that whatever else this
// machine does hits both, what the store could do at the most: its bare limit. The
// ratio of the two is the result, and the medians over the rounds are told. Then it
// measures what sweeping costs those who redeem meanwhile. It needs
// /proc, and so Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/clientele-dev/clientele/test/bench/codeflow"
)

// options say what is measured, and for how long.
type options struct {
	// turn is how long each thing is measured in each round.
	turn   time.Duration
	rounds int
	only   string
	// expired and live are how many objects a sweep finds that are over, and are not.
	expired, live int
}

func main() {
	if asked, err := codeflow.ServeIfAsked(); asked {
		exit(err)
	}
	var o options
	flag.DurationVar(&o.turn, "time", time.Second, "how long each thing is measured in each round")
	flag.IntVar(&o.rounds, "rounds", 5, "how many rounds there are; 0 leaves verbs and flows out")
	flag.IntVar(&o.expired, "expired", 0, "how many objects are swept; 0 leaves sweeping out")
	flag.IntVar(&o.live, "live", 0, "among how many that are not")
	flag.StringVar(&o.only, "only", strings.Join([]string{codeflow.Memory, codeflow.Kubernetes, codeflow.Postgres}, ","), "the stores that are measured")
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, o, os.Stdout))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "stores:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// openers are the stores' in the order in which they are measured.
var openers = []struct {
	kind string
	open func(context.Context) (*backend, error)
}{
	{codeflow.Memory, openMemory},
	{codeflow.Kubernetes, openKube},
	{codeflow.Postgres, openPostgres},
}

// errMissing is a store's whose server is not on this machine.
var errMissing = errors.New("not installed")

func run(ctx context.Context, o options, out io.Writer) error {
	began := time.Now()
	for _, s := range openers {
		if !strings.Contains(o.only, s.kind) {
			continue
		}
		b, err := s.open(ctx)
		if errors.Is(err, errMissing) {
			say(out, "\nNOT MEASURED: the store %s. %v", s.kind, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("open the store %s: %w", s.kind, err)
		}
		err = errors.Join(b.measure(ctx, o, out), b.end())
		if err != nil {
			return fmt.Errorf("measure the store %s: %w", s.kind, err)
		}
	}
	say(out, "\nAll of it took %s.", time.Since(began).Round(time.Second))
	return nil
}

func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
