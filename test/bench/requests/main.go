// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Command requests measures what the authorization server answers with the memory
// store: whole code flows, refreshes, introspections, /userinfo, keys and discovery,
// per second and in CPU each. Beside each of these it measures, in the same process of
// the server and turn by turn, so that whatever else this machine does hits both, what
// one cannot do without: bare HTTP exchanges of the same sizes that make the same
// signatures and hashes, and do nothing else. The ratio of the two is the result, and
// the medians over the rounds are told. Then it says where the CPU of a code flow goes.
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

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/test/bench/codeflow"
)

// options say what is measured, and for how long.
type options struct {
	// turn is how long each thing is measured in each round.
	turn    time.Duration
	rounds  int
	workers int
	only    string
	// profile is for how long code flows are profiled, and dir is where the profiles go.
	profile time.Duration
	dir     string
}

func main() {
	if asked, err := codeflow.ServeIfAsked(); asked {
		exit(err)
	}
	var o options
	flag.DurationVar(&o.turn, "time", time.Second, "how long each thing is measured in each round")
	flag.IntVar(&o.rounds, "rounds", 5, "how many rounds there are; 0 leaves the table out")
	flag.IntVar(&o.workers, "c", 8, "how many requests are under way at a time")
	flag.StringVar(&o.only, "only", "", "measure only what has this in its name")
	flag.DurationVar(&o.profile, "profile", 5*time.Second, "for how long code flows are profiled; 0 leaves that out")
	flag.StringVar(&o.dir, "dir", "artefacts", "where the profiles are written")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, o, os.Stdout))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "requests:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	for _, alg := range []string{keys.ES256, keys.RS256} {
		server, serr := codeflow.Start(codeflow.Spec{IDTokenAlg: alg, Store: codeflow.StoreSpec{Kind: codeflow.Memory}})
		if serr != nil {
			return serr
		}
		if err := errors.Join(measure(ctx, o, server, alg, out), server.Stop()); err != nil {
			return fmt.Errorf("with %s: %w", alg, err)
		}
	}
	return nil
}

// measure is everything that is told of a server that signs ID tokens with alg.
func measure(ctx context.Context, o options, server *codeflow.Server, alg string, out io.Writer) error {
	all, err := operations(server, alg, o.workers)
	if err != nil {
		return err
	}
	var chosen []*operation
	for _, op := range all {
		if strings.Contains(op.name, o.only) {
			chosen = append(chosen, op)
		}
	}
	if o.rounds > 0 {
		say(out, "\nID tokens signed with %s, access tokens with ES256, memory store, c=%d, %d rounds of %s for each.", alg, o.workers, o.rounds, o.turn)
		for i := range o.rounds {
			for _, op := range chosen {
				if err := op.round(ctx, o, i); err != nil {
					return fmt.Errorf("%s: %w", op.name, err)
				}
			}
		}
		table(out, chosen)
	}
	if o.profile == 0 {
		return nil
	}
	return explain(ctx, o, all[0], out)
}

func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
