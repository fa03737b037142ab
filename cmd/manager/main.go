// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Command manager runs the controllers of OAuthClient and AuthorizationServer. It
// serves nothing but its health and its metrics.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	_ "time/tzdata" // for spec.rotation.window.timeZone: the image has no time zones

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/clientele-dev/clientele/controllers"
)

// leaderElectionID is the Lease that managers of one installation compete for.
const leaderElectionID = "clientele-manager"

type config struct {
	namespace   string
	metricsAddr string
	healthAddr  string
	elect       bool
	concurrency int
	logLevel    slog.Level
	logText     bool
}

func main() {
	c := parseFlags()
	logger := logr.FromSlogHandler(c.logHandler())
	ctrl.SetLogger(logger)
	klog.SetLogger(logger) // client-go's own words go where ours go
	if err := run(ctrl.SetupSignalHandler(), c); err != nil {
		ctrl.Log.Error(err, "Running the manager failed")
		os.Exit(1)
	}
}

func parseFlags() config {
	var c config
	flag.StringVar(&c.namespace, "namespace", "clientele-system", "the system namespace, where records are written")
	flag.StringVar(&c.metricsAddr, "metrics-bind-address", ":8080", "where metrics are served; 0 is nowhere")
	flag.StringVar(&c.healthAddr, "health-probe-bind-address", ":8081", "where /healthz and /readyz are served; 0 is nowhere")
	flag.BoolVar(&c.elect, "leader-elect", false, "wait to become the leader, so that of several managers one works")
	flag.IntVar(&c.concurrency, "max-concurrent-reconciles", 16, "how many OAuthClients are worked on at once")
	flag.TextVar(&c.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	flag.Func("log-format", "json (the default) or text", func(format string) error {
		c.logText = format == "text"
		if format != "json" && format != "text" {
			return errors.New("it is neither json nor text")
		}
		return nil
	})
	flag.Parse() // ctrl has registered --kubeconfig
	return c
}

func (c config) logHandler() slog.Handler {
	o := &slog.HandlerOptions{Level: c.logLevel}
	if c.logText {
		return slog.NewTextHandler(os.Stderr, o)
	}
	return slog.NewJSONHandler(os.Stderr, o)
}

// run works until ctx ends.
func run(ctx context.Context, c config) error {
	kube, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	kube.QPS = -1 // the API server has priority and fairness of its own
	scheme, err := controllers.Scheme()
	if err != nil {
		return err
	}
	cache, err := controllers.CacheOptions(c.namespace)
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(kube, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         cache,
		Metrics:                       metricsserver.Options{BindAddress: c.metricsAddr},
		HealthProbeBindAddress:        c.healthAddr,
		LeaderElection:                c.elect,
		LeaderElectionID:              leaderElectionID,
		LeaderElectionNamespace:       c.namespace,
		LeaderElectionReleaseOnCancel: true, // main ends when Start does
	})
	if err != nil {
		return err
	}
	for name, add := range map[string]func(string, healthz.Checker) error{"healthz": mgr.AddHealthzCheck, "readyz": mgr.AddReadyzCheck} {
		if err := add(name, healthz.Ping); err != nil {
			return fmt.Errorf("add %s: %w", name, err)
		}
	}
	if err := controllers.Setup(ctx, mgr, controllers.Options{
		Namespace:               c.namespace,
		MaxConcurrentReconciles: c.concurrency,
		Clock:                   clock.RealClock{},
		Random:                  rand.Reader,
		Registerer:              metrics.Registry,
	}); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
